"""Recipes: functions that return everything that decides a model; `embedded` first."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tenku.checkpoint import load_model
from tenku.errors import UserError
from tenku.recipes.embedded import STAGES, EmbeddedRecipe, embedded
from tenku.recipes.embedded import run as follow
from tenku.recipes.judge import train_judge
from tenku.recipes.tiny import tiny
from tenku.training.metrics import OutOfTimeError

__all__ = ["EmbeddedRecipe", "embedded", "follow", "run", "tiny", "train_judge"]

_JUDGE = "judge"  # what reads videos back: of one stage, and started from nothing
_RECIPES: dict[str, Callable[[], EmbeddedRecipe]] = {"embedded": embedded, "tiny": tiny}


def run(
    recipe: str,
    output: Path,
    *,
    resume: bool,
    minutes: float | None,
    steps: int | None,
    start: str | None = None,
    stages: Sequence[str] = (),
) -> None:
    """Follow a recipe in `output`, for so many minutes or so many steps of each stage.

    `start` names a model to start from; all `stages` are followed unless some are named.
    """
    if recipe not in (*_RECIPES, _JUDGE):
        raise UserError(f"there is no recipe {recipe!r}; there is {', '.join(sorted((*_RECIPES, _JUDGE)))}.")
    if recipe == _JUDGE and (start is not None or stages):
        raise UserError("the judge has one stage and starts from nothing; leave out --from and --stage.")
    strangers = [stage for stage in stages if stage not in STAGES]
    if strangers:
        raise UserError(f"there is no stage {strangers[0]!r}; there is {', '.join(STAGES)}.")
    if recipe == _JUDGE:
        train_judge(output, resume=resume, minutes=minutes, steps=steps)
        return
    try:
        follow(
            _RECIPES[recipe](),
            output,
            resume=resume,
            minutes=minutes,
            steps=steps,
            start=load_model(start) if start is not None else None,
            stages=stages or STAGES,
        )
    except OutOfTimeError:
        print(f"stopped after {minutes:g} minutes; go on with: tenku train {recipe} -o {output} --resume")
