"""Tracks: what moves where, before anything is painted. They are sampled from a prompt, or drawn by hand."""

from dataclasses import dataclass, replace
from itertools import permutations

import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn.functional import normalize, one_hot, pad

from tenku.denoiser import (
    BOX_SIZE,
    CAMERA_SIZE,
    NUM_FLOORS,
    POSE_SIZE,
    SETTING_SIZE,
    TrackConfig,
    unpack,
)

_NEAR = 0.3  # a change in a camera's numbers, from one frame to the next, that no camera's move makes


@dataclass(frozen=True, slots=True)
class Tracks:
    """Poses (b f o 11) of objects in frames, what each looks like (b o looks), which are there (b o), and
    the settings (b f 21) that surround them.

    Poses and settings are as `worlds.tracks` defines them; a pose begins with a box: x, y, width, height in
    halves of the picture's shorter side from its middle, and log depth. Looks are one-hot by attribute, one
    attribute after the other. Objects that are not there are zero.
    """

    poses: Tensor
    looks: Tensor
    present: Tensor
    settings: Tensor

    def __post_init__(self) -> None:
        b, f, o, size = self.poses.shape
        together = self.looks.shape[:2] == self.present.shape == (b, o)
        if size != POSE_SIZE or not together or self.settings.shape != (b, f, SETTING_SIZE):
            raise ValueError(
                f"poses {tuple(self.poses.shape)}, looks {tuple(self.looks.shape)}, present "
                f"{tuple(self.present.shape)} and settings {tuple(self.settings.shape)} do not belong "
                "together"
            )

    @property
    def boxes(self) -> Tensor:
        """Boxes (b f o 5), which share the poses' memory."""
        return self.poses[..., :BOX_SIZE]

    def packed(self, config: TrackConfig, *, continued: bool = False) -> Tensor:
        """One column a latent frame, (b c t o), as the denoiser takes them.

        The first frame stands alone, unless these tracks are `continued` from others. Objects keep their
        rows; where there are more than the configuration has room for, each latent frame takes the first of
        those that are in its shot. The last row is the setting.
        """
        frames = config.frames_per_latent
        poses = _by_latent_frame(self.poses, frames, continued)
        t = poses.shape[1]
        in_time = poses[:, :, -1, :, 2] > 0  # has a width in the last frame: not in another shot
        present = in_time * self.present.to(poses.dtype)[:, None]  # b t o
        looks = repeat(self.looks.to(poses.dtype), "b o c -> b t o c", t=t)
        rows = [present[..., None], looks, rearrange(poses, "b t f o n -> b t o (f n)")]
        things = torch.cat(rows, -1) * present[..., None]
        things = pad(things, (0, config.channels - things.shape[-1], 0, config.max_objects))
        if present.shape[-1] > config.max_objects:
            order = present.argsort(dim=-1, descending=True, stable=True)[..., : config.max_objects]
            things = things.gather(2, order[..., None].expand(-1, -1, -1, config.channels))
        things = things[:, :, : config.max_objects]
        settings = _by_latent_frame(self.settings, frames, continued)
        surroundings, cameras = settings[:, :, -1, CAMERA_SIZE:], settings[..., :CAMERA_SIZE].flatten(2)
        around = torch.cat([torch.ones_like(surroundings[..., :1]), surroundings, cameras], -1)
        around = pad(around, (0, config.channels - around.shape[-1]))
        return torch.cat([things, around[:, :, None]], 2).permute(0, 3, 1, 2)

    def unseen(self) -> Tensor:
        """How badly objects are seen (b,): what each hides of those behind it, and what ends outside.

        The mean over frames of the squared share of a box that lies behind each nearer one, and over the
        later half of the frames that of objects whose middle is out of a square frame.
        """
        place, size, depth = self.boxes[..., :2], self.boxes[..., 2:4], self.boxes[..., 4]
        low, high = (place + side * size / 2 for side in (-1, 1))
        first, second = (slice(None), slice(None), slice(None), None), (slice(None), slice(None), None)
        common = torch.minimum(high[first], high[second]) - torch.maximum(low[first], low[second])
        share = common.clamp_min(0).prod(-1) / size.prod(-1)[first].clamp_min(1e-6)  # b f o o
        behind = (depth[first] > depth[second]) * self.present[:, None, :, None] * self.present[:, None, None]
        outside = (place.abs().amax(-1) > 1) * self.present[:, None]  # b f o
        later = outside[:, outside.shape[1] // 2 :]
        return (share.square() * behind).sum((2, 3)).mean(1) + later.sum(2).mean(1)

    def usual(self) -> "Tracks":
        """The mean of those half of the batch that lie nearest to the middle of all, as one."""
        places = self.boxes[..., :2] * self.present[:, None, :, None]
        off = (places - places.mean(0, keepdim=True)).square().sum((1, 2, 3))
        chosen = off.argsort()[: max(1, len(off) // 2)]
        first = self.one(int(chosen[0]))
        chosen = chosen[(self.present[chosen] == first.present).all(1)]
        return replace(first, poses=with_unit_axes(self.poses[chosen].mean(0, keepdim=True)))

    def one(self, index: int) -> "Tracks":
        """One of the batch, alone."""
        chosen = slice(index, index + 1)
        return Tracks(self.poses[chosen], self.looks[chosen], self.present[chosen], self.settings[chosen])

    def clearest(self, number: int) -> "Tracks":
        """Of each so many of the batch the one in which objects are seen best."""
        best = self.unseen().view(-1, number).argmin(1) + torch.arange(0, len(self.poses), number)
        return Tracks(self.poses[best], self.looks[best], self.present[best], self.settings[best])

    def last(self, num_frames: int) -> "Tracks":
        """Its last frames."""
        return replace(self, poses=self.poses[:, -num_frames:], settings=self.settings[:, -num_frames:])

    def mirrored(self, chosen: Tensor | None = None) -> "Tracks":
        """The same seen in a mirror, or only those of the batch that are chosen (b).

        The world is reflected at the diagonal of its floor, which a checkerboard does not notice.
        """
        if chosen is None:
            chosen = torch.ones(len(self.poses), dtype=torch.bool)
        sign = torch.ones(POSE_SIZE, dtype=self.poses.dtype)
        sign[[0, 5, 8]] = -1
        settings = self.settings.clone()
        settings[..., [0, 1]] = settings[..., [1, 0]]
        settings[..., 5] *= -1
        flip = chosen[:, None, None]
        return Tracks(
            torch.where(flip[..., None], self.poses * sign, self.poses),
            self.looks,
            self.present,
            torch.where(flip, settings, self.settings),
        )

    def spread(self, aspect: float) -> "Tracks":
        """Laid out in a picture of another shape: places move apart along its longer side, sizes stay."""
        stretch = torch.ones(POSE_SIZE, dtype=self.poses.dtype)
        stretch[0], stretch[1] = max(aspect, 1.0), max(1 / aspect, 1.0)
        return Tracks(self.poses * stretch, self.looks, self.present, self.settings)


def best_rows(fit: Tensor) -> list[int]:
    """For each column of a square fit the row that it gets, so that together they fit best."""
    columns = list(range(len(fit)))
    return list(max(permutations(columns), key=lambda order: float(fit[list(order), columns].sum())))


def stretched(packed: Tensor, config: TrackConfig, aspect: float) -> Tensor:
    """Packed tracks (b c t o) laid out in a picture of another shape, as `Tracks.spread` does it."""
    factor = torch.ones(packed.shape[1], packed.shape[3])
    across = slice(config.poses.start, config.poses.stop, POSE_SIZE)
    down = slice(config.poses.start + 1, config.poses.stop, POSE_SIZE)
    factor[across, :-1], factor[down, :-1] = max(aspect, 1.0), max(1 / aspect, 1.0)
    return packed * factor[:, None]


def staggered(packed: Tensor, config: TrackConfig) -> Tensor:
    """Packed tracks (b c t o) in groups of frames that begin in the middle of these: one group fewer."""
    half = config.frames_per_latent // 2
    out = packed[:, :, 1:].clone()
    for channels, middle, rows in (
        (config.poses, config.pose(half).start, slice(0, -1)),
        (config.cameras, config.camera(half).start, slice(-1, None)),
    ):
        earlier = packed[:, middle : channels.stop, :-1, rows]
        later = packed[:, channels.start : middle, 1:, rows]
        out[:, channels, :, rows] = torch.cat([earlier, later], 1)
    return out


def going_on(packed: Tensor, config: TrackConfig) -> Tensor:
    """Whether each latent frame but the first (b t−1) goes on from the one before, with no cut between."""
    before = packed[:, config.camera(config.frames_per_latent - 1), :-1, -1]
    after = packed[:, config.camera(0), 1:, -1]
    near = (before - after).abs().amax(1) < _NEAR
    same = (packed[:, config.thing].diff(dim=2).abs() < 0.5).all(3).all(1)
    return near & same


def _by_latent_frame(values: Tensor, frames: int, continued: bool) -> Tensor:
    """(b f …) → (b t frames …): the first frame fills a latent frame alone, unless all are full."""
    if continued:
        return rearrange(values, "b (t n) ... -> b t n ...", n=frames)
    first = values[:, :1].expand(-1, frames, *values.shape[2:])
    return rearrange(torch.cat([first, values[:, 1:]], 1), "b (t n) ... -> b t n ...", n=frames)


def _by_frame(values: Tensor, continued: bool) -> Tensor:
    """The inverse of `_by_latent_frame`, the first frame being the mean of those that stand for it."""
    if continued:
        return values.flatten(1, 2)
    return torch.cat([values[:, 0].mean(1, keepdim=True), values[:, 1:].flatten(1, 2)], 1)


def tracks_of(packed: Tensor, config: TrackConfig, *, continued: bool = False) -> Tracks:
    """The tracks nearest to packed ones (b c t o) that hold chances: an object is there or not, each
    attribute has one value, and axes are unit vectors."""
    plan = unpack(packed, config)
    there = (plan.present.mean(1) > 0.5).to(packed.dtype)  # b o
    attributes = torch.split(plan.looks.mean(1), list(config.look_sizes), dim=-1)
    chosen = torch.cat([_likeliest(part) for part in attributes], -1)
    poses = with_unit_axes(_by_frame(plan.poses.transpose(2, 3), continued))  # b f o 11
    cameras = _by_frame(plan.cameras, continued)
    surroundings = plan.surroundings.mean(1)
    surroundings = torch.cat([_likeliest(surroundings[:, :NUM_FLOORS]), surroundings[:, NUM_FLOORS:]], -1)
    settings = torch.cat([cameras, repeat(surroundings, "b c -> b f c", f=cameras.shape[1])], -1)
    return Tracks(poses * there[:, None, :, None], chosen * there[..., None], there, settings)


def with_unit_axes(poses: Tensor) -> Tensor:
    """Poses (… 11) with axes of unit length at right angles; of what is not there they stay zero."""
    own = normalize(poses[..., 5:8], dim=-1)
    across = poses[..., 8:11] - (poses[..., 8:11] * own).sum(-1, keepdim=True) * own
    return torch.cat([poses[..., :BOX_SIZE], own, normalize(across, dim=-1)], -1)


def _likeliest(values: Tensor) -> Tensor:
    return one_hot(values.argmax(-1), values.shape[-1]).to(values.dtype)
