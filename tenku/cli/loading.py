"""The model that a verb works with, loaded as its options say."""

import time
from typing import TYPE_CHECKING

from tenku.cli.arguments import EMBEDDED, LoraArgument, parse_loras
from tenku.cli.display import spinner
from tenku.cli.options import ModelOptions
from tenku.cli.processes import check_started, share_out
from tenku.errors import UserError

if TYPE_CHECKING:
    from tenku.pipeline import VideoPipeline


def load_pipeline(options: ModelOptions) -> "tuple[VideoPipeline, float]":
    """The pipeline of a model, and the seconds that it took to load."""
    loras = parse_loras(options.lora or (), options.model)
    _check(options)
    start = time.perf_counter()
    with spinner("loading the model"):
        pipeline = _loaded(options, loras)
        if options.method is not None:
            share_out(pipeline, options.method, weights=options.shard)
    return pipeline, time.perf_counter() - start


def _check(options: ModelOptions) -> None:
    for name, given in (("--quantize", options.quantize), ("--parallel", options.parallel)):
        if given is not None and options.model == EMBEDDED:
            raise UserError(
                f"{name} is for open weights, which the embedded model is not; name some with --model, or "
                "leave it out."
            )
    if options.shard and options.parallel is None:
        raise UserError("--shard is about the processes of --parallel; add that, or leave it out.")
    if options.shard and options.quantize is not None:
        raise UserError("weights of eight bits cannot be shared out; leave out --quantize or --shard.")
    if options.parallel is not None:
        check_started()


def _loaded(options: ModelOptions, loras: "list[LoraArgument]") -> "VideoPipeline":
    from tenku.checkpoint import Lora, check_loras, merge_loras
    from tenku.checkpoint.quantizing import quantize
    from tenku.pipeline import VideoPipeline

    bits = options.quantization
    if not loras:
        return VideoPipeline.from_pretrained(options.model, quantization=bits)
    mixed = [Lora(path=each.path, weight=each.weight, expert=each.expert) for each in loras]
    check_loras(options.model, mixed)  # before minutes are spent
    pipeline = VideoPipeline.from_pretrained(options.model)
    pipeline.hold()
    denoiser = pipeline.model.denoiser
    merge_loras(denoiser, mixed)  # never taken out again: the weights of before are let go
    if bits is not None:
        quantize(denoiser, bits)
    return pipeline
