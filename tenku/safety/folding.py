"""Text made comparable: one spelling for each letter, whatever it was disguised as."""

import unicodedata
from functools import cache
from importlib import resources
from typing import Final

_HOMOGLYPHS: Final = {
    "a": "аαɑᴀ",
    "b": "ьвβʙ",
    "c": "сϲᴄ",
    "d": "ԁɗᴅ",
    "e": "еєεэᴇ",
    "f": "ƒ",
    "g": "ɡɢ",
    "h": "нһʜ",
    "i": "іιıɪ",
    "j": "јᴊ",
    "k": "кκᴋ",
    "l": "ӏʟ",
    "m": "мᴍ",
    "n": "пηɴ",
    "o": "оοσөøᴏ",
    "p": "рρᴘ",
    "q": "ԛ",
    "r": "гʀ",
    "s": "ѕꜱ",
    "t": "тτᴛ",
    "u": "υցᴜ",
    "v": "νѵᴠ",
    "w": "ωшԝᴡ",
    "x": "хχ",
    "y": "уγʏ",
    "z": "ᴢ",
    "'": "’‘`´",
}
_UNSEEN: Final = (  # ranges of characters without ink: marks on letters, zero widths, directions, fillers
    *((0x00AD, 0x00AD), (0x0300, 0x036F), (0x0483, 0x0489), (0x061C, 0x061C), (0x115F, 0x1160)),
    *((0x17B4, 0x17B5), (0x180B, 0x180E), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x200B, 0x200F)),
    *((0x202A, 0x202E), (0x2060, 0x206F), (0x20D0, 0x20FF), (0x2800, 0x2800), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xE0000, 0xE01EF)),
)
_LETTERED: Final = (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # alphabets in squares, circles and flags


def fold(text: str) -> str:
    """Lower-case, compatible forms as one (NFKC), look-alikes as Latin, Chinese simplified, no accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return decomposed.translate(_table())


@cache
def _table() -> dict[int, str | None]:
    table: dict[int, str | None] = {code: None for first, last in _UNSEEN for code in range(first, last + 1)}
    for letter, others in _HOMOGLYPHS.items():
        table |= {ord(other): letter for other in others}
    for start in _LETTERED:
        table |= {start + place: chr(ord("a") + place) for place in range(26)}
    return table | _simplified()


def _simplified() -> dict[int, str]:
    """Each traditional character with its simplified one, the first that OpenCC's table gives."""
    pairs = (resources.files("tenku.safety") / "rules" / "traditional.txt").read_text("utf-8").split()
    return {ord(pair[0]): pair[1] for pair in pairs}
