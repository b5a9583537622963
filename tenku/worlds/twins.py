"""Pairs of clips for the question which of the two is possible: alike up to the frame where one breaks the
laws of physics."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.clip import MAX_SPEED, all_clearly_visible
from tenku.worlds.description import SceneDescription
from tenku.worlds.physics import simulate
from tenku.worlds.render import measure_visibility, render_table
from tenku.worlds.scene import Behaviour, WorldConfig, objects_overlap, sample_scene
from tenku.worlds.truth import describe
from tenku.worlds.violations import VIOLATIONS, Broken, Shot, Violation, violate

_MAX_ATTEMPTS: Final = 2_000  # of drawing a scene in which a violation can happen
_VISIBLE_CHANGE: Final = 24  # of 255
_CHANGED_SHARE: Final = 0.003  # of the pixels
_CHANGED_FRAMES: Final = 4

_USUAL: Final = WorldConfig(cut_probability=0.0, object_counts={1: 0.4, 2: 0.4, 3: 0.2})


def _world(counts: dict[int, float], hit: float = 0.45, **behaviours: float) -> WorldConfig:
    weights: dict[Behaviour, float] = {**behaviours}  # type: ignore[dict-item]
    return WorldConfig(cut_probability=0.0, object_counts=counts, hit_probability=hit, behaviours=weights)


# Where a violation needs what seldom happens, more of that is drawn; the rest is as in training.
_WORLDS: Final = MappingProxyType(
    {
        "passes_through": _world({2: 1.0}, 1.0, rolls_in=0.6, slides_in=0.3, rests=0.4),
        "momentum_turns": _world({2: 0.7, 3: 0.3}, 1.0, rolls_in=0.6, slides_in=0.3, rests=0.4),
        "falls_up": _world({1: 0.4, 2: 0.4, 3: 0.2}, falls=0.7, rolls_in=0.2, rests=0.2),
        "hangs": _world({1: 0.4, 2: 0.4, 3: 0.2}, falls=0.7, rolls_in=0.2, rests=0.2),
        "bounces_higher": _world({1: 0.4, 2: 0.4, 3: 0.2}, falls=0.7, rolls_in=0.2, rests=0.2),
        "colour_changes_unseen": _world({2: 0.5, 3: 0.5}, 0.0, rolls_in=0.6, slides_in=0.4, rests=0.3),
        "shape_changes_unseen": _world({2: 0.5, 3: 0.5}, 0.0, rolls_in=0.6, slides_in=0.4, rests=0.3),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Twins:
    """A valid and an invalid clip, both frames (t h w 3), that are the same before frame `first`.

    `description` is the valid one's; `seed` and `kind` make the pair again.
    """

    kind: Violation
    seed: int
    description: SceneDescription
    valid: NDArray[np.uint8]
    invalid: NDArray[np.uint8]
    first: int
    fps: float


def simulate_twins(
    kind: Violation, seed: int, *, num_frames: int = 33, fps: float = 16, height: int = 128, width: int = 128
) -> Twins:
    """The pair of a kind of violation and a seed: the same arguments always give the same pixels."""
    for shot, broken in staged(kind, seed, num_frames=num_frames, fps=fps, aspect=width / height):
        twins = _drawn(kind, seed, shot, broken, width, height)
        if _shows(twins):
            return twins
    raise RuntimeError(f"no scene for {kind!r} found in {_MAX_ATTEMPTS} attempts")


def staged(
    kind: Violation, seed: int, *, num_frames: int, fps: float, aspect: float
) -> Iterator[tuple[Shot, Broken]]:
    """Valid shots and what becomes of them, before anything is drawn."""
    world = _WORLDS.get(kind, _USUAL)
    for attempt in range(_MAX_ATTEMPTS):
        rng = np.random.default_rng((seed, 1 + VIOLATIONS.index(kind), attempt))
        shot = _shot(rng, world, num_frames, fps, aspect)
        broken = None if shot is None else violate(kind, shot)
        if shot is not None and broken is not None:
            yield shot, broken


def _shot(
    rng: np.random.Generator, world: WorldConfig, num_frames: int, fps: float, aspect: float
) -> Shot | None:
    """A shot such as training has, or None if this draw gives none."""
    scene = sample_scene(rng, world, duration=(num_frames - 1) / fps, aspect=aspect)
    if objects_overlap(scene):
        return None
    trajectory = simulate(scene, num_frames, fps)
    if np.abs(trajectory.velocities).max() > MAX_SPEED:
        return None
    glance = measure_visibility(scene, trajectory, aspect)
    return Shot(scene, trajectory, glance, aspect, rng) if all_clearly_visible(glance) else None


def _drawn(kind: Violation, seed: int, shot: Shot, broken: Broken, width: int, height: int) -> Twins:
    valid = render_table(shot.scene, shot.table, width, height)
    invalid = render_table(shot.scene, broken.table, width, height)
    return Twins(
        kind=kind,
        seed=seed,
        description=describe(shot.scene, shot.trajectory, valid),
        valid=valid.frames,
        invalid=invalid.frames,
        first=broken.first,
        fps=shot.fps,
    )


def _shows(twins: Twins) -> bool:
    """Whether the two are seen to differ, for a while and not in the last frames alone."""
    differences = np.abs(twins.valid.astype(np.int16) - twins.invalid).max(-1) > _VISIBLE_CHANGE
    changed = differences.mean((1, 2)) >= _CHANGED_SHARE
    return bool(changed.sum() >= _CHANGED_FRAMES)
