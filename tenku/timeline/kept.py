"""A generation in one file: its latents, its tracks and its whole request, to go on from without a loss.

The file is a safetensors file: numbers and one JSON text, nothing that runs. The text holds a digest of all
the rest, by which a file that was changed or damaged is known.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tenku.denoiser import TrackConfig
from tenku.errors import UserError
from tenku.media import replacing
from tenku.timeline.footage import Footage
from tenku.timeline.request import KEPT_SUFFIX, GenerationRequest, check_kept_name
from tenku.timeline.timeline import PromptSpan

_FORMAT: Final = 1
_MAX_BYTES: Final = 2**31


@dataclass(frozen=True, slots=True)
class Kept:
    """Footage, the request that it was made by, the fingerprint of the autoencoder that reads it, and what
    was done to the model, such as LoRAs that were mixed into it."""

    footage: Footage
    request: GenerationRequest
    vae: str
    model_changes: tuple[str, ...] = ()


def fingerprint(module: nn.Module) -> str:
    """A digest of a network's weights and other numbers."""
    digest = hashlib.sha256()
    numbers = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, value in sorted(numbers.items()):
        digest.update(name.encode())
        digest.update(value.detach().contiguous().to(torch.float32).numpy().tobytes())
    return digest.hexdigest()[:32]


def save_kept(path: str | Path, kept: Kept) -> None:
    """Write a `.tenku` file."""
    check_kept_name(path)
    footage = kept.footage
    tensors = {"latents": footage.latents.contiguous()}
    if footage.tracks is not None:
        tensors["tracks"] = footage.tracks.contiguous()
    facts = {
        "format": _FORMAT,
        "request": asdict(kept.request),
        "prompts": [asdict(span) for span in footage.prompts],
        "fps": footage.fps,
        "cuts": list(footage.cuts),
        "frames_per_latent": footage.frames_per_latent,
        "pixels_per_latent": footage.pixels_per_latent,
        "track_config": None if footage.track_config is None else asdict(footage.track_config),
        "vae": kept.vae,
        "model_changes": list(kept.model_changes),
    }
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
    metadata = {"tenku": text, "digest": _digest(text, tensors)}
    with replacing(Path(path)) as unfinished:
        unfinished.write_bytes(save(tensors, metadata))


def load_kept(path: str | Path) -> Kept:
    """What a `.tenku` file holds; a `UserError` if it is none, was changed, or is of another version."""
    try:
        if Path(path).stat().st_size > _MAX_BYTES:
            raise UserError(f"{str(path)!r} is larger than any {KEPT_SUFFIX} file; give another one.")
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(f"there is no file {str(path)!r}; give a video or a {KEPT_SUFFIX} file.") from error
    except (OSError, SafetensorError) as error:
        raise UserError(f"{str(path)!r} is no whole {KEPT_SUFFIX} file; make or copy it again.") from error
    text = metadata.get("tenku", "")
    if metadata.get("digest") != _digest(text, tensors):
        raise UserError(f"{str(path)!r} was changed or damaged since it was made; make or copy it again.")
    try:
        facts = json.loads(text)
        if facts["format"] != _FORMAT:
            raise UserError(
                f"{str(path)!r} has format {facts['format']!r}, this tenku reads {_FORMAT}; install the "
                "version that made it."
            )
        return _kept(facts, tensors)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{str(path)!r} holds no generation of tenku's ({error}); make it again.") from error


def _kept(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Kept:
    config = facts["track_config"]
    if config is not None:
        config = TrackConfig(**{**config, "look_sizes": tuple(config["look_sizes"])})
    footage = Footage(
        latents=tensors["latents"],
        tracks=tensors.get("tracks"),
        prompts=tuple(PromptSpan(**span) for span in facts["prompts"]),
        fps=float(facts["fps"]),
        cuts=tuple(facts["cuts"]),
        frames_per_latent=int(facts["frames_per_latent"]),
        pixels_per_latent=int(facts["pixels_per_latent"]),
        track_config=config,
    )
    changes = tuple(str(change) for change in facts.get("model_changes", ()))
    return Kept(footage, GenerationRequest(**facts["request"]), str(facts["vae"]), changes)


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
