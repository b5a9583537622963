"""UniPC: a predictor that the next call corrects for nothing (Zhao et al., arXiv 2302.04867).

Of order two with B(h) = e^h − 1, in terms of the clean latents: what Wan 2.x is sampled with. Quantities are
those of the paper: λ = log((1 − σ) / σ), h is a step in λ, and r the step before it as a share of h.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tenku.sampling.solvers import OnStep, VelocityFn
from tenku.timeline.timeline import Timeline

# Of the step before to this one, in λ. The schedules of open models stay above a half; less is the tiny step
# that a position has taken whose floor lies just above a level: a slope read off it is the network's error.
_LEAST_RATIO = 0.1
_THOUSANDTHS = 1_000  # at which the reference asks its network: the next one below a level


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of every position (b 1 t h w, float64) from level `start` to `stop`.

    `latents` and `clean` ones are those at its start; `before` are the clean ones one step earlier, at level
    `earlier`, if there are any.
    """

    start: Tensor
    stop: Tensor
    latents: Tensor
    clean: Tensor
    before: Tensor | None
    earlier: Tensor | None

    @property
    def h(self) -> Tensor:
        return _log_ratio(self.stop) - _log_ratio(self.start)

    def predicted(self) -> Tensor:
        """Latents at the stop; the change of clean ones goes on as it was."""
        return self._taken(0.5 * self._slope())

    def corrected(self, found: Tensor) -> Tensor:
        """Latents at the stop, now that the clean ones there have been found."""
        change = found.double() - self.clean
        growth = torch.expm1(-self.h)
        phi = 1 + growth / self.h
        first, second = -phi / growth, -2 * (0.5 - phi / self.h) / growth
        r = self._r()
        share = torch.where(r == 0, 0.0, (first - second) / (1 - r))
        rest = torch.where(r == 0, 0.5, first - share)
        return self._taken(share * self._slope() + rest * change)

    def _taken(self, change: Tensor) -> Tensor:
        """Exact if the clean latents stayed as they are; `change` is by how much they do not."""
        gained = (1 - self.stop) * torch.expm1(-self.h)
        moved = self.stop / self.start * self.latents - gained * (self.clean + change)
        return torch.where(self.start == self.stop, self.latents.double(), moved).to(self.latents.dtype)

    def _r(self) -> Tensor:
        """0 where a position has not moved before, or hardly."""
        if self.earlier is None:
            return torch.zeros_like(self.start)
        r = (_log_ratio(self.earlier) - _log_ratio(self.start)) / self.h
        return torch.where((self.earlier == self.start) | (r.abs() < _LEAST_RATIO), 0.0, r)

    def _slope(self) -> Tensor:
        """How clean latents change over a step, by the one before."""
        if self.before is None:
            return torch.zeros_like(self.start)
        r = self._r()
        return torch.where(r == 0, 0.0, (self.before.double() - self.clean) / torch.where(r == 0, 1.0, r))


def unipc(
    velocity_fn: VelocityFn,
    timeline: Timeline,
    noise: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
) -> Tensor:
    """Second order for one call a step, with the arguments of the other solvers."""
    latents, step = timeline.start(noise), None
    num_steps = len(sigmas) - 1
    for index in range(num_steps):
        level, following = (timeline.level(sigma) for sigma in sigmas[index : index + 2])
        velocity = velocity_fn(latents, _asked(level, sigmas[index]))
        clean = latents - level[:, None] * velocity
        if step is not None:
            latents = step.corrected(clean)
        goes_on = step if index < num_steps - 1 else None  # the last step is of first order
        step = _Step(
            start=level[:, None].double(),
            stop=following[:, None].double(),
            latents=latents,
            clean=clean,
            before=None if goes_on is None else goes_on.clean,
            earlier=None if goes_on is None else goes_on.start,
        )
        latents = step.predicted()
        if on_step is not None:
            on_step(index + 1, num_steps)
    return latents


def _asked(level: Tensor, sigma: float) -> Tensor:
    """The thousandth below each level; that of the global one is not to be lost in float32."""
    own = torch.floor(level * _THOUSANDTHS + 1e-3) / _THOUSANDTHS
    return torch.where(level == level.new_tensor(sigma), int(sigma * _THOUSANDTHS) / _THOUSANDTHS, own)


def _log_ratio(sigma: Tensor) -> Tensor:
    """λ: the logarithm of signal to noise."""
    return torch.log1p(-sigma) - torch.log(sigma)
