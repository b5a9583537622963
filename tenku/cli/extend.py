"""`tenku extend`: a clip goes on after its end, and before its start."""

from typing import Annotated

import typer

from tenku.cli.making import Plan, verb_of_clips
from tenku.cli.options import ClipArgument, PromptArgument


@verb_of_clips("extended")
def extend(
    clip: ClipArgument,
    prompt: PromptArgument = "",
    after: Annotated[float, typer.Option(help="Seconds to add at the end.")] = 0.0,
    before: Annotated[float, typer.Option(help="Seconds to add at the start.")] = 0.0,
) -> Plan:
    """Let a clip go on: after its end, before its start, or both."""
    from tenku import timeline

    return [clip], lambda footage, sampling: timeline.extend(
        footage[0], prompt, after=after, before=before, **sampling
    )
