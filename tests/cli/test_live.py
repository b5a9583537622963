"""What is typed while a video goes on, and how it is drawn in a terminal."""

import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tenku.cli.live import _drawn, _Script

COLOUR = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m")


def typing(text: str, *, typed: str = "") -> _Script:
    script = _Script("a ball", None, ends_with_lines=True, typed=typed)
    for character in text:
        script.key(character)
    return script


def reading(text: str, *, ends_with_lines: bool) -> _Script:
    return _Script("a ball", io.StringIO(text), ends_with_lines)


# What is said


def test_keys_are_typed_until_enter_says_them() -> None:
    script = typing("a red cube")
    assert (script.prompt, script.typed, script.next_prompt()) == ("a ball", "a red cube", "a ball")
    script.key("\n")
    assert (script.prompt, script.typed, script.ended) == ("a red cube", "", False)
    assert [script.next_prompt() for _ in range(3)] == ["a red cube"] * 3


@pytest.mark.parametrize("enter", ["\n", "\r"])
def test_sentences_are_said_one_after_the_other(enter: str) -> None:
    script = typing(f"  a cone {enter}红球落下{enter}")
    assert (script.prompt, script.typed, script.ended) == ("红球落下", "", False)


@pytest.mark.parametrize("backspace", ["\x7f", "\b"])
def test_backspace_takes_back_what_was_typed(backspace: str) -> None:
    assert typing(f"a cone{backspace * 3}ube\n").prompt == "a cube"
    script = typing(backspace * 3 + "红球" + backspace)
    assert (script.typed, script.ended) == ("红", False)


@pytest.mark.parametrize("text", ["\n", "\r", "   \n", "ab\x7f\x7f\n", "\x04", "\x03", "a cube\x04", "a\n\n"])
def test_an_empty_line_and_control_d_end(text: str) -> None:
    script = typing(text)
    assert script.ended
    assert script.prompt == ("a" if text == "a\n\n" else "a ball")


@pytest.mark.parametrize("character", ["\x1b", "\t", "\x00", "\x9b", "\u200b"])
def test_what_cannot_be_printed_is_not_typed(character: str) -> None:
    script = typing(f"a{character}b")
    assert (script.typed, script.ended) == ("ab", False)


def test_lines_of_a_file_are_said_one_after_the_other() -> None:
    script = reading("a cube\n  红球  \r\na cone", ends_with_lines=True)
    said = []
    while not script.ended:
        said.append(script.next_prompt())
    assert said == ["a ball", "a cube", "红球", "a cone", "a cone"]


def test_a_file_that_ends_before_the_video_keeps_its_last_prompt() -> None:
    script = reading("a cube\n", ends_with_lines=False)
    assert [script.next_prompt() for _ in range(5)] == ["a ball"] + ["a cube"] * 4
    assert not script.ended


def test_an_empty_line_of_a_file_is_nothing_new_or_the_end() -> None:
    script = reading("a cube\n \na cone\n", ends_with_lines=False)
    assert [script.next_prompt() for _ in range(4)] == ["a ball", "a cube", "a cube", "a cone"]
    script = reading("a cube\n \na cone\n", ends_with_lines=True)
    assert [script.next_prompt() for _ in range(3)] == ["a ball", "a cube", "a cube"]
    assert script.ended


def test_an_empty_file_says_nothing() -> None:
    script = reading("", ends_with_lines=True)
    assert script.next_prompt() == "a ball"
    assert not script.ended  # the first part is seen
    assert script.next_prompt() == "a ball"
    assert script.ended


# What is drawn


def rows_of(text: str) -> list[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """The pixels, upper and lower, of each character of a drawn frame."""
    assert text.startswith("\x1b[H")
    rows = []
    lines = text.removeprefix("\x1b[H").split("\r\n")
    for line in lines if lines != [""] else ():
        assert line.endswith("\x1b[0m\x1b[K")
        cells, colour = [], None
        for part in re.split(r"(\x1b\[38;2;[\d;]*m|▀)", line.removesuffix("\x1b[0m\x1b[K")):
            if part == "▀":
                assert colour is not None
                cells.append(colour)
            elif part:
                found = COLOUR.fullmatch(part)
                assert found is not None, part
                numbers = tuple(map(int, found.groups()))
                colour = numbers[:3], numbers[3:]
        rows.append(cells)
    return rows


def in_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int) -> None:
    monkeypatch.setattr("tenku.cli.live.os.get_terminal_size", lambda *_: os.terminal_size((columns, rows)))


