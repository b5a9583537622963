"""What a generation needs of memory, stage by stage, what a machine has of it, and whether that will do."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import torch

from tenku.errors import UserError

GIB: Final = 2**30
_USABLE: Final = 0.95  # of what is free: the rest is left to whoever else asks for some meanwhile
_PROC: Final = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Where networks run: bytes that are free there, and bytes that this process has already."""

    free: int
    held: int = 0
    device: str = "cpu"

    @classmethod
    def here(cls, device: torch.device | str = "cpu") -> Self:
        """This machine as it is now, with the limits of the control group that this process is in."""
        place = torch.device(device)
        if place.type == "cuda":
            free, _ = torch.cuda.mem_get_info(place)
            return cls(free=free, held=torch.cuda.memory_reserved(place), device=str(place))
        return cls(free=min(_free_memory(), *_left_in_groups()), held=resident_bytes(), device=str(place))

    @property
    def room(self) -> int:
        """Bytes that this process may have in all."""
        return self.held + int(_USABLE * self.free)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """How a model is held: its type; whether the blocks of its denoiser come one after another from disk;
    whether the denoiser stays while pictures are decoded; latent frames that are decoded together."""

    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    streams_blocks: bool = False
    keeps_denoiser: bool = True
    decode_chunk: int = 4

    def __str__(self) -> str:
        blocks = "one block after another" if self.streams_blocks else "whole"
        stays = "stays while frames are decoded" if self.keeps_denoiser else "goes before frames are decoded"
        kind = str(self.dtype).removeprefix("torch.")
        return (
            f"{self.device}, {kind}; text encoder layer after layer; denoiser {blocks}, {stays}; "
            f"{self.decode_chunk} latent frames decoded at a time"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What a stage needs at its worst, in bytes: the program itself, weights, and what is worked out."""

    name: str
    program: int
    weights: int
    activations: int

    @property
    def peak(self) -> int:
        """Bytes of all of it."""
        return self.program + self.weights + self.activations


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """The stages of a generation under a placement on a machine; `alternative` is what would fit if this does
    not."""

    stages: tuple[Stage, ...]
    placement: Placement
    machine: Machine
    alternative: str = field(default="")

    @property
    def peak(self) -> int:
        """The most bytes that the process has at once (VmHWM where the device is the CPU)."""
        return max(stage.peak for stage in self.stages)

    @property
    def fits(self) -> bool:
        """Whether the machine has so much."""
        return self.peak <= self.machine.room

    @property
    def verdict(self) -> str:
        """One sentence: that it fits, or what would."""
        needed, room = in_gib(self.peak), in_gib(self.machine.room)
        if self.fits:
            return f"it fits: {needed} of {room} GiB at its worst."
        worst = max(self.stages, key=lambda stage: stage.peak).name
        way = self.alternative or "give a smaller model, or a machine with more memory"
        return f"this takes {needed} GiB ({worst}) and there are {room} GiB; {way}."

    def check(self) -> None:
        """A `UserError` if it does not fit."""
        if not self.fits:
            raise UserError(self.verdict)


def in_gib(number_of_bytes: int) -> str:
    """GiB with as many digits as matter."""
    return f"{number_of_bytes / GIB:.3g}" if number_of_bytes < 100 * GIB else f"{number_of_bytes / GIB:.0f}"


def resident_bytes() -> int:
    """What this process holds of memory now."""
    status = _PROC / "self" / "status"
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _kilobytes(status, "VmRSS")


def peak_bytes() -> int:
    """The most that this process has ever held of memory."""
    status = _PROC / "self" / "status"
    return _kilobytes(status, "VmHWM") if status.exists() else resident_bytes()


def _free_memory() -> int:
    """Bytes that the system would give, its caches included."""
    if (_PROC / "meminfo").exists():
        return _kilobytes(_PROC / "meminfo", "MemAvailable")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _kilobytes(path: Path, name: str) -> int:
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) * 1024


def _left_in_groups(proc: Path = _PROC, groups: Path = Path("/sys/fs/cgroup")) -> Sequence[int]:
    """Bytes left in each control group around this process, of version 1 or 2, that has a limit."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return (2**63,)
    left = [2**63]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            left += _left(groups / "memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes")
        elif not controllers:
            left += _left(groups, path, "memory.max", "memory.current")
    return left


def _left(root: Path, path: str, limit: str, usage: str) -> list[int]:
    group, found = root / path.lstrip("/"), []
    for folder in (group, *group.parents):
        if folder == root.parent:
            break
        try:
            most, used = ((folder / name).read_text().strip() for name in (limit, usage))
            caches = _reclaimable(folder)
        except OSError:
            continue
        if most != "max":
            found.append(int(most) - int(used) + caches)
    return found


def _reclaimable(folder: Path) -> int:
    """Bytes of files that a group holds in caches and would give back."""
    facts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(facts.get("total_inactive_file", facts.get("inactive_file", 0)))
