"""Attention in tiles: as exact as torch's own, where it is used, and torch's own elsewhere."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tenku.denoiser import attending
from tenku.denoiser.attending import attend


def inputs(num_heads: int = 3, n: int = 2_100, dtype: torch.dtype = torch.bfloat16) -> tuple[Tensor, ...]:
    """Queries and keys whose scores spread widely."""
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, num_heads, n, 32, generator=generator) for _ in range(3))
    return (2 * query).to(dtype), (2 * key).to(dtype), value.to(dtype)


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.float() - expected).norm() / expected.norm())


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the processor cannot multiply bfloat16 quickly, or has many threads."""
    monkeypatch.setattr(attending, "_FEW_THREADS", 1_000)
    monkeypatch.setattr(attending, "multiplies_bfloat16", lambda: True)


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("autocast", [False, True])
@torch.no_grad()
def test_it_is_as_exact_as_torch_is(monkeypatch: pytest.MonkeyPatch, autocast: bool) -> None:
    """Tiles that do not divide the tokens."""
    monkeypatch.setattr(attending, "_SCORES", 300 * 2_100)
    query, key, value = inputs()
    expected = scaled_dot_product_attention(query.float(), key.float(), value.float())
    usual = error(scaled_dot_product_attention(query, key, value), expected)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = attend(query, key, value)
    assert found.dtype == torch.bfloat16
    assert error(found, expected) < 1.2 * usual
    assert not torch.equal(found, scaled_dot_product_attention(query, key, value))  # it was used
    turned = tuple(part.transpose(1, 2).contiguous().transpose(1, 2) for part in (query, key, value))
    assert torch.equal(attend(*turned), attend(query, key, value))  # however they lie in memory


@pytest.mark.usefixtures("fast")
def test_elsewhere_it_is_torch_s_own() -> None:
    with torch.no_grad():
        for given in (inputs(dtype=torch.float32), inputs(n=300)):
            assert torch.equal(attend(*given), scaled_dot_product_attention(*given))
    given = tuple(part.requires_grad_() for part in inputs(1))
    assert attend(*given).grad_fn is not None


@pytest.mark.usefixtures("fast")
@torch.no_grad()
def test_other_products_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    attend(*inputs(1))
    assert settings.fp32_precision == before

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(attending, "_attend_head", fail)
    with pytest.raises(MemoryError):
        attend(*inputs(1))
    assert settings.fp32_precision == before
