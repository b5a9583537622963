"""Server-sent events: what changes is told, and what is being made is shown."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tenku.media import read_video


def events_of(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a stream, one after the other."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def test_a_video_is_followed_to_its_end(server: Any) -> None:
    with server.client() as client:
        order = {"prompt": "a red ball bounces", "size": "96x96", "seconds": 6}
        video = client.post("/v1/videos", json=order).json()["id"]
        with client.stream("GET", f"/v1/videos/{video}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = list(events_of(answer))  # ends by itself
        states = [facts for name, facts in events if name == "video"]
        assert states[0]["id"] == video
        assert states[-1] == client.get(f"/v1/videos/{video}").json()
    assert states[-1]["status"] == "completed"
    progress = [facts["progress"] for facts in states]
    assert progress == sorted(progress)
    assert len(set(progress)) > 3
    pictures = [facts for name, facts in events if name == "preview"]
    assert [picture["index"] for picture in pictures] == sorted({picture["index"] for picture in pictures})
    data = base64.b64decode(pictures[-1]["image"].removeprefix("data:image/webp;base64,"))
    assert read_video(io.BytesIO(data)).frames.shape == (1, 96, 96, 3)


def test_the_gallery_hears_of_everything(idle_server: Any) -> None:
    heard: list[tuple[str, dict[str, Any]]] = []
    connected, deleted = threading.Event(), threading.Event()

    def listen() -> None:
        with idle_server.client() as client, client.stream("GET", "/v1/events") as answer:
            connected.set()
            for event in events_of(answer):
                heard.append(event)
                if event[0] == "deleted":
                    deleted.set()
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    assert connected.wait(10)
    with idle_server.client() as client:
        video = client.post("/v1/videos", json={"prompt": "a ball", "size": "64x64"}).json()["id"]
        client.patch(f"/v1/videos/{video}", json={"title": "a title"})
        client.delete(f"/v1/videos/{video}")
    assert deleted.wait(10)
    listener.join()
    assert heard[-1] == ("deleted", {"id": video})
    assert any(facts.get("id") == video and name == "video" for name, facts in heard)


def test_places_in_the_queue_are_told(idle_server: Any) -> None:
    with idle_server.client() as client:
        order = {"prompt": "a ball", "size": "64x64"}
        first, second = (client.post("/v1/videos", json=order).json()["id"] for _ in range(2))
        with client.stream("GET", f"/v1/videos/{second}/events") as answer:
            events = events_of(answer)
            assert next(events)[1]["queue_position"] == 1
            with idle_server.client() as other:
                other.post(f"/v1/videos/{first}/cancel")
            assert next(facts for _, facts in events if facts["queue_position"] == 0)["id"] == second
            with idle_server.client() as other:
                other.post(f"/v1/videos/{second}/cancel")
            assert list(events)[-1][1]["status"] == "failed"
        for video in (first, second):
            client.delete(f"/v1/videos/{video}")


@pytest.mark.timeout(60)
def test_streams_end_with_the_server(tmp_path: Any, running: Any) -> None:
    with running(tmp_path / "home", "--workers", "0") as server, server.client() as client:
        with client.stream("GET", "/v1/events") as answer:
            lines = answer.iter_lines()
            next(lines)
            server.process.terminate()
            for _ in lines:  # to its end
                pass
        assert server.process.wait(20) == 143
