"""How the drafter scales, which decides what the embedded model's videos look like.

Sizes are trained for budgets of FLOPs, a law is fitted to what they reach, and a run four times larger than
any of them is predicted and then trained. In the output folder lie `clips`, `vae` and `latents`, as in that
of an embedded run, then `runs`, `scaling.jsonl` and `prediction.json`.
"""

from pathlib import Path
from typing import Final

from tenku.checkpoint import Model
from tenku.errors import UserError
from tenku.recipes.scaling.following import follow_scaling, load_autoencoder
from tenku.recipes.scaling.recipe import DrafterSize, PlannedRun, ScalingRecipe, scaling, tiny_scaling
from tenku.recipes.scaling.records import Prediction, RunRecord, read_prediction, read_records
from tenku.recipes.scaling.weights import WEIGHTS_FILE, load_drafter, save_drafter
from tenku.training.device import device_of

__all__ = [
    "NAMES",
    "WEIGHTS_FILE",
    "DrafterSize",
    "PlannedRun",
    "Prediction",
    "RunRecord",
    "ScalingRecipe",
    "follow_scaling",
    "load_autoencoder",
    "load_drafter",
    "read_prediction",
    "read_records",
    "run",
    "save_drafter",
    "scaling",
    "tiny_scaling",
]


_TINY: Final = "scaling-tiny"
NAMES: Final = ("scaling", _TINY)


def run(
    name: str,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    start: Model | None = None,
    device: str | None = None,
    largest: float | None = None,
) -> list[RunRecord]:
    """Follow a recipe, named as on the command line, in `output`: larger runs where there is a GPU.

    `largest` is the largest budget of FLOPs that is fitted, which a tiny recipe does not let be chosen.
    """
    gpu = device_of(device).type == "cuda"
    if name == _TINY and largest is not None:
        raise UserError("the runs of scaling-tiny are as large as they are; leave out --flops.")
    recipe = tiny_scaling() if name == _TINY else scaling(gpu=gpu, largest=largest)
    return follow_scaling(recipe, output, resume=resume, minutes=minutes, start=start, device=device)
