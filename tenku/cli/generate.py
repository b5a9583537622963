"""`tenku generate`: a sentence becomes a video file."""

import json
import os
import time
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tenku.cli.arguments import EMBEDDED, check_model, parse_size
from tenku.cli.display import show_stages, spinner, tell
from tenku.cli.places import check_output_file, free_name
from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest, frames_in

_MAX_COUNT = 1_000


def generate(
    prompt: Annotated[str, typer.Argument(help="What should be seen, in English or Chinese.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="An .mp4, or a .png or .jpg for a picture.", show_default="from the prompt"
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the video.", show_default="2")] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height in pixels.")] = "128x128",
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 16.0,
    seed: Annotated[int, typer.Option(help="Another seed gives another video of the same prompt.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.", show_default="the model's")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How literally the prompt is taken.", show_default="the model's")
    ] = None,
    negative_prompt: Annotated[str, typer.Option(help="What should not be seen.")] = "",
    count: Annotated[int, typer.Option(help="How many videos, with seeds counting up.")] = 1,
    model: Annotated[str, typer.Option(help="'embedded', or the folder of a trained model.")] = EMBEDDED,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each output.")] = False,
) -> None:
    """Turn a sentence into a video."""
    is_picture = _is_picture(output)
    if is_picture and seconds is not None:
        raise UserError(f"{output} is a picture and has no length; leave out --seconds or write an .mp4.")
    width, height = parse_size(size)
    request = GenerationRequest(
        prompt=prompt,
        negative_prompt=negative_prompt,
        num_frames=1 if is_picture else frames_in(2.0 if seconds is None else seconds, fps),
        height=height,
        width=width,
        fps=fps,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
    )
    check_model(model)
    requests = _requests(request, count)
    places = [_place(output, request, index, count) for index, request in enumerate(requests, start=1)]
    for place in places:
        check_output_file(place)
    _run(model, list(zip(requests, places, strict=True)), as_json)


def _run(model: str, jobs: list[tuple[GenerationRequest, Path]], as_json: bool) -> None:
    start = time.perf_counter()
    with spinner("loading the model"):
        from tenku.media import PICTURE_SUFFIXES, write_picture, write_video
        from tenku.pipeline import VideoPipeline

        pipeline = VideoPipeline.from_pretrained(model)
    loading = time.perf_counter() - start
    for index, (request, place) in enumerate(jobs):
        with show_stages() as on_progress:
            result = pipeline(request, on_progress=on_progress)
        if index == 0 and result.ignored_words:
            tell(_ignored(model, result.ignored_words))
        if index == 0 and result.num_unread_words:
            tell(
                f"the prompt is too long for the {model} model, which did not read its last "
                f"{result.num_unread_words} words and signs; say it in fewer."
            )
        start = time.perf_counter()
        if place.suffix.lower() in PICTURE_SUFFIXES:
            write_picture(place, result.video.frames[0])
        else:
            write_video(place, result.video)
        stages = {
            **({"load": loading} if index == 0 else {}),
            **result.seconds_by_stage,
            "write": time.perf_counter() - start,
        }
        print(
            _json_line(request, place, model, result, stages)
            if as_json
            else _line(place, result, request, stages)
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


def _ignored(model: str, words: tuple[str, ...]) -> str:
    from tenku.worlds.vocabulary import CAMERA_MOVES, COLOURS, EVENT_KINDS, FLOORS, MATERIALS, SHAPES, SIZES

    kinds = (SIZES, COLOURS, MATERIALS, SHAPES, EVENT_KINDS, [f"{floor} floor" for floor in FLOORS])
    known = [*(", ".join(kind) for kind in kinds), f"camera {', '.join(CAMERA_MOVES)}"]
    return (
        f"the {model} model knows {'; '.join(known).replace('_', ' ')}; "
        f"it ignored {', '.join(map(repr, words))}."
    )


def _line(place: Path, result: Any, request: GenerationRequest, stages: dict[str, float]) -> str:
    video = result.video
    length = f"{video.seconds:.3g} s at {video.fps:g} fps, " if video.num_frames > 1 else ""
    return (
        f"{place}: {length}{video.width}x{video.height}, seed {request.seed}, "
        f"made in {sum(stages.values()):.1f} s"
    )


def _json_line(
    request: GenerationRequest, place: Path, model: str, result: Any, stages: dict[str, float]
) -> str:
    video = result.video
    facts = {
        "path": str(place),
        "frames": video.num_frames,
        "fps": video.fps,
        "width": video.width,
        "height": video.height,
        "seconds": round(video.seconds, 4),
        "seed": request.seed,
        "prompt": request.prompt,
        "model": model,
        "ignored_words": list(result.ignored_words),
        "unread_words": result.num_unread_words,
        "seconds_by_stage": {stage: round(taken, 4) for stage, taken in stages.items()},
    }
    return json.dumps(facts, ensure_ascii=False)
