"""The stage that trains the drafter: from tracks straight to latents, without noise and without words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from tenku.data.latents import LatentBucket
from tenku.denoiser import Draft, Drafter, TrackConfig, positions_in_boxes
from tenku.media import Video, contact_sheet, write_picture
from tenku.training.device import half_precision, seeded
from tenku.training.flow_step import Compiled, inner_matrix
from tenku.training.mixture import latent_mixture
from tenku.training.trainer import StepLoss
from tenku.vae import VideoAutoencoder, to_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class DraftTaskConfig:
    """What a step is made of: as many clips of one bucket as have `positions_per_step` latent positions.

    `bucket_shares` are of the steps, by bucket name. Poses in tracks are off by up to about `track_noise`, as
    those of a planner are. What lies in a box counts `object_weight` times as much as what does not.
    """

    bucket_shares: Mapping[str, float]
    positions_per_step: int = 8_192
    track_noise: float = 0.01
    object_weight: float = 3.0
    compile_from: float = 0.1
    held_out_batch: int = 32
    num_samples: int = 6


class DraftTask:
    """Predict normalised latents from tracks."""

    name = "draft"

    def __init__(
        self,
        module: Drafter,
        vae: VideoAutoencoder,
        training: Sequence[LatentBucket],
        held_out: Sequence[LatentBucket],
        config: DraftTaskConfig,
    ) -> None:
        self.module = module
        self.vae = vae.eval().requires_grad_(False)
        self.config, self.held_out = config, held_out
        self.training = latent_mixture(training, config.bucket_shares)
        self.draft = Compiled[Draft](
            partial(_draft, module), list(self.training.buckets), config.bucket_shares, config.compile_from
        )

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """The draft's loss over a batch of one bucket."""
        name, bucket = self.training.draw(generator)
        t, h, w = bucket.shape
        batch = max(1, round(self.config.positions_per_step / (t * h * w)))
        latents, packed, in_boxes = self._draw(bucket, batch, generator)
        packed = with_errors(packed, self.module.config, self.config.track_noise, generator)
        draft = self.draft[name](packed, h, w)
        loss = draft.loss(latents, 1 + (self.config.object_weight - 1) * in_boxes).mean()
        error = float((draft.mean.detach() - latents).square().mean())
        flops = batch * self.module.training_flops(t * h * w)
        return StepLoss(loss, batch, flops, {f"error_{name}": error})

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices inside."""
        return inner_matrix(f"drafter.{name}", parameter)

    def evaluate(self) -> dict[str, float]:
        """Root mean square error of the draft on clips kept out of training, and of what lies in boxes."""
        figures = {}
        for bucket in self.held_out:
            latents, packed, in_boxes = self._draw(bucket, self.config.held_out_batch, seeded(0))
            means = [self.draft.eager(row, *latents.shape[3:]).mean for row in torch.split(packed, 1)]
            squared = (torch.cat(means) - latents).square().mean(1, keepdim=True)
            figures[f"{bucket.bucket.name}_error"] = float(squared.mean().sqrt())
            figures[f"{bucket.bucket.name}_object_error"] = float(
                ((squared * in_boxes).sum() / in_boxes.sum().clamp_min(1)).sqrt()
            )
        return figures

    def save_samples(self, path: Path) -> None:
        """Held-out clips and pictures above their drafts."""
        videos = []
        for bucket in self.held_out:
            latents, packed, _ = self._draw(bucket, self.config.num_samples, seeded(0))
            draft = self.draft.eager(packed, *latents.shape[3:])
            with half_precision():
                pairs = [self.vae.decode(part).float() for part in (latents, draft.mean)]
            videos += [
                Video(frames=to_pixels(video[index]), fps=16)
                for index in range(len(latents))
                for video in pairs
            ]
        if videos:
            write_picture(path, contact_sheet(videos, num_columns=7, num_strips=1))

    def _draw(
        self, bucket: LatentBucket, batch: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Random clips: normalised latents (b c t h w), packed tracks (b c t o), and what lies in boxes."""
        latents, tracks, _ = bucket.draw(batch, generator)
        packed = tracks.packed(self.module.config)
        in_boxes = positions_in_boxes(packed, self.module.config, *latents.shape[3:])
        return self.vae.normalise(latents), packed, in_boxes


def _draft(module: Drafter, packed: Tensor, height: int, width: int) -> Draft:
    with torch.autocast(packed.device.type, torch.bfloat16):
        draft: Draft = module(packed, height, width)
    return draft


def with_errors(packed: Tensor, config: TrackConfig, size: float, generator: torch.Generator) -> Tensor:
    """The same tracks (b c t o) with errors of up to `size` in the poses of what is there: as large for all
    poses of a clip, as a planner's are, and small in most clips."""
    first = config.poses.start
    poses = packed[:, first:, :, :-1]
    amount = size * torch.rand(len(packed), 1, 1, 1, generator=generator)
    off = packed.clone()
    off[:, first:, :, :-1] += amount * torch.randn(poses.shape, generator=generator) * packed[:, :1, :, :-1]
    return off
