"""The stage of the reader, on latents made up: each of two balls is bright in its own way, all else is 0."""

from itertools import permutations
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
    TrackConfig,
    TrackReader,
    TrackReaderConfig,
    positions_in_boxes,
)
from tenku.media import read_picture
from tenku.training.reader import ReaderTask, ReaderTaskConfig
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
from tenku.worlds import ObjectDescription, SceneDescription

TRACKS = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, max_objects=2, hidden_size=16)
BALL = ObjectDescription(colour="red", shape="sphere", material="metal", size="large")
CONE = ObjectDescription(colour="blue", shape="cone", material="rubber", size="small")
BRIGHT = {BALL: torch.tensor([1.0, -2.0, 0.5, 1.5]), CONE: torch.tensor([-1.5, 1.0, 2.0, 0.0])}
SHAPES = {"picture": (1, 4, 8), "clip": (3, 4, 6)}
CAMERA = (0.0, 1.0, 0.5, 4.75, 0.5, 0.25, -0.5, 0.75)
LOOKS = TRACKS.look_channels
FIGURES = {"count", "colour", "shape", "material", "size", "box_error", "axis_error"}


def latents_of(packed: Tensor, descriptions: list[SceneDescription], h: int, w: int) -> Tensor:
    latents = torch.zeros(len(packed), 4, packed.shape[2], h, w)
    for clip, description in enumerate(descriptions):
        for row, thing in enumerate(description.objects):
            alone = packed[clip : clip + 1].clone()
            alone[:, :, :, [1 - row]] = 0
            latents[clip] += (positions_in_boxes(alone, TRACKS, h, w) * BRIGHT[thing].view(4, 1, 1, 1))[0]
    return latents


def bucket_of(name: str, seed: int, cut: tuple[int, ...] = ()) -> LatentBucket:
    """Eight pictures or clips of a ball, a cone or both, of which those that are cut are full of noise."""
    rng = np.random.default_rng(seed)
    t, h, w = SHAPES[name]
    num_frames = 1 + 4 * (t - 1)
    poses = np.zeros((8, num_frames, MAX_OBJECTS, POSE_SIZE), np.float16)
    scenes = [(BALL, CONE), (CONE, BALL), (BALL,), (CONE,)] * 2
    for clip, things in enumerate(scenes):
        for row in range(len(things)):
            poses[clip, :, row, 0] = rng.uniform(-0.8, 0.8) + np.linspace(0, 0.2, num_frames)
            poses[clip, :, row, 1] = rng.uniform(-0.5, 0.5)
            poses[clip, :, row, 2:4] = 0.5
            poses[clip, :, row, [5, 9]] = 1
    settings = np.zeros((8, num_frames, SETTING_SIZE), np.float32)
    settings[..., :CAMERA_SIZE] = CAMERA
    settings[..., CAMERA_SIZE + 1] = 1
    room = SceneDescription(objects=(BALL,), floor="plain")
    descriptions = tuple(
        SceneDescription(objects=things, floor="plain", next_shot=room if clip in cut else None)
        for clip, things in enumerate(scenes)
    )
    sketches = Sketches(poses, settings, descriptions)
    tracks, told = sketches.take(range(8), [False] * 8)
    latents = latents_of(tracks.packed(TRACKS), told, h, w)
    latents[list(cut)] = 1000.0
    bucket = Bucket(
        name=name,
        num_frames=num_frames,
        height=8 * h,
        width=8 * w,
        num_clips=8,
        first_seed=0,
        clips_per_chunk=8,
    )
    return LatentBucket(bucket, (latents.numpy().astype(np.float16),), sketches)


