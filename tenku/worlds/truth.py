"""What really happened in a shot and what of it can be seen: measured, never taken from the plan."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.camera import Cameras
from tenku.worlds.description import Event, ObjectDescription, Relation, SceneDescription
from tenku.worlds.physics import FLOOR, Contact, Trajectory
from tenku.worlds.render import Rendering
from tenku.worlds.scene import Scene
from tenku.worlds.shapes import Floats, lowest_point, resting_height
from tenku.worlds.vocabulary import Direction, RelationKind

# An object counts as seen in a frame where it fills this share of the picture's shorter side squared.
SEEN_SHARE: Final = 0.003
# It is not worth a word if it is seen in fewer than this share of the frames.
MIN_SEEN_FRAMES: Final = 0.1

MIN_FALL: Final = 0.35  # m of visible drop
MIN_BOUNCE: Final = 0.12  # m by which the lowest point rises again
MIN_HEIGHT_IN_AIR: Final = 0.25  # m under an object that a picture may call falling
MIN_ENTRY: Final = 0.45  # m travelled
MIN_ENTRY_SPEED: Final = 0.5  # m/s
MIN_HIT_SPEED: Final = 0.3  # m/s by which a hit changes the lighter object's velocity
MAX_REST_MOTION: Final = 0.03  # m
MAX_REST_TURN: Final = np.deg2rad(6.0)
MIN_SPIN: Final = np.deg2rad(120.0)
MAX_SPIN_MOTION: Final = 0.15  # m
MIN_BESIDE: Final = 0.5  # m between two objects of which one is left of the other
MIN_BEFORE: Final = 0.65  # m between two objects of which one is in front of the other


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """Everything the simulator knows about one shot of `t` frames and `n` objects.

    visible_pixels (t n); boxes (t n 4): left, top, right, bottom in pixels, right and bottom exclusive, all 0
    where nothing is seen; segmentation and depth (t h w). `described` holds, for every object of the
    description in order, its index among the n objects. `next_shot` follows after a cut.
    """

    scene: Scene
    trajectory: Trajectory
    cameras: Cameras
    segmentation: NDArray[np.int8]
    depth: NDArray[np.float32]
    visible_pixels: NDArray[np.int64]
    boxes: NDArray[np.int16]
    described: tuple[int, ...]
    next_shot: "Truth | None" = None


def observe(
    scene: Scene, trajectory: Trajectory, rendering: Rendering, next_shot: Truth | None = None
) -> Truth:
    """Collect the truth about a shot."""
    height, width = rendering.segmentation.shape[1:]
    count = len(scene.objects)
    pixels = count_pixels(rendering.segmentation, count)
    return Truth(
        scene=scene,
        trajectory=trajectory,
        cameras=scene.camera.cameras(trajectory.num_frames, width / height),
        segmentation=rendering.segmentation,
        depth=rendering.depth,
        visible_pixels=pixels,
        boxes=bounding_boxes(rendering.segmentation, count),
        described=described_objects(rendering),
        next_shot=next_shot,
    )


def count_pixels(segmentation: NDArray[np.int8], count: int) -> NDArray[np.int64]:
    """Visible pixels (t n) of every object."""
    pixels = np.stack([np.count_nonzero(segmentation == i, axis=(1, 2)) for i in range(count)], 1)
    return pixels.astype(np.int64)


def bounding_boxes(segmentation: NDArray[np.int8], count: int) -> NDArray[np.int16]:
    """Boxes (t n 4) around the visible pixels of every object."""
    num_frames, height, width = segmentation.shape
    boxes = np.zeros((num_frames, count, 4), np.int16)
    for i in range(count):
        mask = segmentation == i
        columns, rows = mask.any(1), mask.any(2)
        boxes[:, i, 0], boxes[:, i, 2] = columns.argmax(1), width - columns[:, ::-1].argmax(1)
        boxes[:, i, 1], boxes[:, i, 3] = rows.argmax(1), height - rows[:, ::-1].argmax(1)
        boxes[~rows.any(1), i] = 0
    return boxes


def _seen(pixels: NDArray[np.int64], height: int, width: int) -> NDArray[np.bool_]:
    seen: NDArray[np.bool_] = pixels >= max(SEEN_SHARE * min(height, width) ** 2, 1.0)
    return seen


def described_objects(rendering: Rendering) -> tuple[int, ...]:
    """Indices of the objects that are seen often enough to be worth a word."""
    height, width = rendering.segmentation.shape[1:]
    count = int(rendering.segmentation.max()) + 1
    return _worth_a_word(_seen(count_pixels(rendering.segmentation, count), height, width))


def _worth_a_word(seen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(seen.mean(0) >= MIN_SEEN_FRAMES))


def describe(scene: Scene, trajectory: Trajectory, rendering: Rendering) -> SceneDescription:
    """Put into words' terms what happens and is visible. Times count from the beginning of the shot."""
    height, width = rendering.segmentation.shape[1:]
    seen = _seen(count_pixels(rendering.segmentation, len(scene.objects)), height, width)
    shot = _Shot(scene, trajectory, seen, scene.camera.cameras(trajectory.num_frames, width / height))
    described = _worth_a_word(seen)
    is_picture = trajectory.num_frames == 1
    objects = tuple(
        ObjectDescription(
            colour=scene.objects[i].colour,
            shape=scene.objects[i].shape,
            material=scene.objects[i].material,
            size=scene.objects[i].size,
            events=shot.picture_events(i) if is_picture else shot.events(i, described),
        )
        for i in described
    )
    return SceneDescription(
        objects=objects,
        floor=scene.floor.kind,
        camera="still" if is_picture else scene.camera.move,
        relations=shot.relations(described),
        is_picture=is_picture,
    )


