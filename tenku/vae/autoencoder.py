"""A causal 3D video autoencoder whose chunked encode and decode equal the whole-clip ones.

The first frame alone makes the first latent frame; after it every `temporal_compression` frames make one. The first
frame is repeated to a full tubelet, so every latent frame has the same statistics and a picture is a one-frame video.
Every layer sees the present and the one frame before it, never the future: what a chunk needs from the past is
one frame of features a layer, carried in a `StreamState`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoAutoencoderConfig:
    """Shape of the autoencoder, and the statistics by which its latents are normalised.

    Depth 0 leaves the encoder linear: latents are then known before any training, and the decoder alone learns.
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
        if self.spatial_compression % 4:
            raise ValueError(f"spatial_compression must be a multiple of 4, not {self.spatial_compression}")
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
        """Latent frames of a clip of `num_frames`, which must be 1 more than a multiple of the compression."""
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
    """Features of the last frame that each causal layer has seen; nothing at the start of a stream."""

    previous: dict[str, Tensor] = field(default_factory=dict)
    following: dict[str, Tensor] = field(default_factory=dict)
    started: bool = False

    def advance(self) -> None:
        """Make what this chunk left behind what the next one reads."""
        self.previous, self.following, self.started = self.following, {}, True


def _channel_norm(x: Tensor, scale: Tensor) -> Tensor:
    """RMS norm over the channels of (n c h w)."""
    y = F.rms_norm(x.permute(0, 2, 3, 1), (x.shape[1],), scale.to(x.dtype), 1e-6)
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
        """`x` is ((b t) c h w); the state, if there is one, is read and replaced under `key`."""
        y = _channel_norm(x, self.norm_scale)
        frames = y.unflatten(0, (-1, num_frames))  # b t c h w
        before = state.previous[key] if state is not None and state.started else frames[:, :1]
        previous = torch.cat([before, frames[:, :-1]], 1).flatten(0, 1)
        if state is not None:
            state.following[key] = frames[:, -1:].clone()
        y = F.silu(self.causal(torch.cat([y, previous], 1)))
        return x + self.spatial(y)


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(_bias(layer))
    return layer


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias


