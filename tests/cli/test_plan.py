import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tenku.cli.app import run
from tenku.errors import UserError


def planned(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> dict[str, object]:
    run(["plan", str(folder), *options, "--json"])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_larger_video_takes_more_and_the_peak_is_that_of_the_worst_stage(
    published_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = published_model("wan-2.1-t2v-1.3b")
    small = planned(capsys, folder, "--size", "64x64", "--seconds", "0.5")
    large = planned(capsys, folder, "--size", "512x512", "--seconds", "4")
    assert small["fits"] is True
    assert large["peak_bytes"] > small["peak_bytes"]  # type: ignore[operator]
    for found in (small, large):
        stages = found["stages"]
        assert [stage["stage"] for stage in stages] == ["text", "denoise", "decode"]  # type: ignore[attr-defined]
        assert found["peak_bytes"] == max(stage["peak_bytes"] for stage in stages)  # type: ignore[attr-defined]


def test_weights_in_eight_bits_take_less(
    published_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, asked = published_model("wan-2.1-t2v-1.3b"), ("--size", "64x64", "--seconds", "0.5")
    usual, small = (planned(capsys, folder, *asked, *more) for more in ((), ("--quantize", "int8")))
    weights = [
        next(stage["weights_bytes"] for stage in found["stages"] if stage["stage"] == "denoise")  # type: ignore[attr-defined]
        for found in (usual, small)
    ]
    assert 0 < weights[1] < weights[0]


def test_the_table_is_for_people(
    published_model: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["plan", str(published_model("wan-2.1-t2v-1.3b")), "--size", "64x64", "--seconds", "0.5"])
    told = capsys.readouterr().out
    assert "denoise" in told
    assert "it fits: " in told


def test_the_embedded_model_needs_no_plan() -> None:
    with pytest.raises(UserError, match="needs no plan; give open weights"):
        run(["plan", "embedded"])
