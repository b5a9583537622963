"""Figures of Kang et al., arXiv 2411.02385, at 128 or 256 pixels, for the eye to compare with.

Their clips, sizes and parser are others than ours, so a difference of less than their floor says nothing.
With their drawing and their parser, true clips have these floors in the error of mean velocity and at 256
pixels. They come mostly from a scale: the first and last pixel are the edges of the world when it is drawn,
not when it is read, which makes 2.5 units a second slower by 0.0098.
"""

from dataclasses import dataclass
from typing import Final

from tenku.worlds.phyworld import Law


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A row of the paper; what it does not give is None. FLOPs are our estimate from its recipe."""

    model: str
    law: Law
    videos: str
    parameters: float | None = None
    flops: float | None = None
    in_distribution: float | None = None
    out_of_distribution: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.model}, {self.videos}" if self.videos else self.model]
        if self.in_distribution is not None:
            parts.append(f"in distribution {self.in_distribution:g}")
        if self.out_of_distribution is not None:
            parts.append(f"out of it {self.out_of_distribution:g}")
        if self.flops is not None:
            parts.append(f"about {self.flops:.0e} FLOPs")
        return ", ".join(parts)


PUBLISHED: Final = (
    Published(
        model="DiT-S",
        law="uniform",
        videos="30K videos",
        parameters=22.5e6,
        flops=1.8e18,
        in_distribution=0.022,
    ),
    Published(
        model="DiT-B",
        law="uniform",
        videos="30K videos",
        parameters=89.5e6,
        flops=7e18,
        out_of_distribution=0.433,
    ),
    Published(
        model="DiT-B",
        law="uniform",
        videos="300K videos",
        parameters=89.5e6,
        flops=7e18,
        out_of_distribution=0.328,
    ),
    Published(
        model="DiT-B",
        law="uniform",
        videos="3M videos",
        parameters=89.5e6,
        flops=7e18,
        in_distribution=0.0138,
        out_of_distribution=0.3583,
    ),
    Published(
        model="DiT-L",
        law="uniform",
        videos="3M videos",
        parameters=310e6,
        flops=2.4e19,
        in_distribution=0.012,
        out_of_distribution=0.427,
    ),
    Published(
        model="SVD, fine-tuned", law="uniform", videos="", in_distribution=0.0505, out_of_distribution=0.9081
    ),
    Published(
        model="true clips", law="uniform", videos="", in_distribution=0.0099, out_of_distribution=0.0104
    ),
    Published(model="true clips", law="collision", videos="", in_distribution=0.0117),
    Published(model="true clips", law="parabola", videos="", in_distribution=0.021),
    Published(model="autoencoder", law="uniform", videos="", in_distribution=0.0105),
    Published(model="autoencoder", law="collision", videos="", in_distribution=0.0131),
    Published(model="autoencoder", law="parabola", videos="", in_distribution=0.0212),
)


def published_rows(law: Law) -> tuple[Published, ...]:
    """The rows of a law."""
    return tuple(row for row in PUBLISHED if row.law == law)