def reader_task(
    *training: LatentBucket, held_out: tuple[LatentBucket, ...] = (), max_objects: int = 2, **config: object
) -> ReaderTask:
    torch.manual_seed(0)
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            latent_channels=4, decoder_width=8, decoder_depth=1, frame_width=8, frame_depth=1
        )
    )
    tracks = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, max_objects=max_objects)
    reader = TrackReader(
        TrackReaderConfig(
            tracks=tracks, latent_channels=4, hidden_size=32, num_heads=2, frame_depth=1, slot_depth=1
        )
    )
    settings = {"positions_per_step": 288, "num_samples": 2, "held_out_batch": 16, **config}
    task_config = ReaderTaskConfig(bucket_shares={"picture": 0.5, "clip": 0.5}, **settings)  # type: ignore[arg-type]
    return ReaderTask(reader, vae, training, held_out, task_config)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_reader_learns_a_handful_by_heart(tmp_path: Path) -> None:
    pictures, clips = (bucket_of(name, seed=1) for name in ("picture", "clip"))
    task = reader_task(pictures, clips, held_out=(pictures, clips), noise=0.0)
    config = TrainerConfig(num_steps=200, warmup_steps=1, muon_lr=2e-2, adamw_lr=1e-2, ema_decay=0.5)
    trainer = Trainer(task, config, tmp_path)

    def look() -> tuple[float, dict[str, float]]:
        losses = [task.loss(0, generator(seed)).loss.item() for seed in range(4)]
        return float(np.mean(losses)), task.evaluate()

    loss, figures = trainer.with_averages(look)
    for _ in range(80):
        trainer.train_step()
    lower_loss, lower = trainer.with_averages(look)
    # Who knows what there is on the whole, and does not look, comes down to 0.2 of the loss, and has the
    # right number of objects in half of the clips.
    assert lower_loss < 0.14 * loss, (loss, lower_loss)
    for name in SHAPES:
        assert lower[f"{name}_count"] > 0.8, lower
        assert lower[f"{name}_box_error"] < 0.3 * figures[f"{name}_box_error"], (figures, lower)
        for attribute in ("colour", "shape", "material", "size"):
            assert lower[f"{name}_{attribute}"] > 0.9 > figures[f"{name}_{attribute}"], (figures, lower)
    assert trainer.with_averages(task.evaluate) == lower


def test_the_figures_are_named_by_bucket() -> None:
    task = reader_task(
        bucket_of("clip", 1), held_out=(bucket_of("picture", 2, cut=(0, 1)), bucket_of("clip", 2))
    )
    with torch.no_grad():
        figures = task.evaluate()
    assert set(figures) == {f"{name}_{figure}" for name in SHAPES for figure in FIGURES}
    assert all(np.isfinite(value) for value in figures.values())
    assert all(0 <= figures[f"{n}_{f}"] <= 1 for n in SHAPES for f in ("count", "colour", "size"))
    with torch.no_grad():
        assert task.evaluate() == figures
        assert reader_task(bucket_of("clip", 1)).evaluate() == {}


def test_a_new_reader_finds_nothing() -> None:
    """Who finds nothing is right of no clip with an object, and off by its width and height."""
    task = reader_task(bucket_of("clip", 1), held_out=(bucket_of("clip", 2),))
    with torch.no_grad():
        figures = task.evaluate()
        task.module.object_out.bias[0] = 5
        found = task.evaluate()
    assert figures["clip_count"] == 0
    assert figures["clip_box_error"] == 0.5
    assert 0.2 < found["clip_count"] < 0.8  # half of the clips have two objects


# What counts as said


def sitting(*, x: float = 0.25, y: float = -0.5, objects: int = 1) -> Tensor:
    """Packed tracks (1 c 3 2) of balls that stay where they are, with numbers that bfloat16 has."""
    bucket = bucket_of("clip", 1)
    poses = np.zeros((1, 9, MAX_OBJECTS, POSE_SIZE), np.float16)
    poses[:, :, :objects, :5] = x, y, 0.5, 0.25, 0.125
    poses[:, :, :objects, [5, 9]] = 1
    scene = SceneDescription(objects=(BALL,) * objects, floor="plain")
    tracks, _ = Sketches(poses, bucket.sketches.settings[:1], (scene,)).take([0], [False])
    return tracks.packed(TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, max_objects=1))


