"""Request bodies: JSON and forms become one kind of nested object, files included."""

import json
import math
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from tenku.serving.faults import ApiError, bad_value

_MAX_FIELDS: Final = 200
_MAX_DEPTH: Final = 8
_MAX_FIELD_BYTES: Final = 21 * 2**20  # an image URL may have 20,971,520 characters
_MAX_JSON_BYTES: Final = 24 * 2**20
_MAX_FILES: Final = 4
_PART: Final = re.compile(r"\[([^\[\]]*)\]")
_INDEX: Final = re.compile(r"[0-9]{1,4}")
_BIG: Final = 64 * 1024

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of a request, nested, and a digestible form of what came."""

    fields: Mapping[str, Any]
    raw: bytes

    def as_model(self, model: type[Model]) -> Model:
        """The fields checked; what is wrong first is a fault."""
        try:
            return model.model_validate(_without_files(self.fields))
        except ValidationError as error:
            raise _fault(error) from error

    def file(self, name: str) -> UploadFile | None:
        """A file that was sent under a name; empty ones, as browsers send for none, are none."""
        value = self.fields.get(name)
        if isinstance(value, list):
            value = next((part for part in value if isinstance(part, UploadFile)), None)
        return value if isinstance(value, UploadFile) and (value.filename or value.size) else None


async def read_body(request: Request, stack: AsyncExitStack) -> Body:
    """The body of a request, whatever of both kinds it is; files are open as long as the stack is."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        return await _read_form(request, stack)
    if kind not in ("", "application/json") and not kind.endswith("+json"):
        raise ApiError(
            415,
            f"a body of type {kind[:80]!r} cannot be read; send application/json or multipart/form-data.",
            code="unsupported_media_type",
        )
    return await _read_json(request)


async def _read_json(request: Request) -> Body:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_JSON_BYTES:
            raise too_large(_MAX_JSON_BYTES)
    raw = bytes(data)
    if not raw.strip():
        return Body({}, raw)
    try:
        loads = _loads if len(raw) < _BIG else None
        value = loads(raw) if loads is not None else await anyio.to_thread.run_sync(_loads, raw)
    except (ValueError, RecursionError) as error:
        raise bad_value(f"the body is no JSON ({str(error)[:100]}); send one object.") from error
    if not isinstance(value, dict):
        raise bad_value("the body is no JSON object; send one with the fields of this request.")
    return Body(value, raw)


async def _read_form(request: Request, stack: AsyncExitStack) -> Body:
    try:
        form = await request.form(
            max_files=_MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
    except MultiPartException as error:
        raise bad_value(f"the form cannot be read: {error.message.rstrip('.').lower()}.") from error
    except Exception as error:
        if type(error).__name__ != "HTTPException":
            raise
        raise bad_value(f"the form cannot be read: {getattr(error, 'detail', error)}") from error
    stack.push_async_callback(form.close)
    pairs = form.multi_items()
    told = [
        (name, value if isinstance(value, str) else f"{value.filename} {value.size}") for name, value in pairs
    ]
    return Body(nested(pairs), json.dumps(told).encode(errors="surrogatepass"))


def nested(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Form fields as objects: `video[id]` is an object's, `characters[][id]` one of each of a list's."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        head, bracket, rest = name.partition("[")
        path = _PART.findall(bracket + rest)
        if not head or bracket + rest != "".join(f"[{part}]" for part in path):
            head, path = name, []
        if len(path) > _MAX_DEPTH:
            raise bad_value(f"the field {name[:80]!r} is nested too deeply.")
        _put(fields, [head, *path], value)
    return fields


def _put(place: dict[str, Any], path: list[str], value: Any) -> None:
    head, *rest = path
    if not rest:
        if head not in place:
            place[head] = value
        elif isinstance(place[head], list):
            place[head].append(value)
        else:
            place[head] = [place[head], value]
        return
    if rest[0] == "" or _INDEX.fullmatch(rest[0]):
        _put_in_list(_container(place, head, list), rest[1:], value, rest[0])
    else:
        _put(_container(place, head, dict), rest, value)


def _put_in_list(place: list[Any], rest: list[str], value: Any, index: str) -> None:
    if not rest:
        place.append(value)
        return
    open_one = place[-1] if place and isinstance(place[-1], dict) else None
    begins = open_one is None or (len(place) <= int(index) if index else rest[0] in open_one)
    if begins:
        place.append({})
    _put(place[-1], rest, value)


def _container(place: dict[str, Any], name: str, kind: type[Any]) -> Any:
    """What more is put into; an object takes the place of a plain value, for an id wins over a file."""
    if not isinstance(place.get(name), kind):
        place[name] = kind()
    return place[name]


def too_large(limit: int) -> ApiError:
    """A body that is not read to its end."""
    return ApiError(
        413,
        f"this body is larger than the {limit / 2**20:.4g} MiB that are taken; send less.",
        code="body_too_large",
        headers={"connection": "close", "x-should-retry": "false"},
    )


def _loads(raw: bytes) -> Any:
    return json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that can be used")
    return number


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _without_files(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if not isinstance(part, UploadFile)}
        return {name: _without_files(part) for name, part in kept.items()}
    if isinstance(value, list):
        return [_without_files(part) for part in value if not isinstance(part, UploadFile)]
    return value


def _fault(error: ValidationError) -> ApiError:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(
        str(part) for part in first["loc"] if not str(part).startswith(("function-", "nullable"))
    )
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return ApiError(
            400, f"the field {place!r} is missing.", code="missing_required_parameter", param=place
        )
    return bad_value(f"{place}: {message}" if place else message, place or None)
