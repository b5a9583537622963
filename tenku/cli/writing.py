"""Where a video goes, how it is written, and what is told of it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenku.cli.arguments import check_model, parse_loras
from tenku.cli.display import show_stages, tell
from tenku.cli.options import ModelOptions, ResultOptions
from tenku.cli.places import check_output_file
from tenku.cli.processes import is_first
from tenku.errors import UserError
from tenku.timeline.request import KEPT_SUFFIX, GenerationRequest, check_kept_name

if TYPE_CHECKING:
    from tenku.media import Frame
    from tenku.pipeline import VideoPipeline
    from tenku.provenance import Origin
    from tenku.timeline import Task


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a video goes that a model makes, and what is kept and told of it."""

    output: Path
    by: ModelOptions
    result: ResultOptions

    def __post_init__(self) -> None:
        check_model(self.by.model)
        check_output_file(self.output)
        if self.output.suffix.lower() == KEPT_SUFFIX:
            raise UserError(
                f"{self.output} is kept beside the video; name that with -o, and this with --keep."
            )
        if self.result.keep is not None:
            check_kept_name(self.result.keep)
            check_output_file(self.result.keep)


def write(
    pipeline: "VideoPipeline",
    asked: "GenerationRequest | Task",
    destination: Destination,
    before: dict[str, float],
    *,
    made_from: Sequence[Path] = (),
    edit: str = "",
    quiet: bool = False,
) -> None:
    """Make what is asked for and write it frame by frame; tell where it is and how long everything took.

    The credentials name the clips and pictures it is made from, and what was done if it is an edit of one.
    """
    from tenku.timeline import Footage, Kept, save_kept
    from tenku.timeline.kept import fingerprint

    request = asked if isinstance(asked, GenerationRequest) else asked.request
    if not is_first():  # another process writes the same frames
        for _ in pipeline.stream(asked):
            pass
        return
    keep = destination.result.keep
    ignored, num_unread = pipeline.not_read(request.prompt)
    if not quiet:
        _tell_of_words(destination.by.model, ignored, num_unread)
    seconds: dict[str, float] = {}
    writing, num_frames = 0.0, 0
    parts: list[Footage] = []
    origin = None if destination.result.unmarked else origin_of(destination.by, request, made_from, edit)
    on_part = parts.append if keep is not None else None
    with ExitStack() as stack:
        on_progress = stack.enter_context(show_stages())
        append = stack.enter_context(taking_frames(destination.output, request.fps, origin))
        for frame in pipeline.stream(asked, on_progress, seconds, on_part=on_part):
            start = time.perf_counter()
            append(frame)
            writing, num_frames = writing + time.perf_counter() - start, num_frames + 1
        start = time.perf_counter()
    if keep is not None:
        footage = pipeline.whole(parts, asked)
        save_kept(keep, Kept(footage, request, fingerprint(pipeline.model.vae), changes_of(destination.by)))
    stages = {**before, **seconds, "write": writing + time.perf_counter() - start}
    if destination.result.as_json:
        print(_json_line(request, destination, num_frames, ignored, num_unread, stages))
    else:
        print(_line(request, destination, num_frames, stages))


@contextmanager
def taking_frames(output: Path, fps: float, origin: "Origin | None") -> "Iterator[Callable[[Frame], None]]":
    """Yield what takes the frames of a video, or the one of a picture; without an origin the file is neither
    marked nor signed. A video appears when the block succeeds."""
    from tenku.media import PICTURE_SUFFIXES, VideoWriter, write_picture
    from tenku.provenance import signed_video, write_signed_picture

    is_picture = output.suffix.lower() in PICTURE_SUFFIXES
    match origin:
        case None if is_picture:
            yield lambda frame: write_picture(output, frame)
        case None:
            with VideoWriter(output, fps=fps) as writer:
                yield writer.append
        case _ if is_picture:
            yield lambda frame: write_signed_picture(output, frame, origin=origin)
        case _:
            with signed_video(output, fps=fps, origin=origin) as append:
                yield append


def origin_of(
    by: ModelOptions, request: GenerationRequest, made_from: Sequence[Path] = (), edit: str = ""
) -> "Origin":
    """What the credentials of a file say of it."""
    from tenku.provenance import Origin, Parent

    return Origin(
        model=Path(by.model).name,  # where it lies on this disk is nobody's business
        seed=request.seed,
        prompt=request.prompt,
        edit=edit,
        changes=changes_of(by),
        parents=[Parent.file(path) for path in dict.fromkeys(made_from)],
    )


def changes_of(by: ModelOptions) -> tuple[str, ...]:
    """What was done to a model, in a few words each; files by their names alone."""
    loras = (
        f"LoRA {each.path.name}, weight {each.weight:g}" + (f", {each.expert} noise" if each.expert else "")
        for each in parse_loras(by.lora or (), by.model)
    )
    return (*loras, *([f"weights in {by.quantization}"] if by.quantization else []))


def _tell_of_words(model: str, ignored: Sequence[str], num_unread: int) -> None:
    if ignored:
        tell(_ignored(model, ignored))
    if num_unread:
        words = "last word or sign" if num_unread == 1 else f"last {num_unread} words and signs"
        tell(
            f"the prompt is too long for the {model} model, which did not read its {words}; say it in fewer."
        )


def _ignored(model: str, words: Sequence[str]) -> str:
    from tenku.worlds.vocabulary import CAMERA_MOVES, COLOURS, EVENT_KINDS, FLOORS, MATERIALS, SHAPES, SIZES

    kinds = (SIZES, COLOURS, MATERIALS, SHAPES, EVENT_KINDS, [f"{floor} floor" for floor in FLOORS])
    known = [*(", ".join(kind) for kind in kinds), f"camera {', '.join(CAMERA_MOVES)}"]
    return (
        f"the {model} model knows {'; '.join(known).replace('_', ' ')}; "
        f"it ignored {', '.join(map(repr, words))}."
    )


def _line(
    request: GenerationRequest, destination: Destination, num_frames: int, stages: dict[str, float]
) -> str:
    length = f"{num_frames / request.fps:.3g} s at {request.fps:g} fps, " if num_frames > 1 else ""
    return (
        f"{destination.output}: {length}{request.width}x{request.height}, seed {request.seed}, "
        f"made in {sum(stages.values()):.1f} s"
    )


def _json_line(
    request: GenerationRequest,
    destination: Destination,
    num_frames: int,
    ignored: Sequence[str],
    num_unread: int,
    stages: dict[str, float],
) -> str:
    facts: dict[str, Any] = {
        "path": str(destination.output),
        "frames": num_frames,
        "fps": request.fps,
        "width": request.width,
        "height": request.height,
        "seconds": round(num_frames / request.fps, 4),
        "seed": request.seed,
        "prompt": request.prompt,
        "model": destination.by.model,
        "ignored_words": list(ignored),
        "unread_words": num_unread,
        "seconds_by_stage": {stage: round(taken, 4) for stage, taken in stages.items()},
    }
    if destination.result.keep is not None:
        facts["kept"] = str(destination.result.keep)
    return json.dumps(facts, ensure_ascii=False)