def says(task: ReaderTask, packed: Tensor) -> None:
    """Have a new reader of one object say these tracks, whatever it sees."""
    said, around = packed[0, :, 0, 0], packed[0, :, 0, 1]
    looks, poses = slice(1, 1 + LOOKS), slice(1 + LOOKS, 1 + LOOKS + 4 * POSE_SIZE)
    with torch.no_grad():
        task.module.object_out.bias[:] = torch.cat([torch.tensor([32.0]), 64 * said[looks] - 32, said[poses]])
        task.module.setting_out.bias[:] = around[1 : 1 + task.module.setting_out.out_features]
        task.module.setting_out.bias[:3] = 64 * around[1:4] - 32


def test_who_says_the_truth_has_nothing_to_learn() -> None:
    task, packed = reader_task(bucket_of("clip", 1), max_objects=1), sitting()
    says(task, packed)
    loss, parts = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)
    assert loss.item() < 1e-6
    assert set(parts) == {"presence", "naming", "placing", "setting"}


@pytest.mark.parametrize(
    ("channel", "part", "amount"),
    [
        (0, "presence", 32.0),
        (1, "naming", 64.0),
        (1 + LOOKS, "placing", 4 * 0.25 / 4),  # boxes count four times, and this is one frame of four
        (1 + LOOKS + 4, "placing", 0.25 / 4),
        (1 + LOOKS + POSE_SIZE + 7, "placing", 0.25 / 4),
    ],
)
def test_each_mistake_is_counted_as_what_it_is(channel: int, part: str, amount: float) -> None:
    task, packed = reader_task(bucket_of("clip", 1), max_objects=1), sitting()
    says(task, packed)
    with torch.no_grad():
        if part == "presence":
            task.module.object_out.bias[0] = -32
        elif part == "naming":  # another colour for sure
            colours = task.module.object_out.bias[1 : 1 + LOOK_SIZES[0]]
            colours[:] = colours.roll(1)
        else:
            task.module.object_out.bias[channel] += 0.25
    loss, parts = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)
    assert parts.pop(part) == pytest.approx(amount, rel=1e-2)
    assert all(value < 1e-6 for value in parts.values())
    assert loss.item() == pytest.approx(amount, rel=1e-2)


def test_a_setting_told_wrong_is_counted_too() -> None:
    task, packed = reader_task(bucket_of("clip", 1), max_objects=1), sitting()
    says(task, packed)
    quiet = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)[0].item()
    for number in (3, 12, 13, 13 + 2, 13 + 31):
        with torch.no_grad():
            task.module.setting_out.bias[number] += 0.25
        loss, parts = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)
        assert loss.item() > quiet + 1e-3
        assert max(parts["presence"], parts["naming"], parts["placing"]) < 1e-6
        quiet = loss.item()


@pytest.mark.parametrize(
    ("x", "y", "asked"),
    [
        (0.0, 0.0, True),
        (-1.5, 0.0, True),  # in a picture half as wide again as high, at its edge
        (1.625, 0.0, True),
        (1.875, 0.0, False),
        (-1.875, 0.0, False),
        (0.0, 1.0, True),
        (0.0, 1.25, False),
        (0.0, -1.25, False),
        (4.0, 4.0, False),
    ],
)
def test_what_is_out_of_the_picture_is_not_asked_for(x: float, y: float, asked: bool) -> None:
    task, packed = reader_task(bucket_of("clip", 1), max_objects=1), sitting(x=x, y=y)
    wrong = sitting(x=0.5 * x + 0.125, y=y)
    wrong[:, 1 : 1 + LOOKS] = wrong[:, 1 : 1 + LOOKS].roll(1, 1)
    says(task, wrong)
    _, parts = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)
    assert (parts["naming"] > 1, parts["placing"] > 0.1) == (asked, asked)
    assert (parts["presence"] > 1) != asked
    with torch.no_grad():
        task.module.object_out.bias[0] = -32
    _, parts = task._loss(torch.zeros(1, 4, 3, 4, 6), packed)
    assert (parts["presence"] > 1) == asked


