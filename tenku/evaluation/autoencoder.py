"""The `vae` suite: how much of a clip is left after the autoencoder's round trip."""

import math
import time
from typing import Final

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from tenku.checkpoint import keep_freed_memory, load_model
from tenku.evaluation.report import Report, Row
from tenku.vae import Autoencoder, VideoAutoencoder
from tenku.worlds import simulate_clip

FIRST_SEED: Final = 60_000_000
SEEDS_PER_RUN: Final = 100_000
NUM_FRAMES: Final = 33
SIZE: Final = 128
MOVING: Final = 8  # of 255 by which a pixel's brightest change makes it a moving one
# Rounding to 8 bits alone leaves an even error in ±1/2, of mean square 1/12.
ROUNDING_PSNR: Final = 10 * math.log10(12 * 255**2)


def evaluate_vae(model: str, n: int, seed: int) -> Report:
    """PSNR and SSIM of n unseen simulated clips, and how exactly chunks equal the whole."""
    keep_freed_memory()
    started = time.perf_counter()
    vae = load_model(model).vae
    first = FIRST_SEED + seed * SEEDS_PER_RUN
    scores = [_scores(vae, _clip(first + index)) for index in range(n)]
    names = ("PSNR", "PSNR of moving pixels", "PSNR of still pixels")
    *psnrs, ssims = zip(*scores, strict=True)
    rows = (
        *(
            Row.of_mean(name, known, "dB", ROUNDING_PSNR)
            for name, values in zip(names, psnrs, strict=True)
            if (known := [value for value in values if not math.isnan(value)])
        ),
        Row.of_mean("SSIM", ssims, "", 1.0),
        _exact("chunked − whole, encoding", chunked_encoding_difference(vae, _clip(first))),
        _exact("chunked − whole, decoding", chunked_decoding_difference(vae, _clip(first))),
    )
    config = vae.config
    compression = config.tubelet_size / config.latent_channels
    return Report(
        suite="vae",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite vae -n {n} --seed {seed}",
        seconds=time.perf_counter() - started,
        rows=rows,
        notes=(
            f"Compression {compression:g}×: {config.tubelet_size} numbers (3 colours × "
            f"{config.temporal_compression} frames × {config.spatial_compression}² pixels) "
            f"become {config.latent_channels}.",
            f"Clips of {NUM_FRAMES} frames of {SIZE}×{SIZE} at 16 fps, simulated from seed {first} on; "
            "the mean over clips of each clip's PSNR, frames rounded to 8 bits.",
            f"Floor: an 8-bit rounding error alone ({ROUNDING_PSNR:.1f} dB); SSIM of a clip with itself.",
            f"A moving pixel differs from the frame before by more than {MOVING} of 255.",
        ),
    )


def _exact(name: str, value: float) -> Row:
    return Row(name=name, value=value, low=value, high=value, n=1, floor=0.0)


def _clip(seed: int) -> Tensor:
    """Frames (t h w 3) of bytes."""
    return torch.from_numpy(simulate_clip(seed, num_frames=NUM_FRAMES, height=SIZE, width=SIZE).frames)


@torch.inference_mode()
def round_trip(vae: Autoencoder, frames: Tensor) -> Tensor:
    """Frames (t h w 3) of bytes, encoded and decoded."""
    decoded = vae.decode(vae.encode(_as_video(frames)))[0]
    return ((decoded.permute(1, 2, 3, 0).float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _as_video(frames: Tensor) -> Tensor:
    return rearrange(frames, "t h w c -> 1 c t h w").float() / 127.5 - 1


def _scores(vae: VideoAutoencoder, frames: Tensor) -> tuple[float, float, float, float]:
    decoded = round_trip(vae, frames)
    changes = (frames[1:].int() - frames[:-1].int()).abs().amax(-1) > MOVING
    moving = torch.cat([torch.zeros_like(changes[:1]), changes])
    return (
        psnr(frames, decoded),
        psnr(frames[moving], decoded[moving]),
        psnr(frames[~moving], decoded[~moving]),
        ssim(frames, decoded),
    )


def psnr(first: Tensor, second: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of bytes; not a number where there are none."""
    if not first.numel():
        return math.nan
    error = float((first.double() - second.double()).square().mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


def ssim(first: Tensor, second: Tensor) -> float:
    """Structural similarity of frames (t h w 3) of bytes, the mean over colours.

    Wang et al. 2004: Gaussian window of 11 pixels, σ 1.5.
    """
    x, y = (rearrange(frames, "t h w c -> (t c) 1 h w").double() for frames in (first, second))
    taps = torch.from_numpy(np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2)))
    taps = taps / taps.sum()

    def smooth(values: Tensor) -> Tensor:
        return functional.conv2d(functional.conv2d(values, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))

    mean_x, mean_y = smooth(x), smooth(y)
    variance_x = smooth(x * x) - mean_x**2
    variance_y = smooth(y * y) - mean_y**2
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return float(similarity.mean())


@torch.inference_mode()
def chunked_encoding_difference(vae: VideoAutoencoder, frames: Tensor) -> float:
    """The largest difference between latents encoded in chunks and at once."""
    video, step = _as_video(frames), vae.config.temporal_compression
    chunks = [video[:, :, : 1 + step], *torch.split(video[:, :, 1 + step :], 2 * step, 2)]
    return float((torch.cat(list(vae.encode_chunks(chunks)), 2) - vae.encode(video)).abs().max())


@torch.inference_mode()
def chunked_decoding_difference(vae: VideoAutoencoder, frames: Tensor) -> float:
    """The largest difference between frames, in [−1, 1], decoded in chunks and at once."""
    latents = vae.encode(_as_video(frames))
    return float(
        (torch.cat(list(vae.decode_chunks(torch.split(latents, 2, 2))), 2) - vae.decode(latents)).abs().max()
    )
