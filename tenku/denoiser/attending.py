"""Attention in bfloat16 on processors that multiply it themselves: faster than torch's own, and as exact.

Scores are products of oneDNN's, a few queries at a time, so that they stay near the processor. They are added
up and kept in float32, as torch's flash attention does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

_MANY: Final = 2_048  # tokens from which on it pays
_FEW_THREADS: Final = 2  # up to which it was measured: torch's own shares out its work better
_SCORES: Final = 1_000_000  # that a head works with at a time
_FEWEST_ROWS: Final = 64


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(query keyᵀ / √d) value, each (b h n d)."""
    if not _pays(query, key):
        return functional.scaled_dot_product_attention(query, key, value)
    out = torch.empty_like(query)
    with torch.autocast("cpu", enabled=False), _exact_products():
        for clip in zip(out, query, key, value, strict=True):
            for head in zip(*clip, strict=True):
                _attend_head(*head)
    return out


def _attend_head(out: Tensor, query: Tensor, key: Tensor, value: Tensor) -> None:
    """One head (n d) of one clip, written to `out`."""
    scale, rows = query.shape[-1] ** -0.5, max(_FEWEST_ROWS, _SCORES // len(key))
    turned, value = key.T.float(), value.float()
    for start in range(0, len(query), rows):
        now = slice(start, start + rows)
        scores = (query[now].float() @ turned).mul_(scale)
        # Not yet shares of the whole: the largest is 1, which no rounding changes.
        weights = scores.sub_(scores.amax(-1, keepdim=True)).exp_()
        out[now] = (weights @ value).div_(weights.sum(-1, keepdim=True))


def _pays(query: Tensor, key: Tensor) -> bool:
    return (
        type(query) is Tensor  # not one whose memory is traced
        and query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and min(query.shape[2], key.shape[2]) >= _MANY
        and torch.get_num_threads() <= _FEW_THREADS
        and not torch.is_grad_enabled()
        and multiplies_bfloat16()
    )


@cache
def multiplies_bfloat16() -> bool:
    """Whether this processor has bfloat16 products of its own (AVX512-BF16 or AMX); without them they are
    slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@contextmanager
def _exact_products() -> Iterator[None]:
    """A block in which oneDNN multiplies float32 as bfloat16, which is exact where all numbers are such, and
    adds up in float32."""
    backend: Any = torch.backends.mkldnn  # whose parts torch's own types do not know
    settings = backend.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before
