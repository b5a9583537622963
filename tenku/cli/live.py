"""`tenku live`: video that goes on while somebody types what comes next."""

import os
import queue
import select
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from tenku.cli.arguments import check_model, parse_size
from tenku.cli.display import tell
from tenku.cli.loading import load_pipeline
from tenku.cli.options import USUAL_MODEL, ModelOptions, SeedOption, UnmarkedOption, with_options
from tenku.cli.places import check_output_file
from tenku.cli.writing import origin_of, taking_frames
from tenku.errors import UserError
from tenku.timeline.request import MAX_SECONDS, GenerationRequest, frames_in

if TYPE_CHECKING:
    from tenku.media import Frame
    from tenku.provenance import Origin

_FPS = 16.0
_AHEAD = 24  # frames made before they are shown: what is typed is seen after at most this and one part more


@with_options
def live(
    prompt: Annotated[str, typer.Argument(help="What is seen first, in English or Chinese.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write what was seen, an .mp4.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after so long.", show_default="when told to")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "128x128",
    seed: SeedOption = 0,
    by: ModelOptions = USUAL_MODEL,
    unmarked: UnmarkedOption = False,
) -> None:
    """Show video that never ends, and follow every sentence that is typed under it.

    An empty line or Ctrl-C ends it. Without a terminal sentences are read from standard input, one for every
    two seconds of video, and nothing is shown.
    """
    width, height = parse_size(size)
    length = MAX_SECONDS if seconds is None else seconds
    request = GenerationRequest(
        prompt=prompt, num_frames=frames_in(length, _FPS), height=height, width=width, fps=_FPS, seed=seed
    )
    check_model(by.model)
    if by.parallel is not None:
        raise UserError("live video is made in one process; leave out --parallel.")
    shown = sys.stdout.isatty() and sys.stdin.isatty()
    if not shown and output is None:
        raise UserError("there is no terminal to show video in; write it to a file with -o.")
    if output is not None:
        check_output_file(output)
    pipeline, _ = load_pipeline(by)
    unknown, _ = pipeline.not_read(prompt)
    if unknown:
        tell(f"the {by.model} model does not know {', '.join(map(repr, unknown))}.")
    script = _Script(prompt, None if shown else sys.stdin, seconds is None)
    with ExitStack() as stack:
        frames = pipeline.live(request, script.next_prompt)
        append = _recorder(stack, output, None if unmarked else origin_of(by, request))
        if shown:
            _show(stack.enter_context(_screen()), frames, script, append)
        else:
            for frame in frames:
                append(frame)
                if script.ended:
                    break


@dataclass(slots=True)
class _Script:
    """What is said, and what is being typed. Lines of a file are said one after the other."""

    prompt: str
    lines: TextIO | None
    ends_with_lines: bool
    typed: str = ""
    ended: bool = False
    _first: bool = field(default=True)
    _escaped: str = field(default="")  # what an unfinished key sequence has begun with

    def next_prompt(self) -> str:
        """What the next part of the video shows."""
        if self.lines is not None and not self._first:
            line = self.lines.readline()
            if line.strip():
                self.prompt = line.strip()
            elif self.ends_with_lines:
                self.ended = True
        self._first = False
        return self.prompt

    def key(self, character: str) -> None:
        """Take one character that was typed; what other keys send, arrows for one, is left out."""
        before, self._escaped = self._escaped, ""
        if character == "\x1b" or (before == "\x1b" and character in "[O"):
            self._escaped = character
        elif before in ("[", "O"):
            self._escaped = "" if character.isalpha() or character == "~" else before
        elif character in "\r\n":
            if self.typed.strip():
                self.prompt, self.typed = self.typed.strip(), ""
            else:
                self.ended = True
        elif character in "\x7f\b":
            self.typed = self.typed[:-1]
        elif character in "\x03\x04":
            self.ended = True
        elif character.isprintable():
            self.typed += character


def _recorder(stack: ExitStack, output: Path | None, origin: "Origin | None") -> "Callable[[Frame], None]":
    return (
        (lambda frame: None) if output is None else stack.enter_context(taking_frames(output, _FPS, origin))
    )


@contextmanager
def _screen() -> Iterator[TextIO]:
    """A terminal that gives every key at once and hides its cursor, as it was before when the block ends."""
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        sys.stdout.write("\x1b[?1049h\x1b[?25l\x1b[2J")
        yield sys.stdout
    finally:
        sys.stdout.write("\x1b[0m\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _show(
    screen: TextIO, frames: "Iterator[Frame]", script: _Script, append: "Callable[[Frame], None]"
) -> None:
    """Show frames at their pace, and take what is typed, until the video or the script ends."""
    made: queue.Queue[Frame | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def make() -> None:
        last: BaseException | None = None
        try:
            for frame in frames:
                while not stopped.is_set():
                    try:
                        made.put(frame, timeout=0.1)
                        break
                    except queue.Full:
                        continue
                if stopped.is_set():
                    return
        except BaseException as error:
            last = error
        made.put(last)

    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    due = time.perf_counter()
    late, number = 0, 0
    try:
        while not script.ended:
            frame = made.get()
            if isinstance(frame, BaseException):
                raise frame
            if frame is None:
                return
            append(frame)
            number += 1
            now = time.perf_counter()
            late += now > due + 1 / _FPS
            due = max(due, now - 1 / _FPS)
            while (left := due - time.perf_counter()) > 0 or select.select([sys.stdin], [], [], 0)[0]:
                if select.select([sys.stdin], [], [], max(0.0, left))[0]:
                    for character in os.read(sys.stdin.fileno(), 1024).decode(errors="ignore"):
                        script.key(character)
            due += 1 / _FPS
            screen.write(_drawn(frame))
            screen.write(f"\x1b[0m\r\n{script.prompt[:100]}\x1b[K\r\n> {script.typed}\x1b[K")
            screen.flush()
    except KeyboardInterrupt:
        return
    finally:
        stopped.set()
        while not made.empty():
            made.get_nowait()
        maker.join(timeout=10)


def _drawn(frame: "Frame") -> str:
    """A frame as text that fits the terminal: each character shows two pixels, one above the other."""
    columns, rows = shutil.get_terminal_size()
    height, width = frame.shape[:2]
    step = max(width / max(1, columns), height / (2 * max(1, rows - 3)), 1.0)
    across = [int((0.5 + x) * step) for x in range(int(width / step))]
    down = [int((0.5 + y) * step) for y in range(int(height / step) // 2 * 2)]
    small = frame[down][:, across]
    lines = []
    for upper, lower in zip(small[0::2], small[1::2], strict=True):
        cells, before = [], ""
        for (r, g, b), (s, h, c) in zip(upper.tolist(), lower.tolist(), strict=True):
            colour = f"\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m"
            cells.append(("" if colour == before else colour) + "▀")
            before = colour
        lines.append("".join(cells) + "\x1b[0m\x1b[K")
    return "\x1b[H" + "\r\n".join(lines)
