"""Published weights as networks of ours: the same classes, other configurations."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from tenku.checkpoint import ltx, ltx_vae, wan
from tenku.checkpoint.adapting import OneLevel
from tenku.checkpoint.folder import SamplingDefaults
from tenku.checkpoint.picture_encoder import PictureEncoder
from tenku.checkpoint.places import CONFIG, OpenPlace, local, parts_of
from tenku.checkpoint.renaming import Pieces, check_names, fill
from tenku.checkpoint.wan_vae import build_wan_vae, config_from_diffusers, config_of
from tenku.checkpoint.weights import VAE, Weights, read_json
from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts
from tenku.errors import UserError
from tenku.text import T5Encoder, Umt5Encoder
from tenku.vae import LtxAutoencoder, LtxAutoencoderConfig, WanAutoencoder, WanAutoencoderConfig

if TYPE_CHECKING:
    from tenku.checkpoint.staging import Staging

_BOUNDARY, _I2V_BOUNDARY = 0.875, 0.9  # between the experts of Wan 2.2 where no file says otherwise


@dataclass(frozen=True, slots=True)
class OpenModel:
    """Somebody else's networks of a text-to-video model, run in the type that they were loaded in.

    Places are up to the denoiser: nobody plans, and no tracks are read.
    """

    vae: WanAutoencoder | LtxAutoencoder
    text_encoder: Umt5Encoder | T5Encoder
    denoiser: Denoiser | NoiseExperts | OneLevel
    sampling: SamplingDefaults
    planner: None = None
    reader: None = None
    picture_encoder: PictureEncoder | None = None  # for weights that also look at tokens of a picture
    staging: "Staging | None" = None  # where parts are loaded when they are needed


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of published denoiser: how its layouts are told apart, configured and renamed; what its makers
    call a model of a width."""

    name: str
    layouts: tuple[str, ...]
    sizes: Mapping[int, str]
    layout_of: Callable[[Mapping[str, object]], Any]
    config: Callable[[Mapping[str, Any], str, Container[str]], DenoiserConfig]
    config_of: Callable[[Weights, Any], DenoiserConfig]
    pieces: Callable[[DenoiserConfig, Any], Pieces]


FAMILIES: Final = (
    Family(
        "Wan",
        wan.LAYOUTS,
        wan.SIZES,
        wan.layout_of,
        wan.wan_config,
        wan.wan_config_of,
        wan.wan_pieces,
    ),
    Family(
        "LTX-Video",
        ltx.LAYOUTS,
        ltx.SIZES,
        ltx.layout_of,
        ltx.ltx_config,
        ltx.ltx_config_of,
        ltx.ltx_pieces,
    ),
)


