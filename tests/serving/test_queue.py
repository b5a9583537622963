"""The durable queue, on SQLite and on PostgreSQL."""

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from tenku.serving import library, queue, submitting
from tenku.serving.database import Database, now
from tenku.serving.faults import ApiError
from tenku.serving.keys import Key
from tenku.serving.leases import LeaseObserver
from tenku.serving.queue import News
from tenku.serving.records import COMPLETED, FAILED, QUEUED
from tenku.serving.settings import Settings
from tenku.serving.submitting import NewVideo, Repeat
from tenku.serving.tables import deliveries, endpoints

ALICE, BOB = (Key(name, name, 0, 0.0) for name in ("alice", "bob"))
SETTINGS = Settings(home=Path("/nonexistent"), max_queued=100, max_queued_per_key=60)


def new(**changes: Any) -> NewVideo:
    facts = {
        "kind": "generation",
        "task": {"verb": "generate"},
        "model": "sora-2",
        "prompt": "a ball",
        "seed": 1,
    }
    return NewVideo(**{**facts, "width": 128, "height": 128, "fps": 16.0, "num_frames": 32, **changes})


def put(database: Database, owner: Key = ALICE, **changes: Any) -> str:
    return submitting.submit(database, SETTINGS, owner, new(**changes)).id


def leased(database: Database, worker: str = "worker", settings: Settings = SETTINGS) -> queue.Lease:
    held = queue.lease(database, settings, worker)
    assert held is not None
    return held


def test_jobs_come_in_their_order(database: Database) -> None:
    put_in = [put(database) for _ in range(3)]
    assert [leased(database).record.id for _ in range(3)] == put_in
    assert queue.lease(database, SETTINGS, "worker") is None


def test_owners_take_turns_however_much_they_ask_for(database: Database) -> None:
    many = [put(database) for _ in range(5)]
    few = [put(database, BOB) for _ in range(2)]
    order = [leased(database).record.id for _ in range(7)]
    assert [order.index(video) for video in few] == [1, 3]
    assert [video for video in order if video in many] == many


def test_who_asks_for_long_videos_waits_longer(database: Database) -> None:
    for _ in range(2):
        put(database, num_frames=320)
    short = [put(database, BOB) for _ in range(4)]
    order = [leased(database).record.id for _ in range(6)]
    assert [order.index(video) for video in short] == [1, 2, 3, 4]


def test_idle_owners_save_up_nothing(database: Database) -> None:
    for _ in range(3):
        put(database)
        leased(database)
    first = put(database, BOB)
    second = put(database)
    assert [leased(database).record.id for _ in range(2)] == [first, second]


def test_higher_priority_comes_first(database: Database) -> None:
    put(database)
    urgent = put(database, Key("carol", "carol", 5, 0.0))
    assert leased(database).record.id == urgent


def test_an_owner_runs_no_more_than_allowed(database: Database) -> None:
    settings = Settings(home=Path("/nonexistent"), max_running_per_key=1)
    put(database), put(database), put(database, BOB)
    assert {leased(database, settings=settings).record.owner for _ in range(2)} == {"alice", "bob"}
    assert queue.lease(database, settings, "worker") is None


