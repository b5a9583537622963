"""The denoiser: a transformer over spacetime patches with a noise level per token.

Skeleton as in Wan: patchify → blocks of (self-attention, cross-attention to text, MLP) under a shared time
embedding with a table a block → unpatchify. The `native` configuration adds what learns faster from little
compute (`dev/LOG.md`): token-shift, a gated MLP, query-key norm per head, tracks, and a refiner.
"""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.drafting import Draft, Drafter
from tenku.denoiser.refiner import Refiner
from tenku.denoiser.tracks import TrackConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserConfig:
    """Shape of the denoiser; sizes are numbers of channels, `patch_size` is (t h w) in latent positions.

    `channel_std`, the spread of each latent channel, turns on preconditioning: what the noise level alone
    says of the velocity is added in closed form, and the network predicts the rest at unit scale. `tracks`
    lets it be told where every object is: `draft_depth` convolutional blocks make a draft of that, from whose
    mean and spread the closed form then starts. So many `named_rows` of the grid stand each for the thing
    of which the text token of its place tells. With a `refiner_depth` tokens are unfolded to latent positions
    of `refiner_width` channels, and so many convolutional blocks follow.
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
    draft_depth: int = 1
    refiner_depth: int = 0
    refiner_width: int = 96

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


def patchify(latents: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """(b c t h w) → (b t' h' w' patch_channels)."""
    return fold(latents.movedim(1, -1), patch_size)


def unpatchify(patches: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """The inverse of `patchify`."""
    return unfold(patches, patch_size).movedim(-1, 1)


def fold(positions: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """(b t h w c) → (b t' h' w' patch), with the same order inside a patch."""
    p, q, r = patch_size
    return rearrange(positions, "b (t p) (h q) (w r) c -> b t h w (p q r c)", p=p, q=q, r=r)


def unfold(patches: Tensor, patch_size: tuple[int, int, int]) -> Tensor:
    """The inverse of `fold`."""
    p, q, r = patch_size
    return rearrange(patches, "b t h w (p q r c) -> b (t p) (h q) (w r) c", p=p, q=q, r=r)


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
        self.drafter, self.told_in, told_size = None, None, 0
        if config.tracks is not None:
            usual = config.channel_std or (1.0,) * config.latent_channels
            told_size = config.tracks.hidden_size
            self.drafter = Drafter(config.tracks, usual, config.draft_depth)
            self.told_in = nn.Linear(told_size * math.prod(config.patch_size), size, bias=False)
        self.row_in = nn.Linear(config.text_size, size) if config.named_rows else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.final_modulation = nn.Linear(size, 2 * size)
        self.refiner = (
            Refiner(config.latent_channels, told_size, config.refiner_width, config.refiner_depth)
            if config.refiner_depth
            else None
        )
        channels = config.refiner_width if config.refiner_depth else config.latent_channels
        self.patch_out = nn.Linear(size, channels * math.prod(config.patch_size))
        for layer in (self.time_out, self.final_modulation, *(() if self.refiner else (self.patch_out,))):
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
        tracks: Tensor | Draft | None = None,
    ) -> Tensor:
        """Velocity (b c t h w) of noisy latents (b c t h w).

        sigma is (b,), one level a clip; (b t), one a latent frame; or (b t h w), one a latent position.
        Text is (b n d) with mask (b n), True where there is text. Tracks are packed (b c t o), t one for each
        latent frame, or what `prepare` has made of them; without any the denoiser places things itself.
        """
        draft = tracks if isinstance(tracks, Draft) else self.draft(tracks, *noisy_latents.shape[3:])
        return self.denoise(noisy_latents, sigma, text, text_mask, draft)

    def prepare(self, tracks: Tensor, height: int, width: int) -> Tensor | Draft:
        """What serves as tracks at every noise level, made once."""
        draft = self.draft(tracks, height, width)
        return tracks if draft is None else draft

    def draft(self, tracks: Tensor | None, height: int, width: int) -> Draft | None:
        """What packed tracks say of latents of this size; None without them, or if it cannot follow any."""
        if tracks is None or self.drafter is None:
            return None
        draft: Draft = self.drafter(tracks, height, width)
        return draft

    def denoise(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor,
        text_mask: Tensor | None = None,
        draft: Draft | None = None,
    ) -> Tensor:
        """The velocity, with a draft that has been made of the tracks."""
        expected, scale_in, skip, scale_out = self._precondition(sigma, draft)
        # What lies there that is not expected, at unit scale.
        surprise = noisy_latents - (1 - _over_positions(sigma)) * expected
        latents = (surprise * scale_in).movedim(1, -1).to(self.patch_in.weight.dtype)  # b t h w c
        patches = fold(latents, self.config.patch_size)
        grid = (patches.shape[1], patches.shape[2], patches.shape[3])
        x = self.patch_in(patches)
        if draft is not None and self.told_in is not None:
            x = x + self.told_in(fold(draft.told, self.config.patch_size))
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
        x = unfold(self.patch_out(_unit_rms(x) * (1 + scale) + shift), self.config.patch_size)
        if self.refiner is not None:
            x = self.refiner(x, latents, None if draft is None else draft.told)
        velocity: Tensor = skip * surprise - expected + scale_out * x.movedim(-1, 1).float()
        return velocity

    def training_flops(self, grid: tuple[int, int, int], num_text_tokens: int) -> float:
        """Floating-point operations of one forward and backward pass over one clip of (t h w) tokens."""
        config, d, n = self.config, self.config.hidden_size, math.prod(grid)
        linear = n * (4 * d * d + 2 * d * d + d * d + 3 * d * config.mlp_size)
        linear += num_text_tokens * 2 * d * config.text_size
        attention = 2 * n * n * d + 2 * n * num_text_tokens * d
        ends = 2 * n * d * config.patch_channels
        flops = 6.0 * (config.depth * (linear + attention) + ends)
        positions = n * math.prod(config.patch_size)
        if self.drafter is not None:  # which has been trained before: forward only
            flops += self.drafter.training_flops(positions) / 3
        if self.refiner is not None:
            flops += self.refiner.training_flops(positions)
        return flops

    def _precondition(self, sigma: Tensor, draft: Draft | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The latents that are expected; the scale of the surprise, its share in the velocity, and the scale
        of the output; all broadcast over (b c t h w).

        For latents of mean m and spread s under noise of level σ, the best linear guess of the velocity is −m
        and the surprise, noisy latents − (1−σ)m, times (σ − (1−σ)s²) / (σ² + (1−σ)²s²); its error has spread
        s / √(σ² + (1−σ)²s²): Karras et al., arXiv 2206.00364, for this path and a spread a number.
        """
        one = torch.ones(1, 1, 1, 1, 1, device=sigma.device)
        if draft is not None:
            expected, variance = draft.mean, draft.std.square()
        elif self.config.channel_std:
            # Not a buffer: that would be rounded with the weights, and this is added to what they say.
            std = torch.tensor(self.config.channel_std, device=sigma.device)
            expected, variance = 0 * one, std.square().view(1, -1, 1, 1, 1)
        else:
            return 0 * one, one, 0 * one, one
        level = _over_positions(sigma)
        total = level**2 + (1 - level) ** 2 * variance
        return expected, total.rsqrt(), (level - (1 - level) * variance) / total, (variance / total).sqrt()

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


def _over_positions(sigma: Tensor) -> Tensor:
    """Levels (b,), (b t) or (b t h w) → (b 1 t h w), 1 on axes that `sigma` lacks."""
    return sigma.reshape(*sigma.shape, *([1] * (4 - sigma.ndim)))[:, None]
