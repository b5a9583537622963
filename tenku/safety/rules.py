"""Rules as data: which groups of terms, near each other, are a finding."""

import tomllib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from tenku.safety.judgement import Category, Finding
from tenku.safety.lexicon import HARMLESS, Lexicon, Reading, Sighting

_LANGUAGES: Final = ("en", "zh")
_LONGEST_TERM: Final = 24  # half words


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A finding where a sighting of the first of `groups` has one of each other within reach.

    Each of `groups` is alternatives. A group of `unless` excuses a sighting of the first that it is near.
    """

    category: Category
    name: str
    groups: tuple[tuple[str, ...], ...]
    within: int = 6  # words; two Chinese characters count as one
    ordered: bool = False  # the others come after the first
    negatable: bool = True  # "without blood" is not blood
    unless: tuple[str, ...] = ()
    unless_within: int = 12

    def find(self, reading: Reading) -> Finding | None:
        """The first place where the rule holds."""
        if not all(any(group in reading.sightings for group in alternatives) for alternatives in self.groups):
            return None
        candidates = [self._sightings(reading, alternatives) for alternatives in self.groups]
        excuses = sorted(sighting for group in self.unless for sighting in reading.sightings.get(group, ()))
        for first in candidates[0]:
            if _nearest(first, excuses, self.unless_within, least_gap=-_LONGEST_TERM) is None:
                together = self._together(first, candidates[1:])
                if together is not None:
                    return self._finding(reading, together)
        return None

    def _together(self, first: Sighting, candidates: Sequence[Sequence[Sighting]]) -> list[Sighting] | None:
        together = [first]
        for others in candidates:
            if (other := _nearest(first, others, self.within, ordered=self.ordered)) is None:
                return None
            together.append(other)
        return together

    def _sightings(self, reading: Reading, alternatives: Sequence[str]) -> list[Sighting]:
        found = [sighting for group in alternatives for sighting in reading.sightings.get(group, ())]
        return sorted(sighting for sighting in found if not (self.negatable and sighting.negated))

    def _finding(self, reading: Reading, together: Sequence[Sighting]) -> Finding:
        return Finding(
            category=self.category,
            rule=f"{self.category}/{self.name}",
            matched=tuple(reading.said(sighting) for sighting in together),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleBook:
    """All rules with the terms they speak of; a `PromptCheck`."""

    groups: Mapping[str, Sequence[str]]
    rules: tuple[Rule, ...]
    _lexicon: Lexicon = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for rule in self.rules:
            for group in (*sum(rule.groups, ()), *rule.unless):
                if group not in self.groups:
                    raise ValueError(f"{rule.category}/{rule.name} speaks of {group!r}, which is no group")
        object.__setattr__(self, "_lexicon", Lexicon(self.groups))

    def find(self, text: str, /) -> Sequence[Finding]:
        """One finding for each rule that holds."""
        reading = self._lexicon.read(text)
        return [finding for rule in self.rules if (finding := rule.find(reading)) is not None]


@cache
def shipped_rules() -> RuleBook:
    """The rules in the package's `safety/rules/*.toml`."""
    folder = resources.files("tenku.safety") / "rules"
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".toml")}
    return rule_book(tomllib.loads(texts[name]) for name in sorted(texts))


def rule_book(files: Iterator[Mapping[str, Any]]) -> RuleBook:
    """Rules from what files say under `category`, `harmless`, `groups` and `rules`; groups belong to all."""
    groups: dict[str, list[str]] = defaultdict(list)
    rules: list[Rule] = []
    for file in files:
        groups[HARMLESS] += _terms(file.get("harmless", {}))
        for name, languages in file.get("groups", {}).items():
            if name in groups:
                raise ValueError(f"there are two groups {name!r}")
            groups[name] = _terms(languages)
        rules += [_rule(Category(file["category"]), entry) for entry in file.get("rules", ())]
    return RuleBook(groups=dict(groups), rules=tuple(rules))


def _terms(languages: Mapping[str, str]) -> list[str]:
    """Terms are separated by commas or lines."""
    if unknown := set(languages) - set(_LANGUAGES):
        raise ValueError(f"there are no terms in {', '.join(sorted(unknown))}; choose from {_LANGUAGES}")
    lines = ",".join(languages.values()).replace("\n", ",").split(",")
    return [term for line in lines if (term := line.strip())]


def _rule(category: Category, entry: Mapping[str, Any]) -> Rule:
    """`all` names the groups, with "|" between alternatives."""
    others = {key: value for key, value in entry.items() if key not in ("all", "unless")}
    return Rule(
        category=category,
        groups=tuple(tuple(group.split("|")) for group in entry["all"]),
        unless=tuple(entry.get("unless", ())),
        **others,
    )


def _nearest(
    sighting: Sighting, others: Sequence[Sighting], within: int, *, ordered: bool = False, least_gap: int = 0
) -> Sighting | None:
    """Some other sighting at most `within` words away, and at least `least_gap` half words."""
    earliest = sighting.place if ordered else sighting.place - 2 * within - _LONGEST_TERM
    start = bisect_left(others, earliest, key=lambda other: other.place)
    for place in range(start, len(others)):
        other = others[place]
        if other.place > sighting.end_place + 2 * within:
            return None
        if least_gap <= sighting.gap_to(other) <= 2 * within:
            return other
    return None
