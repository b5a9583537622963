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
        typer.Argument(
            help="'embedded', the model in this package, 'tiny', 'judge', which evaluates, 'scaling', how "
            "loss falls with compute, also '-tiny', or 'phyworld-uniform', '-collision', '-parabola', each "
            "also with '-latents' behind it."
        ),
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
    device: Annotated[
        str | None, typer.Option(help="Where to train: 'cuda', if there is a GPU, or 'cpu'.")
    ] = None,
    videos: Annotated[
        int | None, typer.Option(help="PhyWorld: how many videos to learn from, 30,000 unless said.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="PhyWorld: another seed gives other videos and another start.")
    ] = None,
    flops: Annotated[
        float | None,
        typer.Option(help="Scaling: the largest budget that is fitted; the last run costs four times that."),
    ] = None,
) -> None:
    """Train a model from scratch, or go on from another."""
    if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
        raise UserError(f"--minutes {minutes:g} is no time to train; choose more than 0.")
    if steps is not None and steps < 1:
        raise UserError(f"--steps {steps} trains nothing; choose at least 1.")
    if videos is not None and videos < 1:
        raise UserError(f"--videos {videos} are none to learn from; choose at least 1.")
    if seed is not None and seed < 0:
        raise UserError(f"--seed {seed} is negative; choose 0 or more.")
    if flops is not None and not (math.isfinite(flops) and flops >= 3e12):
        raise UserError(f"--flops {flops:g} are too few to be fitted; choose at least 3e12.")
    check_output_directory(output)
    from tenku import recipes

    recipes.run(
        recipe,
        output,
        resume=resume,
        minutes=minutes,
        steps=steps,
        start=start,
        stages=stage or (),
        device=device,
        videos=videos,
        seed=seed,
        flops=flops,
    )
