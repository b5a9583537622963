"""What owners see of their own: one video, pages of them, new titles, and what is thrown away."""

from typing import Any, Literal

from sqlalchemy import and_, delete, or_, select, tuple_, update

from tenku.serving.database import Database, now
from tenku.serving.faults import not_found
from tenku.serving.identifiers import is_id
from tenku.serving.records import FAILED, Record
from tenku.serving.tables import deliveries, previews, repeats, videos

_DAY = 86_400.0


def find(database: Database, owner: str, video: str) -> Record:
    """A video of an owner's; a fault if there is none, or it is somebody else's."""
    if is_id(video, "video"):
        mine = and_(videos.c.id == video, videos.c.owner == owner, ~videos.c.deleted)
        with database.reading() as connection:
            row = connection.execute(select(videos).where(mine)).one_or_none()
        if row is not None:
            return Record.of(row)
    raise not_found("video", video)


def page(
    database: Database, owner: str, *, after: str | None, limit: int, order: Literal["asc", "desc"]
) -> tuple[list[Record], bool]:
    """Up to `limit` videos in the order of their creation, and whether there are more."""
    place = tuple_(videos.c.created_at, videos.c.id)
    columns = (videos.c.created_at, videos.c.id)
    query = select(videos).where(videos.c.owner == owner, ~videos.c.deleted)
    if after is not None:
        last = find(database, owner, after)
        here = tuple_(last.created_at, last.id)
        query = query.where(place < here if order == "desc" else place > here)
    sorted_query = query.order_by(*(column.desc() if order == "desc" else column for column in columns))
    with database.reading() as connection:
        rows = connection.execute(sorted_query.limit(limit + 1)).all()
    return [Record.of(row) for row in rows[:limit]], len(rows) > limit


def rename(database: Database, owner: str, video: str, title: str | None) -> Record:
    """Give a video another title."""
    return _changed(database, owner, video, {"title": title})


def throw_away(database: Database, owner: str, video: str) -> Record:
    """Take a video from its owner; its files are the caller's to remove.

    The row stays for a day, so that everybody who watches sees that it is gone. Whoever makes it loses it.
    """
    gone = {"deleted": True, "status": FAILED, "files": {}, "task": {}, "prompt": None, "title": None}
    before = find(database, owner, video)
    _changed(database, owner, video, {**gone, "bytes": 0, "completed_at": now()})
    with database.writing() as connection:
        connection.execute(delete(previews).where(previews.c.video == video))
    return before


def expired(database: Database) -> list[Record]:
    """Take away the files of what has outlived its retention; the records as they were before."""
    over = and_(videos.c.expires_at < now(), ~videos.c.deleted, videos.c.bytes > 0)
    with database.changing() as (connection, change):
        found = [Record.of(row) for row in connection.execute(select(videos).where(over).limit(100)).all()]
        ids = [record.id for record in found]
        emptied = update(videos).where(videos.c.id.in_(ids)).values(files={}, bytes=0, change=change)
        connection.execute(emptied)
    return found


def forget_old(database: Database) -> None:
    """Remove rows that nobody can ask for any more."""
    day_ago = now() - _DAY
    with database.writing() as connection:
        connection.execute(delete(videos).where(videos.c.deleted, videos.c.completed_at < day_ago))
        connection.execute(delete(repeats).where(repeats.c.created_at < day_ago))
        over = or_(deliveries.c.state == "delivered", deliveries.c.state == "given_up")
        connection.execute(delete(deliveries).where(over, deliveries.c.due_at < now() - 7 * _DAY))


def _changed(database: Database, owner: str, video: str, facts: dict[str, Any]) -> Record:
    if not is_id(video, "video"):
        raise not_found("video", video)
    mine = and_(videos.c.id == video, videos.c.owner == owner, ~videos.c.deleted)
    with database.changing() as (connection, change):
        changed = update(videos).where(mine).values(**facts, change=change).returning(videos)
        row = connection.execute(changed).one_or_none()
    if row is None:
        raise not_found("video", video)
    return Record.of(row)
