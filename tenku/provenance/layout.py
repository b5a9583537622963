"""How the invisible mark lies over a frame: a square of chips, stretched over all of it.

Each chip belongs to one bit and has a sign; a bit is added to the light of its chips with those signs. What
lies where is told relative to the frame, so that nothing has to be found again when a frame is resized.
"""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

SIDE: Final = 32  # chips along a side of the square
NUM_CHIPS: Final = SIDE * SIDE
NUM_BITS: Final = 32
ID_BITS: Final = 24  # of them say which mark it is, the others check it
LIMIT: Final = 2.5  # levels; what a chip differs from its neighbours by counts in full up to this much
_CHECK_BITS: Final = NUM_BITS - ID_BITS
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)
_SEED: Final = b"tenku luma mark 1"


@cache
def code() -> Floats:
    """The signs (bit, chip) of the chips of each bit; 0 for the chips of others."""
    stream = b"".join(
        hashlib.sha256(_SEED + block.to_bytes(2, "big")).digest() for block in range(NUM_CHIPS // 4)
    )
    words = np.frombuffer(stream, ">u4")
    order = np.argsort(words[:NUM_CHIPS], kind="stable")
    chips = np.zeros((NUM_BITS, NUM_CHIPS), np.float32)
    chips[np.arange(NUM_CHIPS) % NUM_BITS, order] = np.where(words[NUM_CHIPS:] & 1, 1, -1)
    return chips


@cache
def owned() -> Floats:
    """1 for the chips (bit, chip) of each bit, 0 for the chips of others."""
    return np.abs(code())


def bits_of(mark: int) -> npt.NDArray[np.bool_]:
    """The bits that are written for a mark, its check behind it."""
    word = mark << _CHECK_BITS | _check(mark)
    return np.array([word >> place & 1 for place in reversed(range(NUM_BITS))], np.bool_)


def mark_of(bits: npt.NDArray[np.bool_]) -> int | None:
    """The mark that bits are of; None if its check is not right."""
    word = int("".join("1" if bit else "0" for bit in bits), 2)
    mark, check = word >> _CHECK_BITS, word & 2**_CHECK_BITS - 1
    return mark if check == _check(mark) else None


def _check(mark: int) -> int:
    return zlib.crc32(mark.to_bytes(ID_BITS // 8, "big")) & 2**_CHECK_BITS - 1


def luma(frame: npt.NDArray[np.uint8]) -> Floats:
    """The light (h w) of a frame (h w 3)."""
    light: Floats = frame.astype(np.float32) @ _LUMA
    return light


def counted(chips: Floats) -> Floats:
    """What chips that differ from their neighbours count for: less beyond the limit, as at edges."""
    size = np.abs(chips)
    value: Floats = np.sign(chips) * np.clip(2 * LIMIT - size, 0, np.minimum(size, LIMIT))
    return value


@dataclass(frozen=True, eq=False, slots=True)
class Geometry:
    """How frames of one size become chips, and chips such frames: a matrix for each axis."""

    shrink: tuple[Floats, Floats]
    stretch: tuple[Floats, Floats]
    smooth: Floats

    def chips_of(self, light: Floats) -> Floats:
        """By how much each chip of a picture (h w) differs from its neighbours."""
        return self.distinct(self.shrink[0] @ light @ self.shrink[1].T)

    def distinct(self, chips: Floats) -> Floats:
        """Chips without what they share with their neighbours."""
        different: Floats = chips - self.smooth @ chips @ self.smooth.T
        return different

    def picture_of(self, chips: Floats) -> Floats:
        """A picture (h w) that is smooth between chips."""
        picture: Floats = self.stretch[0] @ chips @ self.stretch[1].T
        return picture


@lru_cache(maxsize=8)
def geometry(height: int, width: int) -> Geometry:
    """The geometry of frames of a size."""
    return Geometry(
        shrink=(averaging(height, SIDE), averaging(width, SIDE)),
        stretch=(_stretching(height), _stretching(width)),
        smooth=neighbourhood(SIDE, 1),
    )


@lru_cache(maxsize=8)
def averaging(length: int, cells: int) -> Floats:
    """A matrix (cells, length) that averages what lies in each cell."""
    edges = np.linspace(0, length, cells + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.maximum(overlap, 0)
    matrix: Floats = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return matrix


@cache
def neighbourhood(length: int, reach: int) -> Floats:
    """A matrix (length, length) that averages what lies up to `reach` away to both sides."""
    places = np.arange(length)
    near = np.abs(places[:, None] - places) <= reach
    matrix: Floats = (near / near.sum(1, keepdims=True)).astype(np.float32)
    return matrix


def interpolating(places: npt.NDArray[np.float64], length: int) -> Floats:
    """A matrix (places, length) that reads values at places between their indices."""
    places = np.clip(places, 0, length - 1)
    left = np.minimum(places.astype(int), length - 2)
    rows = np.arange(len(places))
    matrix = np.zeros((len(places), length), np.float32)
    matrix[rows, left] = 1 - (places - left)
    matrix[rows, left + 1] = places - left
    return matrix


def _stretching(length: int) -> Floats:
    return interpolating((np.arange(length) + 0.5) / length * SIDE - 0.5, SIDE)
