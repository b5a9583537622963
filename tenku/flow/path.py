"""The rectified-flow path between latents and noise, noise levels to train at, and the loss; no networks.

`sigma` is the noise level: 1 is pure noise, 0 is clean. Along the path

    noisy_latents = (1 − sigma) · latents + sigma · noise,    velocity = noise − latents.

Source: Liu et al., arXiv 2209.03003; logit-normal levels: Esser et al., arXiv 2403.03206.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


def add_noise(latents: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Noisy latents at `sigma`, which broadcasts against (b c t h w)."""
    return torch.lerp(latents, noise, sigma)


def velocity_of(latents: Tensor, noise: Tensor) -> Tensor:
    """What the denoiser learns to predict; the same at every sigma."""
    return noise - latents


def latents_from_velocity(noisy_latents: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The clean latents that a velocity implies."""
    return noisy_latents - sigma * velocity


def noise_from_velocity(noisy_latents: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The noise that a velocity implies."""
    return noisy_latents + (1 - sigma) * velocity


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseLevels:
    """From which noise levels training draws, and how they are laid over the latent frames of a clip.

    Levels are logit-normal with a uniform part and a part close to pure noise: few-object scenes decide their
    layout at high noise, and it is learned last. Per-frame patterns are what the timeline will ask for when
    sampling: shared, independent, clean known frames at either end, a ramp.
    """

    logit_mean: float = 1.0
    logit_std: float = 1.2
    uniform_share: float = 0.1
    high_share: float = 0.05
    high_from: float = 0.95
    shared_share: float = 0.55
    independent_share: float = 0.2
    known_share: float = 0.15
    ramp_share: float = 0.1
    known_noise: float = 0.1

    def __post_init__(self) -> None:
        shares = self.shared_share + self.independent_share + self.known_share + self.ramp_share
        if abs(shares - 1) > 1e-6:
            raise ValueError(f"the four per-frame shares must sum to 1, not {shares:.3f}")
        if not 0 <= self.uniform_share + self.high_share <= 1:
            raise ValueError("uniform_share and high_share together must be between 0 and 1")

    def sample(self, batch: int, num_latent_frames: int, generator: torch.Generator | None = None) -> Tensor:
        """Levels (batch num_latent_frames) in 0–1; 0 where a frame is given as it is."""
        shared = self._levels((batch, 1), generator).expand(-1, num_latent_frames)
        if num_latent_frames == 1:
            return shared.clone()
        independent = self._levels((batch, num_latent_frames), generator)
        pattern = torch.rand(batch, 1, generator=generator)
        edges = torch.tensor([self.shared_share, self.independent_share, self.known_share]).cumsum(0)
        sigma = torch.where(pattern < edges[0], shared, independent)
        sigma = torch.where(pattern >= edges[1], self._with_known_ends(shared, generator), sigma)
        return torch.where(pattern >= edges[2], _ramp(shared, num_latent_frames, generator), sigma)

    def _levels(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        level = torch.sigmoid(self.logit_mean + self.logit_std * torch.randn(shape, generator=generator))
        uniform = torch.rand(shape, generator=generator)
        part = torch.rand(shape, generator=generator)
        level = torch.where(part < self.uniform_share, uniform, level)
        high = self.high_from + (1 - self.high_from) * uniform
        return torch.where(part > 1 - self.high_share, high, level)

    def _with_known_ends(self, shared: Tensor, generator: torch.Generator | None) -> Tensor:
        """Known frames at the start, the end or both; half of the clips have them slightly noisy."""
        batch, frames = shared.shape
        position = torch.arange(frames).expand(batch, -1)
        lengths = 1 + (torch.rand(batch, 2, generator=generator) * (frames - 1) / 2).floor().long()
        side = torch.randint(4, (batch, 1), generator=generator)  # 0, 1: start; 2: end; 3: both
        known = ((side != 2) & (position < lengths[:, :1])) | (
            (side >= 2) & (position >= frames - lengths[:, 1:])
        )
        known &= ~known.all(1, keepdim=True)
        slight = self.known_noise * torch.rand(batch, 1, generator=generator)
        slight = slight * (torch.rand(batch, 1, generator=generator) < 0.5)
        return torch.where(known, slight, shared)


def _ramp(shared: Tensor, num_latent_frames: int, generator: torch.Generator | None) -> Tensor:
    """Levels that rise through the clip, as in a window that slides along a long timeline."""
    steps = torch.linspace(0, 1, num_latent_frames).expand(len(shared), -1)
    start = torch.rand(len(shared), 1, generator=generator) * 0.5
    return (start + (1 - start) * steps) * shared.clamp_min(0.3)


def flow_loss(
    predicted: Tensor, latents: Tensor, noise: Tensor, sigma: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Mean squared velocity error per clip (b,), over the positions that are not given (sigma > 0).

    All of shape (b c t h w); sigma and weight, how much a position counts, broadcast.
    """
    error = (predicted.float() - velocity_of(latents, noise)).square()
    counted = (sigma > 0).to(error.dtype)
    counted = (counted if weight is None else counted * weight).expand_as(error)
    return (error * counted).flatten(1).sum(1) / counted.flatten(1).sum(1).clamp_min(1e-6)
