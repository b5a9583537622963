import pytest
import torch
from torch import nn

from tenku.training.muon import Muon, orthogonalise


def gaussian(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(64, 64), (48, 200), (200, 48), (1, 30), (30, 1)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = gaussian(*shape)
    found = orthogonalise(matrix)
    assert (found.shape, found.dtype) == (matrix.shape, matrix.dtype)
    values = torch.linalg.svdvals(found)
    # These coefficients aim at 0.7 to 1.2; the smallest values of a square matrix are left behind.
    assert values.max() < 1.3
    assert values.quantile(0.1) > (0.6 if shape[0] != shape[1] else 0.4)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    ideal = left @ right
    assert (found * ideal).sum() / (found.norm() * ideal.norm()) > 0.95


def test_scale_does_not_matter() -> None:
    matrix = gaussian(20, 40)
    assert torch.allclose(orthogonalise(1e3 * matrix), orthogonalise(1e-3 * matrix), atol=0.05)
    assert orthogonalise(torch.zeros(4, 4)).abs().max() == 0


def test_a_step_is_as_large_as_one_of_adamw() -> None:
    """Whatever the shape of the weight, a convolution's kernel included, entries move by about 0.2 · lr."""
    for shape in ((64, 64), (32, 256), (256, 32), (32, 16, 3, 3)):
        parameter = nn.Parameter(torch.zeros(shape))
        parameter.grad = gaussian(*shape) * 7
        Muon([parameter], lr=0.1).step()
        assert parameter.detach().square().mean().sqrt().item() == pytest.approx(0.02, rel=0.25)
        assert (parameter.detach() * parameter.grad).sum() < 0


def test_memory_format_does_not_matter() -> None:
    plain, last = (nn.Parameter(gaussian(8, 4, 3, 3)) for _ in range(2))
    last.data = last.data.to(memory_format=torch.channels_last)
    for parameter in (plain, last):
        optimizer = Muon([parameter], lr=0.1, weight_decay=0.1)
        for step in range(3):
            parameter.grad = (gaussian(8, 4, 3, 3) + step).to(
                memory_format=torch.channels_last if parameter is last else torch.contiguous_format
            )
            optimizer.step()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(plain, last, atol=1e-6)


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="give vectors to another optimizer"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1)
