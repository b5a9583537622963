"""Step caching: a network is asked only where its answer is likely to have changed.

Between two answers the clean latents that they lead to change at some rate in the logarithm of signal to
noise. While that rate says that they have moved by less than a tolerance since the network was last asked,
they are carried on in a straight line instead. Close in spirit to TeaCache (Liu et al., arXiv 2411.19108),
but with nothing fitted.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from tenku.sampling.solvers import VelocityFn

_ASKED_FIRST = 3  # steps in which a video decides what it will show
_FURTHEST = 1.5  # that clean latents are carried on, of the way between the last two answers: rates change


@dataclass(frozen=True, slots=True)
class _Answer:
    """Clean latents (b c t h w) that the network led to at a noise level, and that level's λ."""

    clean: Tensor
    place: float


class Reusing:
    """A velocity function that asks another one only where that is worth it; `num_asked` counts.

    A tolerance is a share of the size of the clean latents: 0 asks every time. Only where all positions are
    equally noisy does it answer by itself.
    """

    def __init__(self, velocity_fn: VelocityFn, tolerance: float) -> None:
        self.velocity_fn, self.tolerance = velocity_fn, tolerance
        self.num_asked = 0
        self._answers: list[_Answer] = []

    def __call__(self, noisy_latents: Tensor, level: Tensor) -> Tensor:
        """Velocity (b c t h w) at a level (b t h w) or (b t 1 1)."""
        lowest, sigma = (float(end) for end in level.aminmax())
        if lowest != sigma or not 0 < sigma < 1:
            return self._asked(noisy_latents, level)
        place = math.log((1 - sigma) / sigma)
        if self.num_asked >= _ASKED_FIRST and self._expected_change(place) < self.tolerance:
            return (noisy_latents - self._carried(place)) / sigma
        velocity = self._asked(noisy_latents, level)
        self._answers = [*self._answers[-1:], _Answer(noisy_latents - sigma * velocity, place)]
        return velocity

    def _asked(self, noisy_latents: Tensor, level: Tensor) -> Tensor:
        self.num_asked += 1
        return self.velocity_fn(noisy_latents, level)

    def _expected_change(self, place: float) -> float:
        """Of the clean latents since the last answer, as a share of their size; infinite if nobody can
        say."""
        if len(self._answers) < 2:
            return math.inf
        before, last = self._answers
        way = abs(place - last.place) / abs(last.place - before.place)
        change = float((last.clean - before.clean).norm() / last.clean.norm())
        return change * way if way <= _FURTHEST else math.inf

    def _carried(self, place: float) -> Tensor:
        before, last = self._answers
        share = (place - last.place) / (last.place - before.place)
        return last.clean + share * (last.clean - before.clean)
