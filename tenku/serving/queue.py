"""The durable queue: jobs are leased by one worker each, and finished once. `submitting.py` puts them in.

Every step is one conditional UPDATE on the attempt that it belongs to, so whoever has lost a lease changes
nothing any more. A lease is kept by counting `beat` on; it is over when an observer has seen the same beat
for too long by its own steady clock (`leases.py`), so no wall clock decides anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from tenku.serving.database import Database, now
from tenku.serving.outbox import post_event
from tenku.serving.records import COMPLETED, FAILED, IN_PROGRESS, QUEUED, Record
from tenku.serving.settings import Settings
from tenku.serving.tables import counters, previews, videos

MAX_ATTEMPTS: Final = 5  # a job that has taken so many workers with it is not tried again


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that is a worker's, for this attempt only."""

    record: Record

    @property
    def where(self) -> Any:
        """What holds of its row as long as it is the worker's."""
        return (
            (videos.c.id == self.record.id)
            & (videos.c.attempt == self.record.attempt)
            & (videos.c.status == IN_PROGRESS)
            & ~videos.c.deleted
        )


def lease(database: Database, settings: Settings, worker: str) -> Lease | None:
    """The next job, now this worker's; None if there is none that may run."""
    with database.reading() as connection:
        if connection.execute(select(_next_job(settings))).scalar() is None:
            return None
    with database.changing(lasting=False) as (connection, change):  # lost, it waits as before
        chosen = connection.execute(select(_next_job(settings))).scalar()
        return None if chosen is None else _take(connection, chosen, worker, change)


def lease_alike(
    database: Database, settings: Settings, worker: str, first: Lease, number: int
) -> list[Lease]:
    """Up to so many more of the next jobs, as long as they are of the first one's shape: nobody's turn comes
    earlier than those before it."""
    found: list[Lease] = []
    with database.changing(lasting=False) as (connection, change):
        while len(found) < number:
            chosen = connection.execute(select(_next_job(settings))).scalar()
            row = connection.execute(select(videos).where(videos.c.id == chosen)).one_or_none()
            if chosen is None or row is None or not are_alike(first.record, Record.of(row)):
                break
            found.append(_take(connection, chosen, worker, change))
    return found


def are_alike(first: Record, second: Record) -> bool:
    """Whether two jobs differ in prompt and seed only, so that one sampler call may make both."""
    tasks = ({k: v for k, v in job.task.items() if k != "characters"} for job in (first, second))
    facts = ((job.fps, job.num_frames) for job in (first, second))
    is_plain = first.task.get("verb") == "generate" and "picture" not in first.task
    return is_plain and next(tasks) == next(tasks) and next(facts) == next(facts)


def num_waiting(database: Database) -> int:
    """How many jobs wait."""
    waiting = select(func.count()).select_from(videos).where(videos.c.status == QUEUED, ~videos.c.deleted)
    with database.reading() as connection:
        return int(connection.execute(waiting).scalar_one())


@dataclass(frozen=True, slots=True)
class News:
    """How far a leased job is: what of it is new, and perhaps its newest frame."""

    held: Lease
    facts: Mapping[str, Any] = field(default_factory=dict)
    preview: tuple[int, bytes] | None = None


def keep(database: Database, *news: News) -> list[bool | None]:
    """Renew leases and tell how far their jobs are; of each whether it was cancelled, or None if its lease is
    lost."""
    if not any(each.facts or each.preview for each in news):
        with database.writing(lasting=False) as connection:
            return [_renewed(connection, each, {}) for each in news]
    with database.changing(lasting=False) as (connection, change):
        return [_told(connection, each, change) for each in news]


def complete(
    database: Database, settings: Settings, held: Lease, files: Mapping[str, str], facts: Mapping[str, Any]
) -> bool:
    """Publish what was made; false if the lease is lost, and then nothing is published."""
    done = {"status": COMPLETED, "progress": 100, "stage": None, "files": dict(files), **facts}
    return _finish(database, held, {**done, "expires_at": expiry(settings)}, "video.completed")


def fail(database: Database, held: Lease, code: str, message: str) -> bool:
    """End a job that cannot be made; false if the lease is lost."""
    facts = {"status": FAILED, "stage": None, "error_code": code, "error_message": message}
    return _finish(database, held, facts, "video.failed")


def release(database: Database, held: Lease, *, was_stopped: bool = False) -> None:
    """Give a job back to the queue; one that has failed too often ends here.

    An attempt that a worker was told to stop does not count.
    """
    with database.changing() as (connection, change):
        row = connection.execute(select(videos).where(held.where)).one_or_none()
        if row is not None:
            _give_back(connection, Record.of(row), change, was_stopped)


def release_all(database: Database, worker: str, *, was_stopped: bool = False) -> None:
    """Give back whatever a worker holds that is known to be dead, or that is about to end."""
    with database.changing() as (connection, change):
        held = select(videos).where(videos.c.worker == worker, videos.c.status == IN_PROGRESS)
        for row in connection.execute(held).all():
            _give_back(connection, Record.of(row), change, was_stopped)


