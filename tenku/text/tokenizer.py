"""Words of English and Chinese prompts → ids of a known vocabulary; what it does not know is named."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

PADDING = 0
SPECIAL_TOKENS = ("<padding>", "<unknown>", ",", ".")
_UNKNOWN, _COMMA, _PERIOD = 1, 2, 3
_COMMAS, _PERIODS = ",;:，、；：", ".!?。！？"
_LETTER, _CHINESE = "[^\\W0-9_㐀-鿿]", "[㐀-鿿]"  # any script's letters: words in others are named too
_PIECES = re.compile(f"{_LETTER}+(?:['’]{_LETTER}+)*|{_CHINESE}+|[0-9]+|[{_COMMAS}]|[{_PERIODS}]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Ids of a text, its words that the vocabulary lacks, misspelt ones with what they were read as, and how
    many ids at its end were one too many."""

    ids: tuple[int, ...]
    unknown: tuple[str, ...] = ()
    corrected: tuple[tuple[str, str], ...] = ()
    num_unread: int = 0


class Tokenizer:
    """Splits English at word boundaries and Chinese by longest match in the vocabulary.

    An English word that is one slip (letter missing, extra, wrong or swapped) from exactly one known word is
    read as that word. Punctuation is a comma or a period; other signs, such as emoji, say nothing.
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
            if piece in _COMMAS:
                ids.append(_COMMA)
            elif piece in _PERIODS:
                ids.append(_PERIOD)
            elif re.match(_CHINESE, piece):
                self._add_chinese(piece, ids, unknown)
            else:
                self._add_word(piece.replace("’", "'"), ids, unknown, corrected)
        read = ids[:max_tokens]
        return Tokens(
            tuple(read),
            tuple(dict.fromkeys(unknown)),
            tuple(dict.fromkeys(corrected)),
            len(ids) - len(read),
        )

    def _add_word(
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
        """Read a run of Chinese from its start; neighbours that no known word covers are one unknown."""
        start, unread = 0, ""
        while start < len(run):
            word = self._longest_known(run, start)
            if word is None:
                if not unread:
                    ids.append(_UNKNOWN)
                unread += run[start]
                start += 1
                continue
            if unread:
                unknown.append(unread)
                unread = ""
            ids.append(self._ids[word])
            start += len(word)
        if unread:
            unknown.append(unread)

    def _longest_known(self, run: str, start: int) -> str | None:
        ends = range(min(start + self._longest, len(run)), start, -1)
        return next((run[start:end] for end in ends if run[start:end] in self._ids), None)

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
