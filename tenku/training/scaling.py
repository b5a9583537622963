"""What a scaling run adds to the stage of the drafter: a figure on all held-out data, and what steps cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tenku.data.latents import LatentBucket
from tenku.denoiser import Drafter, TrackConfig
from tenku.training.draft import DraftTask, DraftTaskConfig
from tenku.training.trainer import StepLoss
from tenku.vae import VideoAutoencoder

_POSITIONS = 8_192  # at a time


@dataclass(frozen=True, slots=True)
class HeldOutDrafts:
    """Kept-back clips and pictures, by bucket: normalised latents (n c t h w) and packed tracks (n c t o)."""

    buckets: tuple[tuple[Tensor, Tensor], ...]

    @classmethod
    def of(
        cls, buckets: Sequence[LatentBucket], vae: VideoAutoencoder, config: TrackConfig
    ) -> "HeldOutDrafts":
        """All clips of some buckets."""
        loaded = []
        for bucket in buckets:
            latents = torch.as_tensor(np.concatenate(bucket.chunks)).float()
            tracks, _ = bucket.sketches.take(range(len(latents)), [False] * len(latents))
            loaded.append((vae.normalise(latents), tracks.packed(config)))
        return cls(tuple(loaded))

    def loss_of_nothing(self) -> float:
        """That of a draft that is 0 everywhere, which is what a new drafter makes."""
        squared = sum(float(latents.square().sum()) for latents, _ in self.buckets)
        return squared / sum(latents.numel() for latents, _ in self.buckets)

    @torch.no_grad()
    def loss(self, module: Drafter) -> float:
        """Mean squared error of the draft over all channels of all positions, of clips and pictures alike."""
        device = next(module.parameters()).device
        squared, count = 0.0, 0
        for latents, packed in self.buckets:
            t, h, w = latents.shape[2:]
            batch = max(1, _POSITIONS // (t * h * w))
            for clips, rows in zip(torch.split(latents, batch), torch.split(packed, batch), strict=True):
                with torch.autocast(device.type, torch.bfloat16):
                    draft = module(rows.to(device), h, w)
                squared += float((draft.mean.float() - clips.to(device)).square().sum())
                count += clips.numel()
        return squared / count


class ScalingTask(DraftTask):
    """The stage of the drafter as one of many runs: nothing is drawn while it runs, and costs are logged."""

    name = "scaling"

    def __init__(
        self,
        module: Drafter,
        vae: VideoAutoencoder,
        training: Sequence[LatentBucket],
        held_out: HeldOutDrafts,
        config: DraftTaskConfig,
    ) -> None:
        super().__init__(module, vae, training, (), config)
        self.measured = held_out
        self.positions = {bucket.bucket.name: _num_positions(bucket) for bucket in training}

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """The draft's loss over a batch of one bucket; the step's `flops` and `positions` are logged too."""
        result = super().loss(step, generator)
        positions = result.flops / self.module.training_flops(1)
        return replace(result, figures={**result.figures, "flops": result.flops, "positions": positions})

    def evaluate(self) -> dict[str, float]:
        """The loss on all that is kept back."""
        return {"held_out_loss": self.measured.loss(self.module)}

    def save_samples(self, path: Path) -> None:
        """Nothing: samples of all runs are drawn side by side when they are done."""


def positions_per_step(buckets: Sequence[LatentBucket], config: DraftTaskConfig) -> float:
    """Positions of a step on average: a step is of whole clips."""
    shares = {b.bucket.name: config.bucket_shares.get(b.bucket.name, 0.0) for b in buckets}
    sizes = {b.bucket.name: _num_positions(b) for b in buckets}
    steps = {
        name: share * size * max(1, round(config.positions_per_step / size))
        for (name, share), size in zip(shares.items(), sizes.values(), strict=True)
    }
    return sum(steps.values()) / sum(shares.values())


def _num_positions(bucket: LatentBucket) -> int:
    t, h, w = bucket.shape
    return t * h * w
