"""The spacetime-patch transformer."""

from tenku.denoiser.attending import multiplies_bfloat16
from tenku.denoiser.drafting import Draft, Drafter
from tenku.denoiser.experts import NoiseExperts, ReadByExperts
from tenku.denoiser.layers import patchify, unpatchify
from tenku.denoiser.reading import TrackReader, TrackReaderConfig
from tenku.denoiser.tracks import (
    BOX_SIZE,
    CAMERA_SIZE,
    NUM_FLOORS,
    POSE_SIZE,
    SETTING_SIZE,
    SURROUNDINGS_SIZE,
    TYPICAL_CAMERA,
    TrackConfig,
    UnpackedTracks,
    positions_in_boxes,
    unpack,
)
from tenku.denoiser.transformer import Denoiser, DenoiserConfig, ReadText

__all__ = [
    "BOX_SIZE",
    "CAMERA_SIZE",
    "NUM_FLOORS",
    "POSE_SIZE",
    "SETTING_SIZE",
    "SURROUNDINGS_SIZE",
    "TYPICAL_CAMERA",
    "Denoiser",
    "DenoiserConfig",
    "Draft",
    "Drafter",
    "NoiseExperts",
    "ReadByExperts",
    "ReadText",
    "TrackConfig",
    "TrackReader",
    "TrackReaderConfig",
    "UnpackedTracks",
    "multiplies_bfloat16",
    "patchify",
    "positions_in_boxes",
    "unpack",
    "unpatchify",
]
