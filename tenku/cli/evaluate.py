"""`tenku evaluate`: how good a model is, in numbers with their floors and errors."""

from enum import StrEnum
from typing import Annotated

import typer

from tenku.cli.arguments import check_model
from tenku.cli.display import spinner
from tenku.errors import UserError


class Suite(StrEnum):
    """What is measured."""

    prompts = "prompts"
    timeline = "timeline"
    vae = "vae"


def evaluate(
    model: Annotated[str, typer.Argument(help="'embedded', or the folder of a trained model.")],
    suite: Annotated[
        Suite,
        typer.Option(
            help="prompts: is in the video what the prompt says; timeline: extending, filling, long videos; "
            "vae: reconstruction."
        ),
    ] = Suite.prompts,
    n: Annotated[int, typer.Option("--n", "-n", help="How many clips.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed gives other clips.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model."""
    if n < 1:
        raise UserError(f"--n {n} measures nothing; choose at least 1.")
    if seed < 0:
        raise UserError(f"--seed {seed} is negative; choose 0 or more.")
    check_model(model)
    with spinner(f"measuring {n} clips"):
        from tenku import evaluation

        report = evaluation.evaluate(model=model, suite=suite.value, n=n, seed=seed)
    if as_json:
        print(report.to_json())
    else:
        from rich.console import Console

        Console().print(report)
