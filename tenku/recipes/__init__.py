"""Recipes: functions that return everything that decides a model; `embedded` first."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tenku.checkpoint import load_model
from tenku.errors import UserError
from tenku.recipes.embedded import STAGES, EmbeddedRecipe, embedded
from tenku.recipes.embedded import run as follow
from tenku.recipes.judge import train_judge
from tenku.recipes.phyworld import DEFAULT_VIDEOS, follow_phyworld, phyworld
from tenku.recipes.phyworld import NAMES as PHYWORLD
from tenku.recipes.phyworld import run as run_phyworld
from tenku.recipes.tiny import tiny
from tenku.training.metrics import OutOfTimeError

__all__ = [
    "EmbeddedRecipe",
    "embedded",
    "follow",
    "follow_phyworld",
    "phyworld",
    "run",
    "tiny",
    "train_judge",
]

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
    videos: int | None = None,
    seed: int | None = None,
) -> None:
    """Follow a recipe in `output`, for so many minutes or so many steps of each stage.

    `start` names a model to start from; all `stages` are followed unless some are named. How many `videos` to
    learn from, and the `seed` of everything that is drawn, can be said of PhyWorld's recipes.
    """
    names = sorted((*_RECIPES, _JUDGE, *PHYWORLD))
    if recipe not in names:
        raise UserError(f"there is no recipe {recipe!r}; there is {', '.join(names)}.")
    if recipe in PHYWORLD:
        try:
            run_phyworld(
                recipe,
                output,
                resume=resume,
                minutes=minutes,
                steps=steps,
                stages=stages,
                num_videos=DEFAULT_VIDEOS if videos is None else videos,
                seed=seed or 0,
                start=load_model(start) if start is not None else None,
            )
        except OutOfTimeError:
            _say_how_to_go_on(recipe, output, minutes)
        return
    if videos is not None or seed is not None:
        raise UserError(f"--videos and --seed belong to PhyWorld's recipes; leave them out for {recipe!r}.")
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
        _say_how_to_go_on(recipe, output, minutes)


def _say_how_to_go_on(recipe: str, output: Path, minutes: float | None) -> None:
    print(f"stopped after {minutes:g} minutes; go on with: tenku train {recipe} -o {output} --resume")
