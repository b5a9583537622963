"""Live sessions: pictures in time, and words that change what is seen."""

import asyncio
import io
import json
import time
from typing import Any

import httpx
import websockets

from tenku.media import read_video


async def watched(server: Any, seconds: float) -> tuple[list[bytes], list[str], float]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        session = (
            await client.post("/v1/live", json={"prompt": "a red ball bounces", "size": "64x64"})
        ).json()
        assert (session["width"], session["height"], session["fps"]) == (64, 64, 16)
        full = await client.post("/v1/live", json={"prompt": "a red ball bounces"})
        assert full.status_code == 429
    pictures: list[bytes] = []
    told: list[str] = []
    place = f"{server.url.replace('http', 'ws')}/v1/live/{session['id']}"
    async with websockets.connect(place) as socket:
        pictures.append(await asyncio.wait_for(socket.recv(), 90))  # type: ignore[arg-type]
        began = time.monotonic()
        await socket.send(json.dumps({"prompt": "a blue cube spins"}))
        await socket.send(json.dumps({"prompt": "a naked child"}))
        await socket.send("no json")
        while time.monotonic() < began + seconds:
            message = await asyncio.wait_for(socket.recv(), 60)
            told.append(message) if isinstance(message, str) else pictures.append(message)
        took = time.monotonic() - began
        await socket.send(json.dumps({"stop": True}))
        async for message in socket:
            del message
    return pictures, told, took


def test_pictures_come_in_time_and_words_are_checked(server: Any) -> None:
    pictures, told, took = asyncio.run(watched(server, 3.0))
    assert read_video(io.BytesIO(pictures[-1])).frames.shape == (1, 64, 64, 3)
    assert 4 <= len(pictures) <= 16 * took + 4
    assert [json.loads(text)["error"]["code"] for text in told] == [
        "content_policy_violation",
        "invalid_value",
    ]
    metrics = httpx.get(f"{server.url}/metrics").text
    assert "tenku_live_sessions 0.0" in metrics


def test_nobody_else_can_watch(idle_server: Any) -> None:
    async def refused() -> int:
        place = f"{idle_server.url.replace('http', 'ws')}/v1/live/live_{'0' * 32}"
        async with websockets.connect(place) as socket:
            await socket.wait_closed()
            assert socket.close_code is not None
            return socket.close_code

    assert asyncio.run(refused()) == 4404
