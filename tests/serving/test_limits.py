"""Clients that send too much, too slowly, from elsewhere, or something else than they say."""

import json
import socket
import time
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest


def spoken(server: Any, data: bytes, *, wait: float = 5.0) -> bytes:
    """What a server answers to bytes, until it closes or is silent for too long."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=wait) as connection:
        with suppress(ConnectionError):  # it may have closed already, and what it said can still be read
            connection.sendall(data)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
        return answer


def head(server: Any, *lines: str, path: str = "/v1/videos", method: str = "POST") -> bytes:
    host = urlsplit(server.url).netloc
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *lines, "", ""]).encode()


def test_a_body_of_a_gigabyte_is_refused_before_it_is_sent(idle_server: Any) -> None:
    began = time.monotonic()
    answer = spoken(
        idle_server, head(idle_server, "content-length: 1000000000", "content-type: application/json")
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"body_too_large" in answer
    assert time.monotonic() - began < 2


def test_a_body_that_does_not_say_how_large_it_is_is_refused_on_the_way(idle_server: Any) -> None:
    def endless() -> Any:
        for _ in range(2_000):
            yield b" " * 65_536

    with idle_server.client() as client:
        try:
            answer = client.post(
                "/v1/videos", content=endless(), headers={"content-type": "application/json"}
            )
            assert answer.status_code == 413
        except (httpx.WriteError, httpx.ReadError):
            pass  # it has hung up, which is what a client sees that goes on sending
        assert client.get("/healthz").status_code == 200


def test_other_names_of_this_machine_are_refused(idle_server: Any) -> None:
    with idle_server.client() as client:
        rebound = client.get("/v1/videos", headers={"host": "evil.example"})
        assert (rebound.status_code, rebound.json()["error"]["code"]) == (421, "wrong_host")
        forged = client.post(
            "/v1/videos", json={"prompt": "a ball"}, headers={"origin": "https://evil.example"}
        )
        assert (forged.status_code, forged.json()["error"]["code"]) == (403, "wrong_origin")
        own = {"origin": idle_server.url}
        assert client.post("/v1/videos", json={"prompt": ""}, headers=own).status_code == 400


@pytest.mark.parametrize(
    "video",
    [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e",
        "video_%00",
        "video_" + "0" * 32,
        "x" * 5_000,
        "%ff",
        "a%0d%0ab:%20c",
    ],
)
@pytest.mark.parametrize("path", ["", "/content", "/events", "/credentials"])
def test_odd_ids_are_nobody_s(idle_server: Any, video: str, path: str) -> None:
    answer = spoken(
        idle_server, head(idle_server, "connection: close", path=f"/v1/videos/{video}{path}", method="GET")
    )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"\r\nb: c" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


def test_request_ids_cannot_smuggle_headers(idle_server: Any) -> None:
    with idle_server.client() as client:
        assert client.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
        odd = client.get("/healthz", headers={"x-request-id": "a b;c"}).headers["x-request-id"]
    assert odd.startswith("req_")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"[" * 200_000, 400),
        ("application/json", b'{"prompt": NaN}', 400),
        ("application/json", b'{"prompt": "a", "seconds": 1e400}', 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b'{"prompt": "\\ud800"}', 400),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 400),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x", 400),
        ("text/plain", b"hello", 415),
        ("image/png", b"\x89PNG", 415),
    ],
)
def test_bodies_that_are_none(idle_server: Any, kind: str, body: bytes, status: int) -> None:
    with idle_server.client() as client:
        answer = client.post("/v1/videos", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_too_many_fields_are_refused(idle_server: Any) -> None:
    with idle_server.client() as client:
        answer = client.post("/v1/videos", data={f"a{n}": "x" for n in range(5_000)}, files={"f": b"x"})
    assert answer.status_code == 400


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    shape = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", shape) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


BOMB = png(60_000, 60_000, zlib.compress(bytes(50_000_000), 9))
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
POLYGLOT = b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1_000,
        b"PK\x03\x04" + b"\0" * 500,
        BOMB,
        PLAYLIST,
        POLYGLOT,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
)
def test_files_that_are_no_clips(idle_server: Any, data: bytes) -> None:
    with idle_server.client() as client:
        answer = client.post("/v1/videos/uploads", files={"file": ("clip.mp4", data, "video/mp4")})
        assert answer.status_code == 400
        assert "root:" not in answer.text
        assert "/scratch/" not in answer.text
        assert client.get("/v1/videos").json()["data"] == []


def test_a_client_that_sends_nothing_more_is_sent_away(idle_server: Any) -> None:
    began = time.monotonic()
    assert spoken(idle_server, b"GET / HTTP/1.1\r\nhost: ", wait=30) == b""
    assert 10 < time.monotonic() - began < 25


def test_unknown_places_and_methods_are_told_as_json(idle_server: Any) -> None:
    with idle_server.client() as client:
        assert client.get("/v1/nothing").json()["error"]["code"] == "not_found"
        assert client.put("/v1/videos").json()["error"]["code"] == "method_not_allowed"
        assert client.get("/v1/videos?limit=x").json()["error"]["param"] == "limit"
        assert client.get("/v1/videos?limit=101").status_code == 400
