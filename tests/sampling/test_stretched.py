"""Levels of noise that go by the size of a video, against diffusers' scheduler as LTX-Video uses it."""

import math

import numpy as np
import pytest
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.ltx.pipeline_ltx import calculate_shift

from tenku.sampling import shift_of_size, stretched_sigmas

KNOWN = ((1_024, 0.95), (4_096, 2.05))


@pytest.mark.parametrize("least", [0.1, None])
@pytest.mark.parametrize("num_tokens", [6, 1_024, 6_930])
@pytest.mark.parametrize("steps", [2, 3, 10, 50])
def test_levels_are_diffusers(steps: int, num_tokens: int, least: float | None) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=least)
    mu = calculate_shift(num_tokens, 1_024, 4_096, 0.95, 2.05)
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    shift = shift_of_size(num_tokens, KNOWN)
    assert shift == pytest.approx(math.exp(mu))
    sigmas = stretched_sigmas(steps, shift, least or 0.0)
    assert sigmas == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)
    assert [1000 * sigma for sigma in sigmas[:-1]] == pytest.approx(scheduler.timesteps.tolist(), abs=1e-3)


def test_one_step_goes_all_the_way() -> None:
    assert stretched_sigmas(1, 3.0, 0.1) == [1.0, 0.0]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        stretched_sigmas(0, 3.0, 0.1)
