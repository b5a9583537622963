"""The stage that trains the draft: from where balls are straight to latents, a frame at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tenku.denoiser import Draft, Drafter
from tenku.evaluation.phyworld.scoring import find_balls, velocity_errors
from tenku.pipeline.phyworld import ball_tracks, to_frames
from tenku.training.device import half_precision
from tenku.training.flow_step import inner_matrix
from tenku.training.phyworld.clips import PhyWorldTaskConfig, drawn, enlarged, save_pairs
from tenku.training.trainer import StepLoss
from tenku.vae import VideoAutoencoder, from_pixels
from tenku.worlds.phyworld import Motions, draw


class PhyWorldDraftTask:
    """Predict the latents of single frames from where the balls are."""

    def __init__(
        self,
        module: Drafter,
        vae: VideoAutoencoder,
        training: Motions,
        held_out: Motions,
        config: PhyWorldTaskConfig,
        name: str = "draft",
    ) -> None:
        self.module, self.vae, self.config, self.name = module, vae, config, name
        self.training, self.held_out = training, held_out

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Squared error of the mean, and how far the spread is from it, over a batch of frames."""
        motions = drawn(self.training, self.config.batch_size, generator)
        frames = torch.randint(motions.positions.shape[1], (len(motions),), generator=generator).cpu().numpy()
        still = motions.positions[np.arange(len(motions)), frames][:, None]
        seen = enlarged(replace(motions, positions=still), self.config, generator)
        latents, draft = self._pair(seen.positions, seen.radii, self.config.autocast)
        flops = len(latents) * self.module.training_flops(latents[0, 0].numel())
        error = float((draft.mean.detach() - latents).square().mean().sqrt())
        return StepLoss(draft.loss(latents).mean(), len(latents), flops, {"error": error})

    def _pair(
        self, positions: npt.NDArray[np.float32], radii: npt.NDArray[np.float32], autocast: bool
    ) -> tuple[Tensor, Draft]:
        with torch.no_grad():
            latents = self.vae.encode(from_pixels(draw(positions, radii, self.config.size)))
        tracks = ball_tracks(torch.as_tensor(positions), torch.as_tensor(radii))
        with half_precision(enabled=autocast):
            draft: Draft = self.module(tracks.packed(self.module.config), *latents.shape[3:])
        return latents, draft

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices inside."""
        return inner_matrix(f"drafter.{name}", parameter)

    def evaluate(self) -> dict[str, float]:
        """Root mean square error of latents, and the velocity error of clips that are drawn along their true
        tracks."""
        true = self.held_out
        latents, draft = self._pair(true.positions, true.radii, False)
        frames = to_frames(self.vae.decode(draft.mean))
        errors = velocity_errors(find_balls(frames, true.radii.shape[1]), true)
        return {
            "error": float((draft.mean - latents).square().mean().sqrt()),
            "velocity_error": float(np.nanmean(errors.each)),
        }

    def save_samples(self, path: Path) -> None:
        """True clips above their drafts."""
        few = self.held_out.take(range(min(6, len(self.held_out))))
        _, draft = self._pair(few.positions, few.radii, False)
        save_pairs(
            path, draw(few.positions, few.radii, self.config.size), to_frames(self.vae.decode(draft.mean))
        )
