"""The stage that trains the denoiser: latents of pictures and clips of several shapes, one bucket a step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tenku.checkpoint import SamplingDefaults
from tenku.data.latents import LatentBucket
from tenku.data.tracks import track_config
from tenku.denoiser import Denoiser, positions_in_boxes
from tenku.flow import NoiseLevels
from tenku.media import Video, contact_sheet, write_picture
from tenku.sampling import Guidance, guided, multistep, shifted_sigmas
from tenku.text import TextConditioning, TextEncoder
from tenku.timeline import text_to_video
from tenku.training.device import half_precision, seeded
from tenku.training.draft import with_errors
from tenku.training.flow_step import Guess, Predict, compiled_denoiser, guess, inner_matrix
from tenku.training.mixture import latent_mixture
from tenku.training.text import write_caption
from tenku.training.trainer import StepLoss
from tenku.vae import VideoAutoencoder, to_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserTaskConfig:
    """What a step is made of, and what is looked at now and then.

    `bucket_shares` are of the steps, by bucket name; `plain_share` is of captions that name everything
    plainly. Text and tracks are left out together, text alone or tracks alone in `condition_dropout`,
    `text_dropout` and `track_dropout` of the clips; poses in tracks are off by `track_noise`, as those of a
    planner are. What lies in a box counts `object_weight` times as much as what does not: objects fill little
    of the picture and are most of what is asked for. `cool_share` of the clips get noise that is smaller than
    usual, half of them none, so that videos may start from less noise, too. Buckets with at least
    `compile_from` of the steps are worth the minute that compiling takes. Samples have the tracks of
    held-out clips.
    """

    bucket_shares: Mapping[str, float]
    tokens_per_step: int = 8192
    noise_levels: NoiseLevels = field(default_factory=NoiseLevels)
    condition_dropout: float = 0.05
    text_dropout: float = 0.05
    track_dropout: float = 0.1
    track_noise: float = 0.01
    object_weight: float = 4.0
    cool_share: float = 0.5
    plain_share: float = 0.15
    text_length: int = 64
    compile_from: float = 0.1
    held_out_batch: int = 32
    num_samples: int = 6


class DenoiserTask:
    """Predict the velocity at noise levels drawn per latent frame, given captions in both languages."""

    name = "denoiser"

    def __init__(
        self,
        module: Denoiser,
        text_encoder: TextEncoder,
        vae: VideoAutoencoder,
        training: Sequence[LatentBucket],
        held_out: Sequence[LatentBucket],
        config: DenoiserTaskConfig,
        sampling: SamplingDefaults | None = None,
    ) -> None:
        self.module = module
        if module.drafter is not None:  # has been trained by itself
            module.drafter.requires_grad_(False)
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.vae = vae.eval().requires_grad_(False)
        self.config, self.held_out = config, held_out
        self.sampling = sampling or SamplingDefaults()
        self.training = latent_mixture(training, config.bucket_shares)
        self.tracks = module.config.tracks or track_config(vae.config.temporal_compression)
        grids = {name: self._grid(bucket.shape) for name, bucket in self.training.buckets.items()}
        self.predict = compiled_denoiser(module, grids, config.bucket_shares, config.compile_from)

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Flow loss over a batch of one bucket."""
        name, bucket = self.training.draw(generator)
        grid = self._grid(bucket.shape)
        batch = max(1, round(self.config.tokens_per_step / math.prod(grid)))
        example = self._draw(bucket, batch, generator, in_training=True)
        sigma = self.config.noise_levels.sample(batch, bucket.shape[0], generator)
        predict = self.predict[name]
        weight = 1 + (self.config.object_weight - 1) * example.in_boxes
        loss = (
            example.guess(predict, sigma, generator, self._temperature(batch, generator)).loss(weight).mean()
        )
        flops = batch * self.module.training_flops(grid, example.text.tokens.shape[1])
        return StepLoss(loss, batch, flops, {f"loss_{name}": float(loss.detach())})

    def _temperature(self, batch: int, generator: torch.Generator) -> Tensor:
        """How large the noise of each clip is (b,): 1 for most, less for `cool_share` of them, 0 for some."""
        lower = (2 * torch.rand(batch, generator=generator) - 1).clamp_min(0)
        return torch.where(torch.rand(batch, generator=generator) < self.config.cool_share, lower, 1.0)

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the blocks and of what is told of tracks."""
        return inner_matrix(name, parameter)

    def evaluate(self) -> dict[str, float]:
        """Loss on clips kept out of training, at fixed noise levels shared by all frames."""
        figures = {}
        for bucket in self.held_out:
            example = self._draw(bucket, self.config.held_out_batch, seeded(0))
            for level in (0.3, 0.6, 0.85, 0.97):
                sigma = torch.full(example.latents.shape[:1] + example.latents.shape[2:3], level)
                found = example.guess(self.predict.eager, sigma, seeded(1))
                for part, weight in (("", None), ("_objects", example.in_boxes)):
                    figures[f"{bucket.bucket.name}{part}@{level}"] = float(found.loss(weight).mean())
            sigma = torch.ones(example.latents.shape[:1] + example.latents.shape[2:3])
            nothing = torch.zeros(len(sigma))
            found = example.guess(self.predict.eager, sigma, seeded(0), nothing)
            figures[f"{bucket.bucket.name}_error_from_nothing"] = float(found.loss().mean().sqrt())
        return figures

    def save_samples(self, path: Path) -> None:
        """Held-out clips and pictures, and what is generated from their captions and tracks."""
        videos, labels = [], []
        for bucket in self.held_out:
            example = self._draw(bucket, self.config.num_samples, seeded(0))
            with half_precision():
                pairs = [self.vae.decode(part).float() for part in (example.latents, self._sample(example))]
            for index, caption in enumerate(example.captions):
                videos += [Video(frames=to_pixels(video[index]), fps=16) for video in pairs]
                labels += [caption, "generated"]
        if videos:
            write_picture(path, contact_sheet(videos, labels, num_columns=7, num_strips=1))

    def _sample(self, example: "_Example") -> Tensor:
        """Latents (b c t h w) like an example's, from its text and tracks and fixed noise."""
        shape = example.latents.shape
        noise = self.sampling.temperature * torch.randn(shape, generator=seeded(0))
        negative = self.text_encoder.encode([""] * len(noise))
        guidance = Guidance(scale=self.sampling.guidance_scale, interval=self.sampling.guidance_interval)
        velocity = guided(self.module, example.text, negative, guidance, example.tracks)
        return multistep(
            lambda noisy, level: velocity(noisy, level).float(),
            text_to_video("", (shape[0], shape[1], shape[2], shape[3], shape[4])),
            noise,
            shifted_sigmas(self.sampling.num_inference_steps, self.sampling.shift),
        )

    def _draw(
        self, bucket: LatentBucket, batch: int, generator: torch.Generator, in_training: bool = False
    ) -> "_Example":
        """Random clips; in training some of their text and tracks are left out."""
        config = self.config
        latents, tracks, descriptions = bucket.draw(batch, generator)
        chance = torch.rand(batch, generator=generator)
        edges = torch.tensor([config.condition_dropout, config.text_dropout, config.track_dropout]).cumsum(0)
        without_text = (chance < edges[1]) & in_training
        without_tracks = ((chance < edges[0]) | ((chance >= edges[1]) & (chance < edges[2]))) & in_training
        packed = tracks.packed(self.tracks)
        in_boxes = positions_in_boxes(packed, self.tracks, latents.shape[3], latents.shape[4])
        if in_training:
            packed = with_errors(packed, self.tracks, config.track_noise, generator)
        packed = packed * ~without_tracks[:, None, None, None]
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        captions = [
            "" if empty else write_caption(description, rng, config.plain_share)
            for description, empty in zip(descriptions, without_text.tolist(), strict=True)
        ]
        with torch.no_grad(), half_precision():
            text = self.text_encoder.encode(captions, config.text_length)
        return _Example(self.vae.normalise(latents), text, packed, in_boxes, captions)

    def _grid(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Tokens in each direction for latents of (t h w)."""
        (t, h, w), (p, q, r) = shape, self.module.config.patch_size
        return t // p, h // q, w // r


@dataclass(frozen=True, slots=True)
class _Example:
    """Normalised latents (b c t h w) with their text, packed tracks (b c t o) and captions.

    `in_boxes` (b 1 t h w) is 1 where an object is.
    """

    latents: Tensor
    text: TextConditioning
    tracks: Tensor
    in_boxes: Tensor
    captions: list[str]

    def guess(
        self,
        predict: Predict,
        sigma: Tensor,
        generator: torch.Generator,
        temperature: Tensor | None = None,
    ) -> Guess:
        """What a network says of it under new noise at sigma (b t), of a size (b,) if one is given."""
        return guess(predict, self.latents, sigma, self.text, generator, self.tracks, temperature)