def noise(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("terminal", [(80, 24), (20, 60), (200, 10), (300, 100), (7, 5), (1, 4)])
@pytest.mark.parametrize("size", [(128, 128), (96, 160), (160, 96), (32, 512), (512, 32), (64, 48)])
def test_a_frame_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, terminal: tuple[int, int], size: tuple[int, int]
) -> None:
    columns, rows = terminal
    in_a_terminal(monkeypatch, columns, rows)
    drawn = rows_of(_drawn(noise(*size)))
    assert len(drawn) <= rows - 3  # below it are the prompt and what is typed
    across = max(map(len, drawn), default=0)
    assert across <= columns
    assert all(len(line) == across for line in drawn)
    height, width = size
    if min(len(drawn), across) > 8:  # as large as may be, in its own shape
        assert len(drawn) >= min(rows - 4, height // 2) or across >= min(columns - 1, width)
        assert 2 * len(drawn) / across == pytest.approx(height / width, rel=0.2)


def test_a_small_frame_is_drawn_pixel_by_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each character shows two, the upper and the lower one."""
    in_a_terminal(monkeypatch, 80, 24)
    frame = noise(6, 9)
    frame[2:4, 4:] = 7  # where colours stay they are not said again
    drawn = _drawn(frame)
    assert np.array_equal(np.array([[cell[0] for cell in row] for row in rows_of(drawn)]), frame[0::2])
    assert np.array_equal(np.array([[cell[1] for cell in row] for row in rows_of(drawn)]), frame[1::2])
    assert len(COLOUR.findall(drawn)) == 3 * 9 - 4


def test_a_large_frame_is_drawn_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_terminal(monkeypatch, 16, 40)
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:32, :32, 0], frame[:32, 32:, 1], frame[32:, :32, 2] = 250, 250, 250
    cells = rows_of(_drawn(frame))
    assert (len(cells), len(cells[0])) == (8, 16)
    corners = [cells[row][column][0] for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1))]
    assert corners == [(250, 0, 0), (0, 250, 0), (0, 0, 250), (0, 0, 0)]
    assert sum(cell[0][0] == 250 for row in cells for cell in row) == 4 * 8


# In a terminal

# Frames that say by their brightness how often another sentence has come.
PROGRAM = """
import fcntl, json, sys, termios
import numpy as np
from tenku.cli.live import _Script, _screen, _show

fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C comes to it
script, said, kept = _Script("a ball", None, True), [], []

def frames():
    for number in range({number}):
        said.append(script.next_prompt())
        if number == {broken}:
            raise ValueError("it broke")
        yield np.full((8, 12, 3), 100 + len(set(said)), np.uint8)

try:
    with _screen() as screen:
        _show(screen, frames(), script, kept.append)
    error = ""
except ValueError as problem:
    error = str(problem)
seen = [int(frame[0, 0, 0]) for frame in kept]
with open(sys.argv[1], "w") as file:
    json.dump({{"said": said, "seen": seen, "error": error}}, file)
"""


class Terminal:
    """A program in a pseudo-terminal of 20 columns and 12 rows."""

    def __init__(self, report: Path, number: int = 10_000, broken: int = -1) -> None:
        self._report, self.shown = report, ""
        self._here, self._there = pty.openpty()
        fcntl.ioctl(self._there, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 20, 0, 0))
        self.settings = termios.tcgetattr(self._there)
        self._program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(number=number, broken=broken), report],
            stdin=self._there,
            stdout=self._there,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def look(self, wanted: str = "", seconds: float = 30.0) -> None:
        """Until something is shown, or to the end."""
        stop = time.monotonic() + seconds
        while wanted not in self.shown if wanted else self._program.poll() is None:
            assert time.monotonic() < stop, self.shown[-400:]
            self._read(0.05)
        while not wanted and self._read(0.05):
            continue

    def _read(self, seconds: float) -> bool:
        ready = select.select([self._here], [], [], seconds)[0]
        if ready:
            self.shown += os.read(self._here, 65_536).decode(errors="ignore")
        return bool(ready)

    def now(self) -> list[object]:
        return termios.tcgetattr(self._there)

    def close(self) -> None:
        self._program.kill()
        self._program.wait()
        if self._program.stderr is not None:
            self._program.stderr.close()
        os.close(self._here)
        os.close(self._there)

    def end(self) -> dict[str, Any]:
        """What the program has to report, once it has ended."""
        self.look()
        assert self._program.stderr is not None
        complaint = self._program.stderr.read().decode()
        assert (self._program.returncode, complaint) == (0, "")
        assert self.now() == self.settings
        assert self.shown.endswith("\x1b[0m\x1b[?25h\x1b[?1049l")
        report: dict[str, Any] = json.loads(self._report.read_text())
        return report


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened = []

    def open_terminal(**program: int) -> Terminal:
        opened.append(Terminal(tmp_path / "report.json", **program))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_what_is_typed_in_a_terminal_is_seen(terminal: Callable[..., Terminal]) -> None:
    there = terminal()
    there.look("▀")
    assert there.now() != there.settings  # every key comes at once
    assert "\x1b[?25l" in there.shown
    there.type("红 cubs\x7fe")
    there.look("> 红 cube\x1b[K")
    there.type("\n")
    there.look("\n红 cube\x1b[K")  # what is said is shown above what is typed
    there.look("38;2;102;102;102")  # the first frame that was made since
    there.type("\n")
    report = there.end()
    said, seen = report["said"], report["seen"]
    first = said.index("红 cube")
    assert said == ["a ball"] * first + ["红 cube"] * (len(said) - first)
    assert seen == [101] * first + [102] * (len(seen) - first)
    assert len(seen) > first
    assert len(said) <= len(seen) + 26  # no more is made ahead than may be shown


def test_a_video_in_a_terminal_ends_by_itself_at_its_pace(terminal: Callable[..., Terminal]) -> None:
    there = terminal(number=17)
    there.look("▀")
    began = time.monotonic()
    report = there.end()
    assert time.monotonic() - began > 10 / 16
    assert report == {"said": ["a ball"] * 17, "seen": [101] * 17, "error": ""}
    assert there.shown.count("\x1b[H") == 17


@pytest.mark.parametrize("key", ["\x04", "\x03", "\r"])
def test_keys_that_end_leave_the_terminal_as_it_was(terminal: Callable[..., Terminal], key: str) -> None:
    there = terminal()
    there.look("▀")
    there.type(key)
    report = there.end()
    assert set(report["seen"]) == {101}


def test_a_video_that_breaks_leaves_the_terminal_as_it_was(terminal: Callable[..., Terminal]) -> None:
    report = terminal(broken=3).end()
    assert report["error"] == "it broke"
    assert report["seen"] == [101] * 3


def test_arrow_keys_are_not_typed() -> None:
    script = typing("a\x1b[Ab\x1b[3~c\x1bOHd")
    assert (script.typed, script.ended) == ("abcd", False)
