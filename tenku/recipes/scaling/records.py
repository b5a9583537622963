"""What is written of runs: `scaling.jsonl`, a line a finished run, and `prediction.json` before the last."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tenku.errors import UserError
from tenku.evaluation.scaling import Frontier, Interval, IsoFlop, LawFit, LossLaw, ScalingPoint
from tenku.media import replacing
from tenku.recipes.scaling.recipe import DrafterSize, PlannedRun

RECORDS_FILE: Final = "scaling.jsonl"
PREDICTION_FILE: Final = "prediction.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """A finished run. `flops` and `positions` are those it had, `epochs` how often it saw each position of
    its data, `seconds` those of training alone, `loss` the mean squared error on what is kept back; the
    `final` one was predicted."""

    name: str
    size: DrafterSize
    budget: float
    seed: int
    num_parameters: int
    flops: float
    positions: float
    epochs: float
    positions_per_step: int
    steps: int
    seconds: float
    loss: float
    device: str
    final: bool = False

    def point(self) -> ScalingPoint:
        """What is fitted of it."""
        return ScalingPoint(
            num_parameters=self.num_parameters,
            budget=self.budget,
            flops=self.flops,
            positions=self.positions,
            loss=self.loss,
            seconds=self.seconds,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What a run will reach that has not been made, the fit that says so, and the loss of an empty draft."""

    run: PlannedRun
    num_parameters: int
    loss: Interval
    loss_of_nothing: float
    fit: LawFit
    frontier: Frontier

    def sentence(self) -> str:
        """For people."""
        return (
            f"predicted of {self.run.size.name} after {self.run.budget:.3g} FLOPs: "
            f"loss {self.loss.value:.5f} [{self.loss.low:.5f}, {self.loss.high:.5f}], "
            f"by {self.fit.num_points} runs"
        )


def read_records(output: Path) -> list[RunRecord]:
    """The finished runs in a folder, in the order they were made."""
    path = output / RECORDS_FILE
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [RunRecord(**{**line, "size": DrafterSize(**line["size"])}) for line in lines]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); start the scaling runs in another folder."
        ) from error


def write_records(output: Path, records: Sequence[RunRecord]) -> None:
    """Write all of them; what was there before stays until they are whole."""
    with replacing(output / RECORDS_FILE) as unfinished:
        unfinished.write_text("".join(json.dumps(asdict(r)) + "\n" for r in records), encoding="utf-8")


def write_prediction(output: Path, prediction: Prediction, recipe: dict[str, Any]) -> None:
    """Write a prediction, and the recipe of the runs that it is made from."""
    facts = {**asdict(prediction), "recipe": recipe}
    with replacing(output / PREDICTION_FILE) as unfinished:
        unfinished.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def read_prediction(output: Path) -> Prediction | None:
    """The prediction in a folder; None if nothing has been predicted."""
    path = output / PREDICTION_FILE
    if not path.exists():
        return None
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        fit, frontier = facts["fit"], facts["frontier"]
        draws = tuple(LossLaw(**law) for law in fit["draws"])
        isoflops = tuple(
            IsoFlop(
                **{
                    **curve,
                    "parabola": tuple(curve["parabola"]),
                    "best_size": Interval(**curve["best_size"]),
                }
            )
            for curve in frontier["isoflops"]
        )
        exponent = None if frontier["exponent"] is None else Interval(**frontier["exponent"])
        return Prediction(
            run=PlannedRun(**{**facts["run"], "size": DrafterSize(**facts["run"]["size"])}),
            num_parameters=facts["num_parameters"],
            loss=Interval(**facts["loss"]),
            loss_of_nothing=facts["loss_of_nothing"],
            fit=LawFit(**{**fit, "law": LossLaw(**fit["law"]), "draws": draws}),
            frontier=Frontier(isoflops, exponent),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}); remove it, and it is made again.") from error
