"""What each law starts from: radii, speeds and places, in distribution and out of it."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

Law: TypeAlias = Literal["uniform", "collision", "parabola"]
Split: TypeAlias = Literal["id", "ood"]

LAWS: Final[tuple[Law, ...]] = get_args(Law)
WORLD_SIZE: Final = 10.0
NUM_FRAMES: Final = 32
KNOWN_FRAMES: Final = 3
FRAME_SECONDS: Final = 0.1

_RADII: Final = (0.7, 1.5)
_SPEEDS: Final = (1.0, 4.0)
_STRANGE_RADII: Final = ((0.3, 0.6), (1.5, 2.0))
_STRANGE_SPEEDS: Final = ((0.0, 0.8), (4.5, 6.0))
_MARGIN: Final = 0.5  # above and below, between a ball and the frame
_SEEN: Final = 24  # frames for which a ball that moves alone stays in sight, if the frame is wide enough
_BEFORE, _AFTER = 8, 8  # frames before and after an impact
_TRIES: Final = 50

# Which of the radii (r) and speeds (v) of the two balls are out of distribution, as in the published levels.
_ALONE: Final = ("r", "v", "rv")
_TOGETHER: Final = (("r", ""), ("v", ""), ("r", "r"), ("v", "v"), ("rv", ""), ("rv", "rv"))


@dataclass(frozen=True, slots=True)
class Scene:
    """How a clip starts: radii (n), places (n 2) and velocities (n 2) of its balls, with y up.

    `strange` says what is out of distribution: "" for nothing, "r" for a radius, "v" for a speed, "rv" for
    both.
    """

    law: Law
    radii: tuple[float, ...]
    places: tuple[tuple[float, float], ...]
    velocities: tuple[tuple[float, float], ...]
    strange: str


def num_balls(law: Law) -> int:
    """How many balls a law needs."""
    return 2 if law == "collision" else 1


def draw_scene(law: Law, split: Split, rng: np.random.Generator) -> Scene:
    """A random scene of a law."""
    if law == "collision":
        return _meeting(split, rng)
    strange = "" if split == "id" else str(rng.choice(_ALONE))
    (radius,), (speed,) = _sizes_and_speeds((strange,), rng)
    latest = WORLD_SIZE - _SEEN * speed * FRAME_SECONDS - radius
    x = rng.uniform(radius, latest) if latest >= radius else radius + rng.uniform(0, 0.5)
    highest = WORLD_SIZE - _MARGIN - radius
    y = rng.uniform(highest - 1, highest) if law == "parabola" else rng.uniform(_MARGIN + radius, highest)
    return Scene(law, (radius,), ((x, y),), ((speed, 0.0),), strange)


def _meeting(split: Split, rng: np.random.Generator) -> Scene:
    """Two balls that run into each other; what finds no room in the frame is drawn again."""
    while True:
        level = ("", "") if split == "id" else _TOGETHER[rng.integers(len(_TOGETHER))]
        if rng.random() < 0.5:
            level = level[::-1]
        radii, speeds = _sizes_and_speeds(level, rng)
        for _ in range(_TRIES):
            places = _places_of_two(radii, speeds, rng)
            if places is not None:
                reach = max(radii)
                y = rng.uniform(_MARGIN + reach, WORLD_SIZE - _MARGIN - reach)
                strange = "".join(kind for kind in "rv" if kind in level[0] + level[1])
                left, right = places
                moves = ((speeds[0], 0.0), (-speeds[1], 0.0))
                return Scene("collision", radii, ((left, y), (right, y)), moves, strange)


def _sizes_and_speeds(
    strange: tuple[str, ...], rng: np.random.Generator
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """A radius and a speed for each ball, out of distribution where its word says so."""

    def pick(usual: tuple[float, float], unusual: tuple[tuple[float, float], ...], is_strange: bool) -> float:
        return float(rng.uniform(*(unusual[rng.integers(len(unusual))] if is_strange else usual)))

    radii = tuple(pick(_RADII, _STRANGE_RADII, "r" in word) for word in strange)
    speeds = tuple(pick(_SPEEDS, _STRANGE_SPEEDS, "v" in word) for word in strange)
    return radii, speeds


def _places_of_two(
    radii: tuple[float, ...], speeds: tuple[float, ...], rng: np.random.Generator
) -> tuple[float, float] | None:
    """Where two balls start so that they meet in the middle of the clip and in sight; None if they do not."""
    touching, closing = sum(radii), sum(speeds) * FRAME_SECONDS  # a frame
    nearest = _BEFORE * closing + touching
    farthest = (NUM_FRAMES - _AFTER) * closing + touching
    first, second = radii
    if first > 2 * second or second > 2 * first:  # the small one is to stay in sight after the impact
        farthest = 1.25 * nearest
    distance = rng.uniform(nearest, max(nearest, min(farthest, WORLD_SIZE - touching)))
    low, high = first, WORLD_SIZE - second - distance
    if first > 2 * second:
        high = low + 0.05 * WORLD_SIZE
    elif second > 2 * first:
        low = high - 0.05 * WORLD_SIZE
    left = max(rng.uniform(low, high) if high > low else high, first)
    right = min(left + distance, WORLD_SIZE - second)
    met = closing > 0 and right - left - touching >= _BEFORE * closing * (1 - 1e-9)
    return (left, right) if met else None
