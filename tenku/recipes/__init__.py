"""Recipes: functions that return everything that decides a model; `embedded` first."""

from collections.abc import Callable
from pathlib import Path

from tenku.errors import UserError
from tenku.recipes.embedded import EmbeddedRecipe, embedded
from tenku.recipes.embedded import run as follow
from tenku.recipes.tiny import tiny
from tenku.training.metrics import OutOfTimeError

__all__ = ["EmbeddedRecipe", "embedded", "follow", "run", "tiny"]

_RECIPES: dict[str, Callable[[], EmbeddedRecipe]] = {"embedded": embedded, "tiny": tiny}


def run(recipe: str, output: Path, *, resume: bool, minutes: float | None, steps: int | None) -> None:
    """Follow a recipe in `output`, for so many minutes or so many steps of each stage."""
    if recipe not in _RECIPES:
        raise UserError(f"there is no recipe {recipe!r}; there is {' and '.join(sorted(_RECIPES))}.")
    try:
        follow(_RECIPES[recipe](), output, resume=resume, minutes=minutes, steps=steps)
    except OutOfTimeError:
        print(f"stopped after {minutes:g} minutes; go on with: tenku train {recipe} -o {output} --resume")
