"""A video that is retrieved past the routes is answered as they would answer."""

from pathlib import Path
from typing import Any

from tenku.serving.database import Database
from tenku.serving.keys import add_key
from tenku.serving.settings import Settings

ORDER = {"prompt": "a red ball falls 落", "size": "64x64"}


def test_it_is_what_lists_and_creates_show(idle_server: Any) -> None:
    with idle_server.client() as client:
        created = client.post("/v1/videos", json=ORDER)
        video = created.json()["id"]
        found = client.get(f"/v1/videos/{video}")
        listed = {each["id"]: each for each in client.get("/v1/videos").json()["data"]}
        assert found.json() == listed[video]
        assert found.headers["content-type"] == created.headers["content-type"]
        assert found.headers["openai-poll-after-ms"] == created.headers["openai-poll-after-ms"]
        assert found.headers["x-request-id"] != created.headers["x-request-id"]
        renamed = client.patch(f"/v1/videos/{video}", json={"title": "a title"}).json()
        assert client.get(f"/v1/videos/{video}").json() == renamed
        assert client.post(f"/v1/videos/{video}/cancel").json()["status"] == "failed"
        assert client.get(f"/v1/videos/{video}").json()["status"] == "failed"
        assert client.get(f"/v1/videos/{video}?x=1").status_code == 200
        client.delete(f"/v1/videos/{video}")
        assert client.get(f"/v1/videos/{video}").status_code == 404
        metrics = client.get("/metrics").text
    assert 'route="/v1/videos/{video_id}",status="200"' in metrics


def test_who_waits_moves_up(idle_server: Any) -> None:
    with idle_server.client() as client:
        first, second = (client.post("/v1/videos", json=ORDER).json()["id"] for _ in range(2))
        before = client.get(f"/v1/videos/{second}").json()["queue_position"]
        client.post(f"/v1/videos/{first}/cancel")
        assert client.get(f"/v1/videos/{second}").json()["queue_position"] == before - 1
        client.delete(f"/v1/videos/{second}")


def test_only_the_owner_is_answered(tmp_path: Path, running: Any) -> None:
    home = tmp_path / "home"
    database = Database(Settings(home=home).database)
    alice, bob = (add_key(database, name) for name in ("alice", "bob"))
    database.dispose()
    with running(home, "--workers", "0") as server, server.client() as client:
        mine = {"authorization": f"Bearer {alice}"}
        video = client.post("/v1/videos", json=ORDER, headers=mine).json()["id"]
        for headers, status in (
            (mine, 200),
            ({"authorization": f"bearer  {alice}"}, 200),
            ({"authorization": f"Bearer {bob}"}, 404),
            ({"authorization": f"Basic {alice}"}, 401),
            ({"authorization": "Bearer nonsense"}, 401),
            ({}, 401),
        ):
            assert client.get(f"/v1/videos/{video}", headers=headers).status_code == status
