"""Live sessions: a process each that makes video while somebody says what comes next."""

import asyncio
import contextlib
import json
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from tenku.serving.faults import ApiError
from tenku.serving.identifiers import new_id
from tenku.serving.metrics import Metrics
from tenku.serving.settings import Settings
from tenku.serving.sizes import NATIVE_FPS

_UNUSED_SECONDS: Final = 60.0
_AHEAD_BYTES: Final = 16 * 1024  # read before it is shown: what is said is seen so much later
_MAX_FRAME: Final = 8 * 2**20


@dataclass(eq=False, slots=True)
class LiveSession:
    """One session; only one socket is ever its own."""

    owner: str
    width: int
    height: int
    seed: int
    process: asyncio.subprocess.Process
    id: str = field(default_factory=lambda: new_id("live"))
    fps: float = NATIVE_FPS
    is_taken: bool = False

    async def frames(self) -> AsyncIterator[bytes]:
        """Pictures at their pace, until the session ends."""
        assert self.process.stdout is not None  # it was asked for
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                (size,) = struct.unpack(">I", await self.process.stdout.readexactly(4))
                if size > _MAX_FRAME:
                    return
                picture = await self.process.stdout.readexactly(size)
            except asyncio.IncompleteReadError:
                return
            due = max(due, loop.time() - 1 / self.fps)
            await asyncio.sleep(max(0.0, due - loop.time()))
            due += 1 / self.fps
            yield picture

    async def say(self, prompt: str) -> None:
        """What comes next."""
        assert self.process.stdin is not None  # it was asked for
        with contextlib.suppress(ConnectionError):
            self.process.stdin.write(json.dumps({"prompt": prompt}).encode() + b"\n")
            await self.process.stdin.drain()


class LiveSessions:
    """A bounded number of sessions, each gone if nobody comes for it."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._sessions: dict[str, LiveSession] = {}
        self._timers: set[asyncio.Task[None]] = set()

    async def begin(self, owner: str, prompt: str, width: int, height: int, seed: int) -> LiveSession:
        """Start a session; a fault if there are too many."""
        if len(self._sessions) >= self._settings.live_sessions:
            raise ApiError(
                429,
                f"{self._settings.live_sessions} live session(s) run already; wait until one ends.",
                code="rate_limit_exceeded",
                headers={"retry-after": "10"},
            )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tenku.serving.live_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_AHEAD_BYTES,
        )
        session = LiveSession(owner, width, height, seed, process)
        self._sessions[session.id] = session
        facts = {"prompt": prompt, "width": width, "height": height, "seed": seed, "fps": session.fps}
        assert process.stdin is not None  # it was asked for
        process.stdin.write(json.dumps({**facts, "model": self._settings.model}).encode() + b"\n")
        timer = asyncio.create_task(self._end_if_unused(session))
        self._timers.add(timer)
        timer.add_done_callback(self._timers.discard)
        self._metrics.live.set(len(self._sessions))
        return session

    def take(self, owner: str, identifier: str) -> LiveSession | None:
        """A session that is an owner's and nobody's yet."""
        session = self._sessions.get(identifier)
        if session is None or session.owner != owner or session.is_taken:
            return None
        session.is_taken = True
        return session

    async def end(self, session: LiveSession) -> None:
        """End a session and its process."""
        if self._sessions.pop(session.id, None) is None:
            return
        self._metrics.live.set(len(self._sessions))
        with contextlib.suppress(ProcessLookupError):
            session.process.kill()
        await session.process.wait()

    async def stop(self) -> None:
        """End all of them."""
        for timer in list(self._timers):
            timer.cancel()
        for session in list(self._sessions.values()):
            await self.end(session)

    async def _end_if_unused(self, session: LiveSession) -> None:
        await asyncio.sleep(_UNUSED_SECONDS)
        if not session.is_taken:
            await self.end(session)
