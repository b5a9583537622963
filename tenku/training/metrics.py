"""What is shown of a run: one line that says how it goes, and how much of the machine it uses."""

import sys
import time
from collections.abc import Callable, Iterable
from functools import cache
from types import TracebackType
from typing import Protocol, Self

import torch
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


@cache
def measure_matmul_peak(seconds: float = 0.4) -> float:
    """FLOP/s of the fastest of a few large bfloat16 matrix products, on this machine, now."""
    best = 0.0
    for rows, columns in ((2048, 1024), (4096, 1024), (1024, 4096)):
        a = torch.randn(rows, 1024, dtype=torch.bfloat16)
        b = torch.randn(1024, columns, dtype=torch.bfloat16)
        a @ b
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            a @ b
            count += 1
        best = max(best, 2.0 * rows * 1024 * columns * count / (time.perf_counter() - started))
    return best


def announce(name: str, work: Iterable[tuple[int, int]], stop: Callable[[], bool]) -> None:
    """Run work that yields (done, total), showing how far it is, until it is done or `stop` says so."""
    console = Console(stderr=True)
    printed = 0.0
    for done, total in work:
        if time.monotonic() - printed > 10 or done == total:
            printed = time.monotonic()
            console.print(f"{name} {done}/{total}", highlight=False)
        if stop():
            raise OutOfTimeError


class OutOfTimeError(Exception):
    """The minutes given to a run are used up; everything is saved and the run can be resumed."""


class _Counted(Protocol):
    @property
    def num_clips(self) -> int: ...

    @property
    def flops(self) -> float: ...


class Progress:
    """One line: step, loss, clips/s, FLOP/s as a share of the measured matmul peak, time left."""

    def __init__(self, name: str, step: int, num_steps: int, peak: float, *, show: bool) -> None:
        self.name, self.peak, self.show = name, peak, show
        self._console = Console(stderr=True)
        self._live = show and self._console.is_terminal
        self._bar = RichProgress(
            TextColumn(f"[bold]{name}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total} {task.description}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._bar.add_task("", total=num_steps, completed=step)
        self._loss: float | None = None
        self._rates: dict[str, float] = {}
        self._printed = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def update(
        self, step: int, loss: float, counted: _Counted, seconds: float, world_size: int
    ) -> dict[str, float]:
        """Show a finished step; returns the figures to log. Shown values are smoothed, logged ones are not."""
        figures = {
            "loss": loss,
            "clips_per_second": counted.num_clips * world_size / seconds,
            "flops_per_second": counted.flops * world_size / seconds,
        }
        for key, value in figures.items():
            self._rates[key] = value if key not in self._rates else 0.95 * self._rates[key] + 0.05 * value
        share = self._rates["flops_per_second"] / (self.peak * world_size)
        line = (
            f"loss {self._rates['loss']:.4f} · {self._rates['clips_per_second']:.1f} clips/s · "
            f"{self._rates['flops_per_second'] / 1e12:.2f} TFLOP/s ({share:.0%} of matmul peak)"
        )
        self._bar.update(self._task, completed=step, description=line)
        if self.show and not self._live and time.monotonic() - self._printed > 30:
            self._printed = time.monotonic()
            print(f"{self.name} {step}: {line}", file=sys.stderr, flush=True)
        return figures

    def note(self, text: str) -> None:
        """A line that stays."""
        if self.show:
            self._console.print(f"{self.name} · {text}", highlight=False)
