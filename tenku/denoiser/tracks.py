"""Tracks as a condition: every token is told where each object lies from where it stands.

Packed tracks (b c t o) have, for each latent frame and object, `1 + look_channels` channels (whether there is
an object, then what it looks like) followed by a box of five numbers for each of the frames behind the
latent one; `worlds.tracks` says what the numbers mean. An object that is not there is all zero and adds
nothing, so no tracks at all are the same as zeros.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

BOX_SIZE = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackConfig:
    """What packed tracks hold: attributes of a look by their number of values, and frames of a latent one."""

    look_sizes: tuple[int, ...]
    frames_per_latent: int
    hidden_size: int = 192

    @property
    def look_channels(self) -> int:
        """Channels that describe a look, one-hot by attribute."""
        return sum(self.look_sizes)

    @property
    def channels(self) -> int:
        """Channels of packed tracks."""
        return 1 + self.look_channels + self.frames_per_latent * BOX_SIZE


class TrackEncoder(nn.Module):
    """Sums over the objects what each of them is to a token: a small network of their relative place."""

    def __init__(self, config: TrackConfig, size: int) -> None:
        super().__init__()
        self.config = config
        features = config.look_channels + 4 * config.frames_per_latent + 4 + 3
        self.first = nn.Linear(features, config.hidden_size)
        self.second = nn.Linear(config.hidden_size, config.hidden_size)
        self.out = nn.Linear(config.hidden_size, size, bias=False)
        # What tracks say must be as loud as the noise from the first step on, or it is not listened to:
        # features have about 22 units of power, and SiLU of unit noise has a root mean square of 0.6.
        for layer, power in ((self.first, 22.0), (self.second, 0.36 * config.hidden_size)):
            nn.init.normal_(layer.weight, std=power**-0.5)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.out.weight, std=(0.36 * config.hidden_size) ** -0.5)

    def forward(self, tracks: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """Packed tracks (b c t o) for tokens (t h w) → (b t h w d)."""
        _, h, w = grid
        config, token = self.config, 2 / min(h, w)  # a token's side, as boxes are measured
        present, look, boxes = torch.split(
            tracks, [1, config.look_channels, config.frames_per_latent * BOX_SIZE], dim=1
        )
        boxes = rearrange(boxes, "b (f n) t o -> b t 1 1 f n o", n=BOX_SIZE)
        across = torch.arange(w, device=tracks.device, dtype=tracks.dtype)[None, :] + 0.5 - w / 2
        down = torch.arange(h, device=tracks.device, dtype=tracks.dtype)[:, None] + 0.5 - h / 2
        here = torch.stack([across.expand(h, w), down.expand(h, w)], -1)[..., None, :, None]  # h w 1 2 1
        centre, size = boxes[..., 0:2, :] / token - here, boxes[..., 2:4, :] / token
        # Edges in tokens: exact close by, only their side far away.
        edges = torch.tanh(torch.cat([centre - size / 2, centre + size / 2], -2) / 1.5).flatten(-3, -2)
        ends = [0, config.frames_per_latent - 1]
        inside = torch.cat([centre[..., end, :, :] / (size[..., end, :, :] + 0.5) for end in ends], -2)
        features = torch.cat(
            [
                edges,
                2 * torch.tanh(inside / 2),
                boxes[..., 0, 2:5, :].expand(*edges.shape[:4], -1, -1),
                look.permute(0, 2, 1, 3)[:, :, None, None].expand(*edges.shape[:4], -1, -1),
            ],
            -2,
        ).transpose(-1, -2)  # b t h w o features
        x = functional.silu(self.first(features))
        x = functional.silu(self.second(x))
        there = present[:, 0, :, None, None, :, None].to(x.dtype)
        out: Tensor = self.out((x * there).sum(-2) / math.sqrt(2))
        return out
