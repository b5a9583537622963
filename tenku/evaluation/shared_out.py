"""One video made by two processes that share out its tokens: `python -m tenku.evaluation.shared_out`."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from tenku.errors import UserError
from tenku.media import Frames
from tenku.timeline.request import GenerationRequest

NUM_PROCESSES: Final = 2


def made_by_two(folder: Path, request: GenerationRequest) -> tuple[Frames, float]:
    """Frames (t h w 3) of a request, and the seconds of denoising; a `UserError` if it did not work."""
    with tempfile.TemporaryDirectory(prefix="tenku-shared-") as place:
        out = Path(place) / "made.npz"
        told = json.dumps([str(folder), asdict(request), str(out)])
        launch = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={NUM_PROCESSES}")
        ended = subprocess.run(
            [sys.executable, *launch, "-m", __name__, told], capture_output=True, text=True, check=False
        )
        if ended.returncode or not out.exists():
            raise UserError(f"{NUM_PROCESSES} processes could not make this video; make it in one.")
        made = np.load(out)
        return made["frames"], float(made["seconds"])


def _main(told: str) -> None:
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh

    from tenku.checkpoint import OneLevel, load_open_model
    from tenku.denoiser.parallel import share_tokens
    from tenku.pipeline import VideoPipeline

    folder, values, out = json.loads(told)
    dist.init_process_group("gloo")
    model = load_open_model(folder, dtype=torch.float32)
    inner = model.denoiser.denoiser if isinstance(model.denoiser, OneLevel) else model.denoiser
    share_tokens(inner, init_device_mesh("cpu", (dist.get_world_size(),)))
    pipeline, request = VideoPipeline(model), GenerationRequest(**values)
    pipeline(request)  # so that what is made once is not in the time
    made = pipeline(request)
    if dist.get_rank() == 0:
        np.savez(out, frames=made.video.frames, seconds=made.seconds_by_stage["denoise"])
    dist.destroy_process_group()


if __name__ == "__main__":
    _main(sys.argv[1])