class _Shot:
    """A shot while its events are looked for; all indices are the scene's until the very end."""

    def __init__(
        self, scene: Scene, trajectory: Trajectory, seen: NDArray[np.bool_], cameras: Cameras
    ) -> None:
        self.scene = scene
        self.trajectory = trajectory
        self.seen = seen
        self.cameras = cameras
        self.times = np.arange(trajectory.num_frames) / trajectory.fps
        self.lowest = np.stack(
            [
                lowest_point(
                    thing.shape, thing.extent, trajectory.positions[:, i, 2], trajectory.rotations[:, i]
                )
                for i, thing in enumerate(scene.objects)
            ],
            1,
        )

    def picture_events(self, i: int) -> tuple[Event, ...]:
        return (Event(kind="falls"),) if self.lowest[0, i] > MIN_HEIGHT_IN_AIR else ()

    def events(self, i: int, described: tuple[int, ...]) -> tuple[Event, ...]:
        """What object i visibly does, in order."""
        if self._rests(i):
            return (Event(kind="rests"), *self._hits(i, described))
        found = [
            *self._entry(i),
            *self._fall(i),
            *self._bounce(i),
            *self._spin(i),
            *self._hits(i, described),
        ]
        return tuple(sorted(found, key=lambda event: event.seconds))

    def _rests(self, i: int) -> bool:
        positions, rotations = self.trajectory.positions[:, i], self.trajectory.rotations[:, i]
        moved = np.linalg.norm(positions - positions[0], axis=-1).max()
        cosine = (np.einsum("tij,ij->t", rotations, rotations[0]) - 1) / 2
        return bool(
            moved < MAX_REST_MOTION
            and np.arccos(np.clip(cosine, -1, 1)).max() < MAX_REST_TURN
            and self.lowest[0, i] < 0.05
            and self.seen[:, i].mean() > 0.5
        )

    def _floor_contacts(self, i: int) -> list[float]:
        return [
            contact.seconds
            for contact in self.trajectory.contacts
            if contact.first == i and contact.second == FLOOR
        ]

    def _fall(self, i: int) -> list[Event]:
        if self.lowest[0, i] < MIN_HEIGHT_IN_AIR:
            return []
        landing = min(self._floor_contacts(i), default=np.inf)
        visible = np.flatnonzero(self.seen[:, i] & (self.times <= landing + 1 / self.trajectory.fps))
        if not len(visible):
            return []
        heights = self.lowest[visible, i]
        if heights.max() - heights.min() < MIN_FALL:
            return []
        return [Event(kind="falls", seconds=float(self.times[visible[0]]))]

    def _bounce(self, i: int) -> list[Event]:
        """The first floor contact from the air after which the object is seen to rise."""
        contacts = [0.0, *self._floor_contacts(i), np.inf]
        for before, contact, after in zip(contacts, contacts[1:-1], contacts[2:], strict=False):
            falling = self.lowest[(self.times >= before) & (self.times <= contact), i]
            rising = (self.times > contact) & (self.times < after) & self.seen[:, i]
            if (
                len(falling)
                and falling.max() > 0.5 * MIN_BOUNCE
                and rising.any()
                and self.lowest[rising, i].max() >= MIN_BOUNCE
            ):
                return [Event(kind="bounces", seconds=contact)]
        return []

    def _entry(self, i: int) -> list[Event]:
        """Rolling or sliding into the picture, until something is in the way."""
        visible = np.flatnonzero(self.seen[:, i])
        first = visible[0]
        until = min((c.seconds for c in self._strong_hits(i)), default=np.inf)
        period = visible[(self.times[visible] <= max(until, self.times[first])) & (visible >= first)]
        if self.lowest[first, i] > 0.1 or first > 0.6 * len(self.times) or len(period) < 2:
            return []
        positions = self.trajectory.positions[:, i]
        speed = float(np.linalg.norm(self.trajectory.velocities[first, i, :2]))
        travelled = positions[period[-1]] - positions[first]
        # Some of the way may lie outside the frame or behind others: it counts once it is seen to arrive.
        if np.linalg.norm(travelled[:2]) < MIN_ENTRY or speed < MIN_ENTRY_SPEED:
            return []
        rolls = self._is_rolling(i, period)
        if rolls and self.scene.objects[i].shape in ("cube", "cone"):
            return []  # it tumbles, for which there is no word
        return [
            Event(
                kind="rolls_in" if rolls else "slides_in",
                direction=self._origin(travelled),
                seconds=float(self.times[first]),
            )
        ]

    def _is_rolling(self, i: int, period: NDArray[np.int64]) -> bool:
        thing = self.scene.objects[i]
        radius = resting_height(thing.shape, thing.extent, self.trajectory.rotations[period[0], i])
        turning = np.linalg.norm(self.trajectory.angular_velocities[period, i, :2], axis=-1).mean() * radius
        moving = np.linalg.norm(self.trajectory.velocities[period, i, :2], axis=-1).mean()
        return bool(turning > 0.5 * moving)

    def _origin(self, travelled: Floats) -> Direction:
        """The side something comes from that has travelled by a vector (3), as the first camera sees it."""
        right, away = self._ground_axes(0)
        across, along = float(travelled @ right), float(travelled @ away)
        if abs(across) > abs(along):
            return "left" if across > 0 else "right"
        return "front" if along > 0 else "back"

    def _ground_axes(self, frame: int) -> tuple[Floats, Floats]:
        right, _, forward = self.cameras.axes[frame]
        away = forward * [1.0, 1.0, 0.0]
        return right, away / np.linalg.norm(away)

    def _spin(self, i: int) -> list[Event]:
        positions = self.trajectory.positions[:, i]
        moved = np.linalg.norm(positions - positions[0], axis=-1) > MAX_SPIN_MOTION
        stays = ~np.logical_or.accumulate(moved) & self.seen[:, i]
        turned = np.abs(self.trajectory.angular_velocities[stays, i, 2].sum() / self.trajectory.fps)
        if turned < MIN_SPIN or self.lowest[0, i] > 0.05 or not self._turning_shows(i):
            return []
        return [Event(kind="spins")]

    def _turning_shows(self, i: int) -> bool:
        """Whether the outline changes when the object turns about the vertical."""
        shape = self.scene.objects[i].shape
        axis_up = abs(float(self.trajectory.rotations[0, i, 2, 2]))
        return shape == "cube" or (shape != "sphere" and axis_up < 0.9)

    def _strong_hits(self, i: int) -> list[Contact]:
        masses = self.trajectory.masses
        return [
            contact
            for contact in self.trajectory.contacts
            if contact.second != FLOOR
            and i in (contact.first, contact.second)
            and contact.impulse / min(masses[contact.first], masses[contact.second]) >= MIN_HIT_SPEED
        ]

    def _hits(self, i: int, described: tuple[int, ...]) -> list[Event]:
        """The first hit of i on every other object, where both are in sight; the faster one hits."""
        found: dict[int, Event] = {}
        done: set[int] = set()
        for contact in self._strong_hits(i):
            other = contact.second if contact.first == i else contact.first
            frame = min(int(contact.seconds * self.trajectory.fps), len(self.times) - 2)
            if (
                other in done
                or other not in described
                or not self.seen[frame : frame + 2, [i, other]].any(0).all()
            ):
                continue
            done.add(other)
            speeds = np.linalg.norm(self.trajectory.velocities[frame], axis=-1)
            if speeds[i] > speeds[other]:
                found[other] = Event(kind="hits", target=described.index(other), seconds=contact.seconds)
        return list(found.values())

    def relations(self, described: tuple[int, ...]) -> tuple[Relation, ...]:
        """How described objects stand to each other, in the first frame that shows both, if clearly so."""
        found = [
            Relation(kind=kind, first=first, second=second)
            for second in range(len(described))
            for first in range(second)
            for kind in self._relation(described[first], described[second])
        ]
        return tuple(found)

    def _relation(self, i: int, j: int) -> list[RelationKind]:
        both = np.flatnonzero(self.seen[:, i] & self.seen[:, j])
        if not len(both) or both[0] > 0.25 * len(self.times):
            return []
        frame = both[0]
        right, away = self._ground_axes(frame)
        offset = self.trajectory.positions[frame, j] - self.trajectory.positions[frame, i]
        across, along = float(offset @ right), float(offset @ away)
        kinds: list[RelationKind] = []
        if abs(across) > max(MIN_BESIDE, 0.6 * abs(along)):
            kinds.append("left_of" if across > 0 else "right_of")
        on_floor = max(self.lowest[frame, i], self.lowest[frame, j]) < 0.1
        if on_floor and abs(along) > max(MIN_BEFORE, 0.6 * abs(across)):
            kinds.append("in_front_of" if along > 0 else "behind")
        return kinds
