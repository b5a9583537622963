"""Everything that a server or a worker is told, checked, and handed from one process to another as JSON."""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from tenku.errors import UserError
from tenku.home import home_folder

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_MIB: Final = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Where state lives and what is allowed. Sizes are bytes, times seconds.

    `database_url` and `storage_url` are by default a SQLite file and a folder under `home`. Without
    `retention` nothing expires. `lease` is how long a worker may be silent before its job goes to another.
    """

    home: Path
    database_url: str = ""
    storage_url: str = ""
    model: str = "embedded"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
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

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise UserError(f"port {self.port} does not exist; choose one up to 65535, or 0 for a free one.")
        if not 0 <= self.workers <= 256:
            raise UserError(f"{self.workers} workers cannot be started; choose from 0 to 256.")
        if self.lease < 2:
            raise UserError(f"a lease of {self.lease:g} seconds is too short to be renewed; give at least 2.")
        if self.retention is not None and self.retention <= 0:
            raise UserError(
                "videos must be kept for more than no time; leave the retention out to keep them."
            )

    @classmethod
    def from_environment(cls, **changes: object) -> Self:
        """Settings by TENKU_HOME, TENKU_DATABASE_URL and TENKU_STORAGE_URL, and what is given."""
        settings = cls(
            home=home_folder(),
            database_url=os.environ.get("TENKU_DATABASE_URL", ""),
            storage_url=os.environ.get("TENKU_STORAGE_URL", ""),
        )
        return replace(settings, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        facts = json.loads(text)
        return cls(**{**facts, "home": Path(facts["home"]), "trusted_hosts": tuple(facts["trusted_hosts"])})

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
