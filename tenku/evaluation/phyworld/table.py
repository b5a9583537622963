"""The table of stored reports beside the published rows, in Markdown."""

import statistics
from collections.abc import Sequence

from tenku.evaluation.phyworld.published import PUBLISHED
from tenku.evaluation.phyworld.suite import (
    AUTOENCODER,
    FLOPS,
    LAW_NAMES,
    MEAN_VELOCITY,
    PARAMETERS,
    SPLIT_NAMES,
    STRANGE_NAMES,
    TRAINING,
    VELOCITY,
    VIDEOS,
    WAY_NAMES,
)
from tenku.evaluation.report import Report, Row

_HEADINGS = (
    "model",
    "videos",
    "parameters",
    "FLOPs",
    "ID",
    "floor",
    "OOD",
    "floor",
    "ID, of mean",
    "OOD, of mean",
)


def markdown_table(reports: Sequence[Report]) -> str:
    """Published rows and ours, law by law: velocity errors with 95 % intervals, over all seeds of a way."""
    lines = []
    for law, name in LAW_NAMES.items():
        lines += [f"### {name[0].upper()}{name[1:]}", "", _line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
        for row in PUBLISHED:
            if row.law == law:
                lines.append(
                    _line(
                        [
                            f"{row.model} (published)",
                            row.videos.removesuffix(" videos") or "–",
                            _short(row.parameters),
                            _short(row.flops),
                            "–",
                            "–",
                            "–",
                            "–",
                            _figure(row.in_distribution),
                            _figure(row.out_of_distribution),
                        ]
                    )
                )
        for way in WAY_NAMES.values():
            ours = [
                report
                for report in reports
                if any(row.group.startswith(f"{name}, {way} |") for row in report.rows)
            ]
            for videos in sorted({report.row(VIDEOS, TRAINING).value for report in ours}):
                same = [report for report in ours if report.row(VIDEOS, TRAINING).value == videos]
                lines.append(_ours(same, f"{name}, {way}", way))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def strange_table(reports: Sequence[Report]) -> str:
    """Of what is out of distribution: errors by what is strange, with the autoencoder's own."""
    kinds = [f"{VELOCITY}, {name}" for name in STRANGE_NAMES.values()]
    headings = ["model", "clips", *STRANGE_NAMES.values(), "autoencoder, ID", "autoencoder, OOD"]
    lines = [_line(headings), _line(["---"] * len(headings))]
    inside, outside = SPLIT_NAMES.values()
    for law in LAW_NAMES.values():
        for way in WAY_NAMES.values():
            group = f"{law}, {way}"
            ours = [
                report for report in reports if any(row.group == f"{group} | {inside}" for row in report.rows)
            ]
            if ours:
                cells = [_over_seeds(ours, kind, f"{group} | {outside}") for kind in kinds]
                own = [_over_seeds(ours, AUTOENCODER, f"{group} | {split}") for split in (inside, outside)]
                number = sum(report.row(VELOCITY, f"{group} | {outside}").n for report in ours)
                lines.append(_line([group, f"{number:,}", *cells, *own]))
    return "\n".join(lines) + "\n"


def _ours(reports: Sequence[Report], group: str, way: str) -> str:
    training = reports[0]
    inside, outside = (f"{group} | {split}" for split in SPLIT_NAMES.values())
    seeds = "" if len(reports) == 1 else f", {len(reports)} seeds"
    return _line(
        [
            f"**tenku, {way}**{seeds}",
            _short(training.row(VIDEOS, TRAINING).value),
            _short(training.row(PARAMETERS, TRAINING).value),
            _short(training.row(FLOPS, TRAINING).value),
            _over_seeds(reports, VELOCITY, inside),
            _figure(training.row(VELOCITY, inside).floor),
            _over_seeds(reports, VELOCITY, outside),
            _figure(training.row(VELOCITY, outside).floor),
            _over_seeds(reports, MEAN_VELOCITY, inside),
            _over_seeds(reports, MEAN_VELOCITY, outside),
        ]
    )


def _over_seeds(reports: Sequence[Report], name: str, group: str) -> str:
    """The mean over seeds; of several with the least and the greatest, of one with its interval."""
    rows: list[Row] = [report.row(name, group) for report in reports]
    mean = statistics.fmean(row.value for row in rows)
    low = min(row.value for row in rows) if len(rows) > 1 else rows[0].low
    high = max(row.value for row in rows) if len(rows) > 1 else rows[0].high
    return f"{mean:.4f} ({low:.4f}–{high:.4f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 1e9:
        return f"{value:.1e}".replace("e+", "e")
    for size, letter in ((1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:g}"
