"""The autoencoders of Wan 2.1 (4×8×8, 16 channels) and Wan 2.2 (4×16×16, 48 channels), exact, for inference.

Frames are (t c h w) inside, and the clips of a batch go one after the other. Every layer sees the present and
the past, never the future: what it needs of the past is its last two frames, carried in a `WanStreamState`,
so a clip may come in chunks. Layers work on four frames at a time, whatever the chunk: memory does not grow
with length.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from tenku.vae.winograd import time_convolution

_FRAMES_AT_ONCE: Final = 4
_CHUNK: Final = 4  # latent frames that fill each stage's four frames at a time
_BAND_BYTES: Final = 7_000_000  # that a convolution reads: a few such buffers fit the processor's cache
_FEWEST_ROWS: Final = 8  # of a band: the rows above and below it are activated twice
_TINY: Final = 1e-24  # only keeps the norm of an all-zero position from dividing by zero


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
    """What each layer keeps of the last frames (t c h w) of one clip; nothing at the start of a stream.

    One state serves one clip in one direction: give it to every chunk of that clip in order.
    """

    kept: dict[nn.Module, Tensor] = field(default_factory=dict)

    def with_past(self, layer: nn.Module, frames: Tensor, length: int) -> Tensor:
        """`frames` behind the `length` frames that `layer` saw before them, black at a stream's start."""
        past = self.kept.get(layer)
        if past is None:
            past = frames.new_zeros(length, *frames.shape[1:])
        frames = torch.cat([past, frames])
        self.kept[layer] = frames[-length:].clone()
        return frames


