"""Plans: packed tracks as the latents of a planner, and what is made of those that it has sampled."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tenku.denoiser import (
    CAMERA_SIZE,
    NUM_FLOORS,
    SETTING_SIZE,
    TYPICAL_CAMERA,
    TrackConfig,
)
from tenku.timeline.tracks import Tracks, tracks_of, with_unit_axes

# A planner's latents have about unit spread, but numbers that decide what there is are twice as large as
# places, so that sampling settles them first.
_EMPHASIS = 2.0
# The middle of the parabola nearest to seven values, as their weighted sum.
_PARABOLA = tuple(weight / 21 for weight in (-2, 3, 6, 7, 6, 3, -2))
_FADE = 6  # frames over which a plan is led to what is known beside it


@dataclass(frozen=True, slots=True)
class Known:
    """Packed tracks (1 c t o), and how freely each row of a latent frame may change (1 t o): 0 not at all.

    Of the latent frames at `joints` only the last frame is known.
    """

    packed: Tensor
    floor: Tensor
    joints: tuple[int, ...] = ()

    def held(self, frames: int) -> Tensor:
        """Which rows are known in which frames (f o), so many frames to a latent one."""
        held = (self.floor[0] == 0).repeat_interleave(frames, 0)
        for joint in self.joints:
            held[(joint + 1) * frames - 1] = self.packed[0, 0, joint] > 0
        return held

    def things(self, config: TrackConfig) -> Tensor:
        """Presence and look (c o) of the objects that are known at any time."""
        packed = self.packed.where(((self.floor < 1) | self._at_joints())[:, None], 0)
        return packed[0, config.thing, :, :-1].amax(1)

    def told(self) -> Tensor:
        """Which rows of which latent frames (1 t o) tell what something looks like."""
        return (self.floor == 0) | self._at_joints()

    def _at_joints(self) -> Tensor:
        at = torch.zeros_like(self.floor, dtype=torch.bool)
        at[:, list(self.joints)] = True
        return at & (self.packed[:, 0] > 0)

    def with_room(self) -> "Known":
        """The same, but that nothing was seen in a row does not mean that nothing may come there."""
        absent = (self.packed[:, 0] * (self.floor == 0)).amax(1, keepdim=True) == 0
        return replace(self, floor=torch.where(absent, 1.0, self.floor))


def plan_latents(packed: Tensor, config: TrackConfig) -> Tensor:
    """Packed tracks (b c t o) as a planner's latents (b c t o 1): a picture with an object a row."""
    scale, offset = _spread(config, packed)
    return ((packed - offset) * scale)[..., None]


def packed_of_plan(latents: Tensor, config: TrackConfig) -> Tensor:
    """The inverse of `plan_latents`."""
    scale, offset = _spread(config, latents)
    return latents[..., 0] / scale + offset


def gliding(tracks: Tracks) -> Tracks:
    """The same with a camera that glides evenly, under a lamp that stays."""
    return replace(tracks, settings=_gliding(tracks.settings, None))


def smoothed(tracks: Tracks, held: Tensor | None = None) -> Tracks:
    """The same with poses that follow the parabola nearest to those of three frames before and after.

    Savitzky and Golay, Analytical Chemistry 36 (1964). Axes stay unit vectors. Fewer than seven frames stay
    as they are. What is `held` (f o) stays too, and what lies beside it is led there.
    """
    if tracks.poses.shape[1] < len(_PARABOLA):
        return tracks
    reach = len(_PARABOLA) // 2
    poses = tracks.poses
    before = 2 * poses[:, :1] - poses[:, 1 : 1 + reach].flip(1)  # as if motion went on evenly
    after = 2 * poses[:, -1:] - poses[:, -1 - reach : -1].flip(1)
    wide = torch.cat([before, poses, after], 1).unfold(1, len(_PARABOLA), 1)
    # Not as a product of matrices, which autocast would round.
    smooth = (wide * poses.new_tensor(_PARABOLA)).sum(-1)
    if held is not None:
        smooth = _led(smooth, poses, held)
    return replace(tracks, poses=with_unit_axes(smooth))


