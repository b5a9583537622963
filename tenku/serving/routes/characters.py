"""Characters: a subject from a short clip, to be carried into other videos."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from sqlalchemy import Row, insert, select
from starlette.requests import Request

from tenku.serving.context import caller, context_of, in_thread
from tenku.serving.database import Database, now
from tenku.serving.faults import ApiError, bad_value, not_found
from tenku.serving.identifiers import is_id, new_id
from tenku.serving.moderation import check_text
from tenku.serving.orders import CharacterOrder
from tenku.serving.records import VIDEO
from tenku.serving.routes.answers import ERRORS, body_of, described_body, source_of
from tenku.serving.routes.schemas import CharacterObject
from tenku.serving.tables import characters
from tenku.serving.wire import character_object

router = APIRouter(prefix="/v1/videos/characters", tags=["characters"], responses=ERRORS)

_LONGEST = 20.0  # seconds; the standard asks for two to four


@router.post(
    "",
    response_model=CharacterObject,
    openapi_extra=described_body(CharacterOrder, files=("video",)),
)
async def create(request: Request) -> JSONResponse:
    """Take the main object of a short clip as a character."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(CharacterOrder)
        check_text(context.settings, order.name, "name")
        identifier = new_id("char")
        if order.video is not None:
            source = await source_of(context, owner, order.video.id)
            seconds, name = source.seconds, f"characters/{identifier}/clip.mp4"
            await in_thread(context.storage.copy, source.files[VIDEO], name)
        else:
            file = body.file("video")
            if file is None:
                raise ApiError(
                    400,
                    "there is no video; send a clip of two to four seconds, or the id of a video.",
                    code="missing_required_parameter",
                    param="video",
                )
            taken = await context.incoming.take(file, "clip", f"characters/{identifier}/clip.mp4")
            seconds, name = taken.decoded.num_frames / 16, taken.name
        if seconds > _LONGEST:
            raise bad_value(
                f"a character's clip has two to four seconds, not {seconds:.3g}; cut it.", "video"
            )
        row = await in_thread(_added, context.database, owner.id, identifier, order.name, name)
        return JSONResponse(character_object(row))


@router.get("/{character_id}", response_model=CharacterObject)
async def retrieve(request: Request, character_id: str) -> JSONResponse:
    """One character."""
    context, owner = context_of(request), caller(request)
    row = await in_thread(find_character, context.database, owner.id, character_id)
    return JSONResponse(character_object(row))


def find_character(database: Database, owner: str, character: str) -> Row[Any]:
    """A character of an owner's; a fault if there is none, or it is somebody else's."""
    if is_id(character, "char"):
        mine = (characters.c.id == character) & (characters.c.owner == owner)
        with database.reading() as connection:
            row = connection.execute(select(characters).where(mine)).one_or_none()
        if row is not None:
            return row
    raise not_found("character", character)


def _added(database: Database, owner: str, identifier: str, name: str, file: str) -> Row[Any]:
    row = {"id": identifier, "owner": owner, "name": name, "file": file, "created_at": now()}
    with database.writing() as connection:
        return connection.execute(insert(characters).values(row).returning(characters)).one()
