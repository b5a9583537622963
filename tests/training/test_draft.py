"""The stage of the drafter, on latents made up: what lies in the box of a ball is bright, all else is 0."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tenku.data.clips import MAX_OBJECTS, Bucket
from tenku.data.latents import LatentBucket
from tenku.data.tracks import LOOK_SIZES, Sketches
from tenku.denoiser import (
    CAMERA_SIZE,
    POSE_SIZE,
    SETTING_SIZE,
    Draft,
    Drafter,
    TrackConfig,
    positions_in_boxes,
)
from tenku.media import read_picture
from tenku.training.draft import DraftTask, DraftTaskConfig, with_errors
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
from tenku.worlds import ObjectDescription, SceneDescription

TRACKS = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, max_objects=2, hidden_size=16, depth=1)
BRIGHT = torch.tensor([1.0, -2.0, 0.5, 1.5])  # by channel
BALL = ObjectDescription(colour="red", shape="sphere", material="metal", size="large")
UNCOMPILED = 2.0  # no bucket has so many of the steps
POSITIONS = {"picture": 32, "clip": 72}  # of a picture and of a clip


def bucket_of(name: str, seed: int) -> LatentBucket:
    """Eight pictures of 4 × 8 positions, or clips of 3 × 4 × 6."""
    rng = np.random.default_rng(seed)
    num_frames, t, h, w = (1, 1, 4, 8) if name == "picture" else (9, 3, 4, 6)
    poses = np.zeros((8, num_frames, MAX_OBJECTS, POSE_SIZE), np.float16)
    poses[:, :, 0, 0] = rng.uniform(-1, 1, (8, 1)) + np.linspace(0, 0.5, num_frames)
    poses[:, :, 0, 1] = rng.uniform(-0.5, 0.5, (8, 1))
    poses[:, :, 0, 2:4] = 0.5
    poses[:, :, 0, [5, 9]] = 1
    settings = np.zeros((8, num_frames, SETTING_SIZE), np.float32)
    settings[..., :CAMERA_SIZE] = 0, 1, 0.4, 4.75, 0.5, 0.3, -0.4, 0.8
    sketches = Sketches(poses, settings, (SceneDescription(objects=(BALL,), floor="plain"),) * 8)
    tracks, _ = sketches.take(range(8), [False] * 8)
    latents = positions_in_boxes(tracks.packed(TRACKS), TRACKS, h, w) * BRIGHT.view(4, 1, 1, 1)
    bucket = Bucket(
        name=name,
        num_frames=num_frames,
        height=8 * h,
        width=8 * w,
        num_clips=8,
        first_seed=0,
        clips_per_chunk=8,
    )
    assert latents.shape == (8, 4, t, h, w)
    return LatentBucket(bucket, (latents.numpy().astype(np.float16),), sketches)


def draft_task(*training: str, held_out: tuple[str, ...] = (), **config: float) -> DraftTask:
    """One that drafts these buckets; 144 positions a step are 4 pictures or 2 clips."""
    torch.manual_seed(0)
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            latent_channels=4, decoder_width=8, decoder_depth=1, frame_width=8, frame_depth=1
        )
    )
    settings: dict[str, float] = {"positions_per_step": 144, "compile_from": UNCOMPILED}
    task_config = DraftTaskConfig(bucket_shares={"picture": 0.5, "clip": 0.5}, **{**settings, **config})  # type: ignore[arg-type]
    return DraftTask(
        Drafter(TRACKS, (1.0,) * 4, depth=1),
        vae,
        [bucket_of(name, seed=1) for name in training],
        [bucket_of(name, seed=2) for name in held_out],
        task_config,
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_drafter_learns(tmp_path: Path) -> None:
    task = draft_task("picture", "clip", held_out=("picture", "clip"))
    config = TrainerConfig(num_steps=200, warmup_steps=1, muon_lr=2e-2, adamw_lr=3e-2, ema_decay=0.5)
    trainer = Trainer(task, config, tmp_path)

    def look() -> tuple[float, dict[str, float]]:
        losses = [task.loss(0, torch.Generator().manual_seed(seed)).loss.item() for seed in range(4)]
        return float(np.mean(losses)), task.evaluate()

    loss, figures = trainer.with_averages(look)
    for _ in range(25):
        trainer.train_step()
    lower_loss, lower = trainer.with_averages(look)
    assert lower_loss < 0.7 * loss
    assert set(lower) == {"picture_error", "picture_object_error", "clip_error", "clip_object_error"}
    assert all(np.isfinite(value) for value in lower.values())
    # Who knows how bright clips are on the whole, and not where, comes down to 0.77 of the error.
    assert all(lower[name] < 0.7 * figures[name] for name in figures), (figures, lower)
    assert trainer.with_averages(task.evaluate) == lower


def test_samples_are_clips_beside_their_drafts(tmp_path: Path) -> None:
    task = draft_task("clip", held_out=("clip",), num_samples=2)
    with torch.no_grad():
        task.save_samples(tmp_path / "sheet.png")
        task.module.out.bias[:4] = BRIGHT
        task.save_samples(tmp_path / "bright.png")
    sheet, bright = (read_picture(tmp_path / name) for name in ("sheet.png", "bright.png"))
    assert sheet.shape[1] > 4 * 48
    rows = (sheet != bright)[: len(sheet) // 4 * 4].any((1, 2)).reshape(4, -1)
    assert rows.any(1).tolist() == [False, True, False, True]
    none = draft_task("clip")
    none.save_samples(tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()


def test_errors_are_measured_everywhere_and_in_boxes() -> None:
    """A new drafter expects 0: it errs by what is bright, and only in boxes."""
    task = draft_task("clip", held_out=("clip",))
    with torch.no_grad():
        figures = task.evaluate()
    size = BRIGHT.square().mean().sqrt().item()
    assert figures["clip_object_error"] == pytest.approx(size, rel=1e-3)
    assert 0.2 * size < figures["clip_error"] < 0.8 * size


@pytest.mark.parametrize(("name", "num_clips"), [("picture", 4), ("clip", 2)])
def test_a_step_is_of_one_bucket_and_so_many_positions(name: str, num_clips: int) -> None:
    task = draft_task(name)
    result = task.loss(0, generator())
    assert result.num_clips == num_clips
    assert result.flops == num_clips * task.module.training_flops(POSITIONS[name])
    assert set(result.figures) == {f"error_{name}"}
    assert result.figures[f"error_{name}"] > 0
    assert draft_task(name, positions_per_step=1).loss(0, generator()).num_clips == 1
    again = draft_task(name).loss(0, generator())
    assert again.loss.item() == result.loss.item()


def test_buckets_are_drawn_by_their_shares() -> None:
    task = draft_task("picture", "clip", positions_per_step=1)
    task.training.shares = torch.tensor([0.2, 0.8])
    with torch.no_grad():
        results = [task.loss(0, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert sum("error_clip" in result.figures for result in results) == pytest.approx(48, abs=9)


def test_what_lies_in_boxes_counts_as_often_as_it_should() -> None:
    """A new drafter's loss is the latents' square, all of it in boxes: their share of the weight counts."""
    one, three, most = (
        draft_task("clip", object_weight=weight).loss(0, generator()).loss.item()
        for weight in (1.0, 3.0, 1e6)
    )
    spread = 0.1 * 1.2533  # what the loss of the spread adds for an error of 1
    inside = BRIGHT.square().mean().item() + spread * BRIGHT.abs().mean().item()
    assert most == pytest.approx(inside, rel=1e-2)
    assert one < three < most
    shares = [loss / inside for loss in (one, three)]
    odds = [share / (1 - share) for share in shares]
    assert odds[1] == pytest.approx(3 * odds[0], rel=0.1)  # the mean over clips is not quite that of all


class Watched:
    """The tracks that a drafter is shown."""

    def __init__(self, task: DraftTask) -> None:
        self._draft, task.draft.eager = task.draft.eager, self._watch

    def _watch(self, packed: Tensor, height: int, width: int) -> Draft:
        self.packed = packed
        return self._draft(packed, height, width)


def test_tracks_are_off_in_training_and_exact_when_it_is_looked_at() -> None:
    shown = {}
    for noise in (0.0, 0.1):
        task = draft_task("clip", held_out=("clip",), track_noise=noise, held_out_batch=2)
        watched = Watched(task)
        task.loss(0, generator())
        shown["training", noise] = watched.packed
        with torch.no_grad():
            task.evaluate()
        shown["evaluating", noise] = watched.packed
    assert torch.equal(shown["evaluating", 0.0], shown["evaluating", 0.1])
    off = shown["training", 0.1] - shown["training", 0.0]
    assert 0.01 < off[off != 0].std().item() < 0.15
    assert not off[:, :1].any()
    assert not off[..., 1:].any()  # no second ball, and the setting


def test_the_autoencoder_is_left_alone() -> None:
    task = draft_task("clip")
    task.loss(0, generator()).loss.backward()
    assert not any(parameter.requires_grad for parameter in task.vae.parameters())
    assert task.module.out.weight.grad is not None
    assert task.module.out.weight.grad.any()


def test_a_drafter_without_clips_has_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="simulate and encode them first"):
        draft_task()
    task = draft_task("clip")
    without = DraftTaskConfig(bucket_shares={"clip": 0.0})
    with pytest.raises(ValueError, match="simulate and encode them first"):
        DraftTask(task.module, task.vae, list(task.training.buckets.values()), [], without)


def two_balls(clips: int) -> Tensor:
    """Packed tracks of two objects, the second of which is there in the last latent frame alone."""
    packed = torch.randn(clips, TRACKS.channels, 3, 3, generator=torch.Generator().manual_seed(1))
    packed[:, 0] = 1
    packed[:, :, :2, 1] = 0
    return packed


def test_only_the_poses_of_what_is_there_are_off() -> None:
    packed = two_balls(3)
    kept = packed.clone()
    off = with_errors(packed, TRACKS, 0.05, generator())
    assert torch.equal(packed, kept)
    poses = slice(1 + TRACKS.look_channels, None)
    assert torch.equal(off[:, : poses.start], packed[:, : poses.start])
    assert torch.equal(off[..., -1], packed[..., -1])  # what surrounds them is as it is
    assert torch.equal(off[:, :, :2, 1], packed[:, :, :2, 1])
    assert (off != packed)[:, poses, :, 0].all()
    assert (off != packed)[:, poses, 2, 1].all()


def test_errors_of_a_clip_are_of_one_size() -> None:
    """From none to the greatest, each as often."""
    packed = two_balls(1000)
    error = (with_errors(packed, TRACKS, 0.05, generator()) - packed)[:, 1 + TRACKS.look_channels :, :, :-1]
    first, second = error[..., 0], error[:, :, 2, 1]
    size = first.flatten(1).std(1)
    shares = torch.tensor([0.1, 0.5, 0.9])
    assert torch.allclose(size.quantile(shares) / 0.05, shares, atol=0.06)
    large = size > 0.02
    others = second.flatten(1).std(1)[large] / size[large]
    assert others.mean().item() == pytest.approx(1, abs=0.05)
    assert 0.5 < others.min() < others.max() < 1.6
    assert abs(first.mean().item()) < 1e-3


def test_no_size_is_no_error() -> None:
    packed = two_balls(4)
    assert torch.equal(with_errors(packed, TRACKS, 0.0, generator()), packed)
    one, again = (with_errors(packed, TRACKS, 0.05, generator()) for _ in range(2))
    assert torch.equal(one, again)
