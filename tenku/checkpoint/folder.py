"""A trained model as a folder: `config.json` (everything needed to build it) and `model.safetensors`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts, TrackConfig, TrackReader, TrackReaderConfig
from tenku.errors import UserError
from tenku.media import replacing
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig

FORMAT = 4
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
RUN_MODEL = "model"  # the folder of the finished model in the folder of a training run
_LARGE = 65_536  # numbers in a tensor: below it, halving saves nothing and costs precision
EMBEDDED = Path(__file__).parent.parent / "embedded"


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplingDefaults:
    """How a model wants to be sampled unless the request says otherwise.

    `temperature` is the size of the noise that a video starts from: below 1 there is less variety and less
    that goes wrong (Kingma and Dhariwal, arXiv 1807.03039, section 6). Of `planner_candidates` plans that
    one is followed in which things are seen best. A long timeline is made in windows of `window_size` latent
    frames, of which the first `window_overlap` are those before. Tracks read from somebody else's video are
    fitted to it in `fitting_steps`. So many of the first latent channels as `steadied_channels` are drafted
    twice, in groups of frames that overlap, so that motion is as even from group to group as inside one.
    `solver` brings its own noise schedule; with `token_shifts`, the logarithms of the shift for two numbers
    of tokens, it goes by what is in view, and ends in a jump from `least_sigma`. What is not said of a video
    is `width`, `height`, `num_frames` and `fps`; a side may be up to `max_side` pixels. The second of two
    experts may have a guidance scale of its own.
    """

    num_inference_steps: int = 12
    guidance_scale: float = 3.0
    guidance_scale_2: float | None = None
    guidance_interval: tuple[float, float] = (0.15, 0.95)
    shift: float = 3.0
    token_shifts: tuple[tuple[int, float], ...] = ()
    least_sigma: float = 0.0
    temperature: float = 1.0
    planner_steps: int = 16
    planner_guidance_scale: float = 2.5
    planner_candidates: int = 4
    window_size: int = 17
    window_overlap: int = 5
    fitting_steps: int = 40
    steadied_channels: int = 0
    solver: Literal["multistep", "euler", "unipc"] = "multistep"
    width: int = 128
    height: int = 128
    num_frames: int = 32
    fps: float = 16.0
    max_side: int = 512


@dataclass(frozen=True, slots=True)
class Model:
    """The networks of a text-to-video model and how to sample them; not every model plans first, or can read
    from a video what a planner would have planned."""

    vae: VideoAutoencoder
    text_encoder: TextEncoder
    planner: Denoiser | None
    denoiser: Denoiser | NoiseExperts
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)
    training: dict[str, Any] = field(default_factory=dict)
    reader: TrackReader | None = None


def save_model(folder: Path, model: Model, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write a model: large tensors in `dtype`, small ones in float32; the configuration comes last."""
    tensors = {
        f"{part}.{name}": value
        for part, module in _parts(model)
        for name, value in as_kept(module, dtype).items()
    }
    config = {
        "format": FORMAT,
        "vae": asdict(model.vae.config),
        "text_encoder": asdict(model.text_encoder.config),
        "planner": None if model.planner is None else asdict(model.planner.config),
        "denoiser": _denoiser_facts(model.denoiser),
        "reader": None if model.reader is None else asdict(model.reader.config),
        "sampling": asdict(model.sampling),
        "training": model.training,
    }
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / WEIGHTS_FILE) as unfinished:
        unfinished.write_bytes(save(tensors))
    with replacing(folder / CONFIG_FILE) as unfinished:
        unfinished.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def as_kept(module: nn.Module, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """A network's tensors as files hold them: large ones in `dtype`, small ones, which halving hardly makes
    smaller, in float32."""
    return {
        name: (value.to(dtype) if value.numel() >= _LARGE else value.float()).contiguous().clone()
        for name, value in module.state_dict().items()
    }


def load_model(place: str | Path) -> Model:
    """The model in a folder, or in the folder of the run that made it; "embedded" is the package's own.

    Networks come in float32, for inference. What is no model is a `UserError`.
    """
    config, tensors = _read(_folder_of(place), place)
    try:
        model = _build(config)
        for part, module in _parts(model):
            prefix = f"{part}."
            module.load_state_dict(
                {
                    name.removeprefix(prefix): t.float()
                    for name, t in tensors.items()
                    if name.startswith(prefix)
                }
            )
            module.eval().requires_grad_(False)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = "; ".join(line.strip() for line in str(error).splitlines()[-3:])
        raise UserError(
            f"the model in {str(place)!r} does not fit its configuration ({reason}); make or copy it again."
        ) from error
    return model


def is_model(folder: Path) -> bool:
    """Whether a whole model lies in a folder: its configuration is written last."""
    return (folder / CONFIG_FILE).exists()


def _folder_of(place: str | Path) -> Path:
    folder = EMBEDDED if str(place) == "embedded" else Path(place)
    finished = folder / RUN_MODEL
    return finished if not is_model(folder) and finished.is_dir() else folder


def _read(folder: Path, place: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Configuration and tensors of a model folder; `place` is what the user called it."""
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
    except FileNotFoundError as error:
        raise UserError(
            f"there is no model in {str(place)!r}: a model is 'embedded' or a folder with {CONFIG_FILE} and "
            f"{WEIGHTS_FILE}; make one with `tenku train`."
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"the model in {str(place)!r} cannot be read ({error}); make or copy it again."
        ) from error
    format = config.get("format") if isinstance(config, dict) else None
    if format != FORMAT:
        raise UserError(
            f"the model in {str(place)!r} has format {format!r}, this tenku reads {FORMAT}; "
            "install the version that made it."
        )
    return config, tensors


def _denoiser_facts(denoiser: Denoiser | NoiseExperts) -> dict[str, Any]:
    if isinstance(denoiser, NoiseExperts):
        high, low = asdict(denoiser.high.config), asdict(denoiser.low.config)
        return {"boundary": denoiser.boundary, "high": high, "low": low}
    return asdict(denoiser.config)


def _build(config: dict[str, Any]) -> Model:
    def tupled(values: dict[str, Any]) -> dict[str, Any]:
        return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}

    def denoiser(values: dict[str, Any]) -> Denoiser:
        tracks = values.get("tracks")
        return Denoiser(
            DenoiserConfig(**{**tupled(values), "tracks": TrackConfig(**tupled(tracks)) if tracks else None})
        )

    def reader(values: dict[str, Any]) -> TrackReader:
        tracks = TrackConfig(**tupled(values["tracks"]))
        return TrackReader(TrackReaderConfig(**{**tupled(values), "tracks": tracks}))

    def experts(values: dict[str, Any]) -> NoiseExperts:
        return NoiseExperts(denoiser(values["high"]), denoiser(values["low"]), values["boundary"])

    return Model(
        vae=VideoAutoencoder(VideoAutoencoderConfig(**tupled(config["vae"]))),
        text_encoder=TextEncoder(TextEncoderConfig(**tupled(config["text_encoder"]))),
        planner=denoiser(config["planner"]) if config.get("planner") else None,
        denoiser=experts(config["denoiser"])
        if "boundary" in config["denoiser"]
        else denoiser(config["denoiser"]),
        sampling=SamplingDefaults(**tupled(config["sampling"])),
        training=config.get("training", {}),
        reader=reader(config["reader"]) if config.get("reader") else None,
    )


def _parts(model: Model) -> tuple[tuple[str, nn.Module], ...]:
    parts = [
        ("vae", model.vae),
        ("text_encoder", model.text_encoder),
        ("planner", model.planner),
        ("denoiser", model.denoiser),
        ("reader", model.reader),
    ]
    return tuple((name, module) for name, module in parts if module is not None)
