import numpy as np
import pytest

from tenku.evaluation.motion import motion_magnitude
from tenku.media import Frames


def texture() -> Frames:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (0, 3), (-4, 3), (7, 0)])
def test_a_texture_that_moves(down: int, across: int) -> None:
    frames = np.stack([np.roll(texture(), (down * t, across * t), (0, 1)) for t in range(4)])
    # blocks at the edge that something comes in at have nothing to be found by
    assert motion_magnitude(frames) == pytest.approx((down**2 + across**2) ** 0.5, abs=0.8)


def test_what_rests_does_not_move() -> None:
    assert motion_magnitude(np.stack([texture()] * 3)) == 0


def test_slower_is_less() -> None:
    fast, slow = (np.stack([np.roll(texture(), step * t, 1) for t in range(5)]) for step in (4, 2))
    assert motion_magnitude(slow) / motion_magnitude(fast) == pytest.approx(0.5, abs=0.1)


def test_where_nothing_can_be_followed_nothing_moves() -> None:
    grey = np.full((3, 32, 32, 3), 128, np.uint8)
    flicker = grey + np.array([0, 40, 80], np.uint8)[:, None, None, None]
    for frames in (grey, flicker, grey[:1], texture()[None]):
        assert motion_magnitude(frames) == 0
