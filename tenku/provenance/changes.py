"""What was changed of a video, found beside its original: where in the frame, and when."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tenku.media import Frame, Frames, Video
from tenku.media.conforming import scaled
from tenku.provenance.detecting import WHOLE, FoundMark, Span
from tenku.provenance.layout import averaging

_Cells: TypeAlias = npt.NDArray[np.floating[Any]]

_CELL: Final = 8  # pixels along a side, in which a codec's noise and the mark nearly cancel out
_MIN_CELLS: Final = 8  # along the shorter side
TOLERANCE: Final = 5.0  # levels; codecs and the mark stayed below 2.6 in 21 clips, up to crf 35
_AT_ONCE: Final = 3  # frames for which a change must last, or half of a shorter video
_OVERSHOOT: Final = 0.2  # of how much its surroundings differ, that codecs may push a cell beyond them
_PICTURE_SIDE: Final = 512

# From red, green and blue to light, and how red and how blue it is. Codecs are careless with the latter two.
_LIGHT_AND_COLOUR: Final = np.array(
    [[0.2126, 0.32, -0.085], [0.7152, -0.285, -0.285], [0.0722, -0.035, 0.37]], np.float32
)


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class Changes:
    """Where a video differs from its original.

    `difference` says by how many levels of 256 each cell of the frame (rows columns) is, for a few frames on
    end, beyond all that is near it in the original; `seconds`, when that counts as changed; `background` is a
    frame of that time.
    """

    difference: _Cells
    seconds: Span | None
    background: Frame

    @property
    def changed(self) -> npt.NDArray[np.bool_]:
        """The cells (rows columns) that were changed."""
        changed: npt.NDArray[np.bool_] = self.difference > TOLERANCE
        return changed

    @property
    def share(self) -> float:
        """Which part of the frame was changed."""
        return float(self.changed.mean())

    @property
    def rows(self) -> Span | None:
        """From where to where it was changed, as shares of the height."""
        return _span(self.changed, axis=1)

    @property
    def columns(self) -> Span | None:
        """From where to where it was changed, as shares of the width."""
        return _span(self.changed, axis=0)

    def heat_map(self) -> Frame:
        """A picture (h w 3) of the video, grey, and over it what was changed, from red to yellow."""
        height, width = self.background.shape[:2]
        enlarged = max(1, round(_PICTURE_SIDE / max(height, width)))
        height, width = height * enlarged, width * enlarged
        grey = scaled(self.background, height, width).astype(np.float32).mean(2, keepdims=True) * 0.6
        rows, columns = (
            np.arange(side) * cells // side
            for side, cells in zip((height, width), self.difference.shape, strict=True)
        )
        over = self.difference[rows][:, columns, None] / TOLERANCE - 1
        heat = np.concatenate([np.full_like(over, 255), np.clip(over * 80, 0, 255), np.zeros_like(over)], 2)
        share = np.where(over > 0, np.clip(0.45 + over / 8, 0, 0.85), 0)
        picture: Frame = np.rint(grey * (1 - share) + heat * share).astype(np.uint8)
        return picture


def find_changes(video: Video, original: Video, found: FoundMark | None = None) -> Changes:
    """Compare a video with its original, of which it may be a part in time, and of another size.

    Where the mark tells that the frame was cropped, the original is cropped alike.
    """
    known_frames = _cropped(original.frames, found)
    size = _grid(*known_frames.shape[1:3])
    cells, known = _cells(video.frames, size), _cells(known_frames, size)
    picks = np.round(np.arange(len(cells)) * original.fps / video.fps).astype(int)
    start = _start(cells, known, picks)
    low, high = _around(known)
    beside = np.minimum(start + picks, len(known) - 1)
    beyond = np.maximum(low[beside] - cells, cells - high[beside]).max(3)
    lasting = _lasting(np.maximum(beyond, 0))
    when = np.flatnonzero((lasting > TOLERANCE).any((1, 2)))
    stop = int(when[-1]) + _at_once(len(cells)) if len(when) else 0
    return Changes(
        difference=lasting.max(0),
        seconds=(float(when[0] / video.fps), stop / video.fps) if len(when) else None,
        background=video.frames[int(when[len(when) // 2]) if len(when) else len(cells) // 2],
    )


def _around(cells: _Cells) -> tuple[_Cells, _Cells]:
    """The least and the greatest that cells and those beside them are, a frame earlier and later too.

    Codecs and resizing mix a cell with those around it, so whatever lies between is no change.
    """
    padded = np.pad(cells, ((1, 1), (1, 1), (1, 1), (0, 0)), mode="edge")
    near = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), axis=(0, 1, 2))
    low, high = near.min((4, 5, 6)), near.max((4, 5, 6))
    room = _OVERSHOOT * (high - low)
    return low - room, high + room


def _grid(height: int, width: int) -> tuple[int, int]:
    """Cells down and across, as nearly square as they can be."""
    cell = max(1.0, min(_CELL, min(height, width) / _MIN_CELLS), min(height, width) / 40)
    return max(1, round(height / cell)), max(1, round(width / cell))


def _cells(frames: Frames, size: tuple[int, int]) -> _Cells:
    """The mean light and colour of each cell (t rows columns 3)."""
    _, height, width, _ = frames.shape
    down, across = averaging(height, size[0]), averaging(width, size[1])
    rows = (down @ frame.reshape(height, -1).astype(np.float32) for frame in frames)
    return np.stack([across @ row.reshape(size[0], width, 3) for row in rows]) @ _LIGHT_AND_COLOUR


def _start(cells: _Cells, known: _Cells, picks: npt.NDArray[np.intp]) -> int:
    """The frame of the original at which a video begins: that at which the two are most alike."""
    latest = max(0, len(known) - 1 - int(picks[-1]) // 2)

    def unlikeness(start: int) -> float:
        seen = start + picks < len(known)
        # The median: what was painted over must not tell where we are.
        return float(np.median(np.abs(cells[seen] - known[start + picks[seen]]), axis=(1, 2, 3)).mean())

    return min(range(latest + 1), key=unlikeness)


def _at_once(num_frames: int) -> int:
    return min(_AT_ONCE, (num_frames + 1) // 2)


def _lasting(differences: _Cells) -> _Cells:
    """The least difference of each cell over a few frames in a row."""
    length = _at_once(len(differences))
    windows = np.lib.stride_tricks.sliding_window_view(differences, length, axis=0)
    lasting: _Cells = windows.min(-1)
    return lasting


def _cropped(frames: Frames, found: FoundMark | None) -> Frames:
    if found is None or (found.rows, found.columns) == (WHOLE, WHOLE):
        return frames
    (top, bottom), (left, right) = (
        (round(span[0] * side), round(span[1] * side))
        for span, side in zip((found.rows, found.columns), frames.shape[1:3], strict=True)
    )
    return frames[:, top:bottom, left:right]


def _span(changed: npt.NDArray[np.bool_], axis: int) -> Span | None:
    """From where to where cells were changed, seen along an axis."""
    touched = np.any(changed, axis=axis, keepdims=True).reshape(-1)
    places = np.flatnonzero(touched)
    return (float(places[0] / len(touched)), float((places[-1] + 1) / len(touched))) if len(places) else None
