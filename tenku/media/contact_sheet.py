"""Many videos on one picture: a row for each video, a column for each moment."""

from collections.abc import Sequence

import numpy as np

from tenku.errors import UserError
from tenku.media.lettering import LINE_HEIGHT, draw_text
from tenku.media.video import Frame, Video

_GAP = 2
_BACKGROUND = 250
_INK = 40


def contact_sheet(
    videos: Sequence[Video], labels: Sequence[str] | None = None, *, num_columns: int = 6, num_strips: int = 1
) -> Frame:
    """Lay out `num_columns` evenly spaced frames of each video in a row, its label above it.

    `num_strips` rows stand side by side, so that ten videos make a sheet of two by five.
    """
    if not videos:
        raise UserError("a contact sheet needs at least one video.")
    if labels is not None and len(labels) != len(videos):
        raise UserError(f"{len(videos)} videos need {len(videos)} labels, not {len(labels)}.")
    height = max(video.height for video in videos) + _GAP
    width = max(video.width for video in videos) + _GAP
    label_height = LINE_HEIGHT if labels is not None else 0
    strip_width, strip_height = num_columns * width + 2 * _GAP, height + label_height
    num_rows = -(-len(videos) // num_strips)
    sheet = np.full(
        (num_rows * strip_height + _GAP, num_strips * strip_width, 3), _BACKGROUND, np.uint8
    )  # (h w 3)
    for index, video in enumerate(videos):
        row, strip = divmod(index, num_strips)
        top, left = _GAP + row * strip_height, _GAP + strip * strip_width
        if labels is not None:
            draw_text(sheet[top : top + label_height, left : left + num_columns * width], labels[index], _INK)
        for column, moment in enumerate(_moments(video.num_frames, num_columns)):
            _paste(sheet, video.frames[moment], top + label_height, left + column * width)
    return sheet


def _moments(num_frames: int, num_columns: int) -> list[int]:
    """Evenly spaced frames from the first to the last; a picture is shown once."""
    count = min(num_frames, num_columns)
    return [round(moment) for moment in np.linspace(0, num_frames - 1, count)]


def _paste(sheet: Frame, picture: Frame, top: int, left: int) -> None:
    sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
