"""Arguments that several verbs share, checked before anything heavy is imported."""

import os
import re
from typing import Final

from tenku.errors import UserError

EMBEDDED: Final = "embedded"


def parse_size(size: str) -> tuple[int, int]:
    """(width, height) from a text like 128x128."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×*]\s*([0-9]{1,6})\s*", size)
    if match is None:
        raise UserError(f"--size {size!r} is not WIDTHxHEIGHT; write for example --size 128x128.")
    return int(match[1]), int(match[2])


def check_model(model: str) -> None:
    """Refuse a model that cannot be one: neither `embedded` nor something on this disk."""
    if model != EMBEDDED and not os.path.exists(model):
        raise UserError(
            f"there is no model {model!r}; give {EMBEDDED!r}, or the folder of a model made by `tenku train`."
        )
