"""Real servers on loopback, with real workers and the embedded model."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import httpx
import psycopg
import pytest
from sqlalchemy import delete, update

from tenku.serving import library, queue, submitting
from tenku.serving.database import Database
from tenku.serving.keys import OPEN
from tenku.serving.records import Record
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage
from tenku.serving.submitting import NewVideo
from tenku.serving.tables import counters, metadata

_PLACES = [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr/local/bin"), Path("/usr/bin")]
BINARIES = next((place for place in _PLACES if (place / "initdb").exists()), None)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str
    home: Path
    process: "subprocess.Popen[str]"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def finished(self, video: str, seconds: float = 120, **options: Any) -> dict[str, Any]:
        """A video as it is when nothing more is done to it."""
        end = time.monotonic() + seconds
        with self.client(**options) as client:
            while time.monotonic() < end:
                found: dict[str, Any] = client.get(f"/v1/videos/{video}").json()
                if found["status"] in ("completed", "failed"):
                    return found
                time.sleep(0.1)
        raise TimeoutError(f"{video} is still {found['status']}")

    def made(self, **order: Any) -> dict[str, Any]:
        """A small video, completed."""
        with self.client() as client:
            order = {"prompt": "a red ball falls", "size": "64x64", "seconds": 0.5, "seed": 1, **order}
            answer = client.post("/v1/videos", json=order)
        assert answer.status_code == 200, answer.text
        found = self.finished(answer.json()["id"])
        assert found["status"] == "completed", found
        return found


@contextmanager
def running(
    home: Path, *options: str, environment: dict[str, str] | None = None, wait_for_worker: bool = True
) -> Iterator[Server]:
    """`tenku serve` on a free port, for as long as the block lasts."""
    log = home.parent / f"{home.name}.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", "from tenku.cli import main; main()", "serve", "--port", "0", *options],
            env={**ENVIRONMENT, "TENKU_HOME": str(home), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("tenku is at "), log.read_text()
        server = Server(line.split()[3].rstrip(","), home, process)
        if wait_for_worker:
            _wait_until_ready(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _wait_until_ready(server: Server) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(f"{server.url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the server does not become ready")


@pytest.fixture(scope="session", name="running")
def running_fixture() -> Any:
    """The function that starts servers."""
    return running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that make videos; it may reach this machine, so that we hear its webhooks."""
    with running(tmp_path_factory.mktemp("serving") / "home", "--allow-private") as server:
        yield server


@pytest.fixture(scope="session")
def clip(server: Server) -> dict[str, Any]:
    """A finished video from which others are made."""
    return server.made()


@pytest.fixture(scope="session")
def idle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without workers: what is put into its queue stays there."""
    home = tmp_path_factory.mktemp("idle") / "home"
    with running(home, "--workers", "0", "--max-queued", "30", "--max-upload", "8") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A PostgreSQL server of our own; its user may not enter pytest's own folders."""
    with TemporaryDirectory(prefix="tenku-postgresql-") as folder, running_postgresql(Path(folder)) as server:
        yield server


class Place:
    """A worker in this process, with a database and a storage of its own."""

    TASK: ClassVar = {"verb": "generate", "native": [64, 64], "negative_prompt": ""}

    def __init__(self, home: Path, storage: str = "") -> None:
        from tenku.serving.worker import Worker

        self.settings = Settings(home=home, storage_url=storage)
        self.database = Database(self.settings.database)
        self.storage = Storage(self.settings.storage, self.settings.scratch)
        self.changes = 0
        self.worker = Worker(self.settings, self.database, self.storage, "worker", self._changed)

    def put(self, **changes: Any) -> str:
        facts = {
            "kind": "generation",
            "task": self.TASK,
            "model": "sora-2",
            "prompt": "a red ball falls",
            "seed": 1,
        }
        facts |= {"width": 64, "height": 64, "fps": 16.0, "num_frames": 8, **changes}
        return submitting.submit(self.database, self.settings, OPEN, NewVideo(**facts)).id

    def work(self, number: int) -> None:
        first = queue.lease(self.database, self.settings, "worker")
        assert first is not None
        others = queue.lease_alike(self.database, self.settings, "worker", first, number - 1)
        assert len(others) == number - 1
        self.worker.work(first, *others)

    def find(self, video: str) -> Record:
        return library.find(self.database, OPEN.id, video)

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A worker in this process."""
    place = Place(tmp_path / "home")
    yield place
    place.database.dispose()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Place]:
    """A worker in this process whose files are elsewhere."""
    place = Place(tmp_path / "home", f"memory://{tmp_path.name}")
    yield place
    place.database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'tenku.db'}")
    else:
        url = request.getfixturevalue("postgresql").url
        database = Database(url.replace("postgresql://", "postgresql+psycopg://"))
        _empty(database)
    yield database
    database.dispose()


def _empty(database: Database) -> None:
    """Remove all rows, and set all counters back."""
    with database.writing() as connection:
        for table in metadata.sorted_tables:
            if table is not counters:
                connection.execute(delete(table))
        connection.execute(update(counters).where(counters.c.name != "version").values(value=0))


@contextmanager
def running_postgresql(folder: Path) -> Iterator["PostgreSQL"]:
    """A server on a free port of loopback, for as long as the block lasts."""
    if BINARIES is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    server = PostgreSQL(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class PostgreSQL:
    """One cluster of databases, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        assert BINARIES is not None
        self._binaries, self._data = BINARIES, folder / "data"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-D", str(self._data), "-U", "tenku", "--auth=trust", "-N", "-E", "UTF8")

    @property
    def url(self) -> str:
        return f"postgresql://tenku@127.0.0.1:{self.port}/postgres"

    def new_database(self, name: str) -> str:
        """The URL of another, empty database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")  # type: ignore[arg-type]
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self.url.replace("/postgres", f"/{name}")

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60"
        )
        self._run(
            "pg_ctl", "-D", str(self._data), "-o", options, "-l", str(self._data / "log"), "-w", "start"
        )

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", mode, "-w", "stop")

    def _run(self, program: str, *options: str) -> None:
        command = [*self._as, str(self._binaries / program), *options]
        for _ in range(2):
            ended = subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", timeout=120
            )
            if ended.returncode == 0:
                return
            time.sleep(1)
        raise RuntimeError(f"{program}: {ended.stderr}")
