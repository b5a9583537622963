"""The wall clock jumps, forwards and back: nothing is lost, taken away or done twice."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from tenku.serving import library, queue, submitting
from tenku.serving.database import Database, now
from tenku.serving.keys import Key
from tenku.serving.leases import LeaseObserver
from tenku.serving.metrics import Metrics
from tenku.serving.queue import News
from tenku.serving.records import COMPLETED
from tenku.serving.settings import Settings
from tenku.serving.submitting import NewVideo, Repeat
from tenku.serving.tables import deliveries, endpoints
from tenku.serving.webhooks import Deliverer

ALICE = Key("alice", "alice", 0, 0.0)
DAY = 86_400.0
SETTINGS = Settings(home=Path("/nonexistent"), retention=7 * DAY)


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Put the wall clock on by so many seconds; the steady clock goes on as ever."""
    real, ahead = time.time, [0.0]
    monkeypatch.setattr("tenku.serving.database.time.time", lambda: real() + ahead[0])

    def jumped(seconds: float) -> None:
        ahead[0] += seconds

    return jumped


def put(database: Database, repeat: Repeat | None = None) -> str:
    facts = {"kind": "generation", "task": {}, "model": "sora-2", "width": 64, "height": 64, "fps": 16.0}
    return submitting.submit(database, SETTINGS, ALICE, NewVideo(**facts, num_frames=8, seed=1), repeat).id  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [DAY, -DAY, -400 * DAY])
def test_a_jump_changes_neither_leases_nor_the_order(
    database: Database, jump: Callable[[float], None], seconds: float
) -> None:
    observer = LeaseObserver(database, 10)
    first = put(database)
    held = queue.lease(database, SETTINGS, "worker")
    assert held is not None
    second = put(database)
    observer.look()
    jump(seconds)
    assert observer.look() == []
    third = put(database)
    assert queue.keep(database, News(held, {"progress": 50})) == [False]
    assert queue.complete(database, SETTINGS, held, {"video": "x"}, {"bytes": 1})
    assert library.find(database, "alice", first).status == COMPLETED
    order = [queue.lease(database, SETTINGS, "worker") for _ in range(2)]
    assert [found.record.id for found in order if found is not None] == [second, third]
    assert library.expired(database) == []


def test_the_same_request_is_known_when_the_clock_has_gone_back(
    database: Database, jump: Callable[[float], None]
) -> None:
    repeat = Repeat.of("key", "/v1/videos", b"body")
    first = put(database, repeat)
    jump(-30 * DAY)
    library.forget_old(database)
    assert put(database, repeat) == first


def test_webhooks_do_not_wait_for_a_time_that_has_been(
    database: Database, jump: Callable[[float], None]
) -> None:
    row = {"id": "we_1", "owner": "alice", "name": "n", "url": "http://127.0.0.1:9/", "secret": "whsec_eA=="}
    with database.writing() as connection:
        connection.execute(
            insert(endpoints).values(**row, event_types=[], created_at=now(), updated_at=now())
        )
        event = {"id": "evt_1", "endpoint": "we_1", "body": "{}", "state": "waiting"}
        connection.execute(insert(deliveries).values(**event, due_at=now() + 1))
    deliverer = Deliverer(SETTINGS, database)
    assert deliverer._claimed() == []  # it is put off by a second
    jump(-DAY)
    assert [delivery.id for delivery, _ in deliverer._claimed()] == ["evt_1"]
    assert deliverer._claimed() == []


def test_times_that_run_backwards_are_counted_as_none() -> None:
    metrics = Metrics()
    metrics.ended("generation", COMPLETED, -5.0, -9.0)
    assert b'tenku_job_seconds_sum{kind="generation",status="completed"} 0.0' in metrics.text()
