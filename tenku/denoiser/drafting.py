"""A draft of the latents from tracks alone: what they probably are, and how sure that is."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.fields import TrackEncoder
from tenku.denoiser.refiner import RefinerBlock
from tenku.denoiser.tracks import TrackConfig, unpack

_GAUSSIAN = 1.2533  # standard deviation over mean absolute error, of a normal distribution
_SPREAD_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Draft:
    """What tracks tell of every latent position (b t h w e), and the mean and spread (b c t h w) of what
    latents can be there; `usual` (1 c 1 1 1) is the spread where nothing is told.

    It depends on no noise, so one serves all steps of a sampler.
    """

    told: Tensor
    mean: Tensor
    std: Tensor
    usual: Tensor

    def beside_nothing(self) -> "Draft":
        """A batch twice as long: itself, then drafts of no tracks at all."""
        usual = self.usual.expand_as(self.std)
        return Draft(
            torch.cat([self.told, torch.zeros_like(self.told)]),
            torch.cat([self.mean, torch.zeros_like(self.mean)]),
            torch.cat([self.std, usual]),
            self.usual,
        )

    def loss(self, latents: Tensor, weight: Tensor | None = None) -> Tensor:
        """How far the draft of each clip (b,) is from its latents (b c t h w); `weight` broadcasts.

        Squared error of the mean; the spread follows the mean's absolute error, but does not excuse it: under
        a Gaussian likelihood it grows where the mean is wrong, and the mean then stops learning there.
        """
        error = latents - self.mean
        spread = _GAUSSIAN * error.detach().abs() / self.std + self.std.log()
        loss = error.square() + _SPREAD_WEIGHT * spread
        counted = torch.ones_like(loss) if weight is None else weight.expand_as(loss)
        return (loss * counted).flatten(1).sum(1) / counted.flatten(1).sum(1).clamp_min(1e-6)


class Drafter(nn.Module):
    """Tracks → `Draft`: what each line of sight meets, seen together with its neighbours."""

    def __init__(self, config: TrackConfig, channel_std: tuple[float, ...], depth: int) -> None:
        super().__init__()
        self.config, self.channel_std = config, channel_std
        self.encoder = TrackEncoder(config)
        self.blocks = nn.ModuleList(RefinerBlock(config.hidden_size) for _ in range(depth))
        self.out = nn.Linear(config.hidden_size, 2 * len(channel_std))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, packed: Tensor, height: int, width: int) -> Draft:
        """The draft of packed tracks (b c t o); where all are zero, latents are 0 ± their usual spread."""
        tracks = unpack(packed, self.config)
        frames = self.encoder(packed, height, width).flatten(0, 1)
        for block in self.blocks:
            frames = block(frames)
        there = torch.maximum(tracks.known, tracks.present.amax(-1))[:, :, None, None, None]
        told = frames.unflatten(0, tracks.known.shape) * there
        # Errors of the draft are divided by small noise levels: not in half precision.
        with torch.autocast(told.device.type, enabled=False):
            x = functional.rms_norm(told.float(), told.shape[-1:], None, 1e-6)
            mean, log_std = self.out(x).movedim(-1, 1).chunk(2, 1)
        usual = torch.tensor(self.channel_std, device=packed.device).view(1, -1, 1, 1, 1)
        known = there.movedim(-1, 1)
        return Draft(told, mean * known, usual * (log_std.clamp(-4, 1) * known).exp(), usual)

    def training_flops(self, num_positions: int) -> float:
        """Floating-point operations of a forward and backward pass over so many latent positions."""
        size = self.config.hidden_size
        own = 6.0 * num_positions * size * (len(self.blocks) * 18 * size + 2 * len(self.channel_std))
        return own + self.encoder.training_flops(num_positions)
