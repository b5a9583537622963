"""Where tenku keeps what outlives a run: keys, and the state of a server."""

import os
import sys
from pathlib import Path


def home_folder() -> Path:
    """TENKU_HOME, by default a folder in the user's data directory; it need not exist yet."""
    chosen = os.environ.get("TENKU_HOME")
    return (Path(chosen) if chosen else _data_directory() / "tenku").expanduser().absolute()


def _data_directory() -> Path:
    """Where this system keeps the data of a user's programs."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
