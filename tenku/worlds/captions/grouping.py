"""What a caption tells, before any language: which objects, attributes and events, in what groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tenku.worlds.captions.dice import Dice
from tenku.worlds.description import Event, SceneDescription
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

ToldKind = EventKind | Literal["is_hit", "stays", "comes_to_rest"]
_CLEARLY_LATER = 0.25  # seconds between two beginnings before a caption may say "then"

INVERSE_RELATION: dict[RelationKind, RelationKind] = {
    "left_of": "right_of",
    "right_of": "left_of",
    "in_front_of": "behind",
    "behind": "in_front_of",
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event as told; `other` is the object that is hit, or that hits (is_hit)."""

    kind: ToldKind
    direction: Direction | None
    other: int | None


@dataclass(frozen=True, slots=True)
class Group:
    """Objects that are equal as far as the caption tells: "two small red balls"."""

    members: tuple[int, ...]
    colour: Colour
    shape: Shape
    material: Material | None
    size: Size | None

    @property
    def count(self) -> int:
        """How many objects."""
        return len(self.members)

    @property
    def kind(self) -> tuple[Colour, Shape]:
        """What every caption tells of an object."""
        return self.colour, self.shape

    def is_told_apart(self, other: "Group") -> bool:
        """Whether the two are told with different sizes or materials."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in ((self.size, other.size), (self.material, other.material))
        )


@dataclass(frozen=True, slots=True)
class Clause:
    """Groups that do the same things; no events means that they are merely there."""

    groups: tuple[int, ...]
    events: tuple[Told, ...]
    begins: float
    ends: float  # when the last event begins

    @property
    def is_static(self) -> bool:
        """Whether nothing moves in it."""
        return all(event.kind in ("rests", "stays") for event in self.events)

    @property
    def can_be_split(self) -> bool:
        """Whether "it" after the first event would be clear."""
        return len(self.events) > 1 and self.events[0].other is None and not self.is_static

    def is_clearly_after(self, other: "Clause") -> bool:
        """Whether a caption may say "then" between the two."""
        return not self.is_static and not other.is_static and self.begins > other.ends + _CLEARLY_LATER

    def is_together_with(self, other: "Clause") -> bool:
        """Whether a caption may say "at the same time" of the two."""
        return (
            not self.is_static
            and not other.is_static
            and abs(self.begins - other.begins) <= _CLEARLY_LATER
            and abs(self.ends - other.ends) <= 2 * _CLEARLY_LATER
        )


@dataclass(slots=True)
class Plan:
    """Everything one caption tells of one shot."""

    groups: list[Group]
    clauses: list[Clause]
    relations: list[tuple[RelationKind, int, int]]  # between groups of one object
    floor: Floor | None
    camera: CameraMove | None
    is_picture: bool
    kinds: Counter[tuple[Colour, Shape]] = field(init=False)
    shapes: Counter[Shape] = field(init=False)

    def __post_init__(self) -> None:
        """Count how often each kind of object is told, to know which "the red ball" is clear."""
        self.kinds = Counter()
        self.shapes = Counter()
        for group in self.groups:
            self.kinds[group.kind] += group.count
            self.shapes[group.shape] += group.count

    def is_unique(self, group: Group) -> bool:
        """Whether colour and shape alone say which group is meant."""
        return self.kinds[group.kind] == group.count

    def has_unique_shape(self, group: Group) -> bool:
        """Whether the shape alone says which group is meant."""
        return self.shapes[group.shape] == group.count

    @property
    def is_unambiguous(self) -> bool:
        """Whether every group can be called "the …" once introduced."""
        return all(self.is_unique(group) for group in self.groups)

    def can_list_colours(self, places: Sequence[int]) -> bool:
        """Whether these are all objects of one shape, differing in colour only."""
        groups = [self.groups[place] for place in places]
        first = groups[0]
        return (
            len(groups) > 1
            and len({group.colour for group in groups}) == len(groups)
            and all(
                (group.shape, group.material, group.size) == (first.shape, first.material, first.size)
                for group in groups
            )
            and self.shapes[first.shape] == sum(group.count for group in groups)
        )

    def relation_for(
        self, clause: Clause, introduced: set[int], dice: Dice
    ) -> tuple[RelationKind, int] | None:
        """A relation of the clause's only object to another, where neither is mentioned yet."""
        if len(clause.groups) != 1 or clause.groups[0] in introduced:
            return None
        for kind, first, second in dice.shuffled(self.relations):
            if clause.groups[0] == second:
                kind, first, second = INVERSE_RELATION[kind], second, first
            if clause.groups[0] == first and second not in introduced:
                return kind, second
        return None

    def is_merely_there(self, place: int) -> bool:
        """Whether nothing needs to be said of the group but that it is there."""
        return all(clause.is_static for clause in self.clauses if place in clause.groups)

    def waiting_clauses(self, place: int, but: Clause) -> list[int]:
        """The clauses that need not be told once this group is mentioned."""
        return [
            position
            for position, clause in enumerate(self.clauses)
            if clause.groups == (place,) and clause is not but and clause.is_static
        ]


