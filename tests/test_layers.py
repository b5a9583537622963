"""The command line must answer at once: what is heavy is imported only when it is needed."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "mujoco", "numba", "av", "numpy")


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running `code`."""
    report = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stdout.split())


@pytest.mark.parametrize(
    "module", ["tenku", "tenku.cli", "tenku.cli.app", "tenku.timeline", "tenku.timeline.request"]
)
def test_nothing_heavy_is_imported_for_help_and_mistakes(module: str) -> None:
    assert loaded_after(f"import {module}") == set()


def test_reading_and_writing_video_needs_no_torch() -> None:
    assert loaded_after("import tenku.media") == {"av", "numpy"}


def test_workers_that_simulate_need_no_torch() -> None:
    assert "torch" not in loaded_after("import tenku.data, tenku.data.clips")
