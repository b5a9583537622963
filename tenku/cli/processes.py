"""One command in many processes, which torchrun starts: all work, and the first of them speaks and writes."""

import atexit
import os
from typing import TYPE_CHECKING, Literal

from tenku.errors import UserError

if TYPE_CHECKING:
    from tenku.pipeline import VideoPipeline


def is_first() -> bool:
    """Whether this process speaks and writes; the only one does."""
    return os.environ.get("RANK", "0") == "0"


def check_started() -> None:
    """A `UserError` unless torchrun has started this process."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        raise UserError(
            "--parallel works in processes that torchrun starts; write "
            "`torchrun --nproc-per-node 2 --no-python tenku …`, or leave it out."
        )


def share_out(pipeline: "VideoPipeline", method: Literal["ulysses", "ring"], *, weights: bool) -> None:
    """Let all processes work on one video; with `weights` each keeps a share of those of the denoiser."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    from tenku.checkpoint import OneLevel
    from tenku.denoiser.parallel import share_tokens, share_weights

    dist.init_process_group("gloo")
    atexit.register(dist.destroy_process_group)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    whole = pipeline.model.denoiser
    denoiser = whole.denoiser if isinstance(whole, OneLevel) else whole
    share_tokens(denoiser, mesh, method)
    if weights:
        pipeline.hold()
        share_weights(denoiser, mesh)
