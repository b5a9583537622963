"""Workers that Ray places: a real Ray on this machine, where it is installed."""

import os
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tenku.errors import UserError
from tenku.serving import actors
from tenku.serving.settings import Settings

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (tenku[ray])")


@needs_ray
@pytest.mark.slow
def test_a_video_is_made_by_an_actor_and_by_the_next_when_that_one_dies(tmp_path: Path, running: Any) -> None:
    with running(tmp_path / "home", "--ray") as server:
        assert server.made()["status"] == "completed"
        assert not _found("tenku.serving.worker_process", server.process.pid)
        (actor,) = _until(lambda: _found("ray::_Actor", None))
        os.kill(actor, signal.SIGKILL)
        _until(lambda: _found("ray::_Actor", None) not in ([], [actor]))
        assert server.made(seed=2)["status"] == "completed"


@needs_ray
def test_workers_elsewhere_need_what_they_can_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "init", lambda **options: None)
    monkeypatch.setattr(ray, "nodes", lambda: [{"NodeID": str(n), "Alive": True} for n in range(2)])
    with pytest.raises(UserError, match="TENKU_DATABASE_URL"):
        actors.join_cluster(Settings(home=tmp_path, ray=True))
    elsewhere = {"database_url": "postgresql://db/tenku", "storage_url": "s3://bucket/tenku"}
    assert actors.join_cluster(Settings(home=tmp_path, ray=True, **elsewhere)) is ray  # type: ignore[arg-type]


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tenku\[ray\]"):
        actors.join_cluster(Settings(home=tmp_path, ray=True))


def _found(name: str, parent: int | None) -> list[int]:
    of = [] if parent is None else ["-P", str(parent)]
    listed = subprocess.run(["pgrep", *of, "-f", name], capture_output=True, text=True).stdout.split()
    return [int(line) for line in listed]


def _until(holds: Any) -> Any:
    end = time.monotonic() + 120
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found
