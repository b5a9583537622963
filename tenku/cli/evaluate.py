"""`tenku evaluate`: how good a model is, in numbers with their floors and errors."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tenku.cli.arguments import check_model
from tenku.cli.display import spinner
from tenku.cli.places import check_output_directory
from tenku.errors import UserError


class Suite(StrEnum):
    """What is measured."""

    language = "language"
    likephys = "likephys"
    phyworld = "phyworld"
    prompts = "prompts"
    timeline = "timeline"
    vae = "vae"


def evaluate(
    model: Annotated[str, typer.Argument(help="'embedded', or the folder of a trained model.")],
    suite: Annotated[
        str,
        typer.Option(
            metavar=f"[{'|'.join(Suite)}]",
            autocompletion=lambda: list(Suite),
            help="prompts: is in the video what the prompt says; language: a thousand prompts of all kinds; "
            "likephys: is what is possible preferred to what is not; timeline: extending, filling, long "
            "videos; vae: reconstruction; phyworld: velocities of balls.",
        ),
    ] = Suite.prompts,
    n: Annotated[int, typer.Option("--n", "-n", help="How many clips.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed gives other clips.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    store: Annotated[Path | None, typer.Option(help="Keep the report as JSON in a directory, too.")] = None,
) -> None:
    """Measure a model."""
    if n < 1:
        raise UserError(f"--n {n} measures nothing; choose at least 1.")
    if seed < 0:
        raise UserError(f"--seed {seed} is negative; choose 0 or more.")
    check_model(model)
    _check_suite(suite)
    if store is not None:
        check_output_directory(store)
    with spinner(f"measuring {n} clips"):
        from tenku import evaluation

        report = evaluation.evaluate(model=model, suite=suite, n=n, seed=seed)
    if store is not None:
        report.store(store)
    if as_json:
        print(report.to_json())
    else:
        from rich.console import Console

        Console().print(report)


def _check_suite(suite: str) -> None:
    """Refuse what is no suite; of benchmarks that are none of ours say why."""
    if suite in list(Suite):
        return
    from tenku.evaluation.benchmarks import refuse

    refuse(suite)
    raise UserError(f"there is no suite {suite!r}; give --suite one of {', '.join(Suite)}.")
