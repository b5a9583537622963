"""Sketches of simulated clips: where everything is and what it is called, without a single pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tenku.data.clips import Bucket, read_descriptions, read_tracks
from tenku.timeline import Tracks
from tenku.worlds.description import ObjectDescription, SceneDescription
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

LOOK_SIZES: Final = (len(COLOURS), len(SHAPES), len(MATERIALS), len(SIZES))


def look_classes(thing: ObjectDescription) -> tuple[int, ...]:
    """What an object looks like as a class for each of LOOK_SIZES."""
    return (
        COLOURS.index(thing.colour),
        SHAPES.index(thing.shape),
        MATERIALS.index(thing.material),
        SIZES.index(thing.size),
    )


def canonical_order(objects: Sequence[ObjectDescription]) -> list[int]:
    """Indices of the objects sorted by what is nearly always said: colour, shape, then size and material."""

    def key(index: int) -> tuple[int, ...]:
        colour, shape, material, size = look_classes(objects[index])
        return colour, shape, size, material, index

    return sorted(range(len(objects)), key=key)


@dataclass(frozen=True, slots=True)
class Sketches:
    """Boxes (n t o 5) of many clips and what they show."""

    boxes: npt.NDArray[np.float16]
    descriptions: tuple[SceneDescription, ...]

    def __len__(self) -> int:
        return len(self.descriptions)

    def take(
        self, chosen: Sequence[int], mirrored: Sequence[int | bool]
    ) -> tuple[Tracks, list[SceneDescription]]:
        """Some of them, mirrored where said."""
        descriptions = [
            self.descriptions[i].mirrored() if flip else self.descriptions[i]
            for i, flip in zip(chosen, mirrored, strict=True)
        ]
        boxes = torch.from_numpy(self.boxes[list(chosen)]).float()
        flips = torch.where(torch.tensor(list(mirrored)) != 0, -1.0, 1.0)
        boxes[..., 0] *= flips[:, None, None]
        looks, present = _looks(descriptions, boxes.shape[2])
        return Tracks(boxes, looks, present), descriptions


def load_sketches(clips: Path, bucket: Bucket, indices: Sequence[int]) -> Sketches:
    """The sketches of some chunks of a bucket."""
    descriptions = [d for i in indices for d in read_descriptions(clips, bucket, i)]
    boxes = np.concatenate([read_tracks(clips, bucket, i) for i in indices])
    return Sketches(boxes, tuple(descriptions))


def of_one_shot(sketches: Sketches) -> Sketches:
    """Those without a cut."""
    kept = [i for i, description in enumerate(sketches.descriptions) if description.next_shot is None]
    return Sketches(sketches.boxes[kept], tuple(sketches.descriptions[i] for i in kept))


def in_canonical_order(tracks: Tracks, descriptions: Sequence[SceneDescription], num_objects: int) -> Tracks:
    """So many objects of each clip of one shot, in canonical order."""
    orders = torch.zeros(len(descriptions), num_objects, dtype=torch.long)
    for row, description in zip(orders, descriptions, strict=True):
        order = canonical_order(description.objects)
        absent = range(len(order), num_objects)
        row[:] = torch.tensor([*order, *absent][:num_objects])
    rows = torch.arange(len(orders))[:, None]
    boxes = tracks.boxes.transpose(1, 2)[rows, orders].transpose(1, 2)
    return Tracks(boxes, tracks.looks[rows, orders], tracks.present[rows, orders])


def _looks(descriptions: Sequence[SceneDescription], num_objects: int) -> tuple[Tensor, Tensor]:
    """Looks (b o looks) and presence (b o) of the objects of all shots, in their order."""
    looks = torch.zeros(len(descriptions), num_objects, sum(LOOK_SIZES))
    present = torch.zeros(len(descriptions), num_objects)
    offsets = np.cumsum((0, *LOOK_SIZES[:-1]))
    for row, description in enumerate(descriptions):
        for place, thing in enumerate(_all_objects(description)):
            present[row, place] = 1
            looks[row, place, list(offsets + look_classes(thing))] = 1
    return looks, present


def _all_objects(description: SceneDescription) -> list[ObjectDescription]:
    shot: SceneDescription | None = description
    objects: list[ObjectDescription] = []
    while shot is not None:
        objects += shot.objects
        shot = shot.next_shot
    return objects
