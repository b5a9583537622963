"""The database is gone for a while: clear errors, nothing lost, and all goes on when it is back.

TENKU_TEST_OUTAGE sets for how many seconds, 4 by default.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

OUTAGE = float(os.environ.get("TENKU_TEST_OUTAGE", "4"))
ORDER = {"prompt": "a red ball falls", "size": "64x64", "seconds": 0.5}


@pytest.mark.slow
def test_all_goes_on_when_the_database_is_back(tmp_path: Path, running: Any, postgresql: Any) -> None:
    environment = {"TENKU_DATABASE_URL": postgresql.new_database("outage")}
    with running(tmp_path / "home", environment=environment) as server, server.client() as client:
        long = client.post("/v1/videos", json={**ORDER, "seconds": 10}).json()["id"]
        waiting = client.post("/v1/videos", json=ORDER).json()["id"]
        while client.get(f"/v1/videos/{long}").json()["status"] == "queued":
            time.sleep(0.1)
        postgresql.stop("immediate")
        try:
            refused = client.post("/v1/videos", json=ORDER)
            time.sleep(OUTAGE)
            unseen = client.get(f"/v1/videos/{long}")
            alive, ready = client.get("/healthz"), client.get("/readyz")
        finally:
            postgresql.start()
        for answer in (refused, unseen, ready):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"]
            assert str(postgresql.port) not in answer.text
        assert alive.status_code == 200
        _wait_until_ready(client)
        for video in (long, waiting, client.post("/v1/videos", json=ORDER).json()["id"]):
            found = server.finished(video, 120)
            assert found["status"] == "completed", found


def _wait_until_ready(client: Any) -> None:
    end = time.monotonic() + 60
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.slow
def test_a_worker_on_another_machine_does_the_work(tmp_path: Path, running: Any, postgresql: Any) -> None:
    url, files = postgresql.new_database("elsewhere"), str(tmp_path / "shared")
    environment = {"TENKU_DATABASE_URL": url, "TENKU_STORAGE_URL": files}
    with running(tmp_path / "home", "--workers", "0", environment=environment) as server:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from tenku.cli import main; main()",
                "worker",
                "--url",
                url,
                "--storage",
                files,
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1", "TENKU_HOME": str(tmp_path / "elsewhere")},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        stopper = threading.Timer(100, worker.kill)
        stopper.start()
        try:
            assert server.made()["status"] == "completed"
        finally:
            stopper.cancel()
            worker.terminate()
            assert worker.wait(30) == 0
