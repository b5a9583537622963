"""Ctrl-C and other ends, at any moment: one sentence, the right exit code, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WORK = """
import sys, time
from tenku.cli.ending import Ending
with Ending(["generate"]):
{body}
"""


def start(folder: Path, body: str) -> "subprocess.Popen[str]":
    """A process that prints `ready` when it may be interrupted."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return subprocess.Popen(
        [sys.executable, "-c", WORK.format(body=indented)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_all_signals,
    )


def _hear_all_signals() -> None:
    """Under nohup, and in some background jobs, processes start deaf to what is tested here."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def interrupt(process: "subprocess.Popen[str]", number: int = signal.SIGINT) -> tuple[int, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    return process.returncode, stderr


STOPPED = "tenku: stopped; no partial file is left.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_in_one_sentence_and_no_partial_file(tmp_path: Path, number: int) -> None:
    process = start(
        tmp_path,
        """
from tenku.media import replacing
with replacing("ball.mp4") as partial:
    partial.write_text("half a video")
    print("ready", flush=True)
    time.sleep(20)
""",
    )
    assert interrupt(process, number) == (128 + number, STOPPED)
    assert os.listdir(tmp_path) == []


def test_a_signal_that_surfaces_as_another_error(tmp_path: Path) -> None:
    process = start(
        tmp_path,
        """
print("ready", flush=True)
try:
    time.sleep(20)
except KeyboardInterrupt:
    raise ImportError("half of a library")
""",
    )
    assert interrupt(process) == (130, STOPPED)


def test_a_signal_inside_a_destructor_is_not_lost(tmp_path: Path) -> None:
    process = start(
        tmp_path,
        """
class Slow:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(1)
Slow()
time.sleep(20)
""",
    )
    assert interrupt(process) == (130, STOPPED)


def test_a_second_signal_does_not_disturb_the_cleaning(tmp_path: Path) -> None:
    process = start(
        tmp_path,
        """
import os, signal
print("ready", flush=True)
try:
    time.sleep(20)
finally:
    os.kill(os.getpid(), signal.SIGINT)
    open("cleaned", "w").close()
""",
    )
    assert interrupt(process) == (130, STOPPED)
    assert os.listdir(tmp_path) == ["cleaned"]


def test_a_mistake_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    _, stderr = start(tmp_path, "1 / 0").communicate(timeout=20)
    assert "Traceback" in stderr
    assert "ZeroDivisionError" in stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [Path(sys.executable).with_name("tenku"), "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "tenku: No space left on device; check that the place exists and has room.\n"


def test_a_reader_that_went_away_is_no_error(tmp_path: Path) -> None:
    with start(tmp_path, "time.sleep(0.5)\nprint('a line' * 10)") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 128 + signal.SIGPIPE
