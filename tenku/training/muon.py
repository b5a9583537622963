"""Muon: momentum whose update of each matrix is orthogonalised, for weights that act as matrices.

Source: Keller Jordan, "Muon: an optimizer for the hidden layers of neural networks" (2024); learning rate
matched to AdamW's update size as in Liu et al., arXiv 2502.16982. `torch.optim.Muon` takes 2D parameters
only; this one flattens convolutions too. One matrix at a time: a batched product in bfloat16 took twice as
long on a CPU. Under torchrun each process orthogonalises its share of the matrices.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from tenku.training.distributed import shared_out

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """About the nearest semi-orthogonal matrix to (rows columns): quintic Newton–Schulz steps in bfloat16."""
    a, b, c = _COEFFICIENTS
    x = matrix.to(torch.bfloat16)
    tall = x.shape[0] > x.shape[1]
    x = x.T.contiguous() if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for parameters of two or more axes, seen as (first axis, all others)."""

    def __init__(
        self, params: Iterable[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        for group in self.param_groups:
            if any(parameter.ndim < 2 for parameter in group["params"]):
                raise ValueError(
                    "Muon takes parameters of two or more axes; give vectors to another optimizer"
                )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Apply one update."""
        if closure is not None:
            raise ValueError("this optimizer takes no closure")
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            directions = shared_out(orthogonalise, [self._momentum(p, group["momentum"]) for p in parameters])
            for parameter, direction in zip(parameters, directions, strict=True):
                # An orthogonal matrix has entries of size 1/√max(shape); AdamW's updates are about 0.2.
                scale = 0.2 * max(direction.shape) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: Tensor, momentum: float) -> Tensor:
        """Nesterov's momentum after the parameter's gradient, as a matrix."""
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum).flatten(1)
