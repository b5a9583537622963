"""Solvers of the flow from noise to latents: plain functions of (velocity_fn, timeline, noise, sigmas).

`velocity_fn(noisy_latents, level)` gives the velocity at a noise level per position (b t h w) or per frame
(b t 1 1). `sigmas` falls from 1 to 0; a solver takes len(sigmas) − 1 steps. Positions whose floor is below
the global level wait there.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from tenku.timeline.timeline import Timeline

VelocityFn = Callable[[Tensor, Tensor], Tensor]
OnStep = Callable[[int, int], None]
Solver = Callable[[VelocityFn, Timeline, Tensor, Sequence[float], OnStep | None], Tensor]

# Of a step to the one before: a position whose floor lies just above a level has taken a tiny step there, and
# a slope read off a tiny step is mostly the network's error.
_MAX_RATIO = 4.0


def euler(
    velocity_fn: VelocityFn,
    timeline: Timeline,
    noise: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
) -> Tensor:
    """First order: one call a step."""
    latents = timeline.start(noise)
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        level, next_level = timeline.level(sigma), timeline.level(following)
        latents = latents + (next_level - level)[:, None] * velocity_fn(latents, level)
        if on_step is not None:
            on_step(index + 1, len(sigmas) - 1)
    return latents


def multistep(
    velocity_fn: VelocityFn,
    timeline: Timeline,
    noise: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
) -> Tensor:
    """Second order for one call a step: the velocity is carried on in a straight line from the step before.

    Adams–Bashforth with the uneven steps of each position (Hairer, Nørsett, Wanner, "Solving Ordinary
    Differential Equations I", III.5).
    """
    latents = timeline.start(noise)
    previous: tuple[Tensor, Tensor] | None = None  # velocity and step before
    for index, (sigma, following) in enumerate(pairwise(sigmas)):
        level, next_level = timeline.level(sigma), timeline.level(following)
        step = (next_level - level)[:, None]
        velocity = velocity_fn(latents, level)
        slope = velocity
        if previous is not None:
            last_velocity, last_step = previous
            ratio = torch.where(last_step != 0, step / last_step.where(last_step != 0, step + 1), 0.0)
            slope = velocity + 0.5 * ratio.clamp(max=_MAX_RATIO) * (velocity - last_velocity)
        latents = latents + step * slope
        previous = velocity, step
        if on_step is not None:
            on_step(index + 1, len(sigmas) - 1)
    return latents