def test_what_leaves_the_picture_is_asked_for_where_it_was() -> None:
    """Where it is then counts a tenth."""
    task, packed = reader_task(bucket_of("clip", 1), max_objects=1), sitting(x=0.25)
    places = 1 + LOOKS + POSE_SIZE * torch.arange(4)
    packed[:, places, 1:, 0] = 4.0
    says(task, packed)
    errors = []
    for x in (0.25 + 1, 0.25 + 2):
        with torch.no_grad():
            task.module.object_out.bias[places] = x
        errors.append(task._loss(torch.zeros(1, 4, 3, 4, 6), packed)[1]["placing"])
    weights = torch.tensor([1.0, 0.1, 0.1])
    for found, x in zip(errors, (1.25, 2.25), strict=True):
        off = 4 * torch.tensor([x - 0.25, 4 - x, 4 - x])
        assert found == pytest.approx(((off * weights).sum() / weights.sum()).item(), rel=1e-2)


# Who is who


def two_balls() -> tuple[Tensor, Tensor]:
    """Packed tracks of clips with two objects, and latents of their size."""
    tracks, _ = bucket_of("clip", 3).sketches.take([0, 1], [False] * 2)
    return tracks.packed(TRACKS), torch.zeros(2, 4, 3, 4, 6)


def said_of(packed: Tensor, order: tuple[int, ...], blur: float) -> Tensor:
    """What a reader says whose slots have the objects of packed tracks in another order, about right."""
    said = packed[..., list(order)].permute(0, 2, 3, 1)[..., : 1 + LOOKS + 4 * POSE_SIZE].clone()
    said[..., : 1 + LOOKS] = 8 * said[..., : 1 + LOOKS] - 4
    return said + blur * torch.randn(said.shape, generator=generator(1))


REACH = torch.tensor([1.5, 1.0])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("rows", [(0, 1), (1, 0)])
def test_every_object_gets_the_slot_that_fits_it(order: tuple[int, ...], rows: tuple[int, ...]) -> None:
    task, (packed, _) = reader_task(bucket_of("clip", 1)), two_balls()
    said = said_of(packed, order, blur=0.1)
    matched = task._match(said, packed[..., [*rows, 2]], REACH)
    right = packed[..., list(order)].permute(0, 2, 3, 1)
    assert torch.equal(matched.true.looks, right[..., 1 : 1 + LOOKS])
    assert torch.equal(matched.true.poses.flatten(3), right[..., 1 + LOOKS :][..., : 4 * POSE_SIZE])
    assert torch.equal(matched.true.present, right[..., 0])
    assert (matched.there == 1).all()


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("row", [0, 1])
def test_one_object_gets_the_slot_that_fits_it(slot: int, row: int) -> None:
    """The other slot is asked for nothing, and what it says there does not matter."""
    task, (packed, _) = reader_task(bucket_of("clip", 1)), two_balls()
    said = said_of(packed, (0, 1) if slot == 0 else (1, 0), blur=0.1)  # the first object is in this slot
    said[:, :, 1 - slot] = torch.randn(said[:, :, 0].shape, generator=generator(2))
    alone = packed.clone()
    alone[..., 1] = 0
    alone = alone if row == 0 else alone[..., [1, 0, 2]]
    matched = task._match(said, alone, REACH)
    assert matched.there[:, slot].tolist() == [1, 1]
    assert matched.there[:, 1 - slot].tolist() == [0, 0]
    assert torch.equal(matched.true.looks[:, :, slot], packed[:, 1 : 1 + LOOKS, :, 0].mT)
    assert matched.true.present[:, :, slot].all()
    assert not matched.true.present[:, :, 1 - slot].any()
    assert matched.seen[:, :, slot].any()
    assert not matched.seen[:, :, 1 - slot].any()


