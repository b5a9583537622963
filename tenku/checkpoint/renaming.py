"""Our tensors out of those of other layouts: which of theirs make up each of ours, and how they are moved."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tenku.checkpoint.weights import Weights
from tenku.errors import UserError

Move: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor of theirs, moved, as part of one of ours. `shape` is what it must have there."""

    name: str
    shape: tuple[int, ...]
    move: Move | None = None

    def taken(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The tensor as ours wants it."""
        found = weights[self.name]
        return found if self.move is None else self.move(found)


Pieces: TypeAlias = Mapping[str, Sequence[Piece]]  # ours → theirs, one below the other


def in_halves(head_size: int) -> Move:
    """Rows of heads in which neighbours are rotated together, so that (i, i + half) are: (h·d …) → the
    same."""

    def move(rows: Tensor) -> Tensor:
        shape = rows.shape
        return rows.view(-1, head_size // 2, 2, *shape[1:]).transpose(1, 2).reshape(shape)

    return move


def as_layer(kernel: Tensor) -> Tensor:
    """A convolution (d c p q r) that strides by its size as a linear layer of patches (d p·q·r·c)."""
    return kernel.permute(0, 2, 3, 4, 1).flatten(1)


def without_first(table: Tensor) -> Tensor:
    """(1 … d) → (… d)."""
    return table.squeeze(0)


def check_names(pieces: Pieces, weights: Weights, ignored: Iterable[str] = ()) -> None:
    """A `UserError` unless weights have exactly the tensors that are wanted, in their shapes."""
    wanted = {piece.name: piece.shape for parts in pieces.values() for piece in parts}
    place = weights.files[0].parent if len(weights.files) > 1 else weights.files[0]
    if missing := sorted(wanted.keys() - set(weights)):
        raise UserError(
            f"{place} lacks {_some(missing)} that its configuration asks for; download it again, or give the "
            "configuration that belongs to it."
        )
    if unknown := sorted(set(weights) - wanted.keys() - set(ignored)):
        raise UserError(
            f"{place} has {_some(unknown)} that no model of its kind has; give the model that it belongs to."
        )
    for name, shape in wanted.items():
        if weights.shape(name) != shape:
            raise UserError(
                f"{name} of {place} has the shape {weights.shape(name)}, not {shape} as its configuration "
                "says; give the configuration that belongs to it."
            )


def check_same_names(network: nn.Module, weights: Weights, place: Path) -> None:
    """A `UserError` unless weights have every tensor of a network, in its shape."""
    for name, value in network.state_dict().items():
        if name not in weights or weights.shape(name) != tuple(value.shape):
            found = f"has the shape {weights.shape(name)}" if name in weights else "is missing"
            raise UserError(f"tensor {name!r} in {place} {found}; copy it again.")


def fill(
    module: nn.Module,
    pieces: Pieces,
    weights: Mapping[str, Tensor],
    dtype: torch.dtype | None,
    device: torch.device | str = "cpu",
) -> None:
    """Give a module that was built on the meta device its tensors, of a type other than theirs if one is
    given.

    Where nothing has to be moved they are the file's own memory.
    """
    for name in module.state_dict():
        tensor = made(pieces[name], weights, dtype)
        owner, _, leaf = name.rpartition(".")
        parameter = nn.Parameter(tensor.to(device=device), requires_grad=False)
        setattr(module.get_submodule(owner), leaf, parameter)


def made(parts: Sequence[Piece], weights: Mapping[str, Tensor], dtype: torch.dtype | None) -> Tensor:
    """One of our tensors; the file's own memory where nothing has to be moved or converted."""
    source = weights
    if isinstance(weights, Weights) and not _usable_as_it_is(parts, weights, dtype):
        source = weights.private(dtype)
    taken = [piece.taken(source) for piece in parts]
    tensor = taken[0] if len(taken) == 1 else torch.cat(taken)
    return tensor.to(dtype=dtype or tensor.dtype)


def _usable_as_it_is(parts: Sequence[Piece], weights: Weights, dtype: torch.dtype | None) -> bool:
    first = parts[0]
    return len(parts) == 1 and first.move is None and dtype in (None, weights.dtype(first.name))


def _some(names: Sequence[str]) -> str:
    return f"{names[0]!r}" + (f" and {len(names) - 1} other tensors" if names[1:] else "")
