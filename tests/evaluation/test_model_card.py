import re
from pathlib import Path

import pytest

from tenku.errors import UserError
from tenku.evaluation import Report, Row
from tenku.evaluation.model_card import SUITES, Facts, model_card, read_reports

DOCS = Path(__file__).parents[2] / "docs"


def report(suite: str, *rows: Row, model: str = "embedded") -> Report:
    return Report(
        suite=suite,
        model=model,
        seed=0,
        n=10,
        command=f"tenku evaluate {model} --suite {suite} -n 10 --seed 0",
        seconds=90.0,
        rows=rows,
        notes=("How it was measured.",),
    )


COLOUR = Row.of_share("colour", [True] * 99 + [False], 1.0, "English | seen pairs")
DIRECTION = Row.of_share("direction", [True] * 8 + [False] * 2, 1.0, "English | seen pairs")
NEGATION = Row.of_share("everything asked", [True] + [False] * 9, 0.9, "negation")
PPE = Row.of_share("planner", [True] + [False] * 9, 0.5, "preference error by whose loss")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for each in (report("prompts", COLOUR, DIRECTION), report("language", NEGATION), report("likephys", PPE)):
        each.store(tmp_path)
    return tmp_path


def test_the_card_in_the_docs_is_that_of_the_stored_runs() -> None:
    stored = DOCS / "results"
    card = model_card(read_reports(stored), Facts.read(stored))
    assert (DOCS / "model-card.md").read_text("utf-8") == card, "run scripts/model-card --stored"


def test_stored_reports_come_back_as_they_were(folder: Path) -> None:
    reports = read_reports(folder)
    assert list(reports) == ["prompts", "language", "likephys"]
    assert reports["prompts"] == report("prompts", COLOUR, DIRECTION)
    assert set(SUITES) >= {"prompts", "language", "likephys", "timeline", "vae"}


def test_abilities_are_sorted_by_what_was_measured(folder: Path) -> None:
    card = model_card(read_reports(folder))
    places = [card.index(part) for part in ("**It does**", "colour that a plain", "**It mostly does**")]
    places += [card.index(part) for part in ("direction that a plain", "**It does not**", "“negation”")]
    assert places == sorted(places)
    assert "**It sometimes does**" not in card


def test_every_figure_has_its_interval_n_and_floor(folder: Path) -> None:
    card = model_card(read_reports(folder))
    assert "| colour | **99.0 %** | 94.6–99.8 | 100 | 100.0 % |" in card
    assert "| planner | **10.0 %** | 1.8–40.4 | 10 | 50.0 % |" in card
    for row in (COLOUR, DIRECTION, NEGATION, PPE):
        assert re.search(rf"\| {row.name} \| \*\*{100 * row.value:.1f} %\*\*", card)


def test_published_work_stands_beside_with_its_source(folder: Path) -> None:
    card = model_card(read_reports(folder))
    assert "| HunyuanVideo | 43.6 % | 12 scenarios of LikePhys | LikePhys, ICLR 2026 |" in card
    assert "[PhyWorld](phyworld.md)" in card
    assert "- fvd: an I3D network" in card


def test_the_card_says_how_to_make_it_again(folder: Path) -> None:
    card = model_card(read_reports(folder))
    assert "tenku evaluate embedded --suite likephys -n 10 --seed 0 --store docs/results" in card


def test_facts_say_what_was_measured(tmp_path: Path) -> None:
    facts = Facts(
        parameters={"planner": 5_200_000, "denoiser": 7_600_000},
        weights_bytes=10**7,
        weights_sha256="ab" * 32,
    )
    facts.store(tmp_path)
    assert Facts.read(tmp_path) == facts
    assert Facts.read(tmp_path / "nowhere") is None
    assert "12.8 million parameters (planner 5.2M, denoiser 7.6M)" in str(facts)
    assert str(facts) in model_card({"prompts": report("prompts", COLOUR)}, facts)


def test_the_facts_of_a_model_are_those_of_its_file(tiny_model: Path) -> None:
    facts = Facts.of(str(tiny_model))
    assert facts.weights_bytes == (tiny_model / "model.safetensors").stat().st_size
    assert facts.parameters["denoiser"] > 0
    assert "planner" not in facts.parameters  # it has none


def test_nothing_stored_and_what_is_no_report_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing about 'embedded' is stored"):
        read_reports(tmp_path)
    (tmp_path / "embedded-vae.json").write_text("{}")
    with pytest.raises(UserError, match="is no stored report"):
        read_reports(tmp_path)
