"""Clips drawn from a bucket of latents that say which clip they are of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tenku.data.clips import MAX_OBJECTS, Bucket
from tenku.data.latents import LatentBucket
from tenku.data.tracks import Sketches, of_one_shot
from tenku.denoiser import POSE_SIZE, SETTING_SIZE
from tenku.worlds import ObjectDescription, SceneDescription

BALL = ObjectDescription(colour="red", shape="sphere", material="metal", size="large")
ROOM = SceneDescription(objects=(BALL,), floor="plain")
BUCKET = Bucket(name="clip", num_frames=5, height=16, width=24, num_clips=9, first_seed=0, clips_per_chunk=3)
CUT = (0, 2, 3, 8)
WHOLE = (1, 4, 5, 6, 7)


def bucket_of(cut: tuple[int, ...] = CUT) -> LatentBucket:
    """Nine clips in three chunks, some with a cut."""
    numbers = np.arange(9)
    poses = np.zeros((9, 5, MAX_OBJECTS, POSE_SIZE), np.float16)
    poses[:, :, 0, 0], poses[:, :, 0, 2:4] = numbers[:, None], 0.5
    settings = np.zeros((9, 5, SETTING_SIZE), np.float32)
    settings[..., 3] = numbers[:, None]
    descriptions = tuple(replace(ROOM, next_shot=ROOM if n in cut else None) for n in range(9))
    latents = np.broadcast_to(numbers.reshape(9, 1, 1, 1, 1), (9, 4, 2, 2, 3)).astype(np.float16)
    chunks = tuple(latents[start : start + 3] for start in (0, 3, 6))
    return LatentBucket(BUCKET, chunks, Sketches(poses, settings, descriptions))


def numbers(latents: Tensor) -> list[int]:
    return [int(value) for value in latents[:, 0, 0, 0, 0]]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("one_shot", [False, True])
def test_what_is_drawn_belongs_together(one_shot: bool) -> None:
    bucket = bucket_of()
    latents, tracks, descriptions = bucket.draw(300, generator(), one_shot=one_shot)
    assert latents.shape == (300, 4, 2, 2, 3)
    assert latents.dtype == torch.float32
    drawn = numbers(latents)
    assert tracks.poses[:, 0, 0, 0].int().tolist() == drawn
    assert tracks.settings[:, 0, 3].int().tolist() == drawn
    known = bucket.sketches.descriptions
    assert all(one is known[n] for one, n in zip(descriptions, drawn, strict=True))
    assert numbers(bucket.draw(300, generator(), one_shot=one_shot)[0]) == drawn
    assert numbers(bucket.draw(300, generator(1), one_shot=one_shot)[0]) != drawn


@pytest.mark.parametrize(("one_shot", "among"), [(False, range(9)), (True, WHOLE)])
def test_all_that_may_be_drawn_are_drawn_as_often(one_shot: bool, among: tuple[int, ...]) -> None:
    drawn = numbers(bucket_of().draw(900, generator(), one_shot=one_shot)[0])
    assert set(drawn) == set(among)
    assert all(drawn.count(n) == pytest.approx(900 / len(among), rel=0.3) for n in among)


def test_without_cuts_all_are_of_one_shot() -> None:
    bucket = bucket_of(cut=())
    assert bucket.sketches.of_one_shot == [*range(9)]
    plain, whole = (numbers(bucket.draw(40, generator(), one_shot=wish)[0]) for wish in (False, True))
    assert plain == whole


@pytest.mark.parametrize("cut", [(), CUT, (4,), tuple(range(9))])
def test_those_of_one_shot_are_those_without_a_cut(cut: tuple[int, ...]) -> None:
    sketches = bucket_of(cut).sketches
    whole = [n for n in range(9) if n not in cut]
    assert sketches.of_one_shot == whole
    kept = of_one_shot(sketches)
    assert kept.poses[:, 0, 0, 0].tolist() == whole
    assert kept.of_one_shot == [*range(len(whole))]


def test_a_bucket_knows_the_size_of_its_latents() -> None:
    assert bucket_of().shape == (2, 2, 3)
