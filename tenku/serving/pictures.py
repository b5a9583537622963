"""Still pictures of a video: a thumbnail, a sheet of moments, and the small frames that are shown while it is
made."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import av
import numpy as np

from tenku.media import Frame, Frames, encode_picture
from tenku.media.conforming import scaled

_COLUMNS: Final = 4
_MOMENTS: Final = 16
_SHEET_SIDE: Final = 256  # pixels of a moment's longer side
_THUMBNAIL_SIDE: Final = 512
PREVIEW_SIDE: Final = 256


def webp(picture: Frame, *, quality: int = 80) -> bytes:
    """A picture (h w 3) as WebP."""
    context = av.VideoCodecContext.create("libwebp", "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1)
    context.options = {"quality": str(quality), "compression_level": "2"}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def jpeg(picture: Frame) -> bytes:
    """A picture (h w 3) as JPEG."""
    return encode_picture(picture, ".jpg")


def thumbnail(picture: Frame) -> bytes:
    """A picture (h w 3) as WebP, no larger than a page shows."""
    return webp(within(picture, _THUMBNAIL_SIDE))


def preview(picture: Frame) -> bytes:
    """A picture (h w 3) as a WebP of a few kilobytes."""
    return webp(within(picture, PREVIEW_SIDE), quality=60)


class Moments:
    """Up to sixteen evenly spaced frames of a video whose length is known, picked as it goes by."""

    def __init__(self, num_frames: int) -> None:
        count = min(_MOMENTS, num_frames)
        self._wanted = {round(moment) for moment in np.linspace(0, num_frames - 1, count)}
        self._kept: list[Frame] = []

    def pass_by(self, index: int, frame: Frame) -> None:
        """Keep a frame (h w 3), if it is one of the moments."""
        if index in self._wanted:
            self._kept.append(within(frame, _SHEET_SIDE))

    def frames(self) -> Frames:
        """The moments (t h w 3)."""
        return np.stack(self._kept)

    def sheet(self) -> Frame:
        """The moments (h w 3) in rows of four."""
        return _laid_out(self._kept)


def within(picture: Frame, side: int) -> Frame:
    """A picture (h w 3) of which no side is longer."""
    height, width = picture.shape[:2]
    shrink = min(1.0, side / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    return scaled(picture, *size)


def _laid_out(frames: Sequence[Frame]) -> Frame:
    height, width = frames[0].shape[:2]
    columns = min(_COLUMNS, len(frames))
    rows = -(-len(frames) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for place, frame in enumerate(frames):
        top, left = place // columns * height, place % columns * width
        sheet[top : top + height, left : left + width] = frame
    return sheet
