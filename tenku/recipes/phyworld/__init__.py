"""PhyWorld: a small model for each law, in two ways that can be compared.

`phyworld-uniform`, `phyworld-collision` and `phyworld-parabola` go along tracks: a reader, a planner and a
draft. With `-latents` behind the name the denoiser sees latents and nothing else. Stages lie in the output
folder as `motions`, `planner`, `draft`, `scales` and `denoiser`, the finished model as `model`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tenku.checkpoint import Model
from tenku.errors import UserError
from tenku.pipeline.phyworld import PhyWorldModel
from tenku.recipes.phyworld.following import STAGES, follow_phyworld
from tenku.recipes.phyworld.recipe import DEFAULT_VIDEOS, PhyWorldRecipe, Way, phyworld
from tenku.worlds.phyworld import LAWS, Law

__all__ = [
    "DEFAULT_VIDEOS",
    "NAMES",
    "STAGES",
    "PhyWorldRecipe",
    "Way",
    "follow_phyworld",
    "phyworld",
    "run",
]

NAMES: Final = tuple(f"phyworld-{law}{way}" for law in LAWS for way in ("", "-latents"))


def run(
    name: str,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    stages: Sequence[str] = (),
    num_videos: int = DEFAULT_VIDEOS,
    seed: int = 0,
    size: int = 64,
    start: Model | None = None,
    device: str | None = None,
) -> PhyWorldModel:
    """Follow a recipe, named as on the command line, in `output`."""
    law, way = _law_and_way(name)
    strangers = [stage for stage in stages if stage not in STAGES]
    if strangers:
        raise UserError(f"there is no stage {strangers[0]!r}; there is {', '.join(STAGES)}.")
    recipe = phyworld(law, way, size=size, num_videos=num_videos, seed=seed)
    return follow_phyworld(
        recipe.shortened(steps),
        output,
        resume=resume,
        minutes=minutes,
        stages=stages or STAGES,
        start=start,
        device=device,
    )


def _law_and_way(name: str) -> tuple[Law, Way]:
    if name not in NAMES:
        raise UserError(f"there is no recipe {name!r}; there is {', '.join(NAMES)}.")
    word = name.removeprefix("phyworld-")
    way: Way = "latents" if word.endswith("-latents") else "tracks"
    return next(law for law in LAWS if word.startswith(law)), way
