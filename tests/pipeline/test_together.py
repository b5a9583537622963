"""Several videos in one sampler call are those that each request gives alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.pipeline.together import Together, can_share, generate_together, latents_along
from tenku.timeline import Tracks

REQUEST = GenerationRequest(prompt="a red ball falls", num_frames=9, height=64, width=64, fps=16, seed=1)


@pytest.fixture(scope="module")
def pipeline() -> VideoPipeline:
    return VideoPipeline.from_pretrained()


def test_each_is_what_it_would_be_alone(pipeline: VideoPipeline) -> None:
    longer = replace(REQUEST, prompt="a small yellow metal cone spins next to two large blue cubes", seed=2)
    requests = [REQUEST, longer, replace(REQUEST, seed=3)]
    together = generate_together(pipeline, requests)
    for request, found in zip(requests, together, strict=True):
        alone = pipeline(request)
        assert found.footage.tracks is not None
        assert alone.footage.tracks is not None
        assert torch.allclose(found.footage.tracks, alone.footage.tracks, atol=1e-4)
        apart = np.abs(found.video.frames.astype(int) - alone.video.frames.astype(int))
        assert apart.max() <= 2
        assert apart.mean() < 0.1
        assert found.footage.prompts == alone.footage.prompts
        assert found.ignored_words == alone.ignored_words
    assert np.abs(together[0].video.frames.astype(int) - together[2].video.frames).mean() > 1


def test_along_given_tracks_each_is_what_it_would_be_alone(pipeline: VideoPipeline) -> None:
    requests = [replace(REQUEST, seed=seed) for seed in (1, 2)]
    planned = [pipeline.tracks(request) for request in requests]
    first, second = (tracks for tracks in planned if tracks is not None)
    parts = zip(*((t.poses, t.looks, t.present, t.settings) for t in (first, second)), strict=True)
    tracks = Tracks(*(torch.cat(part) for part in parts))
    together = latents_along(pipeline, requests, tracks)
    alone = torch.cat([pipeline.latents(r, t) for r, t in zip(requests, (first, second), strict=True)])
    assert together.shape[0] == 2
    assert torch.allclose(together, alone, atol=0.02)
    assert (together[0] - together[1]).abs().mean() > 0.1


def test_what_differs_in_more_than_prompt_and_seed_is_not_shared(pipeline: VideoPipeline) -> None:
    assert can_share(pipeline, [REQUEST, replace(REQUEST, prompt="a cone", seed=5)])
    for other in ({"width": 128}, {"num_frames": 17}, {"negative_prompt": "a cube"}, {"guidance_scale": 2.0}):
        assert not can_share(pipeline, [REQUEST, replace(REQUEST, **other)])
    long = replace(REQUEST, num_frames=160)
    assert not can_share(pipeline, [long, long])
    with pytest.raises(ValueError, match="cannot share"):
        Together.of(pipeline, [long, long])
