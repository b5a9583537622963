"""`tenku export`: videos in the file layout of a published benchmark, for a machine that can score them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tenku.cli.arguments import EMBEDDED, check_model
from tenku.cli.display import show_stages
from tenku.cli.options import ModelOption
from tenku.cli.places import check_output_directory
from tenku.errors import UserError


class Layout(StrEnum):
    """Whose layout."""

    physics_iq = "physics-iq"
    vbench = "vbench"
    worldmodelbench = "worldmodelbench"


def export(
    benchmark: Annotated[Layout, typer.Argument(help="Whose layout to write.")],
    prompts: Annotated[Path, typer.Argument(help="The benchmark's own list of prompts.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for the videos.")],
    pictures: Annotated[
        Path | None, typer.Option(help="The benchmark's first pictures, to begin with them.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", "-n", help="Only the first so many videos.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first video; they count up from there.")] = 0,
    model: ModelOption = EMBEDDED,
) -> None:
    """Write a published benchmark's videos in its own layout; run it again after a kill and it goes on.

    What the benchmark makes of them only the benchmark can say, with networks and clips that tenku does not
    have.
    """
    if n is not None and n < 1:
        raise UserError(f"--n {n} makes no video; choose at least 1.")
    if seed < 0:
        raise UserError(f"--seed {seed} is negative; choose 0 or more.")
    check_model(model)
    check_output_directory(output)
    from tenku.evaluation.benchmarks import benchmark_of
    from tenku.evaluation.exporting import export as exported
    from tenku.evaluation.exporting import wanted_of

    wanted = wanted_of(benchmark.value, prompts, pictures, n)
    made = 0
    with show_stages() as on_progress:
        videos = exported(benchmark.value, wanted, output, model=model, pictures=pictures, seed=seed)
        for number, video in enumerate(videos, 1):
            made += video.is_new
            on_progress("videos", number, len(wanted))
    print(f"{output}: {len(wanted)} videos, {made} of them new; seeds and prompts in {output}.json")
    print(f"score them where {benchmark.value} is: {benchmark_of(benchmark.value).next_step}")
