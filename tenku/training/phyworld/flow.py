"""The stages that denoise what follows known frames: latents of clips, or changes of velocities."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tenku.denoiser import Denoiser
from tenku.evaluation.phyworld.scoring import find_balls, velocity_errors
from tenku.flow import add_noise, flow_loss
from tenku.pipeline.phyworld import VELOCITY_UNIT, PhyWorldModel, plan_of, sights
from tenku.text import TextConditioning
from tenku.training.device import half_precision, seeded
from tenku.training.flow_step import inner_matrix
from tenku.training.phyworld.clips import PhyWorldTaskConfig, drawn, enlarged, factors, save_pairs
from tenku.training.trainer import StepLoss
from tenku.vae import VideoAutoencoder, from_pixels
from tenku.worlds.phyworld import FRAME_SECONDS, KNOWN_FRAMES, Motions, draw


class _FlowTask:
    """What planner and denoiser share: a batch under noise that begins after the known frames."""

    def __init__(self, module: Denoiser, text: TextConditioning, config: PhyWorldTaskConfig) -> None:
        self.module, self.text, self.config = module, text, config

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the blocks."""
        return inner_matrix(name, parameter)

    def _flow_loss(self, latents: Tensor, generator: torch.Generator, conditions: Tensor | None) -> Tensor:
        b, t = len(latents), latents.shape[2]
        level = self.config.noise_levels.sample(b, t, generator)
        nothing = torch.rand(b, 1, generator=generator) < self.config.from_nothing
        sigma = torch.where(nothing, 1.0, level)
        known = torch.arange(t) < KNOWN_FRAMES
        sigma = sigma.masked_fill(known, 0.0)
        size = torch.where(nothing, 0.0, 1.0)[:, :, None, None, None]
        noise = size * torch.randn(latents.shape, generator=generator)
        spread = sigma[:, None, :, None, None]
        seen = add_noise(latents, noise, spread)
        if self.config.known_noise:
            shaken = self.config.known_noise * torch.randn(seen.shape, generator=generator)
            seen = seen + shaken * known[:, None, None]
        text = self.text.tokens.expand(b, -1, -1), self.text.mask.expand(b, -1)
        with half_precision(enabled=self.config.autocast):
            velocity = self.module(seen, sigma, *text, None, conditions)
        return flow_loss(velocity, latents, noise, spread).mean()


class PhyWorldLatentsTask(_FlowTask):
    """Denoise the latents of clips whose first frames are known."""

    name = "denoiser"

    def __init__(
        self,
        module: Denoiser,
        vae: VideoAutoencoder,
        text: TextConditioning,
        training: Motions,
        held_out: Motions,
        config: PhyWorldTaskConfig,
        model: PhyWorldModel,
    ) -> None:
        super().__init__(module, text, config)
        self.vae, self.training, self.held_out, self.model = vae, training, held_out, model

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Flow loss over a batch of clips."""
        motions = drawn(self.training, self.config.batch_size, generator)
        motions = enlarged(motions, self.config, generator)
        video = from_pixels(draw(motions.positions, motions.radii, self.config.size))
        with torch.no_grad():
            latents = self.vae.encode(video)
        loss = self._flow_loss(latents, generator, None)
        t, h, w = latents.shape[2:]
        p, q, r = self.module.config.patch_size
        flops = len(latents) * self.module.training_flops((t // p, h // q, w // r), self.text.tokens.shape[1])
        return StepLoss(loss, len(latents), flops)

    def evaluate(self) -> dict[str, float]:
        """Velocity error on clips kept out of training."""
        true = self.held_out
        frames = draw(true.positions, true.radii, self.config.size)
        made = self.model.go_on(frames[:, :KNOWN_FRAMES])
        errors = velocity_errors(find_balls(made, true.radii.shape[1]), true)
        return {
            "velocity_error": float(np.nanmean(errors.each)),
            "mean_velocity_error": float(np.nanmean(errors.mean)),
        }

    def save_samples(self, path: Path) -> None:
        """True clips above what is made of their first frames."""
        frames = draw(self.held_out.positions[:6], self.held_out.radii[:6], self.config.size)
        save_pairs(path, frames, self.model.go_on(frames[:, :KNOWN_FRAMES]))


class PhyWorldPlannerTask(_FlowTask):
    """Denoise how velocities change after the known frames."""

    name = "planner"

    def __init__(
        self,
        module: Denoiser,
        text: TextConditioning,
        training: Motions,
        held_out: Motions,
        config: PhyWorldTaskConfig,
    ) -> None:
        super().__init__(module, text, config)
        self.training, self.held_out = training, held_out

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Flow loss over a batch of motions."""
        motions = drawn(self.training, self.config.batch_size, generator)
        positions, radii = torch.as_tensor(motions.positions), torch.as_tensor(motions.radii)
        plan, seen = _seen_and_planned(positions, radii, self.config, generator)
        loss = self._flow_loss(plan, generator, seen)
        grid = (plan.shape[2], plan.shape[3], 1)
        flops = len(plan) * self.module.training_flops(grid, self.text.tokens.shape[1])
        return StepLoss(loss, len(plan), flops)

    def evaluate(self) -> dict[str, float]:
        """The mean error of velocities, in world units a second, on motions kept out of training."""
        positions = torch.as_tensor(self.held_out.positions)
        radii = torch.as_tensor(self.held_out.radii)
        still = replace(self.config, scales=(1.0, 1.0), mirror=False)
        plan, seen = _seen_and_planned(positions, radii, still, seeded(0))
        level = torch.ones(len(plan), plan.shape[2])
        level[:, :KNOWN_FRAMES] = 0
        text = self.text.tokens.expand(len(plan), -1, -1), self.text.mask.expand(len(plan), -1)
        velocity = self.module(torch.zeros_like(plan), level, *text, None, seen)
        error = (velocity + plan)[:, :, KNOWN_FRAMES:] * VELOCITY_UNIT
        return {
            "velocity_error": float(error.abs().mean()),
            "root_mean_square": float(error.square().mean().sqrt()),
        }

    def save_samples(self, path: Path) -> None:
        """There is nothing to be seen: tracks are numbers."""


def _seen_and_planned(
    positions: Tensor, radii: Tensor, config: PhyWorldTaskConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A planner's latents and its conditions, of positions (b t n 2) and radii (b n) that are stretched and
    mirrored as the configuration says."""
    b = len(radii)
    scale = factors(config.scales, b, generator)
    positions, radii = positions * scale[:, None, None, None], radii * scale[:, None]
    if config.mirror:
        flip = torch.where(torch.rand(b, generator=generator) < 0.5, -1.0, 1.0)
        positions = positions * torch.stack([flip, torch.ones(b)], -1)[:, None, None]
    velocities = positions.diff(dim=1) / FRAME_SECONDS
    start = velocities[:, : KNOWN_FRAMES - 1].mean(1)
    last = positions[:, :KNOWN_FRAMES].mean(1) + start * (KNOWN_FRAMES - 1) / 2 * FRAME_SECONDS
    seconds = (torch.arange(positions.shape[1]) - KNOWN_FRAMES + 1) * FRAME_SECONDS
    seen = sights(last, start, radii, seconds)
    return plan_of(torch.cat([start[:, None], velocities], 1), start), seen
