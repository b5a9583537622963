"""Balls as pictures: every pixel holds exactly the share of it that a ball covers."""

import math
from typing import Final

import numba
import numpy as np
import numpy.typing as npt

from tenku.media import Frames
from tenku.worlds.phyworld.laws import WORLD_SIZE

COLOURS: Final = ((255.0, 0.0, 0.0), (0.0, 0.0, 255.0))  # of the first and the second ball, on white
_PALETTE: Final = np.array(COLOURS)


def draw(positions: npt.NDArray[np.float32], radii: npt.NDArray[np.float32], size: int) -> Frames:
    """Frames (b t size size 3) of balls at positions (b t n 2), y up, with radii (b n)."""
    b, t, n, _ = positions.shape
    if n > len(COLOURS):
        raise ValueError(f"there are colours for {len(COLOURS)} balls, not for {n}")
    scale = size / WORLD_SIZE
    places = positions.astype(np.float64) * scale
    places[..., 1] = size - places[..., 1]
    frames = np.empty((b, t, size, size, 3), np.uint8)
    _draw_all(frames, places, radii.astype(np.float64) * scale, _PALETTE)
    return frames


@numba.njit(cache=True)
def _draw_all(
    frames: Frames,
    places: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
    palette: npt.NDArray[np.float64],
) -> None:
    frames[:] = 255
    for clip in range(frames.shape[0]):
        for frame in range(frames.shape[1]):
            for ball in range(places.shape[2]):
                x, y, radius = places[clip, frame, ball, 0], places[clip, frame, ball, 1], radii[clip, ball]
                _draw_ball(frames[clip, frame], x, y, radius, palette[ball])


@numba.njit(cache=True)
def _draw_ball(picture: Frames, x: float, y: float, radius: float, colour: npt.NDArray[np.float64]) -> None:
    size = picture.shape[0]
    for row in range(max(0, math.floor(y - radius)), min(size, math.ceil(y + radius))):
        for column in range(max(0, math.floor(x - radius)), min(size, math.ceil(x + radius))):
            left, top = column - x, row - y
            near = math.hypot(max(left, -left - 1, 0.0), max(top, -top - 1, 0.0))
            if near >= radius:
                continue
            far = math.hypot(max(left + 1, -left), max(top + 1, -top))
            share = 1.0 if far <= radius else _covered(left, top, radius)
            for index in range(3):
                under = picture[row, column, index]
                picture[row, column, index] = int(under + share * (colour[index] - under) + 0.5)


@numba.njit(cache=True)
def _covered(left: float, top: float, radius: float) -> float:
    """The area that a disc around the origin has in common with the unit square from (left, top) on."""
    right, bottom = left + 1, top + 1
    whole: float = (
        _corner(right, bottom, radius)
        - _corner(left, bottom, radius)
        - _corner(right, top, radius)
        + _corner(left, top, radius)
    )
    return min(1.0, max(0.0, whole))


@numba.njit(cache=True)
def _corner(x: float, y: float, radius: float) -> float:
    """The area of the part of a disc around the origin that lies left of x and above y (which runs down)."""
    x = min(max(x, -radius), radius)
    if y <= -radius:
        return 0.0
    if y >= radius:
        return 2 * (_integral(x, radius) - _integral(-radius, radius))
    half = math.sqrt(radius * radius - y * y)  # of the chord at y
    area = 0.0
    inner = min(x, half)
    if inner > -half:
        area += y * (inner + half) + _integral(inner, radius) - _integral(-half, radius)
    if y > 0:
        area += 2 * (_integral(min(x, -half), radius) - _integral(-radius, radius))
        if x > half:
            area += 2 * (_integral(x, radius) - _integral(half, radius))
    return area


@numba.njit(cache=True)
def _integral(x: float, radius: float) -> float:
    """An antiderivative of √(radius² − x²)."""
    inside = max(0.0, radius * radius - x * x)
    return 0.5 * (x * math.sqrt(inside) + radius * radius * math.asin(min(1.0, max(-1.0, x / radius))))
