from pathlib import Path

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.evaluation import evaluate
from tenku.evaluation.prompts import draw_cases, sharpness
from tenku.worlds.vocabulary import HELD_OUT_PAIRS


def test_cases_are_the_same_for_the_same_seed_and_take_pairs_in_turn() -> None:
    first, again, other = (list(draw_cases(2, seed)) for seed in (0, 0, 1))
    assert [case.description for case in first] == [case.description for case in again]
    assert [case.description for case in first] != [case.description for case in other]
    assert [case.pairs for case in first] == ["seen", "held_out"]
    for case in first:
        shown = {(thing.colour, thing.shape) for thing in case.description.objects}
        assert bool(shown & HELD_OUT_PAIRS) == (case.pairs == "held_out")
        assert case.description.next_shot is None


def test_more_cases_begin_with_the_same_ones() -> None:
    few, more = (list(draw_cases(n, 0)) for n in (1, 2))
    assert np.array_equal(few[0].frames, more[0].frames)


def test_a_blurred_picture_is_less_sharp() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3)).astype(np.uint8)
    smooth = ((frames + np.roll(frames.astype(int), 1, 1)) / 2).astype(np.uint8)
    assert sharpness(smooth) < 0.8 * sharpness(frames)
    assert sharpness(np.zeros((1, 8, 8, 3), np.uint8)) == 0


def test_the_suite_scores_both_languages_against_the_floor(tiny_model: Path) -> None:
    report = evaluate(model=str(tiny_model), suite="prompts", n=2, seed=0)
    for language in ("English", "Chinese"):
        for pairs in ("seen", "held-out"):
            row = report.row("colour and shape", f"{language} | {pairs} pairs")
            assert row.floor is not None
            assert row.low <= row.value <= row.high
    assert report.row("colour", "for comparison | true clips").value > 0.9
    assert report.seconds > 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"suite": "beauty"}, "no suite 'beauty'"),
        ({"n": 0}, "0 clips cannot be measured"),
        ({"seed": 100}, "seed 100 is out of range"),
        ({"suite": "vae", "model": "nowhere"}, "no model in 'nowhere'"),
    ],
)
def test_mistakes_are_one_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        evaluate(**{"model": "embedded", "suite": "prompts", "n": 1, "seed": 0, **changes})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
