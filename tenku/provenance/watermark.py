"""An invisible mark of our own: 32 bits spread over the light of every frame.

What a detector would read in a frame anyway is known when the mark is laid in, so the strength goes to those
bits that the frame speaks against.
"""

import math
from typing import Final

import numpy as np

from tenku.errors import UserError
from tenku.media import Frame
from tenku.provenance.layout import (
    ID_BITS,
    LIMIT,
    NUM_BITS,
    NUM_CHIPS,
    Floats,
    Geometry,
    bits_of,
    code,
    counted,
    geometry,
    luma,
    owned,
)

MAX_MARK: Final = 2**ID_BITS - 1
# Root mean square of what is added, in levels. It grows until the mark would be read clearly: little is
# enough on even ground, where most could be seen, and much is needed where there is texture to hide it.
_STRENGTHS: Final = (1.0, 1.15, 1.3, 1.5, 1.7, 1.9)  # 48 to 42.5 dB
_LEAST_IF_SMALL: Final = 1.3  # chips of few pixels do not survive codecs with less
_SMALL_SIDE: Final = 192
_CLEAR: Final = 3.2  # what is read of each bit, in standard deviations of what is read without a mark
_MEMORY: Final = 0.8  # how much of what it was told by the frames before it keeps: a mark must not flicker


class Marker:
    """Lays one mark into the frames of one video as they go by; memory does not grow with its length.

    >>> marker = Marker(0xC0FFEE)
    >>> marked = [marker(frame) for frame in frames]  # (h w 3) uint8
    """

    def __init__(self, mark: int) -> None:
        if not 0 <= mark <= MAX_MARK:
            raise UserError(f"{mark} is no mark; choose a number from 0 to {MAX_MARK}.")
        self._signs = np.where(bits_of(mark), 1, -1).astype(np.float32)
        self._seen: Floats | None = None
        self._strength: float | None = None

    def __call__(self, frame: Frame) -> Frame:
        """A frame (h w 3) with the mark in it."""
        layout = geometry(*frame.shape[:2])
        least = _LEAST_IF_SMALL if min(frame.shape[:2]) < _SMALL_SIDE else _STRENGTHS[0]
        pattern, strength = self._pattern(layout, layout.chips_of(luma(frame)), least)
        light = layout.picture_of(pattern)
        light *= strength / max(float(np.sqrt(np.mean(light * light))), 1e-6)
        marked = np.add(frame, np.rint(light).astype(np.int16)[..., None], dtype=np.int16)
        return np.clip(marked, 0, 255, out=marked).astype(np.uint8)

    def _pattern(self, layout: Geometry, chips: Floats, least: float) -> tuple[Floats, float]:
        """The chips to add, up to a factor, and how strongly: none where an edge would drown them."""
        seen = counted(chips)
        self._seen = seen if self._seen is None else _MEMORY * self._seen + (1 - _MEMORY) * seen
        is_open = (np.abs(chips) < LIMIT).astype(np.float32)
        host = code() @ self._seen.reshape(-1) * self._signs
        room = np.maximum(owned() @ is_open.reshape(-1), 1e-3)
        strength, level = _enough(host, room, float(np.mean(self._seen * self._seen)), least)
        self._strength = _MEMORY * (self._strength or strength) + (1 - _MEMORY) * strength
        gains = np.maximum(0, level - host) / room
        return layout.distinct((gains * self._signs @ code()).reshape(chips.shape) * is_open), self._strength


def _enough(host: Floats, room: Floats, noise: float, least: float) -> tuple[float, float]:
    """The least strength by which every bit is read clearly, and to what level that lifts the lowest."""
    strength = level = 0.0
    for strength in (each for each in _STRENGTHS if each >= least):
        level = _level(host, room, strength**2 * NUM_CHIPS)
        if level >= _CLEAR * math.sqrt(NUM_CHIPS / NUM_BITS * (noise + strength**2)):
            break
    return strength, level


def _level(host: Floats, room: Floats, budget: float) -> float:
    """To what height the lowest of `host` can all be raised by gains g ≥ 0 that each add `room` g, and of
    which the sum of `room` g² is `budget`."""
    order = np.argsort(host)
    height, share = host[order].astype(np.float64), 1 / room[order].astype(np.float64)
    total, first, second = np.cumsum(share), np.cumsum(share * height), np.cumsum(share * height**2)
    root = first**2 - total * (second - budget)
    # With the k lowest raised to one height, that must lie above all of them: so it is the largest such k.
    raised = (first + np.sqrt(np.maximum(root, 0))) / total
    return float(raised[np.flatnonzero((root >= 0) & (raised > height))[-1]])
