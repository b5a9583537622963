"""Whatever fails is a refusal; a policy decides what is refused, and who else looks."""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Frames
from tenku.safety import (
    Category,
    Finding,
    Judgement,
    Policy,
    Refused,
    check_frames,
    check_prompt,
    checked,
)
from tenku.safety.judgement import SENTENCES

BENIGN = "a red ball hits a blue cube"
FRAMES: Frames = np.zeros((3, 4, 4, 3), np.uint8)


class Says:
    """A check that answers always the same, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def find(self, looked_at: object, /) -> Sequence[Finding]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


NONSENSE = [
    RuntimeError("out of memory"),
    None,
    "safe",
    [None],
    [Finding(category="fine", rule="x")],  # type: ignore[arg-type]
]


@pytest.mark.parametrize("answer", NONSENSE)
def test_a_check_that_fails_or_answers_nonsense_refuses(answer: Any) -> None:
    policy = Policy(prompt_checks=(Says(answer),), frame_checks=(Says(answer),))
    for judgement in (check_prompt(BENIGN, policy), check_frames(FRAMES, policy)):
        assert not judgement.allowed
        assert judgement.category is Category.UNCHECKED
        assert judgement.sentence == SENTENCES[Category.UNCHECKED]


def test_broken_rules_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ValueError("no rules")

    monkeypatch.setattr("tenku.safety.checking.shipped_rules", broken)
    assert check_prompt(BENIGN).category is Category.UNCHECKED


@pytest.mark.parametrize("text", [None, 7, b"a red ball"])
def test_what_is_no_text_is_refused(text: Any) -> None:
    assert check_prompt(text).category is Category.UNCHECKED


def test_lone_surrogates_and_control_characters_can_be_judged() -> None:
    assert check_prompt("a red ball \ud800\x00 falls").allowed
    assert check_prompt("a na\x00ked \ud800 woman").category is Category.SEXUAL


def test_checked_gives_the_text_or_the_reason() -> None:
    assert checked(BENIGN) == BENIGN
    with pytest.raises(Refused) as refused:
        checked("a naked woman")
    assert isinstance(refused.value, UserError)
    assert refused.value.category is Category.SEXUAL
    assert str(refused.value) == SENTENCES[Category.SEXUAL]
    assert (refused.value.code, refused.value.job_code) == ("content_policy_violation", "moderation_blocked")


def test_a_refusal_can_be_sent_to_another_process() -> None:
    refused = pickle.loads(pickle.dumps(Refused(check_prompt("a naked woman"))))
    assert refused.category is Category.SEXUAL


def test_the_gravest_finding_is_told() -> None:
    assert check_prompt("Taylor Swift").category is Category.REAL_PEOPLE
    assert check_prompt("Taylor Swift, naked").category is Category.SEXUAL_LIKENESS


def test_categories_can_be_turned_off_by_name() -> None:
    policy = Policy.without("real_people", "others_works")
    assert check_prompt("Taylor Swift and Pikachu play chess", policy).allowed
    assert check_prompt("Taylor Swift, naked", policy).category is Category.SEXUAL_LIKENESS


@pytest.mark.parametrize("name", ["minors", "unchecked", "everything"])
def test_some_categories_cannot_be_turned_off(name: str) -> None:
    with pytest.raises(UserError, match="choose from"):
        Policy.without(name)
    assert {Category.MINORS, Category.UNCHECKED} <= Policy(refused=frozenset()).refused


def test_another_check_adds_to_the_rules() -> None:
    policy = Policy(prompt_checks=(Says([Finding(category=Category.VIOLENCE, rule="a classifier")]),))
    judgement = check_prompt(BENIGN, policy)
    assert (judgement.category, judgement.rule) == (Category.VIOLENCE, "a classifier")
    assert check_prompt("a naked woman", policy).category is Category.SEXUAL


@pytest.mark.parametrize("num_frames", [1, 2, 15, 16, 17, 300])
def test_frames_looked_at_are_few_and_hold_both_ends(num_frames: int) -> None:
    class Remembers:
        def find(self, frames: Frames, /) -> Sequence[Finding]:
            self.seen = [int(place) for place in frames[:, 0, 0, :2].astype(int) @ [1, 256]]
            return []

    places = np.arange(num_frames)
    frames = np.zeros((num_frames, 2, 2, 3), np.uint8)
    frames[..., 0], frames[..., 1] = (part[:, None, None] for part in (places % 256, places // 256))
    look = Remembers()
    assert check_frames(frames, Policy(frame_checks=(look,))).allowed
    assert len(look.seen) == min(num_frames, 16) == len(set(look.seen))
    assert (look.seen[0], look.seen[-1]) == (0, num_frames - 1)


@pytest.mark.parametrize("shape", [(4, 4, 3), (0, 4, 4, 3), (2, 0, 4, 3)])
def test_frames_of_no_shape_are_refused_where_somebody_looks(shape: tuple[int, ...]) -> None:
    judgement = check_frames(np.zeros(shape, np.uint8), Policy(frame_checks=(Says([]),)))
    assert judgement.category is Category.UNCHECKED


@pytest.mark.parametrize("labels", [{"allowed": True, "sentence": "no"}, {"allowed": False}])
def test_a_judgement_cannot_contradict_itself(labels: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either allowed"):
        Judgement(**labels)


def test_every_category_has_a_sentence_with_a_way_out() -> None:
    assert set(SENTENCES) == set(Category)
    assert all(sentence.endswith(".") and ";" in sentence for sentence in SENTENCES.values())
