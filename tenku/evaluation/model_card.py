"""The model card: what stored runs say a model can and cannot do, beside published work, in Markdown."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from tenku.checkpoint import EMBEDDED, load_model
from tenku.errors import UserError
from tenku.evaluation.benchmarks import ONLY_THE_REAL_THING
from tenku.evaluation.published import AUTOENCODERS, LIKEPHYS, Published
from tenku.evaluation.report import Report, Row, written, written_range
from tenku.media import replacing

SUITES: Final = ("prompts", "language", "likephys", "timeline", "vae")
_DOES: Final = (
    0.95  # a share from which on it "does", and below which it does it "mostly", "sometimes", "not"
)
_MOSTLY: Final = 0.8
_SOMETIMES: Final = 0.4
_PROMPTS: Final = "prompts"
_EVERYTHING: Final = "everything asked"
_CATEGORIES: Final = {
    "binding": "each of two to four things its own colour, shape and size",
    "count": "one to four things, some of them alike",
    "relation": "left of, right of, in front of, behind, on top of",
    "order": "which of two events comes first",
    "camera": "a moving camera around things at rest",
    "negation": "what must not be there, or not happen",
    "plain": "everything about a scene in plain English",
    "plain, Chinese": "the same in Chinese",
    "known words, said otherwise": "the same in sentences that no caption has",
    "words nobody trained on": "the same with verbs that no caption has",
    "five sentences": "the same at length",
    "typing errors": "the same with two slips of the keyboard",
    "English with Chinese in it": "the same in both languages at once",
}


def read_reports(folder: Path, model: str = "embedded") -> dict[str, Report]:
    """The reports that `Report.store` has put into a folder, by suite; a `UserError` if there are none."""
    found = {}
    for suite in SUITES:
        path = folder / f"{model}-{suite}.json"
        if path.is_file():
            try:
                found[suite] = Report.from_json(path.read_text("utf-8"))
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{path} is no stored report; measure again with --store.") from error
    if not found:
        raise UserError(f"nothing about {model!r} is stored in {folder}; measure it with --store {folder}.")
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What was measured: numbers of parameters by network, and the file with the weights."""

    parameters: dict[str, int]
    weights_bytes: int
    weights_sha256: str

    @classmethod
    def of(cls, model: str) -> Self:
        """Those of "embedded" or a model folder."""
        loaded = load_model(model)
        networks = {
            "autoencoder": loaded.vae,
            "text encoder": loaded.text_encoder,
            "planner": loaded.planner,
            "denoiser": loaded.denoiser,
            "reader": loaded.reader,
        }
        weights = (EMBEDDED if model == "embedded" else Path(model)) / "model.safetensors"
        return cls(
            parameters={
                name: sum(parameter.numel() for parameter in network.parameters())
                for name, network in networks.items()
                if network is not None
            },
            weights_bytes=weights.stat().st_size,
            weights_sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        )

    def store(self, folder: Path, model: str = "embedded") -> None:
        """Keep them beside the reports."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(_facts_path(folder, model)) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path, model: str = "embedded") -> Self | None:
        """Those that are kept in a folder, if any are."""
        path = _facts_path(folder, model)
        return cls(**json.loads(path.read_text("utf-8"))) if path.is_file() else None

    def __str__(self) -> str:
        total = sum(self.parameters.values())
        parts = ", ".join(f"{name} {number / 1e6:.1f}M" for name, number in self.parameters.items())
        return (
            f"{total / 1e6:.1f} million parameters ({parts}) in a file of {self.weights_bytes / 1e6:.1f} MB "
            f"(sha256 `{self.weights_sha256[:16]}…`), trained on simulated clips alone: eight colours, six "
            "shapes, three materials, falling, bouncing, rolling, sliding, hitting, resting and spinning. Of "
            "anything else it knows nothing."
        )


def _facts_path(folder: Path, model: str) -> Path:
    return folder / f"{model}-facts.json"


def model_card(reports: Mapping[str, Report], facts: Facts | None = None) -> str:
    """The card of some stored reports, by suite."""
    parts = [
        "# Model card: the embedded model",
        "Made by `scripts/model-card` from the runs in [results](results/); no figure is written by hand. "
        "Each has its 95 % interval, n, and a floor: what the same measure says of true clips, or what is "
        "perfect.",
        "" if facts is None else str(facts),
        _abilities(reports),
        *(_SECTIONS[report.suite](report) for report in reports.values()),
        "Velocities of models of one law of motion each, beside the paper's: [PhyWorld](phyworld.md).",
        _not_measured(),
        _how(reports),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


# --- in words ----------------------------------------------------------------------------------------------


def _abilities(reports: Mapping[str, Report]) -> str:
    """Every share, sorted by how well it goes."""
    rows = [*_asked_for(reports), *_language_rows(reports)]
    if not rows:
        return ""
    sections = []
    for heading, low, high in (
        ("It does", _DOES, 2.0),
        ("It mostly does", _MOSTLY, _DOES),
        ("It sometimes does", _SOMETIMES, _MOSTLY),
        ("It does not", -1.0, _SOMETIMES),
    ):
        lines = [
            f"- {name}: {written(row.value, row.unit)} ({written_range(row)}, n {row.n}{_floor(row)})"
            for name, row in sorted(rows, key=lambda pair: -pair[1].value)
            if low <= row.value < high
        ]
        if lines:
            share = f"{low:.0%} and more" if high > 1 else f"{max(low, 0):.0%} to {high:.0%}"
            sections.append(f"**{heading}** ({share} of cases)\n\n" + "\n".join(lines))
    return "## What it can and cannot do\n\n" + "\n\n".join(sections)


def _asked_for(reports: Mapping[str, Report]) -> Iterator[tuple[str, Row]]:
    report = reports.get(_PROMPTS)
    if report is None:
        return
    for language in ("English", "Chinese"):
        for pairs in ("seen", "held-out"):
            for measure in ("colour", "shape", "count", "event", "direction"):
                row = _find(report, measure, f"{language} | {pairs} pairs")
                if row is not None:
                    yield f"the {measure} that a plain prompt names, {language}, {pairs} pairs", row


def _language_rows(reports: Mapping[str, Report]) -> Iterator[tuple[str, Row]]:
    report = reports.get("language")
    for category, meaning in _CATEGORIES.items():
        row = None if report is None else _find(report, _EVERYTHING, category)
        if row is not None:
            yield f"all that is asked at once of “{category}”: {meaning}", row


def _find(report: Report, name: str, group: str = "") -> Row | None:
    try:
        return report.row(name, group)
    except KeyError:
        return None


def _floor(row: Row) -> str:
    return "" if row.floor is None else f"; true clips {written(row.floor, row.unit)}"


# --- tables ------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Row], heading: str) -> str:
    lines = [f"| {heading} | value | 95 % | n | floor |", "|---|---|---|---|---|"]
    for row in rows:
        floor = "–" if row.floor is None else written(row.floor, row.unit)
        lines.append(
            f"| {row.name} | **{written(row.value, row.unit)}** | {written_range(row)} | {row.n} | {floor} |"
        )
    return "\n".join(lines)


def _tables(report: Report) -> Iterator[str]:
    """One for each group, in the order of the report."""
    groups: dict[str, list[Row]] = {}
    for row in report.rows:
        groups.setdefault(row.group, []).append(row)
    for group, rows in groups.items():
        yield _table(rows, group.replace(" | ", ": ") or "measure")


def _published(rows: Sequence[Published]) -> str:
    lines = ["| published | value | measured on | source |", "|---|---|---|---|"]
    for row in rows:
        value = f"{100 * row.value:.1f} %" if row.unit == "share" else f"{row.value:g} {row.unit}".strip()
        lines.append(f"| {row.model} | {value} | {row.data} | {row.source} |")
    return "\n".join(lines)


def _section(title: str, report: Report, *more: str) -> str:
    notes = "\n".join(f"- {note}" for note in report.notes)
    head = f"## {title}\n\n`{report.command}`, {report.seconds / 60:.0f} min."
    return "\n\n".join([head, *more, *_tables(report), notes])


def _likephys(report: Report) -> str:
    beside = "Other models, on other data, by the same protocol; 50 % is chance and less is better:"
    return _section("Does it know what is possible?", report, beside, _published(LIKEPHYS))


def _vae(report: Report) -> str:
    beside = "Others, on natural videos and therefore not comparable:"
    return _section("The autoencoder", report, beside, _published(AUTOENCODERS))


_SECTIONS: Final = {
    "prompts": lambda report: _section("Plain prompts", report),
    "language": lambda report: _section("Language", report),
    "likephys": _likephys,
    "timeline": lambda report: _section("Along a timeline", report),
    "vae": _vae,
}


def _not_measured() -> str:
    needed = "\n".join(f"- {name}: {real}" for name, real in ONLY_THE_REAL_THING.items())
    return (
        "## What is not measured here\n\nNothing is printed under these names, because tenku does not have "
        "what they need; `tenku export` writes videos in the layouts of three of them for a machine that has "
        "it."
        "\n\n" + needed
    )


def _how(reports: Mapping[str, Report]) -> str:
    commands = "\n".join(f"{report.command} --store docs/results" for report in reports.values())
    return f"## Again\n\n```bash\n{commands}\nscripts/model-card --stored\n```"
