"""Of which bucket a step is."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import torch

from tenku.data.latents import LatentBucket

T = TypeVar("T")


class Mixture(Generic[T]):
    """Buckets by name, of which a step draws one, as often as its share of the steps says."""

    def __init__(self, buckets: Mapping[str, T], shares: Mapping[str, float], lacking: str) -> None:
        self.buckets = {name: bucket for name, bucket in buckets.items() if shares.get(name, 0) > 0}
        if not self.buckets:
            raise ValueError(f"no bucket with a share of the steps has {lacking}")
        self.shares = torch.tensor([shares[name] for name in self.buckets])

    def draw(self, generator: torch.Generator) -> tuple[str, T]:
        """The bucket of one step, and its name."""
        return list(self.buckets.items())[int(torch.multinomial(self.shares, 1, generator=generator))]


def latent_mixture(buckets: Sequence[LatentBucket], shares: Mapping[str, float]) -> Mixture[LatentBucket]:
    """A mixture of encoded clips."""
    named = {bucket.bucket.name: bucket for bucket in buckets}
    return Mixture(named, shares, "clips: simulate and encode them first")
