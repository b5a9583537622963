"""Figures that are no means and no shares: their interval comes from drawing the cases again."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from tenku.evaluation.parsing import Floats
from tenku.evaluation.report import Row, Unit

_DRAWS: Final = 2_000


def of_statistic(
    name: str,
    cases: Sequence[float] | Sequence[Sequence[float]],
    statistic: Callable[[Floats], float],
    unit: Unit = "",
    floor: float | None = None,
    group: str = "",
) -> Row:
    """Any figure of n cases (n …), with the 95 % interval of its bootstrap (Efron, 1979)."""
    values = np.array(cases, np.float64)
    draws = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
    # Between two draws there is nothing to be interpolated where one is infinite.
    low, high = np.quantile([statistic(values[draw]) for draw in draws], (0.025, 0.975), method="nearest")
    return Row(
        name=name,
        value=float(statistic(values)),
        low=float(low),
        high=float(high),
        n=len(values),
        floor=floor,
        unit=unit,
        group=group,
    )


def median(values: Floats) -> float:
    """The middle of values (n)."""
    return float(np.median(values))


def ratio_of_medians(pairs: Floats) -> float:
    """Of pairs (n 2), the middle of the first over the middle of the second."""
    first, second = np.median(pairs, axis=0)
    return float(_over(first, second))


def ratio_of_means(pairs: Floats) -> float:
    """Of pairs (n 2), the mean of the first over the mean of the second."""
    first, second = pairs.mean(0)
    return float(_over(first, second))


def _over(first: float, second: float) -> float:
    return first / second if second else np.inf
