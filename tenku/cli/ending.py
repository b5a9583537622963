"""How a command ends: every mistake and every interruption is one sentence and an exit code."""

import os
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from tenku.errors import UserError

EXIT_USER_ERROR = 2
_STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_IMPATIENCE_SECONDS = 2.0
_MAX_SENTENCE = 600  # a long argument must not flood the terminal
_WHAT_REMAINS = {
    "simulate": "finished shards are kept; the same command goes on from there",
    "train": "the last checkpoint is kept; --resume goes on from there",
}


class Ending:
    """A `with` block around a whole command that always ends the process.

    A stopping signal raises `KeyboardInterrupt`, so that every `with` and `finally` on the way out cleans up;
    a second one within two seconds does not disturb that.
    """

    def __init__(self, arguments: list[str]) -> None:
        self._verb = arguments[0] if arguments else ""
        self._signal: int | None = None
        self._signal_time = -_IMPATIENCE_SECONDS

    def __enter__(self) -> Self:
        for number in _STOPPING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._stop)
        sys.unraisablehook = self._on_unraisable
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number in _STOPPING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # nothing is left to stop
        error = error or _flush_output()
        # A signal can surface as any error, for example as an ImportError from a half-imported library.
        if self._signal is not None and error is not None:
            remains = _WHAT_REMAINS.get(self._verb, "no partial file is left")
            _end(f"stopped; {remains}.", 128 + self._signal)
        match error:
            case None:
                sys.exit(0)
            case UserError():
                _end(str(error), EXIT_USER_ERROR)
            case BrokenPipeError():
                _close_output()
                sys.exit(128 + signal.SIGPIPE)
            case MemoryError():
                _end("this machine has too little memory for that; choose a smaller size or fewer frames.", 1)
            case OSError():
                place = f"{error.filename}: " if error.filename else ""
                _end(f"{place}{error.strerror or error}; check that the place exists and has room.", 1)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._signal_time < _IMPATIENCE_SECONDS:
            return
        self._signal, self._signal_time = number, time.monotonic()
        raise KeyboardInterrupt

    def _on_unraisable(self, unraisable: Any) -> None:
        """Python drops what is raised in destructors and callbacks; a signal must not get lost there."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt) and self._signal is not None:
            from threading import Timer

            self._signal_time -= _IMPATIENCE_SECONDS
            Timer(0.05, os.kill, (os.getpid(), self._signal)).start()  # when the destructor is left
        else:
            sys.__unraisablehook__(unraisable)


def one_line(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal would obey."""
    words = " ".join(text.split())
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in words)


def _flush_output() -> OSError | None:
    try:
        sys.stdout.flush()
    except OSError as error:
        _close_output()
        return error
    return None


def _close_output() -> None:
    """Let the interpreter's own last flush go nowhere instead of failing once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(sentence: str, status: int) -> NoReturn:
    start = "\r" if sys.stderr.isatty() else ""  # over the terminal's ^C
    sentence = one_line(sentence)
    if len(sentence) > _MAX_SENTENCE:
        sentence = f"{sentence[: _MAX_SENTENCE // 2]} … {sentence[-_MAX_SENTENCE // 2 :]}"
    print(f"{start}tenku: {sentence}", file=sys.stderr)
    sys.exit(status)
