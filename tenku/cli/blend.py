"""`tenku blend`: one clip turns into another."""

from typing import Annotated

import typer

from tenku.cli.arguments import EMBEDDED
from tenku.cli.making import (
    ClipArgument,
    JsonOption,
    KeepOption,
    LoraOption,
    ModelOption,
    OutputOption,
    SeedOption,
    UnmarkedOption,
    make_from,
)


def blend(
    first: ClipArgument,
    second: ClipArgument,
    seconds: Annotated[float, typer.Option(help="How long the one takes to become the other.")] = 1.0,
    output: OutputOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    lora: LoraOption = None,
    unmarked: UnmarkedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let one clip turn into another while both go on."""
    from tenku import timeline

    make_from(
        "blended",
        [first, second],
        lambda footage, sampling: timeline.blend(footage[0], footage[1], seconds=seconds, **sampling),
        output=output,
        seed=seed,
        keep=keep,
        model=model,
        lora=lora,
        unmarked=unmarked,
        as_json=as_json,
    )
