"""The stage that sharpens the decoder: it learns to show what probably was, not the mean of all that may be.

Squared and absolute errors reward the mean: edges that may lie here or there come out soft. A critic that is
trained beside the decoder tells true frames from decoded ones (Goodfellow et al. 2014; patches as in Isola et
al. 2017, hinge loss), and the decoder learns from it what true ones look like, from latents of true clips and
from what the model itself paints along the tracks of the same clips. The encoder and the linear path stay.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from tenku.media import Video, contact_sheet, write_picture
from tenku.training.device import half_precision, seeded
from tenku.training.painted import PaintedClips
from tenku.training.trainer import StepLoss
from tenku.training.vae import psnr, psnr_of
from tenku.vae import VideoAutoencoder, to_pixels

_SLOPE = 0.2  # of the critic's leaky rectifiers
_STRIDE = 4  # pixels from one patch of the critic to the next


@dataclass(frozen=True, kw_only=True, slots=True)
class SharpeningTaskConfig:
    """Batches and weights of sharpening.

    Every clip of a batch is decoded twice, from its own latents and from painted ones. What the critic says
    changes decoded pixels as much as `true_share` and `painted_share` of what their errors say does, root
    mean squares of the two gradients. `crop` is pixels a side, a multiple of 8.
    """

    batch_size: int = 3
    crop: int = 64
    num_latent_frames: int = 4
    whole_picture_every: int = 4
    true_share: float = 0.4
    painted_share: float = 0.5
    squared_weight: float = 2.0
    gradient_weight: float = 0.5
    temporal_weight: float = 0.25
    texture_weight: float = 1.0
    feature_weight: float = 1.0
    critic_weight: float = 0.1
    critic_width: int = 48
    num_held_out: int = 16
    num_samples: int = 4


class Critic(nn.Module):
    """How true each patch of a pair of frames looks, beside what the linear path makes of the latents."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(9, width, 4, stride=2, padding=1),
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
                nn.Conv2d(2 * width, 2 * width, 3, padding=1),
                nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            ]
        )
        self.out = nn.Conv2d(2 * width, 1, 3, padding=1)

    def forward(self, video: Tensor, base: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(b 3 t h w), twice → verdicts (n 1 h/4 w/4), high for true ones, and features of every layer."""
        x = torch.cat([video[:, :, 1:], video[:, :, 1:] - video[:, :, :-1], base[:, :, 1:]], 1)
        x = rearrange(x, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        features = []
        for index, layer in enumerate(self.layers):
            x = functional.leaky_relu(layer(x), _SLOPE)
            if index:
                x = functional.rms_norm(x.permute(0, 2, 3, 1), (x.shape[1],), None, 1e-6).permute(0, 3, 1, 2)
            features.append(x)
        return self.out(x).float(), features


class SharpenedAutoencoder(nn.Module):
    """An autoencoder whose decoder is trained, and the critic beside it."""

    def __init__(self, vae: VideoAutoencoder, critic_width: int) -> None:
        super().__init__()
        self.vae, self.critic = vae, Critic(critic_width)


class SharpeningTask:
    """Decode true and painted latents of the same clips so that a critic cannot tell."""

    name = "sharpen"

    def __init__(
        self,
        module: SharpenedAutoencoder,
        clips: PaintedClips,
        kept_back: PaintedClips,
        held_out: Tensor,
        config: SharpeningTaskConfig,
    ) -> None:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module = module
        self.clips, self.kept_back, self.held_out = clips, kept_back, held_out
        self.config = config
        for name, parameter in module.vae.named_parameters():  # latents stay what they are, drafts too
            parameter.requires_grad_(not name.startswith(("linear", "encoder")))

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """The decoder's and the critic's losses of one batch; each trains its own parameters alone."""
        config, vae = self.config, self.module.vae
        whole = step % config.whole_picture_every == 0
        batch = max(1, config.batch_size // 4) if whole else config.batch_size
        crop = None if whole else config.crop
        drawn = self.clips.draw(batch, config.num_latent_frames, crop, generator)
        latents = torch.cat([vae.normalise(drawn.latents), drawn.painted])
        base = vae.linear_video(latents).detach()
        # The critic's strides begin anywhere: from the same pixels each time, they teach a pattern of dots.
        y, x = torch.randint(_STRIDE, (2,), generator=generator).tolist()
        seen = (..., slice(y, None), slice(x, None))
        with half_precision():
            decoded = vae.decode_unnormalised(vae.denormalise(latents)).float()
            video = torch.cat([drawn.video, drawn.video])
            gradient, figures = self._decoder_gradient(decoded.detach(), video, base, seen)
            true, _ = self.module.critic(video[seen], base[seen])
            false, _ = self.module.critic(decoded.detach()[seen], base[seen])
        critic = functional.relu(1 - true).mean() + functional.relu(1 + false).mean()
        figures |= {"critic": float(critic.detach())}
        loss = (decoded * gradient).sum() + config.critic_weight * critic
        # The product's own value says nothing: what is shown is the error that it stands for.
        loss = loss + (figures["true_error"] + figures["painted_error"] - loss.detach())
        return StepLoss(loss, batch, 0.0, figures)

    def _decoder_gradient(
        self, decoded: Tensor, video: Tensor, base: Tensor, seen: tuple[Any, ...]
    ) -> tuple[Tensor, dict[str, float]]:
        """The gradient for decoded frames, the second half of which was painted, and figures to log.

        `seen` is the part of them that the critic is shown.
        """
        config, half = self.config, len(decoded) // 2
        decoded.requires_grad_()
        error = decoded - video
        differences = [error.diff(dim=axis).abs().flatten(1).mean(1) for axis in (3, 4, 2)]
        height, width, time = differences
        errors = error.abs().flatten(1).mean(1) + config.squared_weight * error.square().flatten(1).mean(1)
        sharp = config.gradient_weight * (height + width) + config.temporal_weight * time
        texture = (texture_of(decoded) - texture_of(video)).abs().flatten(1).mean(1)  # b
        errors = errors + config.texture_weight * texture
        # Where a painted edge lies elsewhere than the true one, errors of differences only make it softer.
        wanted = (errors + torch.cat([sharp[:half], 0 * sharp[half:]])).sum() / half
        (by_error,) = torch.autograd.grad(wanted, decoded)

        fixed = {name: p.detach() for name, p in self.module.critic.named_parameters()}
        with torch.no_grad():
            _, expected = functional_call(self.module.critic, fixed, (video[seen], base[seen]))
        verdict, found = functional_call(self.module.critic, fixed, (decoded[seen], base[seen]))
        alike = sum(
            ((a.float() - b.float()).abs().mean() for a, b in zip(found, expected, strict=True)),
            torch.zeros(()),
        )
        (by_critic,) = torch.autograd.grad(config.feature_weight * alike - verdict.mean(), decoded)

        shares = torch.tensor([config.true_share] * half + [config.painted_share] * half)
        scale = shares * _rms(by_error) / _rms(by_critic).clamp_min(1e-12)
        gradient = by_error + scale[:, None, None, None, None] * by_critic
        absolute = error.detach().abs().flatten(1).mean(1)
        return gradient, {
            "true_error": float(absolute[:half].mean()),
            "painted_error": float(absolute[half:].mean()),
            "psnr": psnr(error.detach()[:half].square().mean()),
            "verdict": float(verdict.detach().mean()),
            "features": float(alike.detach()),
            "texture": float(texture.detach().mean()),
        }

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Nothing: its steps would be as large where there is little left to say."""
        return False

    def evaluate(self) -> dict[str, float]:
        """PSNR of held-out clips after the round trip; and gradient energy, against the true clips', of those
        and of painted ones."""
        vae = self.module.vae
        figures = {"psnr_held_out": float(np.mean([psnr_of(vae, clip) for clip in self.held_out]))}
        video, *latents = self._held_out()
        for name, part in zip(("true", "painted"), latents, strict=True):
            decoded = self._decode(part)
            figures[f"{name}_sharpness"] = sharpness_of(decoded, video)
            figures[f"{name}_error_held_out"] = float((decoded - video).abs().mean())
        return figures

    def save_samples(self, path: Path) -> None:
        """True frames above those decoded from their own latents and from painted ones."""
        video, *latents = self._held_out()
        groups = [video, *(self._decode(part) for part in latents)]
        rows = [group[i] for i in range(min(self.config.num_samples, len(video))) for group in groups]
        write_picture(path, contact_sheet([Video(frames=to_pixels(row), fps=16) for row in rows]))

    def _held_out(self) -> tuple[Tensor, Tensor, Tensor]:
        """Video and normalised latents, true and painted, of whole clips kept out of training."""
        drawn = self.kept_back.draw(self.config.num_held_out, self.config.num_latent_frames, None, seeded(0))
        return drawn.video, self.module.vae.normalise(drawn.latents), drawn.painted

    def _decode(self, latents: Tensor) -> Tensor:
        vae = self.module.vae
        with half_precision():
            return vae.decode_unnormalised(vae.denormalise(latents)).float().clamp(-1, 1)


def texture_of(video: Tensor) -> Tensor:
    """How strongly colours change around every fourth pixel of video (b 3 t h w), wherever exactly they do.

    Root mean squares over 8×8 pixels of differences across, down and of both, (b 9·t h/4 w/4): edges that lie
    a few pixels off are alike, dots and edges are not.
    """
    frames = rearrange(video, "b c t h w -> (b t) c h w")
    across, down = frames.diff(dim=-1)[..., :-1, :], frames.diff(dim=-2)[..., :-1]
    both = frames.diff(dim=-1).diff(dim=-2)
    squares = torch.cat([across, down, both], 1).square()
    around = (functional.avg_pool2d(squares, 8, 4) + 1e-4).sqrt()
    return rearrange(around, "(b t) c h w -> b (t c) h w", b=len(video))


def sharpness_of(video: Tensor, true: Tensor) -> float:
    """Gradient energy of video (b 3 t h w) as a multiple of the true one's."""
    energies = []
    for part in (video, true):
        luma = part.mean(1)
        energies.append(luma.diff(dim=-1).square().mean() + luma.diff(dim=-2).square().mean())
    return float(energies[0] / energies[1])


def _rms(values: Tensor) -> Tensor:
    """Root mean square of each row."""
    return values.square().flatten(1).mean(1).sqrt()
