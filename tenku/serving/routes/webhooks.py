"""Webhook endpoints, as the SDKs manage them."""

from typing import Annotated, Any, Final

import httpx
from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Row, delete, func, insert, select, update
from starlette.requests import Request

from tenku.serving.context import Context, caller, context_of, in_thread
from tenku.serving.database import Database, now
from tenku.serving.faults import ApiError, bad_value, not_found
from tenku.serving.fetching import checked_address
from tenku.serving.identifiers import is_id, new_id
from tenku.serving.orders import EndpointChange, EndpointOrder, RotateOrder, SampleOrder
from tenku.serving.outbox import EVENT_TYPES, event_body
from tenku.serving.routes.answers import ERRORS, body_of, described_body
from tenku.serving.routes.schemas import EndpointObject
from tenku.serving.tables import endpoints
from tenku.serving.webhooks import new_secret, send
from tenku.serving.wire import endpoint_object, list_object

router = APIRouter(prefix="/v1", tags=["webhooks"], responses=ERRORS)

_MAX_ENDPOINTS: Final = 20
_DAY: Final = 86_400.0


@router.get("/webhook_event_types")
async def event_types(request: Request) -> JSONResponse:
    """Which events there are."""
    caller(request)
    return JSONResponse({"object": "list", "data": list(EVENT_TYPES)})


@router.post(
    "/webhook_endpoints",
    response_model=EndpointObject,
    openapi_extra=described_body(EndpointOrder),
)
async def create(request: Request) -> JSONResponse:
    """Have events sent to a URL; its signing secret is in this answer only."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(EndpointOrder)
    await _check_url(context, order.url)
    row = {
        "id": new_id("we"),
        "owner": owner.id,
        "name": order.name,
        "url": order.url,
        "event_types": _known(order.event_types),
        "secret": new_secret(),
        "created_at": now(),
        "updated_at": now(),
    }
    added = await in_thread(_added, context.database, row)
    return JSONResponse(endpoint_object(added, with_secret=True))


@router.get("/webhook_endpoints")
async def list_endpoints(
    request: Request,
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> JSONResponse:
    """Your endpoints, the newest first."""
    context, owner = context_of(request), caller(request)
    rows = await in_thread(_all, context.database, owner.id)
    if after:
        ids = [row.id for row in rows]
        if after not in ids:
            raise not_found("webhook endpoint", after)
        rows = rows[ids.index(after) + 1 :]
    return JSONResponse(
        list_object([endpoint_object(row) for row in rows[:limit]], has_more=len(rows) > limit)
    )


@router.get("/webhook_endpoints/{endpoint_id}", response_model=EndpointObject)
async def retrieve(request: Request, endpoint_id: str) -> JSONResponse:
    """One endpoint."""
    context, owner = context_of(request), caller(request)
    return JSONResponse(endpoint_object(await in_thread(_find, context.database, owner.id, endpoint_id)))


@router.post(
    "/webhook_endpoints/{endpoint_id}",
    response_model=EndpointObject,
    openapi_extra=described_body(EndpointChange),
)
async def change(request: Request, endpoint_id: str) -> JSONResponse:
    """Change an endpoint."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(EndpointChange)
    if order.url is not None:
        await _check_url(context, order.url)
    facts = {name: value for name, value in order.model_dump().items() if value is not None}
    if "event_types" in facts:
        facts["event_types"] = _known(facts["event_types"])
    row = await in_thread(_changed, context.database, owner.id, endpoint_id, facts)
    return JSONResponse(endpoint_object(row))


