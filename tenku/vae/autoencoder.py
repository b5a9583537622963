"""A causal 3D video autoencoder whose chunked encode and decode equal the whole-clip ones.

The first frame alone makes the first latent frame; after it every `temporal_compression` frames make one.
The first frame is repeated to a full tubelet, so every latent frame has the same statistics and a picture
is a one-frame video. Every layer sees the present and the one frame before it, never the future: what a
chunk needs from the past is one frame of features a layer, carried in a `StreamState`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

_FOLD = 4  # pixels a side that the frame head keeps in channels: it works at a quarter of the resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoAutoencoderConfig:
    """Shape of the autoencoder, and the statistics by which its latents are normalised.

    `encoder_depth` 0 leaves the encoder linear: latents are then known before any training, and the decoder
    alone learns. The statistics, one value a latent channel, are those of unnormalised latents; empty means
    0 and 1.
    """

    latent_channels: int = 48
    temporal_compression: int = 4
    spatial_compression: int = 8
    encoder_width: int = 160
    encoder_depth: int = 0
    decoder_width: int = 192
    decoder_depth: int = 4
    frame_width: int = 64
    frame_depth: int = 2
    latent_mean: tuple[float, ...] = ()
    latent_std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.spatial_compression < _FOLD or self.spatial_compression % _FOLD:
            raise ValueError(
                f"spatial_compression must be a multiple of {_FOLD}, not {self.spatial_compression}"
            )
        if self.temporal_compression < 1 or self.latent_channels < 1:
            raise ValueError("temporal_compression and latent_channels must be at least 1")
        for name in ("latent_mean", "latent_std"):
            values = getattr(self, name)
            if values and len(values) != self.latent_channels:
                raise ValueError(
                    f"{name} must have one value a latent channel ({self.latent_channels}), not {len(values)}"
                )

    @property
    def tubelet_size(self) -> int:
        """Numbers in one tubelet: colours × frames × height × width."""
        return 3 * self.temporal_compression * self.spatial_compression**2

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
class StreamState:
    """Features (b 1 c h w) of the last frame each causal layer has seen; nothing at the start of a stream.

    One state serves one stream in one direction: give it to every chunk of that stream in order.
    """

    previous: dict[str, Tensor] = field(default_factory=dict)
    following: dict[str, Tensor] = field(default_factory=dict)
    started: bool = False

    def advance(self) -> None:
        """Make what this chunk left behind what the next one reads."""
        self.previous, self.following, self.started = self.following, {}, True


def _channel_norm(x: Tensor, scale: Tensor) -> Tensor:
    """RMS norm over the channels of (n c h w)."""
    y = functional.rms_norm(x.permute(0, 2, 3, 1), (x.shape[1],), scale.to(x.dtype), 1e-6)
    return y.permute(0, 3, 1, 2)


def _per_channel(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1, 1)


class CausalBlock(nn.Module):
    """Residual block: norm → 2×3×3 causal convolution → SiLU → 3×3 convolution that starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_scale = nn.Parameter(torch.ones(width))
        # The 2×3×3 kernel is stored as a 2D one over (present, previous) channels: oneDNN runs those fastest.
        self.causal = nn.Conv2d(2 * width, width, 3, padding=1)
        self.spatial = nn.Conv2d(width, width, 3, padding=1)
        _zeroed(self.spatial)

    def forward(self, x: Tensor, num_frames: int, state: StreamState | None, key: str) -> Tensor:
        """((b t) c h w) → the same shape; the state, if there is one, is read and replaced under `key`."""
        y = _channel_norm(x, self.norm_scale)
        frames = rearrange(y, "(b t) c h w -> b t c h w", t=num_frames)
        before = state.previous[key] if state is not None and state.started else frames[:, :1]
        previous = torch.cat([before, frames[:, :-1]], 1).flatten(0, 1)
        if state is not None:
            state.following[key] = frames[:, -1:].clone()
        y = functional.silu(self.causal(torch.cat([y, previous], 1)))
        out: Tensor = x + self.spatial(y)
        return out


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(_bias(layer))
    return layer


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


def _float(layer: nn.Conv2d) -> tuple[Tensor, Tensor]:
    return layer.weight.float(), _bias(layer).float()


