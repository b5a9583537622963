"""What the stages of planner and denoiser share: a step of flow, what is compiled, what Muon trains."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tenku.denoiser import Denoiser
from tenku.flow import add_noise, flow_loss
from tenku.text import TextConditioning
from tenku.training.trainer import is_matrix

Predict = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Guess:
    """The velocity that a network sees in latents (b c t h w) under noise; sigma is (b 1 t 1 1)."""

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
) -> Guess:
    """What a network says of latents (b c t h w) under new noise at sigma (b t)."""
    noise = torch.randn(latents.shape, generator=generator)
    spread = sigma[:, None, :, None, None]
    with torch.autocast("cpu", torch.bfloat16):
        velocity = predict(add_noise(latents, noise, spread), sigma, text.tokens, text.mask, tracks)
    return Guess(velocity, latents, noise, spread)


def inner_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix of a block or of the track encoder, but no modulation table."""
    inside = name.startswith(("blocks", "tracks_in"))
    return inside and is_matrix(name, parameter, ()) and "modulation" not in name


def compiled_for(
    module: Denoiser,
    grids: Mapping[str, tuple[int, int, int]],
    shares: Mapping[str, float],
    at_least: float,
) -> dict[str, Predict]:
    """The module compiled for the grids of buckets (t h w of tokens) that get at least so large a share."""
    for grid in grids.values():  # all tables before anything is compiled, which guards on what there is
        module.rotary(grid, module.patch_in.weight)
    often = [name for name in grids if shares[name] >= at_least]
    return dict.fromkeys(often, _compiled(module, len(often))) if often and _can_compile() else {}


def _compiled(module: nn.Module, num_shapes: int) -> Predict:
    """A module compiled for each of so many shapes; past its limit torch would go on uncompiled, silently."""
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, num_shapes + 1)
    function: Predict = torch.compile(module, dynamic=False)
    return function


def _can_compile() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs on a CPU."""
    return torch.cuda.is_available() or any(shutil.which(name) for name in ("g++", "clang++", "c++"))
