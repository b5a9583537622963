"""Where everything is in the picture and how it is turned, in each frame, also while it is out of sight.

A *pose* is eleven numbers of an object. The first five are its box: lengths are halves of the picture's
shorter side, counted from its middle, so that the frame of a square picture reaches from −1 to 1 whatever its
size:

    x (to the right), y (down), width, height, depth (log of the distance over TRACK_DISTANCE)

Boxes hold the whole object, hidden parts included. Then come two axes of the solid as the camera sees them,
three numbers each (right, up, forward): its own axis, and one across. Which side of a cube, and which end of
a cylinder, capsule or ring, counts as its own is chosen at the start of a shot, by a rule that a mirror does
not change.

A *setting* is what surrounds the objects: the camera (sine and cosine of its azimuth, elevation in radians,
distance and target height in metres), the direction to the lamp as seen from there (right, ahead, up; level),
then the floor and the light: SURROUNDINGS in their order, each brought to about −1…1 but for the scale.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.camera import FIELD_OF_VIEW
from tenku.worlds.physics import Trajectory
from tenku.worlds.scene import Scene
from tenku.worlds.shapes import Floats, reach
from tenku.worlds.vocabulary import FLOORS, Shape

BOX_SIZE: Final = 5
POSE_SIZE: Final = BOX_SIZE + 6
CAMERA_SIZE: Final = 8
SURROUNDINGS: Final = (
    *FLOORS,
    *("brightness", "warmth", "gloss", "scale", "contrast"),
    *("intensity", "light_warmth", "softness", "ambient", "background"),
)
SETTING_SIZE: Final = CAMERA_SIZE + len(SURROUNDINGS)
TRACK_DISTANCE: Final = 4.75  # m, about that of the camera from the middle of the stage
_MIN_DEPTH: Final = 0.6  # m; what is nearer fills the frame or lies beside it
_FARTHEST: Final = 3.0  # where boxes end that are far outside the frame


def track(scene: Scene, trajectory: Trajectory, aspect: float) -> NDArray[np.float32]:
    """Poses (t n 11) of all objects of a shot."""
    cameras = scene.camera.cameras(trajectory.num_frames, aspect)
    # Rows are the camera's axes as each solid sees them, columns the solid's as the camera does.
    turned = np.einsum("tij,tnjk->tnik", cameras.axes, trajectory.rotations)
    axes = [_axes(thing.shape, turned[:, index]) for index, thing in enumerate(scene.objects)]
    boxes = _boxes(scene, cameras.to_camera(trajectory.positions), turned)
    return np.concatenate([boxes, np.stack(axes, 1)], -1).astype(np.float32)


def setting(scene: Scene, num_frames: int, aspect: float) -> NDArray[np.float32]:
    """The setting (t SETTING_SIZE) of a shot."""
    cameras = scene.camera.cameras(num_frames, aspect)
    forward, position = cameras.axes[:, 2], cameras.positions
    azimuth = np.arctan2(forward[:, 1], forward[:, 0])
    elevation = np.arcsin(-forward[:, 2])
    # The target lies on the world's vertical axis, ahead.
    distance = np.hypot(position[:, 0], position[:, 1]) / np.cos(elevation)
    height = position[:, 2] - distance * np.sin(elevation)
    x, y, up = scene.light.direction
    right = x * np.sin(azimuth) - y * np.cos(azimuth)
    ahead = x * np.cos(azimuth) + y * np.sin(azimuth)
    camera = np.stack(
        [
            np.sin(azimuth),
            np.cos(azimuth),
            elevation,
            distance,
            height,
            right,
            ahead,
            np.full_like(right, up),
        ],
        1,
    )
    surroundings = np.tile(_surroundings(scene), (num_frames, 1))
    return np.concatenate([camera, surroundings], 1).astype(np.float32)


def _boxes(scene: Scene, seen: Floats, turned: Floats) -> Floats:
    """Boxes (t n 5) of solids from their places (t n 3: right, up, forward) and axes (t n 3 3)."""
    depth = np.maximum(seen[..., 2], _MIN_DEPTH)
    far, back = (
        np.stack([reach(o.shape, o.extent, sign * turned[:, i, :2]) for i, o in enumerate(scene.objects)], 1)
        for sign in (1.0, -1.0)
    )  # t n 2: how far each solid reaches to the right and up, and to the left and down
    scale = 1 / (depth * np.tan(FIELD_OF_VIEW / 2))[..., None]
    middle = seen[..., :2] + (far - back) / 2  # a cone's is not its centre
    centre = np.clip(middle * [1.0, -1.0] * scale, -_FARTHEST, _FARTHEST)
    size = np.minimum((far + back) * scale, _FARTHEST)
    boxes: Floats = np.concatenate([centre, size, np.log(depth / TRACK_DISTANCE)[..., None]], -1)
    return boxes


def _axes(shape: Shape, turned: Floats) -> Floats:
    """Two axes (t 6) of a solid, its own and one across, from all three as columns (t 3 3)."""
    own, across = turned[..., 2], turned[..., 0]
    if shape == "cube":
        # Any of the normals of its sides may be its own: the one that points up, then one to the camera.
        sides = np.concatenate([turned, -turned], -1)
        first = int(sides[0, 1].argmax())
        own = sides[..., first]
        facing = np.where(np.arange(6) % 3 == first % 3, -np.inf, -sides[0, 2])
        across = sides[..., int(facing.argmax())]
    elif shape in ("cylinder", "capsule", "ring") and own[0, 1] < 0.6 * own[0, 2]:
        own = -own
    axes: Floats = np.concatenate([own, across], -1)
    return axes


def _surroundings(scene: Scene) -> list[float]:
    floor, light = scene.floor, scene.light
    return [
        *(float(floor.kind == kind) for kind in FLOORS),
        (floor.brightness - 0.6) / 0.3,
        floor.warmth / 0.06,
        floor.gloss / 0.25,
        floor.pattern_scale,
        (floor.pattern_contrast - 0.56) / 0.06,
        (light.intensity - 2.35) / 0.25,
        (light.warmth - 0.01) / 0.07,
        (light.softness - 8.5) / 3.5,
        (light.ambient - 1.075) / 0.125,
        (light.background - 0.625) / 0.175,
    ]
