"""Scaling laws of finished runs: parabolas of equal compute, a law of loss, and what it says of a larger run.

Source: Hoffmann et al., "Training compute-optimal large language models" (arXiv 2203.15556), approaches 2 and
3. Data is counted in positions seen, not as FLOPs over 6 × parameters: what a drafter computes of a position
is no fixed multiple of its size.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tenku.evaluation.parsing import Floats

# Losses of short runs scatter by about a per cent: there errors count squared, beyond it as they are.
HUBER_DELTA: Final = 0.01
LEAST_RUNS: Final = 5  # as many as a law has parameters
_DRAWS: Final = 500
_INTERVAL: Final = (0.025, 0.975)
_BEYOND: Final = 4.0  # how far outside the sizes that were tried a parabola's lowest point is believed
_ITERATIONS: Final = 150
_RESTARTS: Final = 6  # of every bootstrap draw, beside the best fit of all
_LEAST_EXPONENT, _MOST_EXPONENT = 0.01, 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingPoint:
    """One finished run: `budget` is what it was planned to cost, `flops` what it did, `positions` what it
    saw, `loss` its squared error on held-out data, `seconds` of training."""

    num_parameters: int
    budget: float
    flops: float
    positions: float
    loss: float
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: Floats) -> "Interval":
        """The interval that holds 95 % of draws (k)."""
        low, high = np.quantile(draws, _INTERVAL)
        return cls(float(value), float(low), float(high))


@dataclass(frozen=True, slots=True)
class LossLaw:
    """loss = irreducible + size_scale · parameters^−size_exponent + data_scale · positions^−data_exponent."""

    irreducible: float
    size_scale: float
    size_exponent: float
    data_scale: float
    data_exponent: float

    def loss(self, num_parameters: float, positions: float) -> float:
        """Of a model of that size that has seen so many positions."""
        of_size = self.size_scale * num_parameters**-self.size_exponent
        return float(self.irreducible + of_size + self.data_scale * positions**-self.data_exponent)

    @property
    def compute_exponent(self) -> float:
        """k of the best size ∝ compute^k, where what a position costs is a multiple of the size."""
        return self.data_exponent / (self.size_exponent + self.data_exponent)


@dataclass(frozen=True, slots=True)
class LawFit:
    """A law, those of its bootstrap, and what log losses scatter by: between seeds (nan if there was one of
    each) and about the law."""

    law: LossLaw
    draws: tuple[LossLaw, ...]
    seed_noise: float
    residual_noise: float
    num_points: int

    @property
    def noise(self) -> float:
        """What a new run's log loss is expected to be off by, were the law exact."""
        return float(np.nanmax([self.seed_noise, self.residual_noise]))

    def interval(self, name: str) -> Interval:
        """Of a field or property of the law."""
        return Interval.of(getattr(self.law, name), np.array([getattr(law, name) for law in self.draws]))

    def predict(self, num_parameters: float, positions: float) -> Interval:
        """The loss of a run that has not been made: uncertain as the law is, and as one run is."""
        losses = np.array([law.loss(num_parameters, positions) for law in self.draws])
        noise = np.random.default_rng(1).normal(0, self.noise, len(losses))
        return Interval.of(self.law.loss(num_parameters, positions), losses * np.exp(noise))


@dataclass(frozen=True, slots=True)
class IsoFlop:
    """Runs of one budget: log loss = a x² + b x + c of x = log parameters, as `parabola` (a, b, c), and the
    size at its lowest point. That is `inside` if it lies between the sizes that were tried."""

    budget: float
    parabola: tuple[float, float, float]
    best_size: Interval
    inside: bool

    def loss(self, num_parameters: float) -> float:
        """What the parabola says of a size."""
        return float(np.exp(np.polyval(self.parabola, np.log(num_parameters))))


@dataclass(frozen=True, slots=True)
class Frontier:
    """Parabolas by budget, and k of the best size ∝ compute^k; None if fewer than two budgets have one."""

    isoflops: tuple[IsoFlop, ...]
    exponent: Interval | None


def seed_noise(points: Sequence[ScalingPoint]) -> float:
    """Standard deviation of log losses between runs that differ in nothing but their seed; nan if none do."""
    groups: dict[tuple[int, float], list[float]] = defaultdict(list)
    for point in points:
        groups[point.num_parameters, point.budget].append(float(np.log(point.loss)))
    several = [np.array(group) for group in groups.values() if len(group) > 1]
    if not several:
        return float("nan")
    squares = sum(float(np.square(group - group.mean()).sum()) for group in several)
    return float(np.sqrt(squares / sum(len(group) - 1 for group in several)))


