"""Videos made from videos: remix, edit, extend, loop, fill, blend, storyboard; and what is uploaded."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.requests import Request

from tenku.serving import submitting
from tenku.serving.bodies import Body
from tenku.serving.context import Context, caller, context_of, in_thread
from tenku.serving.faults import ApiError, bad_value
from tenku.serving.identifiers import new_id
from tenku.serving.keys import Key
from tenku.serving.moderation import check_text
from tenku.serving.orders import (
    MAX_EXTENSIONS,
    MAX_TOTAL_SECONDS,
    BlendOrder,
    EditOrder,
    ExtendOrder,
    FillOrder,
    LoopOrder,
    Reference,
    RemixOrder,
    SamplingOrder,
    SceneOrder,
    StoryboardOrder,
    UploadOrder,
)
from tenku.serving.records import Record
from tenku.serving.routes.answers import (
    ERRORS,
    body_of,
    described_body,
    source_of,
    submitted,
    video_answer,
)
from tenku.serving.routes.schemas import VideoObject
from tenku.serving.routes.videos import sampling_of, seed_of, size_text
from tenku.serving.sizes import NATIVE_FPS, native_size
from tenku.serving.submitting import NewVideo

router = APIRouter(prefix="/v1/videos", tags=["videos from videos"], responses=ERRORS)

_VERBS = {"extension": "extend"}  # what the pipeline calls a kind of video


@router.post(
    "/edits",
    response_model=VideoObject,
    openapi_extra=described_body(EditOrder, files=("video", "mask")),
)
async def edit(request: Request) -> JSONResponse:
    """Make what lies under a mask, or all of a video, anew to another prompt."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(EditOrder)
        check_text(context.settings, order.prompt)
        source = await _source(context, owner, order.video, body)
        new = _derived(source, order, "edit", prompt=order.prompt)
        task = dict(new.task)
        mask = body.file("mask")
        if mask is not None:
            task["mask"] = (await context.incoming.take(mask, "mask", f"videos/{new.id}/mask.png")).name
        usual = 0.6 if mask is None else 1.0
        task["strength"] = usual if order.strength is None else order.strength
        return await submitted(context, request, owner, replace(new, task=task), body)


@router.post(
    "/extensions",
    response_model=VideoObject,
    openapi_extra=described_body(ExtendOrder, files=("video",)),
)
async def extend(request: Request) -> JSONResponse:
    """Let a video go on after its end, or set off before its start."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(ExtendOrder)
        check_text(context.settings, order.prompt)
        source = await _source(context, owner, order.video, body)
        extensions = 1 + _extensions(source)
        if extensions > MAX_EXTENSIONS:
            raise bad_value(
                f"this video has been extended {MAX_EXTENSIONS} times, and may not be again; put it into a "
                "storyboard, which makes a new one of it.",
                "video",
            )
        total = source.num_frames + max(1, round(order.seconds * source.fps))
        if total / source.fps > MAX_TOTAL_SECONDS + 0.1:
            raise bad_value(
                f"{source.seconds:.4g} and {order.seconds:g} seconds are more than the {MAX_TOTAL_SECONDS:g} "
                "that a video may have; extend it by fewer.",
                "seconds",
            )
        new = _derived(
            source,
            order,
            "extension",
            prompt=order.prompt,
            num_frames=total,
            seconds=order.seconds,
            before=order.before,
            extensions=extensions,
        )
        return await submitted(context, request, owner, new, body)


@router.post(
    "/blends",
    response_model=VideoObject,
    openapi_extra=described_body(BlendOrder),
)
async def blend(request: Request) -> JSONResponse:
    """Let one video turn into another."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(BlendOrder)
        check_text(context.settings, order.prompt)
        first, second = [
            await source_of(context, owner, reference.id) for reference in (order.first, order.second)
        ]
        shorter = min(first.seconds, second.seconds)
        if order.seconds > shorter:
            raise bad_value(
                f"the shorter video has {shorter:.4g} seconds and cannot blend over {order.seconds:g}.",
                "seconds",
            )
        frames = first.num_frames + max(1, round((second.seconds - order.seconds) * first.fps))
        new = _derived(
            first,
            order,
            "blend",
            prompt=order.prompt or second.prompt,
            num_frames=frames,
            seconds=order.seconds,
        )
        return await submitted(context, request, owner, replace(new, parents=(first.id, second.id)), body)


@router.post(
    "/storyboards",
    response_model=VideoObject,
    openapi_extra=described_body(StoryboardOrder),
)
async def storyboard(request: Request) -> JSONResponse:
    """Make scenes one after the other: prompts and videos, with cuts, dissolves or none."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(StoryboardOrder)
        scenes, parents = await _scenes(context, owner, order.scenes)
        width, height = (int(side) for side in order.size.split("x"))
        native = native_size(width, height)
        seconds = sum(scene.seconds for scene in order.scenes)
        new = NewVideo(
            kind="storyboard",
            task={"verb": "storyboard", "native": native, "scenes": scenes, **sampling_of(order)},
            model=order.model,
            title=order.title,
            prompt="\n".join(scene["prompt"] for scene in scenes if scene["prompt"]) or None,
            parents=parents,
            width=width,
            height=height,
            fps=order.fps,
            num_frames=max(1, round(seconds * order.fps)),
            seed=seed_of(order),
            native_size=size_text(native, (width, height)),
        )
        check_text(context.settings, order.title, "title")
        return await submitted(context, request, owner, new, body)


@router.post(
    "/uploads",
    response_model=VideoObject,
    openapi_extra=described_body(UploadOrder, files=("file",), as_json=False),
)
async def upload(request: Request) -> JSONResponse:
    """Put a clip or a picture of your own into the gallery."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(UploadOrder)
        check_text(context.settings, order.title, "title")
        record = await _uploaded(context, owner, body, "file", order.title)
        return video_answer(context, record)


