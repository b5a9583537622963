"""What the stages of planner and denoiser share: a step of flow, what is compiled, what Muon trains."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from tenku.denoiser import Denoiser
from tenku.flow import add_noise, flow_loss
from tenku.text import TextConditioning
from tenku.training.device import half_precision
from tenku.training.trainer import is_matrix

Result = TypeVar("Result", covariant=True)
Predict = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Guess:
    """The velocity that a network sees in latents (b c t h w) under noise; sigma is (b 1 t h w)."""

    velocity: Tensor
    latents: Tensor
    noise: Tensor
    sigma: Tensor

    def loss(self, weight: Tensor | None = None) -> Tensor:
        """Flow loss of each clip (b,), positions counting as `weight` says."""
        return flow_loss(self.velocity, self.latents, self.noise, self.sigma, weight)


def guess(
    predict: Predict,
    latents: Tensor,
    sigma: Tensor,
    text: TextConditioning,
    generator: torch.Generator,
    tracks: Tensor | None = None,
    temperature: Tensor | None = None,
) -> Guess:
    """What a network says of latents (b c t h w) under new noise at sigma, (b t) or (b t h w) whose h and w
    may be 1, of a size (b,) other than 1 if a temperature is given."""
    noise = torch.randn(latents.shape, generator=generator)
    if temperature is not None:
        noise = noise * temperature[:, None, None, None, None]
    spread = sigma[:, None, :, None, None] if sigma.ndim == 2 else sigma[:, None]
    with half_precision():
        velocity = predict(add_noise(latents, noise, spread), sigma, text.tokens, text.mask, tracks)
    return Guess(velocity, latents, noise, spread)


def inner_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix inside the network: of a block or what is told of tracks, no table."""
    inside = name.startswith(("blocks", "drafter.encoder", "drafter.blocks", "told_in", "refiner.blocks"))
    return inside and is_matrix(name, parameter, ()) and "modulation" not in name


class Compiled(Generic[Result]):
    """A function by the name of the bucket that it is asked about, compiled for those with enough steps.

    Past its limit of shapes torch would go on uncompiled, silently.
    """

    def __init__(
        self,
        function: Callable[..., Result],
        buckets: Sequence[str],
        shares: Mapping[str, float],
        compile_from: float,
    ) -> None:
        self.eager = function
        often = [name for name in buckets if shares[name] >= compile_from] if _can_compile() else []
        if often:
            limits = torch._dynamo.config
            limits.recompile_limit = max(limits.recompile_limit, len(often) + 1)
            self._compiled: Callable[..., Result] = torch.compile(function, dynamic=False)
        self._often = frozenset(often)

    def __getitem__(self, bucket: str) -> Callable[..., Result]:
        return self._compiled if bucket in self._often else self.eager


def compiled_denoiser(
    module: Denoiser,
    grids: Mapping[str, tuple[int, int, int]],
    shares: Mapping[str, float],
    compile_from: float,
) -> Compiled[Tensor]:
    """A denoiser for buckets whose clips have these grids (t h w) of tokens."""
    for grid in grids.values():  # all tables before anything is compiled, which guards on what there is
        module.rotary(grid, module.patch_in.weight)
    return Compiled(module, list(grids), shares, compile_from)


def _can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs on a CPU."""
    return torch.cuda.is_available() or any(shutil.which(name) for name in ("g++", "clang++", "c++"))