def fit_isoflops(
    points: Sequence[ScalingPoint], noise: float, *, draws: int = _DRAWS, seed: int = 0
) -> Frontier:
    """A parabola for every budget that three sizes or more were given, and how their lowest points move.

    There are too few sizes to draw them again: for the intervals log losses are made to scatter by `noise`.
    """
    by_budget: dict[float, list[ScalingPoint]] = defaultdict(list)
    for point in points:
        by_budget[point.budget].append(point)
    rng = np.random.default_rng(seed)
    isoflops, best, drawn = [], [], []
    for budget in sorted(by_budget):
        sizes = np.log([point.num_parameters for point in by_budget[budget]])
        if len(np.unique(sizes)) < 3:
            continue
        losses = np.log([point.loss for point in by_budget[budget]])
        parabola = np.polyfit(sizes, losses, 2)
        lowest = _lowest(parabola[:, None], sizes)[0]
        scattered = losses[:, None] + rng.normal(0, noise, (len(losses), draws))
        lowest_drawn = _lowest(np.polyfit(sizes, scattered, 2), sizes)
        a, b, c = (float(value) for value in parabola)
        inside = a > 0 and bool(sizes.min() < lowest < sizes.max())
        isoflops.append(IsoFlop(budget, (a, b, c), Interval.of(np.exp(lowest), np.exp(lowest_drawn)), inside))
        best.append(lowest)
        drawn.append(lowest_drawn)
    if len(isoflops) < 2:
        return Frontier(tuple(isoflops), None)
    compute = np.log([isoflop.budget for isoflop in isoflops])
    exponents = np.polyfit(compute, np.stack(drawn), 1)[0]
    return Frontier(tuple(isoflops), Interval.of(np.polyfit(compute, np.array(best), 1)[0], exponents))


def _lowest(parabolas: Floats, sizes: Floats) -> Floats:
    """Where parabolas (3 k) of log sizes are lowest (k): no farther than a little outside the sizes, and on
    the lower side if they open downwards."""
    first, last = sizes.min() - np.log(_BEYOND), sizes.max() + np.log(_BEYOND)
    a, b, c = parabolas
    ends = [(a * x + b) * x + c for x in (sizes.min(), sizes.max())]
    edge = np.where(ends[0] < ends[1], first, last)
    inner = -b / np.where(a > 0, 2 * a, 1.0)
    lowest: Floats = np.where(a > 0, np.clip(inner, first, last), edge)
    return lowest


def fit_law(points: Sequence[ScalingPoint], *, draws: int = _DRAWS, seed: int = 0) -> LawFit:
    """The law under which log losses have the least Huber loss, from several starts, and its bootstrap.

    Points are drawn again, and their log losses scattered as far as seeds do, if several were tried.
    ValueError if there are fewer points than the law has parameters.
    """
    if len(points) < LEAST_RUNS:
        raise ValueError(f"a law of {LEAST_RUNS} parameters cannot be fitted to {len(points)} runs")
    size = np.log([point.num_parameters for point in points])
    data = np.log([point.positions for point in points])
    losses = np.log([point.loss for point in points])
    problem = _Problem(size - size.mean(), data - data.mean())
    grid = _starts(losses)
    best = problem.best(grid, losses[None], np.ones((1, len(points))))
    rng, between = np.random.default_rng(seed), seed_noise(points)
    chosen = rng.integers(len(points), size=(draws, len(points)))
    counts = np.stack([np.bincount(row, minlength=len(points)) for row in chosen]).astype(np.float64)
    scattered = losses + rng.normal(0, 0.0 if np.isnan(between) else between, counts.shape)
    restarts = np.concatenate([best, grid[rng.permutation(len(grid))[:_RESTARTS]]])
    drawn = problem.best(restarts, scattered, counts)
    residuals = problem.residuals(best, losses)
    freedom = max(1, len(points) - LEAST_RUNS)
    laws = [_law(values, size.mean(), data.mean()) for values in (*best, *drawn)]
    scatter = float(np.sqrt(np.square(residuals).sum() / freedom))
    return LawFit(laws[0], tuple(laws[1:]), between, scatter, len(points))


