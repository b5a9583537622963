"""Fetching what a client names by URL, without letting the client reach what only this machine can.

A host is resolved once, every address of it must be public, and the connection goes to the address that was
checked: a name that resolves differently a moment later gains nothing.
"""

import asyncio
import base64
import binascii
import ipaddress
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import httpx

from tenku.serving.faults import bad_value

MAX_BYTES: Final = 32 * 2**20
_SECONDS: Final = 15.0
_MAX_REDIRECTS: Final = 3


async def fetch(url: str, *, allow_private: bool, param: str) -> bytes:
    """The bytes behind a data:, http: or https: URL; a fault if there are none, or it must not be asked."""
    if url[:5].lower() == "data:":
        return data_of(url, param)
    try:
        async with asyncio.timeout(_SECONDS):
            return await _fetch(url, allow_private=allow_private, param=param)
    except (TimeoutError, httpx.HTTPError) as error:
        raise bad_value(
            "the URL does not answer in time or breaks off; send the file itself.", param
        ) from error


def data_of(url: str, param: str) -> bytes:
    """The bytes in a data: URL."""
    head, comma, body = url.partition(",")
    if not comma:
        raise bad_value("this data: URL has no data; write data:image/png;base64,….", param)
    try:
        raw = unquote_to_bytes(body)
        return base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
    except (binascii.Error, ValueError) as error:
        raise bad_value("this data: URL is no valid base64.", param) from error


async def checked_address(url: str, *, allow_private: bool, param: str) -> tuple[str, str]:
    """A URL with its host's address in place of the name, and that name; a fault if it must not be asked."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as error:  # also of a name that the domain name system cannot have
        raise bad_value("this is no URL; write https://host/path.", param) from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise bad_value("only http:// and https:// URLs without a user can be asked.", param)
    port = port or (443 if parts.scheme == "https" else 80)
    addresses = await _resolved(host, port, param)
    if not allow_private and not all(is_public(address) for address in addresses):
        raise bad_value(f"{host[:80]!r} leads to a private address, which this server does not ask.", param)
    address = addresses[0]
    place = f"[{address}]" if ":" in address else address
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{place}:{port}{path}{query}", host if parts.port is None else f"{host}:{port}"


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, also in its other spellings inside IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool, seconds: float
) -> int:
    """Send a body, following nothing; the status of the answer, of which nothing is read."""
    target, host = await checked_address(url, allow_private=allow_private, param="url")
    async with (
        _client(seconds) as client,
        client.stream(
            "POST", target, content=body, headers={**headers, "host": host}, extensions=_names(host)
        ) as answer,
    ):
        return answer.status_code


async def _fetch(url: str, *, allow_private: bool, param: str) -> bytes:
    for _ in range(1 + _MAX_REDIRECTS):
        target, host = await checked_address(url, allow_private=allow_private, param=param)
        headers = {"host": host, "accept": "image/*,video/*", "accept-encoding": "identity"}
        async with (
            _client(_SECONDS) as client,
            client.stream("GET", target, headers=headers, extensions=_names(host)) as answer,
        ):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status_code != 200:
                raise bad_value(
                    f"the URL answers with status {answer.status_code}; send the file itself.", param
                )
            return await _bounded(answer, param)
    raise bad_value("the URL leads from one place to another too often; give the last one.", param)


async def _bounded(answer: httpx.Response, param: str) -> bytes:
    data = bytearray()
    async for chunk in answer.aiter_raw():
        data += chunk
        if len(data) > MAX_BYTES:
            raise bad_value(f"what the URL leads to is larger than {MAX_BYTES >> 20} MiB.", param)
    return bytes(data)


def _client(seconds: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=False)


def _names(host: str) -> dict[str, str]:
    """The name for which a certificate is checked, though the address is asked."""
    return {"sni_hostname": host.rpartition(":")[0] if host.count(":") == 1 else host}


async def _resolved(host: str, port: int, param: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise bad_value(f"there is no host {host[:80]!r}.", param) from error
    return [str(address[4][0]) for address in found]
