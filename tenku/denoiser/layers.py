"""The layers of a transformer over spacetime patches: patches, rotary positions, norms, attention, MLPs."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser.attending import attend

NormKind: TypeAlias = Literal["rms", "layer"]
Rotary: TypeAlias = tuple[Tensor, Tensor]  # cosine and sine (n, half a head), or (n, heads, half a head)
RotarySpans: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]  # query, key, value (b h n d)
KeyValue: TypeAlias = tuple[Tensor, Tensor]  # of texts or pictures (b heads m d), ready to be looked at
NORM_EPS = 1e-6
_IN_CACHE = 128  # tokens that are worked on at a time, so that they stay near the processor,
_IN_MEMORY = 4_096  # or so that what is wide while it is worked on takes little memory


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


def rotary_table(
    grid: tuple[int, int, int], head_size: int, theta: float, *, centred: bool = True
) -> tuple[Tensor, Tensor]:
    """Cosine and sine (n, head_size / 2) of 3D rotary positions for a (t, h, w) grid of tokens.

    Spatial positions are counted from the middle of the picture, so that grids of any size agree where they
    overlap, or else from its corner. Angles are worked out in float64.
    """
    half = head_size // 2
    sizes = (half - 2 * (half // 3), half // 3, half // 3)
    t, h, w = (torch.arange(length, dtype=torch.float64) for length in grid)
    if centred:
        h, w = h - (grid[1] - 1) / 2, w - (grid[2] - 1) / 2
    axes = torch.meshgrid(t, h, w, indexing="ij")
    angles = [
        position.flatten()[:, None] * theta ** (-torch.arange(size, dtype=torch.float64) / size)
        for position, size in zip(axes, sizes, strict=True)
    ]
    angle = torch.cat(angles, -1)
    return angle.cos().float(), angle.sin().float()


def joint_rotary_table(
    grid: tuple[int, int, int], num_heads: int, head_size: int, theta: float, spans: RotarySpans
) -> tuple[Tensor, Tensor]:
    """Cosine and sine (n, heads, head_size / 2) where frequencies go on from head to head, as in LTX-Video.

    Positions lie between −1 and 1: on each axis (t, h, w) `spans` has the length of a token and that of the
    whole. Every frequency is given to all three axes before the next. Angles are worked out as the reference
    does, in float32.
    """
    size = num_heads * head_size
    frequencies = theta ** torch.linspace(0, 1, size // 6) * (math.pi / 2)
    axes = torch.meshgrid(*(torch.arange(length, dtype=torch.float32) for length in grid), indexing="ij")
    pairs = zip(axes, spans, strict=True)
    places = [axis.flatten() * token / whole * 2 - 1 for axis, (token, whole) in pairs]
    angle = (frequencies[:, None] * torch.stack(places, -1)[:, None]).flatten(1)
    angle = functional.pad(angle, (size // 2 - angle.shape[1], 0))  # what is left over is not rotated
    angle = rearrange(angle, "n (h d) -> n h d", h=num_heads)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + half) of (b heads n d) by a table (n, half), or (n, heads, half)."""
    if cos.ndim == 3:
        cos, sin = cos.transpose(0, 1), sin.transpose(0, 1)
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

    def __init__(self, size: int, eps: float = NORM_EPS) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (… size)."""
        return functional.rms_norm(x, (x.shape[-1],), self.scale.to(x.dtype), self.eps)


class LayerNorm(nn.Module):
    """Layer norm over the last axis with a learned scale and shift."""

    def __init__(self, size: int, eps: float = NORM_EPS) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (… size)."""
        scale, shift = self.scale.to(x.dtype), self.shift.to(x.dtype)
        return functional.layer_norm(x, (x.shape[-1],), scale, shift, self.eps)


def unit_norm(x: Tensor, kind: NormKind = "rms") -> Tensor:
    """Norm of (… d) with nothing learned."""
    if kind == "rms":
        return functional.rms_norm(x, x.shape[-1:], None, NORM_EPS)
    return functional.layer_norm(x, x.shape[-1:], None, None, NORM_EPS)


