"""Weights in eight bits, by torchao: half the memory of bfloat16, and other numbers, so only where it is
asked for."""

from typing import Any, Final, Literal, TypeAlias

from torch import nn

from tenku.checkpoint.adapting import OneLevel
from tenku.denoiser import Denoiser, NoiseExperts
from tenku.errors import UserError

Quantization: TypeAlias = Literal["int8", "fp8"]
QUANTIZATIONS: Final = ("int8", "fp8")


def quantize(denoiser: Denoiser | NoiseExperts | OneLevel, kind: Quantization) -> None:
    """Keep the weights of a denoiser's blocks in eight bits, with a scale for each row; its ends stay as they
    are.

    Products are worked out in the type that the weights had. A `UserError` if torchao is missing.
    """
    try:
        from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise UserError(
            f"weights are kept in {kind} by torchao; `pip install torchao`, or leave out the quantization."
        ) from error
    config: Any = Int8WeightOnlyConfig() if kind == "int8" else Float8WeightOnlyConfig()
    for expert in _experts(denoiser):
        for block in expert.each_block:
            quantize_(block, config, lambda module, _: isinstance(module, nn.Linear))


def _experts(denoiser: Denoiser | NoiseExperts | OneLevel) -> tuple[Denoiser, ...]:
    inner = denoiser.denoiser if isinstance(denoiser, OneLevel) else denoiser
    return (inner.high, inner.low) if isinstance(inner, NoiseExperts) else (inner,)
