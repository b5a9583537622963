import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.evaluation import ParsedObject, ParsedVideo, evaluate
from tenku.evaluation.events import begins
from tenku.evaluation.language import (
    CATEGORIES,
    WHOLE,
    Answered,
    Asked,
    draw_prompts,
    report_of,
    wording,
    words,
)
from tenku.evaluation.language.asked import Wanted, camera_seen, checks
from tenku.evaluation.language.prompts import _NUMBERS
from tenku.evaluation.scoring import Check
from tenku.worlds import Event, ObjectDescription, SceneDescription
from tenku.worlds.captions import caption, unknown_words
from tenku.worlds.captions.sampling import sample_description
from tenku.worlds.vocabulary import HELD_OUT_PAIRS, Colour, Shape

T = 24


@pytest.fixture(scope="module")
def prompts() -> list[Asked]:
    """Two or three of every category."""
    return list(draw_prompts(34, 1))


# --- which prompts there are -------------------------------------------------------------------------------


def test_there_are_more_than_a_thousand_of_every_kind() -> None:
    assert WHOLE >= 1_000
    assert set(_NUMBERS) == set(CATEGORIES)
    assert min(_NUMBERS.values()) >= 80


def test_any_number_of_them_has_every_category_in_its_share(prompts: list[Asked]) -> None:
    counts = Counter(asked.category for asked in prompts)
    assert set(counts) == set(CATEGORIES)
    assert all(abs(counts[name] - len(prompts) * _NUMBERS[name] / WHOLE) <= 1 for name in CATEGORIES)


def test_fewer_are_the_first_of_more_and_another_seed_gives_others(prompts: list[Asked]) -> None:
    assert [asked.text for asked in draw_prompts(3, 1)] == [asked.text for asked in prompts[:3]]
    assert next(draw_prompts(1, 2)).text != prompts[0].text


def test_held_out_prompts_name_a_pair_that_training_never_shows(prompts: list[Asked]) -> None:
    for asked in prompts:
        pairs = {(thing.colour, thing.shape) for thing in asked.wanted.description.objects}
        assert bool(pairs & HELD_OUT_PAIRS) == (asked.pairs == "held_out")


def test_a_prompt_says_all_that_is_scored(prompts: list[Asked]) -> None:
    for asked in prompts:
        if asked.category in ("typing errors", "English with Chinese in it"):
            continue
        for thing in asked.wanted.description.objects:
            one, many, chinese = words.NOUNS[thing.shape]
            said = (chinese,) if asked.language == "zh" else (one, many)
            colour = words.COLOURS_ZH[thing.colour] if asked.language == "zh" else thing.colour
            assert any(noun in asked.text.lower() for noun in said), asked.text
            assert colour in asked.text.lower(), asked.text


def test_what_else_is_asked_is_asked_by_its_category(prompts: list[Asked]) -> None:
    for asked in prompts:
        wanted = asked.wanted
        more = {
            "relation": wanted.relation,
            "order": wanted.order,
            "camera": wanted.camera,
            "negation": wanted.absent or wanted.never,
        }
        for category, value in more.items():
            assert (value is not None) == (asked.category == category)
        if wanted.absent is not None:
            colour, shape = wanted.absent
            assert all(
                shape != thing.shape or (colour is not None and colour != thing.colour)
                for thing in wanted.description.objects
            )


def test_the_true_clip_shows_what_is_asked(prompts: list[Asked]) -> None:
    for asked in prompts:
        seen, said = asked.true.description.objects, asked.wanted.description.objects
        assert [(a.colour, a.shape) for a in seen] == [(b.colour, b.shape) for b in said]
        if asked.wanted.order is not None:
            (_, first), (_, second) = asked.wanted.order
            assert first.seconds + 0.4 <= second.seconds


# --- in which words ----------------------------------------------------------------------------------------


def told(*events: Event) -> SceneDescription:
    ball = ObjectDescription(colour="red", shape="sphere", material="rubber", size="small", events=events)
    cube = ObjectDescription(colour="blue", shape="cube", material="wood", size="large", events=())
    return SceneDescription(objects=(ball, cube), floor="wooden")


@pytest.fixture(scope="module")
def captions() -> set[str]:
    rng = np.random.default_rng(0)
    return {caption(sample_description(rng), rng, "en").lower() for _ in range(2_000)}


def test_what_is_said_otherwise_is_in_words_that_captions_have_and_ways_they_have_not(
    captions: set[str],
) -> None:
    rng = np.random.default_rng(0)
    texts = {wording.in_known_words(told(Event(kind="falls")), rng) for _ in range(40)}
    assert len(texts) > 10
    for text in texts:
        assert unknown_words(text) == []
        first = re.split(r"[.:]", text.lower())[0]
        assert not any(first in said for said in captions), first


