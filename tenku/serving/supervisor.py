"""Worker processes of this server: started, told of new jobs, replaced when they die, stopped with it.

A worker's standard input is its tie to the server: the first line says what it is to do, every other wakes
it, and its end means that the server is gone, however that came about.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import sys
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from tenku.serving.database import Database
from tenku.serving.metrics import Metrics
from tenku.serving.queue import release_all
from tenku.serving.settings import Settings

_PATIENCE: Final = 20.0  # seconds in which a worker gives back its job
_QUICK_DEATH: Final = 5.0
_MAX_PAUSE: Final = 30.0
_log: Final = logging.getLogger("tenku.supervisor")


class Supervisor:
    """Keeps a number of workers alive."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def running(self) -> int:
        """How many workers are alive."""
        return len(self._processes)

    def start(self) -> None:
        """Start all of them."""
        self._tasks = [asyncio.create_task(self._keep_one()) for _ in range(self._settings.workers)]

    def nudge(self) -> None:
        """Wake those who wait: there is something to do."""
        for process in self._processes.values():
            if process.stdin is not None and not process.stdin.is_closing():
                process.stdin.write(b"\n")

    async def stop(self) -> None:
        """Let all workers give back what they hold, and end."""
        self._is_stopping = True
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        waiting = asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(asyncio.shield(waiting), _PATIENCE)
        except TimeoutError:
            for process in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await waiting

    async def _keep_one(self) -> None:
        pause = 0.5
        while not self._is_stopping:
            name = f"{socket.gethostname()}-{secrets.token_hex(6)}"
            started = time.monotonic()
            process = await self._started(name)
            status = await process.wait()
            del self._processes[name]
            self._metrics.workers.set(self.running)
            if self._is_stopping:
                return
            _log.warning("worker %s ended with status %s and is replaced", name, status)
            self._metrics.restarts.inc()
            await self._give_back(name)
            lived = time.monotonic() - started
            pause = min(_MAX_PAUSE, 2 * pause) if lived < _QUICK_DEATH else 0.1
            await asyncio.sleep(pause)

    async def _started(self, name: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tenku.serving.worker_process"), stdin=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None  # it was asked for
        process.stdin.write(f"{name} {self._settings.to_json()}\n".encode())
        self._processes[name] = process
        self._metrics.workers.set(self.running)
        return process

    async def _give_back(self, name: str) -> None:
        """What a dead worker held; if the database is away now, its lease runs out in time."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, release_all, self._database, name)
        except SQLAlchemyError as error:
            _log.warning("what %s held is given back later: %s", name, str(error).splitlines()[0])
