"""`tenku plan`: what memory a video takes, stage by stage, before it is taken."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tenku.cli.arguments import parse_size, usual
from tenku.cli.options import ModelOptions, Quantization
from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest, check_size, frames_in

if TYPE_CHECKING:
    from tenku.checkpoint.memory import MemoryPlan


def plan(
    model: Annotated[str, typer.Argument(help="Open weights: a folder, a file, or a name on the hub.")],
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Width and height.", show_default="the model's")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length.", show_default="the model's")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second.", show_default="the model's")] = None,
    quantize: Annotated[Quantization | None, typer.Option(help="Weights kept in eight bits.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say what memory a video of open weights takes, and whether it is there; nothing is loaded."""
    default = usual(model)
    width, height = (default.width, default.height) if size is None else parse_size(size)
    check_size(width, height, max_side=default.max_side)
    fps = default.fps if fps is None else fps
    request = GenerationRequest(
        prompt="a video",
        num_frames=frames_in(default.seconds if seconds is None else seconds, fps),
        width=width,
        height=height,
        fps=fps,
    )
    found = _planned(model, request, ModelOptions(quantize=quantize).quantization)
    if as_json:
        print(_json_line(found))
    else:
        _show(found)


def _planned(
    model: str, request: GenerationRequest, quantization: Literal["int8", "fp8"] | None
) -> "MemoryPlan":
    import torch

    from tenku.checkpoint import is_open
    from tenku.checkpoint.memory import Machine, resident_bytes
    from tenku.checkpoint.predicting import Work, plan_memory
    from tenku.checkpoint.staging import find_networks
    from tenku.denoiser import multiplies_bfloat16

    if not is_open(model):
        raise UserError(
            f"{model} is a model of tenku's own, whose memory does not grow with length and needs no plan; "
            "give open weights."
        )
    networks = replace(find_networks(model), quantization=quantization)
    work = Work.of(request, networks.sampling, networks.vae)
    dtype = torch.bfloat16 if multiplies_bfloat16() else torch.float32
    return plan_memory(networks, work, Machine.here(), dtype=dtype, program=resident_bytes())


def _json_line(found: "MemoryPlan") -> str:
    stages = [
        {
            "stage": stage.name,
            "program_bytes": stage.program,
            "weights_bytes": stage.weights,
            "activations_bytes": stage.activations,
            "peak_bytes": stage.peak,
        }
        for stage in found.stages
    ]
    return json.dumps(
        {
            "stages": stages,
            "peak_bytes": found.peak,
            "room_bytes": found.machine.room,
            "placement": str(found.placement),
            "fits": found.fits,
            "verdict": found.verdict,
        }
    )


def _show(found: "MemoryPlan") -> None:
    from rich.console import Console
    from rich.table import Table

    from tenku.checkpoint.memory import in_gib

    table = Table("stage", *("program", "weights", "activations", "peak"), title="GiB")
    for stage in found.stages:
        numbers = (stage.program, stage.weights, stage.activations, stage.peak)
        table.add_row(stage.name, *(in_gib(number) for number in numbers))
    console = Console()
    console.print(table)
    console.print(f"held so: {found.placement}.", soft_wrap=True)
    console.print(found.verdict, soft_wrap=True)
