"""Noise schedules: the levels, falling from noise to 0, at which a solver asks."""

from collections.abc import Iterable

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


def _checked(num_steps: int) -> int:
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, not {num_steps}")
    return num_steps


def _evenly(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * index / max(1, count - 1) for index in range(count)]


def _shifted(levels: Iterable[float], shift: float) -> list[float]:
    return [shift * u / (1 + (shift - 1) * u) for u in levels]
