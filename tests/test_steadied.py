"""Drafts that are made twice, in groups of frames that overlap."""

from dataclasses import replace

import numpy as np

from tenku.checkpoint import Model
from tenku.pipeline import GenerationRequest, VideoPipeline


def frames(model: Model, channels: int, num_frames: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    pipeline = VideoPipeline(replace(model, sampling=replace(model.sampling, steadied_channels=channels)))
    request = GenerationRequest(prompt="a red ball falls", num_frames=num_frames, height=32, width=32)
    return pipeline(request).video.frames


def test_only_drafts_of_several_groups_are_steadied(tiny_model: Model) -> None:
    assert np.array_equal(frames(tiny_model, 2, 1), frames(tiny_model, 0, 1))
    assert not np.array_equal(frames(tiny_model, 2, 9), frames(tiny_model, 0, 9))


def test_a_model_that_knows_no_tracks_is_not_steadied(planless_model: Model) -> None:
    assert np.array_equal(frames(planless_model, 2, 9), frames(planless_model, 0, 9))
