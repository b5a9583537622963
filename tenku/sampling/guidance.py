"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598) as a plain function of a denoiser."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser import Draft, ReadText
from tenku.sampling.solvers import VelocityFn
from tenku.text import TextConditioning


@dataclass(frozen=True, kw_only=True, slots=True)
class Guidance:
    """How far to go from the negative text to the positive: scale 1 is all of it and no further.

    Outside `interval` of noise levels guidance is left out (Kynkäänniemi et al., arXiv 2404.07724).
    """

    scale: float = 3.0
    interval: tuple[float, float] = (0.15, 0.95)


def guided(
    denoiser: nn.Module,
    positive: TextConditioning,
    negative: TextConditioning,
    guidance: Guidance,
    tracks: Tensor | Draft | None = None,
    conditions: Tensor | None = None,
) -> VelocityFn:
    """Velocities (b c t h w) of latents at a level (b t h w), led away from the negative text.

    With tracks, packed (b c t o) or as the denoiser prepared them, they are also led away from a video in
    which nothing has a place. Both texts go into one batched call, so they need as many rows as the latents;
    they are read once, for all levels. Where guidance is left out the negative text is not looked at.
    """
    places = tracks.beside_nothing() if isinstance(tracks, Draft) else tracks
    if isinstance(places, Tensor):
        places = torch.cat([places, torch.zeros_like(places)])
    low, high = guidance.interval
    alone = cache(lambda: _read(denoiser, positive))
    both = cache(lambda: _read(denoiser, stack_texts(positive, negative)))
    extra = {} if conditions is None else {"conditions": conditions}

    def velocity(noisy_latents: Tensor, level: Tensor) -> Tensor:
        lowest, highest = (float(end) for end in level.aminmax())
        if lowest == highest:  # the networks work out once what is the same for all
            level = level[:1, :1, :1, :1]
        if guidance.scale == 1 or not low <= highest <= high:
            single: Tensor = denoiser(noisy_latents, level, alone(), None, tracks, **extra)
            return single
        twice = {name: torch.cat([value] * 2) for name, value in extra.items()}
        levels = level if lowest == highest else torch.cat([level] * 2)
        doubled: Tensor = denoiser(torch.cat([noisy_latents] * 2), levels, both(), None, places, **twice)
        with_text, without = doubled.chunk(2)
        return without + guidance.scale * (with_text - without)

    return velocity


def _read(denoiser: nn.Module, text: TextConditioning) -> ReadText:
    read: ReadText = denoiser.read(text.tokens, text.mask)  # type: ignore[operator]
    return read


def stack_texts(first: TextConditioning, second: TextConditioning) -> TextConditioning:
    """One batch of both, `first` before `second`, padded to the longer."""
    length = max(first.tokens.shape[1], second.tokens.shape[1])
    tokens = [
        functional.pad(text.tokens, (0, 0, 0, length - text.tokens.shape[1])) for text in (first, second)
    ]
    masks = [
        functional.pad(text.mask, (0, length - text.mask.shape[1]), value=False) for text in (first, second)
    ]
    return TextConditioning(torch.cat(tokens), torch.cat(masks))
