"""The autoencoders of LTX-Video 0.9, 0.9.1 and 0.9.5 (8×32×32, 128 channels), exact, for inference.

Frames are (t c h w) inside, and the clips of a batch go one after the other. The encoder sees the present
and the past. The decoder also looks ahead, at one frame in every convolution: 22 to 31 latent frames in all,
more than a usual clip has. Chunks that overlap by that would be made many times over. Instead every layer
keeps its last two frames in an `LtxStreamState` and is a frame behind until the clip ends: nothing is made
twice, and memory does not grow with length, but the first frames come late.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import torch
from einops import rearrange, reduce
from torch import Tensor, nn
from torch.nn import functional

from tenku.vae.winograd import time_convolution

_FRAMES_AT_ONCE: Final = 4
_CHUNK: Final = 4  # latent frames
_NORM_EPS: Final = 1e-8
_SHORTCUT_EPS: Final = 1e-6
_TIME_FEATURES: Final = 256
NOISE_SEED: Final = (
    10_000_019  # of what the decoder adds: the same for every clip, so that frames come out alike
)

Downsampling: TypeAlias = Literal["strided", "space", "time", "both"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DownShape:
    """A stage of the encoder: `depth` blocks, then half of the size, then `width` channels.

    A strided convolution halves everything; other ways fold what they halve into channels, beside means.
    """

    width: int
    depth: int
    downsampling: Downsampling | None = None

    @property
    def folds(self) -> bool:
        """Whether it folds into channels what it halves."""
        return self.downsampling not in (None, "strided")

    @property
    def space(self) -> int:
        """How much smaller a side becomes."""
        return 1 if self.downsampling in (None, "time") else 2

    @property
    def time(self) -> int:
        """How many times fewer frames there are."""
        return 1 if self.downsampling in (None, "space") else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class UpShape:
    """A stage of the decoder: `width` channels, twice the size in all directions, then `depth` blocks.

    It divides the channels before it by `factor` while it grows, beside a `shortcut` if there is one. `noisy`
    blocks add noise, the same to all frames.
    """

    width: int
    depth: int
    upsamples: bool = True
    factor: int = 1
    shortcut: bool = False
    noisy: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LtxAutoencoderConfig:
    """Shape of an LTX-Video autoencoder, and the statistics by which its latents are normalised.

    `encoder_width` is that of its first convolution, and `encoder_depth` that of the blocks after its stages;
    the decoder begins with `decoder_middle`. A decoder that is `time_conditioned` takes away noise, of which
    latents are given `decode_noise_scale`, and is told that they are at `decode_timestep`.
    """

    encoder_width: int
    encoder_stages: tuple[DownShape, ...]
    encoder_depth: int
    decoder_middle: UpShape
    decoder_stages: tuple[UpShape, ...]
    decoder_causal: bool = False
    time_conditioned: bool = False
    decode_timestep: float = 0.05
    decode_noise_scale: float = 0.025
    latent_channels: int = 128
    patch_size: int = 4
    scaling_factor: float = 1.0
    latent_mean: tuple[float, ...] = ()
    latent_std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        stages: tuple[DownShape | UpShape, ...]
        stages = (*self.encoder_stages, self.decoder_middle, *self.decoder_stages)
        numbers = [number for stage in stages for number in (stage.width, stage.depth)]
        if min(*numbers, self.encoder_width, self.encoder_depth, self.latent_channels, self.patch_size) < 1:
            raise ValueError("widths, depths, channels and patch_size must be at least 1")
        doublings = sum(stage.upsamples for stage in self.decoder_stages)
        grown = 2**doublings, self.patch_size * 2**doublings
        if grown != (self.temporal_compression, self.spatial_compression):
            raise ValueError("the decoder must grow as much as the encoder shrinks")
        widths = (self.encoder_width, *(shape.width for shape in self.encoder_stages[:-1]))
        for width, shape in zip(widths, self.encoder_stages, strict=True):
            folded = shape.time * shape.space**2
            if shape.folds and (shape.width % folded or folded * width % shape.width):
                raise ValueError(
                    "a stage that folds must have a multiple of the channels that it folds into one"
                )
        for before, stage in pairwise((self.decoder_middle, *self.decoder_stages)):
            divides = before.width == stage.factor * stage.width
            if stage.factor > 1 and not (divides and stage.upsamples):
                raise ValueError("a stage that upsamples by a factor must divide the width before it by that")
            if (self.time_conditioned or stage.noisy) and not divides:
                raise ValueError("a decoder that knows time or noise must change its width by factors only")
        for name in ("latent_mean", "latent_std"):
            values = getattr(self, name)
            if values and len(values) != self.latent_channels:
                raise ValueError(
                    f"{name} must have one value a latent channel ({self.latent_channels}), not {len(values)}"
                )

    @property
    def temporal_compression(self) -> int:
        """Frames in one latent frame, but for the first, which holds one."""
        return math.prod(stage.time for stage in self.encoder_stages)

    @property
    def spatial_compression(self) -> int:
        """Pixels a side in one latent position."""
        return self.patch_size * math.prod(stage.space for stage in self.encoder_stages)

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


def _generator(offset: int) -> torch.Generator:
    return torch.Generator().manual_seed(NOISE_SEED + offset)


@dataclass(slots=True)
class LtxStreamState:
    """What each layer keeps of the last frames (t c h w) of one clip; nothing at the start of a stream.

    One state serves one clip in one direction: give it to every chunk of that clip in order. Noise is drawn
    once a clip, or once a latent frame, whatever the chunks.
    """

    kept: dict[nn.Module, Tensor] = field(default_factory=dict)
    started: set[nn.Module] = field(default_factory=set)
    noises: dict[nn.Module, tuple[Tensor, ...]] = field(default_factory=dict)
    of_layers: torch.Generator = field(default_factory=lambda: _generator(0))
    of_latents: torch.Generator = field(default_factory=lambda: _generator(1))

    def oldest(self, layer: nn.Module, frames: Tensor, number: int) -> Tensor:
        """The oldest `number` frames that `layer` was given and has not had back; the rest waits."""
        waiting = torch.cat([self.kept[layer], frames]) if layer in self.kept else frames
        self.kept[layer] = waiting[number:].clone()
        return waiting[:number]

    def starts(self, layer: nn.Module) -> bool:
        """Whether `layer` asks this for the first time."""
        first = layer not in self.started
        self.started.add(layer)
        return first

    def noise(self, layer: nn.Module, number: int, like: Tensor) -> tuple[Tensor, ...]:
        """So many pictures (h w) of noise of a layer, of the size of its frames (t c h w)."""
        if layer not in self.noises:
            drawn = (torch.randn(like.shape[2:], generator=self.of_layers).to(like) for _ in range(number))
            self.noises[layer] = tuple(drawn)
        return self.noises[layer]


Layer: TypeAlias = Callable[
    [Tensor, LtxStreamState, bool], Tensor
]  # frames, state, whether they are the last


class TimeConvolution(nn.Module):
    """3×3×3 convolution; the first frame of a clip, and the last, are repeated as they are needed.

    A causal one sees the present frame and the two before it. Another sees the frames around the present one:
    it is a frame behind until the last has come.
    """

    def __init__(self, in_width: int, out_width: int, *, causal: bool = True, stride: int = 1) -> None:
        super().__init__()
        self.causal, self.stride = causal, stride
        self.weight = nn.Parameter(torch.empty(out_width, in_width, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor, state: LtxStreamState, last: bool) -> Tensor:
        """(t c h w) → (t' d h' w')."""
        frames = self._seen(x, state, last)
        if self.stride > 1:
            volume = frames.transpose(0, 1)[None]
            return functional.conv3d(volume, self.weight, self.bias, self.stride, (0, 1, 1))[0].transpose(
                0, 1
            )
        height, width = x.shape[2:]
        out = x.new_empty(max(len(frames) - 2, 0), len(self.weight), height, width)
        for start in range(0, len(out), _FRAMES_AT_ONCE):
            window = functional.pad(frames[start : start + _FRAMES_AT_ONCE + 2], (0, 0, 1, 1))
            convolve = time_convolution(self.weight, len(window) - 2, height * width)
            out[start : start + len(window) - 2] = convolve(window).add_(self.bias[:, None, None])
        return out

    def _seen(self, x: Tensor, state: LtxStreamState, last: bool) -> Tensor:
        """The frames with those before them, and with the one after them if it is known."""
        if self not in state.kept and not len(x):
            return x
        before = state.kept[self] if self in state.kept else x[:1].repeat(2 if self.causal else 1, 1, 1, 1)
        frames = torch.cat([before, x])
        state.kept[self] = frames[self.stride - 3 :].clone()
        return torch.cat([frames, frames[-1:]]) if last and not self.causal else frames


def _activated(x: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """SiLU of the RMS norm over the channels of (t c h w), shifted and scaled (c) if that is asked for."""
    exact = x if x.dtype == torch.float64 else x.float()
    normed = exact * exact.square().mean(1, keepdim=True).add_(_NORM_EPS).rsqrt_()
    if modulation is not None:
        shift, scale = (part[:, None, None] for part in modulation)
        normed = torch.addcmul(shift.to(normed), normed, 1 + scale.to(normed))
    return functional.silu(normed, inplace=True).to(x.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions of what is normed and activated, beside a shortcut.

    Of a time-conditioned one a table says, for each norm, how it is shifted and scaled, after its stage's.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        *,
        causal: bool = True,
        noisy: bool = False,
        time_conditioned: bool = False,
    ) -> None:
        super().__init__()
        self.first = TimeConvolution(in_width, out_width, causal=causal)
        self.second = TimeConvolution(out_width, out_width, causal=causal)
        self.norm = nn.LayerNorm(in_width, _SHORTCUT_EPS) if in_width != out_width else None
        self.shortcut = nn.Conv2d(in_width, out_width, 1) if in_width != out_width else None
        self.first_noise = nn.Parameter(torch.zeros(in_width)) if noisy else None
        self.second_noise = nn.Parameter(torch.zeros(in_width)) if noisy else None
        self.table = nn.Parameter(torch.zeros(4, in_width)) if time_conditioned else None

    def forward(self, x: Tensor, state: LtxStreamState, last: bool, time: Tensor | None = None) -> Tensor:
        """(t c h w) → (t' d h w)."""
        early, late = None, None
        if self.table is not None and time is not None:
            shift, scale, later_shift, later_scale = self.table + time.view(4, -1)
            early, late = (shift, scale), (later_shift, later_scale)
        y = self.first(_activated(x, early), state, last)
        y = self._with_noise(y, state, 0, self.first_noise)
        y = self.second(_activated(y, late), state, last)
        y = self._with_noise(y, state, 1, self.second_noise)
        return y + self._beside(state.oldest(self, x, len(y)))

    def _with_noise(self, y: Tensor, state: LtxStreamState, number: int, scale: Tensor | None) -> Tensor:
        return y if scale is None else y + state.noise(self, 2, y)[number] * scale[:, None, None]

    def _beside(self, x: Tensor) -> Tensor:
        if self.norm is None or self.shortcut is None:
            return x
        out: Tensor = self.shortcut(self.norm(x.movedim(1, -1)).movedim(-1, 1))
        return out


class FoldingDownsample(nn.Module):
    """A convolution whose frames and pixels are folded into channels, beside means of what came in."""

    def __init__(self, in_width: int, out_width: int, *, time: int, space: int) -> None:
        super().__init__()
        self.time, self.space, self.out_width = time, space, out_width
        self.convolution = TimeConvolution(in_width, out_width // (time * space**2))

    def forward(self, x: Tensor, state: LtxStreamState, last: bool) -> Tensor:
        """(t c h w) → (t' d h' w')."""
        if self.time > 1 and state.starts(self):
            x = torch.cat([x[:1], x])
        means = reduce(self._folded(x), "t (d g) h w -> t d h w", "mean", d=self.out_width)
        return self._folded(self.convolution(x, state, last)) + means

    def _folded(self, x: Tensor) -> Tensor:
        pattern = "(t p) c (h q) (w r) -> t (c p q r) h w"
        return rearrange(x, pattern, p=self.time, q=self.space, r=self.space)


class DownStage(nn.Module):
    """Blocks at one size of the encoder, then half that size, then more channels."""

    def __init__(self, in_width: int, shape: DownShape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ResidualBlock(in_width, in_width) for _ in range(shape.depth))
        self.down: nn.Module | None = None
        self.widen: nn.Module | None = None
        if shape.folds:
            self.down = FoldingDownsample(in_width, shape.width, time=shape.time, space=shape.space)
            return
        self.down = TimeConvolution(in_width, in_width, stride=2) if shape.downsampling else None
        self.widen = ResidualBlock(in_width, shape.width) if in_width != shape.width else None

    def forward(self, x: Tensor, state: LtxStreamState) -> Tensor:
        """(t c h w) → (t' d h' w')."""
        for layer in (*self.blocks, self.down, self.widen):
            x = x if layer is None else layer(x, state, False)
        return x


class LtxEncoder(nn.Module):
    """Patched frames (t c h w) → means and one log-variance (t' z+1 h' w')."""

    def __init__(self, config: LtxAutoencoderConfig) -> None:
        super().__init__()
        self.conv_in = TimeConvolution(3 * config.patch_size**2, config.encoder_width)
        self.stages = nn.ModuleList()
        width = config.encoder_width
        for shape in config.encoder_stages:
            self.stages.append(DownStage(width, shape))
            width = shape.width
        self.middle = DownStage(width, DownShape(width=width, depth=config.encoder_depth))
        self.conv_out = TimeConvolution(width, config.latent_channels + 1)

    def forward(self, frames: Tensor, state: LtxStreamState) -> Tensor:
        """A stream's first frame alone, or as many as a latent frame has."""
        x = self.conv_in(frames, state, False)
        for stage in (*self.stages, self.middle):
            x = stage(x, state)
        out: Tensor = self.conv_out(_activated(x), state, False)
        return out


class TimeEmbedding(nn.Module):
    """How far from clean latents are, as a vector."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(_TIME_FEATURES, size)
        self.out = nn.Linear(size, size)

    def forward(self, time: Tensor) -> Tensor:
        """A number → (size)."""
        half = _TIME_FEATURES // 2
        frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=time.device) / half)
        angles = time.float() * frequencies
        features = torch.cat([angles.cos(), angles.sin()]).to(self.hidden.weight.dtype)
        out: Tensor = self.out(functional.silu(self.hidden(features)))
        return out


class Upsample(nn.Module):
    """Twice the frames, the height and the width, out of channels; of a stream's first frame one is left."""

    def __init__(self, out_width: int, *, factor: int, shortcut: bool, causal: bool) -> None:
        super().__init__()
        self.convolution = TimeConvolution(factor * out_width, 8 * out_width, causal=causal)
        self.repeats = 8 // factor if shortcut else 0

    def forward(self, x: Tensor, state: LtxStreamState, last: bool) -> Tensor:
        """(t c h w) → (t' d 2h 2w)."""
        y = self.convolution(x, state, last)
        beside = state.oldest(self, x, len(y))
        frames = _unfolded(y)
        if self.repeats:
            frames = frames + _unfolded(beside).repeat(1, self.repeats, 1, 1)
        return frames[1:] if len(frames) and state.starts(self) else frames


def _unfolded(x: Tensor) -> Tensor:
    return rearrange(x, "t (c p q r) h w -> (t p) c (h q) (w r)", p=2, q=2, r=2)


class UpStage(nn.Module):
    """Fewer channels, then twice the size, then blocks."""

    def __init__(self, in_width: int, shape: UpShape, config: LtxAutoencoderConfig) -> None:
        super().__init__()
        block = partial(
            ResidualBlock,
            causal=config.decoder_causal,
            noisy=shape.noisy,
            time_conditioned=config.time_conditioned,
        )
        narrows = in_width != shape.factor * shape.width
        self.time = TimeEmbedding(4 * shape.width) if config.time_conditioned else None
        self.narrow = block(in_width, shape.width) if narrows else None
        self.up = None
        if shape.upsamples:
            self.up = Upsample(
                shape.width, factor=shape.factor, shortcut=shape.shortcut, causal=config.decoder_causal
            )
        self.blocks = nn.ModuleList(block(shape.width, shape.width) for _ in range(shape.depth))

    def layers(self, time: Tensor | None) -> list[Layer]:
        """Its layers in their order, told how far from clean latents are."""
        embedded = None if self.time is None or time is None else self.time(time)
        before = [layer for layer in (self.narrow, self.up) if layer is not None]
        return [*before, *(partial(block, time=embedded) for block in self.blocks)]


class LtxDecoder(nn.Module):
    """Latents (t z h w) → patched frames (t' c h' w')."""

    def __init__(self, config: LtxAutoencoderConfig) -> None:
        super().__init__()
        width = config.decoder_middle.width
        self.conv_in = TimeConvolution(config.latent_channels, width, causal=config.decoder_causal)
        self.middle = UpStage(width, config.decoder_middle, config)
        self.stages = nn.ModuleList()
        for shape in config.decoder_stages:
            self.stages.append(UpStage(width, shape, config))
            width = shape.width
        self.conv_out = TimeConvolution(width, 3 * config.patch_size**2, causal=config.decoder_causal)
        self.time, self.table, self.time_scale = None, None, None
        if config.time_conditioned:
            self.time = TimeEmbedding(2 * width)
            self.table = nn.Parameter(torch.zeros(2, width))
            self.time_scale = nn.Parameter(torch.tensor(1000.0))

    def forward(
        self, latents: Tensor, timestep: float, state: LtxStreamState, last: bool
    ) -> Iterator[Tensor]:
        """Frames a few at a time: what a layer makes goes through all that follow before it makes more."""
        time = None if self.time_scale is None else timestep * self.time_scale
        stages: tuple[UpStage, ...] = (self.middle, *self.stages)
        inside = [layer for stage in stages for layer in stage.layers(time)]
        layers: list[Layer] = [self.conv_in, *inside, partial(self._out, time=time)]
        yield from _through(layers, latents, state, last)

    def _out(self, x: Tensor, state: LtxStreamState, last: bool, time: Tensor | None) -> Tensor:
        modulation = None
        if self.time is not None and self.table is not None and time is not None:
            shift, scale = self.table + self.time(time).view(2, -1)
            modulation = shift, scale
        out: Tensor = self.conv_out(_activated(x, modulation), state, last)
        return out


def _through(layers: Sequence[Layer], x: Tensor, state: LtxStreamState, last: bool) -> Iterator[Tensor]:
    """Frames four at a time through all layers; with the last of them the layers give up what they kept."""
    if not layers:
        if len(x):
            yield x
        return
    pieces = torch.split(x, _FRAMES_AT_ONCE) if len(x) else (x,)
    for number, piece in enumerate(pieces, 1):
        ends = last and number == len(pieces)
        if len(piece) or ends:
            yield from _through(layers[1:], layers[0](piece, state, ends), state, ends)


class LtxAutoencoder(nn.Module):
    """Video (b 3 t h w) in [−1, 1] ↔ latents (b z t' h/32 w/32), normalised as its configuration says.

    A latent is the mean of the posterior. Networks run in the type of their weights, whatever autocast says,
    and without gradients.
    """

    def __init__(self, config: LtxAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = LtxEncoder(config)
        self.decoder = LtxDecoder(config)

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents (b z t' h' w') of a whole clip (b 3 t h w) in [−1, 1] with t = 1 + 8k."""
        self.config.num_latent_frames(video.shape[2])
        return next(self.encode_chunks([video]))

    def decode(self, latents: Tensor) -> Tensor:
        """The whole clip (b 3 1+8(t'−1) h w) of normalised latents, in [−1, 1]."""
        return torch.cat(list(self.decode_chunks(torch.split(latents, _CHUNK, 2))), 2)

    def encode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Normalised latents of each chunk, in constant memory; the first has 1 + 8k frames, each other a
        multiple of 8."""
        states: list[LtxStreamState] = []
        for chunk in chunks:
            self._check(chunk, new=0 if states else 1)
            states = states or [LtxStreamState() for _ in chunk]
            means = [self._encode(clip, state) for clip, state in zip(chunk, states, strict=True)]
            yield self.normalise(torch.stack(means))

    def decode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames that are done after each chunk of latents, perhaps none, and those that are left at the end,
        in constant memory; the first latent frame gives one frame."""
        states: list[LtxStreamState] = []
        nothing = None
        for chunk in chunks:
            states = states or [LtxStreamState() for _ in chunk]
            nothing = chunk[:, :, :0]
            side = self.config.spatial_compression
            done = chunk.new_zeros(len(chunk), 3, 0, chunk.shape[3] * side, chunk.shape[4] * side).float()
            yield torch.cat([done, *self._decode_all(chunk, states, last=False)], 2)
        if nothing is not None:
            yield from self._decode_all(nothing, states, last=True)

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
        return rows[0], rows[1] / self.config.scaling_factor

    def _check(self, chunk: Tensor, *, new: int) -> None:
        time, side = self.config.temporal_compression, self.config.spatial_compression
        num_frames, height, width = chunk.shape[2:]
        if num_frames < 1 or (num_frames - new) % time:
            raise ValueError(f"a chunk must have {'1 + ' if new else ''}{time}·k frames, not {num_frames}")
        if height % side or width % side:
            raise ValueError(f"height and width must be multiples of {side}, not {height} and {width}")

    @torch.no_grad()
    def _encode(self, clip: Tensor, state: LtxStreamState) -> Tensor:
        """A chunk (3 t h w) → means (z t' h' w')."""
        side, time = self.config.patch_size, self.config.temporal_compression
        clip = clip.to(self.encoder.conv_in.weight.dtype)
        patches = rearrange(clip, "k t (h q) (w r) -> t (k r q) h w", q=side, r=side)
        first = clip.shape[1] % time
        pieces = [patches[:first], *torch.split(patches[first:], time)]
        with torch.autocast(clip.device.type, enabled=False):
            moments = torch.cat([self.encoder(piece, state) for piece in pieces if len(piece)])
        means: Tensor = moments[:, : self.config.latent_channels].transpose(0, 1)
        return means

    def _decode_all(
        self, latents: Tensor, states: Sequence[LtxStreamState], *, last: bool
    ) -> Iterator[Tensor]:
        """The frames (b 3 t' h' w') that a chunk (b z t h w) completes, a few at a time."""
        clips = zip(self.denormalise(latents), states, strict=True)
        for parts in zip(*(self._decode(clip, state, last) for clip, state in clips), strict=True):
            yield torch.stack(parts)

    @torch.no_grad()
    def _decode(self, latents: Tensor, state: LtxStreamState, last: bool) -> Iterator[Tensor]:
        """A chunk (z t h w) → the frames (3 t' h' w') that it completes, in [−1, 1]."""
        side = self.config.patch_size
        x = self._noised(latents.transpose(0, 1), state).to(self.decoder.conv_in.weight.dtype)
        parts = self.decoder(x, self.config.decode_timestep, state, last)
        while True:
            with torch.autocast(x.device.type, enabled=False):
                part = next(parts, None)
            if part is None:
                return
            frames = rearrange(part, "t (k r q) h w -> k t (h q) (w r)", q=side, r=side)
            yield frames.float().clamp_(-1, 1)

    def _noised(self, latents: Tensor, state: LtxStreamState) -> Tensor:
        """Latents (t z h w) as noisy as the decoder wants them."""
        share = self.config.decode_noise_scale
        if not self.config.time_conditioned or not share or not len(latents):
            return latents
        noise = [torch.randn(frame.shape, generator=state.of_latents) for frame in latents]
        return torch.lerp(latents, torch.stack(noise).to(latents), share)


def ltx_0_9() -> LtxAutoencoderConfig:
    """The autoencoder of LTX-Video 0.9."""
    return LtxAutoencoderConfig(
        encoder_width=128,
        encoder_stages=_STRIDED,
        encoder_depth=4,
        decoder_middle=UpShape(width=512, depth=4, upsamples=False),
        decoder_stages=(
            UpShape(width=512, depth=3, upsamples=False),
            UpShape(width=512, depth=3),
            UpShape(width=256, depth=3),
            UpShape(width=128, depth=4),
        ),
    )


def ltx_0_9_1() -> LtxAutoencoderConfig:
    """That of LTX-Video 0.9.1, whose decoder does the last step of denoising."""
    return LtxAutoencoderConfig(
        encoder_width=128,
        encoder_stages=_STRIDED,
        encoder_depth=4,
        decoder_middle=UpShape(width=1024, depth=8, upsamples=False),
        decoder_stages=(
            UpShape(width=512, depth=7, factor=2, shortcut=True, noisy=True),
            UpShape(width=256, depth=6, factor=2, shortcut=True, noisy=True),
            UpShape(width=128, depth=5, factor=2, shortcut=True, noisy=True),
        ),
        time_conditioned=True,
    )


def ltx_0_9_5() -> LtxAutoencoderConfig:
    """That of LTX-Video 0.9.5 and later."""
    return LtxAutoencoderConfig(
        encoder_width=128,
        encoder_stages=(
            DownShape(width=256, depth=4, downsampling="space"),
            DownShape(width=512, depth=6, downsampling="time"),
            DownShape(width=1024, depth=6, downsampling="both"),
            DownShape(width=2048, depth=2, downsampling="both"),
        ),
        encoder_depth=2,
        decoder_middle=UpShape(width=1024, depth=5, upsamples=False),
        decoder_stages=(
            UpShape(width=512, depth=5, factor=2, shortcut=True),
            UpShape(width=256, depth=5, factor=2, shortcut=True),
            UpShape(width=128, depth=5, factor=2, shortcut=True),
        ),
        time_conditioned=True,
    )


_STRIDED: Final = (
    DownShape(width=256, depth=4, downsampling="strided"),
    DownShape(width=512, depth=3, downsampling="strided"),
    DownShape(width=512, depth=3, downsampling="strided"),
    DownShape(width=512, depth=3),
)
