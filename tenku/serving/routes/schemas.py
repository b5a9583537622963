"""What answers look like, for OpenAPI; they are built in `wire.py`."""

from typing import Any, Literal

from pydantic import BaseModel


class ErrorDetails(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorObject(BaseModel):
    """An answer that is none."""

    error: ErrorDetails


class VideoError(BaseModel):
    """Why a video could not be made."""

    code: str
    message: str


class VideoObject(BaseModel):
    """A video: the thirteen fields of the standard, then ours."""

    id: str
    object: Literal["video"]
    model: str
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int
    created_at: int
    completed_at: int | None
    expires_at: int | None
    prompt: str | None
    size: str
    seconds: str
    remixed_from_video_id: str | None
    error: VideoError | None
    kind: str
    title: str | None
    parents: list[str]
    width: int
    height: int
    fps: float
    num_frames: int
    seed: int
    native_size: str | None
    stage: str | None
    queue_position: int | None
    frames_done: int
    has_latents: bool


class VideoList(BaseModel):
    """A page of videos."""

    object: Literal["list"]
    data: list[VideoObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(BaseModel):
    """What is left of a deleted video."""

    id: str
    object: Literal["video.deleted"]
    deleted: Literal[True]


class CharacterObject(BaseModel):
    """A character."""

    id: str
    object: Literal["character"]
    name: str
    created_at: int


class EndpointObject(BaseModel):
    """A webhook endpoint; its secret is there only when it is new."""

    id: str
    object: Literal["webhook_endpoint"]
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str
    created_at: int
    updated_at: int
    signing_secret: str | None = None


class LiveObject(BaseModel):
    """A live session; its socket is /v1/live/{id}."""

    id: str
    fps: float
    width: int
    height: int


class Caller(BaseModel):
    """Who is asking."""

    name: str
    open: bool


class VerdictObject(BaseModel):
    """What a file is, why, what was signed of it, and its watermark."""

    verdict: str
    sentence: str
    manifest: dict[str, Any] | None
    watermark: dict[str, Any] | None
