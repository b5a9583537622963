import numpy as np
import pytest
import torch

from tenku.evaluation.continuity import (
    continuation,
    known_frames,
    known_latents_changed,
    known_psnr_lost,
    loop_seam,
    motion_compensated_difference,
)
from tenku.timeline import Footage, extend, fill

WIDE = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)


def view(right: int) -> np.ndarray:
    return WIDE[16:80, 16 + right : 80 + right]


def test_a_shift_within_reach_is_no_difference_but_at_the_edge() -> None:
    assert motion_compensated_difference(view(0), view(0)) == 0
    near, far = (motion_compensated_difference(view(0), view(shift)) for shift in (5, 12))
    assert near < 0.2 * far
    assert far > 20


def test_brightness_is_a_difference_that_no_motion_explains() -> None:
    grey = np.full((32, 32, 3), 100, np.uint8)
    assert motion_compensated_difference(grey, grey + np.uint8(7)) == pytest.approx(7, rel=1e-4)


def test_going_on_as_the_truth_does_gives_one_and_a_cut_gives_more() -> None:
    true = np.stack([view(shift) for shift in (0, 2, 4)])
    assert continuation(true, true, 2) == pytest.approx(1)
    cut = np.stack([*true[:2], WIDE[:64, ::-1][:, :64]])
    assert continuation(cut, true, 2) > 3
    frozen = true[[0, 1, 1]]
    assert continuation(frozen, true, 2) == 0


def test_a_loop_that_closes_steps_at_its_seam_as_everywhere() -> None:
    texture = WIDE[:24, :48]
    closed = np.stack([np.roll(texture, 4 * index, 1) for index in range(12)])
    assert loop_seam(closed) == pytest.approx(1)
    ramp = np.stack([np.full((4, 4, 3), 10 * index, np.uint8) for index in range(12)])
    assert loop_seam(ramp) == pytest.approx(11)


@pytest.fixture
def footage() -> Footage:
    latents = torch.randn(1, 2, 9, 4, 4, generator=torch.Generator().manual_seed(0))
    return Footage(latents, None, (), 16.0)


def test_known_frames_of_each_task(footage: Footage) -> None:
    after = extend(footage, "a ball", after=1.0).timeline
    assert list(known_frames(after, 4)) == list(range(33))
    before = extend(footage, "a ball", before=1.0).timeline
    assert list(known_frames(before, 4)) == list(range(16, 49))  # the joint ends in the first of them
    filled = fill(footage, "a ball", start=9 / 16, stop=25 / 16).timeline
    assert list(known_frames(filled, 4)) == [*range(9), *range(25, 33)]


def test_only_a_change_of_what_is_known_counts(footage: Footage) -> None:
    timeline = fill(footage, "a ball", start=9 / 16, stop=25 / 16).timeline
    made = timeline.latents.clone()
    made[:, :, 3:7] += 1
    assert known_latents_changed(timeline, made) == 0
    made[:, :, 8, 0, 0] += 0.25
    assert known_latents_changed(timeline, made) == pytest.approx(0.25)


def test_known_frames_lose_what_sampling_adds_to_the_round_trip() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(20, 230, (5, 8, 8, 3)).astype(np.uint8)
    trip = (true + rng.integers(-3, 4, true.shape)).astype(np.uint8)
    later = np.concatenate([np.zeros_like(true[:4]), trip])  # the same, 4 frames later
    known = np.arange(4, 9)
    assert known_psnr_lost(later, true, trip, known, 4) == 0
    worse = later.copy()
    worse[4:] = true + 2 * (trip - true)  # twice the error: 20 log10 2
    assert known_psnr_lost(worse, true, trip, known, 4) == pytest.approx(6.02, abs=0.01)
