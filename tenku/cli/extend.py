"""`tenku extend`: a clip goes on after its end, and before its start."""

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


def extend(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    after: Annotated[float, typer.Option(help="Seconds to add at the end.")] = 0.0,
    before: Annotated[float, typer.Option(help="Seconds to add at the start.")] = 0.0,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Let a clip go on: after its end, before its start, or both."""
    from tenku import timeline

    make_from(
        "extended",
        [clip],
        lambda footage: timeline.extend(
            footage[0],
            prompt,
            after=after,
            before=before,
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
