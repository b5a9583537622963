"""One command in two processes that torchrun starts: one file, the same video as from one process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tenku.cli.processes import check_started, is_first
from tenku.errors import UserError

MAIN = "from tenku.cli import main; main()"


def test_the_first_process_and_the_only_one_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert is_first()
    with pytest.raises(UserError, match="torchrun"):
        check_started()
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert is_first() == (rank == "0")


def generate(folder: Path, place: Path, *options: str, processes: int) -> list[dict[str, object]]:
    """What is printed, line by line."""
    script = place.with_suffix(".py")
    script.write_text(MAIN)
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    words = ["generate", "a red ball falls", "--model", str(folder), "-o", str(place), "--size", "64x32"]
    words += [
        "--seconds",
        "0.5",
        "--steps",
        "2",
        "--unmarked",
        "--json",
        "--keep",
        f"{place.with_suffix('.tenku')}",
    ]
    ended = subprocess.run(
        [*launcher, str(script), *words, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


@pytest.mark.slow
def test_two_processes_make_one_video(published_model: Callable[[str], Path], tmp_path: Path) -> None:
    from tenku.timeline import load_kept

    folder = published_model("wan-2.1-t2v-1.3b")
    alone = generate(folder, tmp_path / "alone.mp4", processes=1)
    assert len(alone) == 1
    expected = load_kept(tmp_path / "alone.tenku").footage.latents
    for name, options in {"ulysses": (), "ring": ("--shard",)}.items():
        place = tmp_path / f"{name}.mp4"
        told = generate(folder, place, "--parallel", name, *options, processes=2)
        assert [each["path"] for each in told] == [str(place)]
        found = load_kept(place.with_suffix(".tenku")).footage.latents
        assert float((found - expected).norm() / expected.norm()) < 0.02  # in bfloat16, where that is quick