def finished(latents: Tensor, config: TrackConfig, known: Known | None, *, continued: bool) -> Tracks:
    """What is made of a planner's latents (b c t o 1): tracks without noise that agree with what is known.

    The first latent frame stands for one frame, unless these tracks are `continued` from others.
    """
    packed, held = packed_of_plan(latents, config), None
    if known is not None:
        packed = torch.where(known.floor[:, None] == 0, known.packed, packed)
        packed = _with_known_looks(_with_joints(packed, known, config), known, config)
        held = known.held(config.frames_per_latent)[0 if continued else config.frames_per_latent - 1 :]
    rows, cameras = (None, None) if held is None else (held[:, :-1], held[:, -1])
    tracks = tracks_of(packed, config, continued=continued)
    return smoothed(replace(tracks, settings=_gliding(tracks.settings, cameras)), rows)


def _with_joints(packed: Tensor, known: Known, config: TrackConfig) -> Tensor:
    """The same with what is known of the last frames at joints."""
    packed = packed.clone()
    last = config.frames_per_latent - 1
    pose, camera = config.pose(last), config.camera(last)
    for joint in known.joints:
        there, still = packed[:, :, joint], known.packed[:, :, joint]
        seen = still[:, :1, :-1] > 0
        there[:, pose, :-1] = torch.where(seen, still[:, pose, :-1], there[:, pose, :-1])
        if still[0, 0, -1] > 0:
            there[:, camera, -1] = still[:, camera, -1]
    return packed


def carried(tracks: Tracks, before: Tensor, open_looks: Tensor, config: TrackConfig) -> Tracks:
    """Tracks of a new shot in which things and room are those of the shot before, packed (1 c 1 o), as far as
    the text leaves it open.

    Objects that agree in the first two attributes, colour and shape, agree in the third, the material, as
    well; the floor and the light stay. Which channels (c o) are open is said by `open_looks`.
    """
    attributes = torch.split(torch.arange(config.look_channels), list(config.look_sizes))
    looks, there = tracks.looks.clone(), tracks.present[0] > 0
    old = before[0, 1 : config.thing.stop, 0, :-1].T * before[0, 0, 0, :-1, None]  # o looks
    same = torch.stack([looks[0][:, part] @ old[:, part].T for part in attributes[:2]]).prod(0)
    for row, material in ((row, part) for row in range(looks.shape[1]) for part in attributes[2:3]):
        alike = int(same[row].argmax()) if there[row] and same[row].max() > 0 else None
        if alike is not None and open_looks[1 + material, row].all():
            looks[0, row, material] = old[alike, material]
    settings = tracks.settings.clone()
    around = before[0, 1 : config.around.stop, 0, -1]
    same_floor = bool((settings[0, 0, CAMERA_SIZE:][:NUM_FLOORS] * around[:NUM_FLOORS]).sum() > 0)
    if same_floor or open_looks[1 : 1 + NUM_FLOORS, -1].all():
        settings[0, :, CAMERA_SIZE:] = around
    return replace(tracks, looks=looks, settings=settings)


def _with_known_looks(packed: Tensor, known: Known, config: TrackConfig) -> Tensor:
    """What a row is known to be in one latent frame it is in all of them."""
    is_known = known.told().to(packed.dtype)  # 1 t o
    share = is_known * known.packed[:, 0]  # where it is seen; the setting always is
    share = torch.where(share.amax(1, keepdim=True) > 0, share, is_known)
    often = share.sum(1)  # 1 o
    same = torch.zeros(config.channels, packed.shape[-1], dtype=torch.bool)
    same[config.thing, :-1] = True
    same[config.around, -1] = True
    mean = (known.packed * share[:, None]).sum(2) / often.clamp_min(1)[:, None]  # 1 c o
    fixed = (same[None] & (often > 0)[:, None])[:, :, None]
    return torch.where(fixed, mean[:, :, None], packed)


def _led(smooth: Tensor, poses: Tensor, held: Tensor) -> Tensor:
    """Poses (b f o 11) that are `poses` where held (f o), and are led there from `smooth` on both sides."""
    out = smooth.clone()
    for row in range(held.shape[1]):
        known = held[:, row]
        out[:, known, row] = poses[:, known, row]
        for start, stop in _gaps(known):
            for edge, outwards in ((start - 1, 1), (stop, -1)):
                if not 0 <= edge < len(known):
                    continue
                off = poses[:, edge, row] - smooth[:, edge, row]
                for step in range(1, min(_FADE, stop - start) + 1):
                    out[:, edge + outwards * step, row] += off * (1 - step / (_FADE + 1))
    return out


