"""Where a command may write, found out before the work begins."""

import os
import secrets
from pathlib import Path

from tenku.errors import UserError

_MAX_NAME_BYTES = 255


def check_output_file(path: Path) -> None:
    """Refuse a place where no file can be written."""
    if os.path.isdir(path):
        raise UserError(f"{str(path)!r} is a directory; add a file name, for example {path / 'ball.mp4'}.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise UserError(f"{str(path)!r} is not a regular file; choose another name.")
    folder = Path(os.path.realpath(path)).parent
    if not os.path.isdir(folder):
        raise UserError(f"there is no directory {str(path.parent)!r}; make it first or choose another place.")
    _check_name(path)
    _check_writable(folder, path)


def check_output_directory(path: Path) -> None:
    """Refuse a place where no directory for results is or could be made."""
    existing = Path(os.path.realpath(path))
    while not os.path.lexists(existing):
        existing = existing.parent
    if not os.path.isdir(existing):
        raise UserError(f"{str(existing)!r} is a file, not a directory; choose another place with -o.")
    _check_name(path)
    _check_writable(existing, path)


def free_name(path: Path) -> Path:
    """`path`, or with -2, -3, … if there is such a file already."""
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate


def _check_name(path: Path) -> None:
    try:
        too_long = any(len(part.encode()) > _MAX_NAME_BYTES for part in path.parts)
    except UnicodeEncodeError as error:
        raise UserError(f"{str(path)!r} is not valid text; choose another name.") from error
    if too_long:
        raise UserError(f"the file name {path.name[:20]!r}… is too long; choose a shorter one.")


def _check_writable(folder: Path, path: Path) -> None:
    """Permissions do not tell (root, read-only mounts, quotas): a file made and removed does."""
    probe = folder / f".tenku.{secrets.token_hex(4)}.partial"
    try:
        probe.open("xb").close()
    except OSError as error:
        raise UserError(
            f"cannot write {str(path)!r}: {str(error.strerror).lower()}; choose another place."
        ) from error
    finally:
        if os.path.lexists(probe):
            probe.unlink()
