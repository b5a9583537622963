"""The denoiser: a transformer over spacetime patches with a noise level per token.

One skeleton: patchify → blocks of (self-attention, cross-attention to text, MLP) under a shared time
embedding with a table a block → unpatchify. In the `native` configuration, the default, it has what learns
fast from little compute (`dev/LOG.md`): token-shift, a gated MLP, query-key norm per head, tracks, and a
refiner. With other choices it is, weight by weight, the transformer of open models such as Wan
(`checkpoint/wan.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.controls import Controls
from tenku.denoiser.drafting import Draft, Drafter
from tenku.denoiser.layers import (
    NORM_EPS,
    CrossAttention,
    GatedMLP,
    KeyValue,
    LayerNorm,
    NormKind,
    PictureIn,
    PlainMLP,
    RMSNorm,
    Rotary,
    RotarySpans,
    SelfAttention,
    fold,
    joint_rotary_table,
    modulated,
    rotary_table,
    time_features,
    token_shift,
    unfold,
    unit_norm,
)
from tenku.denoiser.refiner import Refiner
from tenku.denoiser.tracks import TrackConfig

if TYPE_CHECKING:
    from tenku.denoiser.parallel import TokenShares


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserConfig:
    """Shape of the denoiser; sizes are numbers of channels, `patch_size` is (t h w) in latent positions.

    `channel_std`, the spread of each latent channel, turns on preconditioning: what the noise level alone
    says of the velocity is added in closed form, and the network predicts the rest at unit scale. `tracks`
    lets it be told where every object is: `draft_depth` convolutional blocks make a draft of that, from whose
    mean and spread the closed form then starts. So many `named_rows` of the grid stand each for the thing
    of which the text token of its place tells. With a `refiner_depth` tokens are unfolded to latent positions
    of `refiner_width` channels, and so many convolutional blocks follow.

    What follows in the list is otherwise in open models. `mlp_width`, if it is not 0, stands for `mlp_ratio`.
    There may be no norm before the text is looked at, and another kind of norm at the end than in the blocks.
    Queries and keys are normalised in each head, or over all heads together (`joint_norm`). Rotary positions
    are counted over all heads together if it is said how far they span, over time at `rope_fps` frames per
    second unless a call says otherwise. The time embedding has one layer or
    two; text goes through an MLP first (`text_mlp`); the last norm is modulated through a layer of its own or
    by a table (`final_table`). `condition_channels` come in beside the latents, and the tokens of a picture,
    of `picture_size`, beside those of the text; a first and a last picture together are told apart by
    `picture_places`. So many `control_channels` go through blocks of their own instead, which hint at them
    after each of the `control_layers`.
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

    mlp_width: int = 0
    mlp: Literal["gated", "plain"] = "gated"
    bias: bool = False
    norm: NormKind = "rms"
    final_norm: NormKind | None = None
    cross_norm: bool = True
    joint_norm: bool = False
    head_norm_eps: float = NORM_EPS
    centred: bool = True
    rope_spans: RotarySpans | None = None
    rope_fps: float = 0.0
    token_shift: bool = True
    time_layers: Literal[1, 2] = 1
    text_mlp: bool = False
    final_table: bool = False
    condition_channels: int = 0
    picture_size: int = 0
    picture_places: int = 0
    control_channels: int = 0
    control_layers: tuple[int, ...] = ()

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
        if any(not 0 <= layer < self.depth for layer in self.control_layers):
            raise ValueError(f"control_layers {self.control_layers} do not lie among {self.depth} blocks")
        if min(self.patch_size) < 1:
            raise ValueError(f"patch_size must be positive in every direction, not {self.patch_size}")

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_heads

    @property
    def mlp_size(self) -> int:
        """Hidden width of the MLP: as given, or a multiple of 64."""
        return self.mlp_width or max(1, round(self.hidden_size * self.mlp_ratio / 64)) * 64

    @property
    def patch_channels(self) -> int:
        """Numbers of one patch of latents."""
        return self.latent_channels * math.prod(self.patch_size)


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as every block looks at it, and perhaps a picture: the same at all noise levels, so read once.

    `text` has the tokens themselves. `mask` (b 1 1 m) is True where there is text, or is added to scores:
    tokens that are all alike are kept once, with the logarithm of their number.
    """

    text: Tensor
    mask: Tensor | None
    keys: tuple[KeyValue, ...]
    picture_keys: tuple[KeyValue, ...] = ()


def _rotary_of(config: DenoiserConfig, grid: tuple[int, int, int], fps: float | None) -> Rotary:
    if config.rope_spans is None:
        return rotary_table(grid, config.head_size, config.rope_theta, centred=config.centred)
    (token, whole), *sides = config.rope_spans
    seconds = token if fps is None else token * config.rope_fps / fps
    spans = ((seconds, whole), sides[0], sides[1])
    return joint_rotary_table(grid, config.num_heads, config.head_size, config.rope_theta, spans)


def _norm(size: int, kind: NormKind) -> RMSNorm | LayerNorm:
    return RMSNorm(size) if kind == "rms" else LayerNorm(size)


class Block(nn.Module):
    """Self-attention, cross-attention, perhaps token-shift, and MLP, each added to the stream."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        size, heads, bias = config.hidden_size, config.num_heads, config.bias
        text_size = size if config.text_mlp else config.text_size
        self.norm = config.norm
        self.modulation = nn.Parameter(torch.zeros(6, size))
        self.attention = SelfAttention(
            size, heads, bias=bias, joint_norm=config.joint_norm, norm_eps=config.head_norm_eps
        )
        self.cross_norm = _norm(size, config.norm) if config.cross_norm else nn.Identity()
        self.cross_attention = CrossAttention(
            size,
            text_size,
            heads,
            bias=bias,
            joint_norm=config.joint_norm,
            norm_eps=config.head_norm_eps,
            picture_size=size if config.picture_size else 0,
        )
        self.shift = nn.Linear(size, size, bias=False) if config.token_shift else None
        kind = GatedMLP if config.mlp == "gated" else PlainMLP
        self.mlp = kind(size, config.mlp_size, bias=bias)
        if self.shift is not None:
            nn.init.zeros_(self.shift.weight)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        rotary: Rotary,
        text: KeyValue,
        text_mask: Tensor | None,
        picture: KeyValue | None = None,
    ) -> Tensor:
        """(b t h w d) → (b t h w d), with a modulation (b t h w 6 d) whose b, t, h and w may be 1.

        The text mask is (b 1 1 m).
        """
        grid = x.shape[1:4]
        attention_shift, attention_scale, attention_gate, mlp_shift, mlp_scale, mlp_gate = (
            modulation + self.modulation.to(modulation.dtype)
        ).unbind(-2)
        y = modulated(x, attention_shift, attention_scale, self.norm).flatten(1, 3)
        y = self.attention(y, *rotary).unflatten(1, grid)
        x = torch.addcmul(x, attention_gate.to(x.dtype), y)
        y = self.cross_attention(self.cross_norm(x).flatten(1, 3), text, text_mask, picture)
        x = x + y.unflatten(1, grid)
        if self.shift is not None:
            x = x + self.shift(token_shift(unit_norm(x)))
        y = self.mlp(modulated(x, mlp_shift, mlp_scale, self.norm))
        return torch.addcmul(x, mlp_gate.to(x.dtype), y)


