"""Other clients of the videos API, unmodified: the Node SDK of two generations, TanStack AI, LiteLLM."""

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def installed() -> Path:
    """A folder outside of the repository with the packages of the lock file."""
    if shutil.which("npm") is None:
        pytest.skip("Node.js is not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "tenku-tests" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        ended = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
        )
        if ended.returncode:
            pytest.skip(f"npm cannot install the SDKs here: {ended.stderr[-300:]}")
        (folder / "installed").touch()
    return folder


def run(folder: Path, script: str, *arguments: str) -> str:
    shutil.copy(HERE / script, folder)
    ended = subprocess.run(
        ["node", script, *arguments], cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("package", ["openai", "openai-7"])
def test_every_method_of_the_node_sdk(server: Any, installed: Path, package: str) -> None:
    assert "all methods work" in run(installed, "videos.mjs", package, f"{server.url}/v1")


@pytest.mark.slow
def test_tanstack_makes_a_video(server: Any, installed: Path) -> None:
    assert "a video was made" in run(installed, "tanstack.mjs", f"{server.url}/v1")


@pytest.mark.slow
def test_every_function_of_litellm(server: Any) -> None:
    if find_spec("litellm") is None:
        pytest.skip("litellm is not installed")
    script = str(HERE.with_name("use_litellm.py"))
    command = [sys.executable, script, f"{server.url}/v1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    assert "all functions work" in ended.stdout
