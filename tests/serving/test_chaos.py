"""Servers and workers are killed at random moments under load: nothing is lost, done twice, or served half.

TENKU_TEST_KILLS sets how often, 4 by default; TENKU_TEST_MINUTES ends the killing earlier.
"""

import io
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tenku.media import read_video
from tenku.serving.database import Database, now
from tenku.serving.keys import NOBODY
from tenku.serving.settings import Settings
from tenku.serving.tables import deliveries, endpoints

KILLS = int(os.environ.get("TENKU_TEST_KILLS", "4"))
MINUTES = float(os.environ.get("TENKU_TEST_MINUTES", "inf"))
CLIENTS = 3
FRAMES = (4, 8, 48, 100)  # one window and several


class Chaos:
    """A server that is started again whenever it was killed, and clients that do not give up."""

    def __init__(self, home: Path, environment: dict[str, str], running: Any) -> None:
        self.home, self.environment, self.running = home, environment, running
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked: dict[str, int] = {}  # video → frames
        self.served = 0
        self.faults: list[str] = []
        self.over = threading.Event()
        self._stack = ExitStack()
        self._client = httpx.Client(timeout=20)
        self.random = random.Random(7)

    def start(self) -> None:
        options = ("--port", str(self.port), "--workers", "2")
        block = self.running(self.home, *options, environment=self.environment, wait_for_worker=False)
        self.server = self._stack.enter_context(block)

    def stop(self) -> None:
        self._stack.close()

    def close(self) -> None:
        self.stop()
        self._client.close()

    def kill_something(self) -> str:
        """Kill the server or one of its workers; what it was."""
        workers = _children(self.server.process.pid)
        if workers and self.random.random() < 0.7:
            os.kill(self.random.choice(workers), signal.SIGKILL)
            return "worker"
        self.server.process.kill()
        self.server.process.wait()
        self.stop()
        self.start()
        return "server"

    def wait_for_work(self) -> None:
        """Wait until a worker has something that it could lose, and something has been done since the last
        kill: on a busy machine workers that are killed ever again before they have begun come to nothing."""
        done = self._done()
        while not self._insist("GET", "/readyz").json()["in_progress"] or self._done() == done:
            time.sleep(0.2)

    def _done(self) -> list[tuple[str, str, int]]:
        """How far the newest videos are."""
        videos = self._insist("GET", "/v1/videos?limit=50").json()["data"]
        return [(video["id"], video["status"], video["frames_done"]) for video in videos]

    def ask(self, number: int) -> None:
        """A client: asks for one video after the other, and checks what it gets."""
        count = 0
        while not self.over.is_set():
            count += 1
            frames = FRAMES[(number + count) % len(FRAMES)]
            order = {"prompt": "a red ball falls", "size": "64x64", "num_frames": frames, "seed": number}
            video = self._insist(
                "POST", "/v1/videos", json=order, headers={"idempotency-key": f"{number}-{count}"}
            )
            self.asked[video.json()["id"]] = frames
            self._wait(video.json()["id"], 20)

    def check_all(self) -> None:
        """Wait for everything that was asked for, as long as anything moves within five minutes."""
        for video in list(self.asked):
            seen = None
            while (now := self._done()) != seen and not self._wait(video, 300):
                seen = now
            found = self._insist("GET", f"/v1/videos/{video}").json()
            if found["status"] != "completed":
                self.faults.append(f"{video} is {found['status']}: {found['error']}")
            else:
                self._check_content(video)

    def _wait(self, video: str, seconds: float) -> bool:
        """Wait for one video, and check it; whether it is finished."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._insist("GET", f"/v1/videos/{video}").json()["status"] in ("completed", "failed"):
                self._check_content(video)
                return True
            time.sleep(0.5)
        return False

    def _check_content(self, video: str) -> None:
        answer = self._insist("GET", f"/v1/videos/{video}/content")
        if answer.status_code != 200:
            self.faults.append(f"content of {video}: {answer.text}")
            return
        seen = read_video(io.BytesIO(answer.content)).num_frames
        if seen != self.asked[video]:
            self.faults.append(f"{video} has {seen} frames, not {self.asked[video]}")
        self.served += 1

    def _insist(self, method: str, path: str, **options: Any) -> httpx.Response:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            try:
                answer = self._client.request(method, self.url + path, **options)
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise TimeoutError(path)


@pytest.fixture(params=["sqlite", "postgresql"])
def chaos(request: pytest.FixtureRequest, tmp_path: Path, running: Any) -> Iterator[tuple[Chaos, Database]]:
    home = tmp_path / "home"
    environment = {}
    if request.param == "postgresql":
        postgresql = request.getfixturevalue("postgresql")
        environment["TENKU_DATABASE_URL"] = postgresql.new_database("chaos")
    settings = Settings(home=home, database_url=environment.get("TENKU_DATABASE_URL", ""))
    database = Database(settings.database)
    chaos = Chaos(home, environment, running)
    chaos.start()
    yield chaos, database
    chaos.close()
    database.dispose()


@pytest.mark.slow
@pytest.mark.timeout(10_800)
def test_nothing_is_lost_done_twice_or_served_half(chaos: tuple[Chaos, Database]) -> None:
    server, database = chaos
    _listen_to_everything(database)
    clients = [threading.Thread(target=server.ask, args=(number,), daemon=True) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    kills: Counter[str] = Counter()
    end = time.monotonic() + 60 * MINUTES
    while kills.total() < KILLS and time.monotonic() < end:
        server.wait_for_work()
        time.sleep(server.random.uniform(0, 2))
        kills[server.kill_something()] += 1
    server.over.set()
    for client in clients:
        client.join()
    server.check_all()
    told = _ends_told(database)
    print(f"{dict(kills)} killed; {len(server.asked)} videos, {server.served} downloads")
    assert server.faults == []
    assert len(server.asked) >= kills.total() / 10
    assert kills
    assert told == dict.fromkeys(server.asked, 1)


def _listen_to_everything(database: Database) -> None:
    """An endpoint that nobody answers for: its outbox holds one event for each end of a job."""
    row = {"id": "we_1", "owner": NOBODY, "name": "n", "url": "http://127.0.0.1:9/", "secret": "whsec_eA=="}
    events = ["video.completed", "video.failed"]
    with database.writing() as connection:
        connection.execute(
            insert(endpoints).values(**row, event_types=events, created_at=now(), updated_at=now())
        )


def _ends_told(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        bodies = connection.execute(select(deliveries.c.body)).scalars().all()
    return dict(Counter(json.loads(body)["data"]["id"] for body in bodies))


def _children(process: int) -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(process), "-f", "worker_process"], capture_output=True, text=True
    )
    return [int(line) for line in found.stdout.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
