import pytest
import torch
from torch import Tensor

from tenku.sampling import Reusing, euler, shifted_sigmas, unipc, unipc_sigmas
from tenku.timeline import Timeline, text_to_video

SHAPE = (1, 2, 3, 4, 4)
MEAN, STD = 0.5, 0.6


def exact_velocity(noisy: Tensor, level: Tensor) -> Tensor:
    """Of latents that are Gaussian around MEAN, for which every quantity is known."""
    sigma = level[:, None]
    variance = (1 - sigma) ** 2 * STD**2 + sigma**2
    surprise = noisy - (1 - sigma) * MEAN
    noise, clean = sigma * surprise / variance, MEAN + (1 - sigma) * STD**2 * surprise / variance
    return noise - clean


def noise() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("solver", [euler, unipc])
def test_without_tolerance_every_step_is_asked_and_nothing_changes(solver) -> None:  # type: ignore[no-untyped-def]
    levels = unipc_sigmas(20, 3.0)
    reusing = Reusing(exact_velocity, 0.0)
    canvas = text_to_video("a ball", SHAPE)
    assert torch.equal(
        solver(reusing, canvas, noise(), levels), solver(exact_velocity, canvas, noise(), levels)
    )
    assert reusing.num_asked == 20


@pytest.mark.parametrize("solver", [euler, unipc])
def test_fewer_steps_are_asked_and_the_end_hardly_moves(solver) -> None:  # type: ignore[no-untyped-def]
    levels, canvas = unipc_sigmas(40, 3.0), text_to_video("a ball", SHAPE)
    wanted = solver(exact_velocity, canvas, noise(), levels)
    found, asked = {}, {}
    for tolerance in (0.02, 0.1):
        reusing = Reusing(exact_velocity, tolerance)
        found[tolerance] = float((solver(reusing, canvas, noise(), levels) - wanted).norm() / wanted.norm())
        asked[tolerance] = reusing.num_asked
    assert asked[0.1] < asked[0.02] < 40
    assert found[0.02] < 0.02
    assert found[0.1] < 0.1


def test_positions_at_different_levels_are_always_asked() -> None:
    floor = torch.ones(1, 3, 1, 1)
    floor[:, 0] = 0
    canvas = Timeline(torch.zeros(SHAPE), floor, ())
    reusing = Reusing(exact_velocity, 10.0)
    euler(reusing, canvas, noise(), shifted_sigmas(12, 1.0))
    assert reusing.num_asked == 12
