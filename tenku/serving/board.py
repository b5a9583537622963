"""What is going on, in memory: one reader follows the database's changes, and any number of clients watch it.

Retrieving a video that the board knows costs no query, and a thousand watchers cost as many queries as one.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from tenku.serving.database import Database, counted
from tenku.serving.keys import Key
from tenku.serving.line import Line
from tenku.serving.records import FINISHED, QUEUED, Record
from tenku.serving.tables import keys, previews, videos

POLL_SECONDS: Final = 0.1
_STALE_SECONDS: Final = 2.0  # without a look at the database for so long, it is asked itself
_REMEMBERED: Final = 20_000
_PAGE: Final = 1_000
_log: Final = logging.getLogger("tenku.board")


@dataclass(eq=False, slots=True)
class Watcher:
    """Somebody who wants to know of changes to one video, or to all of an owner's."""

    owner: str
    video: str | None
    changed: dict[str, None] = field(default_factory=dict)
    previewed: dict[str, None] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, record: Record, *, preview: bool = False) -> None:
        """Take note of a change, if it is one that this watcher may and wants to see."""
        if record.owner == self.owner and self.video in (None, record.id):
            (self.previewed if preview else self.changed)[record.id] = None
            self.woken.set()


@dataclass(frozen=True, slots=True)
class _News:
    """What has changed in the database since the last look."""

    records: list[Record]
    previews: list[tuple[str, int, bytes]]
    change: int
    keys: dict[str, Key] | None
    keys_version: float


