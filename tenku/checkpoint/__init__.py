"""Load and save models; memory."""

from tenku.checkpoint.adapting import OneLevel, known_as_control, known_in_channels, shown_to
from tenku.checkpoint.allocator import keep_freed_memory
from tenku.checkpoint.folder import (
    EMBEDDED,
    RUN_MODEL,
    Model,
    SamplingDefaults,
    as_kept,
    is_model,
    load_model,
    save_model,
)
from tenku.checkpoint.lora import MAX_LORA_WEIGHT, Lora, applied, check_loras, merge_loras
from tenku.checkpoint.memory import Machine, MemoryPlan
from tenku.checkpoint.open_weights import (
    OpenModel,
    load_denoiser,
    load_open_model,
    load_text_encoder,
    load_vae,
    sampling_of,
)
from tenku.checkpoint.places import is_open
from tenku.checkpoint.staging import Staging, find_networks, open_on_demand

__all__ = [
    "EMBEDDED",
    "MAX_LORA_WEIGHT",
    "RUN_MODEL",
    "Lora",
    "Machine",
    "MemoryPlan",
    "Model",
    "OneLevel",
    "OpenModel",
    "SamplingDefaults",
    "Staging",
    "applied",
    "as_kept",
    "check_loras",
    "find_networks",
    "is_model",
    "is_open",
    "keep_freed_memory",
    "known_as_control",
    "known_in_channels",
    "load_denoiser",
    "load_model",
    "load_open_model",
    "load_text_encoder",
    "load_vae",
    "merge_loras",
    "open_on_demand",
    "sampling_of",
    "save_model",
    "shown_to",
]
