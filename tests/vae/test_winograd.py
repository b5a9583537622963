import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tenku.vae.winograd import time_convolution


def gaussian(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def plain(window: Tensor, weight: Tensor) -> Tensor:
    """The same by definition: columns padded, frames and rows there."""
    return functional.conv3d(window.transpose(0, 1)[None], weight, padding=(0, 0, 1))[0].transpose(0, 1)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("channels", "made"), [(16, 32), (3, 16), (32, 3)], ids=["blocked", "three in", "three out"]
)
@pytest.mark.parametrize("size", [(3, 5), (30, 20)], ids=["few positions", "many positions"])
def test_every_way_is_the_convolution(
    num_frames: int, channels: int, made: int, size: tuple[int, int]
) -> None:
    height, width = size
    window = gaussian(num_frames + 2, channels, height + 2, width)
    weight = gaussian(made, channels, 3, 3, 3, seed=1)
    found = time_convolution(weight, num_frames, height * width)(window)
    assert found.shape == (num_frames, made, height, width)
    assert torch.allclose(found, plain(window, weight), atol=1e-10)


def test_one_tap_needs_no_past() -> None:
    window, weight = gaussian(1, 16, 22, 30), gaussian(16, 16, 1, 3, 3, seed=1)
    found = time_convolution(weight, 1, 600)(window)
    assert torch.allclose(found, plain(window, weight), atol=1e-12)


@pytest.mark.parametrize("num_frames", [2, 4])
def test_points_cost_no_accuracy(num_frames: int) -> None:
    """The error in float32 is at most twice that of the plain sum."""
    window = functional.silu(gaussian(num_frames + 2, 96, 18, 64))
    weight = gaussian(96, 96, 3, 3, 3, seed=1)
    exact = plain(window, weight)

    def error(found: Tensor) -> float:
        return float((found - exact).norm() / exact.norm())

    found = time_convolution(weight.float(), num_frames, 16 * 64)(window.float())
    assert error(found) < 2 * error(plain(window.float(), weight.float())) < 1e-6


def test_low_precision_is_summed_plainly() -> None:
    window = gaussian(6, 32, 18, 64, dtype=torch.bfloat16)
    weight = gaussian(32, 32, 3, 3, 3, seed=1, dtype=torch.bfloat16)
    found = time_convolution(weight, 4, 16 * 64)(window)
    assert torch.equal(found, plain(window, weight))