def modulated(x: Tensor, shift: Tensor, scale: Tensor, kind: NormKind) -> Tensor:
    """Norm of (b t h w d), scaled and shifted as a noise level wants it: one kernel where there is one
    level."""
    if kind == "layer" and scale.numel() == x.shape[-1]:
        weight, bias = (1 + scale).flatten().to(x.dtype), shift.flatten().to(x.dtype)
        return functional.layer_norm(x, x.shape[-1:], weight, bias, NORM_EPS)
    return torch.addcmul(shift, unit_norm(x, kind), 1 + scale).to(x.dtype)


class SelfAttention(nn.Module):
    """Attention among the tokens of a clip, with rotary positions.

    Queries and keys are normalised in each head by itself, or over all heads together.
    """

    def __init__(
        self,
        size: int,
        num_heads: int,
        *,
        bias: bool = False,
        joint_norm: bool = False,
        norm_eps: float = NORM_EPS,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        norm_size = size if joint_norm else size // num_heads
        self.qkv = nn.Linear(size, 3 * size, bias=bias)
        self.out = nn.Linear(size, size, bias=bias)
        self.query_norm = RMSNorm(norm_size, norm_eps)
        self.key_norm = RMSNorm(norm_size, norm_eps)
        self.attend: Attend = attend

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(b n d) → (b n d)."""
        query, key, value = self.qkv(x).chunk(3, -1)
        query = _normed_heads(query, self.query_norm, self.num_heads, (cos, sin))
        key = _normed_heads(key, self.key_norm, self.num_heads, (cos, sin))
        y = self.attend(query, key, _heads(value, self.num_heads))
        out: Tensor = self.out(rearrange(y, "b h n d -> b n (h d)"))
        return out


class CrossAttention(nn.Module):
    """Attention from the tokens of a clip to those of its text, and to those of a picture of `picture_size`.

    What is looked at is read once, by `read`, for all noise levels.
    """

    def __init__(
        self,
        size: int,
        text_size: int,
        num_heads: int,
        *,
        bias: bool = False,
        joint_norm: bool = False,
        norm_eps: float = NORM_EPS,
        picture_size: int = 0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        norm_size = size if joint_norm else size // num_heads
        self.query = nn.Linear(size, size, bias=bias)
        self.key_value = nn.Linear(text_size, 2 * size, bias=bias)
        self.out = nn.Linear(size, size, bias=bias)
        self.query_norm = RMSNorm(norm_size, norm_eps)
        self.key_norm = RMSNorm(norm_size, norm_eps)
        if picture_size:
            self.picture_key_value = nn.Linear(picture_size, 2 * size, bias=bias)
            self.picture_key_norm = RMSNorm(norm_size, norm_eps)
        nn.init.zeros_(self.out.weight)

    def read(self, text: Tensor) -> KeyValue:
        """Keys and values of text tokens (b m e)."""
        key, value = self.key_value(text).chunk(2, -1)
        return _normed_heads(key, self.key_norm, self.num_heads), _heads(value, self.num_heads)

    def read_picture(self, picture: Tensor) -> KeyValue:
        """Keys and values of the tokens of a picture (b m e)."""
        key, value = self.picture_key_value(picture).chunk(2, -1)
        return _normed_heads(key, self.picture_key_norm, self.num_heads), _heads(value, self.num_heads)

    def forward(
        self, x: Tensor, text: KeyValue, mask: Tensor | None = None, picture: KeyValue | None = None
    ) -> Tensor:
        """(b n d) → (b n d); the mask (b 1 1 m) is True where there is text, or is added to its scores."""
        query = _normed_heads(self.query(x), self.query_norm, self.num_heads)
        if mask is not None and mask.is_floating_point():
            mask = mask.to(query.dtype)
        y = functional.scaled_dot_product_attention(query, *text, attn_mask=mask)
        if picture is not None:
            y = y + functional.scaled_dot_product_attention(query, *picture)
        out: Tensor = self.out(rearrange(y, "b h n d -> b n (h d)"))
        return out


def _heads(x: Tensor, num_heads: int) -> Tensor:
    return rearrange(x, "b n (h d) -> b h n d", h=num_heads)


def _normed_heads(x: Tensor, norm: RMSNorm, num_heads: int, rotary: Rotary | None = None) -> Tensor:
    """Heads (b h n d) of (b n (h d)), normalised over as many numbers as the norm has scales for, and
    rotated."""
    if not torch.is_grad_enabled() and x.device.type == "cpu":
        return _normed_in_cache(x, norm, num_heads, rotary)
    joint = len(norm.scale) == x.shape[-1]
    heads: Tensor = _heads(norm(x), num_heads) if joint else norm(_heads(x, num_heads))
    return heads if rotary is None else rotate(heads, *(table.to(x.dtype) for table in rotary))


def _normed_in_cache(x: Tensor, norm: RMSNorm, num_heads: int, rotary: Rotary | None) -> Tensor:
    """The same a few tokens at a time, in float32: each goes to memory once instead of for every
    operation."""
    b, n, size = x.shape
    head_size, width = size // num_heads, len(norm.scale)
    done = x.new_empty(b, n, num_heads, head_size)
    scale = norm.scale.float().view(-1, head_size)
    for start in range(0, n, _IN_CACHE):
        now = slice(start, start + _IN_CACHE)
        part = x[:, now].reshape(b, -1, size // width, width).to(torch.float32, copy=True)
        length = torch.linalg.vector_norm(part, dim=-1, keepdim=True)
        part.mul_(length.square_().div_(width).add_(norm.eps).rsqrt_())
        heads = part.view(b, -1, num_heads, head_size).mul_(scale)
        if rotary is None:
            done[:, now] = heads
            continue
        cos, sin = (table[now] if table.ndim == 3 else table[now, None] for table in rotary)
        first, second = heads.chunk(2, -1)
        to_first, to_second = done[:, now].chunk(2, -1)
        to_first.copy_((first * cos).addcmul_(second, sin, value=-1))
        to_second.copy_((first * sin).addcmul_(second, cos))
    return done.transpose(1, 2)


class GatedMLP(nn.Module):
    """SwiGLU."""

    def __init__(self, size: int, hidden_size: int, *, bias: bool = False) -> None:
        super().__init__()
        self.gate_up = nn.Linear(size, 2 * hidden_size, bias=bias)
        self.down = nn.Linear(hidden_size, size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b n d) → (b n d)."""
        gate, up = self.gate_up(x).chunk(2, -1)
        out: Tensor = self.down(functional.silu(gate) * up)
        return out


class PlainMLP(nn.Module):
    """Two layers with a tanh-approximated GELU between them."""

    def __init__(
        self, size: int, hidden_size: int, out_size: int | None = None, *, bias: bool = True
    ) -> None:
        super().__init__()
        self.up = nn.Linear(size, hidden_size, bias=bias)
        self.down = nn.Linear(hidden_size, out_size or size, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b … d) → (b … out_size)."""
        if torch.is_grad_enabled():
            out: Tensor = self.down(functional.gelu(self.up(x), approximate="tanh"))
            return out
        parts = torch.split(x.flatten(0, -2), _IN_MEMORY)
        hidden = (torch.ops.aten.gelu_(self.up(part), approximate="tanh") for part in parts)
        return torch.cat([self.down(part) for part in hidden]).view(*x.shape[:-1], -1)


class PictureIn(nn.Module):
    """Tokens of a picture as another model's encoder sees them, brought to the width of the denoiser."""

    def __init__(self, picture_size: int, size: int, num_places: int = 0) -> None:
        super().__init__()
        # Where a first and a last picture come together, a place for each of their tokens tells them apart.
        self.places = nn.Parameter(torch.zeros(num_places, picture_size)) if num_places else None
        self.norm_in = LayerNorm(picture_size, 1e-5)
        self.hidden = nn.Linear(picture_size, picture_size)
        self.out = nn.Linear(picture_size, size)
        self.norm_out = LayerNorm(size, 1e-5)

    def forward(self, picture: Tensor) -> Tensor:
        """(b m e) → (b m d)."""
        if self.places is not None:
            picture = picture + self.places
        y: Tensor = self.norm_out(self.out(functional.gelu(self.hidden(self.norm_in(picture)))))
        return y
