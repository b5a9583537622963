"""A video as the database holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from sqlalchemy import Row

QUEUED, IN_PROGRESS, COMPLETED, FAILED = "queued", "in_progress", "completed", "failed"
FINISHED: Final = (COMPLETED, FAILED)
LATENTS, VIDEO, THUMBNAIL, SPRITESHEET = "latents", "video", "thumbnail", "spritesheet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One row of `videos`. `files` says under which name in the storage each variant lies."""

    id: str
    owner: str
    kind: str
    title: str | None
    model: str
    prompt: str | None
    task: Mapping[str, Any]
    parents: tuple[str, ...]
    remixed_from: str | None
    width: int
    height: int
    fps: float
    num_frames: int
    seed: int
    native_size: str | None
    status: str
    progress: int
    stage: str | None
    frames_done: int
    error_code: str | None
    error_message: str | None
    created_at: float
    started_at: float | None
    completed_at: float | None
    expires_at: float | None
    priority: int
    turn: float
    attempt: int
    stops: int
    worker: str | None
    beat: int
    cancelled: bool
    files: Mapping[str, str]
    bytes: int
    deleted: bool
    change: int

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The record that a row of all columns holds."""
        facts = row._mapping
        values = {field.name: facts[field.name] for field in fields(cls)}
        return cls(**{**values, "parents": tuple(values["parents"])})

    @property
    def is_finished(self) -> bool:
        """Whether nothing will be done to it any more."""
        return self.status in FINISHED

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return self.num_frames / self.fps

    @property
    def folder(self) -> str:
        """Where in the storage all of its files lie."""
        return f"videos/{self.id}"
