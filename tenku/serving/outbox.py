"""Events for webhooks, written in the transaction of what they tell of."""

import json
from typing import Final

from sqlalchemy import Connection, insert, select

from tenku.serving.database import now
from tenku.serving.identifiers import new_id
from tenku.serving.records import Record
from tenku.serving.tables import deliveries, endpoints

EVENT_TYPES: Final = ("video.completed", "video.failed")


def post_event(connection: Connection, record: Record, event: str) -> None:
    """Put an event in the outbox for each endpoint of the video's owner that wants it."""
    mine = select(endpoints.c.id, endpoints.c.event_types).where(endpoints.c.owner == record.owner)
    for endpoint, wanted in connection.execute(mine).all():
        if event in wanted:
            put(connection, endpoint, event, record.id)


def put(connection: Connection, endpoint: str, event: str, video: str) -> str:
    """Put one event for one endpoint in the outbox; its id, which stays the same when it is tried again."""
    identifier = new_id("evt")
    row = {"id": identifier, "endpoint": endpoint, "body": event_body(identifier, event, video)}
    connection.execute(insert(deliveries).values(**row, due_at=now(), state="waiting"))
    return identifier


def event_body(identifier: str, event: str, video: str) -> str:
    """The JSON that is signed and sent."""
    body = {
        "id": identifier,
        "object": "event",
        "created_at": int(now()),
        "type": event,
        "data": {"id": video},
    }
    return json.dumps(body)
