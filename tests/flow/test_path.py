import pytest
import torch
from torch import Tensor

from tenku.flow import (
    NoiseLevels,
    add_noise,
    flow_loss,
    latents_from_velocity,
    noise_from_velocity,
    velocity_of,
)


def gaussian(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


LATENTS, NOISE = gaussian(1, 2, 3, 4, 5, 6), gaussian(2, 2, 3, 4, 5, 6)


def test_the_path_leads_from_latents_to_noise() -> None:
    assert torch.equal(add_noise(LATENTS, NOISE, torch.tensor(0.0)), LATENTS)
    assert torch.equal(add_noise(LATENTS, NOISE, torch.tensor(1.0)), NOISE)
    step = add_noise(LATENTS, NOISE, torch.tensor(0.6)) - add_noise(LATENTS, NOISE, torch.tensor(0.5))
    assert torch.allclose(step, 0.1 * velocity_of(LATENTS, NOISE), atol=1e-6)


def test_a_velocity_leads_back_to_both_ends() -> None:
    sigma = torch.rand(2, 1, 4, 1, 1, generator=torch.Generator().manual_seed(3))
    noisy, velocity = add_noise(LATENTS, NOISE, sigma), velocity_of(LATENTS, NOISE)
    assert torch.allclose(latents_from_velocity(noisy, velocity, sigma), LATENTS, atol=1e-5)
    assert torch.allclose(noise_from_velocity(noisy, velocity, sigma), NOISE, atol=1e-5)


def test_levels_come_from_the_generator_alone() -> None:
    draws = [NoiseLevels().sample(50, 9, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("num_latent_frames", [1, 2, 9])
def test_levels_are_levels(num_latent_frames: int) -> None:
    sigma = NoiseLevels().sample(4000, num_latent_frames, torch.Generator().manual_seed(0))
    assert sigma.shape == (4000, num_latent_frames)
    assert sigma.min() >= 0
    assert sigma.max() <= 1
    assert (sigma.amax(1) > 0).all()  # something is left to learn from in every clip


def test_frames_share_levels_as_often_as_asked() -> None:
    n, levels = 20_000, NoiseLevels()
    sigma = levels.sample(n, 9, torch.Generator().manual_seed(0))
    shared = (sigma == sigma[:, :1]).all(1)
    steps = sigma.diff(dim=1)
    ramp = (steps > 0).all(1) & ((steps - steps[:, :1]).abs() < 1e-5).all(1)
    clean = (sigma == 0).any(1)
    assert shared.float().mean().item() == pytest.approx(levels.shared_share, abs=0.015)
    assert ramp.float().mean().item() == pytest.approx(levels.ramp_share, abs=0.01)
    # half of the clips with known frames have them slightly noisy
    assert clean.float().mean().item() == pytest.approx(levels.known_share / 2, abs=0.01)


def test_known_frames_lie_at_an_end() -> None:
    only_known = NoiseLevels(shared_share=0, independent_share=0, known_share=1, ramp_share=0, known_noise=0)
    sigma = only_known.sample(500, 6, torch.Generator().manual_seed(0))
    known = sigma == 0
    assert known.any(1).float().mean() > 0.9  # two ends that would leave nothing to learn are left out
    assert (known.any(1) == (known[:, 0] | known[:, -1])).all()
    assert (~known).any(1).all()
    starts, ends = known[:, 0], known[:, -1]
    assert (starts & ends).any()
    assert (starts & ~ends).any()
    assert (~starts & ends).any()
    gaps = (known.int().diff(dim=1) > 0).sum(1)  # a known run begins inside at most once, at the end
    assert (gaps <= 1).all()


def test_high_and_uniform_levels_are_as_many_as_asked() -> None:
    only_high = NoiseLevels(uniform_share=0, high_share=1, high_from=0.9)
    assert only_high.sample(100, 1, torch.Generator().manual_seed(0)).min() >= 0.9
    uniform = NoiseLevels(uniform_share=1, high_share=0)
    sigma = uniform.sample(20_000, 1, torch.Generator().manual_seed(0))
    assert torch.allclose(
        sigma.quantile(torch.tensor([0.1, 0.5, 0.9])), torch.tensor([0.1, 0.5, 0.9]), atol=0.02
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"ramp_share": 0.2}, "sum to 1"), ({"high_share": 0.95}, "between 0 and 1")]
)
def test_shares_that_do_not_add_up(wrong: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NoiseLevels(**wrong)


def test_the_loss_is_the_error_of_what_is_not_given() -> None:
    velocity = velocity_of(LATENTS, NOISE)
    sigma = torch.full((2, 1, 4, 1, 1), 0.5)
    assert torch.equal(flow_loss(velocity, LATENTS, NOISE, sigma), torch.zeros(2))
    wrong = velocity.clone()
    wrong[:, :, 0] += 2.0
    assert torch.allclose(flow_loss(wrong, LATENTS, NOISE, sigma), torch.full((2,), 1.0))
    sigma[1, :, 0] = 0  # the second clip is given its first frame
    assert torch.allclose(flow_loss(wrong, LATENTS, NOISE, sigma), torch.tensor([1.0, 0.0]))
    wrong[1, :, 1] += 3.0
    assert torch.allclose(flow_loss(wrong, LATENTS, NOISE, sigma)[1], torch.tensor(3.0))  # 9 in one of three
    assert flow_loss(wrong, LATENTS, NOISE, torch.zeros(2, 1, 1, 1, 1)).tolist() == [0, 0]


def test_positions_count_by_their_weight() -> None:
    sigma = torch.full((2, 1, 4, 1, 1), 0.5)
    wrong = velocity_of(LATENTS, NOISE)
    wrong[:, :, 0] += 2.0
    weight = torch.ones(2, 1, 4, 1, 1)
    assert torch.equal(
        flow_loss(wrong, LATENTS, NOISE, sigma, weight), flow_loss(wrong, LATENTS, NOISE, sigma)
    )
    weight[0, :, 0] = 5.0
    weight[1, :, 1:] = 0.0
    assert torch.allclose(flow_loss(wrong, LATENTS, NOISE, sigma, weight), torch.tensor([4 * 5 / 8, 4.0]))
    sigma[:, :, 0] = 0  # what is given does not count, whatever its weight
    assert torch.allclose(flow_loss(wrong, LATENTS, NOISE, sigma, weight), torch.zeros(2), atol=1e-9)
