"""`tenku fill`: part of a clip is made anew."""

from typing import Annotated

import typer

from tenku.cli.arguments import EMBEDDED
from tenku.cli.making import (
    ClipArgument,
    GuidanceOption,
    JsonOption,
    KeepOption,
    ModelOption,
    NegativeOption,
    OutputOption,
    PromptArgument,
    SeedOption,
    StepsOption,
    make_from,
)


def fill(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    start: Annotated[float, typer.Option("--from", help="Where the gap starts, in seconds.")] = 0.0,
    stop: Annotated[
        float | None, typer.Option("--to", help="Where it stops, in seconds.", show_default="the end")
    ] = None,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Make the frames between two times of a clip anew."""
    from tenku import timeline

    make_from(
        "filled",
        [clip],
        lambda footage: timeline.fill(
            footage[0],
            prompt,
            start=start,
            stop=footage[0].seconds if stop is None else stop,
            seed=seed,
            num_inference_steps=steps,
            guidance_scale=guidance_scale,
            negative_prompt=negative_prompt,
        ),
        output=output,
        keep=keep,
        model=model,
        as_json=as_json,
    )
