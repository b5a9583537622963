from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.data.clips import MAX_OBJECTS, Bucket, make_clips, read_tracks
from tenku.data.tracks import (
    LOOK_SIZES,
    Sketches,
    canonical_order,
    in_canonical_order,
    load_sketches,
    look_classes,
    of_one_shot,
    track_config,
)
from tenku.denoiser import TrackConfig
from tenku.denoiser import tracks as denoiser_tracks
from tenku.worlds import ObjectDescription, SceneDescription, WorldConfig, simulate_clip
from tenku.worlds import tracks as world_tracks
from tenku.worlds.tracks import POSE_SIZE, SETTING_SIZE
from tenku.worlds.vocabulary import COLOURS, FLOORS, MATERIALS, SHAPES, SIZES, Floor

SKETCH = Bucket(
    name="sketch",
    num_frames=5,
    height=48,
    width=48,
    num_clips=6,
    first_seed=300,
    clips_per_chunk=3,
    sketches=True,
    cut_probability=0.0,
    pairs="any",
)
CUT = replace(SKETCH, name="cut", num_frames=17, num_clips=3, first_seed=400, cut_probability=1.0)
BALL = ObjectDescription(colour="red", shape="sphere", material="metal", size="large")
CONE = ObjectDescription(colour="blue", shape="cone", material="wood", size="small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sketches")
    list(make_clips(folder, [SKETCH, CUT], workers=1))
    return folder


@pytest.fixture(scope="module")
def sketches(folder: Path) -> Sketches:
    return load_sketches(folder, SKETCH, [0, 1])


def by_hand(*scenes: tuple[ObjectDescription, ...]) -> Sketches:
    """Sketches whose poses say which clip, frame and object they are of; settings say clip and frame."""
    poses = np.zeros((len(scenes), 5, MAX_OBJECTS, POSE_SIZE), np.float16)
    settings = np.zeros((len(scenes), 5, SETTING_SIZE), np.float32)
    for clip, objects in enumerate(scenes):
        for frame in range(5):
            settings[clip, frame, :2] = clip, frame
            for place in range(len(objects)):
                poses[clip, frame, place, :5] = [0.5, clip, frame, 1 + place, -0.5]
                poses[clip, frame, place, 5:] = 1 + place
    return Sketches(poses, settings, tuple(SceneDescription(objects=o, floor="plain") for o in scenes))


def test_sketches_keep_no_pixels(folder: Path) -> None:
    assert {path.name.split(".", 1)[1] for path in (folder / "sketch").iterdir()} == {"json", "tracks.npz"}


def test_sketches_hold_the_tracks_of_their_seeds(sketches: Sketches, folder: Path) -> None:
    assert len(sketches) == 6
    assert sketches.poses.shape == (6, 5, MAX_OBJECTS, POSE_SIZE)
    assert sketches.settings.shape == (6, 5, SETTING_SIZE)
    for place, seed in enumerate(range(300, 306)):
        world = WorldConfig(cut_probability=0.0, pairs="any")
        clip = simulate_clip(seed, num_frames=5, height=48, width=48, world=world)
        count = len(clip.description.objects)
        assert sketches.descriptions[place] == clip.description
        assert np.allclose(sketches.poses[place, :, :count], clip.poses, atol=2e-3)
        assert (sketches.poses[place, :, count:] == 0).all()
        assert np.array_equal(sketches.settings[place], clip.setting)
    later, (poses, settings) = load_sketches(folder, SKETCH, [1]), read_tracks(folder, SKETCH, 1)
    assert np.array_equal(later.poses, poses)
    assert np.array_equal(later.settings, settings)
    assert np.array_equal(later.settings, sketches.settings[3:])


def test_looks_say_what_the_description_says(sketches: Sketches) -> None:
    tracks, descriptions = sketches.take(range(6), [False] * 6)
    assert tracks.looks.shape == (6, MAX_OBJECTS, sum(LOOK_SIZES))
    names = (COLOURS, SHAPES, MATERIALS, SIZES)
    for row, description in enumerate(descriptions):
        count = len(description.objects)
        assert tracks.present[row].tolist() == [1] * count + [0] * (MAX_OBJECTS - count)
        assert (tracks.looks[row, count:] == 0).all()
        for place, thing in enumerate(description.objects):
            parts = torch.split(tracks.looks[row, place], list(LOOK_SIZES))
            assert [part.sum().item() for part in parts] == [1] * 4
            said = tuple(values[int(part.argmax())] for values, part in zip(names, parts, strict=True))
            assert said == (thing.colour, thing.shape, thing.material, thing.size)


def test_look_classes_lie_within_their_sizes() -> None:
    last = ObjectDescription(colour=COLOURS[-1], shape=SHAPES[-1], material=MATERIALS[-1], size=SIZES[-1])
    assert look_classes(last) == tuple(size - 1 for size in LOOK_SIZES)


def test_those_that_are_mirrored_are_mirrored_in_tracks_and_words(sketches: Sketches) -> None:
    plain, said = sketches.take([4, 1, 4], [False, False, False])
    mixed, told = sketches.take([4, 1, 4], [False, True, True])
    mirrored = plain.mirrored(torch.tensor([False, True, True]))
    assert torch.equal(mixed.poses, mirrored.poses)
    assert torch.equal(mixed.settings, mirrored.settings)
    assert torch.equal(mixed.boxes[0], plain.boxes[0])
    assert torch.equal(mixed.boxes[1:, ..., 0], -plain.boxes[1:, ..., 0])
    assert told == [said[0], said[1].mirrored(), said[2].mirrored()]
    assert torch.equal(mixed.looks, plain.looks)
    again, _ = sketches.take([4], [False])
    assert torch.equal(again.poses[0], plain.poses[0])  # what is on hand is not written over
    assert torch.equal(again.settings[0], plain.settings[0])


