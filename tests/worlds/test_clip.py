import pickle
import time

import numpy as np
import pytest

from tenku.worlds import SceneDescription, SimulatedClip, WorldConfig, simulate_clip
from tenku.worlds.vocabulary import HELD_OUT_PAIRS


def shots(description: SceneDescription) -> list[SceneDescription]:
    return [description, *(shots(description.next_shot) if description.next_shot else [])]


def pairs(description: SceneDescription) -> set[tuple[str, str]]:
    return {(thing.colour, thing.shape) for shot in shots(description) for thing in shot.objects}


def test_a_seed_always_gives_the_same_clip() -> None:
    first = simulate_clip(7, num_frames=9, height=48, width=48)
    second = simulate_clip(7, num_frames=9, height=48, width=48)
    assert first.frames.tobytes() == second.frames.tobytes()
    assert first.description == second.description


def test_other_seeds_give_other_clips() -> None:
    one, two = simulate_clip(7, num_frames=5), simulate_clip(8, num_frames=5)
    assert not np.array_equal(one.frames, two.frames)


def test_the_world_does_not_touch_the_global_random_state() -> None:
    before = np.random.get_state()[1].tobytes()  # type: ignore[index,union-attr] # noqa: NPY002
    simulate_clip(7, num_frames=1, height=32, width=32)
    assert np.random.get_state()[1].tobytes() == before  # type: ignore[index,union-attr] # noqa: NPY002


@pytest.mark.parametrize(
    ("num_frames", "fps", "height", "width"),
    [(1, 16, 128, 128), (5, 8, 64, 96), (9, 24, 96, 64), (17, 30, 32, 57), (33, 16, 36, 64)],
)
def test_any_length_rate_and_size(num_frames: int, fps: float, height: int, width: int) -> None:
    clip = simulate_clip(3, num_frames=num_frames, fps=fps, height=height, width=width, with_truth=True)
    assert clip.frames.shape == (num_frames, height, width, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == fps
    assert clip.description.objects
    assert clip.truth is not None
    assert clip.truth.segmentation.shape == (num_frames, height, width)
    assert clip.truth.depth.shape == (num_frames, height, width)


def test_a_picture_is_described_as_one() -> None:
    for seed in range(40):
        description = simulate_clip(seed, num_frames=1, height=32, width=32).description
        assert description.is_picture
        assert description.camera == "still"
        assert description.next_shot is None
        assert {event.kind for thing in description.objects for event in thing.events} <= {"falls"}


def test_cuts_fall_on_the_first_frame_of_a_latent_frame() -> None:
    world = WorldConfig(cut_probability=1.0)
    for seed in range(6):
        clip = simulate_clip(seed, height=32, width=32, world=world, with_truth=True)
        assert clip.description.next_shot is not None
        assert clip.truth is not None
        assert clip.truth.next_shot is not None
        cut = clip.truth.trajectory.num_frames
        assert cut % 4 == 1
        assert 9 <= cut <= 25
        assert cut + clip.truth.next_shot.trajectory.num_frames == 33
        assert len(clip.frames) == 33


def test_short_clips_are_never_cut() -> None:
    world = WorldConfig(cut_probability=1.0)
    clip = simulate_clip(0, num_frames=16, height=32, width=32, world=world)
    assert clip.description.next_shot is None


def test_held_out_pairs_never_appear_in_what_is_seen(clips: list[SimulatedClip]) -> None:
    descriptions = [clip.description for clip in clips]
    descriptions += [simulate_clip(s, num_frames=1, height=16, width=16).description for s in range(200)]
    assert not any(pairs(description) & HELD_OUT_PAIRS for description in descriptions)


def test_held_out_clips_always_show_a_held_out_pair() -> None:
    world = WorldConfig(pairs="held_out")
    for seed in range(30):
        description = simulate_clip(seed, num_frames=1, height=64, width=64, world=world).description
        assert pairs(description) & HELD_OUT_PAIRS


def test_mirroring_twice_changes_nothing(clips: list[SimulatedClip]) -> None:
    for clip in clips:
        assert clip.description.mirrored().mirrored() == clip.description


def test_every_object_is_described_and_clearly_visible(clips: list[SimulatedClip]) -> None:
    for clip in clips:
        truth = clip.truth
        assert truth is not None
        assert len(truth.described) == len(truth.scene.objects)
        clear = truth.visible_pixels >= 0.008 * 64 * 64
        assert (clear.mean(0) >= 0.25).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 0, "num_frames": 0}, "num_frames"),
        ({"seed": 0, "fps": 0}, "fps"),
        ({"seed": 0, "height": 8}, "height"),
        ({"seed": 0, "height": 32, "width": 320}, "side"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, int], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        simulate_clip(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"cut_probability": 1.5}, "cut_probability"),
        ({"object_counts": {5: 1.0}}, "object_counts"),
        ({"behaviours": {"falls": -1.0}}, "behaviours"),
        ({"floors": {"plain": 0.0}}, "floors"),
        ({"pairs": "some"}, "pairs"),
    ],
)
def test_a_bad_world_is_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        WorldConfig(**arguments)  # type: ignore[arg-type]


def test_a_world_survives_pickling() -> None:
    world = WorldConfig(pairs="held_out", object_counts={2: 1.0})
    assert pickle.loads(pickle.dumps(world)) == world


def test_clips_are_made_fast_enough_to_train_on() -> None:
    simulate_clip(0)
    start = time.process_time()
    for seed in range(5):
        simulate_clip(seed)
    assert (time.process_time() - start) / 5 < 1.0
