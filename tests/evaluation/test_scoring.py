from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tenku.evaluation import ParsedObject, ParsedVideo
from tenku.evaluation.events import comes_from, happens
from tenku.evaluation.scoring import MEASURES, is_constant, match_objects, score
from tenku.worlds import Event, ObjectDescription, SceneDescription, SimulatedClip
from tenku.worlds.vocabulary import Colour, Shape

T = 24


def thing(
    colour: Colour = "red",
    shape: Shape = "sphere",
    x: object = 0.0,
    y: object = 0.0,
    seen: slice = slice(None),
) -> ParsedObject:
    centre = np.stack([np.broadcast_to(np.asarray(v, float), T) for v in (x, y)], 1).copy()
    shown = np.zeros(T, bool)
    shown[seen] = True
    centre[~shown] = np.nan
    return ParsedObject(
        colour=colour,
        shape=shape,
        colour_certainty=1.0,
        shape_certainty=1.0,
        seen=shown,
        centre=centre,
        area=np.where(shown, 0.03, 0.0),
        box=np.concatenate([centre - 0.15, centre + 0.15], 1),
        change=np.zeros(T),
    )


def video(*things: ParsedObject, touching: slice | None = None) -> ParsedVideo:
    touch = np.zeros((T, len(things), len(things)), bool)
    if touching:
        touch[touching] = ~np.eye(len(things), dtype=bool)
    return ParsedVideo(fps=16, aspect=1.0, num_frames=T, objects=things, touching=touch)


def named(colour: Colour = "red", shape: Shape = "sphere", *events: Event) -> ObjectDescription:
    return ObjectDescription(colour=colour, shape=shape, material="metal", size="large", events=events)


def scene(*things: ObjectDescription, camera: str = "still") -> SceneDescription:
    return SceneDescription(objects=things, floor="plain", camera=camera)  # type: ignore[arg-type]


def answers(description: SceneDescription, parsed: ParsedVideo) -> dict[str, list[bool]]:
    checks = score(description, parsed)
    return {
        measure: [check.right for check in checks if check.measure == measure]
        for measure in MEASURES
        if any(check.measure == measure for check in checks)
    }


def test_objects_are_matched_so_that_most_agrees() -> None:
    description = scene(named("red", "cube"), named("blue", "ring"))
    assert match_objects(description, video(thing("blue", "ring"), thing("red", "cube"))) == [1, 0]
    assert match_objects(description, video(thing("red", "ring"))) in ([0, None], [None, 0])
    assert match_objects(description, video()) == [None, None]


def test_a_crowd_of_fragments_does_not_make_a_video_right() -> None:
    colours: list[Colour] = ["blue", "green", "yellow", "grey", "red"]
    crowd = [
        replace(thing(colour, x=0.1 * i), area=np.full(T, 0.05 - 0.01 * i))
        for i, colour in enumerate(colours)
    ]
    assert answers(scene(named("red", "sphere")), video(*crowd))["colour"] == [False]


def test_twins_are_told_apart_by_what_they_do() -> None:
    description = scene(named("red", "cube", Event(kind="falls")), named("red", "cube", Event(kind="rests")))
    falling = thing("red", "cube", y=np.linspace(1.5, -0.5, T))
    assert match_objects(description, video(thing("red", "cube"), falling)) == [1, 0]


def test_a_wrong_colour_is_wrong_and_the_shape_still_right() -> None:
    said = answers(scene(named("red", "cube")), video(thing("blue", "cube")))
    assert said["colour"] == [False]
    assert said["shape"] == [True]
    assert said["colour and shape"] == [False]
    assert said["count"] == [True]


def test_a_missing_object_is_wrong_in_everything() -> None:
    said = answers(
        scene(named("red", "cube", Event(kind="rests")), named("grey", "cone")), video(thing("grey", "cone"))
    )
    assert said["colour"] == said["shape"] == [False, True]
    assert said["rests"] == said["event"] == [False]
    assert said["count"] == [False]


def test_held_out_objects_are_marked() -> None:
    checks = score(scene(named("purple", "sphere"), named("red", "sphere")), video(thing(), thing("purple")))
    assert [check.held_out for check in checks if check.measure == "colour"] == [True, False]
    assert [check.held_out for check in checks if check.measure == "count"] == [None]


def test_stillness_is_not_asked_of_a_moving_camera() -> None:
    resting = named("red", "sphere", Event(kind="rests"))
    assert "rests" in answers(scene(resting), video(thing()))
    assert "rests" not in answers(scene(resting, camera="orbits_left"), video(thing()))


