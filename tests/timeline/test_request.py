import math

import pytest

from tenku.errors import UserError
from tenku.timeline.request import GenerationRequest, frames_in, padded_num_frames


def test_the_defaults_are_two_seconds_of_the_embedded_model() -> None:
    request = GenerationRequest(prompt="a red ball")
    assert (request.num_frames, request.height, request.width, request.fps) == (32, 128, 128, 16)
    assert request.seconds == 2


@pytest.mark.parametrize(
    "prompt", ["a red ball\nfalls", "红球落下", "a ball 🔴", "Ein Ball fällt", "x" * 2000]
)
def test_what_may_be_asked_for(prompt: str) -> None:
    assert GenerationRequest(prompt=prompt).prompt == prompt


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"prompt": ""}, "empty"),
        ({"prompt": "x" * 2001}, "2,001 characters"),
        ({"prompt": "a\x00b"}, r"control character \(\\x00\) at position 2"),
        ({"prompt": "🔴"}, "no words"),
        ({"negative_prompt": "🔴"}, "negative prompt has no words"),
        ({"num_frames": 0}, "0 frames"),
        ({"num_frames": 57_601}, "at most 3600 seconds"),
        ({"fps": math.nan}, "frames per second"),
        ({"width": 130}, "nearest is 128x128"),
        ({"num_inference_steps": 0}, "0 steps"),
        ({"guidance_scale": math.inf}, "guidance scale"),
        ({"seed": 2**63}, "whole number"),
    ],
)
def test_what_may_not(asked: dict[str, str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        GenerationRequest(**{"prompt": "a red ball", **asked})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "fps", "expected"), [(2, 16, 32), (0.05, 16, 1), (60, 60, 3600), (1 / 3, 12, 4), (2.5, 1, 2)]
)
def test_seconds_become_frames(seconds: float, fps: float, expected: int) -> None:
    assert frames_in(seconds, fps) == expected


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 3600.1, 0.01])
def test_seconds_that_are_none(seconds: float) -> None:
    with pytest.raises(UserError, match="choose"):
        frames_in(seconds, 16)


@pytest.mark.parametrize(("frames", "padded"), [(1, 1), (2, 5), (5, 5), (32, 33), (33, 33), (34, 37)])
def test_lengths_are_padded_to_what_the_vae_makes(frames: int, padded: int) -> None:
    assert padded_num_frames(frames, 4) == padded
