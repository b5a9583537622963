"""How routes answer, how they read what is asked, and how OpenAPI is told of both."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import Request

from tenku.serving import submitting
from tenku.serving.bodies import Body, read_body
from tenku.serving.context import Context, in_thread
from tenku.serving.faults import ApiError
from tenku.serving.keys import Key
from tenku.serving.records import COMPLETED, VIDEO, Record
from tenku.serving.submitting import NewVideo, Repeat
from tenku.serving.wire import video_object

Model = TypeVar("Model", bound=BaseModel)

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "What is wrong, in one sentence.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorObject"}}},
    },
    503: {
        "description": "The database or the storage does not answer now.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorObject"}}},
    },
}


@asynccontextmanager
async def body_of(request: Request) -> AsyncIterator[Body]:
    """The body of a request, its files open inside of the block."""
    async with AsyncExitStack() as stack:
        yield await read_body(request, stack)


def video_answer(context: Context, record: Record) -> JSONResponse:
    """A video, and when to ask again."""
    headers = {"openai-poll-after-ms": str(context.settings.poll_after_ms)}
    return JSONResponse(video_object(record, context.board.position(record.id)), headers=headers)


async def submitted(
    context: Context, request: Request, owner: Key, new: NewVideo, body: Body
) -> JSONResponse:
    """Put a job into the queue and answer with it."""
    repeat = repeat_of(request, body)
    record = await in_thread(submitting.submit, context.database, context.settings, owner, new, repeat)
    if record.id != new.id:  # it was asked for before, with the same key
        await in_thread(context.storage.remove, f"videos/{new.id}")
    context.board.put(record)
    context.supervisor.nudge()
    return video_answer(context, record)


def repeat_of(request: Request, body: Body) -> Repeat | None:
    """The request's Idempotency-Key, if it has one."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise ApiError(400, "an Idempotency-Key has 1 to 255 characters.", code="invalid_value")
    return Repeat.of(key, request.url.path, body.raw)


async def source_of(context: Context, owner: Key, video: str) -> Record:
    """A finished video from which another can be made."""
    record = await context.find(owner, video)
    if record.status != COMPLETED:
        raise ApiError(
            400,
            f"the video {video} is {record.status.replace('_', ' ')}; wait until it is completed.",
            code="video_not_ready",
            param="video",
        )
    if VIDEO not in record.files:
        raise ApiError(
            404, f"the files of {video} have expired; make it again.", code="expired", param="video"
        )
    return record


def described_body(
    model: type[BaseModel], *, files: tuple[str, ...] = (), as_json: bool = True
) -> dict[str, Any]:
    """What OpenAPI is told of a body that is read by us: the same fields as JSON and as a form with files."""
    schema = inlined(model.model_json_schema())
    form = {**schema, "properties": dict(schema.get("properties", {}))}
    for name in files:
        form["properties"][name] = {"type": "string", "format": "binary"}
    content = {"multipart/form-data": {"schema": form}}
    if as_json:
        content["application/json"] = {"schema": schema}
    return {"requestBody": {"required": True, "content": content}}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema without references to definitions of its own."""
    definitions = schema.pop("$defs", {})

    def resolve(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return resolve(definitions[part["$ref"].rpartition("/")[2]])
            return {name: resolve(value) for name, value in part.items()}
        return [resolve(each) for each in part] if isinstance(part, list) else part

    resolved: dict[str, Any] = resolve(schema)
    return resolved
