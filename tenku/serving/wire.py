"""Objects as clients see them: the thirteen fields of the standard, then ours."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from tenku.serving.records import COMPLETED, LATENTS, QUEUED, Record


def video_object(record: Record, position: int | None) -> dict[str, Any]:
    """A video. `position` is how many jobs come before it while it waits."""
    error = None
    if record.error_code is not None:
        error = {"code": record.error_code, "message": record.error_message or ""}
    return {
        "id": record.id,
        "object": "video",
        "model": record.model,
        "status": record.status,
        "progress": record.progress,
        "created_at": int(record.created_at),
        "completed_at": _seconds(record.completed_at) if record.status == COMPLETED else None,
        "expires_at": _seconds(record.expires_at),
        "prompt": record.prompt,
        "size": f"{record.width}x{record.height}",
        "seconds": f"{record.seconds:.6g}",
        "remixed_from_video_id": record.remixed_from,
        "error": error,
        "kind": record.kind,
        "title": record.title,
        "parents": list(record.parents),
        "width": record.width,
        "height": record.height,
        "fps": record.fps,
        "num_frames": record.num_frames,
        "seed": record.seed,
        "native_size": record.native_size,
        "stage": record.stage,
        "queue_position": position if record.status == QUEUED else None,
        "frames_done": record.frames_done,
        "has_latents": LATENTS in record.files,
    }


def deleted_object(video: str) -> dict[str, Any]:
    """What is left of a video."""
    return {"id": video, "object": "video.deleted", "deleted": True}


def list_object(objects: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of objects, from whose `last_id` a client goes on."""
    return {
        "object": "list",
        "data": list(objects),
        "first_id": objects[0]["id"] if objects else None,
        "last_id": objects[-1]["id"] if objects else None,
        "has_more": has_more,
    }


def character_object(row: Row[Any]) -> dict[str, Any]:
    """A character."""
    return {"id": row.id, "object": "character", "name": row.name, "created_at": int(row.created_at)}


def endpoint_object(row: Row[Any], *, with_secret: bool = False) -> dict[str, Any]:
    """A webhook endpoint; its secret is seen only when it is new."""
    facts = {
        "id": row.id,
        "object": "webhook_endpoint",
        "name": row.name,
        "url": row.url,
        "event_types": list(row.event_types),
        "signing_secret_hint": f"whsec_…{row.secret[-4:]}",
        "created_at": int(row.created_at),
        "updated_at": int(row.updated_at),
    }
    return facts | ({"signing_secret": row.secret} if with_secret else {})


def _seconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
