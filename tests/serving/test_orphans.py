"""A worker whose server was killed gives back what it makes, in the middle of a step if need be, and ends."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tenku.serving import library
from tenku.serving.database import Database
from tenku.serving.keys import NOBODY
from tenku.serving.records import QUEUED
from tenku.serving.settings import Settings

LEASE = 15.0  # seconds after which it would be given back in any case


@pytest.mark.slow
def test_an_orphan_gives_back_its_job_and_ends(tmp_path: Path, running: Any) -> None:
    home = tmp_path / "home"
    with running(home) as server, server.client() as client:
        order = {"prompt": "a red ball bounces", "size": "128x128", "seconds": 20}
        video = client.post("/v1/videos", json=order).json()["id"]
        while client.get(f"/v1/videos/{video}").json()["status"] == "queued":
            time.sleep(0.05)
        listed = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True)
        workers = [int(line) for line in listed.stdout.split()]
        server.process.kill()
        server.process.wait()
        killed = time.monotonic()
        database = Database(Settings(home=home).database)
        while library.find(database, NOBODY, video).status != QUEUED:
            assert time.monotonic() - killed < LEASE
            time.sleep(0.05)
        record = library.find(database, NOBODY, video)
        database.dispose()
        assert (record.attempt, record.stops) == (1, 1)  # it was no fault of the job's
        while any(Path(f"/proc/{worker}").exists() and _lives(worker) for worker in workers):
            assert time.monotonic() - killed < 2 * LEASE
            time.sleep(0.05)


def _lives(process: int) -> bool:
    """Whether a process is more than an entry that nobody has read yet."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
