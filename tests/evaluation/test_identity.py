from dataclasses import replace

import numpy as np
import pytest

from tenku.evaluation import Judge, load_judge
from tenku.evaluation.identity import across_cut, across_extension, across_gap, two_shots
from tenku.worlds import SceneDescription, SimulatedClip
from tenku.worlds.description import ObjectDescription

RED = ObjectDescription(colour="red", shape="cube", material="metal", size="large")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture(scope="module")
def pair(clips: list[SimulatedClip]) -> tuple[SimulatedClip, SimulatedClip]:
    """Two clips without a colour in common."""
    colours = [{thing.colour for thing in clip.description.objects} for clip in clips]
    return next((clips[0], clips[i]) for i in range(1, len(clips)) if not colours[0] & colours[i])


def test_a_true_clip_keeps_what_is_in_it(clips: list[SimulatedClip], judge: Judge) -> None:
    answers = [answer for clip in clips[:6] for answer in across_extension(clip.frames, judge, 17)]
    assert len(answers) >= 6
    assert sum(answers) >= 0.8 * len(answers)
    assert all(across_gap(clips[0].frames, judge, (9, 25)))


def test_another_clip_does_not(pair: tuple[SimulatedClip, SimulatedClip], judge: Judge) -> None:
    one, other = (clip.frames for clip in pair)
    known = across_extension(np.concatenate([one[:17], other[17:]]), judge, 17)
    assert known
    assert not any(known)
    gap = across_gap(np.concatenate([one[:9], other[9:25], one[25:]]), judge, (9, 25))
    assert not any(gap)
    shots = across_cut(np.concatenate([one[:17], other[17:]]), judge, 17)
    assert shots
    assert not any(shots)


def test_what_is_gone_is_missed(clips: list[SimulatedClip], judge: Judge) -> None:
    frames = clips[0].frames.copy()
    frames[17:] = frames[17:].mean((0, 1, 2)).astype(np.uint8)
    answers = across_extension(frames, judge, 17)
    assert answers
    assert not any(answers)


def test_both_shots_name_the_same_thing() -> None:
    other = replace(RED, colour="blue", shape="cone")
    prompts = two_shots(SceneDescription(objects=(RED, other), floor="wooden"))
    assert all("red" in prompt and "cube" in prompt and "blue" not in prompt for prompt in prompts)
    assert "fall" in prompts[0]
    assert "orbits" in prompts[1]
