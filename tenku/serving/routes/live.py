"""Live sessions: video over a socket that goes on while somebody says what comes next."""

import asyncio
import contextlib
import json
import secrets

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.websockets import WebSocket, WebSocketDisconnect

from tenku.serving.context import Context, caller, context_of, key_of
from tenku.serving.faults import ApiError, bad_value
from tenku.serving.live import LiveSession
from tenku.serving.moderation import check_text
from tenku.serving.orders import MAX_PROMPT, LiveOrder
from tenku.serving.routes.answers import ERRORS, body_of, described_body
from tenku.serving.routes.schemas import LiveObject
from tenku.serving.settings import Settings
from tenku.serving.sizes import native_size

router = APIRouter(prefix="/v1/live", tags=["live"], responses=ERRORS)


@router.post(
    "",
    response_model=LiveObject,
    openapi_extra=described_body(LiveOrder),
)
async def begin(request: Request) -> JSONResponse:
    """Begin a live session; open its socket within a minute."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(LiveOrder)
    check_text(context.settings, order.prompt)
    width, height = native_size(*(int(side) for side in order.size.split("x")))
    seed = secrets.randbelow(2**31) if order.seed is None else order.seed
    session = await context.live.begin(owner.id, order.prompt, width, height, seed)
    return JSONResponse({"id": session.id, "fps": session.fps, "width": width, "height": height})


@router.websocket("/{live_id}")
async def watch(socket: WebSocket, live_id: str) -> None:
    """Send pictures in time, and take prompts; what ends first ends the session."""
    context = context_of(socket)
    session = _session(context, socket, live_id)
    await socket.accept()
    if session is None:
        await socket.close(4404, "there is no such live session")
        return
    try:
        sending = asyncio.create_task(_send(socket, session))
        listening = asyncio.create_task(_listen(context.settings, socket, session))
        await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        for task in (sending, listening):
            task.cancel()
        await asyncio.gather(sending, listening, return_exceptions=True)
    finally:
        await context.live.end(session)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()


def _session(context: Context, socket: WebSocket, live_id: str) -> LiveSession | None:
    try:
        token = socket.query_params.get("key")
        owner = caller(socket) if token is None else key_of(socket, token)
    except ApiError:
        return None
    return context.live.take(owner.id, live_id)


async def _send(socket: WebSocket, session: LiveSession) -> None:
    async for picture in session.frames():
        await socket.send_bytes(picture)


async def _listen(settings: Settings, socket: WebSocket, session: LiveSession) -> None:
    while True:
        said = _said(await socket.receive_text())
        if said.get("stop") is True:
            return
        prompt = said.get("prompt")
        if not isinstance(prompt, str) or not 1 <= len(prompt) <= MAX_PROMPT or not prompt.strip():
            await socket.send_text(json.dumps(bad_value('say {"prompt": …} or {"stop": true}.').body()))
            continue
        try:
            check_text(settings, prompt)
            await session.say(prompt)
        except ApiError as fault:
            await socket.send_text(json.dumps(fault.body()))


def _said(text: str) -> dict[str, object]:
    try:
        said = json.loads(text[: 4 * MAX_PROMPT])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
