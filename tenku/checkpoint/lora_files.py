"""LoRA files as they are found: which tensors of a model a file changes, and by how much.

Names come in diffusers' and peft's way, in that of the original weights, in Kohya's, where every dot of a
layer is an underscore, and in mixtures of those. Facts: diffusers' `lora_conversion_utils.py`, peft,
musubi-tuner, ComfyUI, and the names in public reports on the few-step files of lightx2v and CausVid.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

import torch
from torch import Tensor

from tenku.checkpoint.open_weights import Family
from tenku.checkpoint.renaming import Piece
from tenku.checkpoint.weights import Weights
from tenku.denoiser import DenoiserConfig
from tenku.errors import UserError

Expert: TypeAlias = Literal["high", "low"]
Layers: TypeAlias = dict[str, dict[str, str]]  # a layer → what is of it → the name of that tensor in the file

_SECOND: Final = "transformer_2."  # the expert of low noise, in files that tell the two apart
_PREFIX = re.compile(
    r"(base_model\.model\.|(model\.)?diffusion_model\.|transformer(_2)?\.|unet\.|(pipe\.)?dit\."
    r"|lora_(unet|transformer)_|lycoris_)*"
)
_KIND = re.compile(  # an adapter may have a name of its own between the two
    r"(?P<layer>.+)\.(lora[._](?P<side>A|B|down|up)(\.\w+)?\.(?P<leaf>weight|bias)|(?P<other>alpha|diff(_[bm])?))"
)
_FACTORS: Final = {
    ("A", "weight"): "down",
    ("down", "weight"): "down",
    ("B", "weight"): "up",
    ("up", "weight"): "up",
    ("B", "bias"): "up_bias",
}
# Whole differences, and the tensors of a layer that they are of.
_WHOLE: Final = {"diff": ("weight", ""), "diff_b": ("bias",), "diff_m": ("modulation", "scale_shift_table")}


@dataclass(frozen=True, slots=True)
class Target:
    """A published tensor as rows of one of ours."""

    ours: str
    first_row: int
    num_rows: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Change:
    """What a file adds to a published tensor: `scale` times one of its tensors, or the product of two."""

    target: Target
    weights: Weights
    names: tuple[str, ...]
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """That of what is added; the rows of the second factor are the rank."""
        up, *down = (self.weights.shape(name) for name in self.names)
        return (up[0], *down[0][1:]) if down else up

    def added(self, device: torch.device) -> Tensor:
        """What is added to the rows of ours, in float32; nothing to input channels that it does not know."""
        first, *second = (self.weights[name].to(device, torch.float32) for name in self.names)
        whole = self.scale * first
        if second:
            whole = (whole.flatten(1) @ second[0].flatten(1)).reshape(self.shape)
        piece = self.target.piece
        if self.shape != piece.shape:
            known = whole
            whole = known.new_zeros(piece.shape)
            whole[:, : known.shape[1]] = known
        return whole if piece.move is None else piece.move(whole)

    def fits(self, config: DenoiserConfig) -> bool:
        """Whether it has the shape of its tensor. It need not know of channels beside the latents."""
        wanted = self.target.piece.shape
        if len(wanted) != 5:  # no convolution, of which the input's is the only one
            return self.shape == wanted
        return self.shape in (wanted, (wanted[0], config.latent_channels, *wanted[2:]))


class Targets:
    """All tensors of a model of a family by the names that a LoRA may call them, whatever their layout."""

    def __init__(self, family: Family, config: DenoiserConfig) -> None:
        self.family, self.config = family, config
        self._found = dict(_targets(family, config))
        with_picture = replace(config, picture_size=1, picture_places=1)
        self._of_pictures = dict(_targets(family, with_picture)).keys() - self._found.keys()

    def find(self, layer: str, *leaves: str) -> Target | None:
        """The tensor of a layer that has one of these names in it, "" being the layer itself."""
        found = (self._found.get(_plain(layer, leaf)) for leaf in leaves)
        return next((target for target in found if target is not None), None)

    def looks_at_pictures(self, layer: str) -> bool:
        """Whether a model that sees the tokens of a picture has this layer, and this one has not."""
        return any(_plain(layer, leaf) in self._of_pictures for leaf in ("weight", "bias", ""))


def _targets(family: Family, config: DenoiserConfig) -> Iterator[tuple[str, Target]]:
    for layout in family.layouts:
        for ours, pieces in family.pieces(config, layout).items():
            row = 0
            for piece in pieces:
                num_rows = len(piece.taken({piece.name: torch.empty(piece.shape, device="meta")}))
                yield _plain(piece.name), Target(ours, row, num_rows, piece)
                row += num_rows


def _plain(layer: str, leaf: str = "") -> str:
    return (f"{layer}.{leaf}" if leaf else layer).replace(".", "_")


@dataclass(frozen=True, slots=True)
class _Strength:
    """What a file says of itself as peft does: the alpha of all layers, and of some."""

    alpha: float | None = None
    of_layers: Mapping[str, float] = field(default_factory=dict)
    by_root: bool = False  # of the rank

    def scale(self, layer: str, rank: int) -> float:
        """By how much the product of two matrices is multiplied."""
        named = (alpha for name, alpha in self.of_layers.items() if f".{layer}".endswith(f".{name}"))
        alpha = next(named, self.alpha)
        if alpha is None:
            return 1.0
        return alpha / math.sqrt(rank) if self.by_root else alpha / rank

    @classmethod
    def said(cls, text: str) -> Self:
        """From the configuration of an adapter, or what diffusers keeps of it."""
        values: dict[str, Any] = {_PREFIX.sub("", name, count=1): v for name, v in json.loads(text).items()}
        alpha, of_layers = values.get("lora_alpha"), values.get("alpha_pattern") or {}
        return cls(
            None if alpha is None else float(alpha),
            {name.removeprefix("^"): float(each) for name, each in of_layers.items()},
            bool(values.get("use_rslora")),
        )


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A file's tensors by the expert that they are for, if it tells the two apart, their layer, and what they
    are of it: `down` and `up`, with `up_bias` and `alpha`, or `diff`s of weight, bias and modulation."""

    path: Path
    weights: Weights
    layers: Mapping[Expert | None, Layers]
    strength: _Strength

    @classmethod
    def open(cls, path: Path) -> Self:
        """What a file, or a folder with one, holds; a `UserError` if that is no LoRA."""
        weights = Weights.of(path)
        two = any(name.startswith(_SECOND) for name in weights)
        layers: dict[Expert | None, Layers] = {}
        strange = []
        for name in weights:
            if (found := _parsed(name)) is None:
                strange.append(name)
                continue
            layer, kind = found
            expert: Expert | None = None if not two else "low" if name.startswith(_SECOND) else "high"
            earlier = layers.setdefault(expert, {}).setdefault(layer, {}).setdefault(kind, name)
            if earlier != name:
                raise UserError(f"{path} has both {earlier!r} and {name!r}; give a file with one of them.")
        if strange or not layers:
            _refuse_strange(path, strange, all_of_it=not layers)
        return cls(path, weights, layers, _strength_of(path, weights))

    def changes(self, targets: Targets, expert: Expert | None, weight: float) -> list[Change]:
        """What it does to a model, or to one of its experts; a `UserError` if it is not made for that.

        Files for the image → video of Wan 2.1 change layers that look at the tokens of a picture. Wan 2.2,
        which sees it in its channels alone, has none, though files for it may bring some: they are left out.
        """
        unneeded = targets.config.condition_channels > 0
        changes, unknown = [], []
        for layer, tensors in self.layers.get(expert, {}).items():
            for names, scale, leaves in self._of_layer(layer, tensors):
                target = targets.find(layer, *leaves)
                if target is not None:
                    changes.append(Change(target, self.weights, names, weight * scale))
                elif not (unneeded and targets.looks_at_pictures(layer)):
                    unknown.append(layer)
        if wrong := [change for change in changes if not change.fits(targets.config)]:
            _refuse_shapes(self.path, wrong, targets)
        if unknown:
            _refuse_unknown(self.path, unknown, targets)
        return changes

    def _of_layer(
        self, layer: str, tensors: Mapping[str, str]
    ) -> Iterator[tuple[tuple[str, ...], float, tuple[str, ...]]]:
        """Of a layer: tensors of the file whose product is added, times what, and to which of its tensors."""
        if "up" in tensors and "down" in tensors:
            scale = self._scale(layer, tensors)
            yield (tensors["up"], tensors["down"]), scale, ("weight",)
            if "up_bias" in tensors:
                yield (tensors["up_bias"],), scale, ("bias",)
        elif tensors.keys() & {"up", "down", "up_bias"} or not tensors.keys() & _WHOLE.keys():
            raise UserError(f"{self.path} has no whole pair of matrices for {layer!r}; download it again.")
        for kind, leaves in _WHOLE.items():
            if kind in tensors:
                yield (tensors[kind],), 1.0, leaves

    def _scale(self, layer: str, tensors: Mapping[str, str]) -> float:
        up, down = (self.weights.shape(tensors[kind]) for kind in ("up", "down"))
        if len(up) < 2 or len(down) < 2 or not down[0] or math.prod(up[1:]) != down[0]:
            raise UserError(
                f"{self.path} has two matrices for {layer!r} that do not fit each other ({up} and {down}); "
                "download it again."
            )
        if "alpha" not in tensors:
            return self.strength.scale(layer, down[0])
        alpha = self.weights[tensors["alpha"]].float()
        if alpha.numel() != 1 or not alpha.isfinite().all():
            raise UserError(f"{self.path} has no number as {tensors['alpha']!r}; download it again.")
        return alpha.item() / down[0]


