"""Noise schedules: the levels, falling from noise to 0, at which a solver asks."""

import math
from collections.abc import Iterable, Sequence

_TRAINED_LEVELS = 1_000  # of open models: the least noise they know is one of so many
_ALMOST_ONE = 1 - 1e-6  # a level of 1 has no logarithm of signal to noise


def shifted_sigmas(num_steps: int, shift: float) -> list[float]:
    """Levels evenly spaced from 1 to 0, then shifted towards noise as s·u / (1 + (s − 1)·u)."""
    return _shifted((1 - index / _checked(num_steps) for index in range(num_steps + 1)), shift)


def unipc_sigmas(num_steps: int, shift: float) -> list[float]:
    """As `shifted_sigmas`, but evenly spaced to the least noise that open models know, and a jump to 0 from
    the step before that: what Wan's own solver and diffusers' `UniPCMultistepScheduler` take."""
    lowest = 1 / _TRAINED_LEVELS
    sigmas = _shifted(_evenly(1.0, lowest, _checked(num_steps) + 1)[:-1], shift)
    return [min(sigmas[0], _ALMOST_ONE), *sigmas[1:], 0.0]


def euler_sigmas(num_steps: int, shift: float) -> list[float]:
    """What diffusers' `FlowMatchEulerDiscreteScheduler` takes: the least level is shifted twice."""
    lowest = _shifted([1 / _TRAINED_LEVELS], shift)[0]
    return [*_shifted(_evenly(1.0, lowest, _checked(num_steps)), shift), 0.0]


def stretched_sigmas(num_steps: int, shift: float, least: float) -> list[float]:
    """What LTX-Video takes: evenly spaced from 1 to the length of a step, shifted, and, unless `least` is 0,
    stretched so that the last jump to 0 is from there."""
    levels = _shifted(_evenly(1.0, 1 / _checked(num_steps), num_steps), shift)
    stretch = (1 - least) / (1 - levels[-1]) if least and num_steps > 1 else 1.0
    return [*(1 - stretch * (1 - level) for level in levels), 0.0]


def shift_of_size(num_tokens: int, known: Sequence[tuple[int, float]]) -> float:
    """The shift for so many tokens: its logarithm lies on the straight line through the two that are `known`,
    each of a number of tokens."""
    (few, low), (many, high) = known
    return math.exp(low + (high - low) * (num_tokens - few) / (many - few))


def _checked(num_steps: int) -> int:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, not {num_steps}")
    return num_steps


def _evenly(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * index / max(1, count - 1) for index in range(count)]


def _shifted(levels: Iterable[float], shift: float) -> list[float]:
    return [shift * u / (1 + (shift - 1) * u) for u in levels]
