"""What a waiting person sees, on stderr and only on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from tenku.cli.ending import one_line

OnProgress: TypeAlias = Callable[[str, int, int], None]  # stage, done, total


def tell(sentence: str) -> None:
    """Say something that is no result and no mistake."""
    print(f"tenku: {one_line(sentence)}", file=sys.stderr)


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Turn a wheel while something without a measure is going on."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


@contextmanager
def show_stages() -> Iterator[OnProgress]:
    """Yield the function that a pipeline reports to; each stage gets its bar, and all vanish at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = {}

        def on_progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield on_progress