@dataclass(slots=True)
class _Telling:
    """One object on its way into a group."""

    material: Material | None
    size: Size | None
    events: list[tuple[float, Told]]


def complete_plan(description: SceneDescription) -> Plan:
    """Tell everything."""
    tellings = {
        index: _Telling(thing.material, thing.size, _events_of(description, index))
        for index, thing in enumerate(description.objects)
    }
    return _assemble(description, tellings, merge=True, floor=True, camera=description.camera != "still")


def random_plan(description: SceneDescription, dice: Dice) -> Plan:
    """Tell every object with colour and shape, and a random part of the rest.

    No object is left out: who asks for one thing does not want to see two.
    """
    tellings = _attributes(description, dice)
    _choose_events(description, tellings, dice)
    if not description.is_picture and dice.chance(0.3):
        _turn_hits_around(tellings)
    plan = _assemble(
        description,
        tellings,
        merge=dice.chance(0.75),
        floor=dice.chance(0.3 if description.floor == "plain" else 0.65),
        camera=dice.chance(0.06 if description.camera == "still" else 0.75),
    )
    if dice.chance(0.5):
        _move_waiting(plan, dice)
    return plan


def _attributes(description: SceneDescription, dice: Dice) -> dict[int, _Telling]:
    material_rate = dice.pick((0.0, 0.5, 1.0, 1.0))
    size_rate = dice.pick((0.0, 0.0, 0.5, 1.0))
    tellings = {}
    for index, thing in enumerate(description.objects):
        tellings[index] = _Telling(
            thing.material if dice.chance(material_rate) else None,
            thing.size if dice.chance(size_rate) else None,
            [],
        )
    return tellings


def _events_of(description: SceneDescription, index: int) -> list[tuple[float, Told]]:
    """Events as told: each once, and rest after a motion is coming to rest."""
    told: list[tuple[float, Told]] = []
    for place, event in enumerate(description.objects[index].events):
        kind: ToldKind = "comes_to_rest" if event.kind == "rests" and place > 0 else event.kind
        if event.target is not None and _is_told_by_the_other(description, index, event):
            continue
        new = Told(kind, event.direction, event.target)
        if all(new != old for _, old in told):
            told.append((event.seconds, new))
    return told


def _is_told_by_the_other(description: SceneDescription, index: int, event: Event) -> bool:
    """Whether the same hit is also an event of what is hit: then only the first to begin tells it."""
    assert event.target is not None
    return any(
        other.target == index
        and abs(other.seconds - event.seconds) < _CLEARLY_LATER
        and (other.seconds, event.target) < (event.seconds, index)
        for other in description.objects[event.target].events
    )


def _choose_events(description: SceneDescription, tellings: dict[int, _Telling], dice: Dice) -> None:
    """Tell all events (mostly), some, or none."""
    event_rate = dice.pick((1.0, 1.0, 1.0, 1.0, 1.0, 0.6, 0.0))
    direction_rate = dice.pick((1.0, 1.0, 1.0, 0.0))
    hit = {event.target for thing in description.objects for event in thing.events}
    stays = dice.chance(0.4)
    for index, telling in tellings.items():
        events = _events_of(description, index)
        if stays and index not in hit and [told.kind for _, told in events] == ["rests"]:
            events = [(0.0, Told("stays", None, None))]
        for seconds, told in events:
            if not dice.chance(event_rate):
                continue
            if told.direction is not None and not dice.chance(direction_rate):
                told = Told(told.kind, None, None)
            telling.events.append((seconds, told))