def test_alike_objects_are_told_apart_by_their_places() -> None:
    task, (packed, _) = reader_task(bucket_of("clip", 1)), two_balls()
    packed[:, 1 : 1 + LOOKS, :, 1] = packed[:, 1 : 1 + LOOKS, :, 0]
    for order in permutations(range(2)):
        matched = task._match(said_of(packed, order, blur=0.02), packed, REACH)
        right = packed[..., list(order)].permute(0, 2, 3, 1)[..., 1 + LOOKS :][..., : 4 * POSE_SIZE]
        assert torch.equal(matched.true.poses.flatten(3), right)


def test_objects_in_one_place_are_told_apart_by_their_looks() -> None:
    task, (packed, _) = reader_task(bucket_of("clip", 1)), two_balls()
    packed[:, 1 + LOOKS :, :, 1] = packed[:, 1 + LOOKS :, :, 0]
    for order in permutations(range(2)):
        matched = task._match(said_of(packed, order, blur=0.02), packed, REACH)
        assert torch.equal(
            matched.true.looks, packed[..., list(order)].permute(0, 2, 3, 1)[..., 1 : 1 + LOOKS]
        )


def test_what_is_out_of_the_picture_takes_no_slot_from_what_is_in_it() -> None:
    """The second slot has the ball's place, and can hardly tell whether it is the cone; the first is sure
    that it is no cone."""
    task, (packed, _) = reader_task(bucket_of("clip", 1)), two_balls()
    packed[1] = packed[0]
    packed[:, 1 + LOOKS : 1 + LOOKS + 4 * POSE_SIZE : POSE_SIZE, :, 1] = 9
    said = said_of(packed, (0, 0), blur=0.0)
    said[:, :, 0, 1 + LOOKS : 1 + LOOKS + 4 * POSE_SIZE : POSE_SIZE] += 0.5
    both = packed[:, 1 : 1 + LOOKS, :, 0] + 0.9 * packed[:, 1 : 1 + LOOKS, :, 1]
    said[:, :, 1, 1 : 1 + LOOKS] = 8 * both.mT - 4
    matched = task._match(said, packed, REACH)
    assert matched.there.tolist() == [[0, 1]] * 2
    assert torch.equal(matched.true.looks[:, :, 1], packed[:, 1 : 1 + LOOKS, :, 0].mT)


def test_the_order_of_objects_does_not_matter() -> None:
    task, (packed, latents) = reader_task(bucket_of("clip", 1)), two_balls()
    with torch.no_grad():
        for parameter in task.module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator(3)))
    latents = torch.randn(latents.shape, generator=generator(4))
    one, _ = task._loss(latents, packed)
    other, _ = task._loss(latents, packed[..., [1, 0, 2]])
    assert one.item() == pytest.approx(other.item(), rel=1e-5)


# Steps


@pytest.mark.parametrize(
    ("name", "lengths", "num_clips", "length"),
    [("picture", (2, 4), 9, 1), ("clip", (2,), 6, 2), ("clip", (3, 9), 4, 3), ("clip", (9,), 4, 3)],
)
def test_a_step_is_of_one_bucket_and_so_many_positions(
    name: str, lengths: tuple[int, ...], num_clips: int, length: int
) -> None:
    task = reader_task(bucket_of(name, 1), lengths=lengths)
    result = task.loss(0, generator())
    assert result.num_clips == num_clips
    assert result.flops == num_clips * task.module.training_flops((length, *SHAPES[name][1:]))
    assert task.loss(0, generator()).loss.item() == result.loss.item()
    assert reader_task(bucket_of(name, 1), positions_per_step=1).loss(0, generator()).num_clips == 1


class Watched:
    """The latents that a reader is shown."""

    def __init__(self, task: ReaderTask) -> None:
        task.module.register_forward_pre_hook(self._watch)

    def _watch(self, _: object, given: tuple[Tensor]) -> None:
        (self.latents,) = given


