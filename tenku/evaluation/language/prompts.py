"""The prompts of the language suite: what each asks for, in words, with a true clip of just that."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np

from tenku.evaluation.language import wording, words
from tenku.evaluation.language.asked import Place, Wanted
from tenku.evaluation.language.scenes import (
    Filmed,
    film,
    moved_by,
    of_kinds,
    one_after_another,
    stacked,
    stage,
    without_events,
)
from tenku.worlds.captions import plain_prompt
from tenku.worlds.captions.sampling import Pairs
from tenku.worlds.description import Event, Relation, SceneDescription
from tenku.worlds.scene import WorldConfig
from tenku.worlds.vocabulary import CAMERA_MOVES, Language

Category = Literal[
    "binding",
    "count",
    "relation",
    "order",
    "camera",
    "negation",
    "plain",
    "plain, Chinese",
    "known words, said otherwise",
    "words nobody trained on",
    "five sentences",
    "typing errors",
    "English with Chinese in it",
]
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)

FIRST_SEED: Final = 110_000_000
SEEDS_PER_RUN: Final = 100_000
_SEEDS_PER_CATEGORY: Final = 1_000
_PAIRS: Final[tuple[Pairs, Pairs]] = ("seen", "held_out")
_RESTATED: Final = CATEGORIES[6:]  # the same scenes, in ever other words
# How many prompts there are of each category in the whole suite.
_NUMBERS: Final[Mapping[Category, int]] = MappingProxyType(
    {
        "binding": 100,
        "count": 80,
        "relation": 100,
        "order": 80,
        "camera": 80,
        "negation": 80,
        **dict.fromkeys(_RESTATED, 90),
    }
)
WHOLE: Final = sum(_NUMBERS.values())
_PLACES: Final[tuple[Place, ...]] = ("left_of", "behind", "on_top_of", "right_of", "in_front_of")
_COUNTS: Final = ((2,), (3,), (1, 2), (4,), (2, 1), (1, 1), (2, 2), (3, 1), (1,))
_FALLING: Final = {"falls": 0.5, "rolls_in": 0.35, "slides_in": 0.25, "rests": 0.1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A prompt, what must be true of its video, a true clip (t h w 3), and the seed to generate with."""

    text: str
    category: Category
    language: Language
    pairs: Pairs
    wanted: Wanted
    true: Filmed
    seed: int


def draw_prompts(n: int, seed: int) -> Iterator[Asked]:
    """The first n prompts of the suite: every category gets its share of any number."""
    turns = sorted(
        ((index + 0.5) / number, CATEGORIES.index(category), category, index)
        for category, number in _NUMBERS.items()
        for index in range(number)
    )
    for _, _, category, index in turns[:n]:
        yield _asked(category, index, seed)


def _asked(category: Category, index: int, run: int) -> Asked:
    first = FIRST_SEED + run * SEEDS_PER_RUN
    pairs: Pairs = _PAIRS[index % 2]
    if category in _RESTATED:
        return _restated(category, index, first, pairs)
    seed = first + CATEGORIES.index(category) * _SEEDS_PER_CATEGORY + index
    language: Language = "zh" if index % 3 == 2 else "en"
    rng = np.random.default_rng((seed, 1))
    text, wanted, true = _WRITERS[category](seed, index, pairs, language, rng)
    return Asked(
        text=wording.sentence(text, language),
        category=category,
        language=language,
        pairs=pairs,
        wanted=wanted,
        true=true,
        seed=seed,
    )


# --- the same in other words -------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _scene(seed: int, pairs: Pairs) -> Filmed:
    """A scene like those of training, which several prompts tell of."""
    return film(seed, WorldConfig(pairs=pairs, object_counts={1: 0.45, 2: 0.45, 3: 0.1}, cut_probability=0.0))


def _restated(category: Category, index: int, first: int, pairs: Pairs) -> Asked:
    seed = first + CATEGORIES.index("plain") * _SEEDS_PER_CATEGORY + index
    rng = np.random.default_rng((seed, 1 + CATEGORIES.index(category)))
    true = _scene(seed, pairs)
    language: Language = "zh" if category == "plain, Chinese" else "en"
    plain = plain_prompt(true.description, language)
    match category:
        case "known words, said otherwise":
            text = wording.in_known_words(true.description, rng)
        case "words nobody trained on":
            text = wording.in_new_words(true.description, rng)
        case "five sentences":
            text = wording.at_length(true.description, rng)
        case "typing errors":
            text = wording.misspelt(plain, rng)
        case "English with Chinese in it":
            text = wording.in_both_languages(plain, rng)
        case _:
            text = plain
    return Asked(
        text=text,
        category=category,
        language=language,
        pairs=pairs,
        wanted=Wanted(description=true.description),
        true=true,
        seed=seed,
    )


# --- what is asked for -------------------------------------------------------------------------------------

_Written = tuple[str, Wanted, Filmed]
_Writer = Callable[[int, int, Pairs, Language, np.random.Generator], _Written]


