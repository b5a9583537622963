"""`tenku blend`: one clip turns into another."""

from typing import Annotated

import typer

from tenku.cli.making import Plan, verb_of_clips
from tenku.cli.options import ClipArgument


@verb_of_clips("blended")
def blend(
    first: ClipArgument,
    second: ClipArgument,
    seconds: Annotated[float, typer.Option(help="How long the one takes to become the other.")] = 1.0,
) -> Plan:
    """Let one clip turn into another while both go on."""
    from tenku import timeline

    return [first, second], lambda footage, sampling: timeline.blend(
        footage[0], footage[1], seconds=seconds, **sampling
    )