class Board:
    """Records, queue positions, previews and keys as the last look at the database saw them.

    Everything but the look itself happens on the event loop.
    """

    def __init__(self, database: Database, on_end: Callable[[Record], None]) -> None:
        self._database = database
        self._on_end = on_end  # told of each job that ends while we look
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._line = Line()
        self._told: dict[str, int] = {}  # which number in the line watchers were told
        self._previews: dict[str, tuple[int, bytes]] = {}
        self._keys: dict[str, Key] = {}
        self._keys_version = -1.0
        self._change = 0
        self._looked = float("-inf")
        self._watchers: set[Watcher] = set()
        self._executor = ThreadPoolExecutor(1, "board")
        self._task: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self.is_closing = False

    async def start(self) -> None:
        """Load what is unfinished, and follow all changes from now on."""
        self._take(await self._in_thread(self._first_look))
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Send all watchers home."""
        self.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._executor.shutdown(wait=False)

    def close(self) -> None:
        """Tell all watchers that there will be no more."""
        self.is_closing = True
        for watcher in self._watchers:
            watcher.woken.set()

    def hurry(self) -> None:
        """Look at the database now: somebody says that there is something new."""
        self._hurried.set()

    @property
    def is_fresh(self) -> bool:
        """Whether the database was seen lately."""
        return time.monotonic() - self._looked < _STALE_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether there are no keys, so everybody who reaches the server may use it."""
        return not self._keys

    def key(self, digest: str) -> Key | None:
        """Whose key has this digest."""
        return self._keys.get(digest)

    def record(self, video: str) -> Record | None:
        """A video, if the board knows it as it is now."""
        return self._records.get(video) if self.is_fresh else None

    def latest(self, video: str) -> Record | None:
        """A video as it was seen last, however long ago."""
        return self._records.get(video)

    def position(self, video: str) -> int | None:
        """How many jobs come before a waiting one."""
        return self._line.place(video)

    def preview(self, video: str) -> tuple[int, bytes] | None:
        """The newest frame of what is being made."""
        return self._previews.get(video)

    @property
    def counts(self) -> dict[str, int]:
        """How many unfinished jobs there are by status."""
        running = sum(record.status == "in_progress" for record in self._records.values())
        return {"queued": len(self._line), "in_progress": running}

    def put(self, record: Record) -> None:
        """Take a record that was just read or written; what is older than what is known is left out."""
        self._remember(record)

    def forget(self, video: str) -> None:
        """Know nothing of a video that was just deleted; its watchers hear of it with the next look."""
        self._records.pop(video, None)
        self._line.remove(video)

    @contextlib.contextmanager
    def watching(self, owner: str, video: str | None = None) -> Iterator[Watcher]:
        """Watch one video, or all of an owner's."""
        watcher = Watcher(owner, video)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    async def _follow(self) -> None:
        is_away = False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), POLL_SECONDS if not is_away else 0.5)
            self._hurried.clear()
            try:
                self._take(await self._in_thread(self._look))
                is_away = False
            except SQLAlchemyError as error:
                if not is_away:
                    _log.warning("the database does not answer: %s", str(error).splitlines()[0])
                is_away = True

    async def _in_thread(self, look: Callable[[], _News]) -> _News:
        return await asyncio.get_running_loop().run_in_executor(self._executor, look)

    def _first_look(self) -> _News:
        """Everything unfinished; what comes later has a higher change."""
        with self._database.reading() as connection:
            self._change = int(counted(connection, "change"))
            unfinished = select(videos).where(videos.c.status.not_in(FINISHED), ~videos.c.deleted)
            records = [Record.of(row) for row in connection.execute(unfinished)]
        news = self._look()
        return _News([*records, *news.records], news.previews, news.change, news.keys, news.keys_version)

    def _look(self) -> _News:
        with self._database.reading() as connection:
            new = select(videos).where(videos.c.change > self._change).order_by(videos.c.change).limit(_PAGE)
            records = [Record.of(row) for row in connection.execute(new)]
            change = max((record.change for record in records), default=self._change)
            shown = select(previews.c.video, previews.c.number, previews.c.image, previews.c.change)
            seen = connection.execute(shown.where(previews.c.change > self._change)).all()
            if len(records) < _PAGE:
                change = max([change, *(row.change for row in seen)])
            version = counted(connection, "keys")
            found = None
            if version != self._keys_version:
                columns = (keys.c.digest, keys.c.id, keys.c.name, keys.c.priority, keys.c.created_at)
                found = {digest: Key(*rest) for digest, *rest in connection.execute(select(*columns))}
        return _News(records, [(row.video, row.number, row.image) for row in seen], change, found, version)

    def _take(self, news: _News) -> None:
        self._looked = time.monotonic()
        self._change = news.change
        if news.keys is not None:
            self._keys, self._keys_version = news.keys, news.keys_version
        for record in news.records:
            self._remember(record)
        if self._watchers:
            self._tell_places()
        for video, number, image in news.previews:
            self._show(video, number, image)

    def _remember(self, record: Record) -> None:
        """Take a record and tell of it; the order of the queue may be another then."""
        before = self._records.get(record.id)
        if before is not None and before.change >= record.change:
            return
        self._records[record.id] = record
        self._records.move_to_end(record.id)
        if record.is_finished:
            self._previews.pop(record.id, None)
            if before is not None and not before.is_finished:
                self._on_end(record)
        while len(self._records) > _REMEMBERED:
            self._line.remove(self._records.popitem(last=False)[0])
        if record.status == QUEUED and not record.deleted:
            self._line.add(record)
        else:
            self._line.remove(record.id)
        self._tell(record)

    def _show(self, video: str, number: int, image: bytes) -> None:
        record = self._records.get(video)
        if record is not None and not record.is_finished and self._previews.get(video, (-1,))[0] != number:
            self._previews[video] = (number, image)
            self._tell(record, preview=True)

    def _tell_places(self) -> None:
        """Tell those who watch a waiting job whose number in the line has changed."""
        before, self._told = self._told, {video: place for place, video in enumerate(self._line)}
        for video, place in self._told.items():
            if before.get(video) != place:
                self._tell(self._records[video])

    def _tell(self, record: Record, *, preview: bool = False) -> None:
        for watcher in self._watchers:
            watcher.tell(record, preview=preview)