def _binding(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    true = film(seed, stage(pairs, 2 + index % 3))
    description = without_events(true.description)
    names = [wording.one(wording.name(thing, language, size=True), language) for thing in description.objects]
    return wording.several(names, language), Wanted(description=description, sizes=True), true


def _count(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    counts = _COUNTS[index % len(_COUNTS)]
    true = film(seed, stage(pairs, sum(counts)), change=of_kinds(*counts))
    description = without_events(true.description)
    kinds: dict[tuple[str, str], list[int]] = {}
    for place, thing in enumerate(description.objects):
        kinds.setdefault((thing.colour, thing.shape), []).append(place)
    names = [
        wording.counted(description.objects[places[0]], len(places), language) for places in kinds.values()
    ]
    return wording.several(names, language), Wanted(description=description), true


def _relation(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    place = _PLACES[index % len(_PLACES)]
    if place == "on_top_of":
        true = film(seed, stage(pairs, 2), _two_kinds, stacked, apart=False)
        description, (first, second) = without_events(true.description), (0, 1)
    else:

        def suits(description: SceneDescription) -> bool:
            told = any(_told_as(relation, place) for relation in description.relations)
            return told and _two_kinds(description)

        true = film(seed, stage(pairs, 2), suits)
        description = without_events(true.description)
        first, second = next(told for r in description.relations if (told := _told_as(r, place)))
    frames = (words.RELATIONS if language == "en" else words.RELATIONS_ZH)[place]
    names = [
        wording.one(wording.name(description.objects[i], language, short=True), language)
        for i in (first, second)
    ]
    text = wording.pick(frames, rng).format(a=names[0], b=names[1])
    return text, Wanted(description=description, relation=(place, first, second)), true


def _two_kinds(description: SceneDescription) -> bool:
    return len({(thing.colour, thing.shape) for thing in description.objects}) == len(description.objects)


def _told_as(relation: Relation, place: Place) -> tuple[int, int] | None:
    """The two of whom a relation says this, whichever way around."""
    if relation.kind == place:
        return relation.first, relation.second
    if words.INVERSE[relation.kind] == place:
        return relation.second, relation.first
    return None


def _order(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    world = stage(pairs, 2, hit=0.5, **_FALLING)
    true = film(seed, world, lambda d: _two_kinds(d) and any(one_after_another(d)))
    order = next(one_after_another(true.description))
    things = true.description.objects
    space = " " if language == "en" else ""
    told = [
        wording.one(wording.name(things[i], language, short=True), language)
        + space
        + wording.does(event, things, language)
        for i, event in order
    ]
    frames = words.ORDER if language == "en" else words.ORDER_ZH
    text = wording.pick(frames, rng).format(x=told[0], y=told[1])
    said = [replace(thing, events=()) for thing in things]
    for i, event in order:
        said[i] = replace(said[i], events=(event,))
    return text, Wanted(description=replace(true.description, objects=tuple(said)), order=order), true


def _camera(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    move = CAMERA_MOVES[1:][index % 4]
    world = stage(pairs, 2, camera=1.0)
    true = film(seed, world, _one_behind_the_other, moved_by(move))
    description = without_events(true.description)
    names = [wording.one(wording.name(thing, language), language) for thing in description.objects]
    frames = (words.CAMERA if language == "en" else words.CAMERA_ZH)[move]
    comma = ", " if language == "en" else "，"
    text = wording.several(names, language) + comma + wording.pick(frames, rng)
    return text, Wanted(description=description, camera=move), true


def _one_behind_the_other(description: SceneDescription) -> bool:
    return any(relation.kind in ("behind", "in_front_of") for relation in description.relations)


def _negation(seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator) -> _Written:
    if index % 4 == 3:
        return _not_happening(seed, index, pairs, language, rng)
    true = film(seed, stage(pairs, 1))
    description = without_events(true.description)
    thing = description.objects[0]
    other = thing
    while other.colour == thing.colour or other.shape == thing.shape:
        other = film(seed + _SEEDS_PER_CATEGORY // 2, stage("seen", 1)).description.objects[0]
        seed += 1
    absent = [(None, other.shape), (other.colour, other.shape), (None, other.shape)][index % 3]
    no = wording.name(other, language, short=True) if absent[0] else _noun(other.shape, language)
    frames = words.ABSENT if language == "en" else words.ABSENT_ZH
    text = wording.pick(frames, rng).format(a=wording.one(wording.name(thing, language), language), no=no)
    return text, Wanted(description=description, absent=absent), true


def _noun(shape: str, language: Language) -> str:
    return words.NOUNS[shape][0 if language == "en" else 2]  # type: ignore[index]


def _not_happening(
    seed: int, index: int, pairs: Pairs, language: Language, rng: np.random.Generator
) -> _Written:
    kind: Literal["bounces", "falls"] = "bounces" if index % 8 == 3 else "falls"
    behaviour = {"falls": 1.0} if kind == "bounces" else {"rests": 1.0}

    def suits(description: SceneDescription) -> bool:
        kinds = [event.kind for event in description.objects[0].events]
        return kinds == (["falls"] if kind == "bounces" else ["rests"])

    true = film(seed, stage(pairs, 1, **behaviour), suits)
    thing = true.description.objects[0]
    frames = (words.NOT_HAPPENING if language == "en" else words.NOT_HAPPENING_ZH)[kind]
    text = wording.pick(frames, rng).format(a=wording.one(wording.name(thing, language), language))
    return text, Wanted(description=true.description, never=(0, Event(kind=kind))), true


_WRITERS: Final[Mapping[Category, _Writer]] = MappingProxyType(
    {
        "binding": _binding,
        "count": _count,
        "relation": _relation,
        "order": _order,
        "camera": _camera,
        "negation": _negation,
    }
)