@router.post(
    "/{video_id}/remix",
    response_model=VideoObject,
    openapi_extra=described_body(RemixOrder),
)
async def remix(request: Request, video_id: str) -> JSONResponse:
    """Make a video again to another prompt, with some of its freedom."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(RemixOrder)
        check_text(context.settings, order.prompt)
        source = await source_of(context, owner, video_id)
        new = _derived(source, order, "remix", prompt=order.prompt, strength=order.strength)
        return await submitted(context, request, owner, replace(new, remixed_from=source.id), body)


@router.post(
    "/{video_id}/loop",
    response_model=VideoObject,
    openapi_extra=described_body(LoopOrder),
)
async def loop(request: Request, video_id: str) -> JSONResponse:
    """Let a video come back to its first frame."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(LoopOrder)
        check_text(context.settings, order.prompt)
        source = await source_of(context, owner, video_id)
        frames = source.num_frames + max(1, round(order.seconds * source.fps))
        new = _derived(
            source,
            order,
            "loop",
            prompt=order.prompt or source.prompt,
            num_frames=frames,
            seconds=order.seconds,
        )
        return await submitted(context, request, owner, new, body)


@router.post(
    "/{video_id}/fill",
    response_model=VideoObject,
    openapi_extra=described_body(FillOrder),
)
async def fill(request: Request, video_id: str) -> JSONResponse:
    """Make a part of a video anew."""
    context, owner = context_of(request), caller(request)
    async with body_of(request) as body:
        order = body.as_model(FillOrder)
        check_text(context.settings, order.prompt)
        source = await source_of(context, owner, video_id)
        if order.end > source.seconds + 1e-3:
            raise bad_value(
                f"the video has {source.seconds:.4g} seconds, and the gap ends after them.", "end"
            )
        new = _derived(
            source, order, "fill", prompt=order.prompt or source.prompt, start=order.start, end=order.end
        )
        return await submitted(context, request, owner, new, body)


def _extensions(record: Record) -> int:
    """How often a video has been extended since it was made."""
    return int(record.task.get("extensions", 1)) if record.kind == "extension" else 0


def _derived(
    source: Record,
    order: SamplingOrder,
    kind: str,
    *,
    prompt: str | None,
    num_frames: int | None = None,
    **facts: Any,
) -> NewVideo:
    """A video made from another, of its size and rate."""
    shown = (source.width, source.height)
    native = tuple(source.task.get("native") or native_size(*shown))
    return NewVideo(
        kind=kind,
        task={"verb": _VERBS.get(kind, kind), "native": native, **sampling_of(order), **facts},
        model=order.model,
        prompt=prompt,
        parents=(source.id,),
        width=source.width,
        height=source.height,
        fps=source.fps,
        num_frames=num_frames or source.num_frames,
        seed=seed_of(order),
        native_size=size_text((native[0], native[1]), shown),
    )


async def _source(context: Context, owner: Key, reference: Reference | None, body: Body) -> Record:
    """The video that a request names or brings along; an id wins over a file."""
    if reference is not None:
        return await source_of(context, owner, reference.id)
    return await _uploaded(context, owner, body, "video", None)


async def _uploaded(context: Context, owner: Key, body: Body, name: str, title: str | None) -> Record:
    """A file that came with a request, now a video of its owner's."""
    file = body.file(name)
    if file is None:
        raise ApiError(
            400,
            f"there is no {name}; send a file, or the id of a video.",
            code="missing_required_parameter",
            param=name,
        )
    video = new_id("video")
    taken = await context.incoming.take(file, "clip", f"videos/{video}/0/video.mp4")
    new = NewVideo(
        id=video,
        kind="upload",
        task={},
        model="upload",
        title=title,
        width=taken.decoded.width,
        height=taken.decoded.height,
        fps=NATIVE_FPS,
        num_frames=taken.decoded.num_frames,
        seed=0,
    )
    record = await in_thread(
        submitting.add_finished, context.database, context.settings, owner, new, taken.files, taken.size
    )
    context.board.put(record)
    return record


async def _scenes(
    context: Context, owner: Key, orders: list[SceneOrder]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Scenes as a task says them, and the videos that lie in them."""
    scenes: list[dict[str, Any]] = []
    parents: dict[str, None] = {}
    for number, order in enumerate(orders):
        check_text(context.settings, order.prompt, f"scenes.{number}.prompt")
        prompt = order.prompt
        if order.video is not None:
            source = await source_of(context, owner, order.video.id)
            parents[source.id] = None
            prompt = prompt or source.prompt
            if order.offset >= source.seconds:
                raise bad_value(
                    f"the video has {source.seconds:.4g} seconds, and is to begin after {order.offset:g}.",
                    f"scenes.{number}.offset",
                )
        scenes.append(
            {
                "seconds": order.seconds,
                "prompt": prompt or "",
                "video": None if order.video is None else order.video.id,
                "offset": order.offset,
                "transition": order.transition if number else "cut",
            }
        )
    return scenes, tuple(parents)
