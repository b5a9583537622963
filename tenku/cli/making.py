"""What all verbs that make a video of clips share: how these are read, and what is made of them."""

import inspect
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from tenku.cli.loading import load_pipeline
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
from tenku.timeline.request import KEPT_SUFFIX

if TYPE_CHECKING:
    from tenku.pipeline import VideoPipeline
    from tenku.timeline import Footage, Task
    from tenku.timeline.tasks import Sampling

MODEL_FPS = 16.0  # what the embedded model has seen

OutputOption: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="An .mp4.", show_default="from the clip's name")
]

# Clips, and the task that is made of their footage with so many words on how it is sampled.
Plan: TypeAlias = "tuple[Sequence[Path], Callable[[Sequence[Footage], Sampling], Task]]"


def verb_of_clips(name: str) -> Callable[[Callable[..., Plan]], Callable[..., None]]:
    """Make a verb of a function that says of which clips a task is built, and how.

    The verb takes what the function takes, then the options that all verbs share, those of `make_from`;
    without `-o` the video is named after the first clip and `name`.
    """

    def verb_of(plan: Callable[..., Plan]) -> Callable[..., None]:
        own = inspect.signature(plan).parameters.values()
        options = [p for p in inspect.signature(make_from).parameters.values() if p.kind is p.KEYWORD_ONLY]

        def verb(**given: Any) -> None:
            shared = {option.name: given.pop(option.name) for option in options}
            make_from(name, *plan(**given), **shared)

        verb.__name__, verb.__doc__, verb.__module__ = plan.__name__, plan.__doc__, plan.__module__
        verb.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        return with_options(verb)

    return verb_of


def make_from(
    name: str,
    clips: Sequence[Path],
    build: "Callable[[Sequence[Footage], Sampling], Task]",
    *,
    output: OutputOption = None,
    sampled: SamplingOptions = USUAL_SAMPLING,
    by: ModelOptions = USUAL_MODEL,
    result: ResultOptions = USUAL_RESULT,
) -> None:
    """Read clips, build a task of them, and write what it makes."""
    for clip in clips:
        check_clip(clip)
    place = free_name(Path(f"{clips[0].stem}-{name}.mp4")) if output is None else output
    destination = Destination(place, by, result)
    pipeline, loading = load_pipeline(by)
    start = time.perf_counter()
    footage = read_clips(pipeline, clips)
    task = build(footage, sampled.sampling)
    before = {"load": loading, "read": time.perf_counter() - start}
    edit = name if len(clips) == 1 else ""
    write(pipeline, task, destination, before, made_from=clips, edit=edit)


def check_clip(path: Path) -> None:
    """Refuse what is no file before anything heavy is loaded."""
    if not os.path.exists(path):
        raise UserError(f"there is no file {str(path)!r}; give a video, a picture or a {KEPT_SUFFIX} file.")
    if os.path.isdir(path):
        raise UserError(f"{str(path)!r} is a directory; give a video, a picture or a {KEPT_SUFFIX} file.")


def read_clips(
    pipeline: "VideoPipeline",
    paths: Sequence[Path],
    size: tuple[int, int] | None = None,
    fps: float = MODEL_FPS,
) -> "list[Footage]":
    """Footage of files at one size (height, width): the given one, that of the first of them that is kept,
    or else what is nearest to the first."""
    from tenku.timeline import load_kept

    kept = {path: load_kept(path) for path in paths if path.suffix.lower() == KEPT_SUFFIX}
    size = next((k.footage.size for k in kept.values()), None) if size is None else size
    footage = []
    for path in paths:
        if path in kept:
            footage.append(pipeline.reopen(kept[path]))
        else:
            footage.append(pipeline.footage_of(path, size, fps))
        size = footage[-1].size if size is None else size
    return footage
