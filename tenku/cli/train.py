"""`tenku train`: a recipe becomes a model."""

import math
from pathlib import Path
from typing import Annotated

import typer

from tenku.cli.places import check_output_directory
from tenku.errors import UserError


def train(
    recipe: Annotated[
        str,
        typer.Argument(help="'embedded', the model in this package, 'tiny', or 'judge', which evaluates."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for checkpoints and samples.")],
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in the directory.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps of each stage.")] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Start from the networks of a model: 'embedded' or a folder."),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Follow this stage only; may be repeated. What the others make is left as it is."),
    ] = None,
) -> None:
    """Train a model from scratch, or go on from another."""
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise UserError(f"--minutes {minutes:g} is no time to train; choose more than 0.")
    if steps is not None and steps < 1:
        raise UserError(f"--steps {steps} trains nothing; choose at least 1.")
    check_output_directory(output)
    from tenku import recipes

    recipes.run(recipe, output, resume=resume, minutes=minutes, steps=steps, start=start, stages=stage or ())
