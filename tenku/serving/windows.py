"""Finished windows of a job, kept so that another worker goes on after the last of them."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tenku.pipeline import MadeWindow
from tenku.serving.records import Record
from tenku.serving.storage import Storage


class KeptWindows:
    """The windows of one job: numbered files of its folder."""

    def __init__(self, storage: Storage, record: Record) -> None:
        self._storage = storage
        self._folder = f"{record.folder}/windows"
        self._attempt = record.attempt
        self._number = 0

    def made(self) -> list[MadeWindow]:
        """Those that earlier attempts have made, from the first on.

        The same job makes the same windows, so it does not matter whose they are.
        """
        names = self._storage.names(self._folder)
        by_number = {int(Path(name).name.partition("-")[0]): name for name in names}
        found: list[MadeWindow] = []
        while (window := self._read(by_number.get(len(found)))) is not None:
            found.append(window)
        self._number = len(found)
        return found

    def keep(self, window: MadeWindow, workspace: Path) -> None:
        """Add the next one."""
        tensors = {"latents": window.latents.contiguous()}
        if window.tracks is not None:
            tensors["tracks"] = window.tracks.contiguous()
        file = workspace / "window.safetensors"
        save_file(tensors, file)
        self._storage.put(file, f"{self._folder}/{self._number:05}-{self._attempt}.safetensors")
        self._number += 1

    def _read(self, name: str | None) -> MadeWindow | None:
        if name is None:
            return None
        try:
            tensors = load_file(self._storage.path(name))
        except (OSError, SafetensorError):  # a remote storage may hold what was cut off
            return None
        return MadeWindow(tensors["latents"], tensors.get("tracks")) if "latents" in tensors else None
