"""Files of LTX-Video autoencoders, in the original layout or that of diffusers → tenku's module."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from tenku.errors import UserError
from tenku.vae import (
    Downsampling,
    DownShape,
    LtxAutoencoder,
    LtxAutoencoderConfig,
    UpShape,
    ltx_0_9,
    ltx_0_9_1,
    ltx_0_9_5,
)

_IN_STAGE = re.compile(r"(encoder|decoder)\.(middle|stages\.\d+)\.([a-z]+)\.(.+)")
_BLOCKS: Final = "blocks"
_MODULES: Final = {  # a convolution's numbers lie one deeper there
    "": "conv",
    "conv_in": "conv_in.conv",
    "conv_out": "conv_out.conv",
    "first": "conv1.conv",
    "second": "conv2.conv",
    "convolution": "conv.conv",
    "hidden": "timestep_embedder.linear_1",
    "out": "timestep_embedder.linear_2",
}
_TENSORS: Final = {
    "first_noise": "per_channel_scale1",
    "second_noise": "per_channel_scale2",
    "table": "scale_shift_table",
    "time_scale": "timestep_scale_multiplier",
}
_CHILDREN: Final = {
    "blocks": "resnets",
    "narrow": "conv_in",
    "widen": "conv_out",
    "down": "downsamplers.0",
    "up": "upsamplers.0",
    "time": "time_embedder",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Layout:
    """What a layout calls our modules, and where it keeps the mean and the spread of latents."""

    modules: Mapping[str, str]
    last: str
    mean: str
    std: str

    def inside(self, ours: str) -> str:
        """The name of a tensor in a block, in what resamples, or in a time embedding."""
        if ours in _TENSORS:
            return _TENSORS[ours]
        module, _, kind = ours.rpartition(".")
        return f"{self.modules[module]}.{kind}"

    def at_an_end(self, ours: str) -> str:
        """The name of a tensor of ours outside of all stages."""
        side, _, rest = ours.partition(".")
        if rest.startswith("time."):
            return f"{side}.{self.last}time_embedder.{self.inside(rest.removeprefix('time.'))}"
        return f"{side}.{self.last if rest == 'table' else ''}{self.inside(rest)}"


_DIFFUSERS: Final = _Layout(
    modules={**_MODULES, "norm": "norm3", "shortcut": "conv_shortcut.conv"},
    last="",
    mean="latents_mean",
    std="latents_std",
)
_STATISTICS: Final = "per_channel_statistics."
_ORIGINAL: Final = _Layout(
    modules={**_MODULES, "norm": "norm3.norm", "shortcut": "conv_shortcut"},
    last="last_",
    mean=f"{_STATISTICS}mean-of-means",
    std=f"{_STATISTICS}std-of-means",
)


def diffusers_names(config: LtxAutoencoderConfig) -> dict[str, str]:
    """Names of tensors in the layout of diffusers' `AutoencoderKLLTXVideo` → ours."""
    return {_in_diffusers(ours): ours for ours in tensor_shapes(config)}


def _in_diffusers(ours: str) -> str:
    match = _IN_STAGE.fullmatch(ours)
    if match is None or match[3] not in _CHILDREN:
        return _DIFFUSERS.at_an_end(ours)
    side, stage, child, rest = match.groups()
    place = "mid_block" if stage == "middle" else stage.replace("stages", _numbered(side))
    number, inside = _of_block(child, rest)
    return f"{side}.{place}.{_CHILDREN[child]}{number}.{_DIFFUSERS.inside(inside)}"


def original_names(config: LtxAutoencoderConfig) -> dict[str, str]:
    """Names of tensors in the `vae.` part of the makers' files, without that word → ours."""
    shapes = tensor_shapes(config)
    numbers = _numbers(shapes)
    return {_in_original(ours, numbers): ours for ours in shapes}


def _in_original(ours: str, numbers: Mapping[tuple[str, ...], int]) -> str:
    match = _IN_STAGE.fullmatch(ours)
    if match is None or match[3] not in _CHILDREN:
        return _ORIGINAL.at_an_end(ours)
    side, stage, child, rest = match.groups()
    number, inside = _of_block(child, rest)
    place = f"{side}.{_numbered(side)}.{numbers[side, stage, _BLOCKS if child == 'time' else child]}"
    deeper = {_BLOCKS: f".res_blocks{number}", "time": ".time_embedder"}.get(child, "")
    return f"{place}{deeper}.{_ORIGINAL.inside(inside)}"