def _parsed(name: str) -> tuple[str, str] | None:
    """The layer that a tensor of a file is for, and what it is of it; None if it is no part of a LoRA."""
    match = _KIND.fullmatch(name)
    if match is None:
        return None
    kind = match["other"] or _FACTORS.get((match["side"], match["leaf"]))
    return None if kind is None else (_PREFIX.sub("", match["layer"], count=1), kind)


def _strength_of(path: Path, weights: Weights) -> _Strength:
    """What diffusers writes into a file, or peft beside it."""
    said = weights.metadata().get("lora_adapter_metadata")
    beside = weights.files[0].parent / "adapter_config.json"
    try:
        if said is None and weights.files[0].stem == "adapter_model" and beside.exists():
            said = beside.read_text(encoding="utf-8")
        return _Strength() if said is None else _Strength.said(said)
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise UserError(f"{path} says of itself what makes no sense ({error}); download it again.") from error


_OTHER_METHODS: Final = {"dora": "DoRA", "magnitude": "DoRA", "lokr": "LoKr", "hada": "LoHa", "oft": "OFT"}
_OTHER_MODELS: Final = {  # what in a name gives a model away
    "double_blocks": "HunyuanVideo or Flux",
    "single_blocks": "HunyuanVideo or Flux",
    "single_transformer_blocks": "HunyuanVideo or Flux",
    "joint_blocks": "Stable Diffusion 3",
    "down_blocks": "Stable Diffusion",
    "input_blocks": "Stable Diffusion",
    "vace_blocks": "VACE",
    "transformer_blocks": "LTX-Video, CogVideoX or another model",
    "lora_te": "a text encoder",
    "text_encoder": "a text encoder",
    "self_attn": "Wan",
    "ffn": "Wan",
}