class VideoAutoencoder(nn.Module):
    """Video (b 3 t h w) in [−1, 1] ↔ latents (b c t' h/8 w/8), normalised by the configuration's statistics.

    A linear tubelet → latent path, set by PCA, carries most of the picture; causal convolutions, zero at
    the start, add what it misses; a head at a quarter of the resolution refines each frame.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, config: VideoAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        channels, tubelet = config.latent_channels, config.tubelet_size
        self.linear_encode = nn.Conv2d(tubelet, channels, 1)
        self.linear_decode = nn.Conv2d(channels, tubelet, 1)

        if config.encoder_depth:
            self.encoder_in = nn.Conv2d(tubelet, config.encoder_width, 1)
            self.encoder_out = _zeroed(nn.Conv2d(config.encoder_width, channels, 3, padding=1))
        self.encoder = nn.ModuleList(CausalBlock(config.encoder_width) for _ in range(config.encoder_depth))

        self._cells = config.spatial_compression // _FOLD  # a side, in one latent position
        folded = 3 * _FOLD**2
        self.decoder_in = nn.Conv2d(channels, config.decoder_width, 3, padding=1)
        self.decoder = nn.ModuleList(CausalBlock(config.decoder_width) for _ in range(config.decoder_depth))
        upsampled = config.temporal_compression * config.frame_width * self._cells**2
        self.to_frames = nn.Conv2d(config.decoder_width, upsampled, 1)
        self.frame_in = nn.Conv2d(folded, config.frame_width, 3, padding=1)
        self.frame = nn.ModuleList(CausalBlock(config.frame_width) for _ in range(config.frame_depth))
        self.frame_out = _zeroed(nn.Conv2d(config.frame_width, folded, 3, padding=1))

        mean = config.latent_mean or (0.0,) * channels
        std = config.latent_std or (1.0,) * channels
        self.register_buffer("latent_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("latent_std", torch.tensor(std), persistent=False)

    # -- training interface: unnormalised latents -----------------------------------------------------------

    def encode_unnormalised(self, video: Tensor, state: StreamState | None = None) -> Tensor:
        """Unnormalised latents (b c t' h w) of a clip, or of the next chunk of one."""
        tubelets = self._to_tubelets(video, first=state is None or not state.started)
        num = tubelets.shape[1]
        x = tubelets.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        latents: Tensor = self.linear_encode(x).float()
        if self.encoder:
            h = self.encoder_in(x)
            for index, block in enumerate(self.encoder):
                h = block(h, num, state, f"encoder.{index}")
            latents = latents + self.encoder_out(h).float()
        if state is not None:
            state.advance()
        return rearrange(latents, "(b t) c h w -> b c t h w", t=num)

    def decode_unnormalised(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """Frames (b 3 t h w) of unnormalised latents, `temporal_compression` for each, the first included."""
        num = latents.shape[2]
        num_frames = num * self.config.temporal_compression
        z = rearrange(latents, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        h = self.decoder_in(z)
        for index, block in enumerate(self.decoder):
            h = block(h, num, state, f"decoder.{index}")
        base = self._linear_frames(z)
        y = self._upsample(h) + self.frame_in(base.contiguous(memory_format=torch.channels_last))
        for index, block in enumerate(self.frame):
            y = block(y, num_frames, state, f"frame.{index}")
        if state is not None:
            state.advance()
        frames = functional.pixel_shuffle(base.float() + self.frame_out(y).float(), _FOLD)
        return rearrange(frames, "(b t) c h w -> b c t h w", t=num_frames)

    # -- public interface: normalised latents ---------------------------------------------------------------

    def encode(self, video: Tensor) -> Tensor:
        """Normalised latents (b c t' h/8 w/8) of a whole clip (b 3 t h w) in [−1, 1] with t = 1 + 4k."""
        self.config.num_latent_frames(video.shape[2])
        return self.normalise(self.encode_unnormalised(video))

    def decode(self, latents: Tensor) -> Tensor:
        """The whole clip (b 3 1+4(t'−1) h w) of normalised latents, in [−1, 1]."""
        frames = self.decode_unnormalised(self.denormalise(latents))
        return frames[:, :, self.config.temporal_compression - 1 :].clamp(-1, 1)

    def encode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Normalised latents of each chunk; the first has 1 + 4k frames, each other a multiple of 4."""
        state = StreamState()
        for chunk in chunks:
            yield self.normalise(self.encode_unnormalised(chunk, state))

    def decode_chunks(self, chunks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Frames of each chunk of latents, in constant memory; the first latent frame gives one frame."""
        state = StreamState()
        for chunk in chunks:
            drop = 0 if state.started else self.config.temporal_compression - 1
            yield self.decode_unnormalised(self.denormalise(chunk), state)[:, :, drop:].clamp(-1, 1)

    def normalise(self, latents: Tensor) -> Tensor:
        """Zero mean and unit variance a channel."""
        return (latents - _per_channel(self.latent_mean)) / _per_channel(self.latent_std)

    def denormalise(self, latents: Tensor) -> Tensor:
        """The inverse of `normalise`, in float32."""
        return latents.float() * _per_channel(self.latent_std) + _per_channel(self.latent_mean)

    def ending_in(self, latents: Tensor, still: Tensor) -> Tensor:
        """Normalised latent frames (b c t h w) whose last frame each is that of `still` ones, of a frame that
        stands still, as far as the linear path can tell them apart."""
        ours, theirs = (
            rearrange(self.denormalise(part), "b c t h w -> (b t) c h w") for part in (latents, still)
        )
        with torch.autocast(latents.device.type, enabled=False):
            change = functional.conv2d(theirs - ours, self.linear_decode.weight.float())
            change[:, : -self.config.tubelet_size // self.config.temporal_compression] = 0
            change = functional.conv2d(change, self.linear_encode.weight.float())
        return self.normalise(rearrange(ours + change, "(b t) c h w -> b c t h w", b=len(latents)))

    def linear_frames(self, latents: Tensor) -> Tensor:
        """What the linear path makes of normalised latents (b c t h w): frames (b (t f) e h w) of as many
        positions, the pixels of each in channels."""
        t, f = latents.shape[2], self.config.temporal_compression
        flat = rearrange(self.denormalise(latents), "b c t h w -> (b t) c h w")
        with torch.autocast(latents.device.type, enabled=False):
            frames = functional.conv2d(
                flat, self.linear_decode.weight.float(), _bias(self.linear_decode).float()
            )
        return rearrange(frames, "(b t) (f e) h w -> b (t f) e h w", t=t, f=f)

    def linear_video(self, latents: Tensor) -> Tensor:
        """What the linear path makes of normalised latents (b c t h w), as video (b 3 t·f 8h 8w)."""
        return rearrange(
            self.linear_frames(latents),
            "b t (k p q u v) h w -> b k t (h p u) (w q v)",
            k=3,
            p=self._cells,
            q=self._cells,
            u=_FOLD,
            v=_FOLD,
        )

    def linear_latents(self, frames: Tensor) -> Tensor:
        """The inverse of `linear_frames`, as far as frames are such as it makes."""
        flat = rearrange(frames, "b (t f) e h w -> (b t) (f e) h w", f=self.config.temporal_compression)
        with torch.autocast(frames.device.type, enabled=False):
            latents = functional.conv2d(
                flat, self.linear_encode.weight.float(), _bias(self.linear_encode).float()
            )
        return self.normalise(rearrange(latents, "(b t) c h w -> b c t h w", b=len(frames)))

    # -- set-up ---------------------------------------------------------------------------------------------

    @torch.no_grad()
    def initialise_from_pca(
        self, video: Tensor, whitening: float = 0.5, max_tubelets: int = 200_000
    ) -> tuple[float, ...]:
        """Set the linear path to the principal components of the tubelets of `video` (b 3 t h w).

        A component of standard deviation s is scaled by s^−whitening (1 would make all alike), then all by
        one number that makes their mean variance 1: coarse content stays louder than detail, so it is
        decided first when noise is taken away. Returns the standard deviation of each channel.
        """
        tubelets = rearrange(self._to_tubelets(video, first=True), "b t c h w -> (b t h w) c")
        chosen = torch.linspace(0, len(tubelets) - 1, min(max_tubelets, len(tubelets))).long()
        mean, std, components = _principal_components(tubelets[chosen].double(), self.config.latent_channels)
        scale = std**-whitening
        scale = scale / (scale * std).square().mean().sqrt()
        encode = components * scale[:, None]
        self.linear_encode.weight.copy_(encode[:, :, None, None])
        _bias(self.linear_encode).copy_(-encode @ mean)
        self.linear_decode.weight.copy_((components / scale[:, None]).T[:, :, None, None])
        _bias(self.linear_decode).copy_(mean)
        return tuple((scale * std).tolist())

    def _to_tubelets(self, video: Tensor, *, first: bool) -> Tensor:
        """(b 3 t h w) → (b t' tubelet h/8 w/8); a stream's first frame is repeated to fill its tubelet."""
        if first:
            repeated = video[:, :, :1].expand(-1, -1, self.config.temporal_compression - 1, -1, -1)
            video = torch.cat([repeated, video], 2)
        return rearrange(
            video,
            "b k (t f) (h p u) (w q v) -> b t (f k p q u v) h w",
            f=self.config.temporal_compression,
            p=self._cells,
            q=self._cells,
            u=_FOLD,
            v=_FOLD,
        )

    def _linear_frames(self, latents: Tensor) -> Tensor:
        """What the linear path makes of latents ((b t') c h w): folded frames ((b t) 48 2h 2w)."""
        frames: Tensor = rearrange(
            self.linear_decode(latents),
            "n (f k p q u v) h w -> (n f) (k u v) (h p) (w q)",
            f=self.config.temporal_compression,
            k=3,
            p=self._cells,
            u=_FOLD,
            v=_FOLD,
        )
        return frames

    def _upsample(self, features: Tensor) -> Tensor:
        """Features of latents ((b t') c h w) → features of folded frames ((b t) c 2h 2w)."""
        upsampled: Tensor = rearrange(
            self.to_frames(features),
            "n (f c p q) h w -> (n f) c (h p) (w q)",
            f=self.config.temporal_compression,
            p=self._cells,
            q=self._cells,
        )
        return upsampled


def _principal_components(rows: Tensor, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (c), standard deviations (number), largest first, and directions (number c) of `rows` (n c)."""
    mean = rows.mean(0)
    centred = rows - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
    std = variances[-number:].flip(0).clamp_min(1e-12).sqrt()
    return mean, std, directions[:, -number:].flip(1).T
