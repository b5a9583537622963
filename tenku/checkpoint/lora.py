"""LoRA: small changes to the weights of a published model, put in for some requests and taken out again.

Hu et al., arXiv 2106.09685. Changes are added to the weights, so that nothing is slower with them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, TypeAlias

import torch
from torch import nn

from tenku.checkpoint.adapting import OneLevel
from tenku.checkpoint.lora_files import Change, Expert, LoraFile, Targets
from tenku.checkpoint.open_weights import FAMILIES, Family, find_denoiser
from tenku.checkpoint.places import is_open, parts_of
from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts
from tenku.errors import UserError

MAX_LORA_WEIGHT: Final = 10.0
_EXPERTS: Final[tuple[Expert, ...]] = ("high", "low")

AnyDenoiser: TypeAlias = Denoiser | NoiseExperts | OneLevel
_Plan: TypeAlias = dict[Expert, dict[str, list[Change]]]  # by the name of our tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """A LoRA file, how much of it is wanted, and by which of two experts if not by both.

    A file that tells the experts apart changes each by its own part.
    """

    path: Path
    weight: float = 1.0
    expert: Expert | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and abs(self.weight) <= MAX_LORA_WEIGHT):
            raise UserError(
                f"{self.path} cannot be mixed in with a weight of {self.weight:g}; choose between "
                f"{-MAX_LORA_WEIGHT:g} and {MAX_LORA_WEIGHT:g}, 1 being as it was made."
            )
        if self.expert not in (None, *_EXPERTS):
            raise UserError(f"{self.path} is for no expert {self.expert!r}; choose high, low or neither.")


@contextmanager
def applied(denoiser: AnyDenoiser, loras: Sequence[Lora]) -> Iterator[None]:
    """A block in which the denoiser has these LoRAs in its weights; after it, the very tensors of before.

    Texts that are read in the block are read with them. A file that does not fit is a `UserError`.
    """
    take_out = merge_loras(denoiser, loras)
    try:
        yield
    finally:
        take_out()


def merge_loras(denoiser: AnyDenoiser, loras: Sequence[Lora]) -> Callable[[], None]:
    """Put LoRAs into the weights of a denoiser; what is given back takes them out again.

    The tensors of before, which may be a file's own memory, are not written to, and are kept for as long as
    what is given back is. One tensor is worked on at a time, in float32. If it fails, nothing has changed.
    """
    networks = _networks(denoiser)
    plan = _planned({expert: Targets(*_kind_of(network)) for expert, network in networks.items()}, loras)
    before: list[tuple[nn.Module, str, nn.Parameter]] = []

    def take_out() -> None:
        while before:
            owner, leaf, parameter = before.pop()
            setattr(owner, leaf, parameter)

    try:
        for expert, tensors in plan.items():
            for name, changes in tensors.items():
                owner_name, _, leaf = name.rpartition(".")
                owner = networks[expert].get_submodule(owner_name)
                parameter = getattr(owner, leaf)
                before.append((owner, leaf, parameter))
                setattr(owner, leaf, _changed(parameter, changes))
    except BaseException:
        take_out()
        raise
    return take_out


def check_loras(place: str | Path, loras: Sequence[Lora]) -> None:
    """A `UserError` unless all these fit the published model in a place; only names and shapes are read."""
    if not is_open(place):
        raise _no_published(repr(str(place)))
    found = (find_denoiser(part) for part in parts_of(place).denoisers)
    _planned({e: Targets(each.family, each.config) for e, each in zip(_EXPERTS, found, strict=False)}, loras)


def _networks(denoiser: AnyDenoiser) -> dict[Expert, Denoiser]:
    """The only network stands for that of high noise."""
    inner = denoiser.denoiser if isinstance(denoiser, OneLevel) else denoiser
    return {"high": inner.high, "low": inner.low} if isinstance(inner, NoiseExperts) else {"high": inner}


def _kind_of(denoiser: Denoiser) -> tuple[Family, DenoiserConfig]:
    names = denoiser.state_dict().keys()
    for family in FAMILIES:
        if family.pieces(denoiser.config, family.layouts[0]).keys() == names:
            return family, denoiser.config
    raise _no_published("this model")


def _no_published(model: str) -> UserError:
    names = ", ".join(family.name for family in FAMILIES)
    return UserError(
        f"a LoRA changes a published model ({names}), and {model} is none; give such a model, or no LoRA."
    )


def _planned(targets: Mapping[Expert, Targets], loras: Sequence[Lora]) -> _Plan:
    """What is to be changed, all of it checked."""
    plan: _Plan = {expert: {} for expert in targets}
    for lora in loras:
        file = LoraFile.open(lora.path)
        for expert in _wanted(lora, file, len(targets)):
            part = None if None in file.layers else expert
            for change in file.changes(targets[expert], part, lora.weight):
                plan[expert].setdefault(change.target.ours, []).append(change)
    return plan


def _wanted(lora: Lora, file: LoraFile, num_experts: int) -> tuple[Expert, ...]:
    """The experts that a LoRA is to change."""
    if num_experts == 1:
        if lora.expert is not None:
            raise UserError(
                f"{lora.path} is meant for the expert of {lora.expert} noise, and this model has no experts; "
                "give it without that."
            )
        if None not in file.layers:
            raise UserError(
                f"{lora.path} is for two experts, and this model has none; give a LoRA that was made for it."
            )
    return _EXPERTS[:num_experts] if lora.expert is None else (lora.expert,)


@torch.inference_mode(False)
@torch.no_grad()
def _changed(parameter: nn.Parameter, changes: Sequence[Change]) -> nn.Parameter:
    """A new tensor; what several LoRAs add to the same rows is rounded once."""
    new = parameter.detach().clone()

    def first_row(change: Change) -> int:
        return change.target.first_row

    for row, group in groupby(sorted(changes, key=first_row), first_row):
        together = list(group)
        rows = new.narrow(0, row, together[0].target.num_rows)
        total = rows.float()
        for change in together:
            total = total.add_(change.added(new.device))
        rows.copy_(total)
    return nn.Parameter(new, requires_grad=parameter.requires_grad)
