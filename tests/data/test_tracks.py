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
)
from tenku.worlds import ObjectDescription, SceneDescription, WorldConfig, simulate_clip
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

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
    """Sketches whose boxes say which clip, frame and object they are of."""
    boxes = np.zeros((len(scenes), 5, MAX_OBJECTS, 5), np.float16)
    for clip, objects in enumerate(scenes):
        for frame in range(5):
            for place in range(len(objects)):
                boxes[clip, frame, place] = [0.5, clip, frame, 1 + place, -0.5]
    return Sketches(boxes, tuple(SceneDescription(objects=o, floor="plain") for o in scenes))


def test_sketches_keep_no_pixels(folder: Path) -> None:
    assert {path.name.split(".", 1)[1] for path in (folder / "sketch").iterdir()} == {"json", "tracks.npy"}


def test_sketches_hold_the_boxes_of_their_seeds(sketches: Sketches, folder: Path) -> None:
    assert len(sketches) == 6
    assert sketches.boxes.shape == (6, 5, MAX_OBJECTS, 5)
    for place, seed in enumerate(range(300, 306)):
        world = WorldConfig(cut_probability=0.0, pairs="any")
        clip = simulate_clip(seed, num_frames=5, height=48, width=48, world=world)
        count = len(clip.description.objects)
        assert sketches.descriptions[place] == clip.description
        assert np.allclose(sketches.boxes[place, :, :count], clip.boxes, atol=2e-3)
        assert (sketches.boxes[place, :, count:] == 0).all()
    assert np.array_equal(load_sketches(folder, SKETCH, [1]).boxes, read_tracks(folder, SKETCH, 1))


def test_looks_say_what_the_description_says(sketches: Sketches) -> None:
    tracks, descriptions = sketches.take(range(6), [0] * 6)
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


def test_those_that_are_mirrored_are_mirrored_in_boxes_and_words(sketches: Sketches) -> None:
    plain, said = sketches.take([4, 1, 4], [0, 0, 0])
    mixed, told = sketches.take([4, 1, 4], [0, 1, 1])
    assert torch.equal(mixed.boxes[0], plain.boxes[0])
    assert torch.equal(mixed.boxes[1:], plain.boxes[1:] * torch.tensor([-1.0, 1, 1, 1, 1]))
    assert told == [said[0], said[1].mirrored(), said[2].mirrored()]
    assert torch.equal(mixed.looks, plain.looks)
    again, _ = sketches.take([4], [0])
    assert torch.equal(again.boxes[0], plain.boxes[0])  # what is on hand is not written over


def test_objects_of_both_shots_follow_each_other(folder: Path) -> None:
    cut = load_sketches(folder, CUT, [0])
    tracks, descriptions = cut.take(range(3), [0, 1, 0])
    for row, description in enumerate(descriptions):
        assert description.next_shot is not None
        everything = (*description.objects, *description.next_shot.objects)
        assert tracks.present[row].sum() == len(everything)
        first = len(description.objects)
        assert (tracks.boxes[row, -1, :first] == 0).all()
        assert (tracks.boxes[row, 0, first:] == 0).all()
        assert (tracks.boxes[row, -1, first : len(everything), 2:4] > 0).all()
        for place, thing in enumerate(everything):
            assert tracks.looks[row, place, COLOURS.index(thing.colour)] == 1


def test_those_of_one_shot(folder: Path, sketches: Sketches) -> None:
    cut = load_sketches(folder, CUT, [0])
    assert len(of_one_shot(cut)) == 0
    assert len(of_one_shot(sketches)) == 6
    both = Sketches(
        np.concatenate([sketches.boxes, np.zeros_like(sketches.boxes[:3])]),
        (*sketches.descriptions, *cut.descriptions),
    )
    assert of_one_shot(both).descriptions == sketches.descriptions
    assert np.array_equal(of_one_shot(both).boxes, sketches.boxes)


def test_canonical_order_moves_boxes_looks_and_presence_together() -> None:
    sketches = by_hand((BALL, CONE), (CONE, BALL), (BALL,))
    tracks, descriptions = sketches.take(range(3), [0] * 3)
    ordered = in_canonical_order(tracks, descriptions, 4)
    assert ordered.boxes.shape == (3, 5, 4, 5)
    first, second = canonical_order((BALL, CONE)), canonical_order((CONE, BALL))
    assert first == [1 - place for place in second]
    assert torch.equal(ordered.looks[0], ordered.looks[1])
    assert ordered.boxes[0, 0, :2, 3].tolist() == [1 + place for place in first]
    assert ordered.boxes[1, 0, :2, 3].tolist() == [1 + place for place in second]
    assert ordered.present.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0]]
    for row in range(3):
        assert (ordered.boxes[row, :, int(ordered.present[row].sum()) :] == 0).all()
        assert (ordered.boxes[row, 1, ordered.present[row] > 0, 2] == 1).all()  # frames stay where they are


def test_too_many_objects_for_a_plan_are_left_out() -> None:
    tracks, descriptions = by_hand((BALL, CONE, BALL, CONE)).take([0], [0])
    ordered = in_canonical_order(tracks, descriptions, 2)
    assert ordered.present.tolist() == [[1, 1]]
    assert torch.equal(ordered.looks[0, 0], ordered.looks[0, 1])
