"""Small networks with weights that do something: fresh ones are linear, or predict nothing."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from tenku.checkpoint import Model


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and state of tests stay out of the user's data directory, and the user's settings out of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TENKU_HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("TENKU_CERTIFICATE", "TENKU_CERTIFICATE_KEY", "TENKU_TRUST"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def randomised() -> "Callable[[nn.Module], nn.Module]":
    """Give every weight of a module a random value."""
    import torch

    def randomise(module: "nn.Module") -> "nn.Module":
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        return module.eval().requires_grad_(False)

    return randomise


@pytest.fixture
def tiny_model(randomised: "Callable[[nn.Module], nn.Module]") -> "Model":
    """A model of a few thousand random weights that knows a few words and plans first."""
    import torch

    from tenku.checkpoint import Model, SamplingDefaults
    from tenku.denoiser import Denoiser, DenoiserConfig, TrackConfig
    from tenku.text import TextEncoder, TextEncoderConfig
    from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig

    torch.manual_seed(0)
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            latent_channels=4, decoder_width=8, decoder_depth=1, frame_width=8, frame_depth=1
        )
    )
    text_encoder = TextEncoder(
        TextEncoderConfig(
            vocabulary=("a", "ball", "falls", "red", "红", "球"), hidden_size=16, depth=1, num_heads=2
        )
    )
    tracks = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2, hidden_size=16)
    planner = Denoiser(
        DenoiserConfig(
            latent_channels=tracks.channels,
            text_size=16,
            hidden_size=16,
            depth=1,
            num_heads=2,
            patch_size=(1, 1, 1),
            named_rows=3,  # two objects and their setting
        )
    )
    denoiser = Denoiser(
        DenoiserConfig(
            latent_channels=4,
            text_size=16,
            hidden_size=32,
            depth=2,
            num_heads=2,
            channel_std=(1.0, 2.0, 0.5, 1.5),
            tracks=tracks,
            refiner_depth=1,
            refiner_width=16,
        )
    )
    for module in (vae, text_encoder, planner, denoiser):
        randomised(module)
    planner.patch_out.bias[0] = -3.0  # so that there is something in its plans
    sampling = SamplingDefaults(num_inference_steps=2, planner_steps=3)
    return Model(vae, text_encoder, planner, denoiser, sampling)


@pytest.fixture
def planless_model(tiny_model: "Model") -> "Model":
    """The same without a planner, and with a denoiser that knows no tracks."""
    from dataclasses import replace

    from tenku.denoiser import Denoiser

    denoiser = Denoiser(replace(tiny_model.denoiser.config, tracks=None))
    denoiser.load_state_dict(tiny_model.denoiser.state_dict(), strict=False)
    denoiser.eval().requires_grad_(False)
    return replace(tiny_model, planner=None, denoiser=denoiser)


@pytest.fixture(scope="session")
def published_model(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Path]":
    """The folder, in diffusers' layout, of a small likeness of a published model; each is written once."""
    from functools import cache

    from tenku.evaluation.random_models import published, write_random_model

    @cache
    def folder(name: str) -> "Path":
        place = tmp_path_factory.mktemp(name)
        write_random_model(published(name).small(), place)
        return place

    return folder


@pytest.fixture(scope="session")
def ltx_model(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Path]":
    """The same of LTX-Video models."""
    from functools import cache

    from tenku.evaluation.random_ltx import LTX_PUBLISHED, write_random_ltx

    @cache
    def folder(name: str) -> "Path":
        place = tmp_path_factory.mktemp(name)
        write_random_ltx(LTX_PUBLISHED[name].small(), place)
        return place

    return folder
