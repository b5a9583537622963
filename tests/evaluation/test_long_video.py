from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.denoiser import TrackConfig
from tenku.evaluation import Judge, load_judge
from tenku.evaluation.long_video import (
    SAME_PSNR,
    background_of,
    drift,
    kinship,
    memory_ratio,
    re_extended,
    still_request,
    streamed,
    through_mp4,
    through_tenku,
)
from tenku.evaluation.prompts import sharpness
from tenku.media import read_video
from tenku.pipeline import VideoPipeline
from tenku.timeline import Footage, GenerationRequest, Tracks
from tenku.worlds import SimulatedClip

WHOLE = np.ones((32, 32), bool)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture
def still() -> np.ndarray:
    """Four seconds of four frames of one picture."""
    picture = np.random.default_rng(0).integers(60, 200, (32, 32, 3)).astype(np.uint8)
    return np.repeat(picture[None], 16, 0)


def test_a_still_video_does_not_drift(still: np.ndarray, judge: Judge) -> None:
    found = drift(still, WHOLE, judge, 4)
    assert (found.delta_e, found.mean_colour_delta_e) == (0, 0)
    assert found.sharpness == pytest.approx(1)
    assert found.counts == (True, True, True)


def test_a_tint_that_comes_and_goes_is_found_and_only_in_the_background(
    still: np.ndarray, judge: Judge
) -> None:
    tinted = still.copy()
    tinted[8:12, :, :16] += np.array([30, 0, 0], np.uint8)  # in the third second, on the left
    assert drift(tinted, WHOLE, judge, 4).delta_e > 2
    right = WHOLE.copy()
    right[:, :16] = False
    assert drift(tinted, right, judge, 4).delta_e == 0


def test_texture_that_moves_changes_pixels_but_hardly_the_mean_colour(
    still: np.ndarray, judge: Judge
) -> None:
    moved = still.copy()
    moved[12:] = np.roll(moved[12:], 1, 2)
    found = drift(moved, WHOLE, judge, 4)
    assert found.delta_e > 5
    assert found.mean_colour_delta_e < 0.1


def test_blur_at_the_end_is_lost_sharpness(still: np.ndarray, judge: Judge) -> None:
    blurred = still.copy()
    blurred[8:] = (blurred[8:].astype(int) + np.roll(blurred[8:], 1, 1)) // 2
    expected = sharpness(blurred[8:]) / sharpness(still)
    assert expected < 0.8
    assert drift(blurred, WHOLE, judge, 4).sharpness == pytest.approx(expected)


def test_a_thing_that_vanishes_is_counted(clips: list[SimulatedClip], judge: Judge) -> None:
    second = clips[0].frames[17:33]
    empty = np.full_like(second, 128)
    found = drift(np.concatenate([second, second, empty]), np.ones((128, 128), bool), judge, 16)
    assert found.counts == (True, False)


def test_the_background_is_what_no_box_comes_near() -> None:
    config = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2, hidden_size=16)
    poses = torch.zeros(1, 9, 2, 11)
    poses[:, :, 0, :4] = torch.tensor([-0.5, 0.5, 0.25, 0.25])  # lower left
    poses[:, -1, 0, 0] = 0.5  # lower right at last
    tracks = Tracks(poses, torch.zeros(1, 2, 5), torch.tensor([[1.0, 0.0]]), torch.zeros(1, 9, 21))
    footage = Footage(torch.zeros(1, 4, 3, 16, 16), tracks.packed(config), (), 16.0, track_config=config)
    background = background_of(footage)
    assert background.shape == (128, 128)
    assert not background[96, 32]
    assert not background[96, 96]
    assert background[:64].all()
    assert background_of(replace(footage, tracks=None)).all()


def test_a_second_is_most_akin_to_itself(still: np.ndarray) -> None:
    same = kinship(still, still, WHOLE)
    assert (same.delta_e, same.psnr) == (0, SAME_PSNR)
    other = kinship(still, still + np.uint8(10), WHOLE)
    assert other.delta_e > 1
    assert other.psnr == pytest.approx(20 * np.log10(25.5))


def test_requests_for_long_videos_differ_by_seed_and_name_two_things_at_rest() -> None:
    first, again, other = (still_request(seed, 32) for seed in (1, 1, 2))
    assert first == again
    assert first.prompt != other.prompt
    assert "rest" in first.prompt
    assert "still" in first.prompt


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> VideoPipeline:
    return VideoPipeline.from_pretrained(tiny_model)


def test_a_stream_is_the_video_that_it_writes(pipeline: VideoPipeline, tmp_path: Path) -> None:
    request = GenerationRequest(prompt="a red ball", num_frames=20, height=32, width=32)
    frames, footage, seconds = streamed(pipeline, request, tmp_path / "a.mp4")
    assert frames.shape == (20, 32, 32, 3)
    assert footage.num_latent_frames == 6
    assert seconds > 0
    assert read_video(tmp_path / "a.mp4").num_frames == 20


def test_going_on_through_a_kept_file_loses_nothing_and_through_a_video_something(
    pipeline: VideoPipeline, tmp_path: Path
) -> None:
    request = GenerationRequest(prompt="a red ball", num_frames=17, height=32, width=32)
    made = pipeline(request)
    kept, written = (
        re_extended(pipeline, made, request, through, tmp_path, 2) for through in (through_tenku, through_mp4)
    )
    assert (kept.delta_e, kept.psnr) == (0, SAME_PSNR)
    assert written.psnr < 60


@pytest.mark.slow
def test_memory_of_a_stream_hardly_grows_with_its_length(tiny_model: Path, tmp_path: Path) -> None:
    request = GenerationRequest(prompt="a red ball", num_frames=1)
    assert 0.8 < memory_ratio(str(tiny_model), request, tmp_path, 4, 1) < 1.5
