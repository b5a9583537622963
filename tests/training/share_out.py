"""What tests have several processes do together: share_out.py FOLDER; ranks leave what they end with."""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from tenku.training.distributed import join_world, shared_out
from tenku.training.muon import Muon, orthogonalise

SHAPES = ((4, 6), (8, 3), (5, 5), (2, 3, 3, 3), (1, 7))


def gaussian(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shared(count: int) -> dict[str, object]:
    """Matrices shared out, and which of them were worked out here."""
    worked_on: list[int] = []
    inputs = [gaussian(*shape, seed=i).flatten(1) for i, shape in enumerate(SHAPES[:count])]

    def work(matrix: Tensor) -> Tensor:
        worked_on.append(next(i for i, item in enumerate(inputs) if item is matrix))
        return orthogonalise(matrix)

    return {"outputs": shared_out(work, inputs), "worked_on": worked_on}


def trained() -> list[Tensor]:
    """Weights after three steps of Muon, one of them without a gradient."""
    parameters = [nn.Parameter(gaussian(*shape, seed=10 + i)) for i, shape in enumerate(SHAPES)]
    optimizer = Muon(parameters, lr=0.1, weight_decay=0.1)
    for step in range(3):
        for i, parameter in enumerate(parameters[:-1]):
            parameter.grad = gaussian(*parameter.shape, seed=100 * step + i)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def everything() -> dict[str, object]:
    torch.set_num_threads(1)
    return {"shared": [shared(count) for count in (5, 1, 0)], "trained": trained()}


if __name__ == "__main__":
    rank, _ = join_world()
    torch.save(everything(), Path(sys.argv[1]) / f"rank{rank}.pt")
