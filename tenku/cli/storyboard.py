"""`tenku storyboard`: several shots from one file that says what is in each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tenku.cli.arguments import parse_size
from tenku.cli.loading import load_pipeline
from tenku.cli.making import MODEL_FPS, check_clip, read_clips
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

if TYPE_CHECKING:
    from tenku.pipeline import VideoPipeline
    from tenku.timeline import Scene

_EXAMPLE: Final = '[[shot]] prompt = "a red ball falls" seconds = 2'
_KEYS: Final = {"prompt", "seconds", "picture", "clip", "dissolve", "start"}
_MAX_SHOTS: Final = 100
_MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Shot:
    """One shot as it stands in the file."""

    prompt: str
    seconds: float
    opening: Path | None
    dissolve: float


@dataclass(frozen=True, slots=True)
class _Board:
    """A whole file."""

    shots: tuple[_Shot, ...]
    size: tuple[int, int] | None  # height, width
    fps: float


@with_options
def storyboard(
    board: Annotated[Path, typer.Argument(help="A .toml file with a [[shot]] for each shot.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="An .mp4.", show_default="from the file's name")
    ] = None,
    sampled: SamplingOptions = USUAL_SAMPLING,
    by: ModelOptions = USUAL_MODEL,
    result: ResultOptions = USUAL_RESULT,
) -> None:
    """Make a video of several shots: prompts, pictures and clips at their times, with cuts or dissolves."""
    plan = _read(board)
    for shot in plan.shots:
        if shot.opening is not None:
            check_clip(shot.opening)
    place = free_name(Path(f"{board.stem}.mp4")) if output is None else output
    destination = Destination(place, by, result)
    pipeline, loading = load_pipeline(by)
    from tenku.timeline import storyboard as lay_out
    from tenku.timeline import storyboard_request

    scenes, (height, width) = _scenes(pipeline, plan)
    request = storyboard_request(scenes, height=height, width=width, fps=plan.fps, **sampled.sampling)
    task = lay_out(scenes, request, pipeline.lay_out(request))
    openings = [shot.opening for shot in plan.shots if shot.opening is not None]
    write(pipeline, task, destination, {"load": loading}, made_from=openings)


def _scenes(pipeline: "VideoPipeline", plan: _Board) -> "tuple[list[Scene], tuple[int, int]]":
    """The shots with their footage, and the size of all."""
    from tenku.timeline import Scene

    paths = [shot.opening for shot in plan.shots if shot.opening is not None]
    footage = dict(zip(paths, read_clips(pipeline, paths, plan.size, plan.fps), strict=True))
    size = plan.size or next((clip.size for clip in footage.values()), (128, 128))
    scenes = [
        Scene(
            shot.prompt,
            shot.seconds,
            None if shot.opening is None else footage[shot.opening],
            shot.dissolve,
        )
        for shot in plan.shots
    ]
    return scenes, size


def _read(path: Path) -> _Board:
    """A storyboard file, checked."""
    _check_text_file(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{str(path)!r} is no text file; write a storyboard as {_EXAMPLE!r}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{str(path)!r} is not TOML ({error}); write shots as {_EXAMPLE!r}.") from error
    strangers = set(values) - {"shot", "size", "fps"}
    if strangers:
        raise UserError(
            f"{str(path)!r} has unknown keys {', '.join(sorted(strangers))}; it may say size, fps, [[shot]]."
        )
    shots = values.get("shot")
    if not isinstance(shots, list) or not shots or not all(isinstance(shot, dict) for shot in shots):
        raise UserError(f"{str(path)!r} has no shots; write each as {_EXAMPLE!r}.")
    if len(shots) > _MAX_SHOTS:
        raise UserError(f"{str(path)!r} has {len(shots)} shots; a storyboard has at most {_MAX_SHOTS}.")
    size = values.get("size")
    height_width = None
    if size is not None:
        width, height = parse_size(str(size))
        height_width = height, width
    board, end = [], 0.0
    for number, shot in enumerate(shots, start=1):
        board.append(_shot(path.parent, number, shot, end))
        end += board[-1].seconds
    return _Board(tuple(board), height_width, _number(values, "fps", "the storyboard", MODEL_FPS))


def _shot(folder: Path, number: int, values: Mapping[str, Any], end: float) -> _Shot:
    """One shot, checked; the one before ends at `end`."""
    name = f"shot {number}"
    strangers = set(values) - _KEYS
    if strangers:
        raise UserError(
            f"{name} has unknown keys {', '.join(sorted(strangers))}; it may say {', '.join(sorted(_KEYS))}."
        )
    prompt = values.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UserError(f"{name} has no prompt; say what is seen in it.")
    if "picture" in values and "clip" in values:
        raise UserError(f"{name} opens with a picture and with a clip; leave one out.")
    opening = values.get("picture", values.get("clip"))
    if opening is not None and not isinstance(opening, str):
        raise UserError(f"{name} opens with {opening!r}, which is no file name; put it in quotes.")
    start = _number(values, "start", name, end)
    if abs(start - end) > 1e-6:
        relation = "overlaps the one before, which ends" if start < end else "leaves a gap after"
        raise UserError(f"{name} starts at {start:g} s and {relation} at {end:g} s; leave out its start.")
    return _Shot(
        prompt,
        _number(values, "seconds", name, 2.0),
        None if opening is None else folder / opening,
        _number(values, "dissolve", name, 0.0),
    )


def _number(values: Mapping[str, Any], key: str, name: str, default: float) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{name} says {key} = {value!r}, which is no number.")
    return float(value)


def _check_text_file(path: Path) -> None:
    """Refuse what is no file, or too large to be a storyboard."""
    if not path.is_file():
        raise UserError(f"there is no storyboard {str(path)!r}; write one as {_EXAMPLE!r}.")
    if path.stat().st_size > _MAX_BYTES:
        raise UserError(f"{str(path)!r} is too large for a storyboard; give the .toml file.")
