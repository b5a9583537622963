"""`tenku edit`: only what lies under a mask changes."""

from pathlib import Path
from typing import Annotated

import typer

from tenku.cli.making import Plan, check_clip, verb_of_clips
from tenku.cli.options import ClipArgument


@verb_of_clips("edited")
def edit(
    clip: ClipArgument,
    prompt: Annotated[str, typer.Argument(help="What is seen then, in English or Chinese.")],
    mask: Annotated[Path, typer.Option(help="A picture that is bright where the clip may change.")],
    strength: Annotated[float, typer.Option(help="0 changes nothing, 1 makes it anew.")] = 1.0,
) -> Plan:
    """Change only what lies under a mask."""
    from tenku import timeline
    from tenku.media import read_mask

    check_clip(mask)
    marked = read_mask(mask)
    return [clip], lambda footage, sampling: timeline.edit(
        footage[0], prompt, mask=marked, strength=strength, **sampling
    )
