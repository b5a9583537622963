"""What cannot happen: motion and looks of a shot changed from one frame on, before anything is drawn.

A violation is made in the tracer's table of objects, of one shot that physics has run; what comes before its
first frame stays as it was, to the last number. Not every shot lends itself to every violation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tenku.worlds import tracer
from tenku.worlds.clip import CLEAR_SHARE
from tenku.worlds.physics import FLOOR, Contact, Trajectory, simulate
from tenku.worlds.render import Visibility, looks, object_table, visibility_of
from tenku.worlds.scene import GRAVITY, ObjectSpec, Scene, turn
from tenku.worlds.shapes import Floats, bounding_radius, lowest_point, resting_height
from tenku.worlds.truth import MIN_HIT_SPEED
from tenku.worlds.vocabulary import COLOURS, HELD_OUT_PAIRS, Shape

Violation = Literal[
    "vanishes",
    "teleports",
    "passes_through",
    "falls_up",
    "hangs",
    "levitates",
    "bounces_higher",
    "speeds_up",
    "momentum_turns",
    "runs_backwards",
    "size_changes",
    "shadow_leaves",
    "colour_changes_unseen",
    "shape_changes_unseen",
]
VIOLATIONS: Final[tuple[Violation, ...]] = get_args(Violation)

_RESOLUTION: Final = 64  # pixels at which it is looked whether things are seen
_AWAY: Final = -100.0  # m under the floor, where nothing is seen and nothing casts a shadow
_LIFT: Final = 2.5  # m/s² at which what levitates leaves the floor
_REBOUND: Final = 1.3  # times the speed of the fall
_HASTE: Final = 1.5  # 1/s by which time runs faster and faster
_GROWTH: Final = 1.6
_GROWTH_FRAMES: Final = 6
_SHADOW_SPEED: Final = 0.9  # m/s
_SHADOW_REACH: Final = 0.9  # m
_MIN_SPEED: Final = 0.8  # m/s of what is to be seen moving
_MIN_HEIGHT: Final = 0.3  # m in the air
_STILL: Final = 0.03  # m
_HIDDEN: Final = 0.05  # of an object that may still be seen of what is hidden
_SOLID: Final[tuple[Shape, ...]] = ("sphere", "cube", "cylinder", "cone")  # rest as they are put


@dataclass(frozen=True)
class Shot:
    """A valid shot of an aspect, with what a glance at a few frames has shown of it."""

    scene: Scene
    trajectory: Trajectory
    glance: Visibility
    aspect: float
    rng: np.random.Generator

    @cached_property
    def table(self) -> Floats:
        """The tracer's table of objects (t n OBJECT_COLUMNS)."""
        return object_table(self.scene, self.trajectory)

    @cached_property
    def visibility(self) -> Visibility:
        """What is seen in every frame (t n)."""
        return visibility_of(self.scene, self.table, self.aspect, resolution=_RESOLUTION, every=1)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.trajectory.fps

    @property
    def num_frames(self) -> int:
        """Frames of the shot."""
        return self.trajectory.num_frames

    def clear(self) -> NDArray[np.bool_]:
        """Which objects are clearly seen in which frames (t n)."""
        shown = self.visibility
        whole: NDArray[np.bool_] = shown.visible >= np.maximum(CLEAR_SHARE, 0.7 * shown.unoccluded)
        return whole

    def lowest(self, i: int) -> Floats:
        """Height (t) of an object's lowest point."""
        thing, path = self.scene.objects[i], self.trajectory
        return lowest_point(thing.shape, thing.extent, path.positions[:, i, 2], path.rotations[:, i])

    def speed(self, i: int) -> Floats:
        """Of an object (t), m/s."""
        speed: Floats = np.linalg.norm(self.trajectory.velocities[:, i], axis=-1)
        return speed

    def any_of(self, fits: NDArray[np.bool_]) -> tuple[int, int] | None:
        """A frame and an object, drawn from those that fit (t n)."""
        frames, things = np.nonzero(fits)
        if not len(frames):
            return None
        drawn = int(self.rng.integers(len(frames)))
        return int(frames[drawn]), int(things[drawn])

    def over_objects(self, fits: Callable[[int], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """What fits in the frames (t) of each object, side by side (t n)."""
        return np.stack([fits(i) for i in range(len(self.scene.objects))], 1)

    def middle(self, first: float = 0.3, last: float = 0.6) -> NDArray[np.bool_]:
        """Frames (t 1) that leave enough before and after."""
        share = np.arange(self.num_frames) / (self.num_frames - 1)
        return ((share >= first) & (share <= last))[:, None]

    def seconds_from(self, frame: int) -> Floats:
        """Time (k) from a frame on, 0 at it."""
        return np.arange(self.num_frames - frame) / self.fps


@dataclass(frozen=True, slots=True)
class Broken:
    """The tracer's table of objects after a violation, which object it befell, and from which frame on."""

    table: Floats
    actor: int
    first: int


def violate(kind: Violation, shot: Shot) -> Broken | None:
    """The shot with a violation of some kind; None if it does not lend itself to that."""
    return _MAKERS[kind](shot)


def _moved(
    shot: Shot, i: int, first: int, positions: Floats | None = None, rotations: Floats | None = None
) -> Broken:
    """The shot in which one object has other positions (k 3) and rotations (k 3 3) from a frame on."""
    table = shot.table.copy()
    if positions is not None:
        table[first:, i, tracer.POSITION : tracer.POSITION + 3] = positions
    if rotations is not None:
        table[first:, i, tracer.ROTATION : tracer.ROTATION + 9] = rotations.reshape(len(rotations), 9)
    return Broken(table, i, first)


# --- there or not, and where -------------------------------------------------------------------------------


def _vanishes(shot: Shot) -> Broken | None:
    found = shot.any_of(shot.clear() & shot.middle())
    if found is None:
        return None
    first, i = found
    positions = shot.trajectory.positions[first:, i].copy()
    positions[:, 2] = _AWAY
    return _moved(shot, i, first, positions)


def _teleports(shot: Shot) -> Broken | None:
    found = shot.any_of(shot.clear() & shot.middle())
    if found is None:
        return None
    first, i = found
    right = shot.scene.camera.cameras(shot.num_frames, 1.0).axes[first, 0]
    jump = float(shot.rng.choice([-1, 1]) * shot.rng.uniform(0.8, 1.2))
    positions = shot.trajectory.positions[first:, i] + jump * right
    return _moved(shot, i, first, positions) if _has_room(shot, i, first, positions) else None


def _has_room(shot: Shot, i: int, first: int, positions: Floats) -> bool:
    """Whether an object at positions (k 3) stays clear of the others."""
    things = shot.scene.objects
    return all(
        np.linalg.norm(shot.trajectory.positions[first:, j] - positions, axis=-1).min()
        > bounding_radius(things[i].shape, things[i].extent) + bounding_radius(other.shape, other.extent)
        for j, other in enumerate(things)
        if j != i
    )


def _hits(shot: Shot) -> list[Contact]:
    """Strong contacts between two objects, both seen, in the middle of the shot."""
    clear, masses = shot.clear(), shot.trajectory.masses
    found = []
    for contact in shot.trajectory.contacts:
        frame = int(contact.seconds * shot.fps)
        if contact.second == FLOOR or not 3 <= frame < 0.7 * shot.num_frames:
            continue
        change = contact.impulse / min(masses[contact.first], masses[contact.second])
        if change >= 2 * MIN_HIT_SPEED and clear[frame, [contact.first, contact.second]].all():
            found.append(contact)
    return found


def _passes_through(shot: Shot) -> Broken | None:
    """Each of two that meet goes on as if it were alone."""
    if len(shot.scene.objects) != 2 or not (hits := _hits(shot)):
        return None
    first = 1 + int(hits[0].seconds * shot.fps)
    alone = [
        simulate(replace(shot.scene, objects=(thing,)), shot.num_frames, shot.fps)
        for thing in shot.scene.objects
    ]
    table = shot.table.copy()
    for i, path in enumerate(alone):
        table[first:, i, tracer.POSITION : tracer.POSITION + 3] = path.positions[first:, 0]
        table[first:, i, tracer.ROTATION : tracer.ROTATION + 9] = path.rotations[first:, 0].reshape(-1, 9)
    return Broken(table, hits[0].first, first)


def _momentum_turns(shot: Shot) -> Broken | None:
    """What is struck leaves at a right angle to where it was struck to."""
    hits = _hits(shot)
    if not hits:
        return None
    frame = int(hits[0].seconds * shot.fps)
    pair = [hits[0].first, hits[0].second]
    struck = min(pair, key=lambda i: float(shot.speed(i)[frame]))
    if shot.speed(struck)[frame + 2] < _MIN_SPEED:
        return None
    way = turn((0, 0, 1), float(shot.rng.choice([-1, 1])) * np.pi / 2)
    path, since = shot.trajectory, slice(frame + 1, None)
    before, pose = path.positions[frame, struck], path.rotations[frame, struck]
    positions = before + (path.positions[since, struck] - before) @ way.T
    rotations = way @ path.rotations[since, struck] @ pose.T @ way.T @ pose
    return _moved(shot, struck, frame + 1, positions, rotations)


# --- up and down -------------------------------------------------------------------------------------------


def _in_fall(shot: Shot) -> tuple[int, int] | None:
    """A frame in which something falls that has not touched anything yet."""

    def falling(i: int) -> NDArray[np.bool_]:
        touches = [c.seconds for c in shot.trajectory.contacts if i in (c.first, c.second)]
        free = np.arange(shot.num_frames) / shot.fps < min(touches, default=np.inf)
        fast = shot.trajectory.velocities[:, i, 2] < -_MIN_SPEED
        return np.asarray(free & fast & (shot.lowest(i) > _MIN_HEIGHT))

    return shot.any_of(shot.over_objects(falling) & shot.clear())


def _falls_up(shot: Shot) -> Broken | None:
    if (found := _in_fall(shot)) is None:
        return None
    first, i = found
    time, path = shot.seconds_from(first), shot.trajectory
    positions = path.positions[first, i] + time[:, None] * path.velocities[first, i]
    positions[:, 2] += GRAVITY / 2 * time**2
    return _moved(shot, i, first, positions)


def _hangs(shot: Shot) -> Broken | None:
    if (found := _in_fall(shot)) is None:
        return None
    first, i = found
    path, left = shot.trajectory, shot.num_frames - first
    positions, rotations = path.positions[first : first + 1, i], path.rotations[first : first + 1, i]
    return _moved(shot, i, first, positions.repeat(left, 0), rotations.repeat(left, 0))


def _levitates(shot: Shot) -> Broken | None:
    def resting(i: int) -> NDArray[np.bool_]:
        moved = np.ptp(shot.trajectory.positions[:, i], axis=0).max()
        return np.full(shot.num_frames, moved < _STILL)

    found = shot.any_of(shot.over_objects(resting) & shot.clear() & shot.middle(0.2, 0.5))
    if found is None:
        return None
    first, i = found
    positions = shot.trajectory.positions[first:, i].copy()
    positions[:, 2] += _LIFT / 2 * shot.seconds_from(first) ** 2
    return _moved(shot, i, first, positions)


def _bounces_higher(shot: Shot) -> Broken | None:
    """From its first touch of the floor on it rises higher than it fell, again and again."""
    clear, path = shot.clear(), shot.trajectory
    touches = {c.first: c.seconds for c in reversed(path.contacts) if c.second == FLOOR}
    for i, seconds in touches.items():
        frame = int(seconds * shot.fps)
        since = seconds - frame / shot.fps
        fall = GRAVITY * since - path.velocities[frame, i, 2]
        if fall < 3 or not clear[frame, i] or not 2 <= frame < 0.6 * shot.num_frames:
            continue
        ground = path.positions[frame, i, 2] + path.velocities[frame, i, 2] * since - GRAVITY / 2 * since**2
        time = np.arange(frame + 1, shot.num_frames) / shot.fps - seconds
        up = _REBOUND * fall
        time = np.mod(time, 2 * up / GRAVITY)
        positions = path.positions[frame + 1 :, i].copy()
        positions[:, 2] = ground + up * time - GRAVITY / 2 * time**2
        return _moved(shot, i, frame + 1, positions)
    return None


# --- time --------------------------------------------------------------------------------------------------


def _speeds_up(shot: Shot) -> Broken | None:
    """Its own time runs faster and faster: along the same way, without a cause."""

    def free(i: int) -> NDArray[np.bool_]:
        touches = [c.seconds for c in shot.trajectory.contacts if i in (c.first, c.second)]
        alone = np.arange(shot.num_frames) / shot.fps > max(touches, default=-1.0)
        return np.asarray(alone & (shot.lowest(i) < 0.05) & (shot.speed(i) > _MIN_SPEED))

    found = shot.any_of(shot.over_objects(free) & shot.clear() & shot.middle(0.15, 0.6))
    if found is None:
        return None
    first, i = found
    finer = 4
    longer = simulate(shot.scene, 3 * finer * (shot.num_frames - 1) + 1, finer * shot.fps)
    time = shot.seconds_from(first)
    at = (finer * shot.fps * (first / shot.fps + time + _HASTE * time**2)).round().astype(np.int64)
    at = np.minimum(at, longer.num_frames - 1)
    return _moved(shot, i, first, longer.positions[at, i], longer.rotations[at, i])


def _runs_backwards(shot: Shot) -> Broken | None:
    """From one frame on everything goes back the way it came."""
    first = (shot.num_frames + 1) // 2 + int(shot.rng.integers(shot.num_frames // 6))
    clear, ways = shot.clear(), np.diff(shot.trajectory.positions, axis=0)
    moved = np.linalg.norm(ways[first // 2 : first - 1], axis=-1).sum(0) * clear[first // 2 : first].all(0)
    if moved.max() < 2 * _MIN_HEIGHT:
        return None
    table = shot.table.copy()
    table[first:] = shot.table[first - 1 - np.arange(shot.num_frames - first)]
    return Broken(table, int(moved.argmax()), first)


# --- looks -------------------------------------------------------------------------------------------------


def _size_changes(shot: Shot) -> Broken | None:
    on_floor = shot.over_objects(lambda i: np.full(shot.num_frames, shot.lowest(i)[-24:].max() < 0.05))
    found = shot.any_of(on_floor & shot.clear() & shot.middle())
    if found is None:
        return None
    first, i = found
    thing = shot.scene.objects[i]
    last = _GROWTH if thing.size == "small" else 1 / _GROWTH
    table = shot.table.copy()
    for step, row in enumerate(table[first:, i]):
        factor = last ** min(1.0, (step + 1) / _GROWTH_FRAMES)
        row[tracer.SIZE :] = looks(replace(thing, extent=thing.extent * factor))
        row[tracer.POSITION + 2] *= factor
    return Broken(table, i, first)


def _shadow_leaves(shot: Shot) -> Broken | None:
    on_floor = shot.over_objects(lambda i: shot.lowest(i) < 0.05)
    found = shot.any_of(on_floor & shot.clear() & shot.middle(0.2, 0.5))
    if found is None:
        return None
    first, i = found
    right = shot.scene.camera.cameras(shot.num_frames, 1.0).axes[first, 0, :2]
    way = np.minimum(_SHADOW_SPEED * (shot.seconds_from(first) + 1 / shot.fps), _SHADOW_REACH)
    table = shot.table.copy()
    table[first:, i, tracer.SHADOW : tracer.SHADOW + 2] = shot.rng.choice([-1, 1]) * way[:, None] * right
    return Broken(table, i, first)


def _hidden(shot: Shot) -> tuple[int, int] | None:
    """A frame in which hardly anything is seen of something that is clearly seen before and after."""
    if not (shot.glance.visible < 0.5 * shot.glance.unoccluded).any():
        return None
    shown, clear = shot.visibility, shot.clear()
    hidden = (shown.visible <= _HIDDEN * shown.unoccluded) & (shown.unoccluded >= CLEAR_SHARE)
    before = np.cumsum(clear, 0) >= 3
    after = np.cumsum(clear[::-1], 0)[::-1] >= 4
    return shot.any_of(hidden & before & after)


def _colour_changes_unseen(shot: Shot) -> Broken | None:
    if (found := _hidden(shot)) is None:
        return None
    first, i = found
    thing = shot.scene.objects[i]
    taken = {other.colour for other in shot.scene.objects}
    others = [c for c in COLOURS if c not in taken and (c, thing.shape) not in HELD_OUT_PAIRS]
    return _with_looks(shot, i, first, replace(thing, colour=others[int(shot.rng.integers(len(others)))]))


def _shape_changes_unseen(shot: Shot) -> Broken | None:
    """It goes on upright as another solid."""
    if (found := _hidden(shot)) is None or shot.lowest(found[1])[found[0] :].max() > 0.05:
        return None
    first, i = found
    thing = shot.scene.objects[i]
    others = [s for s in _SOLID if s != thing.shape and (thing.colour, s) not in HELD_OUT_PAIRS]
    other = replace(thing, shape=others[int(shot.rng.integers(len(others)))])
    upright = turn((0, 0, 1), float(shot.rng.uniform(0, 2 * np.pi)))
    broken = _with_looks(shot, i, first, other)
    broken.table[first:, i, tracer.ROTATION : tracer.ROTATION + 9] = upright.ravel()
    broken.table[first:, i, tracer.POSITION + 2] = resting_height(other.shape, other.extent, upright)
    return broken


def _with_looks(shot: Shot, i: int, first: int, thing: ObjectSpec) -> Broken:
    table = shot.table.copy()
    table[first:, i, tracer.SIZE :] = looks(thing)
    return Broken(table, i, first)


_MAKERS: Final[Mapping[Violation, Callable[[Shot], Broken | None]]] = MappingProxyType(
    {
        "vanishes": _vanishes,
        "teleports": _teleports,
        "passes_through": _passes_through,
        "falls_up": _falls_up,
        "hangs": _hangs,
        "levitates": _levitates,
        "bounces_higher": _bounces_higher,
        "speeds_up": _speeds_up,
        "momentum_turns": _momentum_turns,
        "runs_backwards": _runs_backwards,
        "size_changes": _size_changes,
        "shadow_leaves": _shadow_leaves,
        "colour_changes_unseen": _colour_changes_unseen,
        "shape_changes_unseen": _shape_changes_unseen,
    }
)
