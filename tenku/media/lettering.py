"""Small letters for the labels of contact sheets, without fonts."""

import numpy as np

from tenku.media.video import Frame

LINE_HEIGHT = 12

_CHARACTERS = " '%+,-./0123456789:;=?abcdefghijklmnopqrstuvwxyz"
# Five columns of eight pixels a character, lowest bit on top: the classic 5x7 lettering of LCD panels.
_COLUMNS = np.frombuffer(
    bytes.fromhex(
        "0000000000 0008070300 2313086462 08083e0808 0080703000 0808080808 0000606000 2010080402"
        "3e5149453e 00427f4000 7249494946 2141494d33 1814127f10 2745454539 3c4a494931 4121110907"
        "3649494936 464949291e 0000140000 0040340000 1414141414 0201590906"
        "2054547840 7f28444438 3844444428 384444287f 3854545418 00087e0902 18a4a49c78 7f08040478"
        "00447d4000 2040403d00 7f10284400 00417f4000 7c04780478 7c08040478 3844444438 fc18242418"
        "18242418fc 7c08040408 4854545424 04043f4424 3c4040207c 1c2040201c 3c4030403c 4428102844"
        "4c9090907c 4464544c44"
    ),
    np.uint8,
).reshape(-1, 5)
_GLYPHS = np.unpackbits(_COLUMNS[:, None, :], axis=1, bitorder="little").astype(bool)  # (character 8 5)
_UNKNOWN = np.pad(np.zeros((6, 3), bool), ((1, 1), (1, 1)), constant_values=True)  # an empty box


def draw_text(picture: Frame, text: str, shade: int) -> None:
    """Write `text` into `picture` (h w 3) in place, from its top left corner, cut off at its right edge."""
    room = max(0, (picture.shape[1] - 2) // 6)
    for index, character in enumerate(text.lower()[:room]):
        found = _CHARACTERS.find(character)
        glyph = _GLYPHS[found] if found >= 0 else _UNKNOWN
        picture[2:10, 2 + 6 * index : 7 + 6 * index][glyph] = shade
