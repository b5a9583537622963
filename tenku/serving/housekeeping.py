"""What nobody waits for: leases that are over, files that have expired, rows that nobody can ask for any
more."""

import asyncio
import logging
import shutil
import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from tenku.serving import library
from tenku.serving.database import Database
from tenku.serving.leases import LeaseObserver
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage

_LOOK_SECONDS: Final = 1.0
_CLEAN_EVERY: Final = 60
_SCRATCH_SECONDS: Final = 6 * 3_600.0  # nothing unfinished is worked on for longer
_log: Final = logging.getLogger("tenku.housekeeping")


class Housekeeping:
    """Looks at leases every second, and cleans every minute."""

    def __init__(self, settings: Settings, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage
        self._observer = LeaseObserver(database, settings.lease)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        number = 0
        while True:
            try:
                for video in await asyncio.to_thread(self._observer.look):
                    _log.warning("the lease of %s was over; it is given to another worker", video)
                if number % _CLEAN_EVERY == 0:
                    await asyncio.to_thread(self._clean)
            except (SQLAlchemyError, OSError) as error:
                _log.warning("later: %s", str(error).splitlines()[0])
            number += 1
            await asyncio.sleep(_LOOK_SECONDS)

    def _clean(self) -> None:
        for record in library.expired(self._database):
            self._storage.remove(record.folder)
        library.forget_old(self._database)
        long_ago = time.time() - _SCRATCH_SECONDS
        for left in self._storage.scratch.iterdir():
            if left.name != "cache" and left.is_dir() and left.stat().st_mtime < long_ago:
                shutil.rmtree(left, ignore_errors=True)
