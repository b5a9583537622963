"""What clients send along: files and URLs, brought into the storage as files of our own making."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from starlette.datastructures import UploadFile

from tenku.provenance.wording import Language
from tenku.serving.decoding import SHEET_FILE, THUMBNAIL_FILE, Decoded, Kind, decode, verified
from tenku.serving.faults import ApiError
from tenku.serving.fetching import fetch
from tenku.serving.records import SPRITESHEET, THUMBNAIL, VIDEO
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage

_CHUNK: Final = 2**20
_AT_ONCE: Final = 2  # files decoded at a time


@dataclass(frozen=True, slots=True)
class Taken:
    """Names of files in the storage by variant, how many bytes they have in all, and what is in the first."""

    files: dict[str, str]
    size: int
    decoded: Decoded

    @property
    def name(self) -> str:
        """The clip or picture itself."""
        return self.files[VIDEO]


class Incoming:
    """Takes files in, a few at a time."""

    def __init__(self, settings: Settings, storage: Storage) -> None:
        self._settings = settings
        self._storage = storage
        self._room = anyio.Semaphore(_AT_ONCE)

    async def take(self, source: UploadFile | bytes, kind: Kind, name: str) -> Taken:
        """Decode what was sent, and put it into the storage under a name."""
        async with self._room:
            with self._storage.workspace() as workspace:
                received = workspace / "received"
                await self._receive(source, received)
                target = workspace / f"decoded{Path(name).suffix}"
                decoded = await decode(self._settings, kind, received, target)
                return await anyio.to_thread.run_sync(self._stored, target, name, decoded)

    def _stored(self, target: Path, name: str, decoded: Decoded) -> Taken:
        """Put what was decoded into the storage, its pictures beside it."""
        files, size = {VIDEO: name}, self._storage.put(target, name)
        folder = name.rpartition("/")[0]
        for variant, file in ((THUMBNAIL, THUMBNAIL_FILE), (SPRITESHEET, SHEET_FILE)):
            if (picture := target.with_name(file)).exists():
                files[variant] = f"{folder}/{file}"
                size += self._storage.put(picture, files[variant])
        return Taken(files, size, decoded)

    async def judged(self, source: UploadFile, language: Language) -> dict[str, Any]:
        """What a file that was sent is."""
        async with self._room:
            with self._storage.workspace() as workspace:
                received = workspace / "received"
                await self._receive(source, received)
                return await verified(received, self._settings.home, language)

    async def fetched(self, url: str, param: str) -> bytes:
        """The bytes behind a URL."""
        return await fetch(url, allow_private=self._settings.allow_private, param=param)

    async def _receive(self, source: UploadFile | bytes, received: Path) -> None:
        if not (source.size if isinstance(source, UploadFile) else len(source)):
            raise ApiError(400, "the file is empty; send a picture or a clip.", code="unreadable_file")
        async with await anyio.open_file(received, "wb") as file:
            if isinstance(source, bytes):
                await file.write(source)
                return
            while chunk := await source.read(_CHUNK):
                await file.write(chunk)
