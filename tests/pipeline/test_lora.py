"""LoRAs for one request: whole loops against diffusers', and what is left of them afterwards."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tenku.checkpoint import Lora, applied, load_open_model
from tenku.evaluation.peer import generate_with_peer, load_peer, quietly
from tenku.pipeline import GenerationRequest, VideoPipeline

LAYERS = {"attn1.to_q": (48, 48), "attn1.to_v": (48, 48), "attn2.to_k": (48, 48), "ffn.net.0.proj": (96, 48)}
REQUEST = GenerationRequest(
    prompt="a red ball falls",
    negative_prompt="blue cube",
    num_frames=9,
    height=32,
    width=64,
    num_inference_steps=6,
    guidance_scale=4.0,
    seed=7,
)


def write_lora(place: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for number in range(2):
        for layer, (out, size) in LAYERS.items():
            name = f"transformer.blocks.{number}.{layer}"
            tensors[f"{name}.lora_B.weight"] = 0.2 * torch.randn(out, 4, generator=generator)
            tensors[f"{name}.lora_A.weight"] = 0.2 * torch.randn(4, size, generator=generator)
    save_file(tensors, place)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", ["wan-2.1-t2v-1.3b", "wan-2.2-t2v-a14b"])
def test_a_request_with_loras_is_diffusers_and_the_next_one_is_as_before(
    published_model: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    for seed in range(2):
        write_lora(tmp_path / f"{seed}.safetensors", seed)
    pipeline = VideoPipeline(load_open_model(published_model(name)))
    experts = name.endswith("a14b")
    loras = [
        Lora(path=tmp_path / "0.safetensors", weight=0.8, expert="high" if experts else None),
        Lora(path=tmp_path / "1.safetensors", weight=1.3, expert="low" if experts else None),
    ]
    before = pipeline(REQUEST).footage.latents
    with applied(pipeline.model.denoiser, loras):
        made = pipeline(REQUEST).footage.latents
    after = pipeline(REQUEST).footage.latents

    peer = load_peer(published_model(name))
    with quietly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's
        peer.load_lora_weights(tmp_path / "0.safetensors", adapter_name="one")
        peer.load_lora_weights(
            tmp_path / "1.safetensors", adapter_name="two", load_into_transformer_2=experts
        )
        peer.set_adapters(["one", "two"], [0.8, 1.3])
        expected = generate_with_peer(peer, REQUEST)
    assert relative(made, expected) < 1e-4
    assert relative(made, before) > 0.003
    assert torch.equal(after, before)
