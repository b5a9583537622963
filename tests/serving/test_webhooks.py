"""Webhooks: managed by the SDK, signed by the standard, and tried again until they are taken."""

import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from openai import OpenAI

SECRETS = {"name": "here", "event_types": ["video.completed", "video.failed"]}


class Receiver:
    """Somebody who takes webhooks, or does not at first."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.put((body, dict(self.headers)))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.end_headers()

            def log_message(self, *ignored: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.server:
        threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
        yield receiver
        receiver.server.shutdown()


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[OpenAI]:
    with OpenAI(api_key="anything", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


def test_an_end_is_heard_and_known_to_be_ours(server: Any, client: OpenAI, receiver: Receiver) -> None:
    endpoint = client.webhooks.create(url=receiver.url, **SECRETS)  # type: ignore[arg-type]
    video = server.made(seconds=0.25)
    body, headers = receiver.got.get(timeout=20)
    event = client.webhooks.unwrap(body, headers, secret=endpoint.signing_secret)
    assert (event.type, event.data.id) == ("video.completed", video["id"])  # type: ignore[union-attr]
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.unwrap(body.replace(b"completed", b"failed"), headers, secret=endpoint.signing_secret)
    client.webhooks.delete(endpoint.id)


def test_what_is_not_taken_comes_again(server: Any, client: OpenAI, receiver: Receiver) -> None:
    endpoint = client.webhooks.create(url=receiver.url, **SECRETS)  # type: ignore[arg-type]
    receiver.statuses = [500]
    server.made(seconds=0.25)
    first, second = (receiver.got.get(timeout=30) for _ in range(2))
    assert first[0] == second[0]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    client.webhooks.delete(endpoint.id)


def test_endpoints_are_managed_by_the_sdk(client: OpenAI, receiver: Receiver) -> None:
    made = client.webhooks.create(url=receiver.url, **SECRETS)  # type: ignore[arg-type]
    assert made.signing_secret.startswith("whsec_")
    found = client.webhooks.retrieve(made.id)
    assert found.signing_secret_hint == f"whsec_…{made.signing_secret[-4:]}"
    assert not hasattr(found, "signing_secret") or found.signing_secret is None
    assert client.webhooks.update(made.id, name="there").name == "there"
    assert [endpoint.id for endpoint in client.webhooks.list()] == [made.id]
    rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
    assert rotated.signing_secret != made.signing_secret
    tested = client.webhooks.test(made.id, event_type="video.failed")
    assert (tested.status_code, tested.success) == (200, True)
    body, headers = receiver.got.get(timeout=10)
    for secret in (made.signing_secret, rotated.signing_secret):
        assert client.webhooks.unwrap(body, headers, secret=secret).type == "video.failed"
    assert "video.completed" in client.webhooks.event_types.list().data
    assert client.webhooks.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(made.id)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://localhost:9", "ftp://example.com", "no url at all"]
)
def test_private_places_are_not_told(idle_server: Any, url: str) -> None:
    with idle_server.client() as client:
        answer = client.post("/v1/webhook_endpoints", json={**SECRETS, "url": url})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "url")


def test_events_of_other_products_are_refused(idle_server: Any) -> None:
    order = {"name": "n", "url": "https://1.1.1.1/x", "event_types": ["batch.completed"]}
    with idle_server.client() as client:
        assert client.post("/v1/webhook_endpoints", json=order).status_code == 400
