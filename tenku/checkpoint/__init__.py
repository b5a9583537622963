"""Load and save models; memory."""

from tenku.checkpoint.adapting import OneLevel, known_in_channels
from tenku.checkpoint.allocator import keep_freed_memory
from tenku.checkpoint.folder import (
    EMBEDDED,
    RUN_MODEL,
    Model,
    SamplingDefaults,
    is_model,
    load_model,
    save_model,
)
from tenku.checkpoint.open_weights import (
    OpenModel,
    load_denoiser,
    load_open_model,
    load_text_encoder,
    load_vae,
    sampling_of,
)
from tenku.checkpoint.places import is_open

__all__ = [
    "EMBEDDED",
    "RUN_MODEL",
    "Model",
    "OneLevel",
    "OpenModel",
    "SamplingDefaults",
    "is_model",
    "is_open",
    "keep_freed_memory",
    "known_in_channels",
    "load_denoiser",
    "load_model",
    "load_open_model",
    "load_text_encoder",
    "load_vae",
    "sampling_of",
    "save_model",
]
