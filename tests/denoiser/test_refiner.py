from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tenku.denoiser.refiner import Refiner, RefinerBlock

Randomise = Callable[[nn.Module], nn.Module]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def new(depth: int = 2, told_size: int = 6) -> Refiner:
    torch.manual_seed(0)
    return Refiner(latent_channels=4, told_size=told_size, width=16, depth=depth)


@pytest.fixture(scope="module")
def refiner(randomised: Randomise) -> Refiner:
    refiner = new()
    randomised(refiner)
    return refiner


def inputs() -> list[Tensor]:
    """Tokens, latents and what is told of two clips of three latent frames."""
    return [gaussian(2, 3, 8, 9, size, seed=size) for size in (16, 4, 6)]


def test_a_new_refiner_adds_nothing() -> None:
    assert torch.equal(new()(*inputs()), torch.zeros(2, 3, 8, 9, 4))
    frames = gaussian(6, 8, 9, 16)
    assert torch.equal(RefinerBlock(16)(frames), frames)


def test_a_new_refiner_can_learn() -> None:
    refiner = new()
    refiner(*inputs()).sub(1).square().sum().backward()
    assert refiner.out.weight.grad is not None
    assert refiner.out.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("part", range(3))
def test_latent_frames_and_clips_are_refined_by_themselves(refiner: Refiner, part: int) -> None:
    before, changed = inputs(), inputs()
    changed[part][1, 2] += 1
    change = (refiner(*changed) - refiner(*before)).abs().amax((2, 3, 4))  # b t
    assert change[1, 2] > 1e-3
    assert (change > 0).sum() == 1


@pytest.mark.parametrize("part", range(3))
def test_each_block_reaches_two_positions_further(randomised: Randomise, part: int) -> None:
    for depth in (0, 1, 2):
        refiner, changed = randomised(new(depth)), inputs()
        changed[part][0, 0, 4, 4] += 1
        change = (refiner(*changed) - refiner(*inputs()))[0, 0].abs().amax(-1)  # h w
        rows, columns = change.nonzero().unbind(1)
        reach = min(2 * depth, 4)
        assert (rows.min(), rows.max()) == (4 - reach, min(4 + reach, 7))
        assert (columns.min(), columns.max()) == (4 - reach, 4 + reach)


def test_nothing_told_is_the_same_as_zeros(refiner: Refiner) -> None:
    tokens, latents, told = inputs()
    assert torch.equal(refiner(tokens, latents, None), refiner(tokens, latents, torch.zeros_like(told)))
    assert not torch.allclose(refiner(tokens, latents, None), refiner(tokens, latents, told), atol=1e-2)


def test_one_that_knows_no_tracks_ignores_what_is_told(randomised: Randomise) -> None:
    refiner = randomised(new(told_size=0))
    tokens, latents, told = inputs()
    assert torch.equal(refiner(tokens, latents, None), refiner(tokens, latents, told))
