"""The one idea: a canvas of latent frames, what is known of it, how freely it may change, and prompts.

Every task is a timeline. The noise floor of a position is the highest noise level it is ever given: 0 keeps
the known latent exactly, 1 generates freely, between edits with that much freedom. At global level `sigma`
a position with floor f stands at min(sigma, f), so one sampler call serves all tasks.
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
    work. What does not fit together is a ValueError.
    """

    latents: Tensor
    noise_floor: Tensor
    prompts: tuple[PromptSpan, ...]

    def __post_init__(self) -> None:
        b, _, t, h, w = self.latents.shape
        if self.noise_floor.shape not in ((b, t, h, w), (b, t, 1, 1)):
            raise ValueError(
                f"the noise floor must have shape {(b, t, h, w)} or {(b, t, 1, 1)}, "
                f"not {tuple(self.noise_floor.shape)}"
            )
        if not ((self.noise_floor >= 0) & (self.noise_floor <= 1)).all():
            raise ValueError("the noise floor must lie between 0 (keep) and 1 (generate)")
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
    """Nothing is known; one latent frame makes a picture. `shape` is (b c t h w)."""
    b, _, t, _, _ = shape
    return Timeline(torch.zeros(shape), torch.ones(b, t, 1, 1), (PromptSpan(prompt, 0, t),))
