"""Two denoisers that share the noise levels between them: one decides what there is, one how it looks."""

from torch import Tensor, nn

from tenku.denoiser.drafting import Draft
from tenku.denoiser.transformer import Denoiser, DenoiserConfig


class NoiseExperts(nn.Module):
    """Called like a `Denoiser`: `high` answers while anything is noisier than `boundary`, else `low`.

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

    @property
    def config(self) -> DenoiserConfig:
        """That of the expert which is asked first."""
        return self.high.config

    def prepare(self, tracks: Tensor, height: int, width: int) -> Tensor | Draft:
        """The tracks as they are: each expert drafts for itself."""
        return tracks

    def forward(
        self,
        noisy_latents: Tensor,
        sigma: Tensor,
        text: Tensor,
        text_mask: Tensor | None = None,
        tracks: Tensor | Draft | None = None,
    ) -> Tensor:
        """Velocity (b c t h w) of noisy latents; arguments as those of `Denoiser`."""
        expert = self.high if float(sigma.max()) > self.boundary else self.low
        velocity: Tensor = expert(noisy_latents, sigma, text, text_mask, tracks)
        return velocity
