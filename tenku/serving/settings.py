"""Everything that a server or a worker is told, checked, and handed from one process to another as JSON."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from tenku.errors import UserError
from tenku.home import home_folder
from tenku.safety import Policy

FRAME_CHECKS: Final = ("installed", "required", "off")
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_MIB: Final = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where state lives and what is allowed. Sizes are bytes, times seconds.

    `database_url` and `storage_url` are by default a SQLite file and a folder under `home`. Without
    `retention` nothing expires. With `ray` its workers are
    placed by Ray. At most `batch` videos of one shape are made in
    one sampler call. `lease` is how long a worker may be silent before its job goes to another.
    `allowed_categories` of the safety rules are let through; frames are looked at by the check that is
    `installed`, if one is, by one that is `required`, or not at all.
    """

    home: Path
    database_url: str = ""
    storage_url: str = ""
    model: str = "embedded"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    batch: int = 8
    live_sessions: int = 1
    max_queued: int = 1_000
    max_queued_per_key: int = 200
    max_running_per_key: int = 1_000
    max_bytes_per_key: int = 50 * 1024 * _MIB
    max_upload: int = 256 * _MIB
    allow_private: bool = False
    retention: float | None = None
    lease: float = 15.0
    poll_after_ms: int = 1_000
    request_timeout: float = 30.0
    trusted_hosts: tuple[str, ...] = ()
    json_logs: bool = False
    ray: bool = False
    allowed_categories: tuple[str, ...] = ()
    frame_check: str = "installed"

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise UserError(f"port {self.port} does not exist; choose one up to 65535, or 0 for a free one.")
        if not 0 <= self.workers <= 256:
            raise UserError(f"{self.workers} workers cannot be started; choose from 0 to 256.")
        if not 1 <= self.batch <= 64:
            raise UserError(
                f"{self.batch} videos cannot be made at once; choose from 1, which is one by one, to 64."
            )
        if self.lease < 2:
            raise UserError(f"a lease of {self.lease:g} seconds is too short to be renewed; give at least 2.")
        if self.frame_check not in FRAME_CHECKS:
            raise UserError(
                f"{self.frame_check!r} says nothing of who looks at frames; choose from "
                f"{', '.join(FRAME_CHECKS)}."
            )
        Policy.without(*self.allowed_categories)
        if self.retention is not None and self.retention <= 0:
            raise UserError(
                "videos must be kept for more than no time; leave the retention out to keep them."
            )

    @classmethod
    def from_environment(cls, **changes: object) -> Self:
        """Settings by TENKU_HOME, TENKU_DATABASE_URL, TENKU_STORAGE_URL, TENKU_ALLOW and TENKU_FRAME_CHECK,
        and what is given."""
        settings = cls(
            home=home_folder(),
            database_url=os.environ.get("TENKU_DATABASE_URL", ""),
            storage_url=os.environ.get("TENKU_STORAGE_URL", ""),
            allowed_categories=_words(os.environ.get("TENKU_ALLOW", "")),
            frame_check=os.environ.get("TENKU_FRAME_CHECK", "") or "installed",
        )
        return replace(settings, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        facts = json.loads(text)
        tuples = {name: tuple(facts[name]) for name in ("trusted_hosts", "allowed_categories")}
        return cls(**{**facts, **tuples, "home": Path(facts["home"])})

    def to_json(self) -> str:
        """One line, for a process that is started."""
        return json.dumps({**asdict(self), "home": str(self.home)})

    @property
    def database(self) -> str:
        """The URL that SQLAlchemy is given."""
        url = self.database_url or f"sqlite:///{self.home / 'tenku.db'}"
        for plain in ("postgresql://", "postgres://"):
            if url.startswith(plain):
                return "postgresql+psycopg://" + url.removeprefix(plain)
        return url

    @property
    def storage(self) -> str:
        """The URL that fsspec is given."""
        return self.storage_url or str(self.home / "files")

    @property
    def scratch(self) -> Path:
        """A folder on this machine for what is not finished."""
        return self.home / "scratch"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK


def _words(text: str) -> tuple[str, ...]:
    """Words between commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
