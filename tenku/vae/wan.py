"""The autoencoders of Wan 2.1 (4×8×8, 16 channels) and Wan 2.2 (4×16×16, 48 channels), weight-exact, for inference.

Frames are (t h w c) inside: the channels of a position lie side by side, where norms, matrices and convolutions
want them. Clips of a batch go one after the other. Every layer sees the present and the past, never the future:
what it needs of the past is its last two frames, carried in a `WanStreamState`, so a clip may come in chunks of
any size. Stages work on four frames at a time, whatever the chunk, so memory does not grow with length.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn
from torch.nn import functional

_FRAMES_AT_ONCE = 4
_TINY = 1e-24  # only keeps the norm of an all-zero position from dividing by zero


@dataclass(frozen=True, kw_only=True, slots=True)
class WanAutoencoderConfig:
    """Shape of a Wan autoencoder, and the statistics by which its latents are normalised.

    Stage i has `width_multipliers[i]` times the encoder's or decoder's width; between stages the picture is
    halved, and time too where `halves_time` says so. `average_shortcuts` carry block means past each stage
    (Wan 2.2), and let upsampling keep its channels, which it otherwise halves.
    """

    latent_channels: int
    encoder_width: int
    decoder_width: int
    width_multipliers: tuple[int, ...] = (1, 2, 4, 4)
    blocks_per_stage: int = 2
    halves_time: tuple[bool, ...] = (False, True, True)
    patch_size: int = 1
    average_shortcuts: bool = False
    latent_mean: tuple[float, ...] = ()
    latent_std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.latent_channels, self.encoder_width, self.decoder_width, *self.width_multipliers)
        if min(*numbers, self.blocks_per_stage, self.patch_size) < 1:
            raise ValueError("widths, channels, blocks_per_stage and patch_size must be at least 1")
        if len(self.halves_time) != len(self.width_multipliers) - 1:
            raise ValueError("halves_time must have one value between each two stages of width_multipliers")
        for name in ("latent_mean", "latent_std"):
            values = getattr(self, name)
            if values and len(values) != self.latent_channels:
                raise ValueError(
                    f"{name} must have one value a latent channel ({self.latent_channels}), not {len(values)}"
                )

    @property
    def temporal_compression(self) -> int:
        """Frames in one latent frame, but for the first, which holds one."""
        return int(2 ** sum(self.halves_time))

    @property
    def spatial_compression(self) -> int:
        """Pixels a side in one latent position."""
        return int(self.patch_size * 2 ** len(self.halves_time))

    def num_latent_frames(self, num_frames: int) -> int:
        """Latent frames of a clip of 1 + temporal_compression · k frames; another number is a ValueError."""
        if num_frames < 1 or (num_frames - 1) % self.temporal_compression:
            raise ValueError(
                f"a clip must have 1 + {self.temporal_compression}·k frames, not {num_frames}: "
                f"repeat or drop frames at its end"
            )
        return 1 + (num_frames - 1) // self.temporal_compression

    def num_frames(self, num_latent_frames: int) -> int:
        """Pixel frames of `num_latent_frames` from the start of a stream."""
        return 1 + (num_latent_frames - 1) * self.temporal_compression


@dataclass(slots=True)
class WanStreamState:
    """The last frames (t h w c) that each layer has seen of one clip; nothing at the start of a stream.

    One state serves one clip in one direction: give it to every chunk of that clip in order.
    """

    seen: dict[nn.Module, Tensor] = field(default_factory=dict)

    def with_past(self, layer: nn.Module, frames: Tensor, length: int) -> Tensor:
        """`frames` behind the `length` frames that `layer` saw before them, black at a stream's start."""
        before = self.seen.get(layer)
        if before is None:
            before = frames.new_zeros(length, *frames.shape[1:])
        frames = torch.cat([before, frames])
        self.seen[layer] = frames[-length:].clone()
        return frames


