import json
import subprocess
import sys
from pathlib import Path

import pytest

TENKU = Path(sys.executable).with_name("tenku")
RANDOM = ("certify", "wan-2.2-ti2v-5b", "--random", "--small", "--quick", "--size", "64x32", "--frames", "5")


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TENKU, *arguments], cwd=folder, capture_output=True, text=True, timeout=250, check=False
    )


@pytest.mark.slow
def test_a_certificate_is_printed_and_written(tmp_path: Path) -> None:
    ended = run(tmp_path, *RANDOM, "--json", "-o", "ti2v.md")
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert facts["holds"] is True
    assert facts["command"] == " ".join(["tenku", *RANDOM, "--json", "-o", "ti2v.md"])
    assert "| whole loop |" in (tmp_path / "ti2v.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("certify",), "Missing argument"),
        (("certify", "nowhere"), "there is no model 'nowhere'"),
        ((*RANDOM, "--runs", "0"), "--runs 0 gives no median"),
        ((*RANDOM, "--size", "33x33"), "each side must be a multiple of"),
        ((*RANDOM, "--steps", "0"), "0 steps cannot be taken"),
        ((*RANDOM, "--against", "sora"), "--against"),
        ((*RANDOM, "-o", "nowhere/x.md"), "there is no directory 'nowhere'"),
        (("certify", ".", "--small"), "add --random"),
        (("certify", "."), "is no Wan or LTX-Video model in diffusers' layout"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    ended = run(tmp_path, *arguments)
    assert sentence in ended.stderr
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("tenku: ")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
