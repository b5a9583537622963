"""The one idea: a canvas of latent frames, what is known of it, how freely it may change, and prompts.

Every task is a timeline. The noise floor of a position is the highest noise level it is ever given: 0 keeps
the known latent exactly, 1 generates freely, between edits with that much freedom. At global level `sigma`
a position with floor f stands at min(sigma, f), so one sampler call serves all tasks. What moves where may be
known as well, as tracks with a floor of their own: they are planned before anything is painted.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PromptSpan:
    """A prompt over latent frames start ≤ t < stop."""

    prompt: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Known latents (b c t h w), noise floor (b t h w) in 0–1, and prompts, the same for the whole batch.

    A floor that is the same all over each frame may be (b t 1 1), which saves the denoiser a quarter of its
    work. Known tracks are packed (b n t o), with a floor (b t o) for each row. At each of the latent frames
    `cuts` a new shot begins, into which the one before dissolves over as many frames as `dissolves` says.
    Those at `joints` are made, but so that they end in the frame of the known latent there. What is shown
    begins with `first_frame`. `pictures` are frames (3 h w) in [−1, 1], by their number on the timeline, that
    are known as they were before they became latents. What does not fit together is a ValueError.
    """

    latents: Tensor
    noise_floor: Tensor
    prompts: tuple[PromptSpan, ...]
    tracks: Tensor | None = None
    track_floor: Tensor | None = None
    cuts: tuple[int, ...] = ()
    joints: tuple[int, ...] = ()
    dissolves: tuple[int, ...] = ()
    first_frame: int = 0
    pictures: tuple[tuple[int, Tensor], ...] = ()

    def __post_init__(self) -> None:
        b, _, t, h, w = self.latents.shape
        if self.noise_floor.shape not in ((b, t, h, w), (b, t, 1, 1)):
            raise ValueError(
                f"the noise floor must have shape {(b, t, h, w)} or {(b, t, 1, 1)}, "
                f"not {tuple(self.noise_floor.shape)}"
            )
        floors = [self.noise_floor]
        if self.tracks is not None:
            if self.tracks.ndim != 4 or self.tracks.shape[::2] != (b, t):
                raise ValueError(f"tracks must be packed for {t} latent frames, not {self.tracks.shape}")
            if self.track_floor is None or self.track_floor.shape != (b, t, self.tracks.shape[3]):
                raise ValueError("known tracks need a floor for each of their rows in each latent frame")
            floors.append(self.track_floor)
        if not all(((floor >= 0) & (floor <= 1)).all() for floor in floors):
            raise ValueError("the noise floor must lie between 0 (keep) and 1 (generate)")
        if any(not 0 < cut < t for cut in self.cuts) or list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError(f"cuts {self.cuts} do not lie in order inside a timeline of {t} frames")
        if self.dissolves:
            ends = [*self.cuts[1:], t]
            if len(self.dissolves) != len(self.cuts):
                raise ValueError("there must be one dissolve, perhaps of 0 frames, for each cut")
            parts = zip(self.cuts, self.dissolves, ends, strict=True)
            if any(not 0 <= fade <= end - cut for cut, fade, end in parts):
                raise ValueError(f"dissolves {self.dissolves} are longer than the shots that they lead to")
        for span in self.prompts:
            if not 0 <= span.start < span.stop <= t:
                raise ValueError(
                    f"prompt span {span.start}–{span.stop} does not lie on a timeline of {t} frames"
                )

    @property
    def num_latent_frames(self) -> int:
        """Length of the canvas."""
        return self.latents.shape[2]

    def level(self, sigma: float) -> Tensor:
        """Noise level (b t h w) or (b t 1 1) of every position at the global level."""
        return self.noise_floor.clamp(max=sigma)

    def start(self, noise: Tensor) -> Tensor:
        """The canvas at the highest noise: known latents noised up to their floor."""
        return torch.lerp(self.latents, noise, self.noise_floor[:, None])


def text_to_video(prompt: str, shape: tuple[int, int, int, int, int]) -> Timeline:
    """Nothing is known; one latent frame makes a picture. `shape` is (b c t h w).

    The latents share one zero, whatever their length.
    """
    b, _, t, _, _ = shape
    return Timeline(
        torch.zeros(1, 1, 1, 1, 1).expand(shape),
        torch.ones(1, 1, 1, 1).expand(b, t, 1, 1),
        (PromptSpan(prompt, 0, t),),
    )
