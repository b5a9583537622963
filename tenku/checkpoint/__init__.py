"""Load and save models; memory."""

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

__all__ = [
    "EMBEDDED",
    "RUN_MODEL",
    "Model",
    "SamplingDefaults",
    "is_model",
    "keep_freed_memory",
    "load_model",
    "save_model",
]
