"""Every mistake is one clear sentence on stderr, exit code 2, no traceback, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TENKU = Path(sys.executable).with_name("tenku")
BALL = ("generate", "a red ball falls")

BAD_COMMANDS: dict[str, tuple[tuple[str | bytes, ...], str]] = {
    "unknown verb": (("paint",), "No such command 'paint'"),
    "unknown option": ((*BALL, "--sceonds", "2"), "No such option: --sceonds"),
    "no prompt": (("generate",), "Missing argument"),
    "prompt in two arguments": (("generate", "red", "ball"), "unexpected extra argument"),
    "empty prompt": (("generate", ""), "the prompt is empty"),
    "blank prompt": (("generate", " \t\n "), "the prompt is empty"),
    "long prompt": (("generate", "a red ball " * 2000), "at most 2,000"),
    "control characters": (("generate", "a red\x07 ball"), r"control character (\x07) at position 6"),
    "escape sequence": (("generate", "a \x1b[31mred ball"), r"control character (\x1b)"),
    "not UTF-8": (("generate", b"a red \xff ball"), "control character"),
    "emoji only": (("generate", "🔴⬇️"), "the prompt has no words"),
    "digits only": (("generate", "42"), "the prompt has no words"),
    "bad negative prompt": ((*BALL, "--negative-prompt", "\x00x"[1:] + "\x08"), "the negative prompt has"),
    "zero seconds": ((*BALL, "--seconds", "0"), "choose more than 0"),
    "negative seconds": ((*BALL, "--seconds", "-2"), "choose more than 0"),
    "NaN seconds": ((*BALL, "--seconds", "nan"), "choose more than 0"),
    "endless seconds": ((*BALL, "--seconds", "inf"), "choose more than 0"),
    "absurd seconds": ((*BALL, "--seconds", "1e9"), "choose at most 3600"),
    "too short": ((*BALL, "--seconds", "0.001"), "choose at least 0.0625"),
    "seconds in words": ((*BALL, "--seconds", "two"), "Invalid value for '--seconds'"),
    "odd size": ((*BALL, "--size", "127x129"), "the nearest is 128x128"),
    "zero size": ((*BALL, "--size", "0x0"), "the nearest is 32x32"),
    "absurd size": ((*BALL, "--size", "99999x99999"), "the nearest is 512x512"),
    "size that is none": ((*BALL, "--size", "big"), "write for example --size 128x128"),
    "zero fps": ((*BALL, "--fps", "0"), "choose between 1 and 60"),
    "NaN fps": ((*BALL, "--fps", "nan"), "choose between 1 and 60"),
    "no steps": ((*BALL, "--steps", "0"), "choose between 1 and 1000"),
    "negative guidance": ((*BALL, "--guidance-scale", "-1"), "choose between 0 and 100"),
    "negative seed": ((*BALL, "--seed", "-1"), "choose a whole number"),
    "absurd seed": ((*BALL, "--seed", "9" * 40), "choose a whole number"),
    "no videos": ((*BALL, "--count", "0"), "choose between 1 and 1000"),
    "unknown model": ((*BALL, "--model", "sora"), "give 'embedded', the folder"),
    "directory as output": ((*BALL, "-o", "."), "is a directory; add a file name"),
    "directory with a suffix": ((*BALL, "-o", "folder.mp4"), "is a directory; add a file name"),
    "missing directory": ((*BALL, "-o", "nowhere/ball.mp4"), "there is no directory 'nowhere'"),
    "file as directory": ((*BALL, "-o", "file.txt/ball.mp4"), "there is no directory 'file.txt'"),
    "unwritable place": ((*BALL, "-o", "/proc/ball.mp4"), "/proc"),
    "unknown suffix": ((*BALL, "-o", "ball.avi"), "end it with .mp4"),
    "a device": ((*BALL, "-o", "device.mp4"), "is not a regular file"),
    "long name": ((*BALL, "-o", "b" * 300 + ".mp4"), "is too long"),
    "name that is no text": ((*BALL, "-o", b"\xff.mp4"), "is not valid text"),
    "a picture with a length": ((*BALL, "-o", "ball.png", "--seconds", "2"), "leave out --seconds"),
    "no clips": (("simulate", "-n", "0", "-o", "clips"), "choose"),
    "clips without a place": (("simulate", "-n", "10"), "Missing option"),
    "clips into a file": (("simulate", "-n", "10", "-o", "file.txt"), "is a file, not a directory"),
    "clips of odd size": (("simulate", "-n", "10", "-o", "clips", "--size", "33x33"), "choose"),
    "clips in Klingon": (("simulate", "-n", "10", "-o", "clips", "--languages", "en,tlh"), "tlh"),
    "no workers": (("simulate", "-n", "10", "-o", "clips", "--workers", "0"), "--workers"),
    "training without a place": (("train", "embedded"), "Missing option"),
    "training into a file": (("train", "embedded", "-o", "file.txt"), "is a file, not a directory"),
    "no time to train": (("train", "embedded", "-o", "run", "--minutes", "nan"), "--minutes"),
    "no steps to train": (("train", "embedded", "-o", "run", "--steps", "0"), "--steps"),
    "an unknown stage": (
        ("train", "embedded", "-o", "run", "--stage", "vae", "--stage", "dream"),
        "there is no stage 'dream'; there is clips, vae, text, planner, latents, reader, draft, denoiser, "
        "low_noise, painted, sharpen.",
    ),
    "a stage without what it needs": (
        ("train", "tiny", "-o", "run", "--stage", "planner"),
        "the stage planner needs the clips",
    ),
    "starting from nothing": (
        ("train", "embedded", "-o", "run", "--from", "nowhere"),
        "there is no model in 'nowhere'",
    ),
    "a stage of the judge": (
        ("train", "judge", "-o", "run", "--stage", "vae"),
        "the judge has one stage and starts from nothing; leave out --from and --stage",
    ),
    "a judge from a model": (
        ("train", "judge", "-o", "run", "--from", "embedded"),
        "leave out --from and --stage",
    ),
    "a judge where something is": (
        ("train", "judge", "-o", "."),
        "'.' already holds something; go on with --resume, or choose another folder",
    ),
    "evaluating nothing": (("evaluate", "embedded", "--n", "0"), "choose at least 1"),
    "evaluating an unknown model": (("evaluate", "sora"), "give 'embedded', the folder"),
    "unknown suite": (("evaluate", "embedded", "--suite", "beauty"), "--suite"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
def test_a_mistake_is_one_sentence(tmp_path: Path, arguments: tuple[str | bytes, ...], sentence: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "device.mp4")
    before = sorted(os.listdir(tmp_path))

    ended = subprocess.run([TENKU, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("tenku: ")
    assert ended.stderr.endswith(".\n")
    assert "Traceback" not in ended.stderr
    assert ended.stderr.strip("\n").isprintable()
    assert ended.stdout == ""
    assert ended.returncode == 2
    assert sorted(os.listdir(tmp_path)) == before
