import time
from itertools import pairwise

import numpy as np
import pytest
import torch

from tenku.checkpoint import Model
from tenku.errors import UserError
from tenku.pipeline import GenerationRequest, TextToVideoPipeline


@pytest.fixture
def pipeline(tiny_model: Model) -> TextToVideoPipeline:
    return TextToVideoPipeline(tiny_model)


def ask(
    prompt: str = "a red ball falls", num_frames: int = 5, seed: int = 0, **more: object
) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt,
        num_frames=num_frames,
        seed=seed,
        **{"height": 32, "width": 48, **more},  # type: ignore[arg-type]
    )


def test_a_seed_gives_its_frames(pipeline: TextToVideoPipeline) -> None:
    first, again, other = (pipeline(ask(seed=seed)).video.frames for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.mean(first != other) > 0.5


def test_the_prompt_is_heeded(pipeline: TextToVideoPipeline) -> None:
    prompts = ("a red ball falls", "红球", "a red ball falls")
    first, other, led_away = (
        pipeline(ask(prompt, negative_prompt=negative)).video.frames
        for prompt, negative in zip(prompts, ("", "", "ball"), strict=True)
    )
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, led_away)


@pytest.mark.parametrize("num_frames", [1, 5, 32, 33])
def test_length_and_size_are_those_asked_for(pipeline: TextToVideoPipeline, num_frames: int) -> None:
    video = pipeline(ask(num_frames=num_frames, fps=12.0)).video
    assert video.frames.shape == (num_frames, 32, 48, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == 12


def test_what_is_asked_beyond_the_padding_changes_nothing(pipeline: TextToVideoPipeline) -> None:
    shorter, longer = (pipeline(ask(num_frames=frames)).video.frames for frames in (32, 33))
    assert np.array_equal(shorter, longer[:32])


@pytest.mark.parametrize("num_frames", [1, 33])
def test_the_stream_is_the_video(pipeline: TextToVideoPipeline, num_frames: int) -> None:
    frames = list(pipeline.stream(ask(num_frames=num_frames)))
    assert np.array_equal(np.stack(frames), pipeline(ask(num_frames=num_frames)).video.frames)


def test_decoding_in_chunks_is_decoding_at_once(pipeline: TextToVideoPipeline) -> None:
    request = ask(num_frames=33)
    video = pipeline(request).video.frames
    timeline = pipeline.lay_out(request)
    with torch.inference_mode():
        latents = pipeline.sample(request, timeline, {}, lambda stage, done, total: None)
        with torch.autocast("cpu", pipeline.dtype, enabled=pipeline.dtype != torch.float32):
            whole = pipeline.model.vae.decode(latents)
    pixels = ((whole[0].float().permute(1, 2, 3, 0) + 1) * 127.5).numpy()
    assert np.abs(pixels - video).max() < (0.51 if pipeline.dtype == torch.float32 else 3)


def test_steps_and_guidance_are_the_model_s_unless_asked(pipeline: TextToVideoPipeline) -> None:
    plain = pipeline(ask()).video.frames
    defaults = pipeline.model.sampling
    said = ask(num_inference_steps=defaults.num_inference_steps, guidance_scale=defaults.guidance_scale)
    assert np.array_equal(pipeline(said).video.frames, plain)
    assert not np.array_equal(pipeline(ask(num_inference_steps=3)).video.frames, plain)
    assert not np.array_equal(pipeline(ask(guidance_scale=0.0)).video.frames, plain)


def test_words_that_it_does_not_know_are_named(pipeline: TextToVideoPipeline) -> None:
    result = pipeline(ask("a red zebra falls, красный", num_frames=1))
    assert result.ignored_words == ("zebra", "красный")
    assert pipeline(ask(num_frames=1)).ignored_words == ()


def test_progress_rises_to_the_end_of_each_stage(pipeline: TextToVideoPipeline) -> None:
    told: list[tuple[str, int, int]] = []
    result = pipeline(ask(num_frames=33), on_progress=lambda *step: told.append(step))
    assert [(done, total) for stage, done, total in told if stage == "denoise"] == [(1, 2), (2, 2)]
    assert [(done, total) for stage, done, total in told if stage == "decode"] == [(4, 9), (8, 9), (9, 9)]
    stages = [stage for stage, _, _ in told]
    assert stages == sorted(stages, key=["denoise", "decode"].index)
    assert list(result.seconds_by_stage) == ["text", "denoise", "decode"]
    assert all(seconds > 0 for seconds in result.seconds_by_stage.values())


def test_the_seconds_are_not_those_of_who_reads_the_stream(pipeline: TextToVideoPipeline) -> None:
    seconds: dict[str, float] = {}
    stream = pipeline.stream(ask(num_frames=33), seconds_by_stage=seconds)
    next(stream)
    before = seconds["decode"]
    time.sleep(0.3)
    next(stream)  # of the same chunk
    assert seconds["decode"] == before
    list(stream)
    taken = [before, seconds["decode"]]
    assert all(first < second for first, second in pairwise(taken))


def test_a_model_that_is_none(tmp_path: object) -> None:
    with pytest.raises(UserError, match="there is no model"):
        TextToVideoPipeline.from_pretrained(f"{tmp_path}/nothing")
