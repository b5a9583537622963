"""Tracks read from latents: the inverse of a draft, for pictures and clips that somebody else has made."""

import math
from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.layers import (
    CrossAttention,
    GatedMLP,
    RMSNorm,
    SelfAttention,
    fold,
    rotary_table,
    token_shift,
)
from tenku.denoiser.tracks import (
    CAMERA_SIZE,
    NUM_FLOORS,
    POSE_SIZE,
    SURROUNDINGS_SIZE,
    TYPICAL_CAMERA,
    TrackConfig,
)
from tenku.denoiser.view import lines_of_sight

_OCTAVES = 5
_THETA = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackReaderConfig:
    """Shape of a reader: `frame_depth` blocks look at each latent frame, `slot_depth` at what was found."""

    tracks: TrackConfig
    latent_channels: int = 48
    hidden_size: int = 192
    num_heads: int = 3
    mlp_ratio: float = 2.0
    patch_size: int = 2
    frame_depth: int = 3
    slot_depth: int = 3

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads or (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be num_heads ({self.num_heads}) times an even number"
            )


class _FrameBlock(nn.Module):
    """Attention inside each latent frame, a look at the neighbours in space and time, and an MLP."""

    def __init__(self, size: int, num_heads: int, mlp_size: int) -> None:
        super().__init__()
        self.attention_norm, self.shift_norm, self.mlp_norm = (RMSNorm(size) for _ in range(3))
        self.attention = SelfAttention(size, num_heads)
        self.shift = nn.Linear(size, size, bias=False)
        self.mlp = GatedMLP(size, mlp_size)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """(b t h w d) → (b t h w d)."""
        b, h = x.shape[0], x.shape[2]
        frames = rearrange(self.attention_norm(x), "b t h w d -> (b t) (h w) d")
        y = self.attention(frames, *rotary)
        x = x + rearrange(y, "(b t) (h w) d -> b t h w d", b=b, h=h)
        x = x + self.shift(token_shift(self.shift_norm(x)))
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class _SlotBlock(nn.Module):
    """Slots look into their own latent frame, then at each other through the whole clip."""

    def __init__(self, size: int, num_heads: int, mlp_size: int) -> None:
        super().__init__()
        self.look_norm, self.attention_norm, self.mlp_norm = (RMSNorm(size) for _ in range(3))
        self.look = CrossAttention(size, size, num_heads)
        self.attention = SelfAttention(size, num_heads)
        self.mlp = GatedMLP(size, mlp_size)

    def forward(self, x: Tensor, frames: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """Slots (b t o d) and the tokens of frames (b t n d) → slots."""
        b, t = x.shape[:2]
        y = self.look(self.look_norm(x).flatten(0, 1), self.look.read(frames.flatten(0, 1)))
        x = x + y.unflatten(0, (b, t))
        y = self.attention(self.attention_norm(x).flatten(1, 2), *rotary)
        x = x + y.unflatten(1, (t, -1))
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class TrackReader(nn.Module):
    """Normalised latents → what packed tracks they most likely show: a slot for each object and the setting.

    As in detection by set prediction (Carion et al., arXiv 2005.12872); a slot follows its object through all
    latent frames.
    """

    def __init__(self, config: TrackReaderConfig) -> None:
        super().__init__()
        self.config = config
        size, tracks = config.hidden_size, config.tracks
        mlp_size = round(size * config.mlp_ratio)
        self.patch_in = nn.Linear(config.latent_channels * config.patch_size**2 + 4 * _OCTAVES, size)
        self.frame_blocks = nn.ModuleList(
            _FrameBlock(size, config.num_heads, mlp_size) for _ in range(config.frame_depth)
        )
        self.frames_norm = RMSNorm(size)
        self.slots = nn.Parameter(torch.randn(tracks.max_objects + 1, size))
        self.slot_blocks = nn.ModuleList(
            _SlotBlock(size, config.num_heads, mlp_size) for _ in range(config.slot_depth)
        )
        self.out_norm = RMSNorm(size)
        self.object_out = nn.Linear(size, 1 + tracks.look_channels + tracks.frames_per_latent * POSE_SIZE)
        self.setting_out = nn.Linear(size, SURROUNDINGS_SIZE + tracks.frames_per_latent * CAMERA_SIZE)
        for layer in (self.object_out, self.setting_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            cameras = self.setting_out.bias[SURROUNDINGS_SIZE:].view(-1, CAMERA_SIZE)
            for number, (middle, _) in TYPICAL_CAMERA.items():
                cameras[:, number] = middle

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (b c t h w) → objects (b t o n) and settings (b t m).

        Objects are the logit of being there, logits of the look, and poses by frame; settings are logits of
        the floor, the other surroundings, and cameras by frame.
        """
        size = self.config.patch_size
        patches = fold(latents.movedim(1, -1), (1, size, size))
        b, t, h, w, _ = patches.shape
        places = _octaves(lines_of_sight(h, w, patches)).expand(b, t, -1, -1, -1)
        x = self.patch_in(torch.cat([patches, places], -1))
        head = self.config.hidden_size // self.config.num_heads
        rotary = self._rotary((1, h, w), head, x)
        for block in self.frame_blocks:
            x = block(x, rotary)
        frames = self.frames_norm(x).flatten(2, 3)
        slots = repeat(self.slots.to(frames.dtype), "o d -> b t o d", b=b, t=t)
        rotary = self._rotary((t, slots.shape[2], 1), head, slots)
        for block in self.slot_blocks:
            slots = block(slots, frames, rotary)
        slots = self.out_norm(slots)
        return self.object_out(slots[:, :, :-1]).float(), self.setting_out(slots[:, :, -1]).float()

    def read(self, latents: Tensor) -> Tensor:
        """Packed tracks (b c t o) of latents (b c t h w): chances where there is a choice, as far as seen."""
        config = self.config.tracks
        objects, settings = self(latents)
        present, looks, poses = torch.split(
            objects, [1, config.look_channels, config.frames_per_latent * POSE_SIZE], -1
        )
        chances = [part.softmax(-1) for part in torch.split(looks, list(config.look_sizes), -1)]
        things = torch.cat([present.sigmoid(), *chances, poses], -1)
        floors, rest = torch.split(settings, [NUM_FLOORS, settings.shape[-1] - NUM_FLOORS], -1)
        around = torch.cat([torch.ones_like(floors[..., :1]), floors.softmax(-1), rest], -1)
        rows = [things, around[:, :, None]]
        rows = [functional.pad(row, (0, config.channels - row.shape[-1])) for row in rows]
        return torch.cat(rows, 2).permute(0, 3, 1, 2)

    def training_flops(self, grid: tuple[int, int, int]) -> float:
        """Floating-point operations of a forward and backward pass over latents of (t h w)."""
        config, d = self.config, self.config.hidden_size
        t, h, w = grid
        tokens, slots = t * h * w / config.patch_size**2, t * (config.tracks.max_objects + 1)
        layer = d * d * (5 + 3 * config.mlp_ratio)
        looking = tokens * 2 * d * d + slots * (2 * d * d + 2 * d * tokens / t)
        frame = tokens * (layer + 2 * d * tokens / t)
        return 6.0 * (
            config.frame_depth * frame
            + config.slot_depth * (slots * (layer + 2 * d * slots) + looking)
            + tokens * self.patch_in.in_features * d
        )

    def _rotary(self, grid: tuple[int, int, int], head_size: int, like: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = rotary_table(grid, head_size, _THETA)
        return cos.to(like.device, like.dtype), sin.to(like.device, like.dtype)


def _octaves(places: Tensor) -> Tensor:
    """Places (… 2) as sines and cosines of ever finer waves (… 20)."""
    frequencies = math.pi / 2 * 2.0 ** torch.arange(_OCTAVES, device=places.device)
    angles = (places[..., None] * frequencies).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], -1)
