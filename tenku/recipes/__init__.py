"""Recipes: functions that return everything that decides a model; `embedded` first."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tenku.checkpoint import load_model
from tenku.errors import UserError
from tenku.recipes.embedded import STAGES, EmbeddedRecipe, embedded
from tenku.recipes.embedded import run as follow
from tenku.recipes.gpu import for_gpu
from tenku.recipes.judge import train_judge
from tenku.recipes.phyworld import DEFAULT_VIDEOS, follow_phyworld, phyworld
from tenku.recipes.phyworld import NAMES as PHYWORLD
from tenku.recipes.phyworld import run as run_phyworld
from tenku.recipes.scaling import NAMES as SCALING
from tenku.recipes.scaling import follow_scaling
from tenku.recipes.scaling import run as run_scaling
from tenku.recipes.tiny import tiny
from tenku.training.device import device_of
from tenku.training.metrics import OutOfTimeError

__all__ = [
    "EmbeddedRecipe",
    "embedded",
    "follow",
    "follow_phyworld",
    "follow_scaling",
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
    device: str | None = None,
    flops: float | None = None,
) -> None:
    """Follow a recipe in `output`, for so many minutes or so many steps of each stage.

    On `device`: a GPU if there is one, unless said. `start` names a model to start from; all `stages` are
    followed unless some are named. How many `videos` to learn from, and the `seed` of everything that is
    drawn, can be said of PhyWorld's recipes, and of scaling the largest budget of `flops` that is fitted.
    """
    names = sorted((*_RECIPES, _JUDGE, *PHYWORLD, *SCALING))
    if recipe not in names:
        raise UserError(f"there is no recipe {recipe!r}; there is {', '.join(names)}.")
    if flops is not None and recipe not in SCALING:
        raise UserError(f"--flops belongs to scaling; leave it out for {recipe!r}.")
    if recipe in PHYWORLD:
        with _in_time(recipe, output, minutes):
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
                device=device,
            )
        return
    if videos is not None or seed is not None:
        raise UserError(f"--videos and --seed belong to PhyWorld's recipes; leave them out for {recipe!r}.")
    if recipe in SCALING:
        if steps is not None or stages:
            raise UserError(
                "the steps of a scaling run follow from what it may cost, and it has no stages; leave out "
                "--steps and --stage."
            )
        first = load_model(start) if start is not None else None
        with _in_time(recipe, output, minutes):
            run_scaling(
                recipe, output, resume=resume, minutes=minutes, start=first, device=device, largest=flops
            )
        return
    if recipe == _JUDGE and (start is not None or stages):
        raise UserError("the judge has one stage and starts from nothing; leave out --from and --stage.")
    strangers = [stage for stage in stages if stage not in STAGES]
    if strangers:
        raise UserError(f"there is no stage {strangers[0]!r}; there is {', '.join(STAGES)}.")
    if recipe == _JUDGE:
        train_judge(output, resume=resume, minutes=minutes, steps=steps, device=device)
        return
    numbers = _RECIPES[recipe]()
    with _in_time(recipe, output, minutes):
        follow(
            for_gpu(numbers) if device_of(device).type == "cuda" else numbers,
            output,
            resume=resume,
            minutes=minutes,
            steps=steps,
            start=load_model(start) if start is not None else None,
            stages=stages or STAGES,
            device=device,
        )


@contextmanager
def _in_time(recipe: str, output: Path, minutes: float | None) -> Iterator[None]:
    """A block that may be out of time: then it is said how to go on."""
    try:
        yield
    except OutOfTimeError:
        print(f"stopped after {minutes:g} minutes; go on with: tenku train {recipe} -o {output} --resume")
