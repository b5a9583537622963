"""What `tenku generate` tells of a prompt beside its result, with a model of random weights."""

import json
from pathlib import Path

import pytest

from tenku.checkpoint import Model, save_model
from tenku.cli.generate import generate


@pytest.fixture
def folder(tiny_model: Model, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", tiny_model)
    return tmp_path


def make(folder: Path, prompt: str, *, count: int = 1, as_json: bool = False) -> None:
    """Pictures of a prompt."""
    generate(
        prompt, folder / "ball.png", size="32x32", count=count, model=str(folder / "model"), as_json=as_json
    )


def test_a_prompt_that_is_too_long_is_told_of_in_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, however many videos are made of it."""
    make(folder, "ball, " * 65 + "falls", count=2, as_json=True)  # of which the model reads 128
    printed = capsys.readouterr()
    assert printed.err == (
        f"tenku: the prompt is too long for the {folder / 'model'} model, "
        "which did not read its last 3 words and signs; say it in fewer.\n"
    )
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line["unread_words"] for line in lines] == [3, 3]
    assert [line["ignored_words"] for line in lines] == [[], []]


def test_a_prompt_that_is_read_to_its_end_needs_no_word(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder, "ball, " * 64, as_json=True)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out)["unread_words"] == 0


def test_unknown_words_and_unread_ones_are_told_of_each(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder, "zebra, " + "ball " * 130)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].endswith("it ignored 'zebra'.")
    assert "did not read its last 4 words" in told[1]
