"""What is put into the queue: once for each request, as far as there is room, and in its turn.

The order is start-time fair queueing (Goyal, Vin and Cheng, 1996): a job's turn is the virtual time at which
its owner's earlier jobs are done, or now if that is past, so owners share the workers evenly however many
jobs one of them has put in.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from tenku.serving.database import Database, counted, now
from tenku.serving.faults import ApiError
from tenku.serving.identifiers import new_id
from tenku.serving.keys import Key
from tenku.serving.queue import expiry
from tenku.serving.records import COMPLETED, QUEUED, Record
from tenku.serving.settings import Settings
from tenku.serving.tables import owners, repeats, videos

_COST_UNIT: Final = 32 * 128 * 128  # pixels in a video of two seconds: one unit of virtual time


@dataclass(frozen=True, kw_only=True, slots=True)
class NewVideo:
    """What is to be made, and what of it is known before."""

    kind: str
    task: Mapping[str, Any]
    model: str
    width: int
    height: int
    fps: float
    num_frames: int
    seed: int
    native_size: str | None = None
    prompt: str | None = None
    title: str | None = None
    parents: tuple[str, ...] = ()
    remixed_from: str | None = None
    id: str = field(default_factory=lambda: new_id("video"))


@dataclass(frozen=True, slots=True)
class Repeat:
    """An `Idempotency-Key`, and a digest of what came with it."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, path: str, body: bytes) -> "Repeat":
        """Of a request's path and body."""
        return cls(key, hashlib.sha256(path.encode() + b"\0" + body).hexdigest())


def submit(
    database: Database, settings: Settings, owner: Key, new: NewVideo, repeat: Repeat | None = None
) -> Record:
    """Put a job into the queue, or give back what the same request has put there before."""
    with database.changing() as (connection, change):
        if repeat is not None and (before := repeated(connection, owner, repeat)) is not None:
            return before
        _check_room(connection, settings, owner)
        turn = _turn(connection, owner, new)
        row = {**_columns(new, owner, change), "status": QUEUED, "turn": turn, "priority": owner.priority}
        record = Record.of(connection.execute(insert(videos).values(row).returning(videos)).one())
        if repeat is not None:
            _remember(connection, owner, repeat, record.id)
        return record


def add_finished(
    database: Database, settings: Settings, owner: Key, new: NewVideo, files: Mapping[str, str], size: int
) -> Record:
    """Put something into the gallery that needs no worker."""
    with database.changing() as (connection, change):
        _check_quota(connection, settings, owner)
        row = _columns(new, owner, change)
        done = {"status": COMPLETED, "progress": 100, "completed_at": row["created_at"], "bytes": size}
        done |= {"frames_done": new.num_frames, "files": dict(files), "expires_at": expiry(settings)}
        return Record.of(connection.execute(insert(videos).values(row | done).returning(videos)).one())


def repeated(connection: Connection, owner: Key, repeat: Repeat) -> Record | None:
    """What the same request has made before; a fault if it was not quite the same."""
    mine = (repeats.c.owner == owner.id) & (repeats.c.key == repeat.key)
    row = connection.execute(select(repeats.c.fingerprint, repeats.c.video).where(mine)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != repeat.fingerprint:
        raise ApiError(
            409,
            "this Idempotency-Key came with another request before; send a new one.",
            code="idempotency_key_reused",
            headers={"x-should-retry": "false"},
        )
    found = connection.execute(select(videos).where(videos.c.id == row.video)).one_or_none()
    if found is None or found.deleted:
        return None
    return Record.of(found)


def _remember(connection: Connection, owner: Key, repeat: Repeat, video: str) -> None:
    mine = (repeats.c.owner == owner.id) & (repeats.c.key == repeat.key)
    connection.execute(delete(repeats).where(mine))
    row = {"key": repeat.key, "fingerprint": repeat.fingerprint, "video": video, "created_at": now()}
    connection.execute(insert(repeats).values(owner=owner.id, **row))


def _columns(new: NewVideo, owner: Key, change: int) -> dict[str, Any]:
    names = ("kind", "task", "model", "width", "height", "fps", "num_frames", "seed", "native_size")
    row = {name: getattr(new, name) for name in (*names, "id", "prompt", "title", "remixed_from")}
    return row | {
        "owner": owner.id,
        "parents": list(new.parents),
        "files": {},
        "created_at": now(),
        "change": change,
    }


def _check_room(connection: Connection, settings: Settings, owner: Key) -> None:
    waiting = select(func.count()).select_from(videos).where(videos.c.status == QUEUED, ~videos.c.deleted)
    headers = {"retry-after": "5", "x-should-retry": "true"}
    if connection.execute(waiting).scalar_one() >= settings.max_queued:
        raise ApiError(
            429,
            f"{settings.max_queued} videos wait already; try again in some seconds.",
            code="queue_full",
            headers=headers,
        )
    if (
        connection.execute(waiting.where(videos.c.owner == owner.id)).scalar_one()
        >= settings.max_queued_per_key
    ):
        raise ApiError(
            429,
            f"{settings.max_queued_per_key} videos of yours wait already; wait for some of them.",
            code="rate_limit_exceeded",
            headers=headers,
        )
    _check_quota(connection, settings, owner)


def _check_quota(connection: Connection, settings: Settings, owner: Key) -> None:
    kept = select(func.coalesce(func.sum(videos.c.bytes), 0)).where(videos.c.owner == owner.id)
    if connection.execute(kept).scalar_one() >= settings.max_bytes_per_key:
        raise ApiError(
            429,
            f"your videos fill the {settings.max_bytes_per_key / 2**30:.3g} GiB that you have; delete some.",
            code="insufficient_quota",
            headers={"x-should-retry": "false"},
        )


def _turn(connection: Connection, owner: Key, new: NewVideo) -> float:
    """The virtual time at which a new job's turn begins; its owner's next one comes so much later."""
    cost = new.num_frames * new.width * new.height / _COST_UNIT
    before = connection.execute(select(owners.c.turn).where(owners.c.owner == owner.id)).scalar()
    turn = max(counted(connection, "turn"), before or 0.0)
    if before is None:
        connection.execute(insert(owners).values(owner=owner.id, turn=turn + cost))
    else:
        connection.execute(update(owners).where(owners.c.owner == owner.id).values(turn=turn + cost))
    return turn
