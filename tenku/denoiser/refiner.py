"""What follows the blocks: a few convolutions at the resolution of the latents, finer than tokens are."""

from torch import Tensor, nn
from torch.nn import functional


class RefinerBlock(nn.Module):
    """Residual block inside each latent frame: norm → 3×3 convolution → SiLU → one that starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n h w d) → (n h w d)."""
        y = functional.rms_norm(x, x.shape[-1:], None, 1e-6).permute(0, 3, 1, 2)
        y = self.second(functional.silu(self.first(y)))
        out: Tensor = x + y.permute(0, 2, 3, 1)
        return out


class Refiner(nn.Module):
    """Latent positions from what the tokens say, what is told of the place, and what lies there already."""

    def __init__(self, latent_channels: int, told_size: int, width: int, depth: int) -> None:
        super().__init__()
        self.latents_in = nn.Linear(latent_channels, width, bias=False)
        self.told_in = nn.Linear(told_size, width, bias=False) if told_size else None
        self.blocks = nn.ModuleList(RefinerBlock(width) for _ in range(depth))
        self.out = nn.Linear(width, latent_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, tokens: Tensor, latents: Tensor, told: Tensor | None) -> Tensor:
        """Tokens (b t h w d), unfolded to positions, latents (b t h w c), told (b t h w e) → (b t h w c)."""
        x = tokens + self.latents_in(latents)
        if told is not None and self.told_in is not None:
            x = x + self.told_in(told)
        frames = x.flatten(0, 1)
        for block in self.blocks:
            frames = block(frames)
        frames = functional.rms_norm(frames, frames.shape[-1:], None, 1e-6)
        out: Tensor = self.out(frames).unflatten(0, x.shape[:2])
        return out

    def training_flops(self, num_positions: int) -> float:
        """Floating-point operations of a forward and backward pass over so many latent positions."""
        width, channels = self.out.in_features, self.out.out_features
        told = self.told_in.in_features if self.told_in is not None else 0
        return 6.0 * num_positions * width * (2 * channels + told + len(self.blocks) * 18 * width)
