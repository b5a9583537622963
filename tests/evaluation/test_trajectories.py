from dataclasses import replace

import numpy as np
import pytest

from tenku.evaluation import ParsedObject, ParsedVideo
from tenku.evaluation.trajectories import LOST, fill_errors, moving_objects, straight

GAP = (3, 7)
FRAMES = 10


def poses(path: np.ndarray) -> np.ndarray:
    """One object (t 1 11) on a path (t 2) of x to the right and y down."""
    values = np.zeros((FRAMES, 1, 11), np.float32)
    values[:, 0, :2], values[:, 0, 2:4] = path, 0.3
    return values


def parsed(centre: np.ndarray, colour: str = "red") -> ParsedVideo:
    nothing = np.zeros(FRAMES)
    thing = ParsedObject(
        colour=colour,  # type: ignore[arg-type]
        shape="sphere",
        colour_certainty=1.0,
        shape_certainty=1.0,
        seen=np.ones(FRAMES, bool),
        centre=centre * (1, -1),
        area=nothing,
        box=np.zeros((FRAMES, 4)),
        change=nothing,
    )
    touching = np.zeros((FRAMES, 1, 1), bool)
    return ParsedVideo(fps=16, aspect=1.0, num_frames=FRAMES, objects=(thing,), touching=touching)


ARC = np.stack([np.linspace(-0.5, 0.5, FRAMES), np.linspace(-0.9, 0.9, FRAMES) ** 2 - 0.4], 1)
LINE = ARC.copy()
LINE[slice(*GAP)] = straight(ARC, GAP)


def test_a_straight_line_meets_both_ends_evenly() -> None:
    line = straight(ARC, GAP)
    steps = np.diff(np.concatenate([ARC[2:3], line, ARC[7:8]]), axis=0)
    assert np.allclose(steps, steps[0])


def test_only_what_moves_and_stays_in_the_picture_counts() -> None:
    assert moving_objects(poses(ARC), GAP) == [0]
    assert moving_objects(poses(np.zeros((FRAMES, 2))), GAP) == []
    assert moving_objects(poses(ARC + np.array([0.9, 0])), GAP) == []
    hidden = poses(ARC)
    hidden[:4] = 0  # in another shot
    assert moving_objects(hidden, GAP) == []


def test_the_true_path_has_no_error_and_a_straight_one_that_of_the_line() -> None:
    (right,) = fill_errors(poses(ARC), ["red"], GAP, parsed(ARC), parsed(ARC))
    assert right.made == pytest.approx(0, abs=1e-6)
    assert right.parser == pytest.approx(0, abs=1e-6)
    assert right.linear > 0.01
    (straightened,) = fill_errors(poses(ARC), ["red"], GAP, parsed(LINE), parsed(ARC))
    assert straightened.made == pytest.approx(right.linear, abs=1e-6)


def test_a_thing_of_another_colour_or_none_is_lost() -> None:
    (other,) = fill_errors(poses(ARC), ["red"], GAP, parsed(ARC, "blue"), parsed(ARC))
    assert other.made == LOST
    away = ARC.copy()
    away[4] = np.nan
    (once,) = fill_errors(poses(ARC), ["red"], GAP, parsed(away), parsed(ARC))
    assert once.made == pytest.approx(LOST / 4)


def test_frames_in_which_the_truth_hides_it_do_not_count() -> None:
    hidden = ARC.copy()
    hidden[4] = np.nan
    (error,) = fill_errors(poses(ARC), ["red"], GAP, parsed(hidden), parsed(hidden))
    assert error.made == pytest.approx(0, abs=1e-6)
    assert fill_errors(poses(ARC), ["red"], GAP, parsed(ARC), parsed(ARC * np.nan)) == []


def test_the_nearest_of_two_alike_is_meant() -> None:
    two = parsed(ARC)
    elsewhere = replace(two.objects[0], centre=two.objects[0].centre + 0.5)
    (error,) = fill_errors(
        poses(ARC), ["red"], GAP, replace(two, objects=(elsewhere,), fleeting=two.objects), parsed(ARC)
    )
    assert error.made == pytest.approx(0, abs=1e-6)
