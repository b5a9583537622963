"""Tracks: what moves where, before anything is painted. They are sampled from a prompt, or drawn by hand."""

from dataclasses import dataclass, replace

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
    TYPICAL_CAMERA,
    TrackConfig,
    unpack,
)

# The middle of the parabola nearest to seven values, as their weighted sum.
_PARABOLA = tuple(weight / 21 for weight in (-2, 3, 6, 7, 6, 3, -2))


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

    def packed(self, config: TrackConfig) -> Tensor:
        """One column a latent frame, (b c t o), as the denoiser takes them; the first frame stands alone.

        So many objects as the configuration has room for: in each latent frame, the first of those that are
        in its shot. The last row is the setting.
        """
        frames = config.frames_per_latent
        poses = _by_latent_frame(self.poses, frames)
        t = poses.shape[1]
        in_time = poses[:, :, -1, :, 2] > 0  # has a width in the last frame: not in another shot
        present = in_time * self.present.to(poses.dtype)[:, None]  # b t o
        looks = repeat(self.looks.to(poses.dtype), "b o c -> b t o c", t=t)
        rows = [present[..., None], looks, rearrange(poses, "b t f o n -> b t o (f n)")]
        things = torch.cat(rows, -1) * present[..., None]
        things = pad(things, (0, config.channels - things.shape[-1], 0, config.max_objects))
        order = present.argsort(dim=-1, descending=True, stable=True)
        places = torch.arange(things.shape[2], device=order.device).expand(*order.shape[:2], -1).clone()
        places[..., : order.shape[-1]] = order
        places = places[..., : config.max_objects, None].expand(-1, -1, -1, config.channels)
        things = things.gather(2, places)
        settings = _by_latent_frame(self.settings, frames)
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

    def one(self, index: int) -> "Tracks":
        """One of the batch, alone."""
        chosen = slice(index, index + 1)
        return Tracks(self.poses[chosen], self.looks[chosen], self.present[chosen], self.settings[chosen])

    def smoothed(self) -> "Tracks":
        """The same with poses that follow the parabola nearest to those of three frames before and after.

        Savitzky and Golay, Analytical Chemistry 36 (1964). Axes stay unit vectors. Fewer than seven frames
        stay as they are.
        """
        if self.poses.shape[1] < len(_PARABOLA):
            return self
        reach = len(_PARABOLA) // 2
        poses = self.poses
        before = 2 * poses[:, :1] - poses[:, 1 : 1 + reach].flip(1)  # as if motion went on evenly
        after = 2 * poses[:, -1:] - poses[:, -1 - reach : -1].flip(1)
        wide = torch.cat([before, poses, after], 1).unfold(1, len(_PARABOLA), 1)
        # Not as a product of matrices, which autocast would round.
        smooth = (wide * poses.new_tensor(_PARABOLA)).sum(-1)
        return Tracks(_with_unit_axes(smooth), self.looks, self.present, self.settings)

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


def _by_latent_frame(values: Tensor, frames: int) -> Tensor:
    """(b f …) → (b t frames …): the first frame fills a latent frame alone."""
    first = values[:, :1].expand(-1, frames, *values.shape[2:])
    return rearrange(torch.cat([first, values[:, 1:]], 1), "b (t n) ... -> b t n ...", n=frames)


def _by_frame(values: Tensor) -> Tensor:
    """The inverse of `_by_latent_frame`, the first frame being the mean of those that stand for it."""
    return torch.cat([values[:, 0].mean(1, keepdim=True), values[:, 1:].flatten(1, 2)], 1)


# A planner's latents have about unit spread, but numbers that decide what there is are twice as large as
# places, so that sampling settles them first.
_EMPHASIS = 2.0


def plan_latents(packed: Tensor, config: TrackConfig) -> Tensor:
    """Packed tracks (b c t o) as a planner's latents (b c t o 1): a picture with an object a row."""
    scale, offset = _spread(config, packed)
    return ((packed - offset) * scale)[..., None]


def packed_of_plan(latents: Tensor, config: TrackConfig) -> Tensor:
    """The inverse of `plan_latents`."""
    scale, offset = _spread(config, latents)
    return latents[..., 0] / scale + offset


def tracks_of_plan(latents: Tensor, config: TrackConfig) -> Tracks:
    """The tracks nearest to a planner's latents, along which the camera glides evenly."""
    tracks = tracks_of(packed_of_plan(latents, config), config)
    return replace(tracks, settings=_gliding(tracks.settings))


