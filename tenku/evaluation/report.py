"""What a suite found: figures with their interval, their n, and the floor that they are read against."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tenku.evaluation.benchmarks import refuse
from tenku.media import replacing

Unit = Literal["share", "dB", "×", ""]

_Z: Final = statistics.NormalDist().inv_cdf(0.975)


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share, of which `right` out of `n` were seen (Wilson, 1927)."""
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} out of {n} is not a share")
    share = right / n
    middle = share + _Z**2 / (2 * n)
    spread = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of a mean, by the normal approximation; the mean itself if n is 1."""
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return mean - _Z * error, mean + _Z * error


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure: its 95 % interval, from n cases, and what a perfect video would be given (`floor`)."""

    name: str
    value: float
    low: float
    high: float
    n: int
    floor: float | None = None
    unit: Unit = ""
    group: str = ""

    @classmethod
    def of_share(cls, name: str, right: Sequence[bool], floor: float | None = None, group: str = "") -> Self:
        """How often something was right."""
        low, high = wilson_interval(sum(right), len(right))
        value = sum(right) / len(right)
        return cls(
            name=name, value=value, low=low, high=high, n=len(right), floor=floor, unit="share", group=group
        )

    @classmethod
    def of_mean(
        cls,
        name: str,
        values: Sequence[float],
        unit: Unit,
        floor: float | None = None,
        group: str = "",
    ) -> Self:
        """The mean of some values."""
        low, high = mean_interval(values)
        value = statistics.fmean(values)
        return cls(
            name=name, value=value, low=low, high=high, n=len(values), floor=floor, unit=unit, group=group
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a suite found out about a model, and how to find it out again."""

    suite: str
    model: str
    seed: int
    n: int
    command: str
    seconds: float
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # What is not the real thing does not get its name, whoever makes a report.
        for name in {self.suite, *(row.name for row in self.rows)}:
            refuse(name)

    def row(self, name: str, group: str = "") -> Row:
        """The figure of a name in a group."""
        for row in self.rows:
            if (row.name, row.group) == (name, group):
                return row
        raise KeyError(f"{name!r} of {group!r}")

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def store(self, folder: Path) -> Path:
        """Keep it as JSON, a line a value, in `MODEL-SUITE.json` in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{Path(self.model).name}-{self.suite}.json"
        with replacing(path) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n", "utf-8")
        return path

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        rows = tuple(Row(**row) for row in values.pop("rows"))
        return cls(**{**values, "rows": rows, "notes": tuple(values["notes"])})

    def __rich__(self) -> Group:
        """Tables for a terminal: one line a measure, one column a group."""
        title = Text.assemble(
            (f"{self.suite}", "bold"),
            f" · {self.model} · n {self.n} · seed {self.seed} · {self.seconds:.0f} s",
        )
        tables = [_table(rows) for rows in self._blocks()]
        notes = [Text(note, style="dim") for note in self.notes]
        return Group(title, *tables, *notes, Text(self.command, style="dim italic"))

    def _blocks(self) -> list[list[Row]]:
        """Rows of groups that measure the same things share a table."""
        by_group: dict[str, list[Row]] = {}
        for row in self.rows:
            by_group.setdefault(row.group.split(" | ")[0], []).append(row)
        return list(by_group.values())


def _table(rows: Sequence[Row]) -> Table:
    groups = list(dict.fromkeys(row.group for row in rows))
    if len(groups) == 1:
        return _plain_table(rows, groups[0])
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(groups[0].split(" | ")[0])
    for group in groups:
        table.add_column(group.split(" | ")[-1], justify="right", no_wrap=True)
    cells = {(row.name, row.group): _cell(row) for row in rows}
    for name in _order([[row.name for row in rows if row.group == group] for group in groups]):
        table.add_row(name, *(cells.get((name, group), Text("–", style="dim")) for group in groups))
    return table


def _order(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names, each after the one that it follows in its own list."""
    merged: list[str] = []
    for names in lists:
        place = 0
        for name in names:
            if name not in merged:
                merged.insert(place, name)
            place = merged.index(name) + 1
    return merged


def _plain_table(rows: Sequence[Row], group: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(group or "measure")
    for heading in ("value", "95 %", "n", "floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name,
            Text(written(row.value, row.unit), style="bold"),
            Text(written_range(row), style="dim"),
            str(row.n),
            Text("–" if row.floor is None else written(row.floor, row.unit), style="dim"),
        )
    return table


def _cell(row: Row) -> Text:
    """Value and floor above interval and n."""
    floor = "" if row.floor is None else f" of {written(row.floor, row.unit)}"
    return Text.assemble(
        (written(row.value, row.unit), "bold"), (floor, "dim"), (f"\n{written_range(row)}, n {row.n}", "dim")
    )


def written(value: float, unit: Unit) -> str:
    """A figure as people read it."""
    match unit:
        case "share":
            return f"{100 * value:.1f} %"
        case "dB":
            return f"{value:.2f} dB"
        case _:
            return f"{value:.3g}{unit}"


def written_range(row: Row) -> str:
    """Its interval as people read it."""
    match row.unit:
        case "share":
            return f"{100 * row.low:.1f}–{100 * row.high:.1f}"
        case "dB":
            return f"{row.low:.2f}–{row.high:.2f}"
        case _:
            return f"{row.low:.3g}–{row.high:.3g}"
