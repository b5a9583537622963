"""For those who run the server: is it alive, is it ready, what has it done."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import text
from starlette.requests import Request

from tenku.serving.context import Context, caller, context_of, in_thread
from tenku.serving.faults import unavailable

router = APIRouter(tags=["operations"])


@router.get("/healthz")
async def healthz() -> JSONResponse:
    """Whether the process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether videos can be made: the database answers, and there are workers."""
    context = context_of(request)
    await in_thread(_ask, context)
    if context.settings.workers and not context.supervisor.running:
        raise unavailable("no worker runs; they are being started.")
    return JSONResponse({"status": "ready", "workers": context.supervisor.running, **context.board.counts})


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus metrics."""
    context = context_of(request)
    if not context.settings.is_loopback:
        caller(request)
    for status, number in context.board.counts.items():
        context.metrics.unfinished.labels(status).set(number)
    return Response(context.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _ask(context: Context) -> None:
    with context.database.reading() as connection:
        connection.execute(text("SELECT 1"))