def _numbers(ours: Iterable[str]) -> dict[tuple[str, ...], int]:
    """Where children of stages lie: those of all stages are in one list, in the order in which they run; a
    time embedding belongs to the blocks of its stage."""
    found: dict[tuple[str, ...], int] = {}
    for name in ours:
        match = _IN_STAGE.fullmatch(name)
        if match is not None and match[3] in _CHILDREN.keys() - {"time"}:
            place = match.groups()[:3]
            found.setdefault(place, sum(side == place[0] for side, *_ in found))
    return found


def _numbered(side: str) -> str:
    return "down_blocks" if side == "encoder" else "up_blocks"


def _of_block(child: str, rest: str) -> tuple[str, str]:
    """Of what lies in one of several blocks, its number and the name in it."""
    if child != _BLOCKS:
        return "", rest
    number, _, inside = rest.partition(".")
    return f".{number}", inside


def tensor_shapes(config: LtxAutoencoderConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our tensors."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in LtxAutoencoder(config).state_dict().items()}


def from_published(tensors: Mapping[str, Tensor], config: LtxAutoencoderConfig) -> dict[str, Tensor]:
    """The tensors of a file, in either layout, under our names and in our shapes, not copied.

    One that is unknown, missing or of another shape is a `UserError`.
    """
    original = _is_original(tensors)
    names = original_names(config) if original else diffusers_names(config)
    statistics = {_layout_of(tensors).mean, _layout_of(tensors).std}
    wanted = names.keys() | statistics
    ignored = {name for name in tensors if name.startswith(_STATISTICS)} if original else set()
    for found, trouble in (
        (tensors.keys() - wanted - ignored, "is unknown"),
        (wanted - tensors.keys(), "is missing"),
    ):
        if found:
            others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise UserError(
                f"these are no weights of this LTX-Video autoencoder: tensor {min(found)!r}{others} "
                f"{trouble}; give the file that belongs to the configuration."
            )
    shapes = tensor_shapes(config)
    return {ours: _shaped(name, tensors[name], shapes[ours]) for name, ours in names.items()}


def _shaped(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor in our shape; a published one may have axes of length 1 behind."""
    behind = tensor.shape[len(shape) :]
    if tuple(tensor.shape[: len(shape)]) != shape or any(length != 1 for length in behind):
        raise UserError(
            f"tensor {name!r} has the shape {tuple(tensor.shape)} where this LTX-Video autoencoder has "
            f"{shape}; give the file that belongs to the configuration."
        )
    return tensor.view(shape)


def is_ltx_vae(tensors: Mapping[str, object]) -> bool:
    """Whether tensors are those of such an autoencoder, in either layout."""
    return "encoder.conv_in.conv.weight" in tensors


def _is_original(tensors: Mapping[str, object]) -> bool:
    return any(name.startswith(_STATISTICS) for name in tensors)


def _layout_of(tensors: Mapping[str, object]) -> _Layout:
    return _ORIGINAL if _is_original(tensors) else _DIFFUSERS


_EARLIER: Final = "LTXVideoDownBlock3D"  # a stage that widens after it has halved,
_LATER: Final = "LTXVideo095DownBlock3D"  # or while it does
# Fields of `vae/config.json`, with what diffusers takes where one is left out.
_USUAL: Final[dict[str, Any]] = {
    "latent_channels": 128,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": [_EARLIER] * 4,
    "decoder_block_out_channels": [128, 256, 512, 512],
    "layers_per_block": [4, 3, 3, 3, 4],
    "decoder_layers_per_block": [4, 3, 3, 3, 4],
    "spatio_temporal_scaling": [True, True, True, False],
    "decoder_spatio_temporal_scaling": [True, True, True, False],
    "decoder_inject_noise": [False] * 5,
    "downsample_type": ["conv"] * 4,
    "upsample_residual": [False] * 4,
    "upsample_factor": [1] * 4,
    "timestep_conditioning": False,
    "patch_size": 4,
    "scaling_factor": 1.0,
    "decoder_causal": False,
}
_FIXED: Final = {
    "in_channels": 3,
    "out_channels": 3,
    "patch_size_t": 1,
    "resnet_norm_eps": 1e-6,
    "encoder_causal": True,
}
_RATIOS: Final = {
    "spatial_compression_ratio": "spatial_compression",
    "temporal_compression_ratio": "temporal_compression",
}
_DOWNSAMPLING: Final[dict[str, Downsampling]] = {
    "conv": "strided",
    "spatial": "space",
    "temporal": "time",
    "spatiotemporal": "both",
}


def config_from_diffusers(facts: Mapping[str, Any]) -> LtxAutoencoderConfig:
    """The configuration in `vae/config.json`, without the statistics, which lie among the weights.

    A field or value that tenku does not know is a `UserError`.
    """
    given = {name: value for name, value in facts.items() if not name.startswith("_")}
    if unknown := sorted(given.keys() - _USUAL.keys() - _FIXED.keys() - _RATIOS.keys()):
        raise UserError(
            f"the configuration of this LTX-Video autoencoder has a field {unknown[0]!r} that tenku does not "
            "know; use one of LTX-Video 0.9 to 0.9.8, or a newer tenku."
        )
    try:
        config = _config({**_USUAL, **given})
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"the configuration of this LTX-Video autoencoder makes no sense ({error}); copy its config.json "
            "again."
        ) from error
    ratios = {theirs: getattr(config, ours) for theirs, ours in _RATIOS.items()}
    for name, only in {**_FIXED, **ratios}.items():
        if given.get(name) not in (None, only):
            raise UserError(
                f"the configuration of this LTX-Video autoencoder has {name} = {given[name]!r} where tenku "
                f"reads only {only!r}; use one of LTX-Video 0.9 to 0.9.8."
            )
    return config


def _config(facts: Mapping[str, Any]) -> LtxAutoencoderConfig:
    middle_depth, *depths = facts["decoder_layers_per_block"][::-1]
    middle_noisy, *noises = facts["decoder_inject_noise"][::-1]
    widths = facts["decoder_block_out_channels"][::-1]
    backwards = (
        widths,
        facts["upsample_factor"][::-1],
        facts["decoder_spatio_temporal_scaling"][::-1],
        facts["upsample_residual"][::-1],
    )
    stages = tuple(
        UpShape(
            width=width // factor,
            depth=depth,
            upsamples=upsamples,
            factor=factor,
            shortcut=shortcut,
            noisy=noise,
        )
        for width, factor, upsamples, shortcut, depth, noise in zip(*backwards, depths, noises, strict=True)
    )
    return LtxAutoencoderConfig(
        encoder_width=facts["block_out_channels"][0],
        encoder_stages=_encoder_stages(facts),
        encoder_depth=facts["layers_per_block"][-1],
        decoder_middle=UpShape(width=widths[0], depth=middle_depth, upsamples=False, noisy=middle_noisy),
        decoder_stages=stages,
        decoder_causal=facts["decoder_causal"],
        time_conditioned=facts["timestep_conditioning"],
        latent_channels=facts["latent_channels"],
        patch_size=facts["patch_size"],
        scaling_factor=facts["scaling_factor"],
    )


def _encoder_stages(facts: Mapping[str, Any]) -> tuple[DownShape, ...]:
    """Their list of widths begins with that before the first stage; where blocks widen at the end of a stage,
    the last stage does not, and no more is said of it."""
    kinds = set(facts["down_block_types"])
    if len(kinds) != 1 or kinds - {_EARLIER, _LATER}:
        raise ValueError(f"down_block_types are {', '.join(sorted(kinds))}")
    later = kinds == {_LATER}
    widths = [*facts["block_out_channels"][1:], *([] if later else facts["block_out_channels"][-1:])]
    ways = facts["downsample_type"] if later else ["conv"] * len(widths)
    each = zip(widths, facts["layers_per_block"][:-1], facts["spatio_temporal_scaling"], ways, strict=True)
    return tuple(
        DownShape(width=width, depth=depth, downsampling=_DOWNSAMPLING[way] if halves else None)
        for width, depth, halves, way in each
    )


def config_of(tensors: Mapping[str, Tensor]) -> LtxAutoencoderConfig:
    """Which published autoencoder a file without a configuration holds."""
    if tensors["encoder.conv_out.conv.weight"].shape[1] == ltx_0_9_5().encoder_stages[-1].width:
        return ltx_0_9_5()
    timed = "timestep_embedder.linear_1.weight"
    return ltx_0_9_1() if any(name.endswith(timed) for name in tensors) else ltx_0_9()


def build_ltx_vae(tensors: Mapping[str, Tensor], config: LtxAutoencoderConfig) -> LtxAutoencoder:
    """The autoencoder of published tensors, which it keeps as they are, for inference."""
    ours, layout = from_published(tensors, config), _layout_of(tensors)
    mean, std = (tuple(tensors[name].float().tolist()) for name in (layout.mean, layout.std))
    with torch.device("meta"):
        vae = LtxAutoencoder(replace(config, latent_mean=mean, latent_std=std))
    vae.load_state_dict(ours, assign=True)
    return vae.eval().requires_grad_(False)
