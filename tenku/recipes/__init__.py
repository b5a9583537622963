"""Recipes: functions that make a model from nothing; `embedded` first."""

from collections.abc import Callable
from pathlib import Path

from tenku.errors import UserError
from tenku.recipes import embedded
from tenku.training.metrics import OutOfTimeError

_RECIPES: dict[str, Callable[..., None]] = {"embedded": embedded.run}


def run(recipe: str, output: Path, *, resume: bool, minutes: float | None, steps: int | None) -> None:
    """Follow a recipe in `output`, for so many minutes or so many steps of each stage."""
    if recipe not in _RECIPES:
        raise UserError(f"there is no recipe {recipe!r}; there is {', '.join(sorted(_RECIPES))}.")
    try:
        _RECIPES[recipe](output, resume=resume, minutes=minutes, steps=steps)
    except OutOfTimeError:
        print(f"stopped after {minutes:g} minutes; go on with: tenku train {recipe} -o {output} --resume")
