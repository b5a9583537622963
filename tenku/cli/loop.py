"""`tenku loop`: a clip comes back to its first frame."""

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


def loop(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    seconds: Annotated[float, typer.Option(help="How long the way back to the first frame takes.")] = 1.0,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Make a clip that plays over and over without a seam."""
    from tenku import timeline

    make_from(
        "loop",
        [clip],
        lambda footage: timeline.loop(
            footage[0],
            prompt,
            seconds=seconds,
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
