"""The web side, put together."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tenku.errors import UserError
from tenku.serving.actors import WorkerActor, join_cluster
from tenku.serving.board import Board
from tenku.serving.context import Context
from tenku.serving.database import Database
from tenku.serving.faults import ApiError, fault_of
from tenku.serving.housekeeping import Housekeeping
from tenku.serving.incoming import Incoming
from tenku.serving.limits import Limits
from tenku.serving.live import LiveSessions
from tenku.serving.metrics import Metrics
from tenku.serving.processes import WorkerProcess
from tenku.serving.records import Record
from tenku.serving.retrieving import Retrieving
from tenku.serving.routes import (
    characters,
    derived,
    events,
    live,
    models,
    operations,
    verifying,
    videos,
    webhooks,
)
from tenku.serving.routes.schemas import ErrorObject
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage
from tenku.serving.studio_files import add_studio
from tenku.serving.supervisor import Launch, Supervisor
from tenku.serving.webhooks import Deliverer

# `characters`, `edits` and their like come before `{video_id}`, which would take their names for ids.
_ROUTERS: Final = (
    *(characters.router, derived.router, events.router, verifying.router, videos.router),
    *(webhooks.router, models.router, live.router, operations.router),
)


def make_app(settings: Settings, database: Database) -> Limits:
    """The server's ASGI application; its workers and other helpers live as long as its lifespan."""
    context = _context(settings, database)
    app = FastAPI(
        title="tenku",
        version=version("tenku"),
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.context = context
    for router in _ROUTERS:
        app.include_router(router)
    add_studio(app)
    for kind in (ApiError, UserError, SQLAlchemyError, OSError, Exception):
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    _describe(app)
    return Limits(Retrieving(app, context.board, settings), settings, context.metrics, context.board.close)


def _context(settings: Settings, database: Database) -> Context:
    metrics, storage = Metrics(), Storage(settings.storage, settings.scratch)

    def on_end(record: Record) -> None:
        if record.started_at is not None and record.completed_at is not None:
            waited = record.started_at - record.created_at
            metrics.ended(record.kind, record.status, record.completed_at - record.started_at, waited)

    board = Board(database, on_end)
    return Context(
        settings=settings,
        database=database,
        storage=storage,
        board=board,
        incoming=Incoming(settings, storage),
        supervisor=Supervisor(settings, database, metrics, _launch(settings, board)),
        live=LiveSessions(settings, metrics),
        metrics=metrics,
    )


def _launch(settings: Settings, board: Board) -> Launch:
    """Where workers are started."""
    if not settings.ray:
        return partial(WorkerProcess.launched, settings, board.hurry)
    ray = join_cluster(settings)

    async def placed(name: str) -> WorkerActor:
        return await asyncio.to_thread(WorkerActor, ray, settings, name)

    return placed


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.context
    models.vocabulary()
    housekeeping = Housekeeping(context.settings, context.database, context.storage)
    deliverer = Deliverer(context.settings, context.database)
    await context.board.start()
    context.supervisor.start()
    housekeeping.start()
    deliverer.start()
    try:
        yield
    finally:
        context.board.close()
        await context.live.stop()
        await context.supervisor.stop()
        await housekeeping.stop()
        await deliverer.stop()
        await context.board.stop()
        context.database.dispose()


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    fault = fault_of(error)
    if fault is None:
        raise error
    return JSONResponse(fault.body(), status_code=fault.status, headers=fault.headers)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    messages = {
        404: f"there is nothing at {request.url.path[:200]!r}; /openapi.json says what there is.",
        405: f"{request.method} is not possible at {request.url.path[:200]!r}; /openapi.json says what is.",
    }
    message = messages.get(status, str(error.detail))
    fault = ApiError(status, message, code=status.phrase.lower().replace(" ", "_"), headers=error.headers)
    return await _on_error(request, fault)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    fault = ApiError(400, f"{name}: {first['msg']}", code="invalid_value", param=name)
    return await _on_error(request, fault)


def _describe(app: FastAPI) -> None:
    """Let the OpenAPI text say what FastAPI cannot know: our errors, and how keys are sent."""
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            components = schema.setdefault("components", {})
            inner = ErrorObject.model_json_schema(ref_template="#/components/schemas/{model}")
            definitions = inner.pop("$defs")
            components.setdefault("schemas", {}).update({**definitions, "ErrorObject": inner})
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"key": []}, {}]
            for operations_ in schema["paths"].values():
                for operation in operations_.values():
                    operation["responses"].pop("422", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
