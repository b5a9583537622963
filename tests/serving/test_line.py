"""The order of waiting jobs is that of sorting them, whatever comes and goes."""

import random
from types import SimpleNamespace
from typing import Any

from tenku.serving.line import Line


def waiting(number: int, choose: random.Random) -> Any:
    turn, priority = choose.choice((0.0, 0.5, 1.0, 2.0)), choose.choice((0, 0, 5))
    return SimpleNamespace(id=f"video_{number}", turn=turn, priority=priority, created_at=float(number % 3))


def test_places_are_those_of_a_sorted_list() -> None:
    choose, line, jobs = random.Random(3), Line(), dict[str, Any]()
    for number in range(400):
        if jobs and choose.random() < 0.4:
            gone = choose.choice(list(jobs))
            del jobs[gone]
            line.remove(gone)
            line.remove(gone)
        else:
            job = waiting(number % 90, choose)
            jobs[job.id] = job
            line.add(job)
        order = sorted(jobs.values(), key=lambda job: (-job.priority, job.turn, job.created_at, job.id))
        assert list(line) == [job.id for job in order]
        assert len(line) == len(jobs)
        assert [line.place(job.id) for job in order] == list(range(len(order)))
    assert line.place("video_none") is None
