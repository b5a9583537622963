"""Arguments that several verbs share, checked before anything heavy is imported."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tenku.errors import UserError
from tenku.timeline.request import MAX_SIDE

EMBEDDED: Final = "embedded"


def parse_size(size: str) -> tuple[int, int]:
    """(width, height) from a text like 128x128."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×*]\s*([0-9]{1,6})\s*", size)
    if match is None:
        raise UserError(f"--size {size!r} is not WIDTHxHEIGHT; write for example --size 128x128.")
    return int(match[1]), int(match[2])


def check_model(model: str) -> None:
    """Refuse a model that cannot be one: neither `embedded` nor something on this disk, nor a name on the
    hub."""
    if model != EMBEDDED and not os.path.exists(model) and not re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model):
        raise UserError(
            f"there is no model {model!r}; give {EMBEDDED!r}, the folder of a model made by `tenku train`, "
            "or open weights: a folder, a .safetensors file, or a name on the hub."
        )


@dataclass(frozen=True, slots=True)
class LoraArgument:
    """A LoRA file, how much of it is wanted, and by which of two experts if not by both."""

    path: Path
    weight: float
    expert: Literal["high", "low"] | None


def parse_loras(given: Sequence[str], model: str) -> list[LoraArgument]:
    """LoRA files from texts like style.safetensors, style.safetensors:0.8 or high=style.safetensors:0.8."""
    if given and model == EMBEDDED:
        raise UserError(
            "--lora changes open weights, which the embedded model is not; name some with --model, "
            "or leave it out."
        )
    return [_parse_lora(each) for each in given]


def _parse_lora(given: str) -> LoraArgument:
    """What is there under a whole name is meant, whatever signs are in it."""
    expert: Literal["high", "low"] | None = None
    rest = given
    if not os.path.exists(given) and (match := re.fullmatch("(high|low)=(.*)", given)):
        expert, rest = "high" if match[1] == "high" else "low", match[2]
    path, weight = rest, "1"
    if not os.path.exists(rest) and ":" in rest:
        path, _, weight = rest.rpartition(":")
    try:
        amount = float(weight)
    except ValueError as error:
        raise UserError(
            f"--lora {given!r} has no number behind its colon; write for example "
            "--lora style.safetensors:0.8."
        ) from error
    if not os.path.exists(path):
        raise UserError(f"there is no LoRA {path!r}; give a .safetensors file, or a folder with one.")
    return LoraArgument(Path(path), amount, expert)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """What a model makes unless it is told otherwise."""

    width: int = 128
    height: int = 128
    fps: float = 16.0
    seconds: float = 2.0
    max_side: int = MAX_SIDE


def usual(model: str) -> Usual:
    """What is usual for a model; of open weights it stands in files beside them."""
    check_model(model)
    if model == EMBEDDED:
        return Usual()
    from tenku.checkpoint import is_open, sampling_of

    if not is_open(model):
        return Usual()
    found = sampling_of(model)
    return Usual(
        width=found.width,
        height=found.height,
        fps=found.fps,
        seconds=found.num_frames / found.fps,
        max_side=found.max_side,
    )
