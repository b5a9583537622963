"""Causal 3D video autoencoder."""

from tenku.vae.autoencoder import StreamState, VideoAutoencoder, VideoAutoencoderConfig
from tenku.vae.pixels import from_pixels, to_pixels

__all__ = ["StreamState", "VideoAutoencoder", "VideoAutoencoderConfig", "from_pixels", "to_pixels"]
