"""From a scene and its trajectory to frames, segmentation and depth."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds import tracer
from tenku.worlds.camera import Cameras
from tenku.worlds.physics import Trajectory
from tenku.worlds.scene import FloorSpec, Light, ObjectSpec, Scene
from tenku.worlds.shapes import Floats, bounding_radius, dimensions
from tenku.worlds.vocabulary import FLOORS, SHAPES, Colour, Material

NO_OBJECT: Final = -1

# Colours as sRGB 0…1, chosen so that even in wood and in metal none turns into another.
COLOUR_SRGB: Final[dict[Colour, tuple[float, float, float]]] = {
    "red": (0.82, 0.07, 0.08),
    "blue": (0.08, 0.22, 0.88),
    "green": (0.07, 0.58, 0.14),
    "yellow": (0.98, 0.84, 0.05),
    "purple": (0.47, 0.11, 0.67),
    "cyan": (0.08, 0.76, 0.82),
    "orange": (0.96, 0.41, 0.02),
    "grey": (0.38, 0.38, 0.39),
}
_METALNESS: Final[dict[Material, float]] = {"metal": 1.0, "rubber": 0.0, "wood": 0.0}
_ROUGHNESS: Final[dict[Material, float]] = {"metal": 0.12, "rubber": 0.9, "wood": 0.55}
_PLANK_COLOURS: Final = ((0.50, 0.34, 0.21), (0.23, 0.14, 0.08))  # linear
_FOG_DISTANCE: Final = 9.0  # m
_LIGHT_FALLOFF: Final = 0.012  # 1/m²
_TONE_CURVE: Final = tracer.tone_curve()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendering:
    """Frames (t h w 3) in sRGB, segmentation (t h w) with NO_OBJECT where no object is, depth (t h w).

    Depth is in metres along the camera's axis and infinite where there is only background.
    """

    frames: NDArray[np.uint8]
    segmentation: NDArray[np.int8]
    depth: NDArray[np.float32]


def render(scene: Scene, trajectory: Trajectory, width: int, height: int) -> Rendering:
    """Draw every frame of the trajectory."""
    return render_table(scene, object_table(scene, trajectory), width, height)


def render_table(scene: Scene, table: Floats, width: int, height: int) -> Rendering:
    """Draw every frame of a table of objects (t n OBJECT_COLUMNS), whatever has been made of it."""
    num_frames, count = table.shape[:2]
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    segmentation = np.empty((num_frames, height, width), np.int8)
    depth = np.empty((num_frames, height, width), np.float32)
    cameras = scene.camera.cameras(num_frames, width / height)
    tracer.trace_frames(
        cameras.table(),
        table,
        _scenery(scene.floor, scene.light),
        _TONE_CURVE,
        np.empty((count, 4)),
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        segmentation,
        depth,
        frames,
    )
    return Rendering(frames=frames, segmentation=segmentation, depth=depth)


@dataclass(frozen=True, kw_only=True, slots=True)
class Visibility:
    """Share of the picture (t n), measured by its shorter side squared, that every object fills.

    `visible` is what is seen of it, `unoccluded` what would be seen were nothing in front of it.
    """

    visible: Floats
    unoccluded: Floats


def measure_visibility(
    scene: Scene, trajectory: Trajectory, aspect: float, *, resolution: int = 40, every: int = 4
) -> Visibility:
    """A coarse and quick look at every fourth frame, `resolution` pixels along the shorter side."""
    return visibility_of(scene, object_table(scene, trajectory), aspect, resolution=resolution, every=every)


def visibility_of(
    scene: Scene, table: Floats, aspect: float, *, resolution: int = 40, every: int = 4
) -> Visibility:
    """The same of a table of objects (t n OBJECT_COLUMNS)."""
    height = max(round(resolution / min(aspect, 1.0)), 1)
    width = max(round(resolution * max(aspect, 1.0)), 1)
    cameras: Cameras = scene.camera.cameras(len(table), aspect)
    table = table[::every]
    visible, unoccluded = np.zeros(table.shape[:2], np.int64), np.zeros(table.shape[:2], np.int64)
    tracer.count_visible(cameras.table()[::every], table, height, width, visible, unoccluded)
    area = float(min(height, width)) ** 2
    return Visibility(visible=visible / area, unoccluded=unoccluded / area)


def object_table(scene: Scene, trajectory: Trajectory) -> Floats:
    """The tracer's table of objects (t n OBJECT_COLUMNS)."""
    num_frames, count = trajectory.positions.shape[:2]
    table = np.empty((num_frames, count, tracer.OBJECT_COLUMNS))
    table[:, :, tracer.SIZE :] = [looks(thing) for thing in scene.objects]
    table[:, :, tracer.POSITION : tracer.POSITION + 3] = trajectory.positions
    table[:, :, tracer.ROTATION : tracer.ROTATION + 9] = trajectory.rotations.reshape(num_frames, count, 9)
    return table


