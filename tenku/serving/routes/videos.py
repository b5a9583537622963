"""Videos: made from a prompt, retrieved, listed, downloaded, renamed, cancelled, deleted."""

import secrets
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import Request

from tenku.serving import library, queue
from tenku.serving.bodies import Body
from tenku.serving.context import Context, caller, context_of, in_thread
from tenku.serving.faults import ApiError, bad_value, not_found
from tenku.serving.identifiers import new_id
from tenku.serving.keys import Key
from tenku.serving.moderation import check_text
from tenku.serving.orders import CreateOrder, ImageReference, SamplingOrder, TitleOrder
from tenku.serving.records import LATENTS, SPRITESHEET, THUMBNAIL, VIDEO
from tenku.serving.routes.answers import (
    ERRORS,
    body_of,
    described_body,
    source_of,
    submitted,
    video_answer,
)
from tenku.serving.routes.schemas import VideoDeleted, VideoList, VideoObject
from tenku.serving.sizes import native_size
from tenku.serving.submitting import NewVideo
from tenku.serving.wire import deleted_object, list_object, video_object

router = APIRouter(prefix="/v1/videos", tags=["videos"], responses=ERRORS)

_TYPES = {
    VIDEO: ("video/mp4", "mp4"),
    THUMBNAIL: ("image/webp", "webp"),
    SPRITESHEET: ("image/jpeg", "jpg"),
    LATENTS: ("application/octet-stream", "tenku"),
}
Order = Literal["asc", "desc"]
Variant = Literal["video", "thumbnail", "spritesheet", "latents"]


@router.post(
    "",
    response_model=VideoObject,
    openapi_extra=described_body(CreateOrder, files=("input_reference",)),
)
async def create(request: Request) -> JSONResponse:
    """Make a video from a prompt, and perhaps from a first picture."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(CreateOrder)
        check_text(context.settings, order.prompt)
        video, (width, height) = new_id("video"), order.pixels
        native = native_size(width, height)
        task: dict[str, Any] = {"verb": "generate", "native": native, **sampling_of(order)}
        for reference in order.characters:
            await _check_character(context, owner, reference.id)
        task["characters"] = [reference.id for reference in order.characters]
        picture = await _picture(context, owner, order, body, video)
        if picture is not None:
            task["picture"] = picture
        new = NewVideo(
            id=video,
            kind="generation",
            task=task,
            model=order.model,
            prompt=order.prompt,
            width=width,
            height=height,
            fps=order.fps,
            num_frames=order.frames,
            seed=seed_of(order),
            native_size=size_text(native, (width, height)),
        )
        return await submitted(context, request, owner, new, body)


@router.get("", response_model=VideoList)
async def list_videos(
    request: Request,
    after: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=0, le=100)] = 20,
    order: Order = "desc",
) -> JSONResponse:
    """Your videos, in the order in which they were made."""
    context, owner = context_of(request), caller(request)
    records, more = await in_thread(
        library.page, context.database, owner.id, after=after or None, limit=limit, order=order
    )
    objects = [video_object(record, context.board.position(record.id)) for record in records]
    return JSONResponse(list_object(objects, has_more=more))


@router.get("/{video_id}", response_model=VideoObject)
async def retrieve(request: Request, video_id: str) -> JSONResponse:
    """One video, as it is now."""
    context, owner = context_of(request), caller(request)
    return video_answer(context, await context.find(owner, video_id))


@router.delete("/{video_id}", response_model=VideoDeleted)
async def delete(request: Request, video_id: str) -> JSONResponse:
    """Delete a video and its files."""
    context, owner = context_of(request), caller(request)
    record = await in_thread(library.throw_away, context.database, owner.id, video_id)
    context.board.forget(record.id)
    await in_thread(context.storage.remove, record.folder)
    return JSONResponse(deleted_object(record.id))


@router.patch(
    "/{video_id}",
    response_model=VideoObject,
    openapi_extra=described_body(TitleOrder),
)
async def rename(request: Request, video_id: str) -> JSONResponse:
    """Give a video another title."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        title = body.as_model(TitleOrder).title
    check_text(context.settings, title, "title")
    record = await in_thread(library.rename, context.database, owner.id, video_id, title)
    context.board.put(record)
    return video_answer(context, record)


