"""Around every request: its id, the size of its body, slow clients, other web sites, and answers to what went
wrong."""

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tenku.serving.bodies import too_large
from tenku.serving.faults import ApiError, fault_of
from tenku.serving.identifiers import new_id
from tenku.serving.metrics import Metrics
from tenku.serving.settings import LOOPBACK, Settings

_SEND_SECONDS: Final = 60.0
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,100}")
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_log: Final = logging.getLogger("tenku.access")


class Limits:
    """ASGI middleware outside of everything else."""

    def __init__(
        self, app: ASGIApp, settings: Settings, metrics: Metrics, on_close: Callable[[], None]
    ) -> None:
        self._app = app
        self.close = on_close  # before the server waits for those who watch
        self._settings = settings
        self._metrics = metrics
        self._largest = settings.max_upload + 2**20

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and turn whatever is raised into an answer."""
        if scope["type"] != "http":
            await self._pass_on(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send, self._largest, self._settings.request_timeout)
        try:
            self._check_place(scope)
            exchange.check_length()
            await self._app(scope, exchange.receive, exchange.send)
        except Exception as error:
            if (fault := fault_of(error)) is not None:
                await exchange.answer(fault)
        finally:
            self._metrics.answered(exchange.route(), exchange.status, exchange.seconds)
            exchange.log()

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            try:
                self._check_place(scope)
            except ApiError:
                await send({"type": "websocket.close", "code": 1008})
                return
        await self._app(scope, receive, send)

    def _check_place(self, scope: Scope) -> None:
        """Refuse other web sites that a browser on this machine has open, by whatever name they reach us."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        allowed = (*LOOPBACK, *self._settings.trusted_hosts)
        if self._settings.is_loopback and _name_of(host) not in allowed:
            raise ApiError(
                421,
                "this server answers to localhost only; name other hosts with --trust-host.",
                code="wrong_host",
            )
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        ours = urlsplit(origin).netloc in (host, *self._settings.trusted_hosts)
        if origin and scope.get("method") != "GET" and not ours:
            raise ApiError(
                403, "another web site may not use this server through your browser.", code="wrong_origin"
            )


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, largest: int, timeout: float) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._largest = largest
        self._timeout = timeout
        self._received = 0
        self._began = time.perf_counter()
        self._is_read = False
        self._headers = dict(scope["headers"])
        given = self._headers.get(b"x-request-id", b"")
        self.id = given.decode() if _REQUEST_ID.fullmatch(given) else new_id("req")
        self.status = 0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def route(self) -> str:
        """The pattern of the path, of which there are few."""
        route = self._scope.get("route")
        return str(getattr(route, "path", "other"))

    def check_length(self) -> None:
        """Refuse a body that says it is too large before any of it is read."""
        length = self._headers.get(b"content-length", b"0")
        if not re.fullmatch(rb"[0-9]{1,18}", length):
            raise ApiError(400, "content-length is no number.", code="invalid_value")
        if int(length) > self._largest:
            raise too_large(self._largest)

    async def receive(self) -> Message:
        """The next part of the body; a client that is silent for too long is sent away."""
        if self._is_read:  # what comes now is only that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout(self._timeout):
                message = await self._receive()
        except TimeoutError as error:
            raise ApiError(
                408,
                "the request's body did not come in time; send it again.",
                code="timeout",
                headers={"connection": "close"},
            ) from error
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._is_read = not message.get("more_body", False)
            if self._received > self._largest:
                raise too_large(self._largest)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer; a client that takes nothing for too long is let go."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self.id.encode()), *_SECURITY]
            message = {**message, "headers": headers}
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._send(message)
        except TimeoutError as error:
            raise ConnectionAbortedError("the client takes nothing") from error

    async def answer(self, fault: ApiError) -> None:
        """Answer with what went wrong, if nothing was answered yet."""
        if self.status:
            return
        body = json.dumps(fault.body(), ensure_ascii=False).encode(errors="replace")
        headers = {"content-type": "application/json", "content-length": str(len(body)), **fault.headers}
        if not self._is_read and self._scope["method"] not in ("GET", "HEAD", "DELETE"):
            headers["connection"] = "close"  # the rest of its body is not read
        pairs = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        try:
            await self.send({"type": "http.response.start", "status": fault.status, "headers": pairs})
            await self.send({"type": "http.response.body", "body": body})
        except ConnectionAbortedError:
            pass

    def log(self) -> None:
        """One line for the log."""
        if not _log.isEnabledFor(logging.INFO):
            return
        facts: dict[str, Any] = {
            "request": self.id,
            "method": self._scope["method"],
            "path": self._scope["path"][:200],
            "status": self.status,
            "seconds": round(self.seconds, 4),
        }
        _log.info("%(method)s %(path)r %(status)s", facts, extra={"facts": facts})
