"""What the runs of all recipes have in common: a folder of their own and, perhaps, a last minute."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from tenku.errors import UserError
from tenku.media import replacing
from tenku.vae import VideoAutoencoder

Stop = Callable[[], bool]


def check_folder(output: Path, resume: bool) -> None:
    """A run starts in a new or empty folder, unless it goes on with an earlier one."""
    if not resume and output.exists() and any(output.iterdir()):
        raise UserError(
            f"{str(output)!r} already holds something; go on with --resume, or choose another folder."
        )


def stopwatch(minutes: float | None) -> Stop:
    """Whether so many minutes have gone by since now; without minutes they never have."""
    end = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    return lambda: time.monotonic() > end


def keep_autoencoder(path: Path, vae: VideoAutoencoder, std: Sequence[float]) -> None:
    """Write the autoencoder that a run's latents are made with, and how they spread by channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        torch.save({"vae": vae.state_dict(), "std": std}, file)