def looks(thing: ObjectSpec) -> list[float]:
    """The columns that do not change over time, from SIZE on."""
    a, b, c = dimensions(thing.shape, thing.extent)
    scale = tracer.cone_scale(a, b) if thing.shape == "cone" else 0.0
    return [
        *(a, b, c, scale),
        bounding_radius(thing.shape, thing.extent) * (1.0 if thing.shape == "sphere" else 1.01),
        SHAPES.index(thing.shape),
        *linear(COLOUR_SRGB[thing.colour]),
        _METALNESS[thing.material],
        _ROUGHNESS[thing.material],
        _texture(thing),
        thing.texture_phase,
        *(0.0, 0.0),  # its shadow is where it is
    ]


def _texture(thing: ObjectSpec) -> int:
    if thing.material == "wood":
        return tracer.GRAIN
    if thing.material == "rubber" and thing.shape != "cube":
        return tracer.STRIPES
    return tracer.UNIFORM


def linear(srgb: tuple[float, float, float]) -> tuple[float, float, float]:
    """Linear light of an sRGB colour, both 0…1."""
    red, green, blue = (value**2.2 for value in srgb)
    return red, green, blue


def _scenery(floor: FloorSpec, light: Light) -> Floats:
    table = np.empty(tracer.SCENERY_COLUMNS)
    table[tracer.LIGHT : tracer.LIGHT + 3] = light.direction
    warm = np.array([1 + light.warmth, 1.0, 1 - light.warmth])
    table[tracer.LIGHT_COLOUR : tracer.LIGHT_COLOUR + 3] = light.intensity * warm
    table[tracer.FILL : tracer.FILL + 3] = _fill_direction(light)
    table[tracer.SKY_LOW : tracer.SKY_LOW + 3] = light.background * 0.75
    table[tracer.SKY_HIGH : tracer.SKY_HIGH + 3] = light.background * 1.1
    table[tracer.HARDNESS] = light.softness
    table[tracer.AMBIENT] = light.ambient
    table[tracer.FALLOFF] = _LIGHT_FALLOFF
    table[tracer.PATTERN] = FLOORS.index(floor.kind)
    first, second = _floor_colours(floor)
    table[tracer.FLOOR_FIRST : tracer.FLOOR_FIRST + 3] = first
    table[tracer.FLOOR_SECOND : tracer.FLOOR_SECOND + 3] = second
    table[tracer.PATTERN_SCALE] = floor.pattern_scale
    table[tracer.GLOSS] = floor.gloss
    table[tracer.FOG] = _FOG_DISTANCE
    return table


def _fill_direction(light: Light) -> Floats:
    """A weaker light from the side opposite to the lamp."""
    azimuth = np.arctan2(light.direction[1], light.direction[0]) + 2.4
    direction: Floats = np.array([np.cos(azimuth), np.sin(azimuth), 0.5])
    direction /= np.linalg.norm(direction)
    return direction


def _floor_colours(floor: FloorSpec) -> tuple[Floats, Floats]:
    tint = floor.brightness * np.array([1 + floor.warmth, 1.0, 1 - floor.warmth])
    if floor.kind == "wooden":
        return np.array(_PLANK_COLOURS[0]) * tint, np.array(_PLANK_COLOURS[1]) * tint
    return tint, tint * floor.pattern_contrast
