from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tenku.checkpoint.renaming import Piece, as_layer, check_names, fill, in_halves, without_first
from tenku.checkpoint.weights import Weights
from tenku.denoiser.layers import fold, rotate
from tenku.errors import UserError

PIECES = {
    "weight": (Piece("q", (2, 3)), Piece("k", (4, 3))),
    "bias": (Piece("table", (1, 6), without_first),),
}


def gaussian(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def weights(folder: Path, **more: torch.Tensor | None) -> Weights:
    tensors = {"q": gaussian(2, 3), "k": gaussian(4, 3), "table": gaussian(1, 6), **more}
    save_file({name: t for name, t in tensors.items() if t is not None}, folder / "m.safetensors")
    return Weights.of(folder / "m.safetensors")


def test_ours_are_theirs_below_each_other(tmp_path: Path) -> None:
    theirs = weights(tmp_path)
    check_names(PIECES, theirs)
    with torch.device("meta"):
        layer = nn.Linear(3, 6)
    fill(layer, PIECES, theirs, None)
    assert torch.equal(layer.weight, torch.cat([theirs["q"], theirs["k"]]))
    assert torch.equal(layer.bias, theirs["table"][0])
    assert not layer.weight.requires_grad
    fill(layer, PIECES, theirs, torch.bfloat16)
    assert layer.weight.dtype == torch.bfloat16


def test_what_need_not_move_is_the_files_own_memory(tmp_path: Path) -> None:
    class Mapped(dict[str, torch.Tensor]):
        pass

    theirs = Mapped(weight=gaussian(6, 3), bias=gaussian(6))
    with torch.device("meta"):
        layer = nn.Linear(3, 6)
    fill(layer, {"weight": (Piece("weight", (6, 3)),), "bias": (Piece("bias", (6,)),)}, theirs, None)
    assert layer.weight.data_ptr() == theirs["weight"].data_ptr()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"q": None}, "lacks 'q' that its configuration asks for"),
        ({"q": None, "k": None, "table": None, "x": gaussian(1)}, "lacks 'k' and 2 other tensors"),
        ({"lora": gaussian(1)}, "has 'lora' that no model of its kind has"),
        ({"a": gaussian(1), "b": gaussian(1)}, "has 'a' and 1 other tensors"),
        ({"k": gaussian(4, 5)}, r"k of .*m.safetensors has the shape \(4, 5\), not \(4, 3\)"),
    ],
)
def test_other_tensors_are_refused(
    tmp_path: Path, change: dict[str, torch.Tensor | None], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        check_names(PIECES, weights(tmp_path, **change))


def test_some_tensors_may_be_ignored(tmp_path: Path) -> None:
    check_names(PIECES, weights(tmp_path, extra=gaussian(1)), ignored=["extra"])


def test_neighbours_become_halves() -> None:
    """Rotating neighbours, as others do, is rotating halves of the moved rows."""
    rows, x, (cos, sin) = gaussian(12, 5), gaussian(1, 7, 5), (gaussian(7, 3), gaussian(7, 3))
    theirs = (x @ rows.T).view(1, 7, 2, 3, 2).transpose(1, 2)  # b heads n pairs 2
    turned = torch.stack(
        [theirs[..., 0] * cos - theirs[..., 1] * sin, theirs[..., 0] * sin + theirs[..., 1] * cos], -1
    )
    ours = (x @ in_halves(6)(rows).T).view(1, 7, 2, 6).transpose(1, 2)
    found = rotate(ours, cos, sin).unflatten(-1, (2, 3)).transpose(-1, -2)
    assert torch.allclose(found, turned, atol=1e-5)
    assert torch.equal(
        in_halves(6)(torch.arange(12.0)), torch.tensor([0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11.0])
    )


def test_a_convolution_by_its_stride_is_a_layer() -> None:
    kernel, latents = gaussian(8, 3, 1, 2, 2), gaussian(2, 3, 4, 6, 4)
    expected = nn.functional.conv3d(latents, kernel, stride=(1, 2, 2)).movedim(1, -1)
    assert torch.allclose(fold(latents.movedim(1, -1), (1, 2, 2)) @ as_layer(kernel).T, expected, atol=1e-5)