@router.post("/{video_id}/cancel", response_model=VideoObject)
async def cancel(request: Request, video_id: str) -> JSONResponse:
    """Stop making a video, at its next step."""
    context, owner = context_of(request), caller(request)
    record = await in_thread(queue.cancel, context.database, owner.id, video_id)
    if record is None:
        raise not_found("video", video_id)
    context.board.put(record)
    return video_answer(context, record)


@router.get(
    "/{video_id}/content",
    response_class=FileResponse,
    responses={
        200: {
            "description": "The file.",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind, _ in _TYPES.values()
            },
        },
        206: {"description": "A range of the file."},
        416: {"description": "A range that the file does not have."},
    },
)
async def content(request: Request, video_id: str, variant: Variant = "video") -> FileResponse:
    """A video's files: MP4, WebP thumbnail, JPEG sprite sheet, or its latents."""
    context, owner = context_of(request), caller(request)
    record = await context.find(owner, video_id)
    if not record.is_finished:
        raise ApiError(
            400, f"the video {video_id} is not completed yet; wait for it.", code="video_not_ready"
        )
    name = record.files.get(variant)
    if name is None:
        expired = record.expires_at is not None and not record.files
        why = "have expired" if expired else f"include no {variant}"
        raise ApiError(404, f"the files of {video_id} {why}.", code="expired" if expired else "not_found")
    try:
        path = await in_thread(context.storage.path, name)
    except FileNotFoundError as error:
        raise not_found("video", video_id) from error
    kind, suffix = _TYPES[variant]
    headers = {"cache-control": "private, max-age=3600, immutable"}
    return FileResponse(
        path,
        media_type=kind,
        filename=f"{video_id}.{suffix}",
        content_disposition_type="inline",
        headers=headers,
    )


def sampling_of(order: SamplingOrder) -> dict[str, Any]:
    """What a task is told of how it is sampled."""
    return {
        "negative_prompt": order.negative_prompt if order.negative_prompt.strip() else "",
        "num_inference_steps": order.num_inference_steps,
        "guidance_scale": order.guidance_scale,
    }


def seed_of(order: SamplingOrder) -> int:
    """The seed that was asked for, or a random one that is told."""
    return secrets.randbelow(2**31) if order.seed is None else order.seed


def size_text(native: tuple[int, int], shown: tuple[int, int]) -> str | None:
    """The size at which a video is made, where it is another than the one at which it is shown."""
    return None if native == shown else f"{native[0]}x{native[1]}"


async def _check_character(context: Context, owner: Key, character: str) -> None:
    from tenku.serving.routes.characters import find_character

    await in_thread(find_character, context.database, owner.id, character)


async def _picture(context: Context, owner: Key, order: CreateOrder, body: Body, video: str) -> str | None:
    """The name of the file that a video begins with."""
    reference = order.input_reference
    if reference is not None and reference.file_id is not None:
        return (await source_of(context, owner, reference.file_id)).files[VIDEO]
    source = await _picture_source(context, reference, body)
    if source is None:
        return None
    taken = await context.incoming.take(source, "picture", f"videos/{video}/picture.png")
    found = (taken.decoded.width, taken.decoded.height)
    if found != order.pixels:
        await in_thread(context.storage.remove, f"videos/{video}")
        width, height = order.pixels
        raise bad_value(
            f"Inpaint image must match the requested width and height: it is {found[0]}x{found[1]}, and "
            f"{width}x{height} is asked for.",
            "input_reference",
        )
    return taken.name


async def _picture_source(context: Context, reference: ImageReference | None, body: Body) -> Any:
    if reference is not None and reference.image_url is not None:
        return await context.incoming.fetched(reference.image_url, "input_reference.image_url")
    return body.file("input_reference")
