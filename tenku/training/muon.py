"""Muon: momentum whose update of each matrix is orthogonalised, for weights that act as matrices.

Source: Keller Jordan, "Muon: an optimizer for the hidden layers of neural networks" (2024); learning rate matched
to AdamW's update size as in Liu et al., arXiv 2502.16982. `torch.optim.Muon` takes 2D parameters one by one; this one
flattens convolutions and treats equal shapes as one batch, which on two cores makes its cost negligible.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrices to (n rows columns), by a quintic Newton–Schulz iteration in bfloat16."""
    a, b, c = _COEFFICIENTS
    x = matrices.to(torch.bfloat16)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum over parameters of two or more axes, each seen as (first axis, the rest)."""

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
            by_shape: dict[tuple[int, int], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shape = (parameter.shape[0], parameter.numel() // parameter.shape[0])
                    by_shape.setdefault(shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                self._update(parameters, shape, group)

    def _update(self, parameters: list[Tensor], shape: tuple[int, int], group: dict[str, Any]) -> None:
        directions = []
        for parameter in parameters:
            state = self.state[parameter]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(parameter)
            gradient = parameter.grad
            assert gradient is not None
            state["momentum"].lerp_(gradient, 1 - group["momentum"])
            directions.append(gradient.lerp(state["momentum"], group["momentum"]).reshape(shape))
        # An orthogonal matrix has entries of size 1/√max(shape); AdamW's updates are about 0.2.
        scale = 0.2 * max(shape) ** 0.5
        for parameter, direction in zip(parameters, orthogonalise(torch.stack(directions)), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(direction.view_as(parameter), alpha=-group["lr"] * scale)
