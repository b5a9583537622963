"""How the balls move: Box2D, in steps of a hundredth of a second, as the published clips were made."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tenku.errors import UserError
from tenku.worlds.phyworld.laws import FRAME_SECONDS, LAWS, NUM_FRAMES, Law, Scene, Split, draw_scene

_STEP: Final = 0.01
_STEPS_PER_FRAME: Final = round(FRAME_SECONDS / _STEP)
_ITERATIONS: Final = (15, 20)  # of Box2D's solver, for velocities and for positions
_GRAVITY: Final = 2.5  # of the parabola alone


@dataclass(frozen=True, slots=True)
class Motions:
    """Where the balls of b clips are: positions (b t n 2) with y up, in frames of 0.1 s, and radii (b n).

    `strange` says of each clip what is out of distribution, as `Scene` does.
    """

    law: Law
    positions: npt.NDArray[np.float32]
    radii: npt.NDArray[np.float32]
    strange: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, chosen: Sequence[int] | npt.NDArray[np.int64]) -> "Motions":
        """Some of the clips."""
        index = np.asarray(chosen, np.int64)
        return Motions(
            self.law, self.positions[index], self.radii[index], tuple(self.strange[i] for i in index)
        )


def simulate(law: Law, split: Split, seeds: Sequence[int], num_frames: int = NUM_FRAMES) -> Motions:
    """A clip for each seed; the same seed gives the same clip. Without Box2D a `UserError`."""
    box2d = _box2d()
    index = LAWS.index(law)
    scenes = [draw_scene(law, split, np.random.default_rng((index, seed))) for seed in seeds]
    return Motions(
        law,
        np.stack([_positions(scene, num_frames, box2d) for scene in scenes]),
        np.array([scene.radii for scene in scenes], np.float32),
        tuple(scene.strange for scene in scenes),
    )


def _positions(scene: Scene, num_frames: int, box2d: Any) -> npt.NDArray[np.float32]:
    """Positions (t n 2) of one scene; its first frame comes one step after the start."""
    gravity = -_GRAVITY if scene.law == "parabola" else 0.0
    world = box2d.b2World(gravity=(0, gravity), doSleep=False)
    balls = []
    for place, velocity, radius in zip(scene.places, scene.velocities, scene.radii, strict=True):
        ball = world.CreateDynamicBody(position=place, linearVelocity=velocity)
        ball.CreateCircleFixture(radius=radius, density=1, restitution=1.0)
        balls.append(ball)
    positions = np.empty((num_frames, len(balls), 2), np.float32)
    for frame in range(num_frames):
        for _ in range(1 if frame == 0 else _STEPS_PER_FRAME):
            world.Step(_STEP, *_ITERATIONS)
        positions[frame] = [tuple(ball.position) for ball in balls]
    return positions


def _box2d() -> Any:
    try:
        with warnings.catch_warnings():  # SWIG's types have no module: as an error that would be a crash
            warnings.simplefilter("ignore")
            import Box2D
    except ImportError as error:
        raise UserError(
            "PhyWorld's clips need Box2D, which is not installed: pip install 'tenku[phyworld]'."
        ) from error
    return Box2D
