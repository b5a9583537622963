"""Does a parsed video show what a description says? Yes or no, for everything named."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Final

import numpy as np

from tenku.evaluation.events import comes_from, first_touch, happens
from tenku.evaluation.parsing import ParsedObject, ParsedVideo
from tenku.worlds.description import Event, ObjectDescription, SceneDescription
from tenku.worlds.vocabulary import HELD_OUT_PAIRS

MEASURES: Final = (
    "colour",
    "shape",
    "colour and shape",
    "count",
    "count constant",
    "event",
    "falls",
    "bounces",
    "comes in",
    "hits",
    "rests",
    "spins",
    "direction",
)
_SPARE: Final = 1  # object more than named, among which named ones are looked for: the largest ones
_AT_EDGE: Final = 0.05  # half pictures from the frame's edge where something may come and go


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One yes or no: what was asked, whether it is so, and whether of an object whose pair is held out.

    `held_out` is None for what is asked of the whole video. `count` objects were named.
    """

    measure: str
    right: bool
    count: int
    held_out: bool | None = None


def score(description: SceneDescription, video: ParsedVideo) -> tuple[Check, ...]:
    """Everything that the description (of one shot) lets one ask.

    Named objects are matched one to one with found ones (the largest, one more than named: fragments of every
    colour must not make a video right) so that most colours and shapes agree, and among
    equal matches most events; colour, shape and events of a named object without a match are wrong. "count":
    as many objects as named are seen in a tenth of the frames or more. "count constant": see `is_constant`.
    "event": every event on its own; "comes in" does not ask for the side: "direction" does. "rests" and
    "spins" are asked only where the camera is still.
    """
    named, match = description.objects, match_objects(description, video)
    count = len(named)
    checks = [
        Check(measure="count", right=len(video.objects) == count, count=count),
        Check(measure="count constant", right=is_constant(video), count=count),
    ]
    for index, thing in enumerate(named):
        held_out = (thing.colour, thing.shape) in HELD_OUT_PAIRS
        matched = match[index]
        found = None if matched is None else video.objects[matched]
        colour = found is not None and found.colour == thing.colour
        shape = found is not None and found.shape == thing.shape
        answers = [("colour", colour), ("shape", shape), ("colour and shape", colour and shape)]
        answers += _event_answers(description, index, match, video)
        checks += [
            Check(measure=measure, right=right, count=count, held_out=held_out) for measure, right in answers
        ]
    return tuple(checks)


def match_objects(description: SceneDescription, video: ParsedVideo) -> list[int | None]:
    """For every named object the found one that it is taken for."""
    named = description.objects
    by_size = sorted(range(len(video.objects)), key=lambda i: -video.objects[i].area.sum())
    candidates: list[int | None] = [*by_size[: len(named) + _SPARE], *[None] * len(named)]
    looks = np.array([[_alike(thing, video, i) for i in candidates] for thing in named])
    best: tuple[float, list[int | None]] = (-1.0, [None] * len(named))
    for choice in permutations(range(len(candidates)), len(named)):
        agreement = float(looks[range(len(named)), choice].sum())
        if agreement < np.floor(best[0]):
            continue
        match = [candidates[i] for i in choice]
        agreement += 0.5 * _share_of_events(description, match, video)
        if agreement > best[0]:
            best = (agreement, match)
    return best[1]


def _alike(thing: ObjectDescription, video: ParsedVideo, index: int | None) -> int:
    """Twice as much for a match as for none at all, and more for each that agrees."""
    if index is None:
        return 0
    found = video.objects[index]
    return 1 + 2 * (found.colour == thing.colour) + 2 * (found.shape == thing.shape)


def _share_of_events(description: SceneDescription, match: Sequence[int | None], video: ParsedVideo) -> float:
    answers = [
        right
        for index in range(len(description.objects))
        for measure, right in _event_answers(description, index, match, video)
        if measure == "event"
    ]
    return sum(answers) / len(answers) if answers else 0.0


def _event_answers(
    description: SceneDescription, index: int, match: Sequence[int | None], video: ParsedVideo
) -> list[tuple[str, bool]]:
    answers: list[tuple[str, bool]] = []
    for event in description.objects[index].events:
        if event.kind in ("rests", "spins") and description.camera != "still":
            continue
        actor = match[index]
        target = None if event.target is None else match[event.target]
        right = actor is not None and happens(event, video, actor, target)
        kind = "comes in" if event.direction is not None else event.kind
        answers += [("event", right), (kind, right)]
        if event.direction is not None:
            answers.append(("direction", _from_there(description.objects[index], event, video, actor, match)))
    return answers


def _from_there(
    thing: ObjectDescription,
    event: Event,
    video: ParsedVideo,
    actor: int | None,
    match: Sequence[int | None],
) -> bool:
    """Whether it comes from the side that is named, looking no further than its first hit."""
    if actor is None:
        return False
    targets = [match[other.target] for other in thing.events if other.target is not None]
    touches = [first_touch(video, actor, target) for target in targets if target is not None]
    until = min((touch for touch in touches if touch is not None), default=None)
    return comes_from(video.objects[actor], video.aspect, until) == event.direction


def is_constant(video: ParsedVideo) -> bool:
    """Whether no object appears, disappears or turns into another one in the middle of the picture.

    Objects may come in and leave over the frame's edge, and be hidden for a while behind one that they touch
    as they vanish or come back. What comes up elsewhere after the first frame, or ends elsewhere before the
    last one, breaks the count. An object that changes its colour for good is two, of which one ends.
    """
    everything = (*video.objects, *video.fleeting)
    lasting = len(video.objects)
    return bool(everything) and all(
        _persists(thing, video, index if index < lasting else None) for index, thing in enumerate(everything)
    )


def _persists(thing: ParsedObject, video: ParsedVideo, index: int | None) -> bool:
    frames = np.flatnonzero(~np.isnan(thing.centre[:, 0])).tolist()
    first, last = frames[0], frames[-1]
    if first > 0 and not _at_edge(thing, first):
        return False
    if last < video.num_frames - 1 and not _at_edge(thing, last):
        return False
    return all(
        _at_edge(thing, before) or _at_edge(thing, after) or _covered(video, index, before, after)
        for before, after in pairwise(frames)
        if after - before > 2
    )


def _at_edge(thing: ParsedObject, frame: int) -> bool:
    left, bottom, right, top = thing.box[frame]
    return bool(max(-left, -bottom, right, top) > 1 - _AT_EDGE)


def _covered(video: ParsedVideo, index: int | None, before: int, after: int) -> bool:
    return index is not None and bool(video.touching[[before, after], index].any())
