"""Webhooks: events from the outbox, signed by Standard Webhooks and sent until somebody takes them."""

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
from typing import Any, Final

import httpx
from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from tenku.serving.database import Database, now
from tenku.serving.faults import ApiError
from tenku.serving.fetching import post
from tenku.serving.settings import Settings
from tenku.serving.tables import deliveries, endpoints

_LOOK_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 10.0
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 3_600.0
_MAX_TRIES: Final = 20  # some twelve hours
_AT_ONCE: Final = 20
_log: Final = logging.getLogger("tenku.webhooks")


def new_secret() -> str:
    """A signing secret as the standard writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def signed_headers(identifier: str, timestamp: int, body: str, used: list[str]) -> dict[str, str]:
    """The headers by which a receiver knows that a body is ours, for each secret in use."""
    signatures = (_signature(secret, f"{identifier}.{timestamp}.{body}") for secret in used)
    return {
        "content-type": "application/json",
        "user-agent": "tenku",
        "webhook-id": identifier,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


async def send(settings: Settings, endpoint: Row[Any], identifier: str, body: str) -> int:
    """Send an event to an endpoint; the status of its answer."""
    used = [endpoint.secret]
    if endpoint.old_secret and (endpoint.old_secret_until or 0) > now():
        used.append(endpoint.old_secret)
    headers = signed_headers(identifier, int(now()), body, used)
    return await post(
        endpoint.url,
        body.encode(),
        headers,
        allow_private=settings.allow_private,
        seconds=_ANSWER_SECONDS,
    )


class Deliverer:
    """Sends what is due. Several servers may do so: who counts up the tries of a delivery first sends it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for what is due."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """What is not sent is sent by the next server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                due = await asyncio.to_thread(self._claimed)
            except SQLAlchemyError:
                continue  # the board tells of it
            await asyncio.gather(*(self._deliver(delivery, endpoint) for delivery, endpoint in due))

    async def _deliver(self, delivery: Row[Any], endpoint: Row[Any]) -> None:
        try:
            status = await send(self._settings, endpoint, delivery.id, delivery.body)
            is_taken, reason = 200 <= status < 300, f"status {status}"
        except (httpx.HTTPError, ApiError, OSError, TimeoutError) as error:
            is_taken, reason = False, str(error) or type(error).__name__
        if not is_taken:
            _log.info("%s was not taken: %s", delivery.id, reason)
        state = "delivered" if is_taken else "given_up" if delivery.tries + 1 >= _MAX_TRIES else None
        if state is not None:
            try:
                await asyncio.to_thread(self._settle, delivery.id, state)
            except SQLAlchemyError:
                _log.warning("%s may be sent again", delivery.id)

    def _claimed(self) -> list[tuple[Row[Any], Row[Any]]]:
        """What is due, each put off until it would be tried again."""
        # Nothing is put off for longer than the longest pause: what is due later than that was put off before
        # a clock went back.
        is_due = ~deliveries.c.due_at.between(now(), now() + _LONGEST_PAUSE)
        due = select(deliveries).where(deliveries.c.state == "waiting", is_due)
        with self._database.reading() as connection:
            rows = connection.execute(due.order_by(deliveries.c.due_at).limit(_AT_ONCE)).all()
            if not rows:
                return []
            wanted = {row.endpoint for row in rows}
            found = connection.execute(select(endpoints).where(endpoints.c.id.in_(wanted))).all()
        by_id = {endpoint.id: endpoint for endpoint in found}
        claimed = []
        for row in rows:
            if row.endpoint not in by_id:
                self._settle(row.id, "given_up")
            elif self._is_claimed(row):
                claimed.append((row, by_id[row.endpoint]))
        return claimed

    def _is_claimed(self, row: Row[Any]) -> bool:
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**row.tries)
        same = (deliveries.c.id == row.id) & (deliveries.c.tries == row.tries)
        claim = update(deliveries).where(same).values(tries=row.tries + 1, due_at=now() + pause)
        with self._database.writing() as connection:
            return connection.execute(claim).rowcount == 1

    def _settle(self, identifier: str, state: str) -> None:
        with self._database.writing() as connection:
            connection.execute(update(deliveries).where(deliveries.c.id == identifier).values(state=state))


def _signature(secret: str, text: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
