import math
from pathlib import Path

import pytest
import torch

from tenku.evaluation.autoencoder import (
    ROUNDING_PSNR,
    chunked_decoding_difference,
    chunked_encoding_difference,
    psnr,
    ssim,
)
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig


def test_psnr_of_known_errors() -> None:
    zeros = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    assert psnr(zeros, zeros + 255) == 0
    assert psnr(zeros, zeros + 1) == pytest.approx(48.13, abs=0.01)
    assert psnr(zeros, zeros) == math.inf
    assert math.isnan(psnr(zeros[:0], zeros[:0]))
    assert pytest.approx(58.92, abs=0.01) == ROUNDING_PSNR


def test_ssim_is_one_for_the_same_and_as_derived_for_even_grey() -> None:
    noise = torch.randint(256, (2, 24, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert ssim(noise, noise) == pytest.approx(1)
    a, b, c1 = 100, 150, (0.01 * 255) ** 2
    grey = [torch.full((1, 16, 16, 3), value, dtype=torch.uint8) for value in (a, b)]
    assert ssim(*grey) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1))
    assert ssim(noise, noise.flip(1)) < 0.1


def test_chunks_equal_the_whole() -> None:
    config = VideoAutoencoderConfig(
        encoder_width=8, encoder_depth=1, decoder_width=8, decoder_depth=1, frame_width=4, frame_depth=1
    )
    torch.manual_seed(0)
    vae = VideoAutoencoder(config).eval().requires_grad_(False)
    for weights in vae.parameters():  # many of which start at zero
        torch.nn.init.normal_(weights, std=0.05)
    frames = torch.randint(256, (17, 32, 32, 3), dtype=torch.uint8)
    assert chunked_encoding_difference(vae, frames) < 1e-5
    assert chunked_decoding_difference(vae, frames) < 1e-5


def test_the_suite_reports_psnr_compression_and_chunks(tiny_model: Path) -> None:
    from tenku.evaluation import evaluate

    report = evaluate(model=str(tiny_model), suite="vae", n=2, seed=1)
    assert report.row("PSNR").n == 2
    assert report.row("PSNR").floor == pytest.approx(58.92, abs=0.01)
    assert report.row("chunked − whole, decoding").value < 1e-5
    compression = 3 * 4 * 8 * 8 / VideoAutoencoderConfig().latent_channels
    assert f"{compression:g}×" in report.notes[0]
    assert report.command.endswith("--suite vae -n 2 --seed 1")
