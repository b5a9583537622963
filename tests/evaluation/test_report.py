import pytest
from rich.console import Console

from tenku.evaluation import Report, Row
from tenku.evaluation.report import _order, mean_interval, wilson_interval


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_wilson_interval_has_its_known_values(right: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(right, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("right", "n"), [(1, 0), (3, 2), (-1, 5)])
def test_no_interval_of_what_is_no_share(right: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        wilson_interval(right, n)


def test_interval_of_a_mean() -> None:
    assert mean_interval([1.0, 3.0]) == pytest.approx((2 - 1.95996, 2 + 1.95996), abs=1e-4)
    assert mean_interval([5.0]) == (5.0, 5.0)


@pytest.fixture
def report() -> Report:
    rows = (
        Row.of_share("colour", [True, True, False], 0.99, "English | seen pairs"),
        Row.of_share("colour", [True, True, True], 1.0, "English | held-out pairs"),
        Row.of_share("shape", [True, False, False], group="English | held-out pairs"),
        Row.of_mean("PSNR", [40.0, 38.0], "dB", 58.9),
    )
    return Report(
        suite="prompts",
        model="embedded",
        seed=3,
        n=3,
        command="tenku evaluate embedded --suite prompts -n 3 --seed 3",
        seconds=1.5,
        rows=rows,
        notes=("“of …”: the floor.",),
    )


def test_json_brings_the_same_report_back(report: Report) -> None:
    assert "\n" not in report.to_json()
    assert Report.from_json(report.to_json()) == report


def test_a_row_is_found_by_name_and_group(report: Report) -> None:
    assert report.row("PSNR").value == 39
    with pytest.raises(KeyError):
        report.row("PSNR", "English")


def test_a_terminal_shows_every_figure_with_its_interval_n_and_floor(report: Report) -> None:
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(report)
    text = capture.get()
    for part in (
        "66.7 % of 99.0 %",
        "20.8–93.9, n 3",
        "39.00 dB",
        "58.90 dB",
        "–",
        report.command,
        "embedded",
    ):
        assert part in text
    assert "…" not in text.replace("“of …”", "")


def test_a_measure_that_a_group_lacks_keeps_its_place() -> None:
    assert _order([["a", "b", "d"], ["a", "c", "d"], ["e", "d"]]) == ["e", "a", "c", "b", "d"]