def _turn_hits_around(tellings: dict[int, _Telling]) -> None:
    """Tell a hit from the side of what is hit, where its place among that object's events is clear."""
    for index, telling in tellings.items():
        for seconds, told in tuple(telling.events):
            if told.kind != "hits" or told.other is None:
                continue
            target = tellings[told.other]
            moves = [begin for begin, other in target.events if other.kind != "rests"]
            if any(abs(begin - seconds) < _CLEARLY_LATER for begin in moves):
                continue
            telling.events.remove((seconds, told))
            target.events.append((seconds, Told("is_hit", None, index)))
            target.events.sort(key=lambda timed: timed[0])


def _move_waiting(plan: Plan, dice: Dice) -> None:
    """What only waits, and is not hit, may be told at any time."""
    hit = {event.other for clause in plan.clauses for event in clause.events}
    waiting = [clause for clause in plan.clauses if clause.is_static and not hit.intersection(clause.groups)]
    plan.clauses = [clause for clause in plan.clauses if clause not in waiting]
    for clause in waiting:
        plan.clauses.insert(dice.pick(range(len(plan.clauses) + 1)), clause)


def _assemble(
    description: SceneDescription,
    tellings: dict[int, _Telling],
    *,
    merge: bool,
    floor: bool,
    camera: bool,
) -> Plan:
    pinned = {told.other for telling in tellings.values() for _, told in telling.events}
    buckets: dict[object, list[int]] = {}
    for index, telling in tellings.items():
        thing = description.objects[index]
        events = tuple(told for _, told in telling.events)
        alone = index if not merge or index in pinned else None
        key = (thing.colour, thing.shape, telling.material, telling.size, events, alone)
        buckets.setdefault(key, []).append(index)
    groups: list[Group] = []
    group_of: dict[int, int] = {}
    for members in buckets.values():
        for index in members:
            group_of[index] = len(groups)
        first = members[0]
        thing, telling = description.objects[first], tellings[first]
        groups.append(Group(tuple(members), thing.colour, thing.shape, telling.material, telling.size))
    return Plan(
        groups=groups,
        clauses=_clauses(groups, group_of, tellings, merge),
        relations=_relations(description, groups, group_of),
        floor=description.floor if floor else None,
        camera=description.camera if camera else None,
        is_picture=description.is_picture,
    )


def _relations(
    description: SceneDescription, groups: list[Group], group_of: dict[int, int]
) -> list[tuple[RelationKind, int, int]]:
    """Relations between objects told alone, of which neither moves in: that would leave its first place."""
    stands = {
        index
        for index, thing in enumerate(description.objects)
        if index in group_of
        and groups[group_of[index]].count == 1
        and all(event.direction is None for event in thing.events)
    }
    return [
        (relation.kind, group_of[relation.first], group_of[relation.second])
        for relation in description.relations
        if relation.first in stands and relation.second in stands
    ]


def _clauses(
    groups: list[Group], group_of: dict[int, int], tellings: dict[int, _Telling], merge: bool
) -> list[Clause]:
    """One clause per group, or one for all groups that do the same, in the order in which they begin."""
    buckets: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        events = tuple(told for _, told in tellings[group.members[0]].events)
        buckets.setdefault((events, None if merge else place), []).append(place)
    clauses = []
    for places in buckets.values():
        timed = [tellings[index].events for place in places for index in groups[place].members]
        events = tuple(
            Told(told.kind, told.direction, None if told.other is None else group_of[told.other])
            for _, told in timed[0]
        )
        clauses.append(
            Clause(
                groups=tuple(places),
                events=events,
                begins=min((moments[0][0] for moments in timed if moments), default=0.0),
                ends=max((moments[-1][0] for moments in timed if moments), default=0.0),
            )
        )
    begins = {place: clause.begins for clause in clauses if clause.events for place in clause.groups}

    def place_in_order(clause: Clause) -> tuple[float, int]:
        """By beginning, what waits first; but what is hit comes after what hits it."""
        hits = [begins.get(event.other or 0, 0.0) for event in clause.events if event.kind == "is_hit"]
        return max([clause.begins, *hits]), 2 if hits else int(not clause.is_static)

    clauses.sort(key=place_in_order)
    return clauses
