"""Which words captions can contain, read off the grammar's own tables."""

import re
from functools import cache
from types import ModuleType

from tenku.worlds.captions import chinese_words, english_words
from tenku.worlds.vocabulary import LANGUAGES, Language

_TABLES: dict[Language, ModuleType] = {"en": english_words, "zh": chinese_words}
_FIELD = re.compile(r"\{\w+\}")
_PIECE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*"),
    "zh": re.compile(r"[\u4e00-\u9fff]+|[0-9]+"),
}
_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[\u4e00-\u9fff]+|[^\W\d_]+")


@cache
def vocabulary_of(language: Language) -> frozenset[str]:
    """Every lowercase English word, or every Chinese piece, that a caption can contain."""
    return frozenset(
        piece
        for name, table in vars(_TABLES[language]).items()
        if name.isupper()
        for text in _strings(table)
        for piece in _PIECE[language].findall(_FIELD.sub(" ", text))
    )


@cache
def known_words() -> frozenset[str]:
    """The vocabulary of every language."""
    return frozenset().union(*(vocabulary_of(language) for language in LANGUAGES))


def unknown_words(prompt: str) -> list[str]:
    """What of a prompt no caption ever contains, in order and once each.

    Chinese has no spaces: what known pieces cannot cover is unknown.
    """
    unknown: dict[str, None] = {}
    for word in _WORD.findall(prompt.lower().replace("’", "'")):
        if _PIECE["zh"].fullmatch(word) and not word.isdigit():
            unknown.update(dict.fromkeys(_uncovered(word)))
        elif word not in known_words():
            unknown[word] = None
    return list(unknown)


def _uncovered(text: str) -> list[str]:
    """What is left of the text when known pieces cover as much of it as they can."""
    pieces = vocabulary_of("zh")
    longest = max(map(len, pieces))
    best = [(0, "")]  # up to each place: how many characters are left, and those, with gaps between
    for end in range(1, len(text) + 1):
        count, left = best[end - 1]
        ways = [(count + 1, left + text[end - 1])]
        for start in range(max(0, end - longest), end):
            if text[start:end] in pieces:
                ways.append((best[start][0], best[start][1] + " "))
        best.append(min(ways, key=lambda way: way[0]))
    return best[-1][1].split()


def _strings(table: object) -> list[str]:
    """Every string in a table, whatever its nesting; the keys of a dict are not said."""
    if isinstance(table, str):
        return [table]
    if isinstance(table, dict):
        return [text for entry in table.values() for text in _strings(entry)]
    if isinstance(table, tuple):
        return [text for entry in table for text in _strings(entry)]
    return []
