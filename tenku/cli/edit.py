"""`tenku edit`: only what lies under a mask changes."""

from pathlib import Path
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
    check_clip,
    make_from,
)


def edit(
    clip: ClipArgument,
    prompt: Annotated[str, typer.Argument(help="What is seen then, in English or Chinese.")],
    mask: Annotated[Path, typer.Option(help="A picture that is bright where the clip may change.")],
    strength: Annotated[float, typer.Option(help="0 changes nothing, 1 makes it anew.")] = 1.0,
    output: OutputOption = None,
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance_scale: GuidanceOption = None,
    negative_prompt: NegativeOption = "",
    keep: KeepOption = None,
    model: ModelOption = EMBEDDED,
    as_json: JsonOption = False,
) -> None:
    """Change only what lies under a mask."""
    from tenku import timeline
    from tenku.media import read_mask

    check_clip(mask)
    marked = read_mask(mask)
    make_from(
        "edited",
        [clip],
        lambda footage: timeline.edit(
            footage[0],
            prompt,
            mask=marked,
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
