"""Work spread over processes, results in order."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 3  # results that each worker may be ahead of the one that is waited for


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], num_workers: int
) -> Iterator[Result]:
    """`map(function, items)` in `num_workers` processes (1: in this one), a bounded number of items ahead.

    Only this process hears Ctrl-C; the workers finish what they are at. They end with this process, even if
    it is killed.
    """
    if num_workers == 1:
        yield from map(function, items)
        return
    # Spawned, not forked: a fork would copy whatever threads there are, and their locks.
    pool = ProcessPoolExecutor(
        num_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    remaining = iter(items)
    try:
        with _signals_held_back():  # processes inherit this, and they start at the first `submit`s
            waiting: deque[Future[Result]] = deque(
                pool.submit(function, item) for item in islice(remaining, _AHEAD * num_workers)
            )
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(remaining, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
