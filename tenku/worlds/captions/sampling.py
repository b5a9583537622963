"""Random plausible descriptions with no physics: for text pre-training and for evaluation prompts."""

from dataclasses import replace
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from tenku.worlds.captions.dice import Dice
from tenku.worlds.description import Event, ObjectDescription, Relation, SceneDescription
from tenku.worlds.vocabulary import (
    CAMERA_MOVES,
    COLOURS,
    FLOORS,
    HELD_OUT_PAIRS,
    MATERIALS,
    RELATION_KINDS,
    SHAPES,
    SIZES,
    Colour,
    Direction,
    Shape,
)

Pairs = Literal["seen", "held_out", "any"]

_ALL_PAIRS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
_PAIRS: dict[Pairs, tuple[tuple[Colour, Shape], ...]] = {
    "seen": tuple(pair for pair in _ALL_PAIRS if pair not in HELD_OUT_PAIRS),
    "held_out": tuple(pair for pair in _ALL_PAIRS if pair in HELD_OUT_PAIRS),
    "any": _ALL_PAIRS,
}
_ROLLING: frozenset[Shape] = frozenset({"sphere", "cylinder", "ring"})
_ENTRIES: tuple[Direction, ...] = ("left", "left", "left", "right", "right", "right", "front", "back")


def sample_description(
    rng: np.random.Generator,
    *,
    pairs: Pairs = "seen",
    max_objects: int = 4,
    is_picture: bool | None = None,
) -> SceneDescription:
    """Draw a description such as a simulator would give.

    `pairs` says which colour–shape pairs: those seen in training, those held out, or any.
    `is_picture` None draws a picture now and then.
    """
    if not 1 <= max_objects <= 4:
        raise ValueError(f"max_objects must be 1 to 4, not {max_objects}")
    if pairs not in get_args(Pairs):
        raise ValueError(f"pairs must be seen, held_out or any, not {pairs!r}")
    dice = Dice(rng)
    if is_picture is None:
        is_picture = dice.chance(0.2)
    shot = _shot(dice, pairs, max_objects, is_picture)
    if not is_picture and dice.chance(0.08):
        return replace(shot, next_shot=_shot(dice, pairs, min(max_objects, 2), False))
    return shot


def _shot(dice: Dice, pairs: Pairs, max_objects: int, is_picture: bool) -> SceneDescription:
    count = min(max_objects, dice.pick((1, 1, 1, 2, 2, 2, 2, 3, 3, 4)))
    looks: list[tuple[Colour, Shape]] = []
    for _ in range(count):
        looks.append(looks[-1] if looks and dice.chance(0.18) else dice.pick(_PAIRS[pairs]))
    if len(looks) > 1 and pairs != "held_out" and dice.chance(0.1):
        looks = [
            (colour, looks[0][1]) for colour, _ in looks if (colour, looks[0][1]) in _PAIRS[pairs]
        ] or looks
    draw_events = _picture_events if is_picture else _events
    objects = tuple(
        ObjectDescription(
            colour=colour,
            shape=shape,
            material=dice.pick(MATERIALS),
            size=dice.pick(SIZES),
            events=draw_events(dice, shape, index, len(looks)),
        )
        for index, (colour, shape) in enumerate(looks)
    )
    objects = _with_twins(dice, objects)
    camera = CAMERA_MOVES[0] if is_picture or dice.chance(0.6) else dice.pick(CAMERA_MOVES[1:])
    return SceneDescription(
        objects=objects,
        floor=dice.pick(FLOORS),
        camera=camera,
        relations=_relations(dice, objects),
        is_picture=is_picture,
    )


def _with_twins(dice: Dice, objects: tuple[ObjectDescription, ...]) -> tuple[ObjectDescription, ...]:
    """Let some objects of one colour and shape be alike, and do alike, in everything."""
    twins = list(objects)
    for index in range(1, len(twins)):
        first, second = twins[index - 1], twins[index]
        if (first.colour, first.shape) == (second.colour, second.shape) and dice.chance(0.6):
            does_alike = dice.chance(0.5) and all(event.target is None for event in first.events)
            twins[index] = first if does_alike else replace(first, events=second.events)
    return tuple(twins)


def _picture_events(dice: Dice, shape: Shape, index: int, count: int) -> tuple[Event, ...]:
    return (Event(kind="falls"),) if dice.chance(0.2) else ()


def _events(dice: Dice, shape: Shape, index: int, count: int) -> tuple[Event, ...]:
    """A short life: it falls, or enters, or rests, or spins, and something may come of it."""
    start = round(0.3 * float(dice.pick((0, 0, 1, 2, 3))), 1)
    life = dice.pick(("falls", "falls", "enters", "enters", "rests", "rests", "spins", "nothing"))
    if life == "nothing":
        return ()
    if life == "rests":
        return (Event(kind="rests"),)
    if life == "spins":
        return (Event(kind="spins", seconds=start),)
    if life == "falls":
        events = [Event(kind="falls", seconds=start)]
        if dice.chance(0.6):
            events.append(Event(kind="bounces", seconds=start + 0.5))
    else:
        rolls = shape in _ROLLING and dice.chance(0.75)
        events = [
            Event(kind="rolls_in" if rolls else "slides_in", direction=dice.pick(_ENTRIES), seconds=start)
        ]
    if count > 1 and dice.chance(0.35):
        target = dice.pick([other for other in range(count) if other != index])
        events.append(Event(kind="hits", target=target, seconds=start + 1.0))
    if dice.chance(0.15):
        events.append(Event(kind="rests", seconds=start + 1.6))
    return tuple(events)


def _relations(dice: Dice, objects: tuple[ObjectDescription, ...]) -> tuple[Relation, ...]:
    """Relations between neighbours that are in view at the first frame."""
    places = [
        index
        for index, thing in enumerate(objects)
        if not any(event.direction is not None for event in thing.events)
    ]
    places = dice.shuffled(places)
    return tuple(
        Relation(kind=dice.pick(RELATION_KINDS), first=first, second=second)
        for first, second in pairwise(places)
        if dice.chance(0.75)
    )
