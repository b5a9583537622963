"""True clips, and an eye that never errs: what is tested with it is not the network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tenku.checkpoint import Model, SamplingDefaults, save_model
from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.evaluation import ParsedVideo, parse_video
from tenku.evaluation.judge import Labels
from tenku.evaluation.prompts import world_of
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.judge import pictures_of, target_of
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
from tenku.worlds import SimulatedClip, simulate_clip


class TrueEye:
    """Says what the simulator knows about one clip."""

    def __init__(self, clip: SimulatedClip) -> None:
        self.target = target_of(pictures_of(clip))

    def look(self, frames: Tensor) -> Iterator[Labels]:
        target = self.target
        yield Labels(
            thing=8 * (2 * target.thing - 1),
            colour=8 * functional.one_hot(target.colour, 8).movedim(-1, 1).float(),
            shape=8 * functional.one_hot(target.shape, 6).movedim(-1, 1).float(),
            offset=target.offset,
        )


@pytest.fixture(scope="session")
def clips() -> list[SimulatedClip]:
    torch.set_num_threads(1)
    return [simulate_clip(70_000_000 + i, world=world_of("held_out"), with_truth=True) for i in range(16)]


@pytest.fixture(scope="session")
def read_truly() -> Callable[[SimulatedClip], ParsedVideo]:
    return lambda clip: parse_video(clip.frames, TrueEye(clip), clip.fps)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights: quick, and right by chance only."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            encoder_width=8, encoder_depth=1, decoder_width=8, decoder_depth=1, frame_width=4, frame_depth=1
        )
    )
    text = TextEncoder(
        TextEncoderConfig(vocabulary=("a", "red", "ball"), hidden_size=32, depth=1, num_heads=2)
    )
    channels = vae.config.latent_channels
    denoiser = Denoiser(
        DenoiserConfig(latent_channels=channels, text_size=32, hidden_size=32, depth=1, num_heads=2)
    )
    save_model(folder, Model(vae, text, None, denoiser, SamplingDefaults(num_inference_steps=2)))
    return folder
