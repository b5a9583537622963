"""True clips for the language suite: scenes in which there is what a prompt is going to ask for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.captions.sampling import Pairs
from tenku.worlds.clip import MAX_SPEED, all_clearly_visible
from tenku.worlds.description import Event, SceneDescription
from tenku.worlds.physics import simulate
from tenku.worlds.render import measure_visibility, render
from tenku.worlds.scene import ObjectSpec, Scene, WorldConfig, objects_overlap, sample_scene, turn
from tenku.worlds.shapes import EXTENT, dimensions, resting_height
from tenku.worlds.truth import describe
from tenku.worlds.vocabulary import CAMERA_MOVES, HELD_OUT_PAIRS, CameraMove, Shape

NUM_FRAMES: Final = 33
FPS: Final = 16.0
SIZE: Final = 128

_ATTEMPTS: Final = 2_000
_APART: Final = 0.4  # s between two events of which one comes before the other
_FLAT: Final[tuple[Shape, ...]] = ("cube", "cylinder")  # on which something can stand
_STACKED: Final[tuple[Shape, ...]] = ("cube", "cylinder", "cone")


@dataclass(frozen=True, slots=True)
class Filmed:
    """A true clip (t h w 3) and what it shows."""

    frames: NDArray[np.uint8]
    description: SceneDescription


def stage(
    pairs: Pairs, *counts: int, camera: float = 0.0, hit: float = 0.0, **behaviours: float
) -> WorldConfig:
    """A world without cuts in which each of so many objects is as likely."""
    return WorldConfig(
        pairs=pairs,
        object_counts=dict.fromkeys(counts, 1.0),
        behaviours=behaviours or {"rests": 1.0},  # type: ignore[arg-type]
        camera_move_probability=camera,
        hit_probability=hit,
        cut_probability=0.0,
    )


def film(
    seed: int,
    world: WorldConfig,
    suits: Callable[[SceneDescription], bool] = lambda description: True,
    change: Callable[[Scene, np.random.Generator], Scene | None] = lambda scene, rng: scene,
    *,
    apart: bool = True,
) -> Filmed:
    """The first clip of a seed that suits, of a scene drawn from a world and perhaps changed, in which things
    stand apart unless they need not."""
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng((seed, attempt))
        scene = change(sample_scene(rng, world, duration=(NUM_FRAMES - 1) / FPS), rng)
        if scene is None or (apart and objects_overlap(scene)):
            continue
        trajectory = simulate(scene, NUM_FRAMES, FPS)
        if np.abs(trajectory.velocities).max() > MAX_SPEED:
            continue
        if not all_clearly_visible(measure_visibility(scene, trajectory, 1.0)):
            continue
        rendering = render(scene, trajectory, SIZE, SIZE)
        description = describe(scene, trajectory, rendering)
        if len(description.objects) == len(scene.objects) and suits(description):
            return Filmed(rendering.frames, description)
    raise RuntimeError(f"no scene for seed {seed} found in {_ATTEMPTS} attempts")


def without_events(description: SceneDescription) -> SceneDescription:
    """What is there, and not what it does."""
    return replace(description, objects=tuple(replace(thing, events=()) for thing in description.objects))


# --- things that stand -------------------------------------------------------------------------------------


def of_kinds(*counts: int) -> Callable[[Scene, np.random.Generator], Scene | None]:
    """Change scenes of resting things so that so many are alike, so many of another kind, and so on."""

    def change(scene: Scene, rng: np.random.Generator) -> Scene | None:
        held_out_first = sorted(
            scene.objects, key=lambda thing: (thing.colour, thing.shape) not in HELD_OUT_PAIRS
        )
        kinds = held_out_first[: len(counts)]
        if len({thing.colour for thing in kinds}) < len(kinds):
            return None
        alike = [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
        return replace(
            scene, objects=tuple(_like(thing, kind) for thing, kind in zip(scene.objects, alike, strict=True))
        )

    return change


def _like(thing: ObjectSpec, other: ObjectSpec) -> ObjectSpec:
    """The looks of another, in its own place."""
    x, y, _ = thing.position
    rotation = np.array(other.rotation)
    height = resting_height(other.shape, other.extent, rotation)
    return replace(other, position=(x, y, height), texture_phase=thing.texture_phase)


def stacked(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """The first of two things put on top of the second, as a small one on a large one."""
    top, base = scene.objects
    if base.shape not in _FLAT or top.shape not in _STACKED:
        return None
    base = _upright(replace(base, size="large", extent=EXTENT["large"]), 0.0, rng)
    half = dimensions(base.shape, base.extent)[0 if base.shape == "cube" else 1]
    top = replace(top, size="small", extent=EXTENT["small"], position=base.position)
    return replace(scene, objects=(_upright(top, 2 * half + 0.002, rng), base))


def _upright(thing: ObjectSpec, height: float, rng: np.random.Generator) -> ObjectSpec:
    """Standing on something of a height."""
    rotation = turn((0, 0, 1), rng.uniform(0, 2 * np.pi))
    rows = tuple(tuple(float(value) for value in row) for row in rotation)
    x, y, _ = thing.position
    lift = height + resting_height(thing.shape, thing.extent, rotation)
    return replace(thing, rotation=rows, position=(x, y, lift))  # type: ignore[arg-type]


def moved_by(camera: CameraMove) -> Callable[[Scene, np.random.Generator], Scene | None]:
    """Only scenes with this move of the camera."""
    assert camera in CAMERA_MOVES
    return lambda scene, rng: scene if scene.camera.move == camera else None


# --- things that happen ------------------------------------------------------------------------------------


def one_after_another(description: SceneDescription) -> Iterator[tuple[tuple[int, Event], tuple[int, Event]]]:
    """Events of two objects of which the first clearly comes before the second."""
    done = [
        (index, event)
        for index, thing in enumerate(description.objects)
        for event in thing.events
        if event.kind not in ("rests", "spins")
    ]
    for first in done:
        for second in done:
            if first[0] != second[0] and first[1].seconds + _APART <= second[1].seconds:
                yield first, second
