"""Peak memory of one generation, in a process of its own: `python -m tenku.evaluation.peak_memory`."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest

Engine: TypeAlias = Literal["tenku", "diffusers"]
_STATUS: Final = Path("/proc/self/status")


def peak_memory(engine: Engine, folder: Path, request: GenerationRequest) -> int:
    """Bytes of the most that a fresh process holds while an engine loads a model in float32 and uses it."""
    told = json.dumps([engine, str(folder), asdict(request)])
    ended = subprocess.run(
        [sys.executable, "-m", __name__, told], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        reason = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise UserError(f"{engine} could not make this video in a process of its own: {reason}.")
    return int(ended.stdout.split()[-1])


def _generate(engine: Engine, folder: Path, request: GenerationRequest) -> None:
    if engine == "diffusers":
        from tenku.evaluation.peer import frames_of_peer, load_peer

        frames_of_peer(load_peer(folder), request)
        return
    import torch

    from tenku.checkpoint import open_on_demand
    from tenku.pipeline import VideoPipeline

    VideoPipeline(open_on_demand(folder, dtype=torch.float32))(request)


def _most() -> int:
    """Bytes of this process at its largest; what its parent was before it began does not count."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _main(told: str) -> None:
    engine, folder, values = json.loads(told)
    request: dict[str, Any] = values
    _generate(engine, Path(folder), GenerationRequest(**request))
    print(_most())


if __name__ == "__main__":
    _main(sys.argv[1])
