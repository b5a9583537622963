"""Scaling runs as tables in Markdown: costs and losses, the law, the best sizes, what was predicted."""

from collections.abc import Sequence

from tenku.evaluation.scaling import Interval, LawFit
from tenku.recipes.scaling.records import Prediction, RunRecord

_HOUR = 3_600
_LAW = {
    "irreducible": ("E, loss that no size and no data undo", ".4f"),
    "size_scale": ("A", ".3g"),
    "size_exponent": ("α, of parameters", ".3f"),
    "data_scale": ("B", ".3g"),
    "data_exponent": ("β, of positions", ".3f"),
    "compute_exponent": ("β / (α + β): best size ∝ compute to this power", ".3f"),
}


def points_table(records: Sequence[RunRecord]) -> str:
    """Every run, what it cost and what it reached."""
    rows = [
        "| budget | size | parameters | FLOPs | positions | epochs | steps × positions | seed | hours | loss "
        "| device |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in sorted(records, key=lambda r: (r.budget, r.num_parameters, r.seed)):
        bold = "**" if r.final else ""
        rows.append(
            f"| {r.budget:.3g} | {bold}{r.size.name}{bold} | {_count(r.num_parameters)} | {r.flops:.3g} "
            f"| {_count(r.positions)} | {r.epochs:.1f} | {r.steps:,} × {r.positions_per_step:,} | {r.seed} "
            f"| {r.seconds / _HOUR:.4f} | {bold}{r.loss:.5f}{bold} | {r.device} |"
        )
    total = sum(r.flops for r in records), sum(r.seconds for r in records) / _HOUR
    rows.append(f"| all | | | {total[0]:.3g} | | | | | {total[1]:.3f} | | |")
    return _lines(rows)


def law_table(fit: LawFit) -> str:
    """What the law's parameters are, with 95 % intervals."""
    rows = ["| of loss = E + A·N^−α + B·D^−β | fitted | 95 % interval |", "| --- | --- | --- |"]
    for name, (text, form) in _LAW.items():
        found = fit.interval(name)
        rows.append(f"| {text} | {found.value:{form}} | {_from_to(found, form)} |")
    seeds = "one seed each" if fit.seed_noise != fit.seed_noise else f"{fit.seed_noise:.2%}"
    rows.append(f"| scatter of runs about it (n = {fit.num_points}) | {fit.residual_noise:.2%} | |")
    rows.append(f"| scatter between seeds | {seeds} | |")
    return _lines(rows)


def best_sizes_table(prediction: Prediction) -> str:
    """The lowest point of each budget's parabola."""
    rows = ["| budget | best parameters | 95 % interval | loss there |", "| --- | --- | --- | --- |"]
    for curve in prediction.frontier.isoflops:
        best = curve.best_size
        aside = "" if curve.inside else ", beyond the sizes tried"
        rows.append(
            f"| {curve.budget:.3g} | {_count(best.value)}{aside} | {_count(best.low)}–{_count(best.high)} "
            f"| {curve.loss(best.value):.5f} |"
        )
    exponent = prediction.frontier.exponent
    if exponent is not None:
        rows.append(f"| best size ∝ compute^k | k = {exponent.value:.2f} | {_from_to(exponent, '.2f')} | |")
    return _lines(rows)


def prediction_table(prediction: Prediction, records: Sequence[RunRecord]) -> str:
    """What was said of the last run before it was trained, beside what it reached."""
    run, loss = prediction.run, prediction.loss
    rows = [
        "| run | predicted loss | 95 % interval | measured | measured / predicted |",
        "| --- | --- | --- | --- | --- |",
    ]
    measured = next((record.loss for record in records if record.final), None)
    told = "–" if measured is None else f"{measured:.5f}"
    ratio = "–" if measured is None else f"{measured / loss.value:.3f}"
    rows.append(
        f"| {run.size.name}, {_count(prediction.num_parameters)}, {run.budget:.3g} FLOPs | {loss.value:.5f} "
        f"| {_from_to(loss, '.5f')} | {told} | {ratio} |"
    )
    return _lines(rows)


def _from_to(interval: Interval, form: str) -> str:
    return f"{interval.low:{form}}–{interval.high:{form}}"


def _count(number: float) -> str:
    """A large number in few letters."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def _lines(rows: Sequence[str]) -> str:
    return "\n".join(rows) + "\n"
