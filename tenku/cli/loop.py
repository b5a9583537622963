"""`tenku loop`: a clip comes back to its first frame."""

from typing import Annotated

import typer

from tenku.cli.making import Plan, verb_of_clips
from tenku.cli.options import ClipArgument, PromptArgument


@verb_of_clips("loop")
def loop(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    seconds: Annotated[float, typer.Option(help="How long the way back to the first frame takes.")] = 1.0,
) -> Plan:
    """Make a clip that plays over and over without a seam."""
    from tenku import timeline

    return [clip], lambda footage, sampling: timeline.loop(footage[0], prompt, seconds=seconds, **sampling)