@dataclass(frozen=True, slots=True)
class FoundDenoiser:
    """A denoiser that has been found and checked, not loaded: what it is, and what it is made of."""

    family: Family
    config: DenoiserConfig
    pieces: Pieces
    weights: Weights

    def load(self, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> Denoiser:
        """The network, in the type of its file if none is given."""
        with torch.device("meta"):
            denoiser = Denoiser(self.config)
        fill(denoiser, self.pieces, self.weights, dtype, device)
        return denoiser.eval()


def find_denoiser(place: Path) -> FoundDenoiser:
    """The denoiser in a folder or file; a `UserError` if it is none, or not whole."""
    weights = Weights.of(place)
    for family in FAMILIES:
        layout = family.layout_of(weights)
        if layout is None:
            continue
        beside = (place if place.is_dir() else place.parent) / CONFIG
        if beside.exists():
            config = _configured(family, beside, weights)
        else:
            config = family.config_of(weights, layout)
        pieces = family.pieces(config, layout)
        check_names(pieces, weights)
        return FoundDenoiser(family, config, pieces, weights)
    known = ", ".join(family.name for family in FAMILIES)
    raise UserError(
        f"{place} is no video model that tenku knows ({known}); give the weights of one of those."
    )


def load_denoiser(
    place: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> Denoiser | NoiseExperts:
    """The denoiser of a published model: a name on the hub, a folder, or a file, in its own layout or
    diffusers'.

    Called as `denoiser(noisy_latents, sigma, text, text_mask=None)`, it gives the velocity. Weights stay
    mapped from their file where nothing has to be moved and no other `dtype` is asked for.
    """
    parts = parts_of(place)
    found = [find_denoiser(part) for part in parts.denoisers]
    return joined([each.load(dtype, device) for each in found], parts)


def joined(networks: Sequence[Denoiser], parts: OpenPlace) -> Denoiser | NoiseExperts:
    """The only denoiser of a model, or its two experts, which take turns."""
    if len(networks) == 1:
        return networks[0]
    try:
        return NoiseExperts(networks[0], networks[1], _boundary(parts))
    except ValueError as error:
        raise UserError(f"{parts.root} has no two experts of one model ({error}); copy it again.") from error


def load_vae(
    place: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> WanAutoencoder | LtxAutoencoder:
    """The autoencoder of a published model, or the file or folder of one, in either layout."""
    weights, config = find_vae(place)
    tensors = {name: weights[name] for name in weights}
    if isinstance(config, LtxAutoencoderConfig):
        return ltx_vae.build_ltx_vae(tensors, config).to(device=device, dtype=dtype)
    return build_wan_vae(tensors, config).to(device=device, dtype=dtype)


def find_vae(place: str | Path) -> tuple[Weights, WanAutoencoderConfig | LtxAutoencoderConfig]:
    """The files of an autoencoder, and what they hold; nothing of it is read."""
    found = local(place)
    if found.is_dir() and (beside := parts_of(found).vae) is not None:
        found = beside
    weights, config = Weights.of(found, VAE), found / CONFIG
    described, of_ltx = found.is_dir() and config.exists(), ltx_vae.is_ltx_vae(weights)
    if of_ltx:
        read = ltx_vae.config_from_diffusers
        return weights, read(read_json(config)) if described else ltx_vae.config_of(weights)
    if described:
        return weights, config_from_diffusers(read_json(config))
    return weights, config_of({name: weights[name] for name in weights})


def load_text_encoder(
    place: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> Umt5Encoder | T5Encoder:
    """The text encoder of a published model, with its tokenizer."""
    parts = complete_parts(place, vae=False)
    assert parts.text_encoder is not None
    assert parts.tokenizer is not None
    Weights.of(parts.text_encoder)  # which refuses pickles and what is not whole
    try:
        return text_encoder_kind(parts).from_pretrained(
            parts.text_encoder, parts.tokenizer, dtype=dtype, device=device
        )
    except UserError:
        raise
    except Exception as error:  # of many libraries; whatever it is, the text encoder is not here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"the text encoder or the tokenizer in {parts.root} cannot be read ({reason}); copy them again."
        ) from error


def text_encoder_kind(parts: OpenPlace) -> type[Umt5Encoder] | type[T5Encoder]:
    """The kind of text encoder that the denoiser of a model was trained with."""
    return T5Encoder if _is_ltx(parts) else Umt5Encoder


def load_open_model(
    place: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> OpenModel:
    """A published model, whole, to be sampled as its makers do; its autoencoder runs in float32."""
    parts = complete_parts(place)
    assert parts.vae is not None
    denoiser = load_denoiser(place, dtype=dtype, device=device)
    return OpenModel(
        vae=load_vae(parts.vae, dtype=torch.float32, device=device),
        text_encoder=load_text_encoder(place, dtype=dtype, device=device),
        denoiser=denoiser if knows_levels(parts) else OneLevel(denoiser),
        sampling=sampling_of(place),
        picture_encoder=picture_encoder_of(parts, denoiser.config),
    )


def picture_encoder_of(parts: OpenPlace, config: DenoiserConfig) -> PictureEncoder | None:
    """What makes tokens of pictures, a `UserError` if there is none and the denoiser looks at them."""
    if not config.picture_size:
        return None
    if parts.picture_encoder is None or parts.picture_processor is None:
        raise UserError(
            f"{parts.root} lacks the encoder of pictures that its denoiser looks at; put image_encoder/ and "
            "image_processor/ of its -Diffusers repository beside it."
        )
    return PictureEncoder.from_pretrained(parts.picture_encoder, parts.picture_processor)


def complete_parts(place: str | Path, *, vae: bool = True) -> OpenPlace:
    """What lies at a place, a `UserError` unless all parts of a model do, its autoencoder if it is wanted."""
    parts = _with_own_vae(parts_of(place))
    lacking = "its autoencoder" if vae and parts.vae is None else ""
    if parts.text_encoder is None or parts.tokenizer is None:
        lacking = lacking or "its text encoder or its tokenizer"
    if lacking:
        raise UserError(f"{place} lacks {lacking}; give the whole folder of the model, as it is on the hub.")
    if vae and parts.vae is not None and _is_ltx(parts):
        _check_version(parts.vae)
    return parts


def _check_version(vae: Path) -> None:
    """A `UserError` about LTX-Video 0.9.5 and later: its denoiser counts frames otherwise, and it is sampled
    by another schedule. It is told by its autoencoder."""
    _, config = find_vae(vae)
    if isinstance(config, LtxAutoencoderConfig) and any(stage.folds for stage in config.encoder_stages):
        raise UserError(
            f"{vae} is of LTX-Video 0.9.5 or later, with which tenku cannot make videos yet; give 0.9 or "
            "0.9.1."
        )


def _with_own_vae(parts: OpenPlace) -> OpenPlace:
    """The same with the autoencoder in the denoiser's own file, if there is one: they belong together."""
    first = parts.denoisers[0]
    own = first.is_file() and ltx_vae.is_ltx_vae(Weights.of(first, VAE))
    return replace(parts, vae=first) if own else parts


def _boundary(parts: OpenPlace) -> float:
    if found := parts.facts.get("boundary_ratio"):
        return float(found)
    return _I2V_BOUNDARY if _kind(parts) == "i2v experts" else _BOUNDARY


def knows_levels(parts: OpenPlace) -> bool:
    """Whether weights were trained with a noise level for each latent frame (Wan 2.2 TI2V, LTX-Video)."""
    told = bool(parts.facts.get("expand_timesteps")) or _facts_of(parts).get("model_type") == "ti2v"
    return told or _is_ltx(parts)


def sampling_of(place: str | Path) -> SamplingDefaults:
    """How the makers of a published model sample it, as far as its files say; read without its weights."""
    parts = parts_of(place)
    kind = _kind(parts)
    values: dict[str, Any] = {**_USUAL, **_BY_KIND.get(kind, {})}
    given = parts.solver
    if given:
        euler = "Euler" in given.get("_class_name", "")
        values["solver"] = "euler" if euler else "unipc"
        values["shift"] = given.get("shift" if euler else "flow_shift") or values["shift"]
        if given.get("use_dynamic_shifting"):
            known = (("base_image_seq_len", "base_shift"), ("max_image_seq_len", "max_shift"))
            values["token_shifts"] = tuple((given[tokens], given[shift]) for tokens, shift in known)
            values["least_sigma"] = given.get("shift_terminal") or 0.0
    return SamplingDefaults(**values)


# What the makers' own scripts take: a kind of model, and how it wants to be sampled.
_USUAL: Final[dict[str, Any]] = {
    "solver": "unipc",
    "num_inference_steps": 50,
    "guidance_scale": 5.0,
    "guidance_interval": (0.0, 1.0),
    "shift": 5.0,
    "width": 832,
    "height": 480,
    "num_frames": 81,
    "fps": 16.0,
    "window_size": 21,
    "window_overlap": 5,
    "max_side": 1_280,
}
_BY_KIND: Final[dict[str, dict[str, Any]]] = {
    "ltx": {
        "solver": "euler",
        "guidance_scale": 3.0,
        "shift": 1.0,
        "token_shifts": ((1_024, 0.95), (4_096, 2.05)),
        "least_sigma": 0.1,
        "width": 704,
        "height": 480,
        "num_frames": 161,
        "fps": 25.0,
    },
    "ti2v": {"width": 1_280, "height": 704, "num_frames": 121, "fps": 24.0, "window_size": 31},
    "experts": {
        "width": 1_280,
        "height": 720,
        "num_inference_steps": 40,
        "guidance_scale": 4.0,
        "guidance_scale_2": 3.0,
        "shift": 12.0,
    },
    "i2v experts": {
        "width": 1_280,
        "height": 720,
        "num_inference_steps": 40,
        "guidance_scale": 3.5,
        "shift": 5.0,
    },
}


def _kind(parts: OpenPlace) -> str:
    if _is_ltx(parts):
        return "ltx"
    if knows_levels(parts):
        return "ti2v"
    if len(parts.denoisers) > 1:
        config = read_json(parts.denoisers[0] / CONFIG)
        channels = config.get("in_channels", config.get("in_dim", 0))
        return "i2v experts" if channels > config.get("out_channels", config.get("out_dim", 0)) else "experts"
    return "t2v"


def _is_ltx(parts: OpenPlace) -> bool:
    if facts := _facts_of(parts):
        return bool(facts.get("_class_name") == ltx.CLASS_NAME)
    return ltx.layout_of(Weights.of(parts.denoisers[0])) is not None


def _facts_of(parts: OpenPlace) -> dict[str, Any]:
    """The configuration of a denoiser, empty where there is none."""
    first = parts.denoisers[0]
    config = (first if first.is_dir() else first.parent) / CONFIG
    return read_json(config) if config.exists() else {}


def _configured(family: Family, path: Path, names: Container[str]) -> DenoiserConfig:
    try:
        return family.config(read_json(path), str(path), names)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} does not describe a {family.name} model ({error}); copy it again."
        ) from error
