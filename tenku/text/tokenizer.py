"""Words of English and Chinese prompts → ids of a known vocabulary; what it does not know is named, not guessed at."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

PADDING = 0
SPECIAL_TOKENS = ("<padding>", "<unknown>", ",", ".")
_UNKNOWN, _COMMA, _PERIOD = 1, 2, 3
_PIECES = re.compile(r"[a-z]+(?:['’][a-z]+)*|[㐀-鿿]+|[0-9]+|[,;:，、；：]|[.!?。！？]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of a text, the words it has that the vocabulary lacks, and the misspelt ones with what they were read as."""

    ids: tuple[int, ...]
    unknown: tuple[str, ...] = ()
    corrected: tuple[tuple[str, str], ...] = ()


class Tokenizer:
    """Splits English at word boundaries and Chinese by longest match in the vocabulary.

    An English word that is one slip (letter missing, extra, wrong or swapped) from exactly one known word is read
    as that word.
    """

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self.vocabulary = tuple(sorted(set(vocabulary)))
        self._ids = {word: index + len(SPECIAL_TOKENS) for index, word in enumerate(self.vocabulary)}
        self._longest = max((len(word) for word in self.vocabulary if not word.isascii()), default=1)
        self._english = tuple(word for word in self.vocabulary if word.isascii())
        self._nearest = lru_cache(maxsize=4096)(self._find_nearest)

    def __len__(self) -> int:
        return len(self.vocabulary) + len(SPECIAL_TOKENS)

    def __call__(self, text: str, max_tokens: int | None = None) -> Tokens:
        """Ids of `text`, at most `max_tokens` of them."""
        ids: list[int] = []
        unknown: list[str] = []
        corrected: list[tuple[str, str]] = []
        for piece in _PIECES.findall(normalise(text)):
            if piece[0] in ",;:，、；：":
                ids.append(_COMMA)
            elif piece[0] in ".!?。！？":
                ids.append(_PERIOD)
            elif piece[0].isascii():
                self._add_english(piece.replace("’", "'"), ids, unknown, corrected)
            else:
                self._add_chinese(piece, ids, unknown)
        return Tokens(
            tuple(ids[:max_tokens]), tuple(dict.fromkeys(unknown)), tuple(dict.fromkeys(corrected))
        )

    def _add_english(
        self, word: str, ids: list[int], unknown: list[str], corrected: list[tuple[str, str]]
    ) -> None:
        if word in self._ids:
            ids.append(self._ids[word])
            return
        nearest = self._nearest(word)
        if nearest is None:
            unknown.append(word)
            ids.append(_UNKNOWN)
        else:
            corrected.append((word, nearest))
            ids.append(self._ids[nearest])

    def _add_chinese(self, run: str, ids: list[int], unknown: list[str]) -> None:
        start, unread = 0, ""
        while start < len(run):
            for length in range(min(self._longest, len(run) - start), 0, -1):
                found = self._ids.get(run[start : start + length])
                if found is not None:
                    break
            else:
                found, length = None, 1
            if found is None:
                if not unread:
                    ids.append(_UNKNOWN)
                unread += run[start]
            else:
                if unread:
                    unknown.append(unread)
                    unread = ""
                ids.append(found)
            start += length
        if unread:
            unknown.append(unread)

    def _find_nearest(self, word: str) -> str | None:
        """The one known word at an edit distance of 1, if the word is long enough for that to mean a slip."""
        if len(word) < 4:
            return None
        near = [known for known in self._english if len(known) > 3 and _one_slip_apart(word, known)]
        return near[0] if len(near) == 1 else None


def normalise(text: str) -> str:
    """Compatibility form, lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def _one_slip_apart(a: str, b: str) -> bool:
    """Whether one letter missing, extra, wrong, or one swap of neighbours makes `a` into `b`."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) == len(b):
        swapped = a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]
        return a[start + 1 :] == b[start + 1 :] or swapped
    shorter, longer = sorted((a, b), key=len)
    return shorter[start:] == longer[start + 1 :]
