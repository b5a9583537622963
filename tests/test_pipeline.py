import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tenku.checkpoint import Model
from tenku.errors import UserError
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.timeline import Tracks
from tenku.worlds.tracks import SURROUNDINGS


@pytest.fixture
def pipeline(tiny_model: Model) -> VideoPipeline:
    return VideoPipeline(tiny_model)


def by_hand(num_frames: int = 5) -> Tracks:
    """A thing that moves to the right, and another that stays, under a camera that does not move."""
    boxes = torch.tensor([[-0.5, 0.2, 0.4, 0.6, 0.1], [0.5, 0.0, 0.3, 0.3, -0.1]])
    axes = torch.tensor([0, 0.9, -0.44, 1, 0, 0]).expand(2, 6)
    poses = torch.cat([boxes, axes], -1).repeat(1, num_frames, 1, 1)
    poses[0, :, 0, 0] = torch.linspace(-0.5, 0.5, num_frames)
    looks = torch.tensor([[[1.0, 0, 0, 0, 1], [0, 0, 1, 1, 0]]])
    camera = torch.tensor([0.6, 0.8, 0.44, 4.7, 0.5, 0.5, -0.4, 0.75])
    settings = torch.cat([camera, torch.linspace(-1, 1, 13)]).repeat(1, num_frames, 1)
    settings[..., len(camera) + SURROUNDINGS.index("scale")] = (
        1.0  # a floor without a pattern has no directions
    )
    return Tracks(poses, looks, torch.ones(1, 2), settings)


def planned(pipeline: VideoPipeline, request: GenerationRequest) -> Tracks:
    tracks = pipeline.tracks(request)
    assert tracks is not None
    return tracks


def ask(
    prompt: str = "a red ball falls", num_frames: int = 5, seed: int = 0, **more: object
) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt,
        num_frames=num_frames,
        seed=seed,
        **{"height": 32, "width": 48, **more},  # type: ignore[arg-type]
    )


def test_a_seed_gives_its_frames(pipeline: VideoPipeline) -> None:
    first, again, other = (pipeline(ask(seed=seed)).video.frames for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.mean(first != other) > 0.3  # much of what random weights paint is as bright as can be


def test_the_prompt_is_heeded(pipeline: VideoPipeline) -> None:
    prompts = ("a red ball falls", "红球", "a red ball falls")
    first, other, led_away = (
        pipeline(ask(prompt, negative_prompt=negative)).video.frames
        for prompt, negative in zip(prompts, ("", "", "ball"), strict=True)
    )
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, led_away)


@pytest.mark.parametrize("num_frames", [1, 5, 32, 33])
def test_length_and_size_are_those_asked_for(pipeline: VideoPipeline, num_frames: int) -> None:
    video = pipeline(ask(num_frames=num_frames, fps=12.0)).video
    assert video.frames.shape == (num_frames, 32, 48, 3)
    assert video.frames.dtype == np.uint8
    assert video.fps == 12


def test_what_is_asked_beyond_the_padding_changes_nothing(pipeline: VideoPipeline) -> None:
    shorter, longer = (pipeline(ask(num_frames=frames)).video.frames for frames in (32, 33))
    assert np.array_equal(shorter, longer[:32])


@pytest.mark.parametrize("num_frames", [1, 33])
def test_the_stream_is_the_video(pipeline: VideoPipeline, num_frames: int) -> None:
    frames = list(pipeline.stream(ask(num_frames=num_frames)))
    assert np.array_equal(np.stack(frames), pipeline(ask(num_frames=num_frames)).video.frames)


def test_decoding_in_chunks_is_decoding_at_once(pipeline: VideoPipeline) -> None:
    result = pipeline(ask(num_frames=33))
    with torch.inference_mode(), torch.autocast("cpu", pipeline.dtype, pipeline.dtype != torch.float32):
        whole = pipeline.model.vae.decode(result.footage.latents)
    pixels = ((whole[0].float().permute(1, 2, 3, 0) + 1) * 127.5).numpy()
    assert np.abs(pixels - result.video.frames).max() < (0.51 if pipeline.dtype == torch.float32 else 3)


