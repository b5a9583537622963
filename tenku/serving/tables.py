"""The schema, one for SQLite and PostgreSQL, and the steps by which older ones become it."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata: Final = MetaData()

# `change` counts changes to any row; `turn` is the virtual time of the fair queue; `version` is the schema's.
counters: Final = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Float(53), nullable=False),
)

keys: Final = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("priority", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
)

# Virtual time up to which an owner's jobs have been laid out in the queue.
owners: Final = Table(
    "owners",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("turn", Float(53), nullable=False),
)

videos: Final = Table(
    "videos",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("title", Text),
    Column("model", Text, nullable=False),
    Column("prompt", Text),
    Column("task", JSON, nullable=False),
    Column("parents", JSON, nullable=False),
    Column("remixed_from", String(64)),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("fps", Float(53), nullable=False),
    Column("num_frames", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("native_size", String(16)),
    Column("status", String(16), nullable=False),
    Column("progress", Integer, nullable=False, default=0),
    Column("stage", String(32)),
    Column("frames_done", Integer, nullable=False, default=0),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("created_at", Float(53), nullable=False),
    Column("started_at", Float(53)),
    Column("completed_at", Float(53)),
    Column("expires_at", Float(53)),
    Column("priority", Integer, nullable=False, default=0),
    Column("turn", Float(53), nullable=False, default=0.0),
    Column("attempt", Integer, nullable=False, default=0),
    Column("stops", Integer, nullable=False, default=0),  # attempts that were no fault of the job's
    Column("worker", String(128)),
    Column("beat", BigInteger, nullable=False, default=0),
    Column("cancelled", Boolean, nullable=False, default=False),
    Column("files", JSON, nullable=False),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("change", BigInteger, nullable=False),
    Index("videos_by_owner", "owner", "created_at", "id"),
    Index("videos_by_turn", "status", "priority", "turn"),
    Index("videos_by_change", "change"),
)

# The newest frame of what is being made.
previews: Final = Table(
    "previews",
    metadata,
    Column("video", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("image", LargeBinary, nullable=False),
    Column("change", BigInteger, nullable=False),
    Index("previews_by_change", "change"),
)

characters: Final = Table(
    "characters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(80), nullable=False),
    Column("file", String(200), nullable=False),
    Column("description", Text),
    Column("created_at", Float(53), nullable=False),
)

repeats: Final = Table(
    "repeats",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("video", String(64), nullable=False),
    Column("created_at", Float(53), nullable=False),
)

endpoints: Final = Table(
    "endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JSON, nullable=False),
    Column("secret", Text, nullable=False),
    Column("old_secret", Text),
    Column("old_secret_until", Float(53)),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Index("endpoints_by_owner", "owner"),
)

# Outbox: written with the change that an event tells of, in one transaction.
deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("endpoint", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("due_at", Float(53), nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),
    Index("deliveries_by_due", "state", "due_at"),
)

# Step n turns a schema of version n into one of version n + 1; a new database begins with the last.
STEPS: Final[tuple[Callable[[Connection], None], ...]] = ()
VERSION: Final = 1 + len(STEPS)
