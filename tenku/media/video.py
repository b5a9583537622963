"""A video as a value."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tenku.errors import UserError

Frame: TypeAlias = npt.NDArray[np.uint8]  # (h w 3), sRGB
Frames: TypeAlias = npt.NDArray[np.uint8]  # (t h w 3), sRGB


@dataclass(frozen=True, eq=False, slots=True)
class Video:
    """Frames of one size, shown at a steady rate. A picture is a video of one frame."""

    frames: Frames  # (t h w 3)
    fps: float

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8:
            raise UserError(f"video frames must be uint8 from 0 to 255, not {self.frames.dtype}.")
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or 0 in self.frames.shape:
            raise UserError(f"video frames must have shape (t, h, w, 3), not {self.frames.shape}.")
        check_fps(self.fps)

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        return int(self.frames.shape[0])

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.frames.shape[2])

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.num_frames / self.fps


def check_fps(fps: float) -> None:
    """Refuse a frame rate that nothing can play."""
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise UserError(f"{fps:g} frames per second cannot be played; choose between 1 and 60.")