@pytest.mark.parametrize(
    ("things", "constant"),
    [
        ([thing()], True),
        ([], False),
        ([thing(seen=slice(5, None))], False),  # appears in the middle
        ([thing(seen=slice(0, 15))], False),  # vanishes in the middle
        ([thing(x=np.linspace(-0.8, 0.0, T), seen=slice(3, None))], False),  # already inside when first seen
        ([thing(x=np.linspace(-1.3, 0.0, T), seen=slice(5, None))], True),  # comes in over the edge
        ([thing(x=np.linspace(0.0, 1.4, T), seen=slice(0, 18))], True),  # leaves over the edge
        ([thing(), thing("blue", x=0.5, seen=slice(0, 12)), thing("green", x=0.5, seen=slice(12, T))], False),
    ],
)
def test_the_count_is_constant_unless_something_comes_or_goes_in_the_middle(
    things: list[ParsedObject], constant: bool
) -> None:
    assert is_constant(video(*things)) == constant


def test_an_object_may_be_hidden_behind_one_that_it_touches() -> None:
    hidden = thing("blue", x=0.1)
    hidden.seen[8:14] = False
    hidden.centre[8:14] = np.nan
    assert not is_constant(video(thing(), hidden))
    assert is_constant(video(thing(), hidden, touching=slice(6, 9)))


def test_what_is_seen_for_a_moment_breaks_the_count() -> None:
    parsed = replace(video(thing()), fleeting=(thing("blue", x=0.5, seen=slice(4, 6)),))
    assert not is_constant(parsed)


SECONDS = np.arange(T) / 16
FALL = 1.2 - 4.9 * SECONDS**2 / 1.7
BOUNCE = np.where(FALL > -0.3, FALL, -0.3 + 0.2 * np.abs(np.sin(6 * SECONDS)))


@pytest.mark.parametrize(
    ("kind", "path", "other"),
    [
        ("falls", thing(y=FALL), thing(y=np.linspace(-0.3, 0.3, T))),
        ("bounces", thing(y=BOUNCE), thing(y=np.maximum(FALL, -0.3))),
        ("rests", thing(x=0.4), thing(x=np.linspace(0, 0.3, T))),
    ],
)
def test_events_are_seen_in_paths_that_show_them(kind: str, path: ParsedObject, other: ParsedObject) -> None:
    event = Event(kind=kind)  # type: ignore[arg-type]
    assert happens(event, video(path), 0)
    assert not happens(event, video(other), 0)


def test_a_spin_changes_the_looks_and_not_the_place() -> None:
    spinning = replace(thing(), change=np.full(T, 12.0))
    assert happens(Event(kind="spins"), video(spinning), 0)
    assert not happens(Event(kind="spins"), video(thing()), 0)


def test_a_hit_needs_touch_and_a_kick() -> None:
    mover = thing(x=np.concatenate([np.linspace(-0.9, -0.2, 12), np.full(12, -0.2)]))
    pushed = thing("blue", x=np.concatenate([np.full(12, 0.1), np.linspace(0.1, 0.6, 12)]))
    event = Event(kind="hits", target=1)
    assert happens(event, video(mover, pushed, touching=slice(11, 14)), 0, 1)
    assert not happens(event, video(mover, pushed), 0, 1)
    assert not happens(event, video(thing(), thing("blue", x=0.2), touching=slice(None)), 0, 1)


@pytest.mark.parametrize(
    ("side", "x", "y"),
    [
        ("left", np.linspace(-1, 0, T), 0.0),
        ("right", np.linspace(1, 0, T), 0.0),
        ("front", 0.0, np.linspace(-1, 0, T)),
        ("back", 0.0, np.linspace(0.6, -0.2, T)),
        (None, 0.3, -0.2),
    ],
)
def test_the_side_from_which_something_comes(side: str | None, x: object, y: object) -> None:
    assert comes_from(thing(x=x, y=y), 1.0) == side


def test_true_clips_score_nearly_everything(
    clips: list[SimulatedClip], read_truly: Callable[[SimulatedClip], ParsedVideo]
) -> None:
    said = [check for clip in clips for check in score(clip.description, read_truly(clip))]
    for measure in ("colour", "shape", "count", "count constant"):
        assert all(check.right for check in said if check.measure == measure), measure
    events = [check.right for check in said if check.measure in ("event", "direction")]
    assert np.mean(events) >= 0.95
