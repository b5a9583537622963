"""What a client names by URL leads nowhere that only this machine can reach."""

import asyncio
import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tenku.serving import fetching
from tenku.serving.faults import ApiError
from tenku.serving.fetching import fetch, is_public


class _Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/large":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 5_000)
        else:
            self.send_response(200 if self.path == "/here" else 404)
            self.end_headers()
            self.wfile.write(f"at {self.headers['host']}".encode())

    def log_message(self, *ignored: Any) -> None:
        pass


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def got(url: str, *, allow_private: bool) -> bytes:
    return asyncio.run(fetch(url, allow_private=allow_private, param="image_url"))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *(
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "ff02::1",
        ),
        *("2002:7f00:1::", "64:ff9b::7f00:1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1"),
    ],
)
def test_addresses_that_are_not_the_internet_s(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101"])
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost/", "http://127.0.0.1:80/", "http://[::1]/", "http://0/", "http://2130706433/"),
        *(
            "http://0x7f.1/",
            "http://127.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://user@1.1.1.1/",
            "gopher://1.1.1.1",
        ),
        *(
            "file:///etc/passwd",
            "ftp://1.1.1.1/",
            "http:///x",
            "//1.1.1.1",
            "http://[::1",
            "http://a\r\nb/",
            "x",
        ),
    ],
)
def test_urls_that_are_not_asked(url: str) -> None:
    with pytest.raises(ApiError) as caught:
        got(url, allow_private=False)
    assert caught.value.status == 400


def test_a_name_is_asked_at_the_address_that_was_checked(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def resolved(host: str, port: int, param: str) -> list[str]:
        return next(answers)

    monkeypatch.setattr(fetching, "_resolved", resolved)
    port = place.rpartition(":")[2]
    assert (
        got(f"http://pictures.example:{port}/here", allow_private=True)
        == f"at pictures.example:{port}".encode()
    )


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(host: str, port: int, param: str) -> list[str]:
        return ["1.1.1.1", "127.0.0.1"]

    monkeypatch.setattr(fetching, "_resolved", resolved)
    with pytest.raises(ApiError, match="private address"):
        got("http://both.example/", allow_private=False)


def test_redirects_are_checked_and_have_an_end(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert got(f"{place}/to//here", allow_private=True).startswith(b"at ")
    with pytest.raises(ApiError, match="too often"):
        got(f"{place}/to/" * 6 + "x", allow_private=True)
    public_once = iter([True])
    monkeypatch.setattr(fetching, "is_public", lambda address: next(public_once, False))
    with pytest.raises(ApiError, match="private address"):
        got(f"{place}/to//here", allow_private=False)


def test_sizes_are_bounded(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(got(f"{place}/large", allow_private=True)) == 5_000
    monkeypatch.setattr(fetching, "MAX_BYTES", 4_000)
    with pytest.raises(ApiError, match="larger"):
        got(f"{place}/large", allow_private=True)


def test_what_is_not_there_is_said_so(place: str) -> None:
    with pytest.raises(ApiError, match="404"):
        got(f"{place}/nothing", allow_private=True)


def test_data_urls() -> None:
    encoded = base64.b64encode(b"picture").decode()
    assert got(f"data:image/png;base64,{encoded}", allow_private=False) == b"picture"
    assert got("data:,a%20b", allow_private=False) == b"a b"
    for broken in ("data:image/png;base64", "data:image/png;base64,@@@"):
        with pytest.raises(ApiError):
            got(broken, allow_private=False)
