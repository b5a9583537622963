"""UniPC against diffusers' own, and what only a timeline asks of it: positions that wait at their floor."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from diffusers import UniPCMultistepScheduler
from torch import Tensor

from tenku.sampling import unipc, unipc_sigmas
from tenku.timeline import Timeline, text_to_video

SHAPE = (1, 4, 3, 6, 6)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MIXING = gaussian(4, 4, seed=9) / 2
Velocity = Callable[[Tensor, Tensor], Tensor]


def velocity(latents: Tensor, level: Tensor) -> Tensor:
    """Not the velocity of anything, but smooth, bounded, and another one at each level."""
    mixed = torch.einsum("dc,bcthw->bdthw", MIXING.to(latents.dtype), latents)
    return mixed.tanh() * (1 + level[:, None]) + 0.3 * latents


def canvas(floor: Tensor, dtype: torch.dtype = torch.float32) -> Timeline:
    return Timeline(gaussian(*SHAPE, seed=5).to(dtype), floor.to(dtype), ())


def per_frame(*floors: float) -> Tensor:
    return torch.tensor(floors)[None, :, None, None]


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0, 12.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 10, 50])
def test_it_is_diffusers(steps: int, shift: float) -> None:
    noise = gaussian(*SHAPE)
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    scheduler.set_timesteps(steps)
    expected, asked = noise, []
    for timestep in scheduler.timesteps:
        asked.append(float(timestep) / 1000)
        found = velocity(expected, torch.full((1, 1, 1, 1), asked[-1]))
        expected = scheduler.step(found, timestep, expected, return_dict=False)[0]

    def listened(latents: Tensor, level: Tensor) -> Tensor:
        levels.append(float(level.flatten()[0]))
        assert (level == level.flatten()[0]).all()
        return velocity(latents, level)

    levels: list[float] = []
    made = unipc(listened, text_to_video("a", SHAPE), noise, unipc_sigmas(steps, shift))
    assert (made - expected).norm() / expected.norm() < 5e-6
    assert levels == pytest.approx(asked, abs=1e-6)


def test_the_error_falls_with_the_second_order() -> None:
    """Gaussian data of known mean and spread have a velocity and a flow in closed form."""
    mean, spread = 1.5, 0.4

    def total(sigma: Tensor) -> Tensor:
        return sigma**2 + (1 - sigma) ** 2 * spread**2

    def exact(latents: Tensor, level: Tensor) -> Tensor:
        sigma = level[:, None]
        return (sigma - (1 - sigma) * spread**2) / total(sigma) * (latents - (1 - sigma) * mean) - mean

    noise = gaussian(*SHAPE).double()
    blank = canvas(torch.ones(1, 3, 1, 1), torch.float64)
    errors = []
    for steps in (10, 20, 40):  # with more, the thousandths that the network is asked at are the error
        made = unipc(exact, blank, noise, unipc_sigmas(steps, 3.0))
        errors.append(float((made - (mean + spread * noise)).abs().mean()))
    assert all(math.log2(coarse / fine) > 1.9 for coarse, fine in pairwise(errors))
    assert errors[-1] < 0.002


def test_what_is_known_comes_out_bit_by_bit() -> None:
    known = canvas(per_frame(0, 1, 0))
    levels: list[Tensor] = []

    def listened(latents: Tensor, level: Tensor) -> Tensor:
        levels.append(level)
        return velocity(latents, level)

    made = unipc(listened, known, gaussian(*SHAPE), unipc_sigmas(10, 3.0))
    assert torch.equal(made[:, :, [0, 2]], known.latents[:, :, [0, 2]])
    assert not torch.allclose(made[:, :, 1], known.latents[:, :, 1])
    assert all((level[:, [0, 2]] == 0).all() for level in levels)


def test_what_is_known_changes_nothing_where_it_is_not_looked_at() -> None:
    alone = canvas(torch.ones(1, 3, 1, 1))
    beside = canvas(per_frame(0, 1, 0.4))
    noise, sigmas = gaussian(*SHAPE), unipc_sigmas(10, 3.0)
    whole, part = (unipc(velocity, each, noise, sigmas) for each in (alone, beside))
    assert torch.equal(whole[:, :, 1], part[:, :, 1])


def test_a_position_waits_at_its_floor_and_then_goes_on_as_if_it_began_there() -> None:
    """From its floor on it must be what a clip would be that starts at that level with that noise."""
    steps, shift = 12, 3.0
    sigmas = unipc_sigmas(steps, shift)
    start = 5
    waiting, noise = canvas(torch.full((1, 3, 1, 1), sigmas[start])), gaussian(*SHAPE)
    made = unipc(velocity, waiting, noise, sigmas)
    from_there = torch.lerp(waiting.latents, noise, sigmas[start])
    alone = unipc(velocity, canvas(torch.ones(1, 3, 1, 1)), from_there, sigmas[start:])
    assert torch.allclose(made, alone, atol=2e-5)


@pytest.mark.parametrize("above", [0, 1e-6, 1e-4, 1e-2])
def test_a_tiny_step_is_no_ground_for_a_slope(above: float) -> None:
    """A floor just above a level gives a tiny first step; the network's error must not be blown up by it."""
    signs = iter([1, -1] * 20)

    def erring(latents: Tensor, level: Tensor) -> Tensor:
        return velocity(latents, level) + 0.01 * next(signs)

    sigmas, noise = unipc_sigmas(12, 3.0), gaussian(*SHAPE)
    close = canvas(torch.full((1, 3, 1, 1), sigmas[5] + above))
    made, erred = (unipc(each, close, noise, sigmas) for each in (velocity, erring))
    assert (made - erred).abs().max() < 0.01


def test_a_floor_per_frame_is_one_per_position() -> None:
    floor = per_frame(0, 0.3, 1)
    noise, sigmas = gaussian(*SHAPE), unipc_sigmas(6, 3.0)
    found = [unipc(velocity, canvas(each), noise, sigmas) for each in (floor, floor.expand(1, 3, 6, 6))]
    assert torch.equal(*found)


def test_half_precision_stays_near() -> None:
    noise, sigmas = gaussian(*SHAPE), unipc_sigmas(20, 5.0)
    whole = unipc(velocity, canvas(torch.ones(1, 3, 1, 1)), noise, sigmas)
    half = unipc(
        lambda latents, level: velocity(latents, level).bfloat16().float(),
        canvas(torch.ones(1, 3, 1, 1)),
        noise,
        sigmas,
    )
    assert (half - whole).norm() / whole.norm() < 0.02


def test_steps_are_told() -> None:
    told: list[tuple[int, int]] = []
    unipc(
        velocity,
        canvas(torch.ones(1, 3, 1, 1)),
        gaussian(*SHAPE),
        unipc_sigmas(3, 1.0),
        lambda *step: told.append(step),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
