"""Retrieving a video, the one request of which there are thousands: answered from the board, before routes
are matched and dependencies found.

Whatever is not plainly one of the caller's own videos that the board knows goes the usual way.
"""

import json
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from tenku.serving.board import Board
from tenku.serving.identifiers import is_id
from tenku.serving.keys import OPEN, Key, bearer_token, digest
from tenku.serving.records import Record
from tenku.serving.settings import Settings
from tenku.serving.wire import video_object

_PREFIX: Final = "/v1/videos/"
_ROUTE: Final = SimpleNamespace(path="/v1/videos/{video_id}")  # as metrics name it
_KEPT: Final = 2_000  # answers that are kept as bytes


class Retrieving:
    """ASGI middleware for `GET /v1/videos/{video_id}`."""

    def __init__(self, app: ASGIApp, board: Board, settings: Settings) -> None:
        self._app = app
        self._board = board
        self._headers = [
            (b"content-type", b"application/json"),
            (b"openai-poll-after-ms", str(settings.poll_after_ms).encode()),
        ]
        self._answers: OrderedDict[str, tuple[int, int | None, bytes]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        record = self._found(scope)
        if record is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        body = self._body(record)
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _found(self, scope: Scope) -> Record | None:
        """The caller's own video that is asked for, if it is certain that nothing else is."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PREFIX):
            return None
        video = scope["path"][len(_PREFIX) :]
        record = self._board.record(video) if is_id(video, "video") else None
        owner = self._caller(scope)
        if record is None or record.deleted or owner is None or record.owner != owner.id:
            return None
        return record

    def _caller(self, scope: Scope) -> Key | None:
        if self._board.is_open:
            return OPEN
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = bearer_token(value.decode("latin-1"))
                return self._board.key(digest(token)) if token else None
        return None

    def _body(self, record: Record) -> bytes:
        place = self._board.position(record.id)
        kept = self._answers.get(record.id)
        if kept is not None and kept[:2] == (record.change, place):
            return kept[2]
        body = encoded(video_object(record, place))
        self._answers[record.id] = (record.change, place, body)
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return body


def encoded(value: Any) -> bytes:
    """JSON as the framework's own answers have it."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
