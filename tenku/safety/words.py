"""Words of a text, and what each may have been before it was bent, disguised or taken apart."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import product
from typing import Final

_WORD: Final = re.compile(r"[a-z0-9@$](?:[a-z0-9@$!*']{0,30}[a-z0-9@$])?|[^\W_]|[,;!?。、]|\.(?!\S)")
_SPELLED: Final = re.compile(  # single letters with something between them: s e x, s.e.x
    r"(?<![a-z0-9@$])[a-z0-9@$](?:[\s._\-*~|/\\,+]{1,3}[a-z0-9@$](?![a-z0-9@$])){2,}"
)
_NOT_A_LETTER: Final = re.compile(r"[^a-z]+")
_LEET: Final = {"0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
_LEET_SIGNS: Final = {"@": "a", "$": "s", "!": "i"}
_LIKELIEST: Final = str.maketrans({sign: letter[0] for sign, letter in (_LEET | _LEET_SIGNS).items()})
_LEAST_SPELLED: Final = 3  # letters of a word that is spelled out
_MOST_SPELLED: Final = 16
_RUN: Final = re.compile(r"([a-z])\1{2,}")
BREAKS: Final = frozenset(",;!?。、.")
_MOST_READINGS: Final = 8
_LONGEST_FRAGMENT: Final = 3  # letters
_IRREGULAR: Final = {
    "hung": "hang",
    "slew": "slay",
    "slain": "slay",
    "bled": "bleed",
    "beaten": "beat",
    "bitten": "bite",
    "burnt": "burn",
    "blew": "blow",
    "blown": "blow",
    "torn": "tear",
    "tore": "tear",
    "ate": "eat",
    "eaten": "eat",
    "slept": "sleep",
    "took": "take",
    "taken": "take",
    "threw": "throw",
    "thrown": "throw",
    "stolen": "steal",
    "stole": "steal",
    "won": "win",
    "lost": "lose",
    "fought": "fight",
    "drew": "draw",
    "drawn": "draw",
    "made": "make",
    "sang": "sing",
    "sung": "sing",
    "stuck": "stick",
    "struck": "strike",
    "dying": "die",
    "lying": "lie",
    "women": "woman",
    "men": "man",
    "children": "child",
    "people": "person",
    "wives": "wife",
    "knives": "knife",
    "bodies": "body",
    "feet": "foot",
}


class Vocabulary:
    """Words that are looked for; "=" before a word or "*" after it says how, and is no part of it."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self._spellings: set[str] = set()
        self._beginnings: set[str] = set()
        self._alike: dict[tuple[int, str], set[str]] = defaultdict(set)  # by length and first letter

    def add(self, word: str) -> None:
        """Look for this word, too."""
        self.words.add(word)
        spelling = word.strip("=*")
        self._spellings.add(spelling)
        self._beginnings.add(spelling[:_LEAST_SPELLED])
        self._alike[len(spelling), spelling[0]].add(spelling)

    def with_wildcards(self, word: str) -> Iterator[str]:
        """Spellings that `word` becomes when each asterisk is a letter."""
        pattern = re.compile(re.escape(word).replace(r"\*", "[a-z]"))
        return (known for known in self._alike.get((len(word), word[0]), ()) if pattern.fullmatch(known))

    def spelled(self, letters: str) -> Iterator[str]:
        """The longest word that begins at each letter of a row, but for those within an earlier one."""
        furthest = 0
        for start in range(len(letters)):
            word = self._longest_at(letters, start)
            if start + len(word) > furthest and word:
                furthest = start + len(word)
                yield word

    def _longest_at(self, letters: str, start: int) -> str:
        if letters[start : start + _LEAST_SPELLED] in self._beginnings:
            for end in range(start + _MOST_SPELLED, start + _LEAST_SPELLED - 1, -1):
                if letters[start:end] in self._spellings:
                    return letters[start:end]
        return ""


def words_of(text: str, vocabulary: Vocabulary | None = None) -> list[str]:
    """The words of folded text, with what stands between sentences; a Chinese character is a word.

    With a vocabulary, rows of single letters become the known words in them.
    """
    if vocabulary is not None and _SPELLED.search(text):
        text = _SPELLED.sub(lambda run: f" {' '.join(vocabulary.spelled(_letters(run[0])))} ", text)
    return _WORD.findall(text)


def readings(word: str) -> frozenset[str]:
    """What the word may stand for: itself, its base form, its letters without disguise."""
    if not word.isascii():
        return frozenset((word,))
    plain = _undisguised(word)
    return frozenset(base for form in plain for base in (form, *_bases(form)))


def joins(first: str, second: str) -> str:
    """The word that two neighbours make if one is a mere fragment, or ""."""
    if len(first) > _LONGEST_FRAGMENT < len(second) or not (first + second).isascii():
        return ""
    return "" if {first, second} & _short_words() else first + second


@cache
def _short_words() -> frozenset[str]:
    """Words so common that one beside another is no word taken apart."""
    return frozenset(
        (resources.files("tenku.safety") / "rules" / "short_words.txt").read_text("utf-8").split()
    )


def _undisguised(word: str) -> set[str]:
    forms = {word, word.removesuffix("'s")}
    if _NOT_A_LETTER.search(word):
        forms |= {part for part in _NOT_A_LETTER.split(word) if len(part) > 2}
        forms |= _without_leet(word)
    for form in tuple(forms):
        if _RUN.search(form):
            forms |= {_RUN.sub(r"\1", form), _RUN.sub(r"\1\1", form)}
    return forms


def _without_leet(word: str) -> set[str]:
    if word.isdigit():
        return set()
    letters = (_LEET_SIGNS.get(letter) or _LEET.get(letter, letter) for letter in word)
    found = set()
    for spelling in product(*letters):
        found.add("".join(spelling))
        if len(found) == _MOST_READINGS:
            break
    return found


def _bases(word: str) -> Iterator[str]:
    """Forms from which the word may be inflected; some do not exist, which does no harm."""
    if word in _IRREGULAR:
        yield _IRREGULAR[word]
    if len(word) < 4:
        return
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]
        if word.endswith("ies"):
            yield word[:-3] + "y"
        elif word.endswith(("ses", "xes", "zes", "shes", "ches", "oes")):
            yield word[:-2]
    for suffix in ("ed", "ing"):
        if word.endswith(suffix) and len(word) > len(suffix) + 2:
            yield from _stems(word.removesuffix(suffix), suffix)


def _stems(stem: str, suffix: str) -> Iterator[str]:
    yield stem
    yield stem + "e"
    if stem[-1] == stem[-2]:
        yield stem[:-1]
    if suffix == "ed" and stem.endswith("i"):
        yield stem[:-1] + "y"


def _letters(run: str) -> str:
    """A row of single letters without what separates or disguises them."""
    return _NOT_A_LETTER.sub("", run.translate(_LIKELIEST))
