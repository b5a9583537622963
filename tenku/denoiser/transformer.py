"""The denoiser: a transformer over spacetime patches with a noise level per token.

Skeleton as in Wan: patchify → blocks of (self-attention, cross-attention to text, MLP) under a shared time
embedding with a table a block → unpatchify. The `native` configuration adds what learns faster from little
compute (`dev/LOG.md`): token-shift, a gated MLP and query-key norm per head.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.tracks import TrackConfig, TrackEncoder


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserConfig:
    """Shape of the denoiser; sizes are numbers of channels, `patch_size` is (t h w) in latent positions.

    `channel_std`, the spread of each latent channel, turns on preconditioning: what the noise level alone
    says of the velocity is added in closed form, and the network predicts the rest at unit scale. `tracks`
    lets it be told where every object is. So many `named_rows` of the grid stand each for the thing
    of which the text token of its place tells.
    """

    latent_channels: int = 16
    text_size: int = 256
    hidden_size: int = 256
    depth: int = 12
    num_heads: int = 2
    mlp_ratio: float = 8 / 3
    patch_size: tuple[int, int, int] = (1, 2, 2)
    rope_theta: float = 100.0
    channel_std: tuple[float, ...] = ()
    tracks: TrackConfig | None = None
    named_rows: int = 0

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads or (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be num_heads ({self.num_heads}) times an even number"
            )
        if self.channel_std and len(self.channel_std) != self.latent_channels:
            raise ValueError(
                f"channel_std must have one value a latent channel ({self.latent_channels}), "
                f"not {len(self.channel_std)}"
            )
        if min(self.patch_size) < 1:
            raise ValueError(f"patch_size must be positive in every direction, not {self.patch_size}")

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_heads

    @property
    def mlp_size(self) -> int:
        """Hidden width of the MLP, a multiple of 64."""
        return max(1, round(self.hidden_size * self.mlp_ratio / 64)) * 64

    @property
    def patch_channels(self) -> int:
        """Numbers in one patch."""
        return self.latent_channels * math.prod(self.patch_size)

    def training_flops(self, num_tokens: int, num_text_tokens: int) -> float:
        """Floating-point operations of one forward and backward pass over one clip."""
        d, n = self.hidden_size, num_tokens
        linear = n * (4 * d * d + 2 * d * d + d * d + 3 * d * self.mlp_size)
        linear += num_text_tokens * 2 * d * self.text_size
        attention = 2 * n * n * d + 2 * n * num_text_tokens * d
        ends = 2 * n * d * self.patch_channels
        return 6.0 * (self.depth * (linear + attention) + ends)


def patchify(latents: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """(b c t h w) → (b t' h' w' patch_channels)."""
    p, q, r = patch_size
    return rearrange(latents, "b c (t p) (h q) (w r) -> b t h w (p q r c)", p=p, q=q, r=r)


def unpatchify(patches: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """The inverse of `patchify`."""
    p, q, r = patch_size
    return rearrange(patches, "b t h w (p q r c) -> b c (t p) (h q) (w r)", p=p, q=q, r=r)


def rotary_table(grid: tuple[int, int, int], head_size: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine (n, head_size / 2) of 3D rotary positions for a (t, h, w) grid of tokens.

    Spatial positions are counted from the middle of the picture, so that grids of any size agree where they
    overlap.
    """
    half = head_size // 2
    sizes = (half - 2 * (half // 3), half // 3, half // 3)
    t, h, w = (torch.arange(length, dtype=torch.float32) for length in grid)
    axes = torch.meshgrid(t, h - (grid[1] - 1) / 2, w - (grid[2] - 1) / 2, indexing="ij")
    angles = [
        position.flatten()[:, None] * theta ** (-torch.arange(size, dtype=torch.float32) / size)
        for position, size in zip(axes, sizes, strict=True)
    ]
    angle = torch.cat(angles, -1)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + half) of (b heads n d)."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def token_shift(x: Tensor) -> Tensor:
    """Six eighths of the channels of (b t h w d), each moved by one step along +t, −t, +h, −h, +w, −w.

    Zeros come in. It gives every token a look at its neighbours for the price of a copy.
    """
    eighth = x.shape[-1] // 8
    parts = list(torch.split(x, [eighth] * 6 + [x.shape[-1] - 6 * eighth], -1))
    for index in range(6):
        axis = 1 + index // 2
        length = x.shape[axis]
        empty = torch.zeros_like(parts[index].narrow(axis, 0, 1))
        if index % 2 == 0:
            parts[index] = torch.cat([empty, parts[index].narrow(axis, 0, length - 1)], axis)
        else:
            parts[index] = torch.cat([parts[index].narrow(axis, 1, length - 1), empty], axis)
    return torch.cat(parts, -1)


def time_features(sigma: Tensor, size: int = 256) -> Tensor:
    """Cosines and sines (…, size) of a noise level in 0–1, counted in thousandths."""
    frequencies = torch.exp(-math.log(10_000) * torch.arange(size // 2, device=sigma.device) / (size // 2))
    angles = 1000.0 * sigma.float()[..., None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


class RMSNorm(nn.Module):
    """Root-mean-square norm over the last axis with a learned scale."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (… size)."""
        return functional.rms_norm(x, (x.shape[-1],), self.scale.to(x.dtype), 1e-6)


def _unit_rms(x: Tensor) -> Tensor:
    """RMS norm of (… d) with nothing learned."""
    return functional.rms_norm(x, x.shape[-1:], None, 1e-6)


class SelfAttention(nn.Module):
    """Attention among the tokens of a clip, with rotary positions."""

    def __init__(self, size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.out = nn.Linear(size, size, bias=False)
        self.query_norm = RMSNorm(size // num_heads)
        self.key_norm = RMSNorm(size // num_heads)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(b n d) → (b n d)."""
        query, key, value = rearrange(self.qkv(x), "b n (k h d) -> k b h n d", k=3, h=self.num_heads)
        query = rotate(self.query_norm(query), cos, sin)
        key = rotate(self.key_norm(key), cos, sin)
        y = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(rearrange(y, "b h n d -> b n (h d)"))
        return out


class CrossAttention(nn.Module):
    """Attention from the tokens of a clip to those of its text."""

    def __init__(self, size: int, text_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(size, size, bias=False)
        self.key_value = nn.Linear(text_size, 2 * size, bias=False)
        self.out = nn.Linear(size, size, bias=False)
        self.query_norm = RMSNorm(size // num_heads)
        self.key_norm = RMSNorm(size // num_heads)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor | None) -> Tensor:
        """(b n d), text (b m e), mask (b 1 1 m), True where there is text → (b n d)."""
        query = rearrange(self.query(x), "b n (h d) -> b h n d", h=self.num_heads)
        key, value = rearrange(self.key_value(text), "b m (k h d) -> k b h m d", k=2, h=self.num_heads)
        y = functional.scaled_dot_product_attention(
            self.query_norm(query), self.key_norm(key), value, attn_mask=text_mask
        )
        out: Tensor = self.out(rearrange(y, "b h n d -> b n (h d)"))
        return out


class GatedMLP(nn.Module):
    """SwiGLU."""

    def __init__(self, size: int, hidden_size: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(size, 2 * hidden_size, bias=False)
        self.down = nn.Linear(hidden_size, size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(b n d) → (b n d)."""
        gate, up = self.gate_up(x).chunk(2, -1)
        out: Tensor = self.down(functional.silu(gate) * up)
        return out


class Block(nn.Module):
    """Self-attention, cross-attention, token-shift and MLP, each added to the stream, zero at the start."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.modulation = nn.Parameter(torch.zeros(6, size))
        self.attention = SelfAttention(size, config.num_heads)
        self.cross_norm = RMSNorm(size)
        self.cross_attention = CrossAttention(size, config.text_size, config.num_heads)
        self.shift = nn.Linear(size, size, bias=False)
        self.mlp = GatedMLP(size, config.mlp_size)
        nn.init.zeros_(self.shift.weight)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        rotary: tuple[Tensor, Tensor],
        text: Tensor,
        text_mask: Tensor | None,
    ) -> Tensor:
        """(b t h w d) → (b t h w d), with a modulation (b t h w 6 d) whose t, h and w may be 1.

        The text is (b m e), its mask (b 1 1 m).
        """
        grid = x.shape[1:4]
        attention_shift, attention_scale, attention_gate, mlp_shift, mlp_scale, mlp_gate = (
            modulation + self.modulation.to(modulation.dtype)
        ).unbind(-2)
        y = _unit_rms(x) * (1 + attention_scale) + attention_shift
        x = x + attention_gate * self.attention(y.flatten(1, 3), *rotary).unflatten(1, grid)
        y = self.cross_norm(x).flatten(1, 3)
        x = x + self.cross_attention(y, text, text_mask).unflatten(1, grid)
        x = x + self.shift(token_shift(_unit_rms(x)))
        y = _unit_rms(x) * (1 + mlp_scale) + mlp_shift
        out: Tensor = x + mlp_gate * self.mlp(y)
        return out


class Denoiser(nn.Module):
    """Predicts the velocity of noisy latents at a noise level per token, given text."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.patch_in = nn.Linear(config.patch_channels, size)
        self.time_in = nn.Linear(256, size)
        self.time_out = nn.Linear(size, 6 * size)
        self.tracks_in = TrackEncoder(config.tracks, size) if config.tracks is not None else None
        self.row_in = nn.Linear(config.text_size, size) if config.named_rows else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_modulation = nn.Linear(size, 2 * size)
        self.patch_out = nn.Linear(size, config.patch_channels)
        for layer in (self.time_out, self.final_modulation, self.patch_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self._rotary: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}

    def rotary(self, grid: tuple[int, int, int], like: Tensor) -> tuple[Tensor, Tensor]:
        """The rotary table of a grid on the device of `like`, made once a grid."""
        if grid not in self._rotary:
            with torch.inference_mode(False):  # one made while generating serves training too
                self._rotary[grid] = rotary_table(grid, self.config.head_size, self.config.rope_theta)
        cos, sin = self._rotary[grid]
        return cos.to(like.device, like.dtype), sin.to(like.device, like.dtype)

    def forward(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor,
        text_mask: Tensor | None = None,
        tracks: Tensor | None = None,
    ) -> Tensor:
        """Velocity (b c t h w) of noisy latents (b c t h w).

        sigma is (b,), one level a clip; (b t), one a latent frame; or (b t h w), one a latent position.
        Text is (b n d) with mask (b n), True where there is text. Tracks are packed (b c t o), t one for each
        row of tokens in time; without them the denoiser places things itself.
        """
        scale_in, skip, scale_out = self._precondition(sigma)
        patches = patchify(noisy_latents * scale_in, self.config.patch_size).to(self.patch_in.weight.dtype)
        grid = (patches.shape[1], patches.shape[2], patches.shape[3])
        x = self.patch_in(patches)
        if tracks is not None and self.tracks_in is not None:
            x = x + self.tracks_in(tracks, grid)
        if self.row_in is not None:
            x = x + self.row_in(text[:, : self.config.named_rows].to(x.dtype))[:, None, :, None]
        rotary = self.rotary(grid, x)
        level = self._level_per_token(sigma)
        embedded = functional.silu(
            self.time_in(time_features(level).to(x.dtype))
        )  # b t h w d, h and w may be 1
        modulation = self.time_out(embedded).unflatten(-1, (6, -1)).to(x.dtype)
        mask = None if text_mask is None else text_mask[:, None, None, :]
        text = text.to(x.dtype)
        for block in self.blocks:
            x = block(x, modulation, rotary, text, mask)
        shift, scale = self.final_modulation(embedded).chunk(2, -1)
        x = _unit_rms(x) * (1 + scale) + shift
        out = unpatchify(self.patch_out(x), self.config.patch_size).float()
        return skip * noisy_latents + scale_out * out

    def _precondition(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scale of the input, its share in the velocity, scale of the output; all broadcast over (b c t h w).

        For latents of spread s under noise of level σ, the best linear guess of the velocity is the noisy
        latents times (σ − (1−σ)s²) / (σ² + (1−σ)²s²), and its error has spread s / √(σ² + (1−σ)²s²):
        Karras et al., arXiv 2206.00364, for this path and a spread a channel.
        """
        one = torch.ones(1, 1, 1, 1, 1, device=sigma.device)
        if not self.config.channel_std:
            return one, 0 * one, one
        level = sigma.reshape(*sigma.shape, *([1] * (4 - sigma.ndim)))[:, None]  # b 1 t h w
        # Not a buffer: that would be rounded with the weights, and this is added to what they say.
        variance = torch.tensor(self.config.channel_std, device=sigma.device).square().view(1, -1, 1, 1, 1)
        total = level**2 + (1 - level) ** 2 * variance
        return total.rsqrt(), (level - (1 - level) * variance) / total, (variance / total).sqrt()

    def _level_per_token(self, sigma: Tensor) -> Tensor:
        """(b,), (b t) or (b t h w) → (b t h w) of tokens, 1 on axes that `sigma` lacks.

        A token has the level of its patch's first position.
        """
        p, q, r = self.config.patch_size
        if sigma.ndim == 1:
            return sigma[:, None, None, None]
        if sigma.ndim == 2:
            return sigma[:, ::p, None, None]
        return sigma[:, ::p, ::q, ::r]
