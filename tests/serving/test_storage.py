"""Storages: a folder, one that is not on this machine, and a disk that is full."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from tenku.serving.settings import Settings
from tenku.serving.storage import Storage

CONTENT = b"frames"


@pytest.fixture(params=["folder", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A local storage, and one that answers as S3 does: whole files by name, no folders of its own."""
    place = tmp_path / "files" if request.param == "folder" else f"memory://{tmp_path.name}"
    return Storage(str(place), tmp_path / "scratch")


def put(storage: Storage, name: str, content: bytes = CONTENT) -> int:
    with storage.workspace() as workspace:
        (workspace / "file").write_bytes(content)
        return storage.put(workspace / "file", name)


def test_what_is_put_is_there_until_it_is_removed(storage: Storage) -> None:
    assert put(storage, "videos/video_a/1/video.mp4") == len(CONTENT)
    assert storage.path("videos/video_a/1/video.mp4").read_bytes() == CONTENT
    storage.copy("videos/video_a/1/video.mp4", "characters/char_b/clip.mp4")
    put(storage, "videos/video_a/windows/00000-1.safetensors")
    assert storage.names("videos/video_a/windows") == ["videos/video_a/windows/00000-1.safetensors"]
    assert storage.names("videos/video_none") == []
    storage.remove("videos/video_a")
    storage.remove("videos/video_a")
    assert storage.names("videos/video_a/windows") == []
    assert storage.path("characters/char_b/clip.mp4").read_bytes() == CONTENT
    with pytest.raises(FileNotFoundError):
        storage.path("videos/video_none/1/video.mp4")


def test_of_a_remote_storage_the_newest_files_are_kept_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenku.serving.storage._CACHED", 3)
    storage = Storage(f"memory://{tmp_path.name}", tmp_path / "scratch")
    for number in range(5):
        put(storage, f"videos/{number}/video.mp4", bytes([number]))
        os.utime(storage.path(f"videos/{number}/video.mp4"), (number, number))
    cached = sorted(path.name for path in (tmp_path / "scratch" / "cache").iterdir())
    assert cached == [f"videos-{number}-video.mp4" for number in (2, 3, 4)]
    assert storage.path("videos/0/video.mp4").read_bytes() == b"\0"


def test_a_video_is_made_and_read_again_from_a_remote_storage(remote: Any) -> None:
    video = remote.put()
    remote.work(1)
    record = remote.find(video)
    assert record.status == "completed", record.error_message
    files, at = fsspec.filesystem("memory"), remote.storage._place
    assert (
        sum(len(files.cat_file(remote.storage._place(name))) for name in record.files.values())
        == record.bytes
    )
    task = {"verb": "extend", "native": [64, 64], "seconds": 0.5}
    longer = remote.put(kind="extension", parents=(video,), task=task, num_frames=16)
    remote.work(1)
    assert remote.find(longer).status == "completed", remote.find(longer).error_message
    assert files.ls(at(record.folder)) != []


def test_a_full_disk_fails_one_video_in_plain_words(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_away = place.storage.put

    def full(source: Path, name: str) -> int:
        if name.endswith(".tenku"):
            raise OSError(errno.ENOSPC, "No space left on device", str(source))
        return put_away(source, name)

    monkeypatch.setattr(place.storage, "put", full)
    lost = place.put()
    place.work(1)
    record = place.find(lost)
    assert (record.status, record.error_code) == ("failed", "storage_unavailable")
    assert record.error_message is not None
    assert str(place.settings.home) not in record.error_message
    assert not list(place.settings.scratch.iterdir())
    monkeypatch.undo()
    found = place.put()
    place.work(1)
    assert place.find(found).status == "completed"


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="needs to mount a small disk")
def test_a_disk_that_is_really_full(tmp_path: Path, running: Any) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=2m none {small} 2>/dev/null"):
        pytest.skip("nothing can be mounted here")
    try:
        environment = {"TENKU_STORAGE_URL": str(small)}
        with running(tmp_path / "home", environment=environment) as server, server.client() as client:
            (small / "ballast").write_bytes(bytes(2 * 2**20))
            order = {"prompt": "a red ball falls", "size": "64x64", "seconds": 0.5}
            refused = server.finished(client.post("/v1/videos", json=order).json()["id"])
            assert (refused["status"], refused["error"]["code"]) == ("failed", "storage_unavailable")
            (small / "ballast").unlink()
            assert server.made()["status"] == "completed"
    finally:
        for _ in range(20):
            if not os.system(f"umount {small}"):
                break
            time.sleep(0.5)


def test_a_place_that_cannot_be_is_a_mistake(tmp_path: Path) -> None:
    from tenku.errors import UserError

    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="another place"):
        Storage(str(tmp_path / "file" / "files"), tmp_path / "scratch")
    with pytest.raises(UserError, match="no storage"):
        Storage("nonsense://x", Settings(home=tmp_path).scratch)
