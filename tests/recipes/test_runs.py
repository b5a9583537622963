from pathlib import Path

import pytest

from tenku.errors import UserError
from tenku.recipes import run, train_judge
from tenku.recipes.runs import check_folder, stopwatch
from tenku.training.judge import JudgeTaskConfig


def test_a_run_starts_in_a_new_or_an_empty_folder(tmp_path: Path) -> None:
    check_folder(tmp_path / "new", resume=False)
    assert not (tmp_path / "new").exists()
    check_folder(tmp_path, resume=False)


def test_a_folder_that_holds_something_is_gone_on_with_or_left(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"already holds something; go on with --resume, or choose another"):
        check_folder(tmp_path, resume=False)
    check_folder(tmp_path, resume=True)


def test_a_stopwatch_runs_from_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stop, never = stopwatch(2.5), stopwatch(None)
    found = []
    for now[0] in (1000.0, 1149.0, 1151.0, 1e9):
        found.append((stop(), never()))
    assert found == [(False, False), (False, False), (True, False), (True, False)]


@pytest.mark.parametrize("more", [{"start": "embedded"}, {"stages": ("vae",)}, {"stages": ("judge",)}])
def test_a_judge_starts_from_nothing_and_has_no_stages(tmp_path: Path, more: dict[str, object]) -> None:
    with pytest.raises(UserError, match="the judge has one stage and starts from nothing"):
        run("judge", tmp_path / "run", resume=False, minutes=None, steps=1, **more)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_judge_is_not_trained_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="already holds something"):
        run("judge", tmp_path, resume=False, minutes=None, steps=1)
    with pytest.raises(UserError, match="already holds something"):
        train_judge(tmp_path, steps=1, task_config=JudgeTaskConfig(num_pictures=0))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_judge_is_one_of_the_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of it is handed on."""
    asked: list[tuple[Path, dict[str, object]]] = []
    monkeypatch.setattr("tenku.recipes.train_judge", lambda output, **more: asked.append((output, more)))
    run("judge", tmp_path, resume=True, minutes=2.0, steps=7)
    assert asked == [(tmp_path, {"resume": True, "minutes": 2.0, "steps": 7, "device": None})]
