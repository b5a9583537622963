"""Files that appear whole or not at all."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tenku.errors import UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file beside `path`; it takes the place of `path` only if the block succeeds.

    Whatever ends the block otherwise, Ctrl-C included, the temporary file is removed. After `kill -9` a
    hidden `*.partial` file may stay behind, but never a half-written `path`. A place that cannot be written
    to, or is full, is a `UserError`.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name[:60]}.{secrets.token_hex(4)}.partial")
    try:
        partial.open("xb").close()
        yield partial
        _flush_to_disk(partial)
        partial.replace(target)
    except OSError as error:
        if error.errno in _NO_ROOM or error.filename in (partial, str(partial)):
            raise UserError(
                f"cannot write {path}: {(error.strerror or str(error)).lower()}; "
                f"{'free some space or ' if error.errno in _NO_ROOM else ''}choose another place."
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_unfinished(folder: str | Path) -> None:
    """Remove what killed runs left in a folder into which nobody else is writing."""
    for leftover in Path(folder).glob(".*.partial"):
        leftover.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    """Make the file system report now, not after the rename, what it could not store."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