class CausalConvolution(nn.Module):
    """3×3×3 convolution that sees the present frame and the two before; `normed`, of SiLU(RMS norm(x))."""

    def __init__(self, in_width: int, out_width: int, *, normed: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(in_width)) if normed else None
        self.weight = nn.Parameter(torch.empty(out_width, in_width, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t h w d)."""
        frames = state.with_past(self, x, 2)
        if self.scale is not None:
            frames = functional.silu(_norm(frames, self.scale))
        clip = rearrange(frames, "t h w c -> 1 c t h w")
        out = functional.conv3d(clip, self.weight, self.bias, padding=(0, 1, 1))
        return rearrange(out, "1 c t h w -> t h w c")


class ResidualBlock(nn.Module):
    """Two normed causal convolutions beside a shortcut."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.first = CausalConvolution(in_width, out_width)
        self.second = CausalConvolution(out_width, out_width)
        self.shortcut = nn.Linear(in_width, out_width) if in_width != out_width else None

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t h w d)."""
        out: Tensor = self.second(self.first(x, state), state)
        return out + (x if self.shortcut is None else self.shortcut(x))


class FrameAttention(nn.Module):
    """Self-attention of one head among the positions of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(t h w c) → the same shape."""
        query, key, value = self.qkv(_norm(x, self.scale).flatten(1, 2)).unsqueeze(1).chunk(3, -1)
        attended = functional.scaled_dot_product_attention(query, key, value)
        return x + self.out(attended).view_as(x)


class Middle(nn.Module):
    """Where the picture is smallest: block, attention, block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = ResidualBlock(width, width)
        self.attention = FrameAttention(width)
        self.after = ResidualBlock(width, width)

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → the same shape."""
        out: Tensor = self.after(self.attention(self.before(x, state)), state)
        return out


class Downsample(nn.Module):
    """Half the height and width, and, if `halves_time`, half the frames but for a stream's first."""

    def __init__(self, width: int, *, halves_time: bool) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(width, width, 3, stride=2)
        self.temporal = nn.Conv1d(width, width, 3) if halves_time else None

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t' h/2 w/2 c)."""
        x = _in_space(functional.pad(x, (0, 0, 0, 1, 0, 1)), self.spatial)
        if self.temporal is None:
            return x
        first = 0 if self in state.seen else 1
        if first:
            state.seen[self] = x[:1]
        frames = state.with_past(self, x[first:], 1)
        return torch.cat([x[:first], _in_time(frames, self.temporal, stride=2)])


class Upsample(nn.Module):
    """Twice the height and width, and, if `doubles_time`, twice the frames but for a stream's first."""

    def __init__(self, in_width: int, out_width: int, *, doubles_time: bool) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.temporal = nn.Conv1d(in_width, 2 * in_width, 3) if doubles_time else None

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t' 2h 2w d)."""
        if self.temporal is not None:
            first = 0 if self in state.seen else 1  # it stays one frame, and those after it do not see it
            doubled = _in_time(state.with_past(self, x[first:], 2), self.temporal)
            x = torch.cat([x[:first], rearrange(doubled, "t h w (k c) -> (t k) h w c", k=2)])
        return _in_space(repeat(x, "t h w c -> t (h p) (w q) c", p=2, q=2), self.spatial)


class DownStage(nn.Module):
    """Blocks at one size of the encoder, then half that size unless it is the last."""

    def __init__(
        self, in_width: int, out_width: int, *, depth: int, last: bool, halves_time: bool, averaged: bool
    ) -> None:
        super().__init__()
        self.blocks = _blocks(in_width, out_width, depth)
        self.down = None if last else Downsample(out_width, halves_time=halves_time)
        self.averaged_width = out_width if averaged else None
        self.factors = (2 if halves_time else 1, 1 if last else 2)

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t' h' w' d)."""
        y = x
        for block in self.blocks:
            y = block(y, state)
        if self.down is not None:
            y = self.down(y, state)
        return y if self.averaged_width is None else y + self._averages(x, self.averaged_width)

    def _averages(self, x: Tensor, width: int) -> Tensor:
        """Each block's channels × frames × pixels, in that order, in `width` means."""
        time, side = self.factors
        x = functional.pad(x, (0, 0, 0, 0, 0, 0, len(x) % time, 0))
        blocks = rearrange(x, "(t f) (h p) (w q) c -> t h w (c f p q)", f=time, p=side, q=side)
        return reduce(blocks, "t h w (d n) -> t h w d", "mean", d=width)


