import pytest
import torch
from torch import Tensor

from tenku.checkpoint.adapting import OneLevel
from tenku.checkpoint.quantizing import Quantization, quantize
from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts

pytest.importorskip("torchao")


def network(seed: int) -> Denoiser:
    torch.manual_seed(seed)
    made = Denoiser(DenoiserConfig(hidden_size=64, depth=2, text_size=12)).requires_grad_(False)
    for parameter in made.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def gaussian(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore")  # torchao speaks of kernels for devices that are not here
@pytest.mark.parametrize(("kind", "error"), [("int8", 0.02), ("fp8", 0.1)])
def test_eight_bits_say_nearly_the_same(kind: Quantization, error: float) -> None:
    denoiser = NoiseExperts(network(0), network(1), 0.5)
    latents, text = gaussian(1, 16, 3, 4, 4), gaussian(1, 5, 12)
    for sigma in (torch.tensor([0.9]), torch.tensor([0.1])):
        wanted = denoiser(latents, sigma, text)
        quantized = NoiseExperts(network(0), network(1), 0.5)
        quantize(OneLevel(quantized), kind)
        found = quantized(latents, sigma, text)
        assert 0 < float((found - wanted).norm() / wanted.norm()) < error
