"""The six solids: their dimensions, how they lie on the floor, and where their lowest point is.

In its own frame every solid has its centre of mass at the origin; the axis of symmetry of cylinder, cone,
capsule and ring is z. All lengths are metres.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.worlds.vocabulary import Shape, Size

Floats = NDArray[np.float64]
Dimensions = tuple[float, float, float]

# Half of what one would call the width of the thing. Far enough apart that nobody confuses the two.
EXTENT: Final[dict[Size, float]] = {"small": 0.29, "large": 0.46}
EXTENT_JITTER: Final = 0.06

# Dimensions of a solid with extent 1: (radius, -, -), (half edge)×3, (radius, half height, -),
# (base radius, height, -), (radius, half length of the straight part, -), (ring radius, tube radius, -).
_UNIT_DIMENSIONS: Final[dict[Shape, Dimensions]] = {
    "sphere": (1.0, 0.0, 0.0),
    "cube": (0.82, 0.82, 0.82),
    "cylinder": (0.74, 0.86, 0.0),
    "cone": (0.96, 2.0, 0.0),
    "capsule": (0.6, 0.78, 0.0),
    "ring": (0.98, 0.28, 0.0),
}


def dimensions(shape: Shape, extent: float) -> Dimensions:
    """The dimensions of a solid in metres; what each of the three means depends on the shape."""
    first, second, third = _UNIT_DIMENSIONS[shape]
    return first * extent, second * extent, third * extent


def bounding_radius(shape: Shape, extent: float) -> float:
    """Radius of the smallest sphere around the centre of mass that holds the solid."""
    a, b, c = dimensions(shape, extent)
    match shape:
        case "sphere":
            return a
        case "cube":
            return float(np.sqrt(a * a + b * b + c * c))
        case "cylinder":
            return float(np.hypot(a, b))
        case "cone":
            return float(max(0.75 * b, np.hypot(a, 0.25 * b)))
        case _:
            return a + b


def ground_radius(shape: Shape, extent: float) -> float:
    """Radius of the disc that the solid needs on the floor in any of its resting poses."""
    if shape == "cone":
        return dimensions(shape, extent)[0]
    return bounding_radius(shape, extent)


def reach(shape: Shape, extent: float, directions: Floats) -> Floats:
    """How far (…) a solid reaches from its centre along unit vectors (… 3) of its own frame."""
    a, b, _ = dimensions(shape, extent)
    along = directions[..., 2]  # the solid's own axis
    across = np.sqrt(np.maximum(0.0, 1.0 - along * along))
    far: Floats
    match shape:
        case "sphere":
            far = np.full_like(along, a)
        case "cube":
            far = a * np.abs(directions).sum(-1)
        case "cylinder":
            far = b * np.abs(along) + a * across
        case "cone":
            far = np.maximum(0.75 * b * along, a * across - 0.25 * b * along)
        case "capsule":
            far = b * np.abs(along) + a
        case "ring":
            far = a * across + b
    return far


def lowest_point(shape: Shape, extent: float, heights: Floats, rotations: Floats) -> Floats:
    """Height of the lowest point of a solid whose centre is at `heights` (…) with `rotations` (… 3 3)."""
    lowest: Floats = heights - reach(shape, extent, -rotations[..., 2, :])
    return lowest


def resting_height(shape: Shape, extent: float, rotation: Floats) -> float:
    """Height of the centre when the solid, turned by `rotation` (3 3), just touches the floor."""
    return -float(lowest_point(shape, extent, np.zeros(()), rotation))


def cone_vertices(extent: float, segments: int = 32) -> Floats:
    """Corners (segments + 1, 3) of the convex mesh that stands for a cone in the physics."""
    radius, height, _ = dimensions("cone", extent)
    angle = np.arange(segments) * (2 * np.pi / segments)
    base = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(segments, -0.25 * height)], 1)
    return np.concatenate([base, [[0.0, 0.0, 0.75 * height]]])