def test_steps_and_guidance_are_the_model_s_unless_asked(pipeline: VideoPipeline) -> None:
    plain = pipeline(ask()).video.frames
    defaults = pipeline.model.sampling
    said = ask(num_inference_steps=defaults.num_inference_steps, guidance_scale=defaults.guidance_scale)
    assert np.array_equal(pipeline(said).video.frames, plain)
    assert not np.array_equal(pipeline(ask(num_inference_steps=3)).video.frames, plain)
    assert not np.array_equal(pipeline(ask(guidance_scale=0.0)).video.frames, plain)


def test_a_plan_lasts_as_long_as_the_video(pipeline: VideoPipeline) -> None:
    for num_frames, padded in ((1, 1), (5, 5), (32, 33), (33, 33)):
        tracks = planned(pipeline, ask(num_frames=num_frames))
        assert tracks.poses.shape == (1, padded, 2, 11)
        assert tracks.settings.shape == (1, padded, 21)
        assert tracks.poses.isfinite().all()
        assert tracks.settings.isfinite().all()
        assert set(tracks.present.flatten().tolist()) <= {0.0, 1.0}


def test_a_plan_is_of_its_prompt_and_seed(pipeline: VideoPipeline) -> None:
    request = ask(num_frames=9)
    first, again = planned(pipeline, request), planned(pipeline, request)
    assert first.present.any()
    assert torch.equal(first.poses, again.poses)
    assert torch.equal(first.looks, again.looks)
    assert torch.equal(first.settings, again.settings)
    for request in (ask(num_frames=9, seed=1), ask("红球", num_frames=9)):
        other = planned(pipeline, request)
        assert not torch.allclose(first.poses, other.poses, atol=1e-3)
        assert not torch.allclose(first.settings, other.settings, atol=1e-3)
    square = planned(pipeline, ask(num_frames=9, width=32))
    assert torch.allclose(first.poses[..., 0], 1.5 * square.poses[..., 0])  # 48 by 32
    assert torch.equal(first.poses[..., 1:], square.poses[..., 1:])
    assert torch.equal(first.settings, square.settings)


def test_a_plan_is_led_towards_its_text(tiny_model: Model) -> None:
    found = [
        planned(
            VideoPipeline(
                replace(
                    tiny_model,
                    sampling=replace(tiny_model.sampling, planner_guidance_scale=scale, planner_candidates=1),
                )
            ),
            ask(num_frames=9),
        )
        for scale in (1.0, 1.0, 4.0)
    ]
    assert torch.equal(found[0].settings, found[1].settings)
    assert not torch.allclose(found[0].settings, found[2].settings, atol=1e-3)


def test_the_video_follows_the_plan(pipeline: VideoPipeline) -> None:
    request = ask(num_frames=9)
    frames = pipeline(request).video.frames
    tracks = planned(pipeline, request)
    assert np.array_equal(pipeline(request, tracks=tracks).video.frames, frames)
    assert not np.array_equal(pipeline(request, tracks=tracks.mirrored()).video.frames, frames)


def test_given_tracks_are_followed_rather_than_planned(pipeline: VideoPipeline) -> None:
    result = pipeline(ask(), tracks=by_hand())
    assert list(result.seconds_by_stage) == ["text", "denoise", "decode"]
    assert not np.array_equal(result.video.frames, pipeline(ask()).video.frames)
    assert not np.array_equal(result.video.frames, pipeline(ask(), tracks=by_hand().mirrored()).video.frames)
    assert np.array_equal(np.stack(list(pipeline.stream(ask(), tracks=by_hand()))), result.video.frames)


def test_what_surrounds_the_objects_is_followed_too(pipeline: VideoPipeline) -> None:
    frames = pipeline(ask(), tracks=by_hand()).video.frames
    for number in (0, 2, 5, 8, 20):
        tracks = by_hand()
        tracks.settings[..., number] += 0.5
        assert not np.array_equal(pipeline(ask(), tracks=tracks).video.frames, frames)


def test_a_model_without_a_planner_follows_given_tracks(tiny_model: Model) -> None:
    pipeline = VideoPipeline(replace(tiny_model, planner=None))
    unplanned = pipeline(ask())
    assert list(unplanned.seconds_by_stage) == ["text", "denoise", "decode"]
    assert not np.array_equal(pipeline(ask(), tracks=by_hand()).video.frames, unplanned.video.frames)


