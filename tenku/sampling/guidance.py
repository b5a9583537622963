"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598) as a plain function of a denoiser."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.denoiser import Draft, ReadText
from tenku.denoiser.experts import ROUNDING
from tenku.sampling.solvers import VelocityFn
from tenku.text import TextConditioning


@dataclass(frozen=True, kw_only=True, slots=True)
class Guidance:
    """How far to go from the negative text to the positive: scale 1 is all of it and no further.

    Outside `interval` of noise levels guidance is left out (Kynkäänniemi et al., arXiv 2404.07724). `below`
    is a level, at which a second expert takes over, and the scale from there on.
    """

    scale: float = 3.0
    interval: tuple[float, float] = (0.15, 0.95)
    below: tuple[float, float] | None = None

    def at(self, sigma: float) -> float:
        """The scale at a noise level."""
        low, high = self.interval
        if not low <= sigma <= high:
            return 1.0
        return self.scale if self.below is None or sigma >= self.below[0] - ROUNDING else self.below[1]


def guided(
    denoiser: nn.Module,
    positive: TextConditioning,
    negative: TextConditioning,
    guidance: Guidance,
    tracks: Tensor | Draft | None = None,
    conditions: Tensor | None = None,
    picture: Tensor | None = None,
    fps: float | None = None,
) -> VelocityFn:
    """Velocities (b c t h w) of latents at a level (b t h w), led away from the negative text.

    With tracks, packed (b c t o) or as the denoiser prepared them, they are also led away from a video in
    which nothing has a place. Both texts go into one batched call, so they need as many rows as the latents;
    they are read once, for all levels. Where guidance is left out the negative text is not looked at. Beside
    both there may be the tokens of a picture (1 m e), and channels of what is known (b c t h w); frames per
    second are told only to a denoiser that counts in seconds.
    """
    places = tracks.beside_nothing() if isinstance(tracks, Draft) else tracks
    if isinstance(places, Tensor):
        places = torch.cat([places, torch.zeros_like(places)])
    alone = cache(lambda: _read(denoiser, positive, picture))
    both = cache(lambda: _read(denoiser, stack_texts(positive, negative), picture))
    extra: dict[str, Tensor] = {} if conditions is None else {"conditions": conditions}
    rate: dict[str, float] = {} if fps is None else {"fps": fps}

    def velocity(noisy_latents: Tensor, level: Tensor) -> Tensor:
        lowest, highest = (float(end) for end in level.aminmax())
        if lowest == highest:  # the networks work out once what is the same for all
            level = level[:1, :1, :1, :1]
        scale = guidance.at(highest)
        if scale == 1:
            single: Tensor = denoiser(noisy_latents, level, alone(), None, tracks, **extra, **rate)
            return single
        twice = {name: torch.cat([value] * 2) for name, value in extra.items()}
        levels = level if lowest == highest else torch.cat([level] * 2)
        pair = torch.cat([noisy_latents] * 2)
        doubled: Tensor = denoiser(pair, levels, both(), None, places, **twice, **rate)
        with_text, without = doubled.chunk(2)
        return without + scale * (with_text - without)

    return velocity


def _read(denoiser: nn.Module, text: TextConditioning, picture: Tensor | None) -> ReadText:
    shown = None if picture is None else picture.expand(len(text.tokens), -1, -1)
    read: ReadText = denoiser.read(text.tokens, text.mask, shown)  # type: ignore[operator]
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