def _refuse_strange(path: Path, names: Sequence[str], *, all_of_it: bool) -> None:
    """Tensors that are no part of a LoRA."""
    if not names:
        raise UserError(f"{path} is empty; download it again.")
    for mark, method in _OTHER_METHODS.items():
        if found := [name for name in names if mark in name.rpartition(".")[2] or f".{mark}" in name]:
            raise UserError(
                f"{path} is a {method} ({found[0]!r}), of which tenku reads only plain LoRA; give one."
            )
    if all_of_it:
        raise UserError(
            f"{path} is no LoRA: it has whole tensors such as {names[0]!r}; "
            "give a LoRA, and a model as the model."
        )
    raise UserError(
        f"{path} has {_and_others(names)} beside its LoRA that tenku cannot apply; give a file without them."
    )


def _refuse_shapes(path: Path, wrong: Sequence[Change], targets: Targets) -> None:
    """Changes of tensors of other shapes."""
    width = targets.config.hidden_size
    square = (change.shape[0] for change in wrong if change.target.piece.shape == (width, width))
    if (found := next(square, width)) != width:
        theirs, ours = (_size(targets.family, each) for each in (found, width))
        raise UserError(f"{path} is for {theirs}, and this model is {ours}; give a LoRA for its size.")
    piece = wrong[0].target.piece
    raise UserError(
        f"{path} changes {piece.name!r} as one of {wrong[0].shape}, which is {piece.shape} in this model; "
        "give a LoRA that was made for it."
    )


def _size(family: Family, width: int) -> str:
    known = family.sizes.get(width)
    return f"a {family.name} {width} wide" if known is None else f"{family.name} {known}"


def _refuse_unknown(path: Path, layers: Sequence[str], targets: Targets) -> None:
    """Layers that the model has not."""
    name, depth = targets.family.name, targets.config.depth
    for mark, model in _OTHER_MODELS.items():
        found = [layer for layer in layers if mark in layer]
        if found and not model.startswith(name):
            raise UserError(
                f"{path} is for {model} (it changes {_and_others(found)}), and this model is {name}; "
                "give a LoRA that was made for it."
            )
    if all(targets.looks_at_pictures(layer) for layer in layers):
        raise UserError(
            f"{path} is for image → video (it changes {_and_others(layers)}), and this model sees no tokens "
            "of pictures; give a LoRA for text → video."
        )
    blocks = [int(match[1]) for layer in layers if (match := re.match(r"\w*blocks[._](\d+)[._]", layer))]
    if blocks and max(blocks) >= depth:
        raise UserError(
            f"{path} is for {max(blocks) + 1} blocks or more, and this model has {depth}; "
            "give a LoRA for its size."
        )
    raise UserError(
        f"{path} changes {_and_others(layers)} that no {name} model of this kind has; "
        "give a LoRA that was made for it."
    )


def _and_others(names: Sequence[str]) -> str:
    others = len(names) - 1
    return f"{names[0]!r}" + (f" and {others} other{'s' if others > 1 else ''}" if others else "")
