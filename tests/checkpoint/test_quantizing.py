from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tenku.checkpoint import load_denoiser, open_on_demand
from tenku.checkpoint.adapting import OneLevel
from tenku.checkpoint.memory import Placement
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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("streams_blocks", [False, True])
@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_weights_that_come_when_they_are_needed_come_in_eight_bits(
    published_model: Callable[[str], Path], kind: Quantization, streams_blocks: bool
) -> None:
    """Within a generation, where tensors must not remember that they were read in one."""
    folder = published_model("wan-2.1-t2v-1.3b")
    whole = load_denoiser(folder)
    model = open_on_demand(folder, dtype=torch.float32, quantization=kind)
    staging = model.staging
    assert staging is not None
    latents, text, level = gaussian(1, 16, 3, 4, 4), gaussian(1, 5, 32), torch.tensor([0.9])
    with torch.inference_mode():
        wanted = whole(latents, level, text)
        for _ in range(2):
            staging.arrange(Placement(streams_blocks=streams_blocks, keeps_denoiser=False))
            staging.enter("denoise")
            found = model.denoiser(latents, level, text)
            assert 0 < float((found - wanted).norm() / wanted.norm()) < 0.1
            if not streams_blocks:
                weight = staging.experts[0].network.each_block[0].mlp.up.weight
                assert type(weight) is not torch.nn.Parameter
            staging.enter("decode")
            assert not staging.experts[0].is_here