def cancel(database: Database, owner: str, video: str) -> Record | None:
    """Cancel a job: at once while it waits, at its next step while it runs; None if it is not there."""
    with database.changing() as (connection, change):
        mine = (videos.c.id == video) & (videos.c.owner == owner) & ~videos.c.deleted
        row = connection.execute(select(videos).where(mine)).one_or_none()
        if row is None:
            return None
        record = Record.of(row)
        if record.is_finished:
            return record
        facts: dict[str, Any] = {"cancelled": True}
        if record.status == QUEUED:
            facts |= cancelled_facts()
            post_event(connection, record, "video.failed")
        changed = update(videos).where(mine).values(change=change, **facts).returning(videos)
        return Record.of(connection.execute(changed).one())


def cancelled_facts() -> dict[str, Any]:
    """What becomes of a job that was cancelled."""
    return {
        "status": FAILED,
        "stage": None,
        "error_code": "cancelled",
        "error_message": "this video was cancelled before it was done.",
        "completed_at": now(),
    }


def expiry(settings: Settings) -> float | None:
    """When a video that is finished now is deleted; None if never."""
    return None if settings.retention is None else now() + settings.retention


def _take(connection: Connection, chosen: str, worker: str, change: int) -> Lease:
    taken = update(videos).where(videos.c.id == chosen, videos.c.status == QUEUED)
    row = connection.execute(
        taken.values(
            status=IN_PROGRESS,
            worker=worker,
            attempt=videos.c.attempt + 1,
            beat=videos.c.beat + 1,
            started_at=func.coalesce(videos.c.started_at, now()),
            change=change,
        ).returning(videos)
    ).one()
    record = Record.of(row)
    _advance(connection, record.turn)
    return Lease(record)


def _advance(connection: Connection, turn: float) -> None:
    """Virtual time is that of the job that was begun last."""
    behind = (counters.c.name == "turn") & (counters.c.value < turn)
    connection.execute(update(counters).where(behind).values(value=turn))


def _next_job(settings: Settings) -> Any:
    """The id of the job whose turn it is, of an owner who may run one more."""
    running = videos.alias("running")
    number = select(func.count()).select_from(running)
    number = number.where(running.c.owner == videos.c.owner, running.c.status == IN_PROGRESS)
    return (
        select(videos.c.id)
        .where(
            videos.c.status == QUEUED,
            ~videos.c.deleted,
            number.scalar_subquery() < settings.max_running_per_key,
        )
        .order_by(videos.c.priority.desc(), videos.c.turn, videos.c.created_at, videos.c.id)
        .limit(1)
        .scalar_subquery()
    )


def _renewed(connection: Connection, news: News, facts: Mapping[str, Any]) -> bool | None:
    statement = update(videos).where(news.held.where).values(beat=videos.c.beat + 1, **facts)
    cancelled: bool | None = connection.execute(statement.returning(videos.c.cancelled)).scalar()
    return cancelled


def _told(connection: Connection, news: News, change: int) -> bool | None:
    if not news.facts and news.preview is None:
        return _renewed(connection, news, {})
    cancelled = _renewed(connection, news, {**news.facts, "change": change})
    if cancelled is not None and news.preview is not None:
        _show(connection, news.held.record.id, news.preview, change)
    return cancelled


def _show(connection: Connection, video: str, preview: tuple[int, bytes], change: int) -> None:
    number, image = preview
    row = {"number": number, "image": image, "change": change}
    if not connection.execute(update(previews).where(previews.c.video == video).values(row)).rowcount:
        connection.execute(insert(previews).values(video=video, **row))


def _finish(database: Database, held: Lease, facts: Mapping[str, Any], event: str) -> bool:
    with database.changing() as (connection, change):
        done = {"completed_at": now(), **facts, "change": change}
        row = connection.execute(
            update(videos).where(held.where).values(**done).returning(videos)
        ).one_or_none()
        if row is None:
            return False
        post_event(connection, Record.of(row), event)
        connection.execute(delete(previews).where(previews.c.video == held.record.id))
        return True


def _give_back(connection: Connection, record: Record, change: int, was_stopped: bool) -> None:
    facts: dict[str, Any] = {"status": QUEUED, "worker": None, "stage": None}
    if record.cancelled:
        facts = cancelled_facts()
    elif was_stopped:
        facts["stops"] = record.stops + 1
    elif record.attempt - record.stops >= MAX_ATTEMPTS:
        facts = cancelled_facts() | {
            "error_code": "worker_lost",
            "error_message": f"{MAX_ATTEMPTS} workers ended while they made this video; "
            "make it smaller or shorter.",
        }
    held = (
        (videos.c.id == record.id) & (videos.c.attempt == record.attempt) & (videos.c.status == IN_PROGRESS)
    )
    connection.execute(update(videos).where(held).values(**facts, change=change))
    if facts["status"] == FAILED:
        post_event(connection, record, "video.failed")
