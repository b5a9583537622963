"""Who looks whether workers are still alive: by the beats of their leases and one's own steady clock."""

import time
from typing import Final

from sqlalchemy import select

from tenku.serving.database import Database
from tenku.serving.queue import Lease, release
from tenku.serving.records import IN_PROGRESS, Record
from tenku.serving.tables import videos

_MAX_GAP: Final = 3.0  # seconds without a look, after which what was seen before counts for nothing


class LeaseObserver:
    """Gives jobs back whose beat has not changed for a whole lease.

    It asks nobody's wall clock. If the database or this process was away for a while, no worker could beat
    or be seen, and observation begins anew.
    """

    def __init__(self, database: Database, lease: float) -> None:
        self._database = database
        self._lease = lease
        self._seen: dict[tuple[str, int, int], float] = {}  # (video, attempt, beat) → since when
        self._looked = time.monotonic()

    def look(self) -> list[str]:
        """Look once; the videos whose lease was over."""
        with self._database.reading() as connection:
            columns = (videos.c.id, videos.c.attempt, videos.c.beat)
            rows = connection.execute(select(*columns).where(videos.c.status == IN_PROGRESS)).all()
        now = time.monotonic()
        before = {} if now - self._looked > _MAX_GAP else self._seen
        self._looked = now
        self._seen = {tuple(row): before.get(tuple(row), now) for row in rows}
        over = [seen for seen, since in self._seen.items() if now - since > self._lease]
        for video, attempt, beat in over:
            self._give_back(video, attempt, beat)
        return [video for video, _, _ in over]

    def _give_back(self, video: str, attempt: int, beat: int) -> None:
        same = (videos.c.id == video) & (videos.c.attempt == attempt) & (videos.c.beat == beat)
        with self._database.reading() as connection:
            row = connection.execute(select(videos).where(same)).one_or_none()
        if row is not None:
            release(self._database, Lease(Record.of(row)))
