"""Convolutions of 3 frames × 3 rows × 3 columns in fewer multiplications than they have taps.

Over time they are products of polynomials: evaluated at a few points, multiplied there, and interpolated
(Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, arXiv 1509.09308). Four frames then
take six plane convolutions in place of twelve, and two take four in place of six. With the points below, the
error is that of the plain sum.
"""

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

_POINTS: Final = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}  # and infinity, by frames of output
_BLOCK: Final = 16  # channels that oneDNN works on at once: it is slow with other widths
_FEW: Final = 512  # positions below which preparing the kernel costs more than it saves

Convolution = Callable[[Tensor], Tensor]


def time_convolution(weight: Tensor, num_frames: int, num_positions: int) -> Convolution:
    """A convolution of windows (num_frames+2 c h+2 w) with `weight` (d c 3 3 3): → (num_frames d h w).

    Columns are padded with zeros; rows and frames must be there. A kernel of one tap in time needs no more
    frames than come out. The way is the quickest for `num_positions` a frame.
    """
    blocked = weight.shape[0] % _BLOCK == weight.shape[1] % _BLOCK == 0
    if num_frames == 1 or (weight.device.type == "cpu" and not blocked):
        return _in_planes(weight, num_frames)
    exact = weight.dtype in (torch.float32, torch.float64)  # sums at points in bfloat16 would lose too much
    if weight.device.type != "cpu" or not exact or num_frames > max(_POINTS):
        return _in_volumes(weight)
    return _at_points(weight, num_frames) if num_frames * num_positions >= _FEW else _in_volumes(weight)


def _in_planes(weight: Tensor, num_frames: int) -> Convolution:
    """Frames that are seen together become channels of one plane."""
    taps = weight.shape[2]
    kernel = weight.transpose(1, 2).flatten(1, 2)

    def convolve(window: Tensor) -> Tensor:
        seen = [window[frame : frame + taps].flatten(0, 1) for frame in range(num_frames)]
        return functional.conv2d(torch.stack(seen), kernel, padding=(0, 1))

    return convolve


def _in_volumes(weight: Tensor) -> Convolution:
    def convolve(window: Tensor) -> Tensor:
        return functional.conv3d(window.transpose(0, 1)[None], weight, padding=(0, 0, 1))[0].transpose(0, 1)

    return convolve


def _at_points(weight: Tensor, num_frames: int) -> Convolution:
    made = 2 if num_frames == 2 else 4
    to_points, kernel_to_points, from_points = (part.to(weight.dtype) for part in _transforms(_POINTS[made]))
    points = len(to_points)
    taps = weight.permute(2, 0, 1, 3, 4)
    kernel = (kernel_to_points @ taps.flatten(1)).view(-1, *taps.shape[2:])  # (points·d) c 3 3

    def convolve(window: Tensor) -> Tensor:
        _, channels, rows, columns = window.shape
        values = to_points[:, : len(window)] @ window.flatten(1)
        planes = values.view(1, points * channels, rows, columns)
        products = functional.conv2d(planes, kernel, padding=(0, 1), groups=points)
        out = from_points[:num_frames] @ products.view(points, -1)
        return out.view(num_frames, -1, rows - 2, columns)

    return convolve


@cache
def _transforms(points: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices that take frames to values at points, taps to values there, and their products to frames.

    The last point is infinity, where a polynomial is its leading coefficient. `len(points)` − 1 frames come
    out of two more.
    """
    made = len(points) - 1
    to_points = [[*_with_roots(_but(points, p)), 0.0] for p in points] + [_with_roots(points)]
    kernel = [[p**tap / prod(p - q for q in _but(points, p)) for tap in range(3)] for p in points]
    from_points = [[p**frame for p in points] + [float(frame == made - 1)] for frame in range(made)]
    return _matrix(to_points), _matrix([*kernel, [0.0, 0.0, 1.0]]), _matrix(from_points)


def _but(points: tuple[float, ...], one: float) -> list[float]:
    return [point for point in points if point != one]


def _with_roots(roots: Sequence[float]) -> list[float]:
    """Coefficients, the constant first, of the monic polynomial with these roots."""
    coefficients = [1.0]
    for root in roots:
        coefficients = [
            low - root * high for low, high in zip([0.0, *coefficients], [*coefficients, 0.0], strict=True)
        ]
    return coefficients


def _matrix(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)
