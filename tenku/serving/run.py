"""A server from its start to its end."""

import asyncio
import gc
import logging
import socket
import sys
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tenku.errors import UserError
from tenku.serving.app import make_app
from tenku.serving.database import Database
from tenku.serving.keys import list_keys
from tenku.serving.logs import set_up_logs
from tenku.serving.moderation import policy_of
from tenku.serving.settings import Settings

_HEAD_SECONDS: Final = 15.0  # in which a request's head has to arrive
_GRACE_SECONDS: Final = 5
_SWITCH_SECONDS: Final = 0.0005
_log: Final = logging.getLogger("tenku")


def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    policy_of(settings)  # what is wrong with it is told before anything begins
    database = Database(settings.database)
    if not settings.is_loopback and not list_keys(database):
        raise UserError(
            f"without any API key the server listens on this machine only, not on {settings.host}; make one "
            "with `tenku keys add NAME`, or leave out --host."
        )
    listening = _bound(settings)
    set_up_logs(settings)
    app = make_app(settings, database)
    config = uvicorn.Config(
        app,
        http=_PatientProtocol,
        ws="websockets-sansio",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws_max_size=2**18,
        backlog=2_048,
    )
    host, port = listening.getsockname()[:2]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    print(f"tenku is at http://{place}, its state in {settings.home}", flush=True)
    if not list_keys(database):
        print(
            "there are no API keys, so only this machine can use it; `tenku keys add NAME` makes one",
            flush=True,
        )
    _favour_answers()
    _Server(config).run(sockets=[listening])


def _favour_answers() -> None:
    """Let threads that wait for the database give way to the event loop sooner than after Python's five
    milliseconds, and leave what lives as long as the server out of garbage collections."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """Tells those who watch that they have to go before it waits for them."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        app: Any = self.config.app
        app.close()


class _PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 for clients that send the head of a request within a while."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.call_later(_HEAD_SECONDS, transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._deadline = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        self._lift()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lift()
        super().connection_lost(exc)

    def _lift(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _bound(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot listen on {settings.host}:{settings.port} ({reason.lower()}); choose another --port."
        ) from error
    return listening
