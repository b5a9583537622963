"""Finding the mark: in whole frames, and in what cropping has left of them."""

from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tenku.media import Frame
from tenku.provenance.layout import (
    NUM_BITS,
    SIDE,
    Floats,
    averaging,
    code,
    counted,
    interpolating,
    luma,
    mark_of,
    neighbourhood,
    owned,
)

Span: TypeAlias = tuple[float, float]  # from and to, as shares of a side

_PER_CHIP: Final = 3  # places along a side of a chip at which a frame is looked at
_PLACES: Final = SIDE * _PER_CHIP
_STEP: Final = 1 / (2.5 * SIDE)  # between the places of an edge that are tried
_MOST_CUT: Final = 0.25  # of a side, that cropping may have taken in all
WHOLE: Span = (0.0, 1.0)

# Sums of squares of 32 numbers that are normal with variance 1 where there is no mark; the second is the
# largest of some 50,000 that hang together. `scripts/watermark unmarked` measures how often clips come above.
_ENOUGH_IN_WHOLE: Final = 85.0
_ENOUGH_IN_PART: Final = 100.0


@dataclass(frozen=True, eq=False, kw_only=True, slots=True)
class FoundMark:
    """A mark that was found: its bits, how clearly, and in which part of the frame that was marked, top to
    bottom and left to right.

    `clearness` is a sum of squares that is 32 ± 8 where there is no mark.
    """

    bits: npt.NDArray[np.bool_]
    clearness: float
    rows: Span = WHOLE
    columns: Span = WHOLE

    @property
    def mark(self) -> int | None:
        """Which mark it is; None if its check is not right."""
        return mark_of(self.bits)


class Detector:
    """Looks for the mark in the frames of one video; memory does not grow with its length."""

    def __init__(self) -> None:
        self._sum = np.zeros((_PLACES, _PLACES), np.float32)

    def add(self, frame: Frame) -> None:
        """Look at one frame (h w 3)."""
        height, width = frame.shape[:2]
        light = averaging(height, _PLACES) @ luma(frame) @ averaging(width, _PLACES).T
        chip, around = (neighbourhood(_PLACES, reach) for reach in (_PER_CHIP // 2, _PER_CHIP * 3 // 2))
        self._sum += counted(chip @ light @ chip.T - around @ light @ around.T)

    def soft_bits(self) -> Floats:
        """What is read of each bit in whole frames, above 0 for a one; without a mark, of variance 1."""
        middle = slice(_PER_CHIP // 2, None, _PER_CHIP)
        soft: Floats = _read(self._sum[middle, middle].reshape(1, -1))[0]
        return soft

    def found(self, *, in_parts: bool = True) -> FoundMark | None:
        """The mark, or None; with `in_parts` also where up to a quarter of a side was cropped away."""
        soft = self.soft_bits()
        clearness = float(soft @ soft)
        if clearness >= _ENOUGH_IN_WHOLE:
            return FoundMark(bits=soft > 0, clearness=clearness)
        return self._found_in_part() if in_parts else None

    def _found_in_part(self) -> FoundMark | None:
        found = self.clearest_part()
        return found if found.clearness >= _ENOUGH_IN_PART else None

    def clearest_part(self) -> FoundMark:
        """What speaks most for a mark, whether it is one or not, among all ways to crop."""
        spans, lookups, inside = _windows()
        count = len(spans)
        across = lookups.reshape(count * SIDE, _PLACES).T
        best = FoundMark(bits=np.zeros(NUM_BITS, np.bool_), clearness=-1.0)
        for rows, lookup, in_rows in zip(spans, lookups, inside, strict=True):
            chips = (lookup @ self._sum @ across).reshape(SIDE, count, SIDE).transpose(1, 0, 2)
            soft = _read((chips * in_rows[:, None] * inside[:, None]).reshape(count, -1))
            clearness = (soft * soft).sum(1)
            most = int(clearness.argmax())
            if clearness[most] > best.clearness:
                best = FoundMark(
                    bits=soft[most] > 0,
                    clearness=float(clearness[most]),
                    rows=rows,
                    columns=spans[most],
                )
        return best


def _read(chips: Floats) -> Floats:
    """The bits (n, bit) of chips (n, chip), by the spread that they have when signs mean nothing."""
    spread = np.sqrt((chips * chips) @ owned().T)
    soft: Floats = chips @ code().T / np.maximum(spread, 1e-6)
    return soft


@cache
def _windows() -> tuple[list[Span], Floats, Floats]:
    """The parts that cropping may leave of an axis, where the chips then lie (n, chip, place), and which of
    them are seen (n, chip)."""
    edges = range(round(_MOST_CUT / _STEP) + 1)
    spans = [(a * _STEP, 1 - b * _STEP) for a in edges for b in edges if a + b in edges]
    centres = (np.arange(SIDE) + 0.5) / SIDE
    places = [(centres - start) / (stop - start) for start, stop in spans]
    inside = np.stack([(place > 0) & (place < 1) for place in places]).astype(np.float32)
    return spans, np.stack([interpolating(p * _PLACES - 0.5, _PLACES) for p in places]), inside
