from collections.abc import Callable

import numpy as np
import pytest
import torch

from tenku.evaluation import ParsedVideo
from tenku.evaluation.judge import Labels
from tenku.evaluation.parsing import find_objects, follow
from tenku.worlds import SimulatedClip

Read = Callable[[SimulatedClip], ParsedVideo]


def discs(frames: list[list[tuple[float, float, int]]], *, cells: int = 64, radius: float = 8.0) -> Labels:
    """Labels of discs (x, y, colour) in pixels; later ones lie in front."""
    n = len(frames)
    thing, offset = torch.full((n, cells, cells), -8.0), torch.zeros(n, 2, cells, cells)
    colour, shape = torch.zeros(n, 8, cells, cells), torch.zeros(n, 6, cells, cells)
    shape[:, 0] = 8
    ys, xs = torch.meshgrid(torch.arange(cells) * 2.0, torch.arange(cells) * 2.0, indexing="ij")
    for index, shown in enumerate(frames):
        for x, y, which in shown:
            inside = (xs - x) ** 2 + (ys - y) ** 2 < radius**2
            thing[index][inside] = 8
            colour[index, :, inside] = 0
            colour[index, which, inside] = 8
            offset[index, 0][inside] = (x - xs)[inside]
            offset[index, 1][inside] = (y - ys)[inside]
    return Labels(thing, colour, shape, offset)


def test_touching_discs_of_one_colour_are_two() -> None:
    (found,) = find_objects(discs([[(40, 60, 2), (57, 60, 2)]]))
    assert sorted(round(float(thing.centre[0])) for thing in found) == [40, 57]


def test_a_highlight_in_another_colour_is_no_object() -> None:
    labels = discs([[(60, 60, 1)]], radius=12)
    labels.colour[0, 7, 28:31, 28:31] = 20
    (found,) = find_objects(labels)
    assert len(found) == 1
    assert found[0].size == int((labels.thing > 0).sum())


def test_nothing_is_found_in_nothing() -> None:
    assert find_objects(discs([[], []])) == [[], []]
    assert follow([[], []]) == []


def test_discs_that_cross_keep_their_names() -> None:
    frames = [[(20 + 4 * t, 60, 0), (100 - 4 * t, 64, 3)] for t in range(20)]
    tracks = follow(find_objects(discs([[*map(tuple, shown)] for shown in frames])))  # type: ignore[arg-type]
    assert len(tracks) == 2
    assert {int(track.colour.argmax()) for track in tracks} == {0, 3}


def test_what_was_hidden_for_a_while_is_the_same_object() -> None:
    shown = [[(20 + 4 * t, 60, 0)] if not 6 <= t <= 10 else [] for t in range(18)]
    (track,) = follow(find_objects(discs(shown)))  # type: ignore[arg-type]
    assert track.frames == [t for t in range(18) if not 6 <= t <= 10]


def test_what_changes_its_colour_is_another_object() -> None:
    shown = [[(60, 60, 0 if t < 9 else 2)] for t in range(18)]
    assert len(follow(find_objects(discs(shown)))) == 2  # type: ignore[arg-type]


def test_true_clips_are_read_as_they_are(clips: list[SimulatedClip], read_truly: Read) -> None:
    for clip in clips:
        video = read_truly(clip)
        named = sorted((thing.colour, thing.shape) for thing in clip.description.objects)
        assert sorted((thing.colour, thing.shape) for thing in video.objects) == named
        assert not video.fleeting


def test_middles_are_where_the_simulator_put_them(clips: list[SimulatedClip], read_truly: Read) -> None:
    for clip in clips:
        truth = clip.truth
        assert truth is not None
        middles = truth.cameras.project(truth.trajectory.positions)
        for thing in read_truly(clip).objects:
            distance = np.linalg.norm(thing.centre[:, None] - middles, axis=-1)[thing.seen]
            assert distance.mean(0).min() == pytest.approx(0, abs=0.02)
            assert thing.area[thing.seen].min() >= 0.003
            assert thing.centre.shape == (33, 2)
