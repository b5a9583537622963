"""What a text says of a scene, as numbers that the text encoder's registers are asked for.

Each shot (up to two) has a register for every object, in a canonical order, and one for the scene. What the
text does not say cannot be known: the encoder then learns how likely it is, which is what conditioning
should say.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tenku.data.tracks import canonical_order, look_classes
from tenku.worlds.description import SceneDescription
from tenku.worlds.vocabulary import (
    CAMERA_MOVES,
    DIRECTIONS,
    EVENT_KINDS,
    FLOORS,
    RELATION_KINDS,
)

MAX_SHOTS = 2
MAX_OBJECTS = 4
REGISTERS_PER_SHOT = MAX_OBJECTS + 1
NUM_REGISTERS = MAX_SHOTS * REGISTERS_PER_SHOT
ABSENT = -100  # torch's ignored class


@dataclass(frozen=True, slots=True)
class SceneTargets:
    """Classes (b s o) by shot and object, ABSENT where there is none; multi-hot where several may hold."""

    present: Tensor  # b s o, 0 or 1
    colour: Tensor
    shape: Tensor
    material: Tensor
    size: Tensor
    events: Tensor  # b s o kinds, 0 or 1
    direction: Tensor  # b s o; the last class is "none"
    target: Tensor  # b s o; whom it hits; the last class is "nobody"
    relations: Tensor  # b s o o kinds, 0 or 1
    floor: Tensor  # b s
    camera: Tensor  # b s


def scene_targets(descriptions: list[SceneDescription]) -> SceneTargets:
    """Targets of a batch of descriptions."""
    b, s, o = len(descriptions), MAX_SHOTS, MAX_OBJECTS

    def classes(*shape: int) -> Tensor:
        return torch.full(shape, ABSENT)

    targets = SceneTargets(
        present=torch.zeros(b, s, o),
        colour=classes(b, s, o),
        shape=classes(b, s, o),
        material=classes(b, s, o),
        size=classes(b, s, o),
        events=torch.zeros(b, s, o, len(EVENT_KINDS)),
        direction=classes(b, s, o),
        target=classes(b, s, o),
        relations=torch.zeros(b, s, o, o, len(RELATION_KINDS)),
        floor=classes(b, s),
        camera=classes(b, s),
    )
    for row, description in enumerate(descriptions):
        shot: SceneDescription | None = description
        for index in range(s):
            if shot is None:
                break
            _fill(targets, row, index, shot)
            shot = shot.next_shot
    return targets


def _fill(targets: SceneTargets, row: int, shot_index: int, shot: SceneDescription) -> None:
    order = canonical_order(shot.objects)[:MAX_OBJECTS]
    place_of = {original: place for place, original in enumerate(order)}
    targets.floor[row, shot_index] = FLOORS.index(shot.floor)
    targets.camera[row, shot_index] = CAMERA_MOVES.index(shot.camera)
    for place, original in enumerate(order):
        thing, at = shot.objects[original], (row, shot_index, place)
        targets.present[at] = 1
        targets.colour[at], targets.shape[at], targets.material[at], targets.size[at] = look_classes(thing)
        targets.direction[at] = len(DIRECTIONS)
        targets.target[at] = MAX_OBJECTS
        for event in thing.events:
            targets.events[(*at, EVENT_KINDS.index(event.kind))] = 1
            if event.direction is not None:
                targets.direction[at] = DIRECTIONS.index(event.direction)
            if event.target is not None and event.target in place_of:
                targets.target[at] = place_of[event.target]
    for relation in shot.relations:
        if relation.first in place_of and relation.second in place_of:
            first, second = place_of[relation.first], place_of[relation.second]
            targets.relations[row, shot_index, first, second, RELATION_KINDS.index(relation.kind)] = 1