class CausalConvolution(nn.Module):
    """3×3×3 convolution that sees the present frame and the two before; `normed`, of SiLU(RMS norm(x)).

    Norm, convolution and sum are made together, in bands of rows that stay in the processor's cache.
    """

    def __init__(self, in_width: int, out_width: int, *, normed: bool = True) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(in_width)) if normed else None
        self.weight = nn.Parameter(torch.empty(out_width, in_width, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor, state: WanStreamState, onto: Tensor | None = None) -> Tensor:
        """(t c h w) → (t d h w), or that added to what it is to go `onto`."""
        past = state.kept.get(self)
        if past is None:  # of one frame, nothing need be multiplied with the black before it
            past = x.new_zeros(0 if len(x) == 1 else 2, *x.shape[1:])
        convolve = time_convolution(self.weight[:, :, 2 - len(past) :], len(x), x.shape[2] * x.shape[3])
        out = x.new_empty(len(x), len(self.weight), *x.shape[2:]) if onto is None else onto
        kept = past if len(past) == 2 else x.new_zeros(2, *x.shape[1:])
        seen: tuple[slice, Tensor] | None = None  # the band before, whose past this one looks at as well
        for rows in _bands(x):
            window = self._window(x, past, rows)
            if seen is not None:
                _keep(kept, *seen)
            seen = rows, window[-2:, :, 1:-1]
            made = convolve(window).add_(self.bias[:, None, None])
            torch.add(made, 0 if onto is None else onto[:, :, rows], out=out[:, :, rows])
        if seen is not None:
            _keep(kept, *seen)
        state.kept[self] = kept
        return out

    def _window(self, x: Tensor, past: Tensor, rows: slice) -> Tensor:
        """A band of past and present, activated, with the row above and the row below it, black outside."""
        num_past, (num_frames, channels, height, width) = len(past), x.shape
        window = x.new_zeros(num_past + num_frames, channels, rows.stop - rows.start + 2, width)
        there = slice(max(rows.start - 1, 0), min(rows.stop + 1, height))
        inside = window[:, :, there.start - rows.start + 1 : there.stop - rows.start + 1]
        inside[:num_past] = past[:, :, there]
        present = x[:, :, there]
        inside[num_past:] = (
            present if self.scale is None else functional.silu(_norm(present, self.scale), True)
        )
        return window


def _keep(kept: Tensor, rows: slice, last: Tensor) -> None:
    """The last frames of a band are the past of what comes next."""
    kept[-len(last) :, :, rows] = last


def _bands(x: Tensor) -> Iterator[slice]:
    """Rows of frames (t c h w) that are worked on together; all of them where there is no such cache."""
    height, width = x.shape[2:]
    rows = height
    if x.device.type == "cpu":
        rows = max(_BAND_BYTES // (len(x) * x.shape[1] * width * x.element_size()), _FEWEST_ROWS)
    starts = range(0, height, rows)
    if type(x) is not Tensor:  # its memory is traced, without numbers: two bands take what all of them do
        starts = starts[:2]
    for start in starts:
        yield slice(start, min(start + rows, height))


def _norm(x: Tensor, scale: Tensor) -> Tensor:
    """RMS norm over the channels of (t c h w), made in at least float32."""
    exact = x if x.dtype == torch.float64 else x.float()
    inverse = exact.square().sum(1, keepdim=True).clamp_min_(_TINY).rsqrt_()
    normed: Tensor = (exact * inverse).mul_((scale * x.shape[1] ** 0.5)[:, None, None]).to(x.dtype)
    return normed


class ResidualBlock(nn.Module):
    """Two normed causal convolutions beside a shortcut."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.first = CausalConvolution(in_width, out_width)
        self.second = CausalConvolution(out_width, out_width)
        self.shortcut = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else None

    def forward(self, x: Tensor, state: WanStreamState, *, spare: bool = False) -> Tensor:
        """(t c h w) → (t d h w), in the place of x unless that has another width or is to be spared."""
        y = self.first(x, state)
        if self.shortcut is not None:
            x = self.shortcut(x)
        out: Tensor = self.second(y, state, onto=x.clone() if spare and self.shortcut is None else x)
        return out


class FrameAttention(nn.Module):
    """Self-attention of one head among the positions of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(t c h w) → the same shape."""
        tokens = rearrange(_norm(x, self.scale), "t c h w -> t 1 (h w) c")
        query, key, value = self.qkv(tokens).chunk(3, -1)
        attended = functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = x + rearrange(self.out(attended), "t 1 (h w) c -> t c h w", h=x.shape[2])
        return out


class Middle(nn.Module):
    """Where the picture is smallest: block, attention, block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = ResidualBlock(width, width)
        self.attention = FrameAttention(width)
        self.after = ResidualBlock(width, width)

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t c h w) → the same shape."""
        out: Tensor = self.after(self.attention(self.before(x, state)), state)
        return out


class Downsample(nn.Module):
    """Half the height and width, and, if `halves_time`, half the frames but for a stream's first."""

    def __init__(self, width: int, *, halves_time: bool) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(width, width, 3, stride=2)
        self.temporal = nn.Conv1d(width, width, 3) if halves_time else None

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t c h w) → (t' c h/2 w/2)."""
        x = self.spatial(functional.pad(x, (0, 1, 0, 1)))
        if self.temporal is None:
            return x
        first = 0 if self in state.kept else 1
        if first:
            state.kept[self] = x[:1]
        frames = state.with_past(self, x[first:], 1)
        return torch.cat([x[:first], _in_time(frames, self.temporal, stride=2)])


class Upsample(nn.Module):
    """Twice the height and width, and, if `doubles_time`, twice the frames but for a stream's first."""

    def __init__(self, in_width: int, out_width: int, *, doubles_time: bool) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(in_width, out_width, 3, padding=1)
        self.temporal = nn.Conv1d(in_width, 2 * in_width, 3) if doubles_time else None

    def forward(self, x: Tensor, state: WanStreamState) -> Tensor:
        """(t c h w) → (t' d 2h 2w)."""
        if self.temporal is not None:
            first = 0 if self in state.kept else 1  # it stays one frame, and those after it do not see it
            doubled = _in_time(state.with_past(self, x[first:], 2), self.temporal)
            x = torch.cat([x[:first], rearrange(doubled, "t (k c) h w -> (t k) c h w", k=2)])
        return _of_doubled(x, self.spatial)


def _of_doubled(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """`layer` of frames (t c h w) whose every position is repeated to 2×2: (t d 2h 2w).

    A repeated position meets two or three taps of the kernel at once, so their sum will do: four kernels of
    2×2 taps on the small picture, one for each place in the 2×2.
    """
    height, width = x.shape[2:]
    padded = functional.pad(x, (1, 1, 1, 1))
    out = x.new_empty(len(x), layer.out_channels, 2 * height, 2 * width)
    for p in (0, 1):
        for q in (0, 1):
            kernel = _paired(_paired(layer.weight, p, 2), q, 3)
            part = padded[:, :, p : p + height + 1, q : q + width + 1]
            out[:, :, p::2, q::2] = functional.conv2d(part, kernel, layer.bias)
    return out


def _paired(kernel: Tensor, place: int, axis: int) -> Tensor:
    """Three taps as the two that the first or the second of two like positions meets."""
    first, second, third = kernel.unbind(axis)
    return torch.stack([first + second, third] if place else [first, second + third], axis)


def _in_time(frames: Tensor, layer: nn.Conv1d, stride: int = 1) -> Tensor:
    """A convolution over three frames at a time: (t c h w) → ((t − 2) / stride d h w)."""
    stop, flat = len(frames) - 2, frames.flatten(2)
    seen = torch.cat([flat[tap : stop + tap : stride] for tap in range(3)], 1)
    assert layer.bias is not None
    out = layer.weight.transpose(1, 2).flatten(1) @ seen + layer.bias[:, None]
    return out.view(*out.shape[:2], *frames.shape[2:])


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
        """(t c h w) → (t' d h' w')."""
        y = x
        for block in self.blocks:
            y = block(y, state, spare=y is x and self.averaged_width is not None)
        if self.down is not None:
            y = self.down(y, state)
        return y if self.averaged_width is None else y + self._averages(x, self.averaged_width)

    def _averages(self, x: Tensor, width: int) -> Tensor:
        """Each block's channels × frames × pixels, in that order, in `width` means."""
        time, side = self.factors
        x = functional.pad(x, (0, 0, 0, 0, 0, 0, len(x) % time, 0))
        blocks = rearrange(x, "(t f) c (h p) (w q) -> t (c f p q) h w", f=time, p=side, q=side)
        return reduce(blocks, "t (d n) h w -> t d h w", "mean", d=width)


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
        """(t c h w) → (t' d h' w')."""
        y, starts = x, self.blocks[0].first not in state.kept
        for block in self.blocks:
            y = block(y, state, spare=y is x and self.repeated_width is not None)
        if self.up is not None:
            y = self.up(y, state)
        if self.repeated_width is None:
            return y
        return y.add_(self._repeated(x, self.repeated_width)[self.time - 1 if starts else 0 :])

    def _repeated(self, x: Tensor, width: int) -> Tensor:
        """The inverse of a `DownStage`'s averages: channels are repeated, then laid out as blocks."""
        channels = x.repeat_interleave(width * self.time * 4 // x.shape[1], 1)
        return rearrange(channels, "t (c f p q) h w -> (t f) c (h p) (w q)", f=self.time, p=2, q=2)


def _blocks(in_width: int, out_width: int, depth: int) -> nn.ModuleList:
    widths = [in_width] + [out_width] * depth
    return nn.ModuleList(ResidualBlock(*pair) for pair in pairwise(widths))


class WanEncoder(nn.Module):
    """Patched frames (t c h w) → mean and log-variance of latents (t' 2z h' w')."""

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
        self.posterior = nn.Conv2d(2 * config.latent_channels, 2 * config.latent_channels, 1)

    def forward(self, frames: Tensor, state: WanStreamState) -> Tensor:
        """Each layer takes four frames at a time, after a stream's first alone."""
        first = 0 if self.conv_in in state.kept else 1
        layers = (self.conv_in, *self.stages, self.middle, self.conv_out)
        out: Tensor = self.posterior(torch.cat(list(_through(layers, frames, state, first))))
        return out


class WanDecoder(nn.Module):
    """Latents (t z h w) → patched frames (t' c h' w')."""

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        widths = [config.decoder_width * multiplier for multiplier in config.width_multipliers[::-1]]
        doubles = (*config.halves_time[::-1], False)
        self.latents = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
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
        """Frames a few at a time."""
        first = 0 if self.conv_in in state.kept else 1
        layers = (self.conv_in, self.middle, *self.stages, self.conv_out)
        return _through(layers, self.latents(latents), state, first)


def _through(
    layers: Iterable[nn.Module], frames: Tensor, state: WanStreamState, first: int
) -> Iterator[Tensor]:
    """What each layer makes goes through all that follow before it makes more; nobody keeps what is done
    with."""
    pieces: Iterator[Tensor] = iter([frames])
    for layer in layers:
        pieces = map(partial(layer, state=state), _in_fours(pieces, first))
    return pieces


def _in_fours(pieces: Iterator[Tensor], first: int) -> Iterator[Tensor]:
    """A stream's first frame alone, then four at a time, whatever they came in."""
    ready: list[Tensor] = []
    while (piece := next(pieces, None)) is not None:
        if first:
            yield piece[:1]
            piece, first = piece[1:], 0
        parts = torch.split(torch.cat([*ready, piece]) if ready else piece, _FRAMES_AT_ONCE)
        ready = [part for part in parts if len(part)]
        del piece, parts
        while len(ready) > 1 or (ready and len(ready[0]) == _FRAMES_AT_ONCE):
            yield ready.pop(0)
    while ready:
        yield ready.pop(0)


class WanAutoencoder(nn.Module):
    """Video (b 3 t h w) in [−1, 1] ↔ latents (b z t' h/8 w/8), normalised by the configuration's statistics.

    A latent is the mean of the posterior. Networks run in the type of their weights, whatever autocast says,
    and without gradients.
    """

    def __init__(self, config: WanAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = WanEncoder(config)
        self.decoder = WanDecoder(config)

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents (b z t' h' w') of a whole clip (b 3 t h w) in [−1, 1] with t = 1 + 4k."""
        self.config.num_latent_frames(video.shape[2])
        chunks = _chunks(video, _CHUNK * self.config.temporal_compression)
        return torch.cat(list(self.encode_chunks(chunks)), 2)

    def decode(self, latents: Tensor) -> Tensor:
        """The whole clip (b 3 1+4(t'−1) h w) of normalised latents, in [−1, 1]."""
        return torch.cat(list(self.decode_chunks(_chunks(latents, _CHUNK))), 2)

    def encode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Normalised latents of each chunk, in constant memory; the first has 1 + 4k frames, each other a
        multiple of 4."""
        states: list[WanStreamState] = []
        for chunk in chunks:
            self._check(chunk, new=0 if states else 1)
            states = states or [WanStreamState() for _ in chunk]
            means = [self._encode(clip, state) for clip, state in zip(chunk, states, strict=True)]
            yield self.normalise(torch.stack(means))

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
        rows = torch.tensor([mean, std], dtype=torch.float32, device=latents.device).view(2, -1, 1, 1, 1)
        return rows[0], rows[1]

    def _check(self, chunk: Tensor, *, new: int) -> None:
        time, side = self.config.temporal_compression, self.config.spatial_compression
        num_frames, height, width = chunk.shape[2:]
        if num_frames < 1 or (num_frames - new) % time:
            raise ValueError(f"a chunk must have {'1 + ' if new else ''}{time}·k frames, not {num_frames}")
        if height % side or width % side:
            raise ValueError(f"height and width must be multiples of {side}, not {height} and {width}")

    @torch.no_grad()
    def _encode(self, clip: Tensor, state: WanStreamState) -> Tensor:
        """A chunk (3 t h w) → means (z t' h' w')."""
        side = self.config.patch_size
        clip = clip.to(self.encoder.posterior.weight.dtype)
        patches = rearrange(clip, "k t (h q) (w r) -> t (k r q) h w", q=side, r=side)
        with torch.autocast(clip.device.type, enabled=False):
            moments = self.encoder(patches, state)
        means: Tensor = moments[:, : self.config.latent_channels].transpose(0, 1)
        return means

    @torch.no_grad()
    def _decode(self, latents: Tensor, state: WanStreamState) -> Tensor:
        """A chunk (z t h w) → frames (3 t' h' w') in [−1, 1]."""
        side = self.config.patch_size
        x = latents.transpose(0, 1).to(self.decoder.latents.weight.dtype)
        with torch.autocast(x.device.type, enabled=False):
            patches = torch.cat(list(self.decoder(x, state)))
        frames = rearrange(patches, "t (k r q) h w -> k t (h q) (w r)", q=side, r=side)
        return frames.float().clamp_(-1, 1)


def _chunks(clip: Tensor, length: int) -> Iterator[Tensor]:
    """The first frame of a clip (b c t h w), then `length` at a time."""
    yield clip[:, :, :1]
    for start in range(1, clip.shape[2], length):
        yield clip[:, :, start : start + length]


def wan_2_1() -> WanAutoencoderConfig:
    """The autoencoder of Wan 2.1, which Wan 2.2 A14B keeps: 4×8×8, 16 channels."""
    return WanAutoencoderConfig(
        latent_channels=16,
        encoder_width=96,
        decoder_width=96,
        latent_mean=_MEAN_2_1,
        latent_std=_STD_2_1,
    )


def wan_2_2() -> WanAutoencoderConfig:
    """The autoencoder of Wan 2.2 TI2V-5B: 4×16×16, 48 channels."""
    return WanAutoencoderConfig(
        latent_channels=48,
        encoder_width=160,
        decoder_width=256,
        patch_size=2,
        average_shortcuts=True,
        latent_mean=_MEAN_2_2,
        latent_std=_STD_2_2,
    )


# fmt: off
# As published in Wan-Video/Wan2.1 (wan/modules/vae.py) and Wan-Video/Wan2.2 (wan/modules/vae2_2.py).
_MEAN_2_1: Final = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632,
    -0.1922, -0.9497, 0.2503, -0.2921,
)
_STD_2_1: Final = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579,
    1.6382, 1.1253, 2.8251, 1.916,
)
_MEAN_2_2: Final = (
    -0.2289, -0.0052, -0.1323, -0.2339, -0.2799, 0.0174, 0.1838, 0.1557, -0.1382, 0.0542, 0.2813, 0.0891,
    0.157, -0.0098, 0.0375, -0.1825, -0.2246, -0.1207, -0.0698, 0.5109, 0.2665, -0.2108, -0.2158, 0.2502,
    -0.2055, -0.0322, 0.1109, 0.1567, -0.0729, 0.0899, -0.2799, -0.123, -0.0313, -0.1649, 0.0117, 0.0723,
    -0.2839, -0.2083, -0.052, 0.3748, 0.0152, 0.1957, 0.1433, -0.2944, 0.3573, -0.0548, -0.1681, -0.0667,
)
_STD_2_2: Final = (
    0.4765, 1.0364, 0.4514, 1.1677, 0.5313, 0.499, 0.4818, 0.5013, 0.8158, 1.0344, 0.5894, 1.0901,
    0.6885, 0.6165, 0.8454, 0.4978, 0.5759, 0.3523, 0.7135, 0.6804, 0.5833, 1.4146, 0.8986, 0.5659,
    0.7069, 0.5338, 0.4889, 0.4917, 0.4069, 0.4999, 0.6866, 0.4093, 0.5709, 0.6065, 0.6415, 0.4944,
    0.5726, 1.2042, 0.5458, 1.6887, 0.3971, 1.06, 0.3943, 0.5537, 0.5444, 0.4089, 0.7468, 0.7744,
)
# fmt: on
