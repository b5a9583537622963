"""Workers of this server: started, told of new jobs, replaced when they die, stopped with it.

Where they run is somebody else's concern: processes of this machine (`processes.py`), or actors that Ray
places (`actors.py`).
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from tenku.serving.database import Database
from tenku.serving.metrics import Metrics
from tenku.serving.queue import release_all
from tenku.serving.settings import Settings

_PATIENCE: Final = 20.0  # seconds in which a worker gives back its job
_QUICK_DEATH: Final = 5.0
_MAX_PAUSE: Final = 30.0
_log: Final = logging.getLogger("tenku.supervisor")


class Running(Protocol):
    """A worker somewhere."""

    async def ended(self) -> str:
        """Wait until it is no more; how it ended, for the log."""
        ...

    def wake(self) -> None:
        """There is something to do."""

    def stop(self) -> None:
        """Let it give back what it holds, and end."""

    def kill(self) -> None:
        """End it at once."""


Launch: TypeAlias = Callable[[str], Awaitable[Running]]  # of a worker's name


class Supervisor:
    """Keeps a number of workers alive."""

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, launch: Launch) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._launch = launch
        self._workers: dict[str, Running] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def running(self) -> int:
        """How many workers are alive."""
        return len(self._workers)

    def start(self) -> None:
        """Start all of them."""
        self._tasks = [asyncio.create_task(self._keep_one()) for _ in range(self._settings.workers)]

    def nudge(self) -> None:
        """Wake those who wait: there is something to do."""
        for worker in self._workers.values():
            worker.wake()

    async def stop(self) -> None:
        """Let all workers give back what they hold, and end."""
        self._is_stopping = True
        for worker in self._workers.values():
            worker.stop()
        waiting = asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(asyncio.shield(waiting), _PATIENCE)
        except TimeoutError:
            for worker in self._workers.values():
                worker.kill()
            await waiting

    async def _keep_one(self) -> None:
        pause = 0.5
        while not self._is_stopping:
            name = f"{socket.gethostname()}-{secrets.token_hex(6)}"
            started = time.monotonic()
            worker = await self._launch(name)
            self._workers[name] = worker
            self._metrics.workers.set(self.running)
            if self._is_stopping:
                worker.stop()
            how = await worker.ended()
            del self._workers[name]
            self._metrics.workers.set(self.running)
            if self._is_stopping:
                return
            _log.warning("worker %s ended with %s and is replaced", name, how)
            self._metrics.restarts.inc()
            await self._give_back(name)
            lived = time.monotonic() - started
            pause = min(_MAX_PAUSE, 2 * pause) if lived < _QUICK_DEATH else 0.1
            await asyncio.sleep(pause)

    async def _give_back(self, name: str) -> None:
        """What a dead worker held; if the database is away now, its lease runs out in time."""
        try:
            await asyncio.get_running_loop().run_in_executor(None, release_all, self._database, name)
        except SQLAlchemyError as error:
            _log.warning("what %s held is given back later: %s", name, str(error).splitlines()[0])