def test_no_caption_has_the_new_verbs(captions: set[str]) -> None:
    for phrases in words.NEW_WORDS.values():
        for phrase in phrases:
            verb = phrase.partition("{")[0].strip()
            assert unknown_words(verb) or not any(verb in said for said in captions), verb


def test_five_sentences_are_five() -> None:
    rng = np.random.default_rng(0)
    whole = told(Event(kind="falls"), Event(kind="bounces", seconds=0.5))
    third = replace(whole.objects[1], colour="green")
    for description in (
        replace(whole, objects=whole.objects[:1]),
        whole,
        replace(whole, objects=(*whole.objects, third)),
    ):
        text = wording.at_length(description, rng)
        assert len(re.findall(r"[.]( |$)", text)) == 5, text
        assert "falls and then bounces" in text


def test_slips_change_two_words_by_a_letter_each() -> None:
    rng = np.random.default_rng(0)
    plain = "a small red rubber ball falls on a wooden floor"
    for _ in range(50):
        changed = [
            (a, b) for a, b in zip(plain.split(), wording.misspelt(plain, rng).split(), strict=True) if a != b
        ]
        assert len(changed) <= 2
        assert all(len(word) >= 4 and abs(len(word) - len(slip)) <= 1 for word, slip in changed)


def test_mixed_prompts_have_both_languages() -> None:
    rng = np.random.default_rng(0)
    plain = "a small red rubber ball falls on a wooden floor"
    texts = {wording.in_both_languages(plain, rng) for _ in range(30)}
    assert len(texts) > 5
    assert all(re.search("[\u4e00-\u9fff]", text) and text != plain for text in texts)
    assert all(not unknown_words(text) for text in texts)


# --- whether it is so --------------------------------------------------------------------------------------


def thing(
    colour: Colour = "red", shape: Shape = "sphere", x: object = 0.0, y: object = 0.0, area: object = 0.03
) -> ParsedObject:
    centre = np.stack([np.broadcast_to(np.asarray(v, float), T) for v in (x, y)], 1).copy()
    return ParsedObject(
        colour=colour,
        shape=shape,
        colour_certainty=1.0,
        shape_certainty=1.0,
        seen=np.ones(T, bool),
        centre=centre,
        area=np.broadcast_to(np.asarray(area, float), T).copy(),
        box=np.concatenate([centre - 0.15, centre + 0.15], 1),
        change=np.zeros(T),
    )


def video(*things: ParsedObject, touching: slice | None = None) -> ParsedVideo:
    touch = np.zeros((T, len(things), len(things)), bool)
    if touching:
        touch[touching] = ~np.eye(len(things), dtype=bool)
    return ParsedVideo(fps=16, aspect=1.0, num_frames=T, objects=things, touching=touch)


def right(measure: str, wanted: Wanted, parsed: ParsedVideo) -> list[bool]:
    return [check.right for check in checks(wanted, parsed) if check.measure == measure]


@pytest.mark.parametrize(
    ("place", "x", "y"),
    [
        ("left_of", -0.4, 0.0),
        ("right_of", 0.4, 0.0),
        ("in_front_of", 0.0, -0.4),
        ("behind", 0.1, 0.4),
        ("on_top_of", 0.02, 0.28),
    ],
)
def test_relations_are_those_in_the_picture(place: str, x: float, y: float) -> None:
    wanted = Wanted(description=told(), relation=(place, 0, 1))  # type: ignore[arg-type]
    there = video(thing(x=x, y=y), thing("blue", "cube"))
    assert right("relation", wanted, there) == [True]
    assert right("relation", wanted, video(thing(x=-x, y=-y), thing("blue", "cube"))) == [False]
    assert right("relation", wanted, video(thing(x=x, y=y))) == [False]


def test_beside_is_not_on_top_of() -> None:
    wanted = Wanted(description=told(), relation=("on_top_of", 0, 1))
    assert right("relation", wanted, video(thing(x=0.4, y=0.28), thing("blue", "cube"))) == [False]


def drop(at: int) -> np.ndarray:
    """A height that falls from 0.6 to 0 from a frame on."""
    return np.clip(0.6 - 0.1 * np.maximum(np.arange(T) - at, 0), 0, 1)


