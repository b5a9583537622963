"""What all verbs that make a video share: their options, where the footage comes from, how it is written."""

import inspect
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from tenku.cli.arguments import EMBEDDED, LoraArgument, check_model, parse_loras
from tenku.cli.display import show_stages, spinner, tell
from tenku.cli.places import check_output_file, free_name
from tenku.errors import UserError
from tenku.timeline.request import KEPT_SUFFIX, GenerationRequest, check_kept_name

if TYPE_CHECKING:
    from tenku.media import Frame
    from tenku.pipeline import VideoPipeline
    from tenku.provenance import Origin
    from tenku.timeline import Footage, Task
    from tenku.timeline.tasks import Sampling

MODEL_FPS = 16.0  # what the embedded model has seen

ClipArgument: TypeAlias = Annotated[Path, typer.Argument(help="A video, a picture, or a .tenku file.")]
PromptArgument: TypeAlias = Annotated[
    str, typer.Argument(help="What should be seen, in English or Chinese.", show_default="what is seen")
]
OutputOption: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", help="An .mp4.", show_default="from the clip's name")
]
KeepOption: TypeAlias = Annotated[
    Path | None, typer.Option(help="Keep latents and request in this .tenku file, to go on from.")
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Another seed gives another video.")]
StepsOption: TypeAlias = Annotated[
    int | None, typer.Option(help="Denoising steps.", show_default="the model's")
]
GuidanceOption: TypeAlias = Annotated[
    float | None, typer.Option(help="How literally the prompt is taken.", show_default="the model's")
]
NegativeOption: TypeAlias = Annotated[str, typer.Option(help="What should not be seen.")]
ModelOption: TypeAlias = Annotated[str, typer.Option(help="'embedded', or the folder of a trained model.")]
LoraOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--lora",
        metavar="FILE[:WEIGHT]",
        help="Mix a LoRA into open weights; again for more, high=FILE or low=FILE for one of two experts.",
    ),
]
UnmarkedOption: TypeAlias = Annotated[
    bool, typer.Option("--unmarked", help="Leave out the watermark and the signed credentials.")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON for each output.")
]

# Clips, and the task that is made of their footage with so many words on how it is sampled.
Plan: TypeAlias = "tuple[Sequence[Path], Callable[[Sequence[Footage], Sampling], Task]]"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a video goes, the .tenku file that is kept of it, whether it is marked and signed, and how it is
    told of."""

    output: Path
    keep: Path | None
    model: str
    unmarked: bool
    as_json: bool

    def __post_init__(self) -> None:
        check_model(self.model)
        check_output_file(self.output)
        if self.output.suffix.lower() == KEPT_SUFFIX:
            raise UserError(
                f"{self.output} is kept beside the video; name that with -o, and this with --keep."
            )
        if self.keep is not None:
            check_kept_name(self.keep)
            check_output_file(self.keep)


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

        # What typer reads of a function.
        verb.__name__, verb.__doc__ = plan.__name__, plan.__doc__
        verb.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        verb.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *options)}
        return verb

    return verb_of


def make_from(
    name: str,
    clips: Sequence[Path],
    build: "Callable[[Sequence[Footage], Sampling], Task]",
    *,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    lora: LoraOption = None,
    unmarked: UnmarkedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read clips, build a task of them, and write what it makes."""
    for clip in clips:
        check_clip(clip)
    place = free_name(Path(f"{clips[0].stem}-{name}.mp4")) if output is None else output
    destination = Destination(place, keep, model, unmarked, as_json)
    pipeline, loading = load_pipeline(model, lora)
    start = time.perf_counter()
    footage = read_clips(pipeline, clips)
    task = build(
        footage,
        {
            "seed": seed,
            "num_inference_steps": steps,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
        },
    )
    before = {"load": loading, "read": time.perf_counter() - start}
    edit = name if len(clips) == 1 else ""
    write(pipeline, task, destination, before, made_from=clips, edit=edit)


def load_pipeline(model: str, lora: Sequence[str] | None = None) -> "tuple[VideoPipeline, float]":
    """The pipeline of a model with LoRAs in it, and the seconds that it took to load."""
    loras = parse_loras(lora or (), model)
    start = time.perf_counter()
    with spinner("loading the model"):
        from tenku.pipeline import VideoPipeline

        pipeline = _with_loras(model, loras) if loras else VideoPipeline.from_pretrained(model)
    return pipeline, time.perf_counter() - start


def _with_loras(model: str, loras: Sequence[LoraArgument]) -> "VideoPipeline":
    from tenku.checkpoint import Lora, check_loras, merge_loras
    from tenku.pipeline import VideoPipeline

    mixed = [Lora(path=each.path, weight=each.weight, expert=each.expert) for each in loras]
    check_loras(model, mixed)  # before minutes are spent
    pipeline = VideoPipeline.from_pretrained(model)
    pipeline.hold()
    merge_loras(pipeline.model.denoiser, mixed)  # never taken out again: the weights of before are let go
    return pipeline


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
    ignored, num_unread = pipeline.not_read(request.prompt)
    if not quiet:
        _tell_of_words(destination.model, ignored, num_unread)
    seconds: dict[str, float] = {}
    writing, num_frames = 0.0, 0
    parts: list[Footage] = []
    origin = None if destination.unmarked else origin_of(destination.model, request, made_from, edit)
    on_part = parts.append if destination.keep is not None else None
    with ExitStack() as stack:
        on_progress = stack.enter_context(show_stages())
        append = stack.enter_context(taking_frames(destination.output, request.fps, origin))
        for frame in pipeline.stream(asked, on_progress, seconds, on_part=on_part):
            start = time.perf_counter()
            append(frame)
            writing, num_frames = writing + time.perf_counter() - start, num_frames + 1
        start = time.perf_counter()
    if destination.keep is not None:
        footage = pipeline.whole(parts, asked)
        save_kept(destination.keep, Kept(footage, request, fingerprint(pipeline.model.vae)))
    stages = {**before, **seconds, "write": writing + time.perf_counter() - start}
    if destination.as_json:
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
    model: str, request: GenerationRequest, made_from: Sequence[Path] = (), edit: str = ""
) -> "Origin":
    """What the credentials of a file say of it."""
    from tenku.provenance import Origin, Parent

    return Origin(
        model=Path(model).name,  # where it lies on this disk is nobody's business
        seed=request.seed,
        prompt=request.prompt,
        edit=edit,
        parents=[Parent.file(path) for path in dict.fromkeys(made_from)],
    )


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
        "model": destination.model,
        "ignored_words": list(ignored),
        "unread_words": num_unread,
        "seconds_by_stage": {stage: round(taken, 4) for stage, taken in stages.items()},
    }
    if destination.keep is not None:
        facts["kept"] = str(destination.keep)
    return json.dumps(facts, ensure_ascii=False)
