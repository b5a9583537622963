"""Published tensors of Wan → ours: names and shapes of autoencoders and text encoder, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from torch import Tensor
from transformers import UMT5Config, UMT5EncoderModel

from tenku.checkpoint.wan_vae import (
    build_wan_vae,
    config_from_diffusers,
    config_of,
    diffusers_names,
    from_published,
    original_names,
    tensor_shapes,
)
from tenku.errors import UserError
from tenku.text.umt5 import from_original
from tenku.vae import WanAutoencoderConfig, wan_2_1, wan_2_2

PUBLISHED = json.loads((Path(__file__).parent / "wan_original_tensors.json").read_text(encoding="utf-8"))
# vae/config.json of Wan-AI/Wan2.1-T2V-1.3B-Diffusers and of Wan-AI/Wan2.2-TI2V-5B-Diffusers, but for the
# statistics.
CONFIG_2_1 = {
    "_class_name": "AutoencoderKLWan",
    "_diffusers_version": "0.33.0.dev0",
    "attn_scales": [],
    "base_dim": 96,
    "dim_mult": [1, 2, 4, 4],
    "dropout": 0.0,
    "num_res_blocks": 2,
    "temperal_downsample": [False, True, True],
    "z_dim": 16,
}
CONFIG_2_2 = {
    **CONFIG_2_1,
    "base_dim": 160,
    "clip_output": False,
    "decoder_base_dim": 256,
    "in_channels": 12,
    "is_residual": True,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "scale_factor_temporal": 4,
    "z_dim": 48,
    "latents_mean": list(wan_2_2().latent_mean),
    "latents_std": list(wan_2_2().latent_std),
}
FAMILIES = {"2.1": (wan_2_1(), CONFIG_2_1), "2.2": (wan_2_2(), CONFIG_2_2)}


def original(version: str) -> dict[str, Tensor]:
    shapes = PUBLISHED[f"Wan{version}_VAE"]
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def of_diffusers(facts: dict[str, Any]) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(AutoencoderKLWan.from_config(facts).state_dict())


@pytest.mark.parametrize("version", FAMILIES)
def test_every_original_tensor_has_a_place(version: str) -> None:
    config, _ = FAMILIES[version]
    published = original(version)
    assert original_names(config).keys() == published.keys()
    assert_fits(from_published(published, config), config)


@pytest.mark.parametrize("version", FAMILIES)
def test_every_tensor_of_diffusers_has_a_place(version: str) -> None:
    config, facts = FAMILIES[version]
    published = of_diffusers(facts)
    assert diffusers_names(config).keys() == published.keys()
    assert_fits(from_published(published, config), config)


def assert_fits(found: dict[str, Tensor], config: WanAutoencoderConfig) -> None:
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == tensor_shapes(config)


def test_both_layouts_agree_with_diffusers_own_conversion() -> None:
    """It knows Wan 2.1; each tensor is told by a number in it."""
    numbered = {name: torch.tensor(index) for index, name in enumerate(PUBLISHED["Wan2.1_VAE"])}
    ours, theirs = original_names(wan_2_1()), diffusers_names(wan_2_1())
    converted = {theirs[name]: int(value) for name, value in convert_wan_vae_to_diffusers(numbered).items()}
    assert converted == {ours[name]: int(value) for name, value in numbered.items()}


@pytest.mark.parametrize(
    ("there", "here"),
    [  # as the conversion script of diffusers has them
        (
            "encoder.downsamples.0.downsamples.2.resample.1.weight",
            "encoder.down_blocks.0.downsampler.resample.1.weight",
        ),
        (
            "encoder.downsamples.1.downsamples.0.shortcut.weight",
            "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
        ),
        ("decoder.upsamples.0.upsamples.3.time_conv.bias", "decoder.up_blocks.0.upsampler.time_conv.bias"),
        ("decoder.upsamples.1.upsamples.2.residual.3.gamma", "decoder.up_blocks.1.resnets.2.norm2.gamma"),
    ],
)
def test_layouts_of_2_2(there: str, here: str) -> None:
    assert original_names(wan_2_2())[there] == diffusers_names(wan_2_2())[here]


@pytest.mark.parametrize("version", FAMILIES)
def test_configurations_of_diffusers(version: str) -> None:
    config, facts = FAMILIES[version]
    assert config_from_diffusers(facts) == config
    assert config_of(original(version)) == config
    assert config_of(of_diffusers(facts)) == config


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"depth": 3}, "field 'depth' that tenku does not know"),
        ({"attn_scales": [1.0]}, r"attn_scales = \[1.0\]"),
        ({"scale_factor_spatial": 16}, "scale_factor_spatial = 16"),
        ({"in_channels": 4}, "in_channels = 4"),
        ({"dim_mult": [1, 2]}, "makes no sense"),
        ({"z_dim": 8}, "makes no sense"),
        ({"base_dim": "wide"}, "makes no sense"),
    ],
)
def test_strange_configurations_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        config_from_diffusers({**CONFIG_2_1, **wrong})


def test_tensors_that_do_not_fit_are_named() -> None:
    tensors = original("2.1")
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder.head")}
    for changed, sentence in (
        (lacking, r"'decoder\.head\.0\.gamma' \(and 2 more\) is missing"),
        ({**tensors, "decoder.extra": tensors["conv1.bias"]}, r"'decoder\.extra' is unknown"),
        ({**tensors, "conv2.bias": tensors["conv1.bias"]}, r"'conv2\.bias' has the shape \(32,\)"),
        ({**tensors, "conv1.weight": torch.empty(32, 32, 3, 3, 3)}, r"'conv1\.weight' has the shape"),
        (original("2.2"), "is unknown"),
    ):
        with pytest.raises(UserError, match=sentence):
            build_wan_vae(changed, wan_2_1())


def test_files_of_something_else_are_refused() -> None:
    for tensors in ({}, {"conv2.weight": torch.empty(4, 4, 1, 1, 1)}):
        with pytest.raises(UserError, match="no Wan autoencoder that tenku knows"):
            config_of(tensors)


def test_tensors_are_not_copied() -> None:
    config = WanAutoencoderConfig(latent_channels=4, encoder_width=8, decoder_width=8)
    facts = {**CONFIG_2_1, "z_dim": 4, "base_dim": 8, "latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}
    tensors = AutoencoderKLWan.from_config(facts).state_dict()
    vae = build_wan_vae(tensors, config)
    weight = vae.decoder.conv_out.weight
    assert weight.data_ptr() == tensors["decoder.conv_out.weight"].data_ptr()
    assert not weight.requires_grad


def test_every_original_tensor_of_umt5_has_a_place() -> None:
    published = PUBLISHED["models_t5_umt5-xxl-enc-bf16"]
    found = from_original({name: torch.empty(shape, device="meta") for name, shape in published.items()})
    numbers = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
    with torch.device("meta"):
        expected = UMT5EncoderModel(UMT5Config(vocab_size=256384, **numbers)).state_dict()
    assert {name: t.shape for name, t in found.items()} == {name: t.shape for name, t in expected.items()}
