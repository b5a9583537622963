"""Files of Wan autoencoders, in the original layout (2.1, 2.2) or that of diffusers → tenku's module."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tenku.errors import UserError
from tenku.vae import WanAutoencoder, WanAutoencoderConfig, wan_2_1, wan_2_2

_STAGED = re.compile(r"(encoder|decoder)\.stages\.(\d+)\.(?:blocks\.(\d+)\.(\S+)|(?:down|up)\.(\S+))")
_MIDDLE = re.compile(r"(encoder|decoder)\.middle\.(before|attention|after)\.(\S+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """What a layout calls our modules.

    `place` names the child of a stage, for encoder or decoder, the stage, the index of the child, and the
    number of the stage's blocks: the child of that index is what resamples.
    """

    ends: Mapping[str, str]
    middle: Mapping[str, str]
    block: Mapping[str, str]
    attention: Mapping[str, str]
    place: Callable[[str, int, int, int], str]

    def name(self, ours: str, config: WanAutoencoderConfig) -> str:
        """The layout's name of our tensor."""
        if match := _MIDDLE.fullmatch(ours):
            side, child, rest = match.groups()
            modules = self.attention if child == "attention" else self.block
            return f"{side}.{self.middle[child]}.{_renamed(rest, modules)}"
        if match := _STAGED.fullmatch(ours):
            side, stage, index, in_block, in_resampling = match.groups()
            depth = config.blocks_per_stage + (side == "decoder")
            place = self.place(side, int(stage), depth if index is None else int(index), depth)
            inside = _renamed(in_block, self.block) if in_block else _renamed(in_resampling, _RESAMPLING)
            return f"{side}.{place}.{inside}"
        return _renamed(ours, self.ends)


def _renamed(name: str, modules: Mapping[str, str]) -> str:
    """The name with its module (or, of a norm, the whole of it) called as `modules` say."""
    if name in modules:
        return modules[name]
    module, _, kind = name.rpartition(".")
    return f"{modules[module]}.{kind}"


_RESAMPLING = {"spatial": "resample.1", "temporal": "time_conv"}


def _flat(side: str, stage: int, index: int, depth: int) -> str:
    """All stages of one network in one list."""
    return f"{'downsamples' if side == 'encoder' else 'upsamples'}.{stage * (depth + 1) + index}"


def _nested(side: str, stage: int, index: int, depth: int) -> str:
    children = "downsamples" if side == "encoder" else "upsamples"
    return f"{children}.{stage}.{children}.{index}"


def _diffusers_flat(side: str, stage: int, index: int, depth: int) -> str:
    """Of Wan 2.1: the encoder is one list, the decoder a list of stages."""
    if side == "encoder":
        return f"down_blocks.{stage * (depth + 1) + index}"
    return f"up_blocks.{stage}." + (f"resnets.{index}" if index < depth else "upsamplers.0")


def _diffusers_nested(side: str, stage: int, index: int, depth: int) -> str:
    way = "down" if side == "encoder" else "up"
    return f"{way}_blocks.{stage}." + (f"resnets.{index}" if index < depth else f"{way}sampler")


def _ends(conv_in: str, norm_out: str, conv_out: str, posterior: str, latents: str) -> dict[str, str]:
    ends = {"encoder.posterior": posterior, "decoder.latents": latents}
    for side in ("encoder", "decoder"):
        ends[f"{side}.conv_in"] = f"{side}.{conv_in}"
        ends[f"{side}.conv_out.scale"] = f"{side}.{norm_out}.gamma"
        ends[f"{side}.conv_out"] = f"{side}.{conv_out}"
    return ends


_ATTENTION = {"scale": "norm.gamma", "qkv": "to_qkv", "out": "proj"}


def _original(place: Callable[[str, int, int, int], str]) -> _Layout:
    return _Layout(
        ends=_ends("conv1", "head.0", "head.2", "conv1", "conv2"),
        middle={"before": "middle.0", "attention": "middle.1", "after": "middle.2"},
        block={
            "first.scale": "residual.0.gamma",
            "first": "residual.2",
            "second.scale": "residual.3.gamma",
            "second": "residual.6",
            "shortcut": "shortcut",
        },
        attention=_ATTENTION,
        place=place,
    )


def _diffusers(place: Callable[[str, int, int, int], str]) -> _Layout:
    return _Layout(
        ends=_ends("conv_in", "norm_out", "conv_out", "quant_conv", "post_quant_conv"),
        middle={
            "before": "mid_block.resnets.0",
            "attention": "mid_block.attentions.0",
            "after": "mid_block.resnets.1",
        },
        block={
            "first.scale": "norm1.gamma",
            "first": "conv1",
            "second.scale": "norm2.gamma",
            "second": "conv2",
            "shortcut": "conv_shortcut",
        },
        attention=_ATTENTION,
        place=place,
    )


def original_names(config: WanAutoencoderConfig) -> dict[str, str]:
    """Names of tensors in the layout of `Wan2.1_VAE.pth` and `Wan2.2_VAE.pth` → ours."""
    layout = _original(_nested if config.average_shortcuts else _flat)
    return {layout.name(ours, config): ours for ours in tensor_shapes(config)}