class VideoAutoencoder(nn.Module):
    """Video (b 3 t h w) in [−1, 1] ↔ latents (b c t' h/8 w/8), normalised by the configuration's statistics.

    A linear tubelet → latent path, set by PCA, carries most of the picture; causal convolutions, zero at the start,
    add what it misses; a head at a quarter of the resolution refines each frame.
    """

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

        self.decoder_in = nn.Conv2d(channels, config.decoder_width, 3, padding=1)
        self.decoder = nn.ModuleList(CausalBlock(config.decoder_width) for _ in range(config.decoder_depth))
        upsampled = config.temporal_compression * config.frame_width * (config.spatial_compression // 4) ** 2
        self.to_frames = nn.Conv2d(config.decoder_width, upsampled, 1)
        self.frame_in = nn.Conv2d(48, config.frame_width, 3, padding=1)
        self.frame = nn.ModuleList(CausalBlock(config.frame_width) for _ in range(config.frame_depth))
        self.frame_out = _zeroed(nn.Conv2d(config.frame_width, 48, 3, padding=1))

        mean = config.latent_mean or (0.0,) * channels
        std = config.latent_std or (1.0,) * channels
        self.register_buffer("latent_mean", torch.tensor(mean), persistent=False)
        self.register_buffer("latent_std", torch.tensor(std), persistent=False)

    # -- training interface: unnormalised latents -------------------------------------------------------------

    def encode_unnormalised(self, video: Tensor, state: StreamState | None = None) -> Tensor:
        """Unnormalised latents (b c t' h w) of a clip, or of the next chunk of one."""
        tubelets = self._to_tubelets(video, first=state is None or not state.started)
        num = tubelets.shape[1]
        x = tubelets.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        latents = self.linear_encode(x).float()
        if self.encoder:
            h = self.encoder_in(x)
            for index, block in enumerate(self.encoder):
                h = block(h, num, state, f"encoder.{index}")
            latents = latents + self.encoder_out(h).float()
        if state is not None:
            state.advance()
        return rearrange(latents, "(b t) c h w -> b c t h w", t=num)

    def decode_unnormalised(self, latents: Tensor, state: StreamState | None = None) -> Tensor:
        """Frames (b 3 t h w), four a latent, of unnormalised latents: the first latent's frames are all given."""
        num = latents.shape[2]
        frames_per_latent = self.config.temporal_compression
        z = rearrange(latents, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)
        h = self.decoder_in(z)
        for index, block in enumerate(self.decoder):
            h = block(h, num, state, f"decoder.{index}")
        base = rearrange(  # the linear path, as frames folded to a quarter of the resolution
            self.linear_decode(z),
            "n (f k p q u v) h w -> (n f) (k u v) (h p) (w q)",
            f=frames_per_latent,
            k=3,
            u=4,
            v=4,
            p=self.config.spatial_compression // 4,
        )
        y = rearrange(
            self.to_frames(h),
            "n (f c p q) h w -> (n f) c (h p) (w q)",
            f=frames_per_latent,
            p=self.config.spatial_compression // 4,
            q=self.config.spatial_compression // 4,
        )
        y = y + self.frame_in(base.contiguous(memory_format=torch.channels_last))
        for index, block in enumerate(self.frame):
            y = block(y, num * frames_per_latent, state, f"frame.{index}")
        if state is not None:
            state.advance()
        y = base.float() + self.frame_out(y).float()
        frames = F.pixel_shuffle(y, 4)
        return rearrange(frames, "(b t) c h w -> b c t h w", t=num * frames_per_latent)

    # -- public interface: normalised latents -----------------------------------------------------------------

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
        """The inverse of `normalise`."""
        return latents.float() * _per_channel(self.latent_std) + _per_channel(self.latent_mean)

    # -- set-up -----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def initialise_from_pca(
        self, video: Tensor, whitening: float = 0.5, max_tubelets: int = 200_000
    ) -> tuple[float, ...]:
        """Set the linear path to the principal components of the tubelets of `video` (b 3 t h w).

        A component of standard deviation s is scaled by s^−whitening (1 would make all alike), then all by one
        number that makes their mean variance 1: coarse content stays louder than detail, so it is decided first
        when noise is taken away. Returns the standard deviation of each channel.
        """
        tubelets = rearrange(self._to_tubelets(video, first=True), "b t c h w -> (b t h w) c")
        chosen = torch.linspace(0, len(tubelets) - 1, min(max_tubelets, len(tubelets))).long()
        tubelets = tubelets[chosen].double()
        mean = tubelets.mean(0)
        centred = tubelets - mean
        variances, components = torch.linalg.eigh(centred.T @ centred / len(centred))
        channels = self.config.latent_channels
        components = components[:, -channels:].flip(1).T  # c, tubelet
        std = variances[-channels:].flip(0).clamp_min(1e-12).sqrt()
        scale = std**-whitening
        scale = scale / (scale * std).square().mean().sqrt()
        encode = components * scale[:, None]
        self.linear_encode.weight.copy_(encode[:, :, None, None])
        _bias(self.linear_encode).copy_(-encode @ mean)
        self.linear_decode.weight.copy_((components / scale[:, None]).T[:, :, None, None])
        _bias(self.linear_decode).copy_(mean)
        return tuple((scale * std).tolist())

    def _to_tubelets(self, video: Tensor, *, first: bool) -> Tensor:
        """(b 3 t h w) → (b t' tubelet h/8 w/8); at the start of a stream the first frame is repeated to fill its tubelet."""
        if first:
            repeated = video[:, :, :1].expand(-1, -1, self.config.temporal_compression - 1, -1, -1)
            video = torch.cat([repeated, video], 2)
        size = self.config.spatial_compression // 4
        return rearrange(
            video,
            "b k (t f) (h p u) (w q v) -> b t (f k p q u v) h w",
            f=self.config.temporal_compression,
            p=size,
            q=size,
            u=4,
            v=4,
        )

