"""The spacetime-patch transformer."""

from tenku.denoiser.experts import NoiseExperts
from tenku.denoiser.tracks import BOX_SIZE, TrackConfig
from tenku.denoiser.transformer import Denoiser, DenoiserConfig, patchify, unpatchify

__all__ = ["BOX_SIZE", "Denoiser", "DenoiserConfig", "NoiseExperts", "TrackConfig", "patchify", "unpatchify"]