def on_floor(floor: Floor, then: Floor | None = None) -> SceneDescription:
    following = None if then is None else SceneDescription(objects=(BALL,), floor=then)
    return SceneDescription(objects=(CONE,), floor=floor, next_shot=following)


def test_half_are_mirrored_but_none_with_a_wooden_floor() -> None:
    descriptions = (
        on_floor("plain"),
        on_floor("checkerboard", then="plain"),
        on_floor("wooden"),
        on_floor("plain", then="wooden"),
        on_floor("wooden", then="plain"),
    )
    poses = np.zeros((5, 5, MAX_OBJECTS, POSE_SIZE), np.float16)
    sketches = Sketches(poses, np.zeros((5, 5, SETTING_SIZE), np.float32), descriptions)
    chosen = [place for place in range(5) for _ in range(400)]
    mirrored = sketches.mirrored(chosen, torch.Generator().manual_seed(0))
    assert mirrored == sketches.mirrored(chosen, torch.Generator().manual_seed(0))
    share = np.array(mirrored).reshape(5, 400).mean(1)
    assert share[:2] == pytest.approx([0.5, 0.5], abs=0.1)
    assert share[2:].tolist() == [0, 0, 0]


def test_the_world_and_the_denoiser_mean_the_same_numbers() -> None:
    """Neither may import the other."""
    for name in ("BOX_SIZE", "POSE_SIZE", "CAMERA_SIZE", "SETTING_SIZE"):
        assert getattr(denoiser_tracks, name) == getattr(world_tracks, name)
    assert len(world_tracks.SURROUNDINGS) == denoiser_tracks.SURROUNDINGS_SIZE
    assert world_tracks.SURROUNDINGS[denoiser_tracks.FLOOR_SCALE] == "scale"
    assert world_tracks.SURROUNDINGS[: denoiser_tracks.NUM_FLOORS] == FLOORS
    default, config = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4), track_config(4)
    assert replace(config, tan_half_view=default.tan_half_view) == default
    assert config.tan_half_view == pytest.approx(default.tan_half_view, abs=1e-5)


def test_objects_of_both_shots_follow_each_other(folder: Path) -> None:
    cut = load_sketches(folder, CUT, [0])
    tracks, descriptions = cut.take(range(3), [False, True, False])
    for row, description in enumerate(descriptions):
        assert description.next_shot is not None
        everything = (*description.objects, *description.next_shot.objects)
        assert tracks.present[row].sum() == len(everything)
        first = len(description.objects)
        assert (tracks.poses[row, -1, :first] == 0).all()
        assert (tracks.poses[row, 0, first:] == 0).all()
        assert (tracks.boxes[row, -1, first : len(everything), 2:4] > 0).all()
        for place, thing in enumerate(everything):
            assert tracks.looks[row, place, COLOURS.index(thing.colour)] == 1


def test_those_of_one_shot(folder: Path, sketches: Sketches) -> None:
    cut = load_sketches(folder, CUT, [0])
    assert len(of_one_shot(cut)) == 0
    assert len(of_one_shot(sketches)) == 6
    both = Sketches(
        np.concatenate([np.zeros_like(sketches.poses[:3]), sketches.poses]),
        np.concatenate([np.zeros_like(sketches.settings[:3]), sketches.settings]),
        (*cut.descriptions, *sketches.descriptions),
    )
    assert of_one_shot(both).descriptions == sketches.descriptions
    assert np.array_equal(of_one_shot(both).poses, sketches.poses)
    assert np.array_equal(of_one_shot(both).settings, sketches.settings)


def test_canonical_order_moves_poses_looks_and_presence_together() -> None:
    sketches = by_hand((BALL, CONE), (CONE, BALL), (BALL,))
    tracks, descriptions = sketches.take(range(3), [False] * 3)
    ordered = in_canonical_order(tracks, descriptions, 4)
    assert ordered.poses.shape == (3, 5, 4, POSE_SIZE)
    assert torch.equal(ordered.settings, tracks.settings)
    assert torch.equal(ordered.settings[1, 3, :2], torch.tensor([1.0, 3]))
    first, second = canonical_order((BALL, CONE)), canonical_order((CONE, BALL))
    assert first == [1 - place for place in second]
    assert torch.equal(ordered.looks[0], ordered.looks[1])
    assert ordered.boxes[0, 0, :2, 3].tolist() == [1 + place for place in first]
    assert ordered.boxes[1, 0, :2, 3].tolist() == [1 + place for place in second]
    assert ordered.poses[1, 2, :2, 8].tolist() == [1 + place for place in second]
    assert ordered.present.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    for row in range(3):
        assert (ordered.poses[row, :, int(ordered.present[row].sum()) :] == 0).all()
        assert (ordered.boxes[row, 1, ordered.present[row] > 0, 2] == 1).all()  # frames stay where they are


def test_too_many_objects_for_a_plan_are_left_out() -> None:
    tracks, descriptions = by_hand((BALL, CONE, BALL, CONE)).take([0], [False])
    ordered = in_canonical_order(tracks, descriptions, 2)
    assert ordered.present.tolist() == [[1, 1]]
    assert torch.equal(ordered.looks[0, 0], ordered.looks[0, 1])
