"""`tenku generate` with the embedded model, as people run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tenku.media import read_video

ROOT = Path(__file__).parent.parent.parent
TENKU = Path(sys.executable).with_name("tenku")
SHORT = ("generate", "a red ball falls", "--seconds", "0.5", "--size", "64x64", "--steps", "2")

pytestmark = pytest.mark.skipif(
    not any((ROOT / "tenku" / "embedded").rglob("*.safetensors")), reason="no embedded model yet"
)


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        [TENKU, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended


def test_one_line_of_json_for_each_video(tmp_path: Path) -> None:
    ended = run(tmp_path, *SHORT, "-o", "ball.mp4", "--count", "2", "--seed", "5", "--json")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(line["path"], line["seed"]) for line in lines] == [("ball-1.mp4", 5), ("ball-2.mp4", 6)]
    assert sorted(os.listdir(tmp_path)) == ["ball-1.mp4", "ball-2.mp4"]
    for line in lines:
        assert {key: line[key] for key in ("frames", "fps", "width", "height")} == {
            "frames": 8,
            "fps": 16.0,
            "width": 64,
            "height": 64,
        }
        assert all(seconds >= 0 for seconds in line["seconds_by_stage"].values())
        video = read_video(tmp_path / line["path"])
        assert (video.num_frames, video.fps, video.width, video.height) == (8, 16, 64, 64)
    assert ended.stderr == ""


def test_the_same_seed_gives_the_same_frames(tmp_path: Path) -> None:
    for name in ("first.mp4", "second.mp4"):
        run(tmp_path, *SHORT, "-o", name)
    first, second = (read_video(tmp_path / name).frames for name in ("first.mp4", "second.mp4"))
    assert np.array_equal(first, second)


def test_a_free_name_is_found_and_nothing_overwritten(tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, *SHORT)
    assert sorted(os.listdir(tmp_path)) == ["a-red-ball-falls-0-2.mp4", "a-red-ball-falls-0.mp4"]


def test_a_picture(tmp_path: Path) -> None:
    run(tmp_path, "generate", "一个红球", "-o", "ball.png", "--size", "64x64", "--steps", "2")
    assert read_video(tmp_path / "ball.png").frames.shape == (1, 64, 64, 3)


def test_unknown_words_are_named_in_one_line(tmp_path: Path) -> None:
    ended = run(tmp_path, "generate", "a zebra and a red ball on a volcano", *SHORT[2:], "-o", "ball.mp4")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.endswith("it ignored 'zebra', 'volcano'.\n")


@pytest.mark.parametrize("seconds", [0.4, 0.7, 1.0, 1.5, 2.0, 2.5])  # Python itself starts in 0.05
def test_ctrl_c_at_any_moment(tmp_path: Path, seconds: float) -> None:
    command = [TENKU, "generate", "a red ball falls", "--seconds", "30", "-o", "ball.mp4"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (130, "", "tenku: stopped; no partial file is left.\n")
    assert os.listdir(tmp_path) == []
