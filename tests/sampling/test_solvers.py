"""Gaussian data have a known velocity and a known flow, so a solver's error can be measured."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tenku.sampling import euler, multistep, shifted_sigmas
from tenku.sampling.solvers import VelocityFn
from tenku.timeline import Timeline

MEAN, SPREAD = 1.5, 0.4
Solver = Callable[..., Tensor]


def total(sigma: Tensor | float) -> Tensor | float:
    return sigma**2 + (1 - sigma) ** 2 * SPREAD**2


def exact_velocity(noisy_latents: Tensor, level: Tensor) -> Tensor:
    sigma = level[:, None]
    factor = (sigma - (1 - sigma) * SPREAD**2) / total(sigma)
    return factor * (noisy_latents - (1 - sigma) * MEAN) - MEAN


def exact_end(noisy_latents: Tensor, sigma: float) -> Tensor:
    """Where the flow leads from a level to clean latents: every point keeps its quantile."""
    return MEAN + SPREAD * (noisy_latents - (1 - sigma) * MEAN) / total(sigma) ** 0.5


def double(seed: int) -> Tensor:
    return torch.randn(1, 2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def timeline(floor: Tensor | float = 1.0) -> Timeline:
    floors = torch.ones(1, 3, 1, 1, dtype=torch.float64) * floor
    return Timeline(double(5), floors, ())


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (multistep, 2)])
def test_the_error_falls_with_the_order(solver: Solver, order: int, shift: float) -> None:
    noise = double(0)
    errors = [
        (solver(exact_velocity, timeline(), noise, shifted_sigmas(steps, shift)) - exact_end(noise, 1))
        .abs()
        .max()
        for steps in (40, 80, 160)
    ]
    for coarse, fine in pairwise(errors):
        assert order - 0.1 < math.log2(coarse / fine) < order + 0.6
    assert errors[-1] < (0.05, 0.001)[order - 1]


@pytest.mark.parametrize("solver", [euler, multistep])
def test_a_floor_per_frame_is_one_per_position(solver: Solver) -> None:
    floor = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)[None, :, None, None]
    per_frame, per_position = timeline(floor), timeline(floor.expand(1, 3, 2, 2))
    sigmas = shifted_sigmas(5, 3.0)
    found = [solver(exact_velocity, canvas, double(0), sigmas) for canvas in (per_frame, per_position)]
    assert torch.equal(*found)


@pytest.mark.parametrize("solver", [euler, multistep])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_straight_flow_is_solved_exactly_by_any_number_of_steps(solver: Solver, steps: int) -> None:
    noise, latents = double(0), double(1)
    found = solver(lambda noisy, level: noise - latents, timeline(), noise, shifted_sigmas(steps, 3.0))
    assert torch.allclose(found, latents, atol=1e-12)


@pytest.mark.parametrize("solver", [euler, multistep])
def test_what_is_known_comes_out_as_it_went_in(solver: Solver) -> None:
    floor = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)[None, :, None, None].expand(1, 3, 2, 2)
    canvas = timeline(floor)
    levels: list[Tensor] = []

    def velocity(noisy_latents: Tensor, level: Tensor) -> Tensor:
        levels.append(level)
        return exact_velocity(noisy_latents, level)

    found = solver(velocity, canvas, double(0), shifted_sigmas(9, 3.0))
    assert torch.equal(found[:, :, [0, 2]], canvas.latents[:, :, [0, 2]])
    assert not torch.allclose(found[:, :, 1], canvas.latents[:, :, 1])
    assert all((level[:, [0, 2]] == 0).all() for level in levels)


@pytest.mark.parametrize(("solver", "tolerance"), [(euler, 0.03), (multistep, 0.001)])
def test_a_floor_between_starts_from_there(solver: Solver, tolerance: float) -> None:
    canvas, noise = timeline(0.55), double(0)
    start = 0.45 * canvas.latents + 0.55 * noise
    found = solver(exact_velocity, canvas, noise, shifted_sigmas(200, 1.0))
    assert torch.allclose(found, exact_end(start, 0.55), atol=tolerance)


def test_a_tiny_step_is_no_ground_for_a_slope() -> None:
    """A floor just above a level gives a tiny first step; the network's error must not be blown up by it."""
    signs = iter([1, -1] * 10)

    def erring(noisy_latents: Tensor, level: Tensor) -> Tensor:
        return exact_velocity(noisy_latents, level) + 0.01 * next(signs)

    canvas, noise, sigmas = timeline(0.5001), double(0), [1.0, 0.5, 0.25, 0.0]
    expected = multistep(exact_velocity, canvas, noise, sigmas)
    assert (multistep(erring, canvas, noise, sigmas) - expected).abs().max() < 0.05


def test_steps_are_told() -> None:
    told: list[tuple[int, int]] = []
    euler(exact_velocity, timeline(), double(0), shifted_sigmas(3, 1.0), lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_levels_fall_from_one_to_zero() -> None:
    for shift in (1.0, 3.0):
        sigmas = shifted_sigmas(12, shift)
        assert (sigmas[0], sigmas[-1], len(sigmas)) == (1, 0, 13)
        assert all(first > second for first, second in pairwise(sigmas))
    assert shifted_sigmas(4, 1.0) == [1, 0.75, 0.5, 0.25, 0]
    assert shifted_sigmas(2, 3.0)[1] == pytest.approx(0.75)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        shifted_sigmas(0, 3.0)


def test_the_exact_velocity_is_one() -> None:
    """The tests above lean on it: check it against the flow it claims to have, by differences."""
    noise, sigma, step = double(0), 0.6, 1e-4
    ends: list[Tensor] = []
    for level in (sigma + step, sigma - step):
        noisy = (1 - level) * MEAN + total(level) ** 0.5 * noise
        assert torch.allclose(exact_end(noisy, level), MEAN + SPREAD * noise)
        ends.append(noisy)
    velocity: VelocityFn = exact_velocity
    middle = (1 - sigma) * MEAN + total(sigma) ** 0.5 * noise
    assert torch.allclose(
        velocity(middle, torch.full((1, 3, 2, 2), sigma)), (ends[0] - ends[1]) / (2 * step), atol=1e-5
    )