class UpStage(nn.Module):
    """Blocks at one size of the decoder, then twice that size unless it is the last."""

    def __init__(
        self, in_width: int, out_width: int, *, depth: int, last: bool, doubles_time: bool, averaged: bool
    ) -> None:
        super().__init__()
        self.blocks = _blocks(in_width, out_width, depth)
        self.up_width = out_width if averaged else out_width // 2
        self.up = None if last else Upsample(out_width, self.up_width, doubles_time=doubles_time)
        self.repeated_width = out_width if averaged and not last else None
        self.time = 2 if doubles_time else 1

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t h w c) → (t' h' w' d)."""
        y, starts = x, not (self.blocks[0].first in state.seen)
        for block in self.blocks:
            y = block(y, state)
        if self.up is not None:
            y = self.up(y, state)
        if self.repeated_width is None:
            return y
        return y + self._repeated(x, self.repeated_width)[self.time - 1 if starts else 0 :]

    def _repeated(self, x: Tensor, width: int) -> Tensor:
        """The inverse of a `DownStage`'s averages: channels are repeated, then laid out as blocks."""
        channels = x.repeat_interleave(width * self.time * 4 // x.shape[-1], -1)
        return rearrange(channels, "t h w (c f p q) -> (t f) (h p) (w q) c", f=self.time, p=2, q=2)


def _blocks(in_width: int, out_width: int, depth: int) -> nn.ModuleList:
    widths = [in_width] + [out_width] * depth
    return nn.ModuleList(ResidualBlock(*pair) for pair in pairwise(widths))


def _norm(x: Tensor, scale: Tensor) -> Tensor:
    return functional.rms_norm(x, x.shape[-1:], scale, _TINY)


def _in_space(x: Tensor, layer: nn.Conv2d) -> Tensor:
    return rearrange(layer(rearrange(x, "t h w c -> t c h w")), "t c h w -> t h w c")


def _in_time(frames: Tensor, layer: nn.Conv1d, stride: int = 1) -> Tensor:
    """A convolution over three frames at a time: (t h w c) → ((t − 2) / stride h w d)."""
    stop = len(frames) - 2
    out = functional.linear(frames[:stop:stride], layer.weight[:, :, 0], layer.bias)
    for tap in (1, 2):
        out += functional.linear(frames[tap : stop + tap : stride], layer.weight[:, :, tap])
    return out


class WanEncoder(nn.Module):
    """Patched frames (t h w c) → mean and log-variance of latents (t' h' w' 2z)."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        widths = [config.encoder_width * multiplier for multiplier in (1, *config.width_multipliers)]
        halves = (*config.halves_time, False)
        self.conv_in = CausalConvolution(3 * config.patch_size**2, widths[0], normed=False)
        self.stages = nn.ModuleList(
            DownStage(
                *pair,
                depth=config.blocks_per_stage,
                last=index == len(config.halves_time),
                halves_time=halves[index],
                averaged=config.average_shortcuts,
            )
            for index, pair in enumerate(pairwise(widths))
        )
        self.middle = Middle(widths[-1])
        self.conv_out = CausalConvolution(widths[-1], 2 * config.latent_channels)
        self.posterior = nn.Linear(2 * config.latent_channels, 2 * config.latent_channels)

    def forward(self, frames: Tensor, state: WanStreamState) -> Tensor:
        """Each layer takes four frames at a time, after a stream's first alone."""
        first = 0 if self.conv_in in state.seen else 1
        x = frames
        for layer in (self.conv_in, *self.stages, self.middle, self.conv_out):
            x = torch.cat([layer(piece, state) for piece in _pieces(x, first)])
        out: Tensor = self.posterior(x)
        return out


class WanDecoder(nn.Module):
    """Latents (t h w z) → patched frames (t' h' w' c)."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        widths = [config.decoder_width * multiplier for multiplier in config.width_multipliers[::-1]]
        doubles = (*config.halves_time[::-1], False)
        self.latents = nn.Linear(config.latent_channels, config.latent_channels)
        self.conv_in = CausalConvolution(config.latent_channels, widths[0], normed=False)
        self.middle = Middle(widths[0])
        self.stages = nn.ModuleList()
        in_width = widths[0]
        for index, width in enumerate(widths):
            stage = UpStage(
                in_width,
                width,
                depth=config.blocks_per_stage + 1,
                last=index == len(config.halves_time),
                doubles_time=doubles[index],
                averaged=config.average_shortcuts,
            )
            self.stages.append(stage)
            in_width = stage.up_width
        self.conv_out = CausalConvolution(widths[-1], 3 * config.patch_size**2)

    def forward(self, latents: Tensor, state: WanStreamState) -> Iterator[Tensor]:
        """Frames a few at a time: what a layer makes goes through all that follow before it makes more."""
        first = 0 if self.conv_in in state.seen else 1
        layers = (self.conv_in, self.middle, *self.stages, self.conv_out)
        yield from _through(layers, self.latents(latents), state, first)


def _pieces(x: Tensor, first: int) -> Iterator[Tensor]:
    """A stream's first frame alone, then four at a time."""
    lengths = [first] if first else []
    for start in range(first, len(x), _FRAMES_AT_ONCE):
        lengths.append(min(_FRAMES_AT_ONCE, len(x) - start))
    yield from x.split(lengths)


def _through(layers: Sequence[nn.Module], x: Tensor, state: WanStreamState, first: int) -> Iterator[Tensor]:
    if not layers:
        yield x
        return
    for piece in _pieces(x, first):
        yield from _through(layers[1:], layers[0](piece, state), state, first)
        first = 0


class WanAutoencoder(nn.Module):
    """Video (b 3 t h w) in [−1, 1] ↔ latents (b z t' h/8 w/8), normalised by the configuration's statistics.

    A latent is the mean of the posterior. No gradients: layers work in place.
    """

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = WanEncoder(config)
        self.decoder = WanDecoder(config)

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents (b z t' h' w') of a whole clip (b 3 t h w) in [−1, 1] with t = 1 + 4k."""
        self.config.num_latent_frames(video.shape[2])
        return torch.cat(
            list(self.encode_chunks(_chunks(video, _CHUNK * self.config.temporal_compression))), 2
        )

    def decode(self, latents: Tensor) -> Tensor:
        """The whole clip (b 3 1+4(t'−1) h w) of normalised latents, in [−1, 1]."""
        return torch.cat(list(self.decode_chunks(_chunks(latents, _CHUNK))), 2)

    def encode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Normalised latents of each chunk; the first has 1 + 4k frames, each other a multiple of 4."""
        states: list[WanStreamState] = []
        for chunk in chunks:
            states = states or [WanStreamState() for _ in chunk]
            moments = [self._encode(clip, state) for clip, state in zip(chunk, states, strict=True)]
            yield self.normalise(torch.stack(moments))

    def decode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames of each chunk of latents, in constant memory; the first latent frame gives one frame."""
        states: list[WanStreamState] = []
        for chunk in chunks:
            states = states or [WanStreamState() for _ in chunk]
            clips = zip(self.denormalise(chunk), states, strict=True)
            yield torch.stack([self._decode(latents, state) for latents, state in clips])

    def normalise(self, latents: Tensor) -> Tensor:
        """Zero mean and unit variance a channel, in float32."""
        mean, std = self._statistics(latents)
        return (latents.float() - mean) / std

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`, in float32."""
        mean, std = self._statistics(latents)
        return latents.float() * std + mean

    def _statistics(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        mean = self.config.latent_mean or (0.0,) * self.config.latent_channels
        std = self.config.latent_std or (1.0,) * self.config.latent_channels
        return tuple(torch.tensor(values, device=latents.device).view(-1, 1, 1, 1) for values in (mean, std))

    @torch.no_grad()
    def _encode(self, clip: Tensor, state: WanStreamState) -> Tensor:
        """A chunk (3 t h w) → means (z t' h' w')."""
        side = self.config.patch_size
        clip = clip.to(self.encoder.posterior.weight.dtype)
        patches = rearrange(clip, "k t (h q) (w r) -> t h w (k r q)", q=side, r=side)
        means = self.encoder(patches, state)[..., : self.config.latent_channels]
        return rearrange(means, "t h w c -> c t h w")

    @torch.no_grad()
    def _decode(self, latents: Tensor, state: WanStreamState) -> Tensor:
        """A chunk (z t h w) → frames (3 t' h' w') in [−1, 1]."""
        x = rearrange(latents, "c t h w -> t h w c").to(self.decoder.latents.weight.dtype)
        patches = torch.cat(list(self.decoder(x, state)))
        side = self.config.patch_size
        frames = rearrange(patches, "t h w (k r q) -> k t (h q) (w r)", q=side, r=side)
        return frames.float().clamp(-1, 1)


_CHUNK = 4  # latent frames: so many fill each stage's four frames at a time


def _chunks(clip: Tensor, length: int) -> Iterator[Tensor]:
    """A clip's (b c t h w) first frame, then `length` at a time."""
    yield clip[:, :, :1]
    if clip.shape[2] > 1:
        yield from clip[:, :, 1:].split(length, 2)


def wan_2_1() -> WanAutoencoderConfig:
    """The autoencoder of Wan 2.1, which Wan 2.2 A14B keeps: 4×8×8, 16 channels."""
    return WanAutoencoderConfig(
        latent_channels=16,
        encoder_width=96,
        decoder_width=96,
        latent_mean=(
            -0.7571,
            -0.7089,
            -0.9113,
            0.1075,
            -0.1745,
            0.9653,
            -0.1517,
            1.5508,
            0.4134,
            -0.0715,
            0.5517,
            -0.3632,
            -0.1922,
            -0.9497,
            0.2503,
            -0.2921,
        ),
        latent_std=(
            2.8184,
            1.4541,
            2.3275,
            2.6558,
            1.2196,
            1.7708,
            2.6052,
            2.0743,
            3.2687,
            2.1526,
            2.8652,
            1.5579,
            1.6382,
            1.1253,
            2.8251,
            1.9160,
        ),
    )


def wan_2_2() -> WanAutoencoderConfig:
    """The autoencoder of Wan 2.2 TI2V-5B: 4×16×16, 48 channels."""
    return WanAutoencoderConfig(
        latent_channels=48,
        encoder_width=160,
        decoder_width=256,
        patch_size=2,
        average_shortcuts=True,
        latent_mean=(
            -0.2289,
            -0.0052,
            -0.1323,
            -0.2339,
            -0.2799,
            0.0174,
            0.1838,
            0.1557,
            -0.1382,
            0.0542,
            0.2813,
            0.0891,
            0.1570,
            -0.0098,
            0.0375,
            -0.1825,
            -0.2246,
            -0.1207,
            -0.0698,
            0.5109,
            0.2665,
            -0.2108,
            -0.2158,
            0.2502,
            -0.2055,
            -0.0322,
            0.1109,
            0.1567,
            -0.0729,
            0.0899,
            -0.2799,
            -0.1230,
            -0.0313,
            -0.1649,
            0.0117,
            0.0723,
            -0.2839,
            -0.2083,
            -0.0520,
            0.3748,
            0.0152,
            0.1957,
            0.1433,
            -0.2944,
            0.3573,
            -0.0548,
            -0.1681,
            -0.0667,
        ),
        latent_std=(
            0.4765,
            1.0364,
            0.4514,
            1.1677,
            0.5313,
            0.4990,
            0.4818,
            0.5013,
            0.8158,
            1.0344,
            0.5894,
            1.0901,
            0.6885,
            0.6165,
            0.8454,
            0.4978,
            0.5759,
            0.3523,
            0.7135,
            0.6804,
            0.5833,
            1.4146,
            0.8986,
            0.5659,
            0.7069,
            0.5338,
            0.4889,
            0.4917,
            0.4069,
            0.4999,
            0.6866,
            0.4093,
            0.5709,
            0.6065,
            0.6415,
            0.4944,
            0.5726,
            1.2042,
            0.5458,
            1.6887,
            0.3971,
            1.0600,
            0.3943,
            0.5537,
            0.5444,
            0.4089,
            0.7468,
            0.7744,
        ),
    )
