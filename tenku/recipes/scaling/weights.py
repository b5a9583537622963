"""The drafter of a finished run as one file, which says how it is built."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tenku.checkpoint import as_kept
from tenku.denoiser import Drafter, TrackConfig
from tenku.errors import UserError
from tenku.media import replacing

WEIGHTS_FILE: Final = "drafter.safetensors"


def save_drafter(path: Path, drafter: Drafter) -> None:
    """Write a drafter: large tensors in bfloat16, small ones in float32, its configuration beside them."""
    facts = {
        "tracks": json.dumps(asdict(drafter.config)),
        "channel_std": json.dumps(drafter.channel_std),
        "depth": str(len(drafter.blocks)),
    }
    with replacing(path) as unfinished:
        save_file(as_kept(drafter), unfinished, facts)


def load_drafter(path: Path) -> Drafter:
    """A drafter that `save_drafter` wrote, in float32 and for use; a `UserError` if there is none."""
    try:
        with safe_open(path, "pt") as file:
            facts = file.metadata()
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        tracks = json.loads(facts["tracks"])
        config = TrackConfig(**{**tracks, "look_sizes": tuple(tracks["look_sizes"])})
        drafter = Drafter(config, tuple(json.loads(facts["channel_std"])), int(facts["depth"]))
        drafter.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"there is no drafter in {str(path)!r}; train the run again.") from error
    return drafter.eval().requires_grad_(False)
