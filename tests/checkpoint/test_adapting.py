"""Weights that know one noise level a clip, or are told in channels what is known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tenku.checkpoint import OneLevel, known_in_channels, load_denoiser, load_vae
from tenku.denoiser import Denoiser
from tenku.evaluation.peer import load_peer
from tenku.timeline import Timeline
from tenku.vae import WanAutoencoder

I2V = "wan-2.2-i2v-a14b"
Published = Callable[[str], Path]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Listening(nn.Module):
    """The true velocity towards latents that it knows, at one level; it remembers what it was asked."""

    def __init__(self, clean: Tensor) -> None:
        super().__init__()
        self.clean = clean
        self.asked: list[tuple[Tensor, Tensor]] = []

    def forward(self, noisy_latents: Tensor, sigma: Tensor, *rest: Any) -> Tensor:
        self.asked.append((noisy_latents, sigma))
        return (noisy_latents - self.clean) / sigma


@pytest.fixture
def t2v(published_model: Published) -> Denoiser:
    denoiser = load_denoiser(published_model("wan-2.1-t2v-1.3b"))
    assert isinstance(denoiser, Denoiser)
    return denoiser


@torch.no_grad()
def test_one_level_is_passed_on_as_it_is(t2v: Denoiser) -> None:
    latents, text = gaussian(2, 16, 3, 4, 4), gaussian(2, 512, 32)
    expected = t2v(latents, torch.tensor([0.6]), text)
    for sigma in (torch.full((2,), 0.6), torch.full((2, 3), 0.6), torch.full((2, 3, 4, 4), 0.6)):
        assert torch.equal(OneLevel(t2v)(latents, sigma, text), expected)
    assert OneLevel(t2v).config == t2v.config


def test_waiting_positions_are_brought_to_the_level_of_the_others() -> None:
    clean, noise = gaussian(1, 64, 3, 16, 16), gaussian(1, 64, 3, 16, 16, seed=1)
    denoiser = Listening(clean)
    own = torch.tensor([0.0, 0.4, 0.8])[None, :, None, None]
    noisy = torch.lerp(clean, noise, own[:, None])
    velocity = OneLevel(denoiser)(noisy, own, torch.zeros(1, 1, 1))  # type: ignore[arg-type]
    seen, level = denoiser.asked[0]
    assert level.shape == (1,)
    assert float(level) == pytest.approx(0.8)
    for frame in range(3):  # each holds a fifth of what is clean, and noise of 0.8
        added = seen[:, :, frame] - 0.2 * clean[:, :, frame]
        assert float(added.std()) == pytest.approx(0.8, rel=0.02)
        assert abs(float((added * clean[:, :, frame]).mean())) < 0.02
    assert torch.equal(seen[:, :, 2], noisy[:, :, 2])
    # and every one of them is led from where it is to what is clean
    assert (velocity[:, :, 0] == 0).all()
    assert torch.allclose(noisy - own[:, None] * velocity, clean, atol=1e-4)


def test_the_noise_that_is_added_does_not_flicker() -> None:
    clean = gaussian(2, 4, 2, 4, 4)
    denoiser = Listening(clean)
    for high in (0.9, 0.5):
        own = torch.tensor([0.0, high])[None, :, None, None].expand(2, 2, 1, 1)
        OneLevel(denoiser)(clean, own, torch.zeros(2, 1, 1))  # type: ignore[arg-type]
    added = [(seen[:, :, 0] - (1 - level) * clean[:, :, 0]) / level for seen, level in denoiser.asked]
    assert torch.allclose(added[0], added[1], atol=1e-5)
    assert torch.allclose(added[0][0], added[0][1], atol=1e-5)  # alike with and without the prompt


@torch.no_grad()
def test_the_noise_that_is_added_is_not_that_of_the_first_seed() -> None:
    clean = torch.zeros(1, 4, 2, 8, 8)
    denoiser = Listening(clean)
    own = torch.tensor([0.0, 1.0])[None, :, None, None]
    OneLevel(denoiser)(clean, own, torch.zeros(1, 1, 1))  # type: ignore[arg-type]
    added, first = (noise[:, :, 0].flatten() for noise in (denoiser.asked[0][0], gaussian(*clean.shape)))
    assert abs(float(torch.corrcoef(torch.stack([added, first]))[0, 1])) < 0.2


def test_levels_for_each_position_give_each_its_velocity(t2v: Denoiser) -> None:
    latents, text = gaussian(1, 16, 3, 4, 4), gaussian(1, 512, 32)
    sigma = torch.tensor([0.0, 0.5, 0.9])[None, :, None, None].expand(1, 3, 4, 4)
    per_position = OneLevel(t2v)(latents, sigma, text)
    per_frame = OneLevel(t2v)(latents, sigma[..., :1, :1], text)
    assert torch.equal(per_position, per_frame)
    assert (per_position[:, :, 0] == 0).all()
    assert per_position.isfinite().all()


@pytest.fixture
def vae(published_model: Published) -> WanAutoencoder:
    return load_vae(published_model(I2V))


def canvas(latents: Tensor, *known: int) -> Timeline:
    floor = torch.ones(1, latents.shape[2], 1, 1)
    floor[:, list(known)] = 0
    return Timeline(latents, floor, ())


def test_a_first_picture_in_channels_is_as_diffusers_tells_it(
    published_model: Published, vae: WanAutoencoder
) -> None:
    """A known frame comes as its latents, and those after it see the picture that these decode to."""
    picture = gaussian(1, 3, 1, 32, 48).clamp(-1, 1)
    latents = torch.zeros(1, 16, 3, 4, 6)
    latents[:, :, :1] = vae.encode(picture)
    found = known_in_channels(canvas(latents, 0), vae, 20)
    assert found.shape == (1, 20, 3, 4, 6)

    peer = load_peer(published_model(I2V))
    shown = vae.decode(latents[:, :, :1])[:, :, 0]
    with torch.no_grad():
        told = [
            peer.prepare_latents(each, 1, 16, 32, 48, 9, torch.float32, "cpu")[1]
            for each in (picture[:, :, 0], shown)
        ]
    assert torch.equal(found[:, :4], told[0][:, :4])
    assert torch.allclose(found[:, 4:, :1], told[0][:, 4:, :1], atol=1e-5)
    assert torch.allclose(found[:, 4:, 1:], told[1][:, 4:, 1:], atol=1e-5)


def test_where_nothing_is_known_channels_tell_of_grey(vae: WanAutoencoder) -> None:
    latents = gaussian(1, 16, 3, 4, 6)
    found = known_in_channels(canvas(latents), vae, 20)
    assert (found[:, :4] == 0).all()
    assert torch.allclose(found[:, 4:], vae.encode(torch.zeros(1, 3, 9, 32, 48)))


def test_known_frames_anywhere_come_as_their_latents(vae: WanAutoencoder) -> None:
    latents = gaussian(1, 16, 4, 4, 6)
    found = known_in_channels(canvas(latents, 0, 2), vae, 20)
    assert (found[:, :4, [0, 2]] == 1).all()
    assert (found[:, :4, [1, 3]] == 0).all()
    assert torch.equal(found[:, 4:, [0, 2]], latents[:, :, [0, 2]])


def test_a_part_of_a_frame_may_be_known(vae: WanAutoencoder) -> None:
    latents = gaussian(1, 16, 2, 4, 6)
    floor = torch.ones(1, 2, 4, 6)
    floor[:, :, :, :3] = 0
    found = known_in_channels(Timeline(latents, floor, ()), vae, 20)
    assert torch.equal(found[:, 0], 1 - floor)
    assert torch.equal(found[:, 4:, ..., :3], latents[..., :3])
