"""`tenku remix`: a clip made again to another prompt."""

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
    SeedOption,
    StepsOption,
    make_from,
)


def remix(
    clip: ClipArgument,
    prompt: Annotated[str, typer.Argument(help="What should be seen instead, in English or Chinese.")],
    strength: Annotated[float, typer.Option(help="0 changes nothing, 1 keeps nothing.")] = 0.6,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Make a clip again to another prompt, near what it was."""
    from tenku import timeline

    make_from(
        "remixed",
        [clip],
        lambda footage: timeline.remix(
            footage[0],
            prompt,
            strength=strength,
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
