from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts, TrackConfig

TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2, hidden_size=16)


def denoiser(seed: int, randomised: Callable[[nn.Module], nn.Module], **other: object) -> Denoiser:
    values = {"latent_channels": 4, "text_size": 12, "hidden_size": 32, "depth": 1, "num_heads": 2, **other}
    torch.manual_seed(seed)
    made = Denoiser(DenoiserConfig(**values))  # type: ignore[arg-type]
    randomised(made)
    return made


def gaussian(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_each_expert_answers_at_its_levels(randomised: Callable[[nn.Module], nn.Module]) -> None:
    high, low = denoiser(0, randomised), denoiser(1, randomised, hidden_size=64, depth=2)
    experts = NoiseExperts(high, low, 0.7)
    latents, text = gaussian(1, 4, 3, 4, 4), gaussian(1, 5, 12)
    for level, expert in ((0.9, high), (0.7, high), (0.69, low), (0.1, low)):
        sigma = torch.full((1, 3), level)
        assert torch.equal(experts(latents, sigma, text), expert(latents, sigma, text))
    mixed = torch.tensor([[0.0, 0.3, 0.9]])  # known frames do not call the other expert
    assert torch.equal(experts(latents, mixed, text), high(latents, mixed, text))
    assert experts.config == high.config


def test_each_expert_drafts_for_itself(randomised: Callable[[nn.Module], nn.Module]) -> None:
    high, low = denoiser(0, randomised, tracks=TRACKS), denoiser(1, randomised, tracks=TRACKS)
    experts, packed = NoiseExperts(high, low, 0.7), 0.3 * gaussian(1, TRACKS.channels, 3, 3)
    packed[:, 0] = 1
    latents, text = gaussian(1, 4, 3, 4, 4), gaussian(1, 5, 12)
    prepared = experts.prepare(packed, 4, 4)
    for level, expert in ((0.9, high), (0.1, low)):
        sigma = torch.full((1, 3), level)
        expected = expert(latents, sigma, text, None, packed)
        assert torch.equal(experts(latents, sigma, text, None, prepared), expected)
        assert not torch.allclose(expected, expert(latents, sigma, text), atol=1e-2)


def test_experts_that_do_not_belong_together(randomised: Callable[[nn.Module], nn.Module]) -> None:
    high = denoiser(0, randomised)
    with pytest.raises(ValueError, match="same latent_channels"):
        NoiseExperts(high, denoiser(1, randomised, latent_channels=6), 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        NoiseExperts(high, high, 1.0)
