"""What was interrupted goes on from its last finished window with the same frames."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tenku.pipeline import GenerationRequest, MadeWindow, VideoPipeline

if TYPE_CHECKING:
    from tenku.checkpoint import Model

REQUEST = GenerationRequest(prompt="a red ball falls", num_frames=160, height=32, width=32, seed=3)


def whole(pipeline: VideoPipeline) -> tuple[np.ndarray, list[MadeWindow]]:
    windows: list[MadeWindow] = []
    return np.stack(list(pipeline.stream(REQUEST, on_window=windows.append))), windows


@pytest.mark.parametrize("finished", [0, 1, 2, 3])
def test_resumed_is_uninterrupted(tiny_model: "Model", finished: int) -> None:
    pipeline = VideoPipeline(tiny_model)
    frames, windows = whole(pipeline)
    assert len(windows) == 3
    made_again: list[MadeWindow] = []
    resumed = pipeline.stream(REQUEST, on_window=made_again.append, made=windows[:finished])
    assert np.array_equal(np.stack(list(resumed)), frames)
    assert len(made_again) == 3 - finished


def test_what_was_made_is_not_planned_or_painted_again(tiny_model: "Model") -> None:
    pipeline = VideoPipeline(tiny_model)
    _, windows = whole(pipeline)
    seconds: dict[str, float] = {}
    list(pipeline.stream(REQUEST, seconds_by_stage=seconds, made=windows))
    assert set(seconds) == {"decode"}


def test_tasks_are_resumed_as_well(tiny_model: "Model") -> None:
    from tenku.timeline import extend

    pipeline = VideoPipeline(tiny_model)
    clip = pipeline(GenerationRequest(prompt="a red ball", num_frames=33, height=32, width=32)).footage
    task = extend(clip, "a ball falls", after=6.0)
    windows: list[MadeWindow] = []
    frames = np.stack(list(pipeline.stream(task, on_window=windows.append)))
    resumed = np.stack(list(pipeline.stream(task, made=windows[:2])))
    assert len(windows) > 2
    assert np.array_equal(resumed, frames)
    assert torch.equal(windows[0].latents[:, :, :9], clip.latents)
