"""A clip with motion and texture, and a file of it as tenku writes it."""

from pathlib import Path

import numpy as np
import pytest

from tenku.media import Frames
from tenku.provenance import Origin, signed_video
from tenku.worlds import simulate_clip


@pytest.fixture(scope="session")
def clip() -> Frames:
    frames: Frames = simulate_clip(7, num_frames=20).frames
    return frames


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which nothing has been made yet."""
    place = tmp_path / "home"
    monkeypatch.setenv("TENKU_HOME", str(place))
    return place


@pytest.fixture
def ours(tmp_path: Path, home: Path, clip: Frames) -> Path:
    """A video as tenku writes it."""
    path = tmp_path / "ours.mp4"
    origin = Origin(model="embedded", seed=7, prompt="a secret ball")
    with signed_video(path, fps=16, origin=origin) as append:
        for frame in clip:
            append(np.ascontiguousarray(frame))
    return path
