"""`tenku remix`: a clip made again to another prompt."""

from typing import Annotated

import typer

from tenku.cli.making import Plan, verb_of_clips
from tenku.cli.options import ClipArgument


@verb_of_clips("remixed")
def remix(
    clip: ClipArgument,
    prompt: Annotated[str, typer.Argument(help="What should be seen instead, in English or Chinese.")],
    strength: Annotated[float, typer.Option(help="0 changes nothing, 1 keeps nothing.")] = 0.6,
) -> Plan:
    """Make a clip again to another prompt, near what it was."""
    from tenku import timeline

    return [clip], lambda footage, sampling: timeline.remix(footage[0], prompt, strength=strength, **sampling)
