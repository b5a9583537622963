"""What a clip shows, in words' terms: the bridge between simulated truth and captions."""

from dataclasses import dataclass, replace
from typing import Any, Self

from tenku.worlds.vocabulary import (
    CameraMove,
    Colour,
    Direction,
    EventKind,
    Floor,
    Material,
    RelationKind,
    Shape,
    Size,
)

_MIRRORED_DIRECTION: dict[Direction, Direction] = {
    "left": "right",
    "right": "left",
    "front": "front",
    "back": "back",
}
_MIRRORED_RELATION: dict[RelationKind, RelationKind] = {
    "left_of": "right_of",
    "right_of": "left_of",
    "in_front_of": "in_front_of",
    "behind": "behind",
}
_MIRRORED_CAMERA: dict[CameraMove, CameraMove] = {
    "still": "still",
    "orbits_left": "orbits_right",
    "orbits_right": "orbits_left",
    "moves_in": "moves_in",
    "moves_out": "moves_out",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something an object visibly does.

    `direction` is where it comes from as the camera of the first frame sees it (rolls_in, slides_in only).
    `target` is the index of the object that is hit (hits only). `seconds` is when it begins.
    """

    kind: EventKind
    direction: Direction | None = None
    target: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if (self.direction is not None) != (self.kind in ("rolls_in", "slides_in")):
            raise ValueError(f"an event that {self.kind} cannot have direction {self.direction!r}")
        if (self.target is not None) != (self.kind == "hits"):
            raise ValueError(f"an event that {self.kind} cannot have target {self.target!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectDescription:
    """One visible object and its events in the order in which they happen."""

    colour: Colour
    shape: Shape
    material: Material
    size: Size
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Relation:
    """`first` stands `kind` of `second`, clearly enough to say so, for the camera of the first frame."""

    kind: RelationKind
    first: int
    second: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneDescription:
    """Everything true and visible in one shot; `next_shot` is what follows after a cut.

    A picture (one frame) has no events but "falls" for an object in mid-air, and camera "still".
    """

    objects: tuple[ObjectDescription, ...]
    floor: Floor
    camera: CameraMove = "still"
    relations: tuple[Relation, ...] = ()
    is_picture: bool = False
    next_shot: "SceneDescription | None" = None

    def mirrored(self) -> Self:
        """The description of the same clip flipped left to right."""
        objects = tuple(
            replace(
                thing,
                events=tuple(
                    replace(event, direction=_MIRRORED_DIRECTION[event.direction])
                    if event.direction is not None
                    else event
                    for event in thing.events
                ),
            )
            for thing in self.objects
        )
        relations = tuple(
            replace(relation, kind=_MIRRORED_RELATION[relation.kind]) for relation in self.relations
        )
        return replace(
            self,
            objects=objects,
            camera=_MIRRORED_CAMERA[self.camera],
            relations=relations,
            next_shot=self.next_shot.mirrored() if self.next_shot is not None else None,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`, from JSON."""
        objects = tuple(
            ObjectDescription(**{**thing, "events": tuple(Event(**event) for event in thing["events"])})
            for thing in values["objects"]
        )
        following = values.get("next_shot")
        return cls(
            **{
                **values,
                "objects": objects,
                "relations": tuple(Relation(**relation) for relation in values["relations"]),
                "next_shot": cls.from_dict(following) if following else None,
            }
        )
