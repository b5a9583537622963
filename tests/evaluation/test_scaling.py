from dataclasses import replace

import numpy as np
import pytest

from tenku.evaluation.scaling import (
    LossLaw,
    ScalingPoint,
    fit_isoflops,
    fit_law,
    seed_noise,
)

LAW = LossLaw(irreducible=0.08, size_scale=60.0, size_exponent=0.5, data_scale=40.0, data_exponent=0.45)
SIZES = (250_000, 1_000_000, 4_000_000, 12_000_000)
BUDGETS = (1e13, 4e13, 1.6e14, 6.4e14)


def runs(noise: float, seed: int = 0, seeds: int = 1) -> list[ScalingPoint]:
    """Runs that follow LAW, each off by `noise`; a position costs 6 FLOPs a parameter."""
    rng = np.random.default_rng(seed)
    points = []
    for budget in BUDGETS:
        for size in SIZES:
            for _ in range(seeds):
                positions = budget / (6 * size)
                loss = LAW.loss(size, positions) * float(np.exp(rng.normal(0, noise)))
                points.append(
                    ScalingPoint(
                        num_parameters=size, budget=budget, flops=budget, positions=positions, loss=loss
                    )
                )
    return points


def test_without_noise_the_law_is_found_again() -> None:
    fit = fit_law(runs(0), draws=20)
    for name in ("irreducible", "size_scale", "size_exponent", "data_scale", "data_exponent"):
        assert getattr(fit.law, name) == pytest.approx(getattr(LAW, name), rel=0.02), name
    assert fit.residual_noise < 1e-4
    assert np.isnan(fit.seed_noise)


def test_intervals_hold_what_is_true_and_a_larger_run() -> None:
    """Of ten noisy sets of runs, nearly all."""
    held = {"size_exponent": 0, "data_exponent": 0, "compute_exponent": 0, "predicted": 0}
    size, positions = 12_000_000, 4 * BUDGETS[-1] / (6 * 12_000_000)
    for seed in range(10):
        fit = fit_law(runs(0.01, seed), draws=100, seed=seed)
        intervals = {name: fit.interval(name) for name in held if name != "predicted"}
        for name, interval in intervals.items():
            assert interval.low <= interval.high
            held[name] += interval.low <= getattr(LAW, name) <= interval.high
        predicted = fit.predict(size, positions)
        truth = LAW.loss(size, positions)
        held["predicted"] += predicted.low <= truth <= predicted.high
        assert predicted.value == pytest.approx(truth, rel=0.1)
        assert predicted.high - predicted.low < 0.25 * truth
        assert fit.residual_noise == pytest.approx(0.01, rel=0.7)
    assert all(count >= 8 for count in held.values()), held


def test_one_run_that_failed_does_not_decide_the_law() -> None:
    points = runs(0)
    points[5] = replace(points[5], loss=3 * points[5].loss)
    size, positions = 12_000_000, 4 * BUDGETS[-1] / (6 * 12_000_000)
    fit = fit_law(points, draws=5)
    assert fit.law.loss(size, positions) == pytest.approx(LAW.loss(size, positions), rel=0.02)


def test_a_prediction_is_less_sure_farther_away_and_with_more_noise() -> None:
    def width(noise: float, times: float) -> float:
        predicted = fit_law(runs(noise, seed=3), draws=100).predict(SIZES[-1], times * BUDGETS[-1] / 7.2e7)
        return predicted.high - predicted.low

    assert width(0.002, 4) < width(0.02, 4)
    truth_near, truth_far = (LAW.loss(SIZES[-1], t * BUDGETS[-1] / 7.2e7) for t in (1, 1e3))
    assert width(0.02, 1) / truth_near < width(0.02, 1e3) / truth_far


def test_noise_between_seeds_is_measured() -> None:
    assert np.isnan(seed_noise(runs(0.01)))
    assert seed_noise(runs(0.02, seeds=4)) == pytest.approx(0.02, rel=0.2)
    fit = fit_law(runs(0.02, seeds=2), draws=20)
    assert fit.seed_noise == pytest.approx(0.02, rel=0.5)
    assert fit.noise >= fit.seed_noise


def test_a_law_needs_as_many_runs_as_it_has_parameters() -> None:
    with pytest.raises(ValueError, match="cannot be fitted to 4 runs"):
        fit_law(runs(0)[:4])


def parabolic(exponent: float, best_of_first: float = 1e6) -> list[ScalingPoint]:
    """Runs whose best size grows as budget^exponent, on parabolas."""
    points = []
    for budget in BUDGETS:
        best = best_of_first * (budget / BUDGETS[0]) ** exponent
        for factor in (0.25, 1, 3):
            size = round(best * factor)
            loss = float(np.exp(0.1 * np.log(size / best) ** 2 - 0.2 * np.log(budget)))
            points.append(
                ScalingPoint(num_parameters=size, budget=budget, flops=budget, positions=1.0, loss=loss)
            )
    return points


def test_parabolas_find_the_best_size_of_each_budget_and_how_it_grows() -> None:
    frontier = fit_isoflops(parabolic(0.4), noise=0.005, draws=200)
    assert [isoflop.budget for isoflop in frontier.isoflops] == list(BUDGETS)
    for isoflop in frontier.isoflops:
        best = 1e6 * (isoflop.budget / BUDGETS[0]) ** 0.4
        assert isoflop.inside
        assert isoflop.best_size.value == pytest.approx(best, rel=1e-3)
        assert isoflop.best_size.low < best < isoflop.best_size.high
        assert isoflop.loss(best) == pytest.approx(isoflop.budget**-0.2, rel=1e-3)
    assert frontier.exponent is not None
    assert frontier.exponent.value == pytest.approx(0.4, abs=1e-3)
    assert frontier.exponent.low < 0.4 < frontier.exponent.high


def test_a_best_size_beyond_those_tried_is_told() -> None:
    """Losses that fall with size, or rise and fall: the best is outside, and not endlessly far."""
    falling = [
        ScalingPoint(num_parameters=n, budget=1e13, flops=1e13, positions=1.0, loss=loss)
        for n, loss in ((1_000_000, 0.5), (2_000_000, 0.45), (4_000_000, 0.35))
    ]
    (isoflop,) = fit_isoflops(falling, noise=0.01).isoflops
    assert not isoflop.inside
    assert 4e6 < isoflop.best_size.value <= 16.1e6
    assert fit_isoflops(falling, noise=0.01).exponent is None


def test_two_sizes_make_no_parabola() -> None:
    assert fit_isoflops(runs(0)[:2], noise=0.01).isoflops == ()