def test_a_model_that_knows_no_tracks_places_things_itself(planless_model: Model) -> None:
    pipeline = VideoPipeline(planless_model)
    first, again, other = (pipeline(ask(seed=seed)).video.frames for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_words_that_it_does_not_know_are_named(pipeline: VideoPipeline) -> None:
    result = pipeline(ask("a red zebra falls, красный", num_frames=1))
    assert result.ignored_words == ("zebra", "красный")
    assert pipeline(ask(num_frames=1)).ignored_words == ()


def test_words_beyond_what_it_reads_are_counted(pipeline: VideoPipeline) -> None:
    length = pipeline.model.text_encoder.config.max_tokens
    results = [
        pipeline(ask("ball " * words + "falls", num_frames=1)) for words in (length - 1, length, length + 1)
    ]
    assert [result.num_unread_words for result in results] == [0, 1, 2]
    assert all(result.ignored_words == () for result in results)
    assert np.array_equal(results[1].video.frames, results[2].video.frames)


def test_progress_rises_to_the_end_of_each_stage(pipeline: VideoPipeline) -> None:
    told: list[tuple[str, int, int]] = []
    result = pipeline(ask(num_frames=33), on_progress=lambda *step: told.append(step))
    assert [(done, total) for stage, done, total in told if stage == "denoise"] == [(1, 2), (2, 2)]
    assert [(done, total) for stage, done, total in told if stage == "decode"] == [(4, 9), (8, 9), (9, 9)]
    stages = [stage for stage, _, _ in told]
    assert stages == sorted(stages, key=["denoise", "decode"].index)
    assert list(result.seconds_by_stage) == ["text", "plan", "denoise", "decode"]
    assert all(seconds > 0 for seconds in result.seconds_by_stage.values())


def test_the_seconds_are_not_those_of_who_reads_the_stream(pipeline: VideoPipeline) -> None:
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
        VideoPipeline.from_pretrained(f"{tmp_path}/nothing")


def test_planned_tracks_can_be_changed_and_given_back(tiny_model: Model) -> None:
    pipeline = VideoPipeline(tiny_model)
    request = GenerationRequest(prompt="a red ball falls", num_frames=5, height=32, width=32)
    tracks = pipeline.tracks(request)
    assert tracks is not None
    planned = pipeline(request).video.frames
    assert np.array_equal(pipeline(request, tracks=tracks).video.frames, planned)
    tracks.boxes[:, :, :, 0] += 0.5
    tracks.boxes[..., 2:4] += 0.5
    tracks.present[:] = 1
    assert not np.array_equal(pipeline(request, tracks=tracks).video.frames, planned)


def test_tracks_that_cannot_be_followed(tiny_model: Model) -> None:
    pipeline = VideoPipeline(tiny_model)
    request = GenerationRequest(prompt="a red ball falls", num_frames=4, height=32, width=32)
    tracks = pipeline.tracks(replace(request, num_frames=9))
    with pytest.raises(UserError, match="4 frames needs tracks of 5, not of 9"):
        pipeline(request, tracks=tracks)


def test_at_temperature_zero_only_the_plan_is_chance(pipeline: VideoPipeline) -> None:
    request, tracks = ask(), by_hand()
    cold = VideoPipeline(replace(pipeline.model, sampling=replace(pipeline.model.sampling, temperature=0.0)))
    frames = [cold(replace(request, seed=seed), tracks=tracks).video.frames for seed in (0, 1)]
    assert np.array_equal(*frames)
    assert not np.array_equal(pipeline(request, tracks=tracks).video.frames, frames[0])


def test_of_several_plans_the_clearest_is_followed(pipeline: VideoPipeline) -> None:
    """The more plans there are to choose from, the better things are seen."""
    few, many = (
        VideoPipeline(
            replace(pipeline.model, sampling=replace(pipeline.model.sampling, planner_candidates=number))
        )
        for number in (1, 8)
    )
    unseen = [[planned(each, ask(seed=seed)).unseen().item() for each in (few, many)] for seed in range(12)]
    assert np.mean([after for _, after in unseen]) < np.mean([before for before, _ in unseen])
    assert planned(many, ask()).poses.shape[0] == 1
