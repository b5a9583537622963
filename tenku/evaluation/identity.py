"""Whether things stay what they are: colours and shapes read before and after something that was made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tenku.evaluation.judge import Judge
from tenku.evaluation.parsing import ParsedObject, ParsedVideo, parse_video
from tenku.media import Frames
from tenku.worlds.captions import plain_prompt
from tenku.worlds.description import Event, SceneDescription
from tenku.worlds.vocabulary import CameraMove, EventKind

_SHOTS: Final[tuple[tuple[EventKind, CameraMove], ...]] = (("falls", "still"), ("rests", "orbits_left"))


def across_extension(frames: Frames, judge: Judge, split: int) -> list[bool]:
    """For each object in view just before the frame `split`: is it read again from there on?"""
    known = parse_video(frames[:split], judge)
    return _found_again(
        [thing for thing in known.objects if thing.seen[-1]], parse_video(frames[split:], judge)
    )


def across_gap(frames: Frames, judge: Judge, gap: tuple[int, int]) -> list[bool]:
    """For each object that is in view on both sides of a gap: whether it is read in the gap as well."""
    before, inside, after = (
        parse_video(part, judge) for part in (frames[: gap[0]], frames[slice(*gap)], frames[gap[1] :])
    )
    left = Counter(_looks(thing) for thing in after.objects if thing.seen[0])
    both = []
    for thing in before.objects:
        if thing.seen[-1] and left[_looks(thing)]:
            left[_looks(thing)] -= 1
            both.append(thing)
    return _found_again(both, inside)


def across_cut(frames: Frames, judge: Judge, cut: int) -> list[bool]:
    """For each object of a shot: whether it is read in the next one, which begins at the frame `cut`."""
    return _found_again(parse_video(frames[:cut], judge).objects, parse_video(frames[cut:], judge))


def two_shots(description: SceneDescription) -> tuple[str, str]:
    """What is said of two shots of a description's first object: it falls, then it rests, seen anew."""
    thing, floor = description.objects[0], description.floor
    falls, rests = (
        SceneDescription(objects=(replace(thing, events=(Event(kind=kind),)),), floor=floor, camera=camera)
        for kind, camera in _SHOTS
    )
    return plain_prompt(falls, "en"), plain_prompt(rests, "en")


def _found_again(known: Sequence[ParsedObject], new: ParsedVideo) -> list[bool]:
    """Whether each known object has one of its colour and shape among the new ones."""
    left = Counter(_looks(thing) for thing in new.objects)
    answers = []
    for thing in known:
        answers.append(left[_looks(thing)] > 0)
        left[_looks(thing)] -= 1
    return answers


def _looks(thing: ParsedObject) -> tuple[str, str]:
    return thing.colour, thing.shape