def test_latents_are_off_in_training_and_exact_when_it_is_looked_at() -> None:
    shown = {}
    for noise in (0.0, 0.2):
        task = reader_task(bucket_of("clip", 1), held_out=(bucket_of("clip", 2),), noise=noise)
        watched = Watched(task)
        task.loss(0, generator())
        shown["training", noise] = watched.latents
        with torch.no_grad():
            task.evaluate()
        shown["evaluating", noise] = watched.latents
    assert torch.equal(shown["evaluating", 0.0], shown["evaluating", 0.2])
    off = (shown["training", 0.2] - shown["training", 0.0]).flatten(1).std(1)
    assert (off < 0.25).all()
    assert 0.02 < off.mean() < 0.2
    assert off.max() > 2 * off.min()  # some clips more than others


def test_windows_of_clips_lie_anywhere() -> None:
    """And their tracks with them: here something is there in the last latent frame alone."""
    whole = bucket_of("clip", 1)
    numbers = np.arange(3, dtype=np.float16).reshape(1, 1, 3, 1, 1) + np.zeros((8, 4, 3, 4, 6), np.float16)
    whole.sketches.poses[:, :5] = 0
    task = reader_task(LatentBucket(whole.bucket, (numbers,), whole.sketches), lengths=(1,), noise=0.0)
    with torch.no_grad():
        task.module.object_out.bias[0] = -32
    watched, starts = Watched(task), set()
    for seed in range(12):
        presence = task.loss(0, generator(seed)).figures["presence"]
        (start,) = watched.latents.unique().tolist()
        assert (presence > 10) == (start == 2)
        starts.add(start)
    assert starts == {0, 1, 2}


def test_clips_with_cuts_are_left_out() -> None:
    cut = (0, 3, 4, 7)
    task = reader_task(bucket_of("clip", 1, cut), held_out=(bucket_of("clip", 2, cut),), noise=0.0)
    watched = Watched(task)
    for seed in range(8):
        task.loss(0, generator(seed))
        assert watched.latents.max() < 100
    with torch.no_grad():
        task.evaluate()
    assert watched.latents.max() < 100


def test_matrices_of_blocks_go_to_muon() -> None:
    task = reader_task(bucket_of("clip", 1))
    chosen = {name for name, p in task.module.named_parameters() if task.uses_muon(name, p)}
    assert {"frame_blocks.0.shift.weight", "slot_blocks.0.look.query.weight"} < chosen
    assert all(name.startswith(("frame_blocks", "slot_blocks")) for name in chosen)
    assert all(task.module.get_parameter(name).ndim >= 2 for name in chosen)


def test_samples_are_tracks_beside_what_is_read(tmp_path: Path) -> None:
    task = reader_task(bucket_of("clip", 1), held_out=(bucket_of("clip", 1),))
    with torch.no_grad():
        task.save_samples(tmp_path / "sheet.png")
        task.module.object_out.bias[0] = 8
        task.module.object_out.bias[1 + LOOKS + 2 :: POSE_SIZE] = 0.75
        task.module.object_out.bias[1 + LOOKS + 3 :: POSE_SIZE] = 0.75
        task.save_samples(tmp_path / "found.png")
    sheet, found = (read_picture(tmp_path / name) for name in ("sheet.png", "found.png"))
    assert sheet.shape == found.shape
    assert (sheet != found).any()
    reader_task(bucket_of("clip", 1)).save_samples(tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()


def test_the_autoencoder_is_left_alone() -> None:
    task = reader_task(bucket_of("clip", 1))
    task.loss(0, generator()).loss.backward()
    assert not any(parameter.requires_grad for parameter in task.vae.parameters())
    assert task.module.object_out.weight.grad is not None


def test_a_reader_without_clips_has_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="simulate and encode them first"):
        reader_task()
    task = reader_task(bucket_of("clip", 1))
    without = ReaderTaskConfig(bucket_shares={"clip": 0.0})
    with pytest.raises(ValueError, match="simulate and encode them first"):
        ReaderTask(task.module, task.vae, list(task.training.buckets.values()), [], without)