def _starts(losses: Floats) -> Floats:
    """Where the search for a law begins (k 5): shares of the loss that cannot be undone, and exponents."""
    least = np.exp(losses.min())
    starts = []
    for share in (0.1, 0.5, 0.8, 0.95):
        rest = np.log(max(np.exp(losses.mean()) - share * least, 1e-9) / 2)
        for of_size in (0.2, 0.5, 1.0):
            for of_data in (0.2, 0.5, 1.0):
                starts.append([np.log(share * least), rest, rest, np.log(of_size), np.log(of_data)])
    return np.array(starts)


def _law(values: Floats, size: float, data: float) -> LossLaw:
    """The law of what was fitted about a middle size and a middle number of positions, as logarithms."""
    irreducible, of_size, of_data, a, b = np.exp(values)
    return LossLaw(
        irreducible=float(irreducible),
        size_scale=float(of_size * np.exp(a * size)),
        size_exponent=float(a),
        data_scale=float(of_data * np.exp(b * data)),
        data_exponent=float(b),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """The law in logarithms, about the middle of log sizes and log positions (n); parameters are the logs of
    irreducible loss, of what size and data cost there, and of the two exponents."""

    size: Floats
    data: Floats

    def residuals(self, values: Floats, losses: Floats) -> Floats:
        """What laws (k 5) say beyond log losses (k n)."""
        total: Floats = np.logaddexp.reduce(self._terms(values), axis=0) - losses
        return total

    def best(self, starts: Floats, losses: Floats, counts: Floats) -> Floats:
        """For each of log losses (m n), each counting so often (m n), the best law (5) from all starts.

        Levenberg and Marquardt's method on weighted squares, all problems at once; weights are Huber's.
        """
        m, s = len(losses), len(starts)
        values = np.tile(starts, (m, 1))
        losses, counts = np.repeat(losses, s, 0), np.repeat(counts, s, 0)
        damping = np.full(len(values), 1e-2)
        cost = self._cost(values, losses, counts)
        for _ in range(_ITERATIONS):
            residuals, slopes = self.residuals(values, losses), self._slopes(values)
            weights = counts * np.minimum(1, HUBER_DELTA / np.maximum(np.abs(residuals), 1e-12))
            weighted = slopes * weights[..., None]
            normal = np.einsum("kni,knj->kij", weighted, slopes)
            right = np.einsum("kni,kn->ki", weighted, residuals)
            normal[:, range(5), range(5)] *= 1 + damping[:, None]
            normal[:, range(5), range(5)] += 1e-9
            tried = _bounded(values - np.linalg.solve(normal, right[..., None])[..., 0])
            cost_tried = self._cost(tried, losses, counts)
            better = cost_tried < cost
            values = np.where(better[:, None], tried, values)
            cost = np.where(better, cost_tried, cost)
            damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
        chosen = cost.reshape(m, s).argmin(1)
        found: Floats = values.reshape(m, s, -1)[np.arange(m), chosen]
        return found

    def _terms(self, values: Floats) -> Floats:
        """Logarithms of the three parts of the loss (3 k n)."""
        constant, of_size, of_data, a, b = values.T[..., None]
        return np.stack(
            [
                np.broadcast_to(constant, (len(values), len(self.size))),
                of_size - np.exp(a) * self.size,
                of_data - np.exp(b) * self.data,
            ]
        )

    def _slopes(self, values: Floats) -> Floats:
        """Derivatives of the log loss by the parameters (k n 5)."""
        terms = self._terms(values)
        constant, of_size, of_data = np.exp(terms - np.logaddexp.reduce(terms, axis=0))
        a, b = np.exp(values.T[3:, :, None])
        parts = [constant, of_size, of_data, -of_size * a * self.size, -of_data * b * self.data]
        return np.stack(parts, -1)

    def _cost(self, values: Floats, losses: Floats, counts: Floats) -> Floats:
        """Huber's loss (k)."""
        off = np.abs(self.residuals(values, losses))
        near = np.minimum(off, HUBER_DELTA)
        cost: Floats = (counts * near * (off - near / 2)).sum(1)
        return cost


def _bounded(values: Floats) -> Floats:
    """Parameters (k 5) whose exponents are such as can be told from none and from infinity."""
    bounded = np.clip(values, -30, 30)
    bounded[:, 3:] = np.clip(values[:, 3:], np.log(_LEAST_EXPONENT), np.log(_MOST_EXPONENT))
    return bounded