def tracks_of(packed: Tensor, config: TrackConfig) -> Tracks:
    """The tracks nearest to packed ones (b c t o) that hold chances: an object is there or not, each
    attribute has one value, and axes are unit vectors."""
    plan = unpack(packed, config)
    there = (plan.present.mean(1) > 0.5).to(packed.dtype)  # b o
    attributes = torch.split(plan.looks.mean(1), list(config.look_sizes), dim=-1)
    chosen = torch.cat([_likeliest(part) for part in attributes], -1)
    poses = _with_unit_axes(_by_frame(plan.poses.transpose(2, 3)))  # b f o 11
    cameras = _by_frame(plan.cameras)
    surroundings = plan.surroundings.mean(1)
    surroundings = torch.cat([_likeliest(surroundings[:, :NUM_FLOORS]), surroundings[:, NUM_FLOORS:]], -1)
    settings = torch.cat([cameras, repeat(surroundings, "b c -> b f c", f=cameras.shape[1])], -1)
    return Tracks(poses * there[:, None, :, None], chosen * there[..., None], there, settings)


def _with_unit_axes(poses: Tensor) -> Tensor:
    """Poses (… 11) with axes of unit length at right angles; of what is not there they stay zero."""
    own = normalize(poses[..., 5:8], dim=-1)
    across = poses[..., 8:11] - (poses[..., 8:11] * own).sum(-1, keepdim=True) * own
    return torch.cat([poses[..., :BOX_SIZE], own, normalize(across, dim=-1)], -1)


def _likeliest(values: Tensor) -> Tensor:
    return one_hot(values.argmax(-1), values.shape[-1]).to(values.dtype)


def _gliding(settings: Tensor) -> Tensor:
    """Settings (b f 21) whose camera turns and travels at the one speed nearest to its own, under a lamp that
    stays."""
    cameras, surroundings = torch.split(settings, [CAMERA_SIZE, SETTING_SIZE - CAMERA_SIZE], -1)
    sin, cos, elevation, distance, height, right, ahead, up = cameras.unbind(-1)
    azimuth = _straight(_unwrapped(torch.atan2(sin, cos)))
    lamp = torch.atan2(right, ahead)  # clockwise from where the camera looks
    lamp = _unwrapped(lamp) - azimuth
    lamp = lamp.mean(1, keepdim=True) + azimuth
    level = torch.stack([right, ahead], -1).norm(dim=-1).mean(1, keepdim=True)
    steady = [part.mean(1, keepdim=True).expand_as(sin) for part in (elevation, height, up)]
    glide = torch.stack(
        [
            *(azimuth.sin(), azimuth.cos(), steady[0], _straight(distance), steady[1]),
            *(level * lamp.sin(), level * lamp.cos(), steady[2]),
        ],
        -1,
    )
    return torch.cat([glide, surroundings], -1)


def _unwrapped(angles: Tensor) -> Tensor:
    """Angles (b f) without jumps."""
    steps = torch.remainder(angles.diff(dim=1) + torch.pi, 2 * torch.pi) - torch.pi
    return torch.cat([angles[:, :1], angles[:, :1] + steps.cumsum(1)], 1)


def _straight(values: Tensor) -> Tensor:
    """The straight line through values (b f), by least squares."""
    mean = values.mean(1, keepdim=True)
    time = torch.arange(values.shape[1], dtype=values.dtype) - (values.shape[1] - 1) / 2
    slope = (values * time).sum(1, keepdim=True) / time.square().sum().clamp_min(1e-6)
    return mean + slope * time


def _spread(config: TrackConfig, like: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset (c 1 o) between packed tracks and a planner's latents."""
    rows = config.max_objects + 1
    scale, offset = (torch.full((config.channels, rows), value) for value in (1.0, 0.0))
    scale[: 1 + config.look_channels, :-1] = _EMPHASIS
    scale[: 1 + NUM_FLOORS, -1] = _EMPHASIS
    first_camera = 1 + SETTING_SIZE - CAMERA_SIZE
    for number, (middle, width) in TYPICAL_CAMERA.items():
        for frame in range(config.frames_per_latent):
            place = first_camera + frame * CAMERA_SIZE + number
            offset[place, -1], scale[place, -1] = middle, 1 / width
    return scale[:, None].to(like.device), offset[:, None].to(like.device)
