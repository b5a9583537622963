"""Verbs with published weights, as people run them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tenku.media import read_video

TENKU = Path(sys.executable).with_name("tenku")
T2V, TI2V = "wan-2.1-t2v-1.3b", "wan-2.2-ti2v-5b"
SHORT = ("generate", "a red ball falls", "--seconds", "0.3", "--size", "64x32", "--steps", "2")
Published = Callable[[str], Path]


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    return subprocess.run(
        [TENKU, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=environment,
    )


def test_a_folder_is_a_model(published_model: Published, tmp_path: Path) -> None:
    model = str(published_model(T2V))
    ended = run(tmp_path, *SHORT, "--model", model, "-o", "ball.mp4", "--keep", "ball.tenku", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["model"], told["width"], told["height"], told["fps"]) == (model, 64, 32, 16)
    assert read_video(tmp_path / "ball.mp4").frames.shape[1:] == (32, 64, 3)
    ended = run(
        tmp_path,
        "extend",
        "ball.tenku",
        "--after",
        "0.25",
        "--steps",
        "2",
        "--model",
        model,
        "-o",
        "longer.mp4",
    )
    assert ended.returncode == 0, ended.stderr
    assert read_video(tmp_path / "longer.mp4").num_frames > read_video(tmp_path / "ball.mp4").num_frames


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("empty", "there is no model in 'empty'"),
        ("Nobody/Nothing", "'Nobody/Nothing' could not be fetched from the hub"),
        ("cut", "is no whole safetensors file"),
        ("odd", "has the field 'num_experts', which no Wan model that tenku knows has"),
    ],
)
def test_a_mistake_is_one_sentence(
    published_model: Published, tmp_path: Path, model: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("cut", "odd"):
        shutil.copytree(published_model(T2V), tmp_path / name)
    weights = tmp_path / "cut" / "transformer" / "diffusion_pytorch_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 8)
    config = tmp_path / "odd" / "transformer" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "num_experts": 8}))
    ended = run(tmp_path, *SHORT, "--model", model, "-o", "ball.mp4")
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert ended.stderr.startswith("tenku: ")
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "ball.mp4").exists()


def test_a_size_that_these_weights_cannot_make(published_model: Published, tmp_path: Path) -> None:
    ended = run(tmp_path, *SHORT[:4], "--size", "48x64", "--model", str(published_model(TI2V)), "-o", "x.mp4")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "each side must be a multiple of 32" in ended.stderr
