"""3D video autoencoders: our own, Wan's, and LTX-Video's."""

from typing import TypeAlias

from tenku.vae.autoencoder import StreamState, VideoAutoencoder, VideoAutoencoderConfig
from tenku.vae.ltx import (
    Downsampling,
    DownShape,
    LtxAutoencoder,
    LtxAutoencoderConfig,
    UpShape,
    ltx_0_9,
    ltx_0_9_1,
    ltx_0_9_5,
)
from tenku.vae.pixels import from_pixels, to_pixels
from tenku.vae.wan import WanAutoencoder, WanAutoencoderConfig, wan_2_1, wan_2_2

Autoencoder: TypeAlias = VideoAutoencoder | WanAutoencoder | LtxAutoencoder

__all__ = [
    "Autoencoder",
    "DownShape",
    "Downsampling",
    "LtxAutoencoder",
    "LtxAutoencoderConfig",
    "StreamState",
    "UpShape",
    "VideoAutoencoder",
    "VideoAutoencoderConfig",
    "WanAutoencoder",
    "WanAutoencoderConfig",
    "from_pixels",
    "ltx_0_9",
    "ltx_0_9_1",
    "ltx_0_9_5",
    "to_pixels",
    "wan_2_1",
    "wan_2_2",
]