def test_of_two_events_the_one_that_begins_first_is_first() -> None:
    events = Event(kind="falls"), Event(kind="falls", seconds=0.8)
    wanted = Wanted(description=told(), order=((0, events[0]), (1, events[1])))
    early, late = drop(2), drop(13)
    assert right("order", wanted, video(thing(y=early), thing("blue", "cube", y=late, x=0.5))) == [True]
    assert right("order", wanted, video(thing(y=late), thing("blue", "cube", y=early, x=0.5))) == [False]
    assert right("order", wanted, video(thing(y=early), thing("blue", "cube", x=0.5))) == [False]


def test_events_begin_when_they_are_seen_to() -> None:
    falling = video(thing(y=drop(9)), thing("blue", "cube", x=0.9))
    assert begins(Event(kind="falls"), falling, 0) == pytest.approx(9, abs=3)
    assert begins(Event(kind="bounces"), falling, 0) is None
    low = np.abs(np.arange(T) - 12) * 0.05
    assert begins(Event(kind="bounces"), video(thing(y=low)), 0) == pytest.approx(12, abs=3)
    still = video(thing())
    assert begins(Event(kind="rests"), still, 0) == 0


def test_cameras_are_seen_in_how_still_things_drift_and_grow() -> None:
    slow = np.linspace(0, 0.3, T)
    near, far = {"y": -0.3}, {"y": 0.3}
    assert camera_seen(video(thing(x=slow, **near), thing("blue", "cube", x=-slow, **far))) == "orbits_left"
    assert camera_seen(video(thing(x=-slow, **near), thing("blue", "cube", x=slow, **far))) == "orbits_right"
    assert camera_seen(video(thing(**near), thing("blue", "cube", **far))) == "still"
    growing = np.linspace(0.03, 0.06, T)
    assert camera_seen(video(thing(area=growing), thing("blue", "cube", area=growing))) == "moves_in"
    assert camera_seen(video(thing(area=growing[::-1]))) == "moves_out"
    assert camera_seen(video(thing())) is None
    assert camera_seen(video()) is None


def test_what_is_excluded_must_not_be_seen() -> None:
    wanted = Wanted(description=told(), absent=(None, "cone"))
    assert right("absent", wanted, video(thing(), thing("blue", "cube"))) == [True]
    assert right("absent", wanted, video(thing(), thing("green", "cone"))) == [False]
    red = Wanted(description=told(), absent=("green", "cone"))
    assert right("absent", red, video(thing("blue", "cone"))) == [True]


def test_what_is_denied_must_not_happen() -> None:
    wanted = Wanted(description=told(), never=(0, Event(kind="falls")))
    assert right("never", wanted, video(thing(), thing("blue", "cube", x=0.5))) == [True]
    assert right("never", wanted, video(thing(y=drop(4)), thing("blue", "cube", x=0.5))) == [False]
    assert right("never", wanted, video(thing("blue", "cube"))) == [
        False
    ]  # nothing of which it would be true


def test_large_things_are_larger_than_small_ones() -> None:
    wanted = Wanted(description=told(), sizes=True)
    assert right("size", wanted, video(thing(area=0.02), thing("blue", "cube", x=0.5, area=0.05))) == [True]
    assert right("size", wanted, video(thing(area=0.05), thing("blue", "cube", x=0.5, area=0.02))) == [False]


# --- the report --------------------------------------------------------------------------------------------


def test_a_report_has_every_category_with_its_floor(prompts: list[Asked]) -> None:
    good, bad = (Check(measure="colour", right=value, count=1, held_out=True) for value in (True, False))
    answered = [
        Answered(asked, (good, bad) if index % 2 else (good, good), (good, good), np.zeros(1), ())  # type: ignore[arg-type]
        for index, asked in enumerate(prompts)
    ]
    report = report_of(answered, "m", len(answered), 1, 1.0)
    for category in CATEGORIES:
        row = report.row("everything asked", category)
        assert row.floor == 1.0
        assert 0 <= row.low <= row.value <= row.high <= 1
    assert report.row("colour", "all | seen pairs").n == 2 * sum(a.asked.pairs == "seen" for a in answered)
    assert report.row("everything asked", "all | held-out pairs").value < 1


def test_the_suite_runs_from_end_to_end(tiny_model: Path) -> None:
    report = evaluate(model=str(tiny_model), suite="language", n=2, seed=0)
    assert report.row("everything asked", "binding").floor is not None
    assert report.n == 2


def test_no_more_prompts_than_there_are_can_be_asked_for() -> None:
    with pytest.raises(UserError, match=r"the language suite has 1,\d\d\d prompts"):
        evaluate(suite="language", n=WHOLE + 1)
