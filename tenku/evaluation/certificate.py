"""A parity certificate: in how far two engines make the same of the same, and what each takes for it."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

_MIB = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far two engines are apart in one part: the norm of the difference over that of the peer's numbers,
    and the largest single difference. `allowed` is the bound of the first."""

    part: str
    inputs: str
    relative: float
    largest: float
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether it is within its bound."""
        return self.relative <= self.allowed


@dataclass(frozen=True, kw_only=True, slots=True)
class FastPath:
    """The end result of a faster way against the plain one in float32: likeness in dB, motion as a share of
    the plain way's, and how many times as fast it denoises. A `missing` one says why it was not measured."""

    name: str
    psnr: float = math.nan
    motion: float = math.nan
    speedup: float = math.nan
    missing: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Seconds that both engines take for a stage: medians of runs that take turns."""

    name: str
    ours: float
    theirs: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was found out about a model, on what, and how to find it out again. Memory is in bytes."""

    model: str
    against: str
    work: str
    machine: str
    command: str
    agreements: tuple[Agreement, ...]
    fast_paths: tuple[FastPath, ...] = ()
    stages: tuple[Stage, ...] = ()
    memory: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every part agrees within its bound."""
        return all(agreement.holds for agreement in self.agreements)

    def to_json(self) -> str:
        """One line of JSON; what was not measured, or is infinite, is null."""
        return json.dumps({**_finite(asdict(self)), "holds": self.holds}, ensure_ascii=False)

    def to_markdown(self) -> str:
        """A section of a document."""
        parts = [f"### {self.model}", f"`{self.command}`", f"{self.work}. {self.machine}."]
        parts += ["\n".join(_markdown(header, rows)) for header, rows in self._tables()]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def __rich__(self) -> Group:
        """Tables for a terminal."""
        title = Text.assemble((self.model, "bold"), f" against {self.against} · {self.work}")
        tables = [_rich(header, rows) for header, rows in self._tables()]
        notes = [Text(note, style="dim") for note in (self.machine, *self.notes)]
        return Group(title, *tables, *notes, Text(self.command, style="dim italic"))

    def _tables(self) -> Iterable[tuple[Sequence[str], list[Sequence[str]]]]:
        yield (
            ("part", "inputs", "relative error", "largest", "allowed", "holds"),
            [
                (
                    a.part,
                    a.inputs,
                    f"{a.relative:.1e}",
                    f"{a.largest:.1e}",
                    f"{a.allowed:.0e}",
                    _word(a.holds),
                )
                for a in self.agreements
            ],
        )
        if self.fast_paths:
            header = ("fast path against plain float32", "PSNR", "motion", "denoising")
            yield header, [_fast_row(path) for path in self.fast_paths]
        if self.stages:
            header = ("stage", "tenku", self.against, f"tenku is … times as fast as {self.against}")
            yield header, [*map(_stage_row, self.stages), _stage_row(self._whole())]
        if self.memory is not None:
            ours, theirs = self.memory
            header = ("peak memory", "tenku", self.against, "share")
            row = ("a process of its own", _mib(ours), _mib(theirs), f"{ours / theirs:.2f}")
            yield header, [row]

    def _whole(self) -> Stage:
        ours, theirs = (sum(getattr(stage, side) for stage in self.stages) for side in ("ours", "theirs"))
        return Stage(name="all", ours=ours, theirs=theirs)


def _fast_row(path: FastPath) -> Sequence[str]:
    if path.missing:
        return path.name, path.missing, "", ""
    likeness = "the same" if math.isinf(path.psnr) else f"{path.psnr:.1f} dB"
    return path.name, likeness, f"{path.motion:.3f}×", f"{path.speedup:.2f}× as fast"


def _stage_row(stage: Stage) -> Sequence[str]:
    return stage.name, f"{stage.ours:.2f} s", f"{stage.theirs:.2f} s", f"{stage.theirs / stage.ours:.2f}×"


def _word(holds: bool) -> str:
    return "yes" if holds else "**no**"


def _mib(number: int) -> str:
    return f"{number / _MIB:,.0f} MiB"


def _markdown(header: Sequence[str], rows: list[Sequence[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _rich(header: Sequence[str], rows: list[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*(cell.replace("**", "") for cell in row))
    return table


def _finite(value: Any) -> Any:
    """The same with null for every number that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