def test_no_two_workers_get_one_job(database: Database) -> None:
    put_in = [put(database) for _ in range(40)]
    taken: list[str] = []

    def work(name: str) -> None:
        while (held := queue.lease(database, SETTINGS, name)) is not None:
            taken.append(held.record.id)

    threads = [threading.Thread(target=work, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(put_in)


def test_jobs_of_one_shape_are_leased_together(database: Database) -> None:
    alike = [put(database, seed=seed, prompt=f"ball {seed}") for seed in range(3)]
    first = leased(database)
    others = queue.lease_alike(database, SETTINGS, "worker", first, 8)
    assert [held.record.id for held in (first, *others)] == alike
    assert queue.keep(database, News(first), *map(News, others)) == [False] * 3
    assert queue.complete(database, SETTINGS, others[0], {"video": "one"}, {})
    assert queue.keep(database, News(first), *map(News, others)) == [False, None, False]


def test_nobody_is_passed_over_for_the_sake_of_a_batch(database: Database) -> None:
    for changes in ({}, {}, {"num_frames": 48}, {}):
        put(database, **changes)
    first = leased(database)
    assert len(queue.lease_alike(database, SETTINGS, "worker", first, 8)) == 1
    other = leased(database)
    assert other.record.num_frames == 48
    assert queue.lease_alike(database, SETTINGS, "worker", other, 8) == []


def test_only_so_many_are_leased_together_as_one_may_run(database: Database) -> None:
    for _ in range(4):
        put(database)
    settings = replace(SETTINGS, max_running_per_key=2)
    first = leased(database, settings=settings)
    assert len(queue.lease_alike(database, settings, "worker", first, 8)) == 1


def test_only_who_holds_the_lease_can_finish(database: Database) -> None:
    video = put(database)
    lost = leased(database, "first")
    queue.release(database, lost)
    held = leased(database, "second")
    assert queue.keep(database, News(lost)) == [None]
    assert not queue.complete(database, SETTINGS, lost, {"video": "theirs"}, {})
    assert queue.complete(database, SETTINGS, held, {"video": "ours"}, {"bytes": 5})
    assert not queue.complete(database, SETTINGS, held, {"video": "twice"}, {})
    assert not queue.fail(database, held, "code", "message")
    record = library.find(database, "alice", video)
    assert (record.status, record.files, record.bytes) == (COMPLETED, {"video": "ours"}, 5)


def test_a_job_that_ends_its_workers_fails_in_the_end(database: Database) -> None:
    video = put(database)
    for _ in range(queue.MAX_ATTEMPTS):
        leased(database)
        queue.release_all(database, "worker")
    record = library.find(database, "alice", video)
    assert (record.status, record.error_code) == (FAILED, "worker_lost")


def test_a_job_that_was_only_stopped_never_fails(database: Database) -> None:
    video = put(database)
    for _ in range(2 * queue.MAX_ATTEMPTS):
        queue.release(database, leased(database), was_stopped=True)
    assert library.find(database, "alice", video).status == QUEUED


def test_leases_that_are_kept_are_left(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("tenku.serving.leases.time.monotonic", lambda: clock[0])
    kept, lost = put(database), put(database)
    held, _ = leased(database, "alive"), leased(database, "dead")
    observer = LeaseObserver(database, 10)
    for second in range(12):
        clock[0] = float(second)
        assert observer.look() == ([lost] if second == 11 else [])
        assert queue.keep(database, News(held, {"progress": second})) == [False]
    assert library.find(database, "alice", lost).status == QUEUED
    assert library.find(database, "alice", kept).progress == 11


def test_an_outage_ends_no_lease(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("tenku.serving.leases.time.monotonic", lambda: clock[0])
    put(database)
    leased(database)
    observer = LeaseObserver(database, 10)
    for second in (0.0, 1.0, 60.0, 61.0):
        clock[0] = second
        assert observer.look() == []


def test_cancelling_is_seen_by_who_keeps_the_lease(database: Database) -> None:
    video = put(database)
    held = leased(database)
    assert queue.cancel(database, "bob", video) is None
    assert queue.cancel(database, "alice", video) is not None
    assert queue.keep(database, News(held)) == [True]
    queue.release(database, held)
    assert library.find(database, "alice", video).error_code == "cancelled"


def test_the_same_request_gives_the_same_video(database: Database) -> None:
    repeat = Repeat.of("key", "/v1/videos", b"body")
    first = submitting.submit(database, SETTINGS, ALICE, new(), repeat)
    assert submitting.submit(database, SETTINGS, ALICE, new(), repeat).id == first.id
    assert submitting.submit(database, SETTINGS, BOB, new(), repeat).id != first.id
    with pytest.raises(ApiError, match="another request"):
        submitting.submit(database, SETTINGS, ALICE, new(), Repeat.of("key", "/v1/videos", b"other"))


def test_a_full_queue_takes_no_more(database: Database) -> None:
    for _ in range(60):
        put(database)
    with pytest.raises(ApiError, match="of yours wait") as mine:
        put(database)
    for _ in range(40):
        put(database, BOB)
    with pytest.raises(ApiError, match="wait already") as all_of_ours:
        put(database, BOB)
    assert mine.value.status == all_of_ours.value.status == 429


def test_a_quota_is_a_bound(database: Database) -> None:
    settings = Settings(home=Path("/nonexistent"), max_bytes_per_key=100)
    submitting.add_finished(database, settings, ALICE, new(), {"video": "x"}, 100)
    with pytest.raises(ApiError) as caught:
        submitting.submit(database, settings, ALICE, new())
    assert caught.value.code == "insufficient_quota"
    submitting.submit(database, settings, BOB, new())


def test_an_end_is_told_once(database: Database) -> None:
    row = {"id": "we_1", "owner": "alice", "name": "n", "url": "http://x", "secret": "whsec_eA=="}
    with database.writing() as connection:
        connection.execute(
            insert(endpoints).values(
                **row, event_types=["video.completed"], created_at=now(), updated_at=now()
            )
        )
    put(database), put(database), put(database, BOB)
    held = [leased(database) for _ in range(3)]
    mine, (bobs,) = ([one for one in held if one.record.owner == owner] for owner in ("alice", "bob"))
    for _ in range(2):
        queue.complete(database, SETTINGS, mine[0], {}, {})
    queue.fail(database, mine[1], "code", "nobody asked to hear this")
    queue.complete(database, SETTINGS, bobs, {}, {})
    with database.reading() as connection:
        assert len(connection.execute(select(deliveries)).all()) == 1


def test_changes_are_numbered_in_the_order_in_which_they_are_seen(database: Database) -> None:
    seen: list[int] = []

    def submit() -> None:
        for _ in range(10):
            seen.append(submitting.submit(database, SETTINGS, ALICE, new()).change)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(min(seen), min(seen) + 40))


def test_what_is_deleted_is_lost_by_who_makes_it(database: Database) -> None:
    video = put(database)
    held = leased(database)
    library.throw_away(database, "alice", video)
    assert queue.keep(database, News(held, {"progress": 5})) == [None]
    assert not queue.complete(database, SETTINGS, held, {"video": "x"}, {})
    with pytest.raises(ApiError):
        library.find(database, "alice", video)


def test_pages_hold_everything_once(database: Database) -> None:
    put_in = [put(database) for _ in range(7)]
    put(database, BOB)
    for order, expected in (("asc", put_in), ("desc", put_in[::-1])):
        found: list[str] = []
        more = True
        while more:
            after = found[-1] if found else None
            page, more = library.page(database, "alice", after=after, limit=3, order=order)  # type: ignore[arg-type]
            found += [record.id for record in page]
        assert found == expected
