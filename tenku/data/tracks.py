"""Sketches of simulated clips: where everything is and what it is called, without a single pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from tenku.data.clips import Bucket, read_descriptions, read_tracks
from tenku.denoiser import TrackConfig
from tenku.timeline import Tracks
from tenku.worlds.camera import FIELD_OF_VIEW
from tenku.worlds.description import ObjectDescription, SceneDescription
from tenku.worlds.tracks import TRACK_DISTANCE
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

LOOK_SIZES: Final = (len(COLOURS), len(SHAPES), len(MATERIALS), len(SIZES))


def track_config(frames_per_latent: int) -> TrackConfig:
    """How tracks of simulated clips are packed."""
    return TrackConfig(
        look_sizes=LOOK_SIZES,
        frames_per_latent=frames_per_latent,
        distance=TRACK_DISTANCE,
        tan_half_view=math.tan(FIELD_OF_VIEW / 2),
    )


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
    """Poses (n t o POSE_SIZE) and settings (n t SETTING_SIZE) of many clips, and what they show."""

    poses: npt.NDArray[np.float16]
    settings: npt.NDArray[np.float32]
    descriptions: tuple[SceneDescription, ...]
    # Found once, for every step asks: which have no cut, looks (n o looks) and presence (n o).
    of_one_shot: list[int] = field(init=False)
    looks: npt.NDArray[np.float32] = field(init=False)
    present: npt.NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        uncut = [i for i, description in enumerate(self.descriptions) if description.next_shot is None]
        object.__setattr__(self, "of_one_shot", uncut)
        looks, present = _looks(self.descriptions, self.poses.shape[2])
        object.__setattr__(self, "looks", looks)
        object.__setattr__(self, "present", present)

    def __len__(self) -> int:
        return len(self.descriptions)

    def mirrored(self, chosen: Sequence[int], generator: torch.Generator) -> list[bool]:
        """Which of some to take mirrored: half of those that can be. Planks have no mirror image."""
        wished = torch.randint(2, (len(chosen),), generator=generator).tolist()
        return [
            bool(wish) and not _any_wooden(self.descriptions[i])
            for i, wish in zip(chosen, wished, strict=True)
        ]

    def take(self, chosen: Sequence[int], mirrored: Sequence[bool]) -> tuple[Tracks, list[SceneDescription]]:
        """Some of them, mirrored where said."""
        descriptions = [
            self.descriptions[i].mirrored() if flip else self.descriptions[i]
            for i, flip in zip(chosen, mirrored, strict=True)
        ]
        rows = list(chosen)
        parts = (self.poses[rows], self.looks[rows], self.present[rows], self.settings[rows])
        tracks = Tracks(*(torch.as_tensor(part).float() for part in parts))
        return tracks.mirrored(torch.tensor(list(mirrored), dtype=torch.bool)), descriptions


def load_sketches(clips: Path, bucket: Bucket, indices: Sequence[int]) -> Sketches:
    """The sketches of some chunks of a bucket."""
    descriptions = [d for i in indices for d in read_descriptions(clips, bucket, i)]
    poses, settings = zip(*(read_tracks(clips, bucket, i) for i in indices), strict=True)
    return Sketches(np.concatenate(poses), np.concatenate(settings), tuple(descriptions))


def of_one_shot(sketches: Sketches) -> Sketches:
    """Those without a cut."""
    kept = sketches.of_one_shot
    descriptions = tuple(sketches.descriptions[i] for i in kept)
    return Sketches(sketches.poses[kept], sketches.settings[kept], descriptions)


def in_canonical_order(tracks: Tracks, descriptions: Sequence[SceneDescription], num_objects: int) -> Tracks:
    """So many objects of each clip of one shot, in canonical order."""
    orders = torch.zeros(len(descriptions), num_objects, dtype=torch.long)
    for row, description in zip(orders, descriptions, strict=True):
        order = canonical_order(description.objects)
        absent = range(len(order), num_objects)
        row[:] = torch.tensor([*order, *absent][:num_objects])
    rows = torch.arange(len(orders))[:, None]
    poses = tracks.poses.transpose(1, 2)[rows, orders].transpose(1, 2)
    return Tracks(poses, tracks.looks[rows, orders], tracks.present[rows, orders], tracks.settings)


def _looks(
    descriptions: Sequence[SceneDescription], num_objects: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Looks (n o looks) and presence (n o) of the objects of all shots, in their order."""
    looks = np.zeros((len(descriptions), num_objects, sum(LOOK_SIZES)), np.float32)
    present = np.zeros((len(descriptions), num_objects), np.float32)
    offsets = np.cumsum((0, *LOOK_SIZES[:-1]))
    for row, description in enumerate(descriptions):
        for place, thing in enumerate(_all_objects(description)):
            present[row, place] = 1
            looks[row, place, offsets + look_classes(thing)] = 1
    return looks, present


def _any_wooden(description: SceneDescription) -> bool:
    following = description.next_shot
    return description.floor == "wooden" or (following is not None and _any_wooden(following))


def _all_objects(description: SceneDescription) -> list[ObjectDescription]:
    shot: SceneDescription | None = description
    objects: list[ObjectDescription] = []
    while shot is not None:
        objects += shot.objects
        shot = shot.next_shot
    return objects
