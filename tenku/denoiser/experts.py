"""Two denoisers that share the noise levels between them: one decides what there is, one how it looks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from tenku.denoiser.drafting import Draft
from tenku.denoiser.transformer import Denoiser, DenoiserConfig, ReadText

ROUNDING = 1e-6  # a level that is the boundary may have been rounded to float32


@dataclass(frozen=True, slots=True)
class ReadByExperts:
    """A text, and perhaps a picture, that each expert reads when it is first asked."""

    text: Tensor
    mask: Tensor | None
    picture: Tensor | None
    _read: dict[Denoiser, ReadText] = field(default_factory=dict)

    def by(self, expert: Denoiser) -> ReadText:
        """As an expert reads it."""
        if expert not in self._read:
            self._read[expert] = expert.read(self.text, self.mask, self.picture)
        return self._read[expert]


class NoiseExperts(nn.Module):
    """Called like a `Denoiser`: `high` answers while anything is as noisy as `boundary`, else `low`.

    Balaji et al., arXiv 2211.01324; Wan 2.2 does the same.
    """

    def __init__(self, high: Denoiser, low: Denoiser, boundary: float) -> None:
        super().__init__()
        ours, theirs = high.config, low.config
        if (ours.latent_channels, ours.text_size) != (theirs.latent_channels, theirs.text_size):
            raise ValueError("both experts must have the same latent_channels and text_size")
        if not 0 < boundary < 1:
            raise ValueError(f"the boundary between the experts must lie between 0 and 1, not at {boundary}")
        self.high, self.low, self.boundary = high, low, boundary
        self.on_turn: Callable[[Denoiser], None] | None = None  # told which expert is about to be asked

    @property
    def config(self) -> DenoiserConfig:
        """That of the expert which is asked first."""
        return self.high.config

    def read(self, text: Tensor, mask: Tensor | None = None, picture: Tensor | None = None) -> ReadByExperts:
        """A text to be read by each expert once."""
        return ReadByExperts(text, mask, picture)

    def prepare(self, tracks: Tensor, height: int, width: int) -> Tensor | Draft:
        """The tracks as they are: each expert drafts for itself."""
        return tracks

    def forward(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor | ReadByExperts,
        text_mask: Tensor | None = None,
        tracks: Tensor | Draft | None = None,
        conditions: Tensor | None = None,
    ) -> Tensor:
        """Velocity (b c t h w) of noisy latents; arguments as those of `Denoiser`."""
        noisy = float(sigma.max()) >= self.boundary - ROUNDING
        expert = self.high if noisy else self.low
        if self.on_turn is not None:
            self.on_turn(expert)
        read = text.by(expert) if isinstance(text, ReadByExperts) else text
        velocity: Tensor = expert(noisy_latents, sigma, read, text_mask, tracks, conditions)
        return velocity
