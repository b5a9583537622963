"""Where a model is: a folder, a file, or a name on the Hugging Face hub; and what lies there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tenku.checkpoint.weights import read_json
from tenku.errors import UserError

CONFIG: Final = "config.json"
_INDEX: Final = "model_index.json"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_EXPERTS: Final = ("high_noise_model", "low_noise_model")
_WANTED: Final = ("*.json", "*/*.safetensors", "*/*.txt", "*/*.model")  # * stands for folders as well
_BESIDE: Final = ("*.safetensors", "*.txt", "*.model")  # of the makers' own layout


@dataclass(frozen=True, slots=True)
class OpenPlace:
    """The parts of a published model by the place of each, with the facts that its own files tell.

    There is one denoiser, or one for high noise and one for low.
    """

    root: Path
    denoisers: tuple[Path, ...]
    vae: Path | None = None
    text_encoder: Path | None = None
    tokenizer: Path | None = None
    picture_encoder: Path | None = None
    picture_processor: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    solver: dict[str, Any] = field(default_factory=dict)


def local(place: str | Path) -> Path:
    """The folder or file of a place, fetched from the hub if it is a name there; a `UserError` if there is
    none."""
    path = Path(place)
    if path.exists():
        return path
    if not _HUB_NAME.fullmatch(str(place)):
        raise UserError(
            f"there is no model in {str(place)!r}: give 'embedded', a folder, a .safetensors file, or a name "
            "on the hub such as Wan-AI/Wan2.2-TI2V-5B-Diffusers."
        )
    return _fetched(str(place))


def parts_of(place: str | Path) -> OpenPlace:
    """What lies at a place, in either layout; nothing but small files is read."""
    root = local(place)
    if root.is_file():
        return _with_others(root.parent, (root,))
    if (root / _INDEX).exists() or (root / "transformer").is_dir():
        return _of_diffusers(root)
    experts = tuple(root / name for name in _EXPERTS)
    return _with_others(root, experts if all(part.is_dir() for part in experts) else (root,))


def is_open(place: str | Path) -> bool:
    """Whether a place is that of published weights, not of a model of ours."""
    path = Path(place)
    if not path.exists():
        return _HUB_NAME.fullmatch(str(place)) is not None
    if path.is_file() or (path / _INDEX).exists() or (path / "transformer").is_dir():
        return True
    if all((path / name).is_dir() for name in _EXPERTS):
        return True
    config = path / CONFIG
    return config.exists() and "_class_name" in read_json(config)


def _of_diffusers(root: Path) -> OpenPlace:
    denoisers = tuple(part for part in (root / "transformer", root / "transformer_2") if part.is_dir())
    files = (root / _INDEX, root / "scheduler" / "scheduler_config.json")
    facts, solver = (read_json(path) if path.exists() else {} for path in files)
    return replace(_with_others(root, denoisers), facts=facts, solver=solver)


def _with_others(folder: Path, denoisers: tuple[Path, ...]) -> OpenPlace:
    """Denoisers and what lies beside them in a folder: the autoencoder, the text encoder, its tokenizer."""
    return OpenPlace(
        folder,
        denoisers,
        vae=_first(folder, ("vae", "Wan2.2_VAE.safetensors", "Wan2.1_VAE.safetensors")),
        text_encoder=_first(folder, ("text_encoder", "models_t5_umt5-xxl-enc-bf16.safetensors")),
        tokenizer=_first(folder, ("tokenizer", "google/umt5-xxl")),
        picture_encoder=_first(folder, ("image_encoder",)),
        picture_processor=_first(folder, ("image_processor",)),
    )


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _fetched(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise UserError(
            f"{name!r} is a name on the hub; `pip install 'tenku[open-weights]'` to fetch it, or give a "
            "folder."
        ) from error
    try:
        found = Path(snapshot_download(name, allow_patterns=list(_WANTED)))
        if (found / _INDEX).exists():  # other files there are the same model again, or others of its family
            return found
        return Path(snapshot_download(name, allow_patterns=[*_WANTED, *_BESIDE]))
    except Exception as error:  # of many libraries; whatever it is, the model is not here
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{name!r} could not be fetched from the hub ({reason}); check the name and the connection, or "
            "give a folder that has it."
        ) from error
