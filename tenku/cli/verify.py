"""`tenku verify`: what a file is, in words."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tenku.cli.arguments import EMBEDDED, check_model
from tenku.cli.loading import load_pipeline
from tenku.cli.making import check_clip
from tenku.cli.options import JsonOption, ModelOption, ModelOptions
from tenku.cli.places import check_output_file
from tenku.errors import UserError
from tenku.timeline.request import KEPT_SUFFIX

if TYPE_CHECKING:
    from tenku.media import Video
    from tenku.provenance import Verdict

# By what a file is; 1 and 2 are taken by what goes wrong, as with every verb.
EXIT_STATUS: Final = {
    "ours and intact": 0,
    "ours and changed": 3,
    "watermark only": 4,
    "unknown": 5,
    "someone else's credentials": 6,
}


def verify(
    file: Annotated[Path, typer.Argument(help="A video or a picture.")],
    original: Annotated[
        Path | None,
        typer.Option(
            help="What it was made as, a .tenku file or a video: then it is said where it was changed."
        ),
    ] = None,
    heat_map: Annotated[
        Path | None, typer.Option(help="Show that in a picture, a .png or .jpg; needs --original.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Is this the prompt that it was made of?", show_default=False)
    ] = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Say what a file is: ours and intact, ours and changed, watermark only, someone else's, or unknown.

    The exit status says it too: 0, 3, 4, 6 and 5, in that order.
    """
    if heat_map is not None:
        _check_heat_map(heat_map, original)
    check_clip(file)
    if original is not None:
        check_clip(original)
        check_model(model)
    from tenku.provenance import verify as judge

    known = None if original is None else _original(original, model)
    verdict = judge(file, known, prompt=prompt)
    if heat_map is not None:
        _write_heat_map(heat_map, file, verdict)
    if as_json:
        print(json.dumps({"path": str(file), **verdict.facts()}, ensure_ascii=False))
    else:
        print(f"{file}: {verdict.standing}")
        for detail in verdict.details:
            print(f"  {detail}")
    sys.exit(EXIT_STATUS[verdict.standing.value])


def _check_heat_map(heat_map: Path, original: Path | None) -> None:
    if original is None:
        raise UserError("--heat-map shows what was changed of an original; name that with --original.")
    from tenku.media import PICTURE_SUFFIXES

    if heat_map.suffix.lower() not in PICTURE_SUFFIXES:
        raise UserError(f"{str(heat_map)!r} is a picture; end its name with .png or .jpg.")
    check_output_file(heat_map)


def _original(path: Path, model: str) -> "Video":
    """The frames of an original; a .tenku file is decoded by its model."""
    from tenku.provenance import first_frames

    if path.suffix.lower() != KEPT_SUFFIX:
        return first_frames(path)
    from tenku.timeline import load_kept, remix

    kept = load_kept(path)
    pipeline, _ = load_pipeline(ModelOptions(model=model))
    unchanged = remix(pipeline.reopen(kept), kept.request.prompt, strength=0.0)
    return pipeline(unchanged).video


def _write_heat_map(place: Path, file: Path, verdict: "Verdict") -> None:
    from tenku.media import write_picture

    if verdict.changes is None:
        raise UserError(
            f"nothing can be seen in {str(file)!r} any more, so there is no heat map; leave it out."
        )
    write_picture(place, verdict.changes.heat_map())
