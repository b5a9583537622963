"""How what is asked for is put into words: plainly, otherwise, at length, misspelt, in two languages."""

import re
from collections.abc import Sequence

import numpy as np

from tenku.evaluation.language import words
from tenku.worlds.description import Event, ObjectDescription, SceneDescription
from tenku.worlds.vocabulary import Language

_SLIPS = 2  # in a prompt with typing errors
_MIN_LETTERS = 4  # of a word that is misspelt


def pick(options: Sequence[str], rng: np.random.Generator) -> str:
    """One of them."""
    return options[int(rng.integers(len(options)))]


def name(
    thing: ObjectDescription, language: Language = "en", *, size: bool = False, short: bool = False
) -> str:
    """What to call a thing: colour, noun, and unless it is to be `short` its material; no article."""
    if language == "zh":
        noun = words.NOUNS[thing.shape][2]
        large = {"small": "小", "large": "大"}[thing.size] if size else ""
        material = "" if short else words.MATERIALS[thing.material][1]
        return f"{words.COLOURS_ZH[thing.colour]}的{large}{material}{noun}"
    parts = [
        thing.size if size else "",
        thing.colour,
        "" if short else words.MATERIALS[thing.material][0],
        words.NOUNS[thing.shape][0],
    ]
    return " ".join(part for part in parts if part)


def one(text: str, language: Language = "en") -> str:
    """The same with an article or a measure word."""
    if language == "zh":
        return f"一个{text}"
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def several(things: Sequence[str], language: Language = "en") -> str:
    """A list: "a, b and c"."""
    comma, last = (", ", " and ") if language == "en" else ("、", "和")
    return things[0] if len(things) == 1 else comma.join(things[:-1]) + last + things[-1]


def counted(thing: ObjectDescription, number: int, language: Language) -> str:
    """ "three red balls" """
    word = words.NUMBERS[number][0 if language == "en" else 1]
    if language == "zh":
        return f"{word}个{name(thing, language, short=True)}"
    return f"{word} {thing.colour} {words.NOUNS[thing.shape][0 if number == 1 else 1]}"


def sentence(text: str, language: Language = "en") -> str:
    """With a capital and a full stop."""
    if language == "zh":
        return f"{text}。"
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". ")) + "."


# --- what things do ----------------------------------------------------------------------------------------


def does(event: Event, things: Sequence[ObjectDescription], language: Language = "en") -> str:
    """A plain verb: "rolls in from the left"."""
    other = "" if event.target is None else name(things[event.target], language, short=True)
    side = event.direction
    if language == "zh":
        plain = {
            "falls": "落下",
            "bounces": "弹起",
            "rolls_in": "滚进来",
            "slides_in": "滑进来",
            "hits": f"撞上那个{other}",
            "rests": "静静地停着",
            "spins": "旋转",
        }[event.kind]
        return plain if side is None else words.SIDES_ZH[side] + plain
    plain = {
        "falls": "falls",
        "bounces": "bounces",
        "rolls_in": "rolls in",
        "slides_in": "slides in",
        "hits": f"hits the {other}",
        "rests": "is at rest",
        "spins": "spins",
    }[event.kind]
    return plain if side is None else f"{plain} from the {side}"


def all_it_does(thing: ObjectDescription, things: Sequence[ObjectDescription]) -> str:
    """ "falls, hits the blue cube and then bounces" """
    verbs = [does(event, things) for event in thing.events] or ["is in view"]
    return verbs[0] if len(verbs) == 1 else ", ".join(verbs[:-1]) + " and then " + verbs[-1]


def does_otherwise(
    thing: ObjectDescription, things: Sequence[ObjectDescription], rng: np.random.Generator
) -> str:
    """The same in verbs that no caption has."""
    verbs = []
    for event in thing.events:
        verb = pick(words.NEW_WORDS[event.kind], rng)
        side = "" if event.direction is None else words.SIDES[event.direction]
        other = "" if event.target is None else "the " + name(things[event.target], short=True)
        verbs.append(verb.format(from_=side, b=other))
    return " and then ".join(verbs) if verbs else "can be admired"


# --- whole prompts of a scene ------------------------------------------------------------------------------


def in_known_words(description: SceneDescription, rng: np.random.Generator) -> str:
    """Every word occurs in captions, in sentences that do not."""
    parts = []
    for thing in description.objects:
        parts.append(
            pick(words.KNOWN_WORDS, rng).format(
                noun=words.NOUNS[thing.shape][0],
                colour=thing.colour,
                size=thing.size,
                made=words.MADE[thing.material],
                does=all_it_does(thing, description.objects),
            )
        )
    return sentence(". ".join(parts))


def in_new_words(description: SceneDescription, rng: np.random.Generator) -> str:
    """Colours and nouns are known, the rest is put in other words."""
    parts = [
        pick(words.FRAMES, rng).format(
            a=one(name(thing)), does=does_otherwise(thing, description.objects, rng)
        )
        for thing in description.objects
    ]
    return sentence(". ".join(parts))


def at_length(description: SceneDescription, rng: np.random.Generator) -> str:
    """Five sentences: the room, the things and what they do, the camera, and something that says nothing."""
    first, *others = description.objects
    sentences = [
        pick(words.LONG_OPENINGS, rng).format(floor=words.FLOORS[description.floor]),
        pick(words.LONG_THINGS, rng).format(a=one(name(first, size=True)))[:-1]
        + (f", which {all_it_does(first, description.objects)}." if others else "."),
    ]
    if not others:
        sentences.append(f"It {all_it_does(first, description.objects)}.")
    sentences += [
        pick(words.LONG_OTHERS, rng).format(a=one(name(thing, size=True)))[:-1]
        + f", which {all_it_does(thing, description.objects)}."
        for thing in others
    ]
    sentences += [pick(words.LONG_FILLERS, rng)] if len(others) < 2 else []
    return " ".join([*sentences, words.LONG_CAMERA[description.camera]])


def misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with slips of the keyboard: letters that are missing, doubled, swapped or wrong."""
    places = [match for match in re.finditer(r"[a-z]+", text) if len(match.group()) >= _MIN_LETTERS]
    chosen = sorted(rng.choice(len(places), min(_SLIPS, len(places)), replace=False), reverse=True)
    for index in chosen:
        start, word = places[index].start(), places[index].group()
        at = int(rng.integers(len(word) - 1))
        letter = chr(ord("a") + int(rng.integers(26)))
        slips = (
            word[:at] + word[at + 1 :],
            word[: at + 1] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:at] + letter + word[at + 1 :],
        )
        text = text[:start] + pick(slips, rng) + text[start + len(word) :]
    return text


def in_both_languages(text: str, rng: np.random.Generator) -> str:
    """Plain English of which about half of the words that can be are Chinese, at least one and not all."""
    terms = sorted(words.IN_CHINESE, key=len, reverse=True)
    found = re.compile("|".join(rf"\b{term}\b" for term in terms))
    spans = list(found.finditer(text))
    chosen = {int(i) for i in np.flatnonzero(rng.random(len(spans)) < 0.5)}
    chosen = chosen or {int(rng.integers(len(spans)))}
    for index in sorted(chosen, reverse=True):
        match = spans[index]
        text = text[: match.start()] + words.IN_CHINESE[match.group()] + text[match.end() :]
    return text
