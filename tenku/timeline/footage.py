"""Footage: what has been made or read, as latents with all that is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tenku.denoiser import TrackConfig
from tenku.timeline.timeline import PromptSpan


@dataclass(frozen=True, slots=True)
class Footage:
    """Normalised latents (1 c t h w) of a whole clip, packed tracks (1 n t o) if they are known, what was
    said of it, its frame rate, and the latent frames at which a new shot begins.

    The first latent frame stands for one frame, each other one for `frames_per_latent`; a position spans
    `pixels_per_latent` a side. `track_config` says how tracks are packed. `picture` is the first frame
    (3 h w), in [−1, 1], of a clip that was read, as it was before it became latents.
    """

    latents: Tensor
    tracks: Tensor | None
    prompts: tuple[PromptSpan, ...]
    fps: float
    cuts: tuple[int, ...] = ()
    frames_per_latent: int = 4
    pixels_per_latent: int = 8
    track_config: TrackConfig | None = None
    picture: Tensor | None = None

    def __post_init__(self) -> None:
        if self.latents.ndim != 5 or len(self.latents) != 1:
            raise ValueError(f"footage is one clip (1 c t h w), not {tuple(self.latents.shape)}")
        if self.tracks is not None and self.track_config is None:
            raise ValueError("tracks of footage need the configuration that they are packed by")
        if self.tracks is not None and self.tracks.shape[::2] != self.latents.shape[:3:2]:
            raise ValueError("tracks and latents of footage must be of the same length")

    @property
    def num_latent_frames(self) -> int:
        """Its length in latent frames."""
        return self.latents.shape[2]

    @property
    def num_frames(self) -> int:
        """Its length in frames."""
        return 1 + (self.num_latent_frames - 1) * self.frames_per_latent

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.num_frames / self.fps

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.latents.shape[3:]
        return height * self.pixels_per_latent, width * self.pixels_per_latent

    @property
    def prompt(self) -> str:
        """What was said of its end; empty if nothing was."""
        return max(self.prompts, key=lambda span: span.stop).prompt if self.prompts else ""

    def first(self, number: int) -> "Footage":
        """Its first latent frames."""
        return replace(
            self,
            latents=self.latents[:, :, :number],
            tracks=None if self.tracks is None else self.tracks[:, :, :number],
            prompts=tuple(
                replace(span, stop=min(span.stop, number)) for span in self.prompts if span.start < number
            ),
            cuts=tuple(cut for cut in self.cuts if cut < number),
        )

    def after(self, number: int) -> "Footage":
        """What comes after its first latent frames, without prompts and cuts: no clip of its own, for its
        first latent frame is full."""
        return replace(
            self,
            latents=self.latents[:, :, number:],
            tracks=None if self.tracks is None else self.tracks[:, :, number:],
            prompts=(),
            cuts=(),
            picture=None,
        )

    @classmethod
    def joined(cls, parts: "Sequence[Footage]") -> "Footage":
        """Parts of one stream, one after the other, without their prompts and cuts."""
        tracks = [part.tracks for part in parts if part.tracks is not None]
        return replace(
            parts[0],
            latents=torch.cat([part.latents for part in parts], 2),
            tracks=torch.cat(tracks, 2) if len(tracks) == len(parts) else None,
            prompts=(),
            cuts=(),
        )
