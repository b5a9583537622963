"""Velocities read back from frames, and how far they are from the true ones."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tenku.media import Frames
from tenku.worlds.phyworld import FRAME_SECONDS, KNOWN_FRAMES, WORLD_SIZE, Motions

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

_AROUND: Final = 2  # pixels around what is certainly a ball that its soft edge may reach
_IMPACT: Final = 0.1  # a change of velocity, from one frame to the next, that only an impact makes
_ABSENT: Final = (2, 0)  # the colours that the first and the second ball lack, all else being white


@dataclass(frozen=True, slots=True)
class VelocityErrors:
    """For each clip (b), in world units a second, not a number where nothing of it can be scored.

    `each` is the mean |v − v̂| over frames, balls and axes; `mean` is that of velocities averaged over the
    frames first, which forgives what trembles (the published code has this one); `lost` is the share of balls
    that were not found in a frame.
    """

    each: Floats
    mean: Floats
    lost: Floats


def find_balls(frames: Frames, num_balls: int) -> Floats:
    """Centres (b t n 2), with y up, of balls in frames (b t size size 3): the mean of all pixels in and
    around what is more ball than background, each counting by how much of it is ball.

    A ball of which no pixel is found has no numbers.
    """
    return np.stack([_find(frames, _ABSENT[ball]) for ball in range(num_balls)], 2)


def _find(frames: Frames, absent: int) -> Floats:
    """Centres (b t 2) of the ball that lacks one of the colours."""
    size = frames.shape[2]
    share = 1 - frames[..., absent] / np.float32(255)
    sure: Mask = np.greater(share, 0.5)
    weights = share * (_near(np.any(sure, 3))[..., None] & _near(np.any(sure, 2))[..., None, :])
    across, down = (weights.sum(axis, dtype=np.float64) for axis in (2, 3))
    total = np.where(np.any(sure, (2, 3)), across.sum(-1), np.nan)
    places = (np.arange(size) + 0.5) * WORLD_SIZE / size
    x, y = (across * places).sum(-1) / total, (down * places).sum(-1) / total
    return np.stack([x, WORLD_SIZE - y], -1)


def _near(sure: Mask) -> Mask:
    """The lines (… size) from a little before the first sure one to a little after the last."""
    size = sure.shape[-1]
    first, last = sure.argmax(-1)[..., None], size - 1 - sure[..., ::-1].argmax(-1)[..., None]
    lines = np.arange(size)
    near: Mask = (lines >= first - _AROUND) & (lines <= last + _AROUND)
    return near


def velocity_errors(found: Floats, motions: Motions) -> VelocityErrors:
    """The errors of centres (b t n 2) that were found in clips with these true motions.

    From the last known frame on, as long as all balls are whole in the picture; of a collision, what comes
    after the impact. Of uniform motion and collisions only the horizontal velocity counts, as published. A
    ball that is not found is taken to stay where it was seen last.
    """
    axes = slice(0, 2) if motions.law == "parabola" else slice(0, 1)
    truth = motions.positions.astype(np.float64)
    missing: Mask = np.any(np.isnan(found), -1)
    ours = _kept_in_place(np.where(missing[..., None], np.nan, found))
    right, wrong = (np.diff(places, axis=1)[..., axes] / FRAME_SECONDS for places in (truth, ours))
    counted = _counted(motions)
    if motions.law == "collision":
        counted &= _after_impact(right[..., 0], counted)
    number = counted.sum(1)
    mask = counted[..., None, None]

    def mean(values: Floats) -> Floats:
        """The mean (b …) over the frames that count; 0 where none do."""
        averaged: Floats = (values * mask).sum(1) / np.maximum(number, 1)[:, None, None]
        return averaged

    each = mean(np.abs(wrong - right)).mean((1, 2))
    together = np.abs(mean(wrong) - mean(right)).mean((1, 2))
    lost = mean(missing[:, 1:, :, None].astype(np.float64)).mean((1, 2))
    unscored = number == 0
    return VelocityErrors(*(np.where(unscored, np.nan, values) for values in (each, together, lost)))


def _kept_in_place(places: Floats) -> Floats:
    """The same with what is not seen where it was seen last, or is seen first."""
    filled = places.copy()
    for order in (1, -1):
        steps = range(filled.shape[1])[::order]
        for before, frame in pairwise(steps):
            filled[:, frame] = np.where(np.isnan(filled[:, frame]), filled[:, before], filled[:, frame])
    return np.nan_to_num(filled)


def _counted(motions: Motions) -> Mask:
    """Which steps from one frame to the next (b t−1) count: to made frames, between whole balls."""
    radii = motions.radii[:, None, :, None]
    inside = (motions.positions >= radii) & (motions.positions <= WORLD_SIZE - radii)
    whole: Mask = np.all(inside, axis=(2, 3))
    counted: Mask = whole[:, 1:] & whole[:, :-1]
    counted[:, : KNOWN_FRAMES - 1] = False
    return counted


def _after_impact(velocities: Floats, counted: Mask) -> Mask:
    """Which steps (b t−1) lie after the one in which velocities (b t−1 n) change for the first time."""
    changes = np.abs(np.diff(velocities, axis=1)).max(-1) > _IMPACT  # b t−2
    changes = np.logical_and(changes, counted[:, 1:])
    steps = np.arange(velocities.shape[1])
    impact = np.where(changes.any(1), changes.argmax(1) + 1, velocities.shape[1])
    after: Mask = steps > impact[:, None]
    return after
