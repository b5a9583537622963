"""Jobs of one shape that a worker makes at once."""

import time
from typing import Any

import pytest

from tenku.media import read_video
from tenku.pipeline.together import Together
from tenku.serving import queue
from tenku.serving.keys import OPEN
from tenku.serving.records import COMPLETED, FAILED, QUEUED, VIDEO


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each sampler call was for."""
    sizes: list[int] = []
    begin = Together.of.__func__  # type: ignore[attr-defined]

    def counted(cls: type[Together], pipeline: Any, requests: Any, *rest: Any) -> Together:
        sizes.append(len(requests))
        made: Together = begin(cls, pipeline, requests, *rest)
        return made

    monkeypatch.setattr(Together, "of", classmethod(counted))
    return sizes


def test_all_are_made_in_one_call(place: Any, calls: list[int]) -> None:
    asked = [place.put(seed=seed, width=64 + 32 * (seed == 2)) for seed in range(3)]
    place.work(3)
    assert calls == [3]
    assert place.changes >= 3
    for seed, video in enumerate(asked):
        record = place.find(video)
        assert record.status == COMPLETED
        seen = read_video(place.storage.path(record.files[VIDEO]))
        assert (seen.num_frames, seen.width) == (8, 64 + 32 * (seed == 2))
    assert not list(place.settings.scratch.iterdir())


def test_one_that_is_cancelled_or_cannot_be_made_leaves_the_others(place: Any, calls: list[int]) -> None:
    broken = {**place.TASK, "characters": ["char_gone"]}
    cancelled, unmade = place.put(seed=1), place.put(seed=2, task=broken)
    kept = [place.put(seed=seed) for seed in (3, 4)]
    first = queue.lease(place.database, place.settings, "worker")
    assert first is not None
    others = queue.lease_alike(place.database, place.settings, "worker", first, 3)
    queue.cancel(place.database, OPEN.id, cancelled)
    place.worker._maker.make_together = _after_the_next_beat(place.worker._maker.make_together)  # type: ignore[method-assign]
    place.worker.work(first, *others)
    assert calls == [2]
    assert (place.find(cancelled).status, place.find(cancelled).error_code) == (FAILED, "cancelled")
    assert (place.find(unmade).status, place.find(unmade).error_code) == (FAILED, "invalid_request")
    assert [place.find(video).status for video in kept] == [COMPLETED] * 2


def _after_the_next_beat(make: Any) -> Any:
    def made(jobs: Any) -> Any:
        time.sleep(0.6)
        return make(jobs)

    return made


def test_a_worker_that_is_told_to_stop_gives_all_back(place: Any) -> None:
    asked = [place.put(seed=seed) for seed in range(3)]
    place.worker.stopping.set()
    place.worker._maker.make_together = _after_the_next_beat(place.worker._maker.make_together)  # type: ignore[method-assign]
    place.work(3)
    assert [place.find(video).status for video in asked] == [QUEUED] * 3
    assert [place.find(video).stops for video in asked] == [1] * 3
