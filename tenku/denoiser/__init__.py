"""The spacetime-patch transformer."""

from tenku.denoiser.transformer import Denoiser, DenoiserConfig, patchify, unpatchify

__all__ = ["Denoiser", "DenoiserConfig", "patchify", "unpatchify"]
