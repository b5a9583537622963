from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenku.evaluation import ParsedObject, ParsedVideo, load_judge, sizes_and_steps
from tenku.evaluation.sizes_and_steps import FEW, MANY, of_sizes, of_steps, shows
from tenku.pipeline import VideoPipeline
from tenku.worlds import SceneDescription
from tenku.worlds.description import ObjectDescription

FRAMES = 8
SCENE = SceneDescription(
    objects=(ObjectDescription(colour="red", shape="cube", material="metal", size="large"),), floor="plain"
)
INSIDE, OUTSIDE = (-0.5, -0.5, 0.5, 0.2), (-1.0, -0.5, 0.5, 0.2)


def parsed(boxes: list[tuple[float, ...]], colour: str = "red") -> ParsedVideo:
    box = np.full((FRAMES, 4), np.nan)
    box[: len(boxes)] = boxes
    thing = ParsedObject(
        colour=colour,  # type: ignore[arg-type]
        shape="cube",
        colour_certainty=1.0,
        shape_certainty=1.0,
        seen=~np.isnan(box[:, 0]),
        centre=box[:, :2],
        area=np.full(FRAMES, 0.1),
        box=box,
        change=np.zeros(FRAMES),
    )
    touching = np.zeros((FRAMES, 1, 1), bool)
    return ParsedVideo(fps=16, aspect=1.5, num_frames=FRAMES, objects=(thing,), touching=touching)


@pytest.mark.parametrize(
    ("boxes", "colour", "shown"),
    [
        ([INSIDE] * FRAMES, "red", True),
        ([INSIDE] * 2, "red", True),  # elsewhere it is not seen at all
        ([OUTSIDE, INSIDE, INSIDE], "red", True),
        ([OUTSIDE] * 5 + [INSIDE] * 3, "red", False),
        ([INSIDE] * FRAMES, "blue", False),
    ],
)
def test_what_is_said_must_be_there_in_its_colour_and_whole(
    boxes: list[tuple[float, ...]], colour: str, shown: bool
) -> None:
    assert shows(SCENE, parsed(boxes, colour)) == shown


def test_one_of_two_things_is_not_enough() -> None:
    other = replace(SCENE.objects[0], colour="blue")
    scene = replace(SCENE, objects=(*SCENE.objects, other))
    assert not shows(scene, parsed([INSIDE] * FRAMES))
    nothing = replace(parsed([INSIDE]), objects=(), touching=np.zeros((FRAMES, 0, 0), bool))
    assert not shows(SCENE, nothing)


def test_true_clips_of_other_shapes_show_what_is_said_of_them(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes_and_steps, "SIZES", {"21:9": (96, 224), "9:16": (176, 96)})
    results = list(of_sizes(VideoPipeline.from_pretrained(tiny_model), load_judge(), 1, 0))
    assert [one.size for one in results] == ["21:9", "9:16"]
    assert all(one.true for one in results)
    assert not any(one.made for one in results)  # random weights


def test_few_and_many_steps_for_all_prompts_and_the_curve_for_some(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes_and_steps, "STEPS", (1, FEW, MANY))
    results = list(of_steps(VideoPipeline.from_pretrained(tiny_model), load_judge(), 2, 0))
    assert [(one.prompt, one.steps) for one in results] == [(0, 1), (0, FEW), (0, MANY), (1, FEW), (1, MANY)]
    assert all(all(one.true) for one in results)
    assert all(len(one.right) == len(one.true) for one in results)
