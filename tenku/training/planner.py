"""The stage that trains the planner: from what a caption says to tracks, without a pixel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tenku.data.tracks import Sketches, in_canonical_order
from tenku.denoiser import Denoiser, TrackConfig
from tenku.flow import NoiseLevels
from tenku.media import contact_sheet, write_picture
from tenku.sampling import sample_tracks
from tenku.text import TextConditioning, TextEncoder
from tenku.timeline import Tracks
from tenku.timeline.plans import plan_latents
from tenku.training.device import half_precision, seeded
from tenku.training.drawing import draw_tracks
from tenku.training.flow_step import compiled_denoiser, guess, inner_matrix
from tenku.training.mixture import Mixture
from tenku.training.text import write_caption
from tenku.training.trainer import StepLoss
from tenku.worlds.description import SceneDescription


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerTaskConfig:
    """Batch, shares of the steps by bucket name, and how captions are drawn and left out.

    Half of the clips of buckets longer than `window` are cut to so many of their frames, anywhere after the
    first: to go on from what is known is learned there. In a known frame each object is unknown with a chance
    of `unseen_share`. Buckets with at least `compile_from` of the steps are compiled; samples take
    `num_steps` and `guidance_scale`.
    """

    bucket_shares: Mapping[str, float]
    batch_size: int = 96
    noise_levels: NoiseLevels = field(
        default_factory=lambda: NoiseLevels(
            logit_mean=0.3,
            logit_std=1.2,
            shared_share=0.5,
            independent_share=0.08,
            known_share=0.36,
            ramp_share=0.06,
        )
    )
    window: str = "sketch"
    unseen_share: float = 0.1
    text_dropout: float = 0.05
    plain_share: float = 0.2
    text_length: int = 64
    held_out_batch: int = 256
    num_steps: int = 16
    guidance_scale: float = 2.5
    compile_from: float = 0.1


class PlannerTask:
    """Predict the velocity of noisy tracks, given what the registers hold of captions in both languages."""

    name = "planner"

    def __init__(
        self,
        module: Denoiser,
        text_encoder: TextEncoder,
        tracks: TrackConfig,
        training: Mapping[str, Sketches],
        held_out: Sketches | None,
        config: PlannerTaskConfig,
    ) -> None:
        self.module = module
        self.text_encoder = text_encoder.eval().requires_grad_(False)
        self.tracks, self.config = tracks, config
        if held_out is None:
            raise ValueError("no sketches are left to judge the planner by: simulate more")
        self.held_out = held_out
        self.training = Mixture(training, config.bucket_shares, "sketches: simulate them first")
        rows = module.config.named_rows
        lengths = {name: sketches.poses.shape[1] for name, sketches in self.training.buckets.items()}
        grids = {n: (1 + (t - 1) // tracks.frames_per_latent, rows, 1) for n, t in lengths.items()}
        self.lengths = {name: grid[0] for name, grid in grids.items()}
        self.predict = compiled_denoiser(module, grids, config.bucket_shares, config.compile_from)

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Flow loss over a batch of one bucket, half of it mirrored."""
        name, sketches = self.training.draw(generator)
        batch = self.config.batch_size
        chosen = torch.randint(len(sketches), (batch,), generator=generator).tolist()
        mirrored = sketches.mirrored(chosen, generator)
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        tracks, descriptions = self._take(sketches, chosen, mirrored)
        captions = [
            "" if rng.random() < self.config.text_dropout else write_caption(d, rng, self.config.plain_share)
            for d in descriptions
        ]
        latents, name = self._window(self._latents(tracks), name, generator)
        text = self._encode(captions)
        sigma = self._levels(latents, generator)
        loss = guess(self.predict[name], latents, sigma, text, generator).loss().mean()
        grid = (latents.shape[2], latents.shape[3], 1)
        flops = batch * self.module.training_flops(grid, text.tokens.shape[1])
        return StepLoss(loss, batch, flops, {})

    def _window(self, latents: Tensor, name: str, generator: torch.Generator) -> tuple[Tensor, str]:
        """Half of the time only a window of a long bucket, and the bucket that is as long."""
        length = self.lengths.get(self.config.window, 0)
        room = latents.shape[2] - length
        if not length or room < 1 or torch.rand((), generator=generator) < 0.5:
            return latents, name
        start = 1 + int(torch.randint(room, (), generator=generator))
        return latents[:, :, start : start + length], self.config.window

    def _levels(self, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Noise levels (b t o 1): those of the frames, but what is not seen is as noisy as the rest."""
        b, _, t, o, _ = latents.shape
        frames = self.config.noise_levels.sample(b, t, generator)
        sigma = frames[:, :, None].expand(-1, -1, o).clone()
        unseen = torch.rand(b, 1, o, generator=generator) < self.config.unseen_share
        return torch.where(unseen, frames.amax(1)[:, None, None], sigma)[..., None]

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the blocks."""
        return inner_matrix(name, parameter)

    def evaluate(self) -> dict[str, float]:
        """Loss on held-out sketches, and how often sampled tracks have what the plain prompt says."""
        tracks, descriptions = self._held_out(self.config.held_out_batch)
        text = self._encode(_captions(descriptions, 1.0))
        latents = self._latents(tracks)
        figures = {}
        for level in (0.3, 0.6, 0.9):
            sigma = torch.full(latents.shape[:1] + latents.shape[2:3], level)
            found = guess(self.predict.eager, latents, sigma, text, seeded(1))
            figures[f"loss@{level}"] = float(found.loss().mean())
        return figures | _agreement(self.sample(text, latents.shape), tracks, self.tracks)

    def save_samples(self, path: Path) -> None:
        """True tracks beside sampled ones, each a picture of outlines."""
        tracks, descriptions = self._held_out(12)
        captions = _captions(descriptions, 0.5)
        sampled = self.sample(self._encode(captions), self._latents(tracks).shape)
        videos = [
            video for pair in zip(draw_tracks(tracks), draw_tracks(sampled), strict=True) for video in pair
        ]
        labels = [label for caption in captions for label in (caption, "sampled")]
        write_picture(path, contact_sheet(videos, labels, num_columns=7, num_strips=1))

    def sample(self, text: TextConditioning, shape: torch.Size) -> Tracks:
        """Tracks of texts, from fixed noise of a planner's latents' shape (b c t o 1)."""
        noise = torch.randn(shape, generator=seeded(0))
        with half_precision():
            return sample_tracks(
                self.module,
                text,
                self._encode([""] * len(text)),
                self.tracks,
                noise,
                self.config.num_steps,
                self.config.guidance_scale,
            )

    def _held_out(self, count: int) -> tuple[Tracks, list[SceneDescription]]:
        chosen = range(min(count, len(self.held_out)))
        return self._take(self.held_out, chosen, [False] * len(chosen))

    def _take(
        self, sketches: Sketches, chosen: Sequence[int], mirrored: Sequence[bool]
    ) -> tuple[Tracks, list[SceneDescription]]:
        tracks, descriptions = sketches.take(chosen, mirrored)
        return in_canonical_order(tracks, descriptions, self.tracks.max_objects), descriptions

    def _latents(self, tracks: Tracks) -> Tensor:
        return plan_latents(tracks.packed(self.tracks), self.tracks)

    def _encode(self, captions: Sequence[str]) -> TextConditioning:
        with torch.no_grad(), half_precision():
            text = self.text_encoder.encode(captions, self.config.text_length)
        return text.first(self.text_encoder.config.num_registers)


def _captions(descriptions: Sequence[SceneDescription], plain_share: float) -> list[str]:
    rng = np.random.default_rng(3)
    return [write_caption(description, rng, plain_share) for description in descriptions]


def _agreement(sampled: Tracks, true: Tracks, config: TrackConfig) -> dict[str, float]:
    """Share of clips with the right number of objects, and of objects with each attribute right."""
    right = (sampled.present == true.present).all(1)
    figures = {"count": float(right.float().mean())}
    there = (sampled.present > 0) & (true.present > 0)
    names = ("colour", "shape", "material", "size")
    parts = zip(
        torch.split(sampled.looks, list(config.look_sizes), -1),
        torch.split(true.looks, list(config.look_sizes), -1),
        strict=True,
    )
    for name, (ours, theirs) in zip(names, parts, strict=True):
        alike = (ours.argmax(-1) == theirs.argmax(-1)) & there
        figures[name] = float(alike.sum() / there.sum().clamp(min=1))
    return figures
