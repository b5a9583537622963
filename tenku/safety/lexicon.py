"""Groups of terms, and where a text holds them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise, product
from operator import add
from typing import Final, NamedTuple

from tenku.safety.folding import fold
from tenku.safety.words import BREAKS, Vocabulary, joins, readings, words_of

HARMLESS: Final = "harmless"  # its terms hide what lies within them: "shoot hoops", "blood orange"
NEGATION: Final = "negation"  # its terms undo what follows: "no", "without"
_LEAST_PREFIX: Final = 3
_KNOWN_WORDS_KEPT: Final = 1 << 15
_NEGATION_REACH: Final = 2  # words between "without" and what it undoes


class _Node:
    """Where some words of a term lead."""

    __slots__ = ("following", "groups")

    def __init__(self) -> None:
        self.following: dict[str, _Node] = {}
        self.groups: list[str] = []  # of the terms that end here


class Sighting(NamedTuple):
    """A term in a text: from which word to which, and how far from the start in half words."""

    first: int
    end: int
    place: int
    end_place: int
    negated: bool

    def gap_to(self, other: "Sighting") -> int:
        """Half words between the two, negative where they overlap."""
        return max(self.place, other.place) - min(self.end_place, other.end_place)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A text's words, and the sightings of each group in their order."""

    words: tuple[str, ...]
    sightings: Mapping[str, Sequence[Sighting]]

    def said(self, sighting: Sighting) -> str:
        """The words of a sighting."""
        return " ".join(self.words[sighting.first : sighting.end])


class Lexicon:
    """Finds all terms of all groups in one walk over the text's words.

    A term is words, "/" between alternatives, "+" within one, "_" for none: "kill/dim the/all+the/_ lights".
    A word stands for its inflections too; "=word" for itself only, "word*" for whatever begins so.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._root = _Node()
        self._vocabulary = Vocabulary()
        self._prefixes: set[str] = set()  # with which terms of the kind "word*" begin
        self._pairs: set[str] = set()  # with which terms of Chinese characters begin
        for group, terms in groups.items():
            for term in terms:
                for words in spelt_out(term):
                    self._add(group, words)
        self._known = lru_cache(_KNOWN_WORDS_KEPT)(self._look_up)

    def read(self, text: str) -> Reading:
        """Find everything in a text."""
        found = words_of(fold(text), self._vocabulary)
        words = [word for word in found if word not in BREAKS]
        before = (place for place, word in enumerate(found) if word in BREAKS)
        breaks = {place - earlier for earlier, place in enumerate(before)}
        return _reading(words, breaks, list(self._terms(words)))

    def _add(self, group: str, words: Sequence[str]) -> None:
        node = self._root
        for word in words:
            node = node.following.setdefault(word, _Node())
            self._vocabulary.add(word)
            if word.endswith("*"):
                self._prefixes.add(word[:_LEAST_PREFIX])
        node.groups.append(group)
        self._pairs.add("".join(words[:2]))

    def _terms(self, words: Sequence[str]) -> Iterator[tuple[str, int, int]]:
        """Groups with the first word and the end of each of their terms."""
        known = {word: self._known(word) for word in set(words)}
        joined = dict(self._joined(words))
        for first in self._starts(words, known, joined):
            ways = [(self._root, first)]
            for node, place in ways:  # grows on the way
                for group in node.groups:
                    yield group, first, place
                if place < len(words):
                    ahead = node.following
                    ways += [(ahead[word], place + 1) for word in known[words[place]] if word in ahead]
                    if place in joined:
                        ways += [(ahead[word], place + 2) for word in joined[place] if word in ahead]

    def _starts(
        self, words: Sequence[str], known: Mapping[str, Sequence[str]], joined: Mapping[int, Sequence[str]]
    ) -> Iterator[int]:
        """Places where a term may begin; most Chinese ones are ruled out by the character after them."""
        begins = self._root.following
        alone = {
            word
            for word, readings_of_it in known.items()
            if any(form in begins and (word.isascii() or begins[form].groups) for form in readings_of_it)
        }
        pairs = map(add, words, [*words[1:], ""])
        for place, (word, pair) in enumerate(zip(words, pairs, strict=True)):
            if word in alone or pair in self._pairs or place in joined:
                yield place

    def _joined(self, words: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """Known words that were taken apart into two, with the place of the first part."""
        for place, (word, following) in enumerate(pairwise(words)):
            if word.isascii() and (known := self._known(joins(word, following))):
                yield place, known

    def _look_up(self, word: str) -> tuple[str, ...]:
        known = self._vocabulary.words
        if not word.isascii():
            return (word,) if word in known else ()
        wild = set(self._vocabulary.with_wildcards(word)) if "*" in word else set()
        forms = readings(word) | wild | {f"={spelling}" for spelling in wild | {word}}
        for form in [form for form in forms if form[:_LEAST_PREFIX] in self._prefixes]:
            forms |= {f"{form[:end]}*" for end in range(_LEAST_PREFIX, len(form) + 1)}
        return tuple(sorted(forms & known))


def spelt_out(term: str) -> Iterator[tuple[str, ...]]:
    """Every row of words that a term stands for."""
    for choice in product(*(slot.split("/") for slot in term.split())):
        parts = [part for alternative in choice if alternative != "_" for part in alternative.split("+")]
        words = tuple(word for part in parts for word in _words_of_term(part))
        if not words:
            raise ValueError(f"the term {term!r} may be empty")
        yield words


def _words_of_term(part: str) -> Iterator[str]:
    mark_before, mark_after = "=" * part.startswith("="), "*" * part.endswith("*")
    words = (word for word in words_of(fold(part.strip("=*"))) if word not in BREAKS)
    return (f"{mark_before}{word}{mark_after}" for word in words)


def _reading(words: list[str], breaks: set[int], terms: list[tuple[str, int, int]]) -> Reading:
    places = [0, *accumulate(2 if word.isascii() else 1 for word in words)]
    hidden = _hidden([(first, end) for group, first, end in terms if group == HARMLESS], breaks)
    seen = [term for term in terms if term[0] != HARMLESS and not _lies_in(hidden, term[1], term[2])]
    undone = _undone((end for group, _, end in seen if group == NEGATION), breaks)
    sightings = defaultdict(list)
    for group, first, end in seen:
        sightings[group].append(Sighting(first, end, places[first], places[end], first in undone))
    return Reading(words=tuple(words), sightings={group: sorted(found) for group, found in sightings.items()})


def _hidden(spans: list[tuple[int, int]], breaks: set[int]) -> dict[int, int]:
    """For each word within a harmless term, where the term ends; a term over a break hides nothing."""
    hidden: dict[int, int] = {}
    for first, end in spans:
        if breaks.isdisjoint(range(first + 1, end)):
            for place in range(first, end):
                hidden[place] = max(end, hidden.get(place, 0))
    return hidden


def _lies_in(hidden: Mapping[int, int], first: int, end: int) -> bool:
    return hidden.get(first, 0) >= end


def _undone(ends: Iterator[int], breaks: set[int]) -> set[int]:
    """Words that stand right after a negation."""
    undone = set()
    for end in ends:
        for place in range(end, end + _NEGATION_REACH + 1):
            if place in breaks:
                break
            undone.add(place)
    return undone
