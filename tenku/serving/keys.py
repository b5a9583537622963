"""API keys: random tokens of which only a digest is kept."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tenku.errors import UserError
from tenku.serving.database import Database, bumped, now
from tenku.serving.identifiers import new_id
from tenku.serving.tables import characters, endpoints, keys, videos

NOBODY: Final = "local"  # whose everything is while there are no keys
_NAME: Final = re.compile(r"[\w .@+-]{1,80}")


@dataclass(frozen=True, slots=True)
class Key:
    """Who may use the server, and how early their jobs come."""

    id: str
    name: str
    priority: int
    created_at: float


OPEN: Final = Key(NOBODY, NOBODY, 0, 0.0)


def add_key(database: Database, name: str, *, priority: int = 0, adopt: bool = False) -> str:
    """Make a key and give its token, which can never be seen again.

    The key may `adopt` what was made while there were none.
    """
    if _NAME.fullmatch(name) is None:
        raise UserError(f"{name!r} is no name for a key; use up to 80 letters, digits, spaces and dashes.")
    token, identifier = f"tenku-{secrets.token_urlsafe(32)}", new_id("key")
    row = {
        "id": identifier,
        "name": name,
        "digest": digest(token),
        "priority": priority,
        "created_at": now(),
    }
    try:
        with database.changing() as (connection, change):
            connection.execute(insert(keys), row)
            bumped(connection, "keys")
            if adopt:
                moved = update(videos).where(videos.c.owner == NOBODY)
                connection.execute(moved.values(owner=identifier, change=change))
                for table in (characters, endpoints):
                    connection.execute(update(table).where(table.c.owner == NOBODY).values(owner=identifier))
    except IntegrityError as error:
        raise UserError(
            f"there is a key {name!r} already; choose another name, or remove it first."
        ) from error
    return token


def list_keys(database: Database) -> list[Key]:
    """All keys, the oldest first."""
    columns = (keys.c.id, keys.c.name, keys.c.priority, keys.c.created_at)
    with database.reading() as connection:
        return [Key(*row) for row in connection.execute(select(*columns).order_by(keys.c.created_at))]


def remove_key(database: Database, name: str) -> None:
    """Lock out whoever uses a key. What they made is kept."""
    with database.changing() as (connection, _):
        if not connection.execute(delete(keys).where(keys.c.name == name)).rowcount:
            raise UserError(f"there is no key {name!r}; `tenku keys list` shows them.")
        bumped(connection, "keys")


def bearer_token(authorization: str) -> str:
    """The token in an Authorization header; nothing if there is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def digest(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so a plain hash tells nothing of it."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
