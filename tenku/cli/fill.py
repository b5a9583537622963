"""`tenku fill`: part of a clip is made anew."""

from typing import Annotated

import typer

from tenku.cli.making import Plan, verb_of_clips
from tenku.cli.options import ClipArgument, PromptArgument


@verb_of_clips("filled")
def fill(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    start: Annotated[float, typer.Option("--from", help="Where the gap starts, in seconds.")] = 0.0,
    stop: Annotated[
        float | None, typer.Option("--to", help="Where it stops, in seconds.", show_default="the end")
    ] = None,
) -> Plan:
    """Make the frames between two times of a clip anew."""
    from tenku import timeline

    return [clip], lambda footage, sampling: timeline.fill(
        footage[0], prompt, start=start, stop=footage[0].seconds if stop is None else stop, **sampling
    )