@router.delete("/webhook_endpoints/{endpoint_id}")
async def remove(request: Request, endpoint_id: str) -> JSONResponse:
    """Send no more events to an endpoint."""
    context, owner = context_of(request), caller(request)
    await in_thread(_removed, context.database, owner.id, endpoint_id)
    return JSONResponse({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


@router.post(
    "/webhook_endpoints/{endpoint_id}/rotate_secret",
    response_model=EndpointObject,
    openapi_extra=described_body(RotateOrder),
)
async def rotate(request: Request, endpoint_id: str) -> JSONResponse:
    """Sign with a new secret; the old one may go on for a day."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        keeps_old = body.as_model(RotateOrder).keep_old_secret_active_for_24_hours
    row = await in_thread(_find, context.database, owner.id, endpoint_id)
    facts: dict[str, Any] = {"secret": new_secret(), "old_secret": None, "old_secret_until": None}
    if keeps_old:
        facts |= {"old_secret": row.secret, "old_secret_until": now() + _DAY}
    row = await in_thread(_changed, context.database, owner.id, endpoint_id, facts)
    return JSONResponse(endpoint_object(row, with_secret=True))


@router.post(
    "/webhook_endpoints/{endpoint_id}/test",
    openapi_extra=described_body(SampleOrder),
)
async def sample(request: Request, endpoint_id: str) -> JSONResponse:
    """Send a sample event now."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        event = body.as_model(SampleOrder).event_type
    row = await in_thread(_find, context.database, owner.id, endpoint_id)
    identifier = new_id("evt")
    try:
        status = await send(context.settings, row, identifier, event_body(identifier, event, new_id("video")))
    except (httpx.HTTPError, TimeoutError) as error:
        raise ApiError(
            400, "the endpoint does not answer; check its URL.", code="endpoint_unreachable"
        ) from error
    return JSONResponse(
        {
            "object": "webhook_endpoint.test",
            "webhook_endpoint_id": row.id,
            "event_type": event,
            "status_code": status,
            "success": True,
        }
    )


async def _check_url(context: Context, url: str) -> None:
    await checked_address(url, allow_private=context.settings.allow_private, param="url")


def _known(wanted: list[str]) -> list[str]:
    """The events that an endpoint wants; those of other products are never sent, so they are refused."""
    unknown = sorted(set(wanted) - set(EVENT_TYPES))
    if unknown:
        raise bad_value(
            f"there are no events {', '.join(unknown)[:200]!r}; choose from {', '.join(EVENT_TYPES)}.",
            "event_types",
        )
    return sorted(set(wanted))


def _added(database: Database, row: dict[str, Any]) -> Row[Any]:
    mine = select(func.count()).select_from(endpoints).where(endpoints.c.owner == row["owner"])
    with database.writing() as connection:
        if connection.execute(mine).scalar_one() >= _MAX_ENDPOINTS:
            raise ApiError(
                400, f"you have {_MAX_ENDPOINTS} endpoints; delete one first.", code="too_many_endpoints"
            )
        return connection.execute(insert(endpoints).values(row).returning(endpoints)).one()


def _all(database: Database, owner: str) -> list[Row[Any]]:
    mine = select(endpoints).where(endpoints.c.owner == owner)
    with database.reading() as connection:
        return list(connection.execute(mine.order_by(endpoints.c.created_at.desc(), endpoints.c.id)))


def _find(database: Database, owner: str, endpoint: str) -> Row[Any]:
    if is_id(endpoint, "we"):
        with database.reading() as connection:
            row = connection.execute(select(endpoints).where(_mine(owner, endpoint))).one_or_none()
        if row is not None:
            return row
    raise not_found("webhook endpoint", endpoint)


def _changed(database: Database, owner: str, endpoint: str, facts: dict[str, Any]) -> Row[Any]:
    _find(database, owner, endpoint)
    new = update(endpoints).where(_mine(owner, endpoint)).values(**facts, updated_at=now())
    with database.writing() as connection:
        row = connection.execute(new.returning(endpoints)).one_or_none()
    if row is None:
        raise not_found("webhook endpoint", endpoint)
    return row


def _removed(database: Database, owner: str, endpoint: str) -> None:
    _find(database, owner, endpoint)
    with database.writing() as connection:
        connection.execute(delete(endpoints).where(_mine(owner, endpoint)))


def _mine(owner: str, endpoint: str) -> Any:
    return (endpoints.c.id == endpoint) & (endpoints.c.owner == owner)
