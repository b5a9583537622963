"""What every route works with, and who is asking."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import anyio.to_thread
from starlette.requests import HTTPConnection

from tenku.serving import library
from tenku.serving.board import Board
from tenku.serving.database import Database
from tenku.serving.faults import ApiError, not_found
from tenku.serving.incoming import Incoming
from tenku.serving.keys import OPEN, Key, bearer_token, digest
from tenku.serving.live import LiveSessions
from tenku.serving.metrics import Metrics
from tenku.serving.records import Record
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage
from tenku.serving.supervisor import Supervisor

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a running server."""

    settings: Settings
    database: Database
    storage: Storage
    board: Board
    incoming: Incoming
    supervisor: Supervisor
    live: LiveSessions
    metrics: Metrics

    async def find(self, owner: Key, video: str) -> Record:
        """A video of an owner's; a fault if there is none, or it is somebody else's."""
        record = self.board.record(video)
        if record is None:
            record = await in_thread(library.find, self.database, owner.id, video)
            self.board.put(record)
        if record.owner != owner.id or record.deleted:
            raise not_found("video", video)
        return record


def context_of(connection: HTTPConnection) -> Context:
    """The server that a request or a socket came to."""
    context: Context = connection.app.state.context
    return context


def caller(connection: HTTPConnection) -> Key:
    """Who is asking: by their key, or anybody while there are none; a fault for everybody else."""
    return key_of(connection, bearer_token(connection.headers.get("authorization", "")))


def key_of(connection: HTTPConnection, token: str) -> Key:
    """Whose token this is."""
    board = context_of(connection).board
    if board.is_open:
        return OPEN
    key = board.key(digest(token)) if token else None
    if key is None:
        raise ApiError(
            401,
            "this server needs one of its API keys; send it as Authorization: Bearer KEY.",
            code="invalid_api_key",
            headers={"www-authenticate": "Bearer", "x-should-retry": "false"},
        )
    return key


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What waits for the database or the storage, away from the event loop."""
    return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs))