class Denoiser(nn.Module):
    """Predicts the velocity of noisy latents at a noise level per token, given text."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        patch, channels = math.prod(config.patch_size), config.latent_channels
        self.patch_in = nn.Linear((channels + config.condition_channels) * patch, size)
        self.time_in = nn.Linear(256, size)
        self.time_hidden = nn.Linear(size, size) if config.time_layers == 2 else None
        self.time_out = nn.Linear(size, 6 * size)
        self.text_in = PlainMLP(config.text_size, size, size) if config.text_mlp else None
        self.picture_in = (
            PictureIn(config.picture_size, size, config.picture_places) if config.picture_size else None
        )
        self.drafter, self.told_in, told_size = None, None, 0
        if config.tracks is not None:
            usual = config.channel_std or (1.0,) * config.latent_channels
            told_size = config.tracks.hidden_size
            self.drafter = Drafter(config.tracks, usual, config.draft_depth)
            self.told_in = nn.Linear(told_size * patch, size, bias=False)
        self.row_in = nn.Linear(config.text_size, size) if config.named_rows else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.controls = None
        if config.control_channels:
            beside = [Block(config) for _ in config.control_layers]
            self.controls = Controls(config.control_channels, size, config.patch_size, beside)
        if config.final_table:
            self.final_table = nn.Parameter(torch.zeros(2, size))
        else:
            self.final_modulation = nn.Linear(size, 2 * size)
        self.refiner = (
            Refiner(config.latent_channels, told_size, config.refiner_width, config.refiner_depth)
            if config.refiner_depth
            else None
        )
        self.patch_out = nn.Linear(size, (config.refiner_width if self.refiner else channels) * patch)
        last = [] if config.final_table else [self.final_modulation]
        self.shares: TokenShares | None = None
        for layer in (self.time_out, *last, *([] if self.refiner else [self.patch_out])):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self._rotary: dict[tuple[tuple[int, int, int], float | None, torch.device], Rotary] = {}

    def rotary(
        self, grid: tuple[int, int, int], like: Tensor, fps: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """The rotary table of a grid on the device of `like`, made once a grid and frame rate."""
        key = (grid, fps, like.device)
        if key not in self._rotary:
            with torch.inference_mode(False):  # one made while generating serves training too
                cos, sin = _rotary_of(self.config, grid, fps)
                self._rotary[key] = cos.to(like.device), sin.to(like.device)
        return self._rotary[key]

    def forward(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor | ReadText,
        text_mask: Tensor | None = None,
        tracks: Tensor | Draft | None = None,
        conditions: Tensor | None = None,
        fps: float | None = None,
    ) -> Tensor:
        """Velocity (b c t h w) of noisy latents (b c t h w).

        sigma is (b,), one level a clip; (b t), one a latent frame; or (b t h w), one a latent position. With
        b = 1 it is that of the whole batch. Text is (b n d) with mask (b n), True where there is text, or has
        been read. Tracks are packed (b c t o), t one for each latent frame, or what `prepare` has made of
        them; without any the denoiser places things itself. Conditions (b c t h w) come in beside the
        latents. Frames per second matter only to weights that count positions in seconds.
        """
        draft = tracks if isinstance(tracks, Draft) else self.draft(tracks, *noisy_latents.shape[3:])
        return self.denoise(noisy_latents, sigma, text, text_mask, draft, conditions, fps)

    def read(self, text: Tensor, mask: Tensor | None = None, picture: Tensor | None = None) -> ReadText:
        """A text (b n d) with mask (b n) as every block sees it, and perhaps the tokens of a picture (b m
        e)."""
        tokens, scores = (text, None) if mask is None else (text, mask[:, None, None])
        if self.text_in is not None and (mask is None or bool(mask.all())):
            tokens, scores = _without_repeats(text)
        tokens = tokens.to(self.patch_in.weight.dtype)
        if self.text_in is not None:
            tokens = self.text_in(tokens)
        keys = tuple(block.cross_attention.read(tokens) for block in self.each_block)
        if picture is None or self.picture_in is None:
            return ReadText(text, scores, keys)
        shown = self.picture_in(picture.to(tokens.dtype))
        return ReadText(
            text, scores, keys, tuple(block.cross_attention.read_picture(shown) for block in self.each_block)
        )

    @property
    def each_block(self) -> Sequence[Block]:
        """The blocks, in their order; after them those that are shown what is known."""
        beside = () if self.controls is None else self.controls.blocks
        return (*self.blocks, *beside)

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
        text: Tensor | ReadText,
        text_mask: Tensor | None = None,
        draft: Draft | None = None,
        conditions: Tensor | None = None,
        fps: float | None = None,
    ) -> Tensor:
        """The velocity, with a draft that has been made of the tracks."""
        read = text if isinstance(text, ReadText) else self.read(text, text_mask)
        expected, scale_in, skip, scale_out = self._precondition(sigma, draft)
        # What lies there that is not expected, at unit scale.
        surprise = noisy_latents - (1 - _over_positions(sigma)) * expected
        latents = (surprise * scale_in).movedim(1, -1).to(self.patch_in.weight.dtype)  # b t h w c
        seen = latents
        if conditions is not None and self.controls is None:
            seen = torch.cat([latents, conditions.movedim(1, -1).to(latents)], -1)
        patches = fold(seen, self.config.patch_size)
        grid = (patches.shape[1], patches.shape[2], patches.shape[3])
        x = self.patch_in(patches)
        if draft is not None and self.told_in is not None:
            x = x + self.told_in(fold(draft.told, self.config.patch_size))
        if self.row_in is not None:
            x = x + self.row_in(read.text[:, : self.config.named_rows].to(x.dtype))[:, None, :, None]
        modulation, (shift, scale) = self._modulations(self._level_per_token(sigma), x.dtype)
        rotary = self.rotary(grid, x, fps)
        told = self._told(conditions)
        if self.shares is not None:
            x, modulation, shift, scale = (
                self.shares.own(part, grid) for part in (x, modulation, shift, scale)
            )
            told = None if told is None else self.shares.own(told, grid)
            rotary = self.shares.own_rows(rotary[0], grid), self.shares.own_rows(rotary[1], grid)
        shown = read.picture_keys or (None,) * len(self.each_block)
        alike: dict[str, Any] = {"modulation": modulation, "rotary": rotary, "text_mask": read.mask}
        calls = [
            partial(block, text=keys, picture=picture, **alike)
            for block, keys, picture in zip(self.each_block, read.keys, shown, strict=True)
        ]
        depth = self.config.depth
        hints = None if told is None or self.controls is None else self.controls.hints(x, told, calls[depth:])
        for number, block in enumerate(calls[:depth]):
            x = block(x)
            if hints is not None and number in self.config.control_layers:
                x = x + next(hints)
        x = self.patch_out(modulated(x, shift, scale, self.config.final_norm or self.config.norm))
        if self.shares is not None:
            x = self.shares.joined(x, grid)
        x = unfold(x, self.config.patch_size)
        if self.refiner is not None:
            x = self.refiner(x, latents, None if draft is None else draft.told)
        velocity: Tensor = skip * surprise - expected + scale_out * x.movedim(-1, 1).float()
        return velocity

    def _told(self, conditions: Tensor | None) -> Tensor | None:
        """Tokens of what blocks beside the others are shown; None where there are no such blocks."""
        if self.controls is None:
            return None
        if conditions is None:
            raise ValueError("this denoiser hints at what is known: it has to be told in conditions")
        return self.controls.tokens(conditions)

    def _modulations(self, level: Tensor, dtype: torch.dtype) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Of levels (b t h w), h and w perhaps 1: what blocks do (b t h w 6 d), and what the last norm does,
        shift and scale (b t h w d)."""
        embedded = self.time_in(time_features(level).to(self.time_in.weight.dtype))
        if self.time_hidden is not None:
            embedded = self.time_hidden(functional.silu(embedded))
        active = functional.silu(embedded)
        modulation = self.time_out(active.to(self.time_out.weight.dtype)).unflatten(-1, (6, -1)).to(dtype)
        if self.config.final_table:
            final = embedded[..., None, :] + self.final_table
        else:
            final = self.final_modulation(active).unflatten(-1, (2, -1))
        shift, scale = final.unbind(-2)
        return modulation, (shift, scale)

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


def _without_repeats(text: Tensor) -> tuple[Tensor, Tensor | None]:
    """Texts (b n d) without the zeros that fill them up, and what to add to scores (b 1 1 m) instead.

    Open models look at all of a fixed length. Tokens that are all alike are one token whose score is higher
    by the logarithm of their number: the softmax is the same, and most of the work of short texts is saved.
    """
    b, n, _ = text.shape
    filled = (text != 0).any(-1)
    longest = int((filled * torch.arange(1, n + 1, device=text.device)).max())
    if longest >= n - 1:
        return text, None
    scores = torch.zeros(b, 1, 1, longest + 1, device=text.device)
    scores[..., longest] = math.log(n - longest)
    return text[:, : longest + 1], scores
