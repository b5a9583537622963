"""A trained model as a folder: `config.json` (everything needed to build it) and `model.safetensors`."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.errors import UserError
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig

FORMAT = 1
_LARGE = 65_536  # numbers in a tensor: below it, halving saves nothing and costs precision
EMBEDDED = Path(__file__).parent.parent / "embedded"


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingDefaults:
    """How a model wants to be sampled unless the request says otherwise."""

    num_inference_steps: int = 12
    guidance_scale: float = 3.0
    guidance_interval: tuple[float, float] = (0.15, 0.95)
    shift: float = 3.0


@dataclass(frozen=True, slots=True)
class Model:
    """The three networks of a text-to-video model and how to sample them."""

    vae: VideoAutoencoder
    text_encoder: TextEncoder
    denoiser: Denoiser
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    training: dict[str, Any] = field(default_factory=dict)


def save_model(folder: Path, model: Model, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write a model; what is large in `dtype`, what is small in float32. The configuration is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for part, module in _parts(model):
        for name, value in module.state_dict().items():
            kept = value.to(dtype) if value.numel() > _LARGE else value.float()
            tensors[f"{part}.{name}"] = kept.contiguous().clone()
    partial = folder / "model.safetensors.partial"
    save_file(tensors, partial)
    os.replace(partial, folder / "model.safetensors")
    config = {
        "format": FORMAT,
        "vae": asdict(model.vae.config),
        "text_encoder": asdict(model.text_encoder.config),
        "denoiser": asdict(model.denoiser.config),
        "sampling": asdict(model.sampling),
        "training": model.training,
    }
    partial = folder / "config.json.partial"
    partial.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n")
    os.replace(partial, folder / "config.json")


def load_model(place: str | Path) -> Model:
    """The model in a folder; "embedded" is the one in this package. Networks come in float32, for inference."""
    folder = EMBEDDED if str(place) == "embedded" else Path(place)
    try:
        config = json.loads((folder / "config.json").read_text())
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise UserError(
            f"there is no model in {str(place)!r}: a model is 'embedded' or a folder with config.json and "
            "model.safetensors."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"the model in {str(place)!r} cannot be read ({error}); make or copy it again.") from error
    if config.get("format") != FORMAT:
        raise UserError(
            f"the model in {str(place)!r} has format {config.get('format')!r}, this tenku reads {FORMAT}; "
            "install the version that made it."
        )
    try:
        model = _build(config)
        for part, module in _parts(model):
            state = {
                name.removeprefix(f"{part}."): value.float()
                for name, value in tensors.items()
                if name.startswith(f"{part}.")
            }
            module.load_state_dict(state)
            module.eval().requires_grad_(False)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the model in {str(place)!r} does not fit its configuration ({reason}).") from error
    return model


def _build(config: dict[str, Any]) -> Model:
    def tupled(values: dict[str, Any]) -> dict[str, Any]:
        return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}

    return Model(
        vae=VideoAutoencoder(VideoAutoencoderConfig(**tupled(config["vae"]))),
        text_encoder=TextEncoder(TextEncoderConfig(**tupled(config["text_encoder"]))),
        denoiser=Denoiser(DenoiserConfig(**tupled(config["denoiser"]))),
        sampling=SamplingDefaults(**tupled(config["sampling"])),
        training=config.get("training", {}),
    )


def _parts(model: Model) -> tuple[tuple[str, nn.Module], ...]:
    return ("vae", model.vae), ("text_encoder", model.text_encoder), ("denoiser", model.denoiser)
