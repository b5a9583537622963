"""How much moves: what a fast path must not take away, though a picture by itself would not show it."""

from typing import Final

import numpy as np
import numpy.typing as npt

from tenku.media import Frames

_BLOCK: Final = 8  # pixels a side
_REACH: Final = 7  # pixels
_FLAT: Final = 2.0  # standard deviation in luma, of 255, below which a block looks the same wherever it goes
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


def motion_magnitude(frames: Frames) -> float:
    """How far the blocks of a video (t h w 3) move from frame to frame, in pixels.

    It is the mean over all that have something in them to follow; 0 if none has, or if there is one frame.
    """
    luma = frames.astype(np.float32) @ _LUMA
    height, width = (side // _BLOCK * _BLOCK for side in luma.shape[1:])
    moved = [_displacements(old, new) for old, new in zip(luma[:-1], luma[1:, :height, :width], strict=True)]
    seen = [_blocks(frame).std((1, 3)) > _FLAT for frame in luma[1:, :height, :width]]
    followed = [length[there] for length, there in zip(moved, seen, strict=True)]
    return float(np.concatenate(followed).mean()) if any(map(len, followed)) else 0.0


def _displacements(old: npt.NDArray[np.float32], new: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Length of the shortest of the best steps back (rows columns) of each block; the best differ least."""
    height, width = new.shape
    wide = np.pad(old, _REACH, mode="edge")
    steps = [(y, x) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]
    steps.sort(key=lambda step: step[0] ** 2 + step[1] ** 2)  # of several that are alike the first is taken
    least = np.full((height // _BLOCK, width // _BLOCK), np.inf, np.float32)
    length = np.zeros_like(least)
    for y, x in steps:
        there = wide[_REACH + y : _REACH + y + height, _REACH + x : _REACH + x + width]
        away = _blocks(np.abs(new - there)).mean((1, 3))
        better = away < least
        least[better], length[better] = away[better], (y * y + x * x) ** 0.5
    return length


def _blocks(frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(rows block columns block)."""
    height, width = frame.shape
    return frame.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
