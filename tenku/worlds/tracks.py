"""Where every object is in the picture: a box and a depth in each frame, also while it is out of sight.

A box is five numbers. Lengths are halves of the picture's shorter side, counted from its middle, so that the
frame of a square picture reaches from −1 to 1 whatever its size:

    x (to the right), y (down), width, height, depth (log of the distance over TRACK_DISTANCE)

Boxes hold the whole object, hidden parts included.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.camera import FIELD_OF_VIEW
from tenku.worlds.physics import Trajectory
from tenku.worlds.scene import Scene
from tenku.worlds.shapes import reach

BOX_SIZE: Final = 5
TRACK_DISTANCE: Final = 4.75  # m, about that of the camera from the middle of the stage
_MIN_DEPTH: Final = 0.6  # m; what is nearer fills the frame or lies beside it
_FARTHEST: Final = 3.0  # where boxes end that are far outside the frame


def track(scene: Scene, trajectory: Trajectory, aspect: float) -> NDArray[np.float32]:
    """Boxes (t n 5) of all objects of a shot."""
    cameras = scene.camera.cameras(trajectory.num_frames, aspect)
    seen = cameras.to_camera(trajectory.positions)  # t n 3: right, up, forward
    depth = np.maximum(seen[..., 2], _MIN_DEPTH)
    # The camera's axes, as each solid sees them.
    axes = np.einsum("tij,tnjk->tnik", cameras.axes, trajectory.rotations)
    far, back = (
        np.stack([reach(o.shape, o.extent, sign * axes[:, i, :2]) for i, o in enumerate(scene.objects)], 1)
        for sign in (1.0, -1.0)
    )  # t n 2: how far each solid reaches to the right and up, and to the left and down
    scale = 1 / (depth * np.tan(FIELD_OF_VIEW / 2))[..., None]
    middle = seen[..., :2] + (far - back) / 2  # a cone's is not its centre
    centre = np.clip(middle * [1.0, -1.0] * scale, -_FARTHEST, _FARTHEST)
    size = np.minimum((far + back) * scale, _FARTHEST)
    boxes: NDArray[np.float32] = np.concatenate(
        [centre, size, np.log(depth / TRACK_DISTANCE)[..., None]], -1
    ).astype(np.float32)
    return boxes
