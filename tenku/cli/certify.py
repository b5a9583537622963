"""`tenku certify`: is a published model the same here as in another engine, and what does it cost in each?"""

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tenku.cli.arguments import check_model, parse_size
from tenku.cli.display import spinner
from tenku.cli.places import check_output_file
from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest

if TYPE_CHECKING:
    from tenku.evaluation.certificate import Certificate

_MAX_RUNS = 100


class Peer(StrEnum):
    """Whom a model is certified against."""

    diffusers = "diffusers"


def certify(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder in diffusers' layout, or a name on the hub; with --random a shape, for example "
            "wan-2.1-t2v-1.3b or ltx-video-2b-0.9."
        ),
    ],
    against: Annotated[Peer, typer.Option(help="The other engine.")] = Peer.diffusers,
    random: Annotated[bool, typer.Option("--random", help="Random weights of a published shape.")] = False,
    small: Annotated[bool, typer.Option("--small", help="With --random: a small likeness of it.")] = False,
    depth: Annotated[int | None, typer.Option(help="With --random: at most so many blocks.")] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Width and height of the video.")] = "128x64",
    frames: Annotated[int, typer.Option(help="Its frames.")] = 9,
    steps: Annotated[int, typer.Option(help="Denoising steps.")] = 10,
    guidance_scale: Annotated[float, typer.Option(help="How literally the prompt is taken.")] = 5.0,
    runs: Annotated[int, typer.Option(help="How often each engine is timed.")] = 3,
    seed: Annotated[int, typer.Option(help="Another seed gives other numbers.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Only whether the numbers agree.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this .md file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the certificate as JSON.")] = False,
) -> None:
    """Compare a published model here and in another engine."""
    if not 1 <= runs <= _MAX_RUNS:
        raise UserError(f"--runs {runs} gives no median; choose between 1 and {_MAX_RUNS}.")
    if (small or depth is not None) and not random:
        raise UserError("--small and --depth are of random weights; add --random, or leave them out.")
    width, height = parse_size(size)
    request = GenerationRequest(
        prompt="a red ball falls next to a blue cube",
        negative_prompt="blurred",
        num_frames=frames,
        height=height,
        width=width,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        seed=seed,
    )
    if output is not None:
        check_output_file(output)
    if not random:
        check_model(model)
    command = shlex.join(["tenku", *sys.argv[1:]])
    with spinner(f"comparing with {against}"):
        from tenku.evaluation.certifying import certify as certified
        from tenku.evaluation.certifying import certify_random

        if random:
            certificate = certify_random(model, request, command, runs, depth=depth, small=small, quick=quick)
        else:
            certificate = certified(model, request, command, runs, quick=quick)
    _tell(certificate, output, as_json)


def _tell(certificate: "Certificate", output: Path | None, as_json: bool) -> None:
    if output is not None:
        from tenku.media import replacing

        with replacing(output) as unfinished:
            unfinished.write_text(certificate.to_markdown(), encoding="utf-8")
    if as_json:
        print(certificate.to_json())
    elif output is None:
        from rich.console import Console

        Console().print(certificate)
    else:
        print(f"{output}: {'every part' if certificate.holds else 'not every part'} is within its bound")
