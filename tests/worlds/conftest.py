"""Clips that several tests look at; making them once keeps the folder fast."""

import pytest

from tenku.worlds import SimulatedClip, simulate_clip


@pytest.fixture(scope="session")
def clips() -> list[SimulatedClip]:
    return [simulate_clip(seed, height=64, width=64, with_truth=True) for seed in range(1000, 1060)]
