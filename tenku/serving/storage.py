"""Where finished files lie: a folder, or anything that fsspec opens, such as s3://bucket/prefix.

Names come from `new_id` alone. A name is published by the database after its file is whole, so nothing here
needs to be atomic.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final
from uuid import uuid4

import fsspec  # type: ignore[import-untyped]

from tenku.errors import UserError

_CACHED: Final = 200  # files of a remote storage that are kept here


class Storage:
    """Files by name; `scratch` is a folder of this machine for what comes and goes."""

    def __init__(self, url: str, scratch: Path) -> None:
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise UserError(
                f"{url!r} is no storage that can be used ({error}); give a folder, or a URL of fsspec's "
                "whose package is installed."
            ) from error
        self._root = str(root).rstrip("/")
        self._is_local = "file" in self._files.protocol
        self.scratch = scratch
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            if self._is_local:
                Path(self._root).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{error.filename} cannot be made ({error.strerror}); choose another place."
            ) from error

    def put(self, source: Path, name: str) -> int:
        """Move a finished file of this machine here; how many bytes it has."""
        size = source.stat().st_size
        if self._is_local:
            target = Path(self._place(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                partial = target.with_name(f".{uuid4().hex}.partial")
                shutil.copyfile(source, partial)
                partial.replace(target)
        else:
            self._files.put_file(str(source), self._place(name))
        source.unlink(missing_ok=True)
        return size

    def copy(self, source: str, name: str) -> None:
        """Give the content of a name another one as well."""
        place = self._place(name)
        self._files.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._files.cp_file(self._place(source), place)

    def path(self, name: str) -> Path:
        """A file on this machine with the content of a name; FileNotFoundError if there is none."""
        if self._is_local:
            place = Path(self._place(name))
            if not place.is_file():
                raise FileNotFoundError(name)
            return place
        cached = self.scratch / "cache" / name.replace("/", "-")
        if not cached.is_file():
            self._fetch(name, cached)
        os.utime(cached)
        return cached

    def names(self, folder: str) -> list[str]:
        """Names of the files right in a folder, in their order."""
        try:
            found = self._files.ls(self._place(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        files = (entry["name"] for entry in found if entry["type"] == "file")
        return sorted(f"{folder}/{PurePosixPath(name).name}" for name in files if not _is_partial(name))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if it is not there."""
        with suppress(FileNotFoundError):
            self._files.rm(self._place(name), recursive=True)

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A new folder of this machine that is gone after the block."""
        folder = self.scratch / uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _fetch(self, name: str, cached: Path) -> None:
        cached.parent.mkdir(exist_ok=True)
        partial = cached.with_name(f".{uuid4().hex}.partial")
        try:
            self._files.get_file(self._place(name), str(partial))
            partial.replace(cached)
        finally:
            partial.unlink(missing_ok=True)
        files = sorted(cached.parent.iterdir(), key=lambda file: file.stat().st_mtime)
        for old in files[:-_CACHED]:
            old.unlink(missing_ok=True)

    def _place(self, name: str) -> str:
        return f"{self._root}/{name}"


def _is_partial(name: str) -> bool:
    return PurePosixPath(name).name.startswith(".")
