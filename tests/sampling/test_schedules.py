"""Levels of noise, against those of diffusers' schedulers."""

import math
from itertools import pairwise

import pytest
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from tenku.sampling import euler_sigmas, unipc_sigmas

STEPS = (1, 2, 3, 10, 50)
SHIFTS = (1.0, 3.0, 5.0, 12.0)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("steps", STEPS)
def test_unipc_asks_at_diffusers_levels(steps: int, shift: float) -> None:
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    scheduler.set_timesteps(steps)
    sigmas = unipc_sigmas(steps, shift)
    assert sigmas == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)
    assert [math.floor(1000 * sigma) for sigma in sigmas[:-1]] == scheduler.timesteps.tolist()


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("steps", STEPS)
def test_euler_asks_at_diffusers_levels(steps: int, shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(steps)
    assert euler_sigmas(steps, shift) == pytest.approx(scheduler.sigmas.tolist(), abs=1e-6)


@pytest.mark.parametrize("sigmas", [unipc_sigmas, euler_sigmas])
def test_levels_fall_to_zero(sigmas: "object") -> None:
    assert callable(sigmas)
    for shift in SHIFTS:
        levels = sigmas(20, shift)
        assert len(levels) == 21
        assert levels[-1] == 0
        assert all(first > second for first, second in pairwise(levels))
    with pytest.raises(ValueError, match="at least 1, not 0"):
        sigmas(0, 3.0)
