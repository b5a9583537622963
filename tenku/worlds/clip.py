"""From a seed to a clip: frames, their description, and the truth behind them."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.description import SceneDescription
from tenku.worlds.physics import Trajectory, simulate
from tenku.worlds.render import Rendering, Visibility, measure_visibility, render
from tenku.worlds.scene import Scene, WorldConfig, choose, objects_overlap, sample_scene
from tenku.worlds.tracks import setting, track
from tenku.worlds.truth import Truth, describe, described_objects, observe

MAX_ATTEMPTS: Final = 200  # of drawing a scene in which every object can be seen
CLEAR_SHARE: Final = 0.012  # of the picture that a clearly visible object fills
MIN_CLEAR_FRAMES: Final = 0.4
MIN_UNCOVERED: Final = 0.4  # of an object must not be hidden by others,
MAX_COVERED_FRAMES: Final = 0.3  # except in so many frames
MAX_SPEED: Final = 12.0  # m/s; faster only after a plan has put two objects into one place
MIN_FRAMES_FOR_CUT: Final = 17
CUT_EVERY: Final = 4  # a cut falls on frame 1 + 4k, where a new latent frame begins

DEFAULT_WORLD: Final = WorldConfig()


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedClip:
    """A clip (one frame makes a picture): frames (t h w 3) in sRGB and what they show.

    `poses` (t n POSE_SIZE), as `worlds.tracks` defines them, are of the described objects, one shot's after
    the other's; an object's are all 0 while another shot is on. `setting` (t SETTING_SIZE) is what surrounds
    them.
    """

    frames: NDArray[np.uint8]
    fps: float
    seed: int
    description: SceneDescription
    poses: NDArray[np.float32]
    setting: NDArray[np.float32]
    truth: Truth | None = None


def simulate_clip(
    seed: int,
    *,
    num_frames: int = 33,
    fps: float = 16,
    height: int = 128,
    width: int = 128,
    world: WorldConfig = DEFAULT_WORLD,
    with_truth: bool = False,
) -> SimulatedClip:
    """The clip of a seed: the same arguments always give the same pixels on the same machine."""
    _check(seed, num_frames, fps, height, width)
    rng = np.random.default_rng((seed, 0))
    shots = [
        _shoot((seed, 1 + index), frames, fps, height, width, world)
        for index, frames in enumerate(_shot_lengths(rng, num_frames, world))
    ]
    description: SceneDescription | None = None
    truth: Truth | None = None
    for shot in reversed(shots):
        description = replace(describe(shot.scene, shot.trajectory, shot.rendering), next_shot=description)
        if with_truth:
            truth = observe(shot.scene, shot.trajectory, shot.rendering, truth)
    assert description is not None
    frames = [shot.rendering.frames for shot in shots]
    aspect = width / height
    poses = [track(s.scene, s.trajectory, aspect)[:, described_objects(s.rendering)] for s in shots]
    settings = [setting(s.scene, s.trajectory.num_frames, aspect) for s in shots]
    return SimulatedClip(
        frames=frames[0] if len(frames) == 1 else np.concatenate(frames),
        fps=fps,
        seed=seed,
        description=description,
        poses=_side_by_side(poses),
        setting=np.concatenate(settings),
        truth=truth,
    )


def _side_by_side(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Blocks (t n d) along the diagonal of one (t n d): each has frames and objects of its own."""
    frames, objects = (sum(part.shape[axis] for part in parts) for axis in (0, 1))
    whole = np.zeros((frames, objects, parts[0].shape[2]), np.float32)
    t = n = 0
    for part in parts:
        whole[t : t + len(part), n : n + part.shape[1]] = part
        t, n = t + len(part), n + part.shape[1]
    return whole


def _check(seed: int, num_frames: int, fps: float, height: int, width: int) -> None:
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, but is {seed}")
    if num_frames < 1:
        raise ValueError(f"num_frames must be 1 or more, but is {num_frames}")
    if not 1 <= fps <= 240:
        raise ValueError(f"fps must lie between 1 and 240, but is {fps}")
    if min(height, width) < 16:
        raise ValueError(f"height and width must be 16 pixels or more, but are {height} and {width}")
    if max(height, width) > 3 * min(height, width):
        raise ValueError(f"one side may be at most three times the other, but they are {height} and {width}")


def _shot_lengths(rng: np.random.Generator, num_frames: int, world: WorldConfig) -> list[int]:
    """Frames of the one or two shots of a clip."""
    if num_frames < MIN_FRAMES_FOR_CUT or rng.random() >= world.cut_probability:
        return [num_frames]
    middle = round((num_frames / 2 - 1) / CUT_EVERY)
    spread = num_frames // 8 // CUT_EVERY
    cut = 1 + CUT_EVERY * int(rng.integers(middle - spread, middle + spread + 1))
    return [cut, num_frames - cut]


@dataclass(frozen=True, slots=True)
class _Shot:
    scene: Scene
    trajectory: Trajectory
    rendering: Rendering


def _shoot(
    seed: tuple[int, int], num_frames: int, fps: float, height: int, width: int, world: WorldConfig
) -> _Shot:
    """Draw scenes until one shows all its objects well; only that one is rendered."""
    # Drawn before the first attempt: else crowded scenes, which fail more often, would become rare.
    count = choose(np.random.default_rng((*seed, 0)), world.object_counts)
    aspect = width / height
    for attempt in range(1, MAX_ATTEMPTS + 1):
        rng = np.random.default_rng((*seed, attempt))
        duration = (num_frames - 1) / fps
        scene = sample_scene(rng, world, duration=duration, aspect=aspect, object_count=count)
        if objects_overlap(scene):
            continue
        trajectory = simulate(scene, num_frames, fps)
        if np.abs(trajectory.velocities).max() > MAX_SPEED:
            continue
        if all_clearly_visible(measure_visibility(scene, trajectory, aspect)):
            return _Shot(scene, trajectory, render(scene, trajectory, width, height))
    raise RuntimeError(f"no scene with {count} visible objects found in {MAX_ATTEMPTS} attempts")


def all_clearly_visible(visibility: Visibility) -> bool:
    """Whether every object is large enough in the picture, and not hidden, for a good part of the shot."""
    clear = (visibility.visible >= CLEAR_SHARE).mean(0)
    covered = visibility.visible < MIN_UNCOVERED * visibility.unoccluded
    return bool((clear >= MIN_CLEAR_FRAMES).all() and (covered.mean(0) <= MAX_COVERED_FRAMES).all())
