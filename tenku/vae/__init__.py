"""Causal 3D video autoencoders: our own, and Wan's."""

from tenku.vae.autoencoder import StreamState, VideoAutoencoder, VideoAutoencoderConfig
from tenku.vae.pixels import from_pixels, to_pixels
from tenku.vae.wan import WanAutoencoder, WanAutoencoderConfig, wan_2_1, wan_2_2

__all__ = [
    "StreamState",
    "VideoAutoencoder",
    "VideoAutoencoderConfig",
    "WanAutoencoder",
    "WanAutoencoderConfig",
    "from_pixels",
    "to_pixels",
    "wan_2_1",
    "wan_2_2",
]
