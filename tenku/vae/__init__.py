"""Causal 3D video autoencoder."""

from tenku.vae.autoencoder import StreamState, VideoAutoencoder, VideoAutoencoderConfig

__all__ = ["StreamState", "VideoAutoencoder", "VideoAutoencoderConfig"]
