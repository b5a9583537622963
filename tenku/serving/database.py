"""The database: SQLite by default, PostgreSQL by URL. Writes are transactions in one order, reads see only
those.

Whoever changes something first takes the next number of one counter, whose row stays locked until the end of
the transaction. So changes become visible in the order of their numbers, and whoever has read up to one
misses none.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from tenku.errors import UserError
from tenku.serving.tables import STEPS, VERSION, counters, metadata

_BUSY_SECONDS: Final = 15
_COUNTERS: Final = ("change", "keys", "turn")


class Database:
    """Connections to one database, whose schema is made or brought up to date."""

    def __init__(self, url: str) -> None:
        try:
            self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
            self._engine = create_engine(url, **self._options(url))
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise UserError(
                f"{_without_password(url)!r} is no database that can be used ({error}); give "
                "postgresql://user@host/name (needs `pip install tenku[postgresql]`), or leave it out "
                "for SQLite."
            ) from error
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._passing = self._engine.execution_options(lasting=False)
        if self._is_sqlite:
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        try:
            self._prepare()
        except DBAPIError as error:
            raise UserError(
                f"the database {_without_password(url)!r} does not answer ({_first_line(error)}); start "
                "it, or give another one with TENKU_DATABASE_URL."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which every statement sees what is committed."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def changing(self, *, lasting: bool = True) -> Iterator[tuple[Connection, int]]:
        """A transaction that nobody else's overlaps, and the number of its change; as for `writing`."""
        with self.writing(lasting=lasting) as connection:
            yield connection, int(bumped(connection, "change"))

    @contextmanager
    def writing(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A transaction for what nobody watches.

        What need not be `lasting` is not waited for until it is on the disk: it outlives any process, but
        not a power cut right after it.
        """
        engine = self._engine if lasting else self._passing
        with engine.begin() as connection:
            if not lasting and not self._is_sqlite:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield connection

    def dispose(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _options(self, url: str) -> dict[str, Any]:
        if not self._is_sqlite:
            timeouts = "-c statement_timeout=15000 -c lock_timeout=15000"
            return {
                "pool_pre_ping": True,
                "pool_size": 8,
                "max_overflow": 16,
                "pool_timeout": 10,
                "connect_args": {"connect_timeout": 5, "options": timeouts},
            }
        place = make_url(url).database
        if place:
            _make_private_folder(Path(place).parent)
        return {"connect_args": {"timeout": _BUSY_SECONDS, "check_same_thread": False}}

    def _prepare(self) -> None:
        with _preparing, self._engine.begin() as connection:
            if not self._is_sqlite:  # two servers that start at once make one schema
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7465)")
            if not inspect(connection).has_table("counters"):
                metadata.create_all(connection)
                rows = [{"name": name, "value": 0} for name in _COUNTERS]
                connection.execute(insert(counters), [*rows, {"name": "version", "value": VERSION}])
            self._bring_up_to_date(connection)

    def _bring_up_to_date(self, connection: Connection) -> None:
        version = int(counted(connection, "version"))
        if version > VERSION:
            raise UserError(
                f"this database was made by a newer tenku (schema {version}, this one knows {VERSION}); "
                "install that one, or give another database."
            )
        for step in STEPS[version - 1 :]:
            step(connection)
        connection.execute(update(counters).where(counters.c.name == "version").values(value=VERSION))


_preparing: Final = threading.Lock()


def bumped(connection: Connection, counter: str) -> float:
    """The next number of a counter; its row stays locked until the transaction ends."""
    statement = update(counters).where(counters.c.name == counter).values(value=counters.c.value + 1)
    return float(connection.execute(statement.returning(counters.c.value)).scalar_one())


def counted(connection: Connection, counter: str) -> float:
    """Where a counter stands."""
    return float(connection.execute(select(counters.c.value).where(counters.c.name == counter)).scalar_one())


def is_outage(error: DBAPIError) -> bool:
    """Whether a statement failed because of the database's state, and may succeed later."""
    return not isinstance(error, IntegrityError)


def now() -> float:
    """Seconds since 1970, for people: no decision hangs on them."""
    return time.time()


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading could not be upgraded while another one writes.
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(
            f"PRAGMA synchronous={'FULL' if options.get('lasting', True) else 'NORMAL'}"
        )
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            os.chmod(folder, 0o700)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be made ({error.strerror}); set TENKU_HOME to another place."
        ) from error


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "that"


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
