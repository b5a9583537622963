"""Workers as processes of this machine.

A worker's standard input is its tie to the server: the first line says what it is to do, every other wakes
it, and its end means that the server is gone, however that came about. What comes on its standard output says
that there is something new in the database.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable

from tenku.serving.settings import Settings


class WorkerProcess:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process, on_news: Callable[[], None]) -> None:
        self._process = process
        self._on_news = on_news

    @classmethod
    async def launched(cls, settings: Settings, on_news: Callable[[], None], name: str) -> "WorkerProcess":
        """A worker of that name, told what to do."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tenku.serving.worker_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = cls(process, on_news)
        worker._write(f"{name} {settings.to_json()}\n".encode())
        return worker

    async def ended(self) -> str:
        """Wait until it is no more; how it ended."""
        assert self._process.stdout is not None  # it was asked for
        while await self._process.stdout.read(4_096):
            self._on_news()
        return f"status {await self._process.wait()}"

    def wake(self) -> None:
        """There is something to do."""
        self._write(b"\n")

    def stop(self) -> None:
        """Let it give back what it holds, and end."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line)
