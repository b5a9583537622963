"""Tracks as a condition: every latent position is told what is seen along the lines of sight through it."""

import math
from dataclasses import dataclass
from typing import Final

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.tracks import FLOOR_SCALE, SURROUNDINGS_SIZE, TrackConfig, UnpackedTracks, unpack
from tenku.denoiser.view import Encounters, View, lines_of_sight

_WAVES: Final = (math.pi / 2, math.pi)
_BESIDE: Final = 2.0  # lines of sight beside a box that may still meet what is in it
# How far from an object, in its radii, its shadow, its mirror image and its darkening of the floor reach.
_SHADED, _MIRRORED, _DARKENED = 2.5, 1.5, 2.5
# Asked about at a time, and what the last number of them is rounded up to. On a CPU they stay in the cache.
_ON_CPU: Final = (8_192, 1_024)
_ELSEWHERE: Final = (1_048_576, 1)
_SHARE_MET: Final = 0.15  # of all lines of sight and objects, how many come near each other


class TrackEncoder(nn.Module):
    """What is seen along lines of sight through every latent position, in each frame, as far as tracks tell.

    Two fields are asked: one of each object, how it looks from there, how much of the view it fills, and what
    light it takes or gives, in the object's own frame, so that what is learned of a solid holds wherever it
    is and however it is turned (compare Mildenhall et al. 2020); the other what the background is. What is
    nearer covers what is farther. An object is only asked about where the line passes near it, its shadow or
    its mirror image.
    """

    def __init__(self, config: TrackConfig) -> None:
        super().__init__()
        self.config = config
        field = config.field_size
        object_features = (
            4 + 2 + 3 * 3 + len(_WAVES) * 2 * (3 + 3) + 3 * 3 + 3 + 1 + 1 + 2 + config.look_channels
        )
        background_features = 4 * 5 + 2 + 3 + 3 + SURROUNDINGS_SIZE
        self.object_in = nn.Linear(object_features, field)
        mids = [nn.Linear(field, field) for _ in range(config.depth)]
        self.object_mids = nn.ModuleList(mids)
        self.look = nn.Linear(field, field)
        self.light = nn.Linear(field, field)
        self.cover = nn.Linear(field, 1)
        self.background_in = nn.Linear(background_features, field)
        self.background_mid = nn.Linear(field, field)
        self.background = nn.Linear(field, field)
        self.join = nn.Linear(
            config.frames_per_latent * config.samples**2 * field, config.hidden_size, bias=False
        )
        # What tracks say must be as loud as the noise from the first step on, or it is not listened to:
        # features have a mean square of 0.8, SiLU of unit noise has one of 0.36 and gets some bias here.
        layers = [self.object_in, self.background_in, self.background_mid, self.background]
        powers = [0.8, 0.6, 0.45, 0.45]
        layers += [self.look, self.cover, self.light, self.join, *mids]
        powers += [1.0, 1.0, 4.0, 1.0, *[1.0] * config.depth]  # light is quieter than looks
        for layer, power in zip(layers, powers, strict=True):
            nn.init.normal_(layer.weight, std=(power * layer.in_features) ** -0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, packed: Tensor, height: int, width: int) -> Tensor:
        """Packed tracks (b c t o) for latent frames of so many positions → (b t h w d)."""
        tracks, n = unpack(packed, self.config), self.config.samples
        height, width = n * height, n * width
        slopes = lines_of_sight(height, width, packed) * self.config.tan_half_view
        fine = lines_of_sight(2 * height, 2 * width, packed) * self.config.tan_half_view
        view = View.of(tracks.cameras, slopes)
        behind = functional.silu(
            self.background_in(_background_features(tracks, view, View.of(tracks.cameras, fine)))
        )
        behind = self.background(functional.silu(self.background_mid(behind)))
        behind = behind * tracks.known[:, :, None, None, None, None]
        seen = self._with_objects(tracks, view, behind)  # b t h w f d
        out: Tensor = self.join(rearrange(seen, "b t (h p) (w q) f d -> b t h w (f p q d)", p=n, q=n))
        return out

    def training_flops(self, num_positions: int) -> float:
        """Floating-point operations of a forward and backward pass over so many latent positions."""
        config, field = self.config, self.config.field_size
        lines = config.frames_per_latent * config.samples**2
        each = self.object_in.in_features + (2 + config.depth) * field
        met = _SHARE_MET * config.max_objects
        own = met * each + self.background_in.in_features + 2 * field + config.hidden_size
        return 6.0 * num_positions * lines * field * own

    def _with_objects(self, tracks: UnpackedTracks, view: View, behind: Tensor) -> Tensor:
        """What lies behind everything (b t h w f d), and before it the objects."""
        objects = _Objects.of(tracks, self.config, view, *behind.shape[2:4])
        near = objects.near()
        at = near.nonzero(as_tuple=True)
        if not len(at[0]):
            return behind
        rows, _ = _blocks(near)
        blocks = zip(*(torch.split(places, rows) for places in at), strict=True)
        answers = zip(*(self._ask(objects.features(block)) for block in blocks), strict=True)
        looks, lights, covers = (torch.cat(parts) for parts in answers)
        present = objects.present.expand(near.shape)[at]
        cover = torch.zeros(near.shape, device=behind.device).index_put(at, present * covers)
        in_view = cover * (1 - cover[..., None, :] * objects.before()).prod(-1)
        told = in_view[at][:, None] * looks + present[:, None] * lights
        whole = behind * (1 - cover).prod(-1)[..., None]
        return whole.index_put(at[:-1], told.to(whole.dtype), accumulate=True)

    def _ask(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look and light (n d), and how much of the view is covered (n), by features (n e).

        A few rows too many: oneDNN keeps what it has prepared for every number of rows that it meets.
        """
        num_rows, (_, rounded) = len(features), _blocks(features)
        features = functional.pad(features, (0, 0, 0, -num_rows % rounded))
        x = functional.silu(self.object_in(features))
        for layer in self.object_mids:
            x = x + functional.silu(layer(functional.rms_norm(x, x.shape[-1:], None, 1e-6)))
        x = functional.rms_norm(x, x.shape[-1:], None, 1e-6)
        cover = torch.sigmoid(self.cover(x)[:, 0].float())
        return self.look(x)[:num_rows], self.light(x)[:num_rows], cover[:num_rows]


def _blocks(like: Tensor) -> tuple[int, int]:
    return _ON_CPU if like.device.type == "cpu" else _ELSEWHERE


@dataclass(frozen=True, slots=True)
class _Objects:
    """Objects before lines of sight, (b t h w f o …) where h and w are 1 if nothing depends on the line.

    poses (11), middles (3) and the axes of their own frame, as rows (3 3), in level axes; radius; present;
    looks (b t o e); offset (2), from the line to the middle of the box; step, from one line to the next.
    """

    poses: Tensor
    looks: Tensor
    present: Tensor
    radius: Tensor
    middles: Tensor
    frame: Tensor
    offset: Tensor
    met: Encounters
    view: View
    step: float

    @classmethod
    def of(
        cls, tracks: UnpackedTracks, config: TrackConfig, view: View, height: int, width: int
    ) -> "_Objects":
        """Those of tracks, seen along so many lines."""
        poses = tracks.poses.transpose(2, 3)[:, :, None, None]  # b t 1 1 f o 11
        depth = config.distance * poses[..., 4:5].exp()
        metres = config.tan_half_view * depth  # in half a picture, where the object is
        across = poses[..., :2] * metres * metres.new_tensor([1.0, -1.0])
        middles = view.placed(torch.cat([across, depth], -1))
        axes = (poses[..., 5:8], poses[..., 8:11])
        frame = view.turned(torch.stack([*axes, torch.linalg.cross(*axes)], -2).flatten(-3, -2))
        return cls(
            poses=poses,
            looks=tracks.looks,
            present=tracks.present[:, :, None, None, None],
            radius=(poses[..., 2:4].mean(-1, keepdim=True) / 2 * metres).clamp_min(0.05),
            middles=middles,
            frame=rearrange(frame, "b t h w f (o n) d -> b t h w f o n d", n=3),
            offset=poses[..., :2] - lines_of_sight(height, width, poses)[:, :, None, None],
            met=view.encounters(middles),
            view=view,
            step=2 / min(height, width),
        )

    def near(self) -> Tensor:
        """Which lines come near which objects that are there, or near their shadows or mirror images."""
        met, radius = self.met, self.radius[..., 0]
        inside = ((self.offset.abs() - self.poses[..., 2:4] / 2) < _BESIDE * self.step).all(-1)
        on_floor = self.view.sees_floor[..., None] > 0
        shaded = (met.shaded.square().sum(-1) < (_SHADED * radius) ** 2) & (met.before > -radius)
        mirrored = met.mirrored.square().sum(-1) < (_MIRRORED * radius) ** 2
        darkened = met.to_foot.square().sum(-1) < (_DARKENED * radius) ** 2
        return (self.present > 0) & (inside | (on_floor & (shaded | mirrored | darkened)))

    def before(self) -> Tensor:
        """Whether object j is before object k (b t 1 1 f k j), as a soft step of a few per cent of the
        distance."""
        depth = self.poses[..., 4]
        nearer = torch.sigmoid(40 * (depth[..., :, None] - depth[..., None, :]))
        return nearer * (1 - torch.eye(nearer.shape[-1], device=nearer.device))

    def features(self, at: tuple[Tensor, ...]) -> Tensor:
        """How objects lie to lines that come near them, `at` (b t h w f o): a row of features each."""
        b, t, _, _, f, o = at
        flat = (b, t, torch.zeros_like(b), torch.zeros_like(b), f, o)
        pose, frame, radius = self.poses[flat], self.frame[flat], self.radius[flat]
        size, offset, met = pose[:, 2:4], self.offset[at], self.met

        def in_its_frame(vectors: Tensor) -> Tensor:
            return (frame * vectors[:, None]).sum(-1)

        passing, mirrored, shaded = (
            in_its_frame(part[at] / radius) for part in (met.passing, met.mirrored, met.shaded)
        )
        waves = torch.cat([w * part.clamp(-2, 2) for w in _WAVES for part in (passing, shaded)], -1)
        sight = functional.normalize(self.view.direction[at[:-1]], dim=-1)
        return torch.cat(
            [
                # Edges of the box: exact close by, only their side far away.
                torch.tanh(torch.cat([offset - size / 2, offset + size / 2], -1) / (1.5 * self.step)),
                2 * torch.tanh(offset / (size + 0.5 * self.step) / 2),
                *(2 * torch.tanh(part / 2) for part in (passing, mirrored, shaded)),
                waves.sin(),
                waves.cos(),
                1.5 * in_its_frame(sight),
                1.5 * in_its_frame(self.view.lamp[flat[:-1]]),
                1.5 * frame[..., 2],  # which way is up
                size,
                pose[:, 4:5],
                (self.middles[flat][:, 2:] / radius / 4).clamp(-1, 2),
                torch.tanh(met.before[at][:, None] / radius / 4),
                2 * torch.tanh(met.to_foot[at] / radius / 2),
                self.looks[b, t, o],
            ],
            -1,
        )


def _background_features(tracks: UnpackedTracks, view: View, fine: View) -> Tensor:
    """What of floor and room lies behind everything (b t h w f features).

    The floor's own coordinates, in units of its pattern, come from four points of each cell, `fine`.
    """
    scale = tracks.surroundings[:, :, None, None, None, FLOOR_SCALE, None]
    phase = math.pi * scale * fine.in_the_world()  # b t 2h 2w f 2
    waves = torch.cat([phase.sin(), phase.cos(), phase.sin().prod(-1, keepdim=True)], -1)
    waves = rearrange(
        waves * fine.sees_floor[..., None], "b t (h p) (w q) f n -> b t h w f (p q n)", p=2, q=2
    )
    there, far = view.sees_floor[..., None], view.floor.norm(dim=-1, keepdim=True) / 5
    everywhere = waves.shape[:5]
    rest = [view.camera[..., 2:5], view.camera[..., 5:], tracks.surroundings[:, :, None, None, None]]
    return torch.cat([waves, there, there * far, *(part.expand(*everywhere, -1) for part in rest)], -1)
