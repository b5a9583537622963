"""Names that nobody can guess, and that nothing but themselves can be spelled with."""

import re
import secrets
from typing import Final

_PATTERN: Final = re.compile(r"[a-z]{2,16}_[0-9a-f]{32}")


def new_id(kind: str) -> str:
    """An unguessable name of 128 random bits: kind, an underscore, hexadecimal digits."""
    return f"{kind}_{secrets.token_hex(16)}"


def is_id(text: str, kind: str) -> bool:
    """Whether a text can be a name of that kind."""
    return _PATTERN.fullmatch(text) is not None and text.startswith(f"{kind}_")
