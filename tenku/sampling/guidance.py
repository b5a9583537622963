"""Guidance: plain functions that wrap a denoiser into a velocity."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenku.text import TextConditioning


@dataclass(frozen=True, kw_only=True, slots=True)
class Guidance:
    """Classifier-free guidance: scale 1 is none; outside `interval` of noise levels it is left out."""

    scale: float = 3.0
    interval: tuple[float, float] = (0.15, 0.95)


def guided_velocity(
    denoiser: nn.Module,
    noisy_latents: Tensor,
    level: Tensor,
    positive: TextConditioning,
    negative: TextConditioning,
    guidance: Guidance,
) -> Tensor:
    """Velocity (b c t h w) led away from the negative text, both texts in one batched call."""
    highest = float(level.max())
    low, high = guidance.interval
    if guidance.scale == 1 or not low <= highest <= high:
        single: Tensor = denoiser(noisy_latents, level, positive.tokens, positive.mask)
        return single
    both = stack_texts(positive, negative)
    velocity: Tensor = denoiser(
        torch.cat([noisy_latents] * 2), torch.cat([level] * 2), both.tokens, both.mask
    )
    with_text, without = velocity.chunk(2)
    return without + guidance.scale * (with_text - without)


def stack_texts(first: TextConditioning, second: TextConditioning) -> TextConditioning:
    """One batch of both, padded to the longer."""
    length = max(first.tokens.shape[1], second.tokens.shape[1])
    tokens = [F.pad(text.tokens, (0, 0, 0, length - text.tokens.shape[1])) for text in (first, second)]
    masks = [F.pad(text.mask, (0, length - text.mask.shape[1]), value=False) for text in (first, second)]
    return TextConditioning(torch.cat(tokens), torch.cat(masks))