def diffusers_names(config: WanAutoencoderConfig) -> dict[str, str]:
    """Names of tensors in the layout of diffusers' `AutoencoderKLWan` → ours."""
    layout = _diffusers(_diffusers_nested if config.average_shortcuts else _diffusers_flat)
    return {layout.name(ours, config): ours for ours in tensor_shapes(config)}


def tensor_shapes(config: WanAutoencoderConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our tensors."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in WanAutoencoder(config).state_dict().items()}


def from_published(tensors: Mapping[str, Tensor], config: WanAutoencoderConfig) -> dict[str, Tensor]:
    """The tensors of a file, in either layout, under our names and in our shapes, not copied.

    One that is unknown, missing or of another shape is a `UserError`.
    """
    names = original_names(config) if "conv1.weight" in tensors else diffusers_names(config)
    for found, trouble in (
        (tensors.keys() - names.keys(), "is unknown"),
        (names.keys() - tensors.keys(), "is missing"),
    ):
        if found:
            others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise UserError(
                f"these are no weights of this Wan autoencoder: tensor {min(found)!r}{others} {trouble}; "
                "give the file that belongs to the configuration."
            )
    ours = tensor_shapes(config)
    return {names[name]: _shaped(name, tensor, ours[names[name]]) for name, tensor in tensors.items()}


def _shaped(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor in our shape; a published one may have axes of length 1 behind, as convolutions want."""
    behind = tensor.shape[len(shape) :]
    if tuple(tensor.shape[: len(shape)]) != shape or any(length != 1 for length in behind):
        raise UserError(
            f"tensor {name!r} has the shape {tuple(tensor.shape)} where this Wan autoencoder has {shape}; "
            "give the file that belongs to the configuration."
        )
    return tensor.view(shape)


_FIELDS = {
    "z_dim": "latent_channels",
    "base_dim": "encoder_width",
    "decoder_base_dim": "decoder_width",
    "dim_mult": "width_multipliers",
    "num_res_blocks": "blocks_per_stage",
    "temperal_downsample": "halves_time",
    "patch_size": "patch_size",
    "is_residual": "average_shortcuts",
    "latents_mean": "latent_mean",
    "latents_std": "latent_std",
}
_SAY_NOTHING = {"dropout", "clip_output"}  # and what starts with an underscore


def config_from_diffusers(facts: Mapping[str, Any]) -> WanAutoencoderConfig:
    """The configuration in `vae/config.json`; what it leaves out is as in Wan 2.1.

    A field or value that tenku does not know is a `UserError`.
    """
    given: dict[str, Any] = {
        ours: tuple(facts[theirs]) if isinstance(facts[theirs], list) else facts[theirs]
        for theirs, ours in _FIELDS.items()
        if facts.get(theirs) is not None
    }
    given.setdefault("decoder_width", given.get("encoder_width", wan_2_1().decoder_width))
    try:
        config = replace(wan_2_1(), **given)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the configuration of this Wan autoencoder makes no sense ({error}); copy its config.json again."
        ) from error
    _check_rest({name: value for name, value in facts.items() if name not in _FIELDS}, config)
    return config


def _check_rest(facts: Mapping[str, Any], config: WanAutoencoderConfig) -> None:
    """What follows from other fields must follow; what would change the network must be absent."""
    implied = {
        "in_channels": 3 * config.patch_size**2,
        "out_channels": 3 * config.patch_size**2,
        "scale_factor_temporal": config.temporal_compression,
        "scale_factor_spatial": config.spatial_compression,
        "attn_scales": [],
    }
    for name in sorted(name for name in facts.keys() - _SAY_NOTHING if not name.startswith("_")):
        if name not in implied:
            raise UserError(
                f"the configuration of this Wan autoencoder has a field {name!r} that tenku does not know; "
                "use a Wan 2.1 or 2.2 autoencoder, or a newer tenku."
            )
        if facts[name] != implied[name]:
            raise UserError(
                f"the configuration of this Wan autoencoder has {name} = {facts[name]!r} where tenku reads "
                f"only {implied[name]!r}; use a Wan 2.1 or 2.2 autoencoder."
            )


def config_of(tensors: Mapping[str, Tensor]) -> WanAutoencoderConfig:
    """Which published autoencoder a file without a configuration holds; another is a `UserError`."""
    latents = tensors.get("conv2.weight", tensors.get("post_quant_conv.weight"))
    for config in (wan_2_1(), wan_2_2()):
        if latents is not None and len(latents) == config.latent_channels:
            return config
    raise UserError(
        "this file holds no Wan autoencoder that tenku knows; give Wan 2.1's or 2.2's, or a folder with its "
        "config.json."
    )


def build_wan_vae(tensors: Mapping[str, Tensor], config: WanAutoencoderConfig) -> WanAutoencoder:
    """The autoencoder of published tensors, which it keeps as they are, for inference."""
    ours = from_published(tensors, config)
    with torch.device("meta"):
        vae = WanAutoencoder(config)
    vae.load_state_dict(ours, assign=True)
    return vae.eval().requires_grad_(False)
