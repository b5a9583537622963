"""What the model makes natively for what somebody asks: the nearest size, its own frame rate."""

import math
from typing import Final

from tenku.media import nearest_size
from tenku.timeline.request import MAX_SIDE, MIN_SIDE, SIZE_STEP

NATIVE_FPS: Final = 16.0  # what the embedded model has seen
LARGEST_SIDE: Final = 2_048
LARGEST_AREA: Final = 2_048 * 2_048
SMALLEST_SIDE: Final = 32
_NATIVE_AREA: Final = (
    192 * 192
)  # up to here the embedded model, trained at 96 to 160 pixels a side, looks well
_USUAL_AREA: Final = 144 * 144
_MAX_RATIO: Final = 4


def native_size(width: int, height: int) -> tuple[int, int]:
    """The (width, height) at which a video is made that is shown at another: the same, if the model can."""
    sides = (width, height)
    fits = all(side % SIZE_STEP == 0 and MIN_SIDE <= side <= MAX_SIDE for side in sides)
    if fits and width * height <= _NATIVE_AREA:
        return sides
    rows, columns = nearest_size(
        width, height, step=SIZE_STEP, area=_USUAL_AREA, min_side=MIN_SIDE, max_side=MAX_SIDE
    )
    return columns, rows


def is_servable(width: int, height: int) -> bool:
    """Whether a size can be asked for: even sides that are neither tiny nor huge, of no extreme shape."""
    fits = all(SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (width, height))
    return fits and width * height <= LARGEST_AREA and max(width, height) <= _MAX_RATIO * min(width, height)


def shown_size(width: int, height: int, *, area: int) -> tuple[int, int]:
    """The (width, height) at which a foreign clip is kept: its own shape and size, or less if it is large."""
    shrink = min(1.0, math.sqrt(area / (width * height)), LARGEST_SIDE / max(width, height))
    fitted = [max(SMALLEST_SIDE, 2 * round(side * shrink / 2)) for side in (width, height)]
    short = max(min(fitted), max(fitted) // _MAX_RATIO // 2 * 2)
    return (max(fitted[0], short), max(fitted[1], short))


def native_frames(num_frames: int, fps: float) -> int:
    """How many frames of the model's own rate last as long as so many of another."""
    return max(1, round(num_frames / fps * NATIVE_FPS))


def shown_frames(num_frames: int, fps: float) -> list[int]:
    """Which native frame is on screen in each frame of a video of another rate."""
    last = native_frames(num_frames, fps) - 1
    return [min(last, int(index * NATIVE_FPS / fps + 1e-6)) for index in range(num_frames)]
