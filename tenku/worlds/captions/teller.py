"""What telling a plan has in common in every language."""

from collections.abc import Sequence
from typing import Literal, TypeVar

from tenku.worlds.captions.dice import Dice
from tenku.worlds.captions.grouping import Clause, Plan
from tenku.worlds.vocabulary import RelationKind

K = TypeVar("K")
V = TypeVar("V")
Style = Literal["tags", "phrase", "direct", "introduced"]
Join = Literal["then", "together", "while", "and", "stop", "stop then"]

_PLAINNESS = 0.85  # how often a plain caption takes the plainest word


class Teller:
    """Tells one shot; remembers which words it chose and which groups it has already mentioned."""

    stop: str  # what ends a sentence within a caption
    joining: float  # how often two clauses make one sentence

    def __init__(self, plan: Plan, dice: Dice, *, in_cut: bool = False) -> None:
        self.plan = plan
        self.dice = dice
        self._in_cut = in_cut
        self._is_plain = dice.chance(0.5)
        self._floor_is_told = plan.floor is None
        self._introduced: set[int] = set()
        self._lexicon: dict[tuple[int, object], object] = {}

    def _usual(self, options: Sequence[V]) -> V:
        """One of the options; half of the captions keep to the plainest words."""
        if self._is_plain and self.dice.chance(_PLAINNESS):
            return options[0]
        return self.dice.pick(options)

    def _word(self, table: dict[K, tuple[V, ...]], key: K) -> V:
        """The same word for the same thing throughout a caption."""
        place = (id(table), key)
        if place not in self._lexicon:
            self._lexicon[place] = self._usual(table[key])
        return self._lexicon[place]  # type: ignore[return-value]

    def _is_plural(self, places: Sequence[int]) -> bool:
        return sum(self.plan.groups[place].count for place in places) > 1

    def _is_another(self, place: int) -> bool:
        """Whether something was mentioned that this group might be taken for."""
        group = self.plan.groups[place]
        others = (self.plan.groups[other] for other in self._introduced)
        return any(other.kind == group.kind and not other.is_told_apart(group) for other in others)

    def _can_list_colours(self, places: Sequence[int]) -> bool:
        return self.plan.can_list_colours(places) and not self._introduced.intersection(places)

    def _relation_for(self, clause: Clause) -> tuple[RelationKind, int] | None:
        return self.plan.relation_for(clause, self._introduced, self.dice)

    def _join_of(self, previous: Clause, clause: Clause, joined: int, piece: str) -> Join:
        """How a clause follows another; `joined` counts those already joined in the sentence."""
        later = clause.is_clearly_after(previous)
        if joined or self.stop in piece or not self.dice.chance(self.joining):
            return "stop then" if later else "stop"
        if later and self.dice.chance(0.75):
            return "then"
        if clause.is_together_with(previous) and self.dice.chance(0.5):
            return "together"
        waits = clause.is_static and clause.events and not previous.is_static
        return "while" if waits and self.dice.chance(0.4) else "and"
