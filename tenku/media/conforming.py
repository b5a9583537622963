"""Foreign clips, pictures and masks made to fit: another rate, another size, another shape."""

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from tenku.errors import UserError
from tenku.media.video import Frame, Video, check_fps

# Widened to the reach of a source pixel, so it averages where it shrinks: within 50 dB of torch's
# antialiased bicubic on noise and zone plates, where swscale's area filter lets a fifth more alias through.
SMOOTH: Final = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)

_SAME_ASPECT = 1.02
_WORTH_THREADS = 512 * 512  # pixels from which on scaling gains from threads
_of_thread = threading.local()  # setting swscale up costs more than scaling a small picture
_MAX_OVERHANG = 4  # how many times larger than what is kept a picture may become on the way

# Containers such as Matroska round to a millisecond when a frame appears.
_ROUNDING = 0.0006


def conform(video: Video, *, fps: float, height: int, width: int) -> Video:
    """The same clip at another rate and size; it lasts as long, to within half a frame.

    Each frame is the one on screen at its instant. It is scaled to cover the new size, and the overhang is
    cut off evenly; if the shapes differ by at most 2 % it is only scaled. A picture stays a picture.
    """
    check_target(fps, height, width)
    if video.num_frames == 1:
        picks = [0]
    else:
        starts = [index / video.fps for index in range(video.num_frames)]
        picks = frames_on_screen(starts, video.seconds, fps)
    frames = np.empty((len(picks), height, width, 3), np.uint8)
    for place, pick in enumerate(picks):
        again = place > 0 and pick == picks[place - 1]
        frames[place] = frames[place - 1] if again else fitted(video.frames[pick], height, width)
    return Video(frames, fps)


def conform_mask(mask: npt.NDArray[np.bool_], height: int, width: int) -> npt.NDArray[np.float32]:
    """The share (h w), from 0 to 1, of each pixel of a conformed clip that the mask (h w) marks."""
    check_target(1, height, width)
    rows, columns = mask.shape
    scaled_height, scaled_width = covering(rows, columns, height, width)
    shares = _averaged(mask.astype(np.float32), rows * height / scaled_height, height)
    shares = _averaged(shares.T, columns * width / scaled_width, width).T
    return np.ascontiguousarray(shares.clip(0, 1))


def nearest_size(
    width: int, height: int, *, step: int, area: int, min_side: int, max_side: int
) -> tuple[int, int]:
    """The (height, width) that cuts least from a foreign clip, of those with about the wanted area.

    Sides are multiples of `step`; areas within a quarter of `area` count, or else the nearest there is.
    """
    if width < 1 or height < 1:
        raise UserError(f"a clip of {width}x{height} has no pixels; give one that has some.")
    sides = range(-(-min_side // step) * step, max_side + 1, step)
    if not sides:
        raise UserError(f"no multiple of {step} lies from {min_side} to {max_side}; choose a wider range.")

    def strangeness(size: tuple[int, int]) -> float:
        return abs(math.log(size[1] / size[0] * height / width))

    def excess(size: tuple[int, int]) -> float:
        return abs(math.log(size[0] * size[1] / area))

    sizes = [(rows, columns) for rows in sides for columns in sides]
    limit = max(math.log(1.25), min(map(excess, sizes)))
    candidates = [size for size in sizes if excess(size) <= limit]
    return min(candidates, key=lambda size: (round(strangeness(size), 9), excess(size)))


def check_target(fps: float, height: int, width: int) -> None:
    """Refuse a rate or a size that nothing can have."""
    check_fps(fps)
    if height < 1 or width < 1:
        raise UserError(f"a video cannot be {width}x{height}; choose at least 1x1.")


def first_instant(start: float, fps: float) -> int:
    """The number of the first output frame at which what appears at `start` seconds can be on screen."""
    return math.ceil((start - _ROUNDING) * fps)


def frames_on_screen(starts: Sequence[float], seconds: float, fps: float) -> list[int]:
    """Which of the frames that appear at `starts` is on screen at each instant of a steady rate."""
    num_frames = instants(seconds, fps)
    ends = [*(first_instant(start, fps) for start in starts[1:]), num_frames]
    picks: list[int] = []
    for index, end in enumerate(ends):
        picks.extend([index] * (min(end, num_frames) - len(picks)))
    return picks


def instants(seconds: float, fps: float) -> int:
    """How many frames of a steady rate last as long as `seconds`, to within half a frame."""
    return max(1, math.floor(seconds * fps + 0.5))


def covering(height: int, width: int, to_height: int, to_width: int) -> tuple[int, int]:
    """The (height, width) to which a picture is scaled before its overhang is cut off.

    What hangs over is even, so that the middle stays the middle.
    """
    aspect = (width / height) / (to_width / to_height)
    if 1 / _SAME_ASPECT <= aspect <= _SAME_ASPECT:
        return to_height, to_width
    if aspect > 1:
        return to_height, to_width + 2 * round(to_width * (aspect - 1) / 2)
    return to_height + 2 * round(to_height * (1 / aspect - 1) / 2), to_width


def overhangs_far(height: int, width: int, to_height: int, to_width: int) -> bool:
    """Whether scaling before cutting would make a much larger picture than is kept."""
    return math.prod(covering(height, width, to_height, to_width)) > _MAX_OVERHANG * to_height * to_width


def fitted(picture: Frame, height: int, width: int) -> Frame:
    """A picture (h w 3) scaled to cover a size, its overhang cut off evenly."""
    rows, columns = picture.shape[:2]
    if overhangs_far(rows, columns, height, width):
        picture = _without_far_ends(picture, height, width)
        rows, columns = picture.shape[:2]
    return cut(scaled(picture, *covering(rows, columns, height, width)), height, width)


def scaled(picture: Frame, height: int, width: int) -> Frame:
    """A picture (h w 3) stretched to a size."""
    if picture.shape[:2] == (height, width):
        return picture
    if not hasattr(_of_thread, "scaler"):
        _of_thread.scaler = VideoReformatter()
    frame = _of_thread.scaler.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
        width=width,
        height=height,
        interpolation=SMOOTH,
        threads=1 if height * width < _WORTH_THREADS else 0,
    )
    return np.asarray(frame.to_ndarray(), np.uint8)


def cut(picture: Frame, height: int, width: int) -> Frame:
    """The middle of a picture (h w 3) that is at least this large."""
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _without_far_ends(picture: Frame, height: int, width: int) -> Frame:
    """The middle of a very long picture, still twice as long as what is kept."""
    rows, columns = picture.shape[:2]
    if columns * height > rows * width:
        return cut(picture, rows, min(columns, math.ceil(2 * rows * width / height)))
    return cut(picture, min(rows, math.ceil(2 * columns * height / width)), columns)


def _averaged(values: npt.NDArray[np.float32], length: float, count: int) -> npt.NDArray[np.float32]:
    """The middle `length` rows of `values` (h w), averaged into `count` rows by the area they share."""
    out = np.empty((count, values.shape[1]), np.float32)
    for place, (first, weights) in enumerate(_overlaps(values.shape[0], length, count)):
        out[place] = weights @ values[first : first + len(weights)]
    return out


def _overlaps(size: int, length: float, count: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """For each output row, the first row it overlaps and the shares of it that rows from there on have."""
    start = (size - length) / 2
    for place in range(count):
        top, bottom = start + length * place / count, start + length * (place + 1) / count
        first, last = max(0, math.floor(top)), min(size, math.ceil(bottom))
        edges = np.arange(first, last + 1).clip(top, bottom)
        yield first, (np.diff(edges) / (bottom - top)).astype(np.float32)
