"""Keys let in whom they belong to, and show each only their own."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from tenku.errors import UserError
from tenku.serving import queue, submitting
from tenku.serving.database import Database
from tenku.serving.keys import OPEN, add_key, digest, list_keys, remove_key
from tenku.serving.settings import Settings
from tenku.serving.submitting import NewVideo
from tenku.serving.tables import keys

ORDER = {"prompt": "a red ball falls", "size": "64x64"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[tuple[Any, str, str]]:
    """A server with the keys of Alice and Bob."""
    home = tmp_path_factory.mktemp("keyed") / "home"
    database = Database(Settings(home=home).database)
    alice, bob = add_key(database, "alice"), add_key(database, "bob")
    database.dispose()
    with running(home, "--workers", "0") as server:
        yield server, alice, bob


def using(server: Any, token: str) -> httpx.Client:
    client: httpx.Client = server.client(headers={"authorization": f"Bearer {token}"})
    return client


def test_nobody_gets_in_without_a_key(keyed: tuple[Any, str, str]) -> None:
    server, alice, _ = keyed
    with server.client() as client:
        for token in ("", "x", alice[:-1], alice.upper()):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = client.get("/v1/videos", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        for method, path in (
            ("POST", "/v1/videos"),
            ("POST", "/v1/live"),
            ("GET", "/v1/events"),
            ("GET", "/v1/me"),
        ):
            assert client.request(method, path).status_code == 401
        assert client.get("/healthz").status_code == 200


def test_each_sees_only_their_own(keyed: tuple[Any, str, str]) -> None:
    server, alice, bob = keyed
    with using(server, alice) as hers, using(server, bob) as his:
        assert hers.get("/v1/me").json() == {"name": "alice", "open": False}
        video = hers.post("/v1/videos", json=ORDER).json()["id"]
        endpoint = {"name": "n", "url": "https://1.1.1.1/x", "event_types": ["video.completed"]}
        hook = hers.post("/v1/webhook_endpoints", json=endpoint).json()["id"]
        assert hers.get(f"/v1/videos/{video}").status_code == 200
        for method, path, body in (
            ("GET", f"/v1/videos/{video}", None),
            ("GET", f"/v1/videos/{video}/content", None),
            ("GET", f"/v1/videos/{video}/events", None),
            ("GET", f"/v1/videos/{video}/credentials", None),
            ("DELETE", f"/v1/videos/{video}", None),
            ("PATCH", f"/v1/videos/{video}", {"title": "mine"}),
            ("POST", f"/v1/videos/{video}/cancel", {}),
            ("POST", f"/v1/videos/{video}/remix", {"prompt": "a ball"}),
            ("POST", f"/v1/videos/{video}/loop", {}),
            ("POST", f"/v1/videos/{video}/fill", {"start": 0, "end": 1}),
            ("POST", "/v1/videos/edits", {"prompt": "a ball", "video": {"id": video}}),
            ("POST", "/v1/videos/extensions", {"prompt": "a ball", "video": {"id": video}}),
            ("POST", "/v1/videos/blends", {"first": {"id": video}, "second": {"id": video}}),
            ("POST", "/v1/videos/storyboards", {"scenes": [{"seconds": 1, "video": {"id": video}}]}),
            ("POST", "/v1/videos/characters", {"name": "Bob", "video": {"id": video}}),
            ("POST", "/v1/videos", {**ORDER, "input_reference": {"file_id": video}}),
            ("GET", f"/v1/videos?after={video}", None),
            ("GET", f"/v1/webhook_endpoints/{hook}", None),
            ("DELETE", f"/v1/webhook_endpoints/{hook}", None),
        ):
            answer = his.request(method, path, json=body)
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        assert his.get("/v1/videos").json()["data"] == []
        assert his.get("/v1/webhook_endpoints").json()["data"] == []
        with his.stream("GET", "/v1/events") as events:
            hers.patch(f"/v1/videos/{video}", json={"title": "secret"})
            with contextlib.suppress(httpx.ReadTimeout):
                for line in events.iter_lines():
                    assert video not in line
                    if line == "retry: 2000":
                        break
        assert hers.delete(f"/v1/videos/{video}").status_code == 200


def test_a_removed_key_is_of_no_use_at_once(keyed: tuple[Any, str, str]) -> None:
    server, _, _ = keyed
    database = Database(Settings(home=server.home).database)
    token = add_key(database, "carol")
    with using(server, token) as client:
        _until(client, 200)
        remove_key(database, "carol")
        _until(client, 401)
    database.dispose()


def _until(client: httpx.Client, status: int) -> None:
    end = time.monotonic() + 3
    while client.get("/v1/me").status_code != status:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_only_a_digest_is_kept(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tenku.db'}")
    token = add_key(database, "alice")
    with database.reading() as connection:
        row = connection.execute(select(keys)).one()
    assert row.digest == digest(token)
    database.dispose()
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_names_are_unique_and_plain(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tenku.db'}")
    add_key(database, "alice")
    for name in ("alice", "", "a\nb", "x" * 81):
        with pytest.raises(UserError):
            add_key(database, name)
    with pytest.raises(UserError, match="no key 'bob'"):
        remove_key(database, "bob")
    database.dispose()


def test_a_first_key_can_adopt_what_was_made_before(database: Database) -> None:
    facts = {"kind": "generation", "task": {}, "model": "m", "width": 64, "height": 64, "fps": 16.0}
    new = NewVideo(**facts, num_frames=8, seed=0)
    video = submitting.submit(database, Settings(home=Path("/nonexistent")), OPEN, new)
    add_key(database, "alice", adopt=True)
    held = queue.lease(database, Settings(home=Path("/nonexistent")), "worker")
    assert held is not None
    assert (held.record.id, held.record.owner) == (video.id, list_keys(database)[0].id)


def test_the_verb_makes_shows_and_removes_keys(tmp_path: Path) -> None:
    def tenku(*words: str) -> str:
        command = [sys.executable, "-c", "from tenku.cli import main; main()", "keys", *words]
        environment = {"TENKU_HOME": str(tmp_path / "home"), "PATH": "/usr/bin"}
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert tenku("add", "alice").startswith("tenku-")
    assert "alice" in tenku("list")
    tenku("remove", "alice")
    assert tenku("list") == ""


def test_without_keys_nobody_else_is_served(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from tenku.cli import main; main()",
        "serve",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
    ]
    environment = {"TENKU_HOME": str(tmp_path / "home"), "PATH": "/usr/bin"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert ended.returncode == 2
    assert "tenku keys add NAME" in ended.stderr
