"""The spacetime-patch transformer."""

from tenku.denoiser.transformer import Denoiser, DenoiserConfig, Prediction, patchify, unpatchify

__all__ = ["Denoiser", "DenoiserConfig", "Prediction", "patchify", "unpatchify"]