def _gaps(known: Tensor) -> Iterator[tuple[int, int]]:
    """Runs start ≤ f < stop of what is not known (f)."""
    start = None
    for frame, value in enumerate([*known.tolist(), True]):
        if not value and start is None:
            start = frame
        if value and start is not None:
            yield start, frame
            start = None


def _gliding(settings: Tensor, held: Tensor | None) -> Tensor:
    """Settings (b f 21) whose camera turns and travels at the one speed nearest to its own, under a lamp that
    stays; where they are `held` (f) they stay as they are, and others go on from there."""
    cameras, surroundings = torch.split(settings, [CAMERA_SIZE, SETTING_SIZE - CAMERA_SIZE], -1)
    sin, cos, elevation, distance, height, right, ahead, up = cameras.unbind(-1)
    azimuth = _straight(_unwrapped(torch.atan2(sin, cos), held), held)
    lamp = torch.atan2(right, ahead)  # clockwise from where the camera looks
    lamp = _steady(_unwrapped(lamp - azimuth, held), held) + azimuth
    level = _steady(torch.stack([right, ahead], -1).norm(dim=-1), held)
    glide = torch.stack(
        [
            *(azimuth.sin(), azimuth.cos(), _steady(elevation, held), _straight(distance, held)),
            *(_steady(height, held), level * lamp.sin(), level * lamp.cos(), _steady(up, held)),
        ],
        -1,
    )
    if held is not None:
        glide = torch.where(held[:, None], cameras, glide)
    return torch.cat([glide, surroundings], -1)


def _unwrapped(angles: Tensor, held: Tensor | None) -> Tensor:
    """Angles (b f) without jumps, that go the shortest way from one that is held (f) to the next."""
    steps = torch.remainder(angles.diff(dim=1) + torch.pi, 2 * torch.pi) - torch.pi
    out = torch.cat([angles[:, :1], angles[:, :1] + steps.cumsum(1)], 1)
    for start, stop in _gaps(held) if held is not None else ():
        if start > 0 and stop < out.shape[1]:
            turns = ((out[:, stop] - out[:, start - 1]) / (2 * torch.pi)).round()
            out[:, stop:] -= 2 * torch.pi * turns[:, None]
    return out


def _straight(values: Tensor, held: Tensor | None) -> Tensor:
    """The straight line through values (b f), by least squares; from value to value where some are held."""
    if held is None or not held.any():
        mean = values.mean(1, keepdim=True)
        time = torch.arange(values.shape[1], dtype=values.dtype) - (values.shape[1] - 1) / 2
        slope = (values * time).sum(1, keepdim=True) / time.square().sum().clamp_min(1e-6)
        return mean + slope * time
    out = _steady(values, held)
    for start, stop in _gaps(held):
        if start > 0 and stop < len(held):
            continue  # between two known values: already straight
        edge = start - 1 if start > 0 else stop
        time = torch.arange(start, stop, dtype=values.dtype) - edge
        rise = values[:, start:stop] - values[:, edge : edge + 1]
        slope = (rise * time).sum(1, keepdim=True) / time.square().sum()
        out[:, start:stop] = values[:, edge : edge + 1] + slope * time
    return out


def _steady(values: Tensor, held: Tensor | None) -> Tensor:
    """Values (b f) that are all the same, or where some are held, the nearest of those, and between two
    the straight line."""
    if held is None or not held.any():
        return values.mean(1, keepdim=True).expand_as(values)
    out = values.clone()
    for start, stop in _gaps(held):
        first = values[:, start - 1 if start > 0 else stop, None]
        last = values[:, stop if stop < len(held) else start - 1, None]
        share = torch.arange(1, stop - start + 1, dtype=values.dtype) / (stop - start + 1)
        out[:, start:stop] = torch.lerp(first, last, share)
    return out


def _spread(config: TrackConfig, like: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and offset (c 1 o) between packed tracks and a planner's latents."""
    rows = config.max_objects + 1
    scale, offset = (torch.full((config.channels, rows), value) for value in (1.0, 0.0))
    scale[config.thing, :-1] = _EMPHASIS
    scale[: 1 + NUM_FLOORS, -1] = _EMPHASIS
    for number, (middle, width) in TYPICAL_CAMERA.items():
        places = slice(config.cameras.start + number, config.cameras.stop, CAMERA_SIZE)
        offset[places, -1], scale[places, -1] = middle, 1 / width
    return scale[:, None].to(like.device), offset[:, None].to(like.device)
