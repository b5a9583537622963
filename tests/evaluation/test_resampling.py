import numpy as np
import pytest

from tenku.evaluation.resampling import median, of_statistic, ratio_of_means, ratio_of_medians


def test_a_median_lies_in_its_interval_which_shrinks_with_more_cases() -> None:
    values = np.random.default_rng(1).normal(5, 1, 400)
    few, many = (of_statistic("x", list(values[:n]), median) for n in (20, 400))
    for row in (few, many):
        assert row.low < row.value < row.high
        assert row.low < 5 < row.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert (few.n, many.n) == (20, 400)


def test_one_case_has_no_width() -> None:
    row = of_statistic("x", [3.0], median, "×", 1.0, "a | b")
    assert (row.value, row.low, row.high, row.floor, row.unit, row.group) == (3, 3, 3, 1, "×", "a | b")


def test_ratios_are_of_the_middles_and_of_the_means() -> None:
    pairs = np.array([(1.0, 2.0), (2.0, 4.0), (90.0, 6.0)])
    assert ratio_of_medians(pairs) == pytest.approx(0.5)
    assert ratio_of_means(pairs) == pytest.approx(31 / 4)


def test_drawing_again_keeps_pairs_together() -> None:
    pairs = [(value, 2 * value) for value in (1.0, 5.0, 100.0)]
    row = of_statistic("x", pairs, ratio_of_means)
    assert (row.low, row.high) == pytest.approx((0.5, 0.5))


def test_nothing_to_be_divided_by_is_infinite_not_an_error() -> None:
    assert of_statistic("x", [(1.0, 0.0), (1.0, 1.0)], ratio_of_means).high == np.inf
