"""`tenku generate`: a sentence becomes a video file, perhaps from a picture on."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenku.cli.arguments import parse_size, usual
from tenku.cli.loading import load_pipeline
from tenku.cli.making import check_clip, read_clips
from tenku.cli.options import (
    USUAL_MODEL,
    USUAL_RESULT,
    USUAL_SAMPLING,
    ModelOptions,
    ResultOptions,
    SamplingOptions,
    with_options,
)
from tenku.cli.places import free_name
from tenku.cli.writing import Destination, write
from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest, check_size, frames_in

if TYPE_CHECKING:
    from tenku.timeline import Footage, Task

_MAX_COUNT = 1_000


@with_options
def generate(
    prompt: Annotated[str, typer.Argument(help="What should be seen, in English or Chinese.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="An .mp4, or a .png or .jpg for a picture.", show_default="from the prompt"
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the video.", show_default="2")] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH", help="Width and height in pixels.", show_default="128x128, or the picture's"
        ),
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default="16")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture that the video begins with.")] = None,
    last: Annotated[Path | None, typer.Option(help="A picture that it ends with, beside --image.")] = None,
    sampled: SamplingOptions = USUAL_SAMPLING,
    reuse: Annotated[
        float, typer.Option(help="Leave out steps that change the video by less than this share.")
    ] = 0.0,
    count: Annotated[int, typer.Option(help="How many videos, with seeds counting up.")] = 1,
    by: ModelOptions = USUAL_MODEL,
    result: ResultOptions = USUAL_RESULT,
) -> None:
    """Turn a sentence into a video."""
    is_picture = _is_picture(output)
    if is_picture and seconds is not None:
        raise UserError(f"{output} is a picture and has no length; leave out --seconds or write an .mp4.")
    if is_picture and image is not None:
        raise UserError(f"{output} is a picture; a video begins with --image, so write an .mp4.")
    if last is not None and image is None:
        raise UserError("--last needs a picture to begin with; give it with --image.")
    default = usual(by.model)
    width, height = (default.width, default.height) if size is None else parse_size(size)
    check_size(width, height, max_side=default.max_side)
    fps = default.fps if fps is None else fps
    request = GenerationRequest(
        prompt=prompt,
        num_frames=1 if is_picture else frames_in(default.seconds if seconds is None else seconds, fps),
        height=height,
        width=width,
        fps=fps,
        reuse_tolerance=reuse,
        **sampled.sampling,
    )
    requests = _requests(request, count)
    if result.keep is not None and count > 1:
        raise UserError("--keep keeps one generation; leave out --count, or make them one by one.")
    destinations = [
        Destination(_place(output, each, index, count), by, result)
        for index, each in enumerate(requests, start=1)
    ]
    pictures = [path for path in (image, last) if path is not None]
    for path in pictures:
        check_clip(path)
    pipeline, loading = load_pipeline(by)
    footage = read_clips(pipeline, pictures, (height, width) if size is not None else None, fps)
    for index, (each, destination) in enumerate(zip(requests, destinations, strict=True)):
        before = {"load": loading} if index == 0 else {}
        asked = each if not footage else _from_pictures(each, footage)
        write(pipeline, asked, destination, before, made_from=pictures, quiet=index > 0)


def _from_pictures(request: GenerationRequest, footage: "Sequence[Footage]") -> "Task":
    from tenku.timeline import animate

    return animate(
        footage[0],
        request.prompt,
        seconds=request.seconds,
        last=footage[1] if len(footage) > 1 else None,
        seed=request.seed,
        negative_prompt=request.negative_prompt,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        guidance_scale_2=request.guidance_scale_2,
    )


def _is_picture(output: Path | None) -> bool:
    if output is None:
        return False
    from tenku.media import PICTURE_SUFFIXES, VIDEO_SUFFIXES

    suffix = output.suffix.lower()
    if suffix not in VIDEO_SUFFIXES + PICTURE_SUFFIXES and not os.path.isdir(output):
        raise UserError(
            f"{str(output)!r} does not say what to write; end it with .mp4 for a video, "
            "or .png or .jpg for a picture."
        )
    return suffix in PICTURE_SUFFIXES


def _requests(request: GenerationRequest, count: int) -> list[GenerationRequest]:
    if not 1 <= count <= _MAX_COUNT:
        raise UserError(f"--count {count} cannot be made; choose between 1 and {_MAX_COUNT}.")
    return [replace(request, seed=request.seed + index) for index in range(count)]


def _place(output: Path | None, request: GenerationRequest, index: int, count: int) -> Path:
    if output is None:
        return free_name(Path(f"{_slug(request.prompt)}-{request.seed}.mp4"))
    return output if count == 1 else output.with_stem(f"{output.stem}-{index}")


def _slug(prompt: str) -> str:
    """The prompt as a file name: words joined by dashes, at most 60 bytes long."""
    text = unicodedata.normalize("NFKC", prompt).lower()
    words = "".join(character if character.isalnum() else " " for character in text).split()
    return "-".join(words).encode()[:60].decode(errors="ignore").rstrip("-")
