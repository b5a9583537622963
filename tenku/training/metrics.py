"""What is shown of a run: one line that says how it goes, and how much of the machine it uses."""

import time
from collections.abc import Callable, Iterable
from functools import cache
from types import TracebackType
from typing import Protocol, Self

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tenku.training.device import on_gpu, wait_for_device

_QUIET_SECONDS = 30.0  # between two lines where there is no terminal
_SMOOTHING = 0.05


@cache
def measure_matmul_peak(seconds: float = 0.4) -> float:
    """FLOP/s of the fastest of a few large bfloat16 matrix products, on this machine, now."""
    best = 0.0
    wait_for_device()
    side = 8192 if on_gpu() else 1024
    for rows, columns in ((2 * side, side), (4 * side, side), (side, 4 * side)):
        a = torch.randn(rows, side, dtype=torch.bfloat16)
        b = torch.randn(side, columns, dtype=torch.bfloat16)
        a @ b
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            a @ b
            count += 1
            wait_for_device()
        best = max(best, 2.0 * rows * side * columns * count / (time.perf_counter() - started))
    return best


class OutOfTimeError(Exception):
    """The minutes given to a run are used up; everything is saved and the run can be resumed."""


class Display:
    """How far one stage is, on stderr: a live bar on a terminal, a line now and then elsewhere."""

    def __init__(self, name: str, total: int, *, show: bool = True) -> None:
        self.name, self.show = name, show
        self._console = Console(stderr=True)
        columns = (
            TextColumn(f"[bold]{name}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(
            *columns, console=self._console, disable=not (show and self._console.is_terminal)
        )
        self._task = self._bar.add_task("", total=total)
        self._printed = time.monotonic() - _QUIET_SECONDS

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def update(self, done: int, total: int, text: str = "") -> None:
        """Show that `done` of `total` is done."""
        self._bar.update(self._task, completed=done, total=total, description=text)
        due = done == total or time.monotonic() - self._printed > _QUIET_SECONDS
        if due and not self._console.is_terminal:
            self._printed = time.monotonic()
            self.note(f"{done}/{total} {text}".rstrip())

    def note(self, text: str) -> None:
        """A line that stays."""
        if self.show:
            self._console.print(f"{self.name} · {text}", highlight=False, markup=False, soft_wrap=True)


def announce(
    name: str, work: Iterable[tuple[int, int]], stop: Callable[[], bool], *, show: bool = True
) -> None:
    """Do work that yields (done, total) and show how far it is; OutOfTimeError if `stop` says so first."""
    with Display(name, 1, show=show) as display:
        for done, total in work:
            display.update(done, total)
            if done < total and stop():
                raise OutOfTimeError


class Counted(Protocol):
    """What a training step was made from."""

    @property
    def num_clips(self) -> int:
        """Clips on this rank."""
        ...

    @property
    def flops(self) -> float:
        """Floating-point operations on this rank; 0 if they were not counted."""
        ...


class TrainingProgress:
    """Loss, clips/s and FLOP/s as a share of the measured matmul peak of all ranks, smoothed for the eye."""

    def __init__(self, display: Display, num_steps: int, peak: float, world_size: int) -> None:
        self.display, self.num_steps, self.peak, self.world_size = display, num_steps, peak, world_size
        self._smooth: dict[str, float] = {}

    def update(self, step: int, loss: float, counted: Counted, seconds: float) -> dict[str, float]:
        """Show a finished step; returns its figures, as they are, for the log."""
        figures = {
            "loss": loss,
            "clips_per_second": counted.num_clips * self.world_size / seconds,
            "flops_per_second": counted.flops * self.world_size / seconds,
        }
        for key, value in figures.items():
            before = self._smooth.get(key, value)
            self._smooth[key] = before + _SMOOTHING * (value - before)
        self.display.update(step, self.num_steps, self._text())
        return figures

    def _text(self) -> str:
        loss, clips, flops = self._smooth.values()
        text = f"loss {loss:.4f} · {clips:.1f} clips/s"
        if not flops:
            return text
        share = flops / (self.peak * self.world_size)
        return f"{text} · {flops / 1e12:.2f} TFLOP/s ({share:.0%} of matmul peak)"
