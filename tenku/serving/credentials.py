"""What is signed of a video: how it was made, and of which others."""

from pathlib import Path
from typing import Final

from sqlalchemy import select

from tenku.media import Frame
from tenku.provenance import Marker, Origin, Parent, sign_bytes
from tenku.serving.database import Database
from tenku.serving.records import VIDEO, Record
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage
from tenku.serving.tables import videos

# What was done to the one video that another is made of.
_EDITS: Final = {
    "extension": "extended",
    "remix": "remixed",
    "edit": "edited",
    "loop": "looped",
    "fill": "filled",
}


def origin_of(settings: Settings, database: Database, storage: Storage, record: Record) -> Origin:
    """How a job's video comes to be, its parents and its first picture included."""
    parents = [Parent(path, path.name) for path in _parent_files(database, storage, record)]
    edit = _EDITS.get(record.kind, "") if len(parents) == 1 else ""
    return Origin(
        model=Path(settings.model).name,
        seed=record.seed,
        prompt=record.prompt or "",
        edit=edit,
        parents=parents,
    )


def signed_picture(settings: Settings, origin: Origin, encoded: bytes, title: str) -> bytes:
    """An encoded JPEG or WebP with credentials."""
    return sign_bytes(encoded, origin, title=title, home=settings.home)


def marked(origin: Origin, picture: Frame) -> Frame:
    """A still picture (h w 3) with the mark in it."""
    return Marker(origin.watermark)(picture)


def _parent_files(database: Database, storage: Storage, record: Record) -> list[Path]:
    """The files of those parents that are still there."""
    names = [record.task["picture"]] if "picture" in record.task else []
    with database.reading() as connection:
        for parent in record.parents:
            files = connection.execute(select(videos.c.files).where(videos.c.id == parent)).scalar() or {}
            names += [files[VIDEO]] if VIDEO in files else []
    found = []
    for name in names:
        try:
            found.append(storage.path(name))
        except FileNotFoundError:
            continue
    return found
