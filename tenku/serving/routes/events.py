"""Server-sent events: every change of a video, or of all of yours, and the newest frames of what is being
made."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.requests import Request

from tenku.serving import library
from tenku.serving.board import Board, Watcher
from tenku.serving.context import Context, caller, context_of, in_thread
from tenku.serving.keys import Key
from tenku.serving.records import Record
from tenku.serving.routes.answers import ERRORS
from tenku.serving.wire import video_object

router = APIRouter(prefix="/v1", tags=["events"], responses=ERRORS)

_SILENCE: Final = 15.0  # seconds after which a comment keeps proxies from closing
_AT_CONNECT: Final = 50  # newest videos that a new gallery is told of
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get("/videos/{video_id}/events", response_class=StreamingResponse, responses=_STREAM)
async def of_one(request: Request, video_id: str) -> StreamingResponse:
    """Follow one video until it is finished."""
    context, owner = context_of(request), caller(request)
    record = await context.find(owner, video_id)
    return _answer(_follow(context, owner, record.id, [record]))


@router.get("/events", response_class=StreamingResponse, responses=_STREAM)
async def of_all(request: Request) -> StreamingResponse:
    """Follow all of your videos; at first comes what is newest."""
    context, owner = context_of(request), caller(request)
    newest, _ = await in_thread(
        library.page, context.database, owner.id, after=None, limit=_AT_CONNECT, order="desc"
    )
    return _answer(_follow(context, owner, None, newest[::-1]))


def _answer(events: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _follow(
    context: Context, owner: Key, video: str | None, known: list[Record]
) -> AsyncIterator[bytes]:
    board = context.board
    with board.watching(owner.id, video) as watcher, context.metrics.watchers.track_inprogress():
        for record in known:
            board.put(record)
            watcher.tell(record)
            if board.preview(record.id) is not None:
                watcher.tell(record, preview=True)
        yield b"retry: 2000\n\n"
        while not board.is_closing:
            try:
                async with asyncio.timeout(_SILENCE):
                    await watcher.woken.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            for name, facts in _news(board, watcher, alone=video is not None):
                yield _event(name, facts)
            last = board.latest(video) if video is not None else None
            if last is not None and (last.is_finished or last.deleted):
                return


def _news(board: Board, watcher: Watcher, *, alone: bool) -> list[tuple[str, Mapping[str, Any]]]:
    """What has changed since this was asked last."""
    watcher.woken.clear()
    changed, previewed = list(watcher.changed), list(watcher.previewed)
    watcher.changed.clear()
    watcher.previewed.clear()
    news: list[tuple[str, Mapping[str, Any]]] = []
    for video in previewed:
        if (shown := board.preview(video)) is not None:
            number, image = shown
            picture = {"index": number, "image": f"data:image/webp;base64,{base64.b64encode(image).decode()}"}
            news.append(("preview", picture if alone else {"id": video, **picture}))
    for video in changed:
        record = board.latest(video)
        if record is None or record.deleted:
            news.append(("deleted", {"id": video}))
        else:
            news.append(("video", video_object(record, board.position(video))))
    return news


def _event(name: str, facts: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n".encode(errors="replace")
