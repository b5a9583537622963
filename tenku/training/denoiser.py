"""The stage that trains the denoiser: latents of pictures and clips of several shapes, one bucket a step."""

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tenku.checkpoint import SamplingDefaults
from tenku.data.latents import LatentBucket
from tenku.denoiser import Denoiser
from tenku.flow import NoiseLevels, add_noise, flow_loss
from tenku.media import Video, contact_sheet, write_picture
from tenku.sampling import Guidance, guided_velocity, multistep, shifted_sigmas
from tenku.text import TextConditioning, TextEncoder
from tenku.timeline import text_to_video
from tenku.training.text import write_caption
from tenku.training.trainer import StepLoss, is_matrix
from tenku.vae import VideoAutoencoder, to_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserTaskConfig:
    """What a step is made of, and what is looked at now and then.

    `bucket_shares` are of the steps, by bucket name; `plain_share` is of captions that name everything
    plainly; `sample_grids` are sizes (t h w) of latents, one set of samples of all prompts for each.
    """

    bucket_shares: Mapping[str, float]
    tokens_per_step: int = 8192
    noise_levels: NoiseLevels = field(default_factory=NoiseLevels)
    text_dropout: float = 0.1
    plain_share: float = 0.15
    text_length: int = 64
    compiled: bool = True
    held_out_batch: int = 32
    sample_grids: tuple[tuple[int, int, int], ...] = ((9, 16, 16), (1, 16, 16))
    sample_prompts: tuple[str, ...] = (
        "a red rubber ball falls and bounces next to a blue metal cube",
        "A large yellow metal cube slides in from the left.",
        "一个绿色的木头圆柱和一个紫色的圆锥静静地停在木地板上。",
        "a cyan metal ring rolls in from the right on a checkerboard floor",
        "two small orange balls fall",
        "一个灰色的大胶囊旋转，镜头拉近。",
    )


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
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.vae = vae.eval().requires_grad_(False)
        self.config, self.held_out = config, held_out
        self.sampling = sampling or SamplingDefaults()
        self.buckets = [b for b in training if config.bucket_shares.get(b.bucket.name, 0) > 0]
        if not self.buckets:
            raise ValueError("no bucket with a share of the steps has clips: simulate and encode them first")
        self.shares = torch.tensor([config.bucket_shares[b.bucket.name] for b in self.buckets])
        for bucket in self.buckets:  # all tables before anything is compiled, which guards on what there is
            module.rotary(self._grid(bucket.shape), module.patch_in.weight)
        self.predict = compiled(module, len(self.buckets)) if config.compiled and can_compile() else module

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Flow loss over a batch of one bucket."""
        bucket = self.buckets[int(torch.multinomial(self.shares, 1, generator=generator))]
        tokens = self._tokens(bucket.shape)
        batch = max(1, round(self.config.tokens_per_step / tokens))
        latents, text = self._draw(bucket, batch, generator, self.config.text_dropout)
        sigma = self.config.noise_levels.sample(batch, latents.shape[2], generator)
        loss = self._flow_loss(latents, sigma, text, generator).mean()
        flops = batch * self.module.config.training_flops(tokens, text.tokens.shape[1])
        return StepLoss(loss, batch, flops, {f"loss_{bucket.bucket.name}": float(loss.detach())})

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the blocks, not their modulation tables."""
        return is_matrix(name, parameter, ()) and name.startswith("blocks") and "modulation" not in name

    def evaluate(self) -> dict[str, float]:
        """Loss on clips kept out of training, at fixed noise levels shared by all frames."""
        figures = {}
        for bucket in self.held_out:
            generator = torch.Generator().manual_seed(0)
            latents, text = self._draw(bucket, self.config.held_out_batch, generator, 0.0)
            for level in (0.3, 0.6, 0.85, 0.97):
                sigma = torch.full((len(latents), latents.shape[2]), level)
                loss = self._flow_loss(latents, sigma, text, torch.Generator().manual_seed(1))
                figures[f"{bucket.bucket.name}@{level}"] = float(loss.mean())
        return figures

    def save_samples(self, path: Path) -> None:
        """Clips and pictures of fixed prompts from fixed noise."""
        prompts = self.config.sample_prompts
        videos = [
            Video(frames=to_pixels(video), fps=16)
            for grid in self.config.sample_grids
            for video in self._sample(prompts, grid)
        ]
        labels = prompts * len(self.config.sample_grids)
        write_picture(path, contact_sheet(videos, labels, num_columns=7, num_strips=1))

    def _sample(self, prompts: Sequence[str], grid: tuple[int, int, int]) -> Tensor:
        """Videos (b 3 t h w) of prompts, each on latents of size (t h w)."""
        shape = (len(prompts), self.vae.config.latent_channels, *grid)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        positive = self.text_encoder.encode(prompts)
        negative = self.text_encoder.encode([""] * len(prompts))
        guidance = Guidance(scale=self.sampling.guidance_scale, interval=self.sampling.guidance_interval)
        with torch.autocast("cpu", torch.bfloat16):
            latents = multistep(
                lambda noisy, level: guided_velocity(
                    self.module, noisy, level, positive, negative, guidance
                ).float(),
                text_to_video("", shape),
                noise,
                shifted_sigmas(self.sampling.num_inference_steps, self.sampling.shift),
            )
            return self.vae.decode(latents).float()

    def _draw(
        self, bucket: LatentBucket, batch: int, generator: torch.Generator, dropout: float
    ) -> tuple[Tensor, TextConditioning]:
        """Normalised latents and captions of random clips, `dropout` of the captions left out."""
        latents, descriptions = bucket.draw(batch, generator)
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        texts = [
            "" if rng.random() < dropout else write_caption(description, rng, self.config.plain_share)
            for description in descriptions
        ]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            text = self.text_encoder.encode(texts, self.config.text_length)
        return self.vae.normalise(latents), text

    def _flow_loss(
        self, latents: Tensor, sigma: Tensor, text: TextConditioning, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(latents.shape, generator=generator)
        spread = sigma[:, None, :, None, None]
        # Compiled for the shapes of training only; evaluation has others.
        predict = self.predict if self.module.training else self.module
        with torch.autocast("cpu", torch.bfloat16):
            velocity = predict(add_noise(latents, noise, spread), sigma, text.tokens, text.mask)
        return flow_loss(velocity, latents, noise, spread)

    def _tokens(self, shape: tuple[int, int, int]) -> int:
        return math.prod(self._grid(shape))

    def _grid(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Tokens in each direction for latents of (t h w)."""
        (t, h, w), (p, q, r) = shape, self.module.config.patch_size
        return t // p, h // q, w // r


def compiled(module: nn.Module, num_shapes: int) -> Callable[..., Tensor]:
    """A module compiled for each of so many shapes; past its limit torch would go on uncompiled, silently."""
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, num_shapes + 1)
    function: Callable[..., Tensor] = torch.compile(module, dynamic=False)
    return function


def can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs on a CPU."""
    return torch.cuda.is_available() or any(shutil.which(name) for name in ("g++", "clang++", "c++"))
