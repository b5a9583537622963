"""Weights in eight bits, by torchao: half the memory of bfloat16, and other numbers, so only where it is
asked for."""

from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from tenku.checkpoint.adapting import OneLevel
from tenku.denoiser import Denoiser, NoiseExperts
from tenku.denoiser.transformer import Block
from tenku.errors import UserError

Quantization: TypeAlias = Literal["int8", "fp8"]
QUANTIZATIONS: Final = ("int8", "fp8")


def quantize(denoiser: Denoiser | NoiseExperts | OneLevel, kind: Quantization) -> None:
    """Keep the weights of a denoiser's blocks in eight bits, with a scale for each row; its ends stay as they
    are.

    Products are worked out in the type that the weights had. A `UserError` if torchao is missing.
    """
    quantize_, config = _torchao(kind)
    for expert in _experts(denoiser):
        for block in expert.each_block:
            quantize_(block, config, lambda module, _: isinstance(module, nn.Linear))


def quantized(weight: Tensor, kind: Quantization) -> Tensor:
    """One weight (out in) of a linear layer, as `quantize` keeps it."""
    quantize_, config = _torchao(kind)
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    quantize_(layer, config)
    return layer.weight.detach()


def quantizable(denoiser: Denoiser) -> dict[str, nn.Linear]:
    """The layers whose weights are kept in eight bits, by the name of that weight."""
    return {
        f"{prefix}.{name}.weight": module
        for prefix, block in denoiser.named_modules()
        if isinstance(block, Block)
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear)
    }


def check_quantization(kind: Quantization) -> None:
    """A `UserError` if it cannot be had here."""
    _torchao(kind)


def _torchao(kind: Quantization) -> tuple[Any, Any]:
    """What quantizes a module, and its configuration."""
    try:
        from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise UserError(
            f"weights are kept in {kind} by torchao; `pip install 'tenku[quantization]'`, or leave out the "
            "quantization."
        ) from error
    return quantize_, Int8WeightOnlyConfig() if kind == "int8" else Float8WeightOnlyConfig()


def _experts(denoiser: Denoiser | NoiseExperts | OneLevel) -> tuple[Denoiser, ...]:
    inner = denoiser.denoiser if isinstance(denoiser, OneLevel) else denoiser
    return (inner.high, inner.low) if isinstance(inner, NoiseExperts) else (inner,)
