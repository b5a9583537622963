"""How a step of the planner is laid out: windows of long plans, and rows of which nothing is seen."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tenku.data.clips import MAX_OBJECTS
from tenku.data.tracks import LOOK_SIZES, Sketches
from tenku.denoiser import POSE_SIZE, SETTING_SIZE, Denoiser, DenoiserConfig, TrackConfig
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.planner import PlannerTask, PlannerTaskConfig
from tenku.training.scene_targets import REGISTERS_PER_SHOT
from tenku.worlds import ObjectDescription, SceneDescription

TRACKS = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, hidden_size=16)
BALL = ObjectDescription(colour="red", shape="sphere", material="metal", size="large")
LENGTHS = {"picture": 1, "short": 2, "sketch": 3, "longer": 4, "long": 7}  # latent frames
UNCOMPILED = 2.0  # no bucket has so many of the steps


def sketches(length: int) -> Sketches:
    """Four clips of a ball that stays where it is."""
    frames = 1 + 4 * (length - 1)
    poses = np.zeros((4, frames, MAX_OBJECTS, POSE_SIZE), np.float16)
    poses[:, :, 0, 2:4], poses[:, :, 0, [5, 9]] = 0.5, 1
    settings = np.zeros((4, frames, SETTING_SIZE), np.float32)
    settings[..., :8] = 0, 1, 0.4, 4.75, 0.5, 0.3, -0.4, 0.8
    return Sketches(poses, settings, (SceneDescription(objects=(BALL,), floor="plain"),) * 4)


def planner_task(*buckets: str, **config: object) -> PlannerTask:
    torch.manual_seed(0)
    text_encoder = TextEncoder(
        TextEncoderConfig(vocabulary=("a", "ball", "red"), hidden_size=16, depth=1, num_heads=2)
    )
    planner = Denoiser(
        DenoiserConfig(
            latent_channels=TRACKS.channels,
            text_size=16,
            hidden_size=16,
            depth=1,
            num_heads=2,
            patch_size=(1, 1, 1),
            named_rows=REGISTERS_PER_SHOT,
        )
    )
    settings = {"batch_size": 2, "compile_from": UNCOMPILED, **config}
    task_config = PlannerTaskConfig(bucket_shares=dict.fromkeys(buckets, 1.0), **settings)  # type: ignore[arg-type]
    training = {name: sketches(LENGTHS[name]) for name in buckets}
    return PlannerTask(planner, text_encoder, TRACKS, training, sketches(3), task_config)


def numbered(length: int) -> Tensor:
    """Latents (b c t o 1) that say which frame they are of."""
    return torch.arange(length).float().view(1, 1, -1, 1, 1).expand(2, 5, length, 3, 1)


def windows(task: PlannerTask, name: str, number: int = 300) -> list[tuple[list[int], str]]:
    """Which frames of a bucket's clips are learned in some steps, and as which bucket."""
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(number):
        latents, called = task._window(numbered(LENGTHS[name]), name, generator)
        assert torch.equal(latents, latents[:1, :1, :, :1].expand_as(latents))
        assert latents.shape[::3] == (2, 3)
        found.append((latents[0, 0, :, 0, 0].int().tolist(), called))
    return found


@pytest.mark.parametrize("name", ["longer", "long"])
def test_long_plans_are_seen_through_a_window_half_of_the_time(name: str) -> None:
    found = windows(planner_task(*LENGTHS), name)
    whole = [frames for frames, called in found if called == name]
    assert all(frames == list(range(LENGTHS[name])) for frames in whole)
    assert len(whole) == pytest.approx(150, abs=40)
    parts = [frames for frames, called in found if called == "sketch"]
    assert len(parts) == 300 - len(whole)
    assert all(frames == list(range(frames[0], frames[0] + 3)) for frames in parts)
    # Anywhere but at the first latent frame, which stands for one frame alone.
    assert {frames[0] for frames in parts} == set(range(1, LENGTHS[name] - 2))


@pytest.mark.parametrize("name", ["picture", "short", "sketch"])
def test_plans_that_are_not_longer_are_seen_whole(name: str) -> None:
    found = windows(planner_task(*LENGTHS), name, 40)
    assert found == [(list(range(LENGTHS[name])), name)] * 40


@pytest.mark.parametrize("window", ["sketch", "nothing"])
def test_without_the_bucket_of_the_window_there_is_none(window: str) -> None:
    found = windows(planner_task("long", "short", window=window), "long", 40)
    assert found == [(list(range(7)), "long")] * 40


def test_another_bucket_may_be_the_window() -> None:
    found = windows(planner_task("long", "short", window="short"), "long")
    parts = [frames for frames, called in found if called == "short"]
    assert {tuple(frames) for frames in parts} == {(start, start + 1) for start in range(1, 6)}


def test_a_step_through_a_window_costs_what_the_window_does() -> None:
    """A network compiled for one length is asked for that length alone."""
    task, prices = planner_task("sketch", "long"), {}
    for name in ("sketch", "long"):
        task.training.shares = torch.tensor([float(name == other) for other in ("sketch", "long")])
        results = [task.loss(0, torch.Generator().manual_seed(seed)) for seed in range(12)]
        assert all(result.loss.isfinite() for result in results)
        prices[name] = {result.flops for result in results}
    assert len(prices["sketch"]) == 1
    assert len(prices["long"]) == 2
    assert prices["sketch"] < prices["long"]


# Noise levels


def levels(task: PlannerTask, batch: int = 200) -> tuple[Tensor, Tensor]:
    """Those of rows (b t o), and those of the frames (b t) they come from."""
    latents = torch.zeros(batch, 5, 6, 4, 1)
    sigma = task._levels(latents, torch.Generator().manual_seed(3))
    assert sigma.shape == (batch, 6, 4, 1)
    frames = task.config.noise_levels.sample(batch, 6, torch.Generator().manual_seed(3))
    assert (frames.amax(1) - frames.amin(1) > 0.2).sum() > 50
    return sigma[..., 0], frames


def test_rows_are_as_noisy_as_their_frames() -> None:
    sigma, frames = levels(planner_task("sketch", unseen_share=0.0))
    assert torch.equal(sigma, frames[..., None].expand_as(sigma))


def test_what_is_not_seen_is_as_noisy_as_what_is_planned() -> None:
    sigma, frames = levels(planner_task("sketch", unseen_share=1.0))
    assert torch.equal(sigma, frames.amax(1)[:, None, None].expand_as(sigma))


def test_some_rows_are_not_seen_in_any_frame() -> None:
    sigma, frames = levels(planner_task("sketch", unseen_share=0.3))
    noisiest = frames.amax(1)[:, None].expand_as(frames)
    unseen = (sigma == noisiest[..., None]).all(1)  # b o
    seen = (sigma == frames[..., None]).all(1)
    assert (seen | unseen).all()
    known = frames.amin(1) < frames.amax(1)  # of other clips nobody can say
    assert not (seen & unseen)[known].any()
    assert unseen[known].float().mean().item() == pytest.approx(0.3, abs=0.06)
    assert unseen[known].float().mean(0).tolist() == pytest.approx([0.3] * 4, abs=0.12)  # whichever row
    assert set(unseen[known].sum(1).tolist()) >= {0, 1, 2}  # each row for itself
