import json
import subprocess
import sys
from pathlib import Path

import pytest

from tenku.cli.app import run
from tenku.errors import UserError
from tenku.media import read_video

TENKU = Path(sys.executable).with_name("tenku")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "color.txt"
    path.write_text("a red ball\na blue cube\n")
    return path


def test_videos_lie_where_the_benchmark_looks_for_them(
    prompts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "vbench"
    command = ["export", "vbench", str(prompts), "-o", str(folder), "--n", "2", "--seed", "5"]
    run(command)
    assert "2 videos, 2 of them new" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["a red ball-0.mp4", "a red ball-1.mp4"]
    assert read_video(folder / "a red ball-0.mp4").num_frames == 32
    record = json.loads((tmp_path / "vbench.json").read_text())
    assert [video["seed"] for video in record["videos"]] == [5, 6]
    assert [video["prompt"] for video in record["videos"]] == ["a red ball"] * 2
    run(command)
    assert "2 videos, 0 of them new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--n", "0"), "--n 0 makes no video"),
        (("--seed", "-1"), "--seed -1 is negative"),
        (("--model", "sora"), "there is no model 'sora'"),
        (("--pictures", "nowhere"), "there is no picture for 'a red ball-0.mp4'"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    prompts: Path, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        run(["export", "vbench", str(prompts), "-o", str(tmp_path / "out"), *arguments])
    assert not (tmp_path / "out").exists()


def test_a_score_that_is_not_ours_is_refused_with_the_way_to_it(tmp_path: Path) -> None:
    ended = subprocess.run(
        [TENKU, "evaluate", "embedded", "--suite", "vbench"], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "tenku does not have that; `tenku export vbench` writes the videos" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
