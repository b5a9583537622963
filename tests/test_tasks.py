"""Tasks through the whole pipeline: what is known comes out as it was, and the rest is made around it."""

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor, nn

from tenku.checkpoint import Model
from tenku.denoiser import Denoiser, TrackReader, TrackReaderConfig
from tenku.errors import UserError
from tenku.media import Frame, Video
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.timeline import (
    Footage,
    Kept,
    PromptSpan,
    Scene,
    Task,
    animate,
    blend,
    edit,
    extend,
    fill,
    loop,
    remix,
    storyboard,
)
from tenku.timeline.kept import fingerprint
from tenku.timeline.tasks import storyboard_request
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig

MASK = np.zeros((4, 6), bool)
MASK[1:, :3] = True


def in_short_windows(model: Model) -> VideoPipeline:
    """Nine latent frames in view, of which three are looked back at."""
    return VideoPipeline(replace(model, sampling=replace(model.sampling, window_size=9, window_overlap=3)))


@pytest.fixture
def pipeline(tiny_model: Model) -> VideoPipeline:
    return in_short_windows(tiny_model)


def ask(prompt: str = "a red ball falls", num_frames: int = 17, **more: object) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt, num_frames=num_frames, **{"height": 32, "width": 48, **more}  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def clip(pipeline: VideoPipeline) -> Footage:
    """Five latent frames with tracks."""
    return pipeline(ask()).footage


@pytest.fixture
def other(pipeline: VideoPipeline) -> Footage:
    """Six more."""
    return pipeline(ask("红球", 21, seed=5)).footage


TASKS: dict[str, Callable[[Footage, Footage], Task]] = {
    "animate": lambda clip, other: animate(clip, "红球", seconds=1),
    "animate to the last": lambda clip, other: animate(clip, "红球", seconds=1, last=other),
    "extend after": lambda clip, other: extend(clip, "红球", after=0.75),
    "extend before": lambda clip, other: extend(clip, "红球", before=0.75),
    "extend both, in windows": lambda clip, other: extend(clip, "红球", before=3, after=3),
    "fill": lambda clip, other: fill(clip, "红球", start=0.3, stop=0.6),
    "fill the start": lambda clip, other: fill(clip, "红球", start=0, stop=0.3),
    "loop": lambda clip, other: loop(clip, "红球", seconds=0.5),
    "blend": lambda clip, other: blend(clip, other, seconds=0.5),
    "edit": lambda clip, other: edit(clip, "红球", mask=MASK),
    "edit a little": lambda clip, other: edit(clip, "红球", mask=MASK, strength=0.4),
    "remix at 0": lambda clip, other: remix(clip, "红球", strength=0),
    "remix": lambda clip, other: remix(clip, "红球", strength=0.5),
}  # fmt: skip


@pytest.mark.parametrize("task", list(TASKS))
def test_what_is_known_comes_out_bit_identical(
    pipeline: VideoPipeline, clip: Footage, other: Footage, task: str
) -> None:
    asked = TASKS[task](clip, other)
    result, timeline = pipeline(asked), asked.timeline
    found = result.footage
    length = found.num_latent_frames
    assert result.video.num_frames == asked.request.num_frames <= found.num_frames
    assert found.latents.isfinite().all()
    known = (timeline.noise_floor[:, None] == 0).expand_as(timeline.latents)[:, :, :length]
    assert torch.equal(found.latents[known], timeline.latents[:, :, :length][known])
    changed = (found.latents != timeline.latents[:, :, :length])[~known]
    assert changed.numel() == 0 or changed.float().mean() > 0.99
    assert found.tracks is not None
    assert timeline.tracks is not None
    assert timeline.track_floor is not None
    held = (timeline.track_floor[:, None] == 0).expand_as(timeline.tracks)[:, :, :length]
    assert torch.equal(found.tracks[held], timeline.tracks[:, :, :length][held])


def test_a_clip_is_where_it_should_be(pipeline: VideoPipeline, clip: Footage, other: Footage) -> None:
    """In the clip's own latents rather than the timeline's."""
    found = {name: pipeline(build(clip, other)).footage.latents for name, build in TASKS.items()}
    ours, theirs = clip.latents, other.latents
    assert torch.equal(found["extend after"][:, :, :5], ours)
    assert torch.equal(found["extend before"][:, :, 4:], ours[:, :, 1:])
    assert torch.equal(found["extend both, in windows"][:, :, 13:17], ours[:, :, 1:])
    assert found["extend both, in windows"].shape[2] == 5 + 12 + 12
    assert torch.equal(found["fill"][:, :, [0, 1, 4]], ours[:, :, [0, 1, 4]])
    assert torch.equal(found["fill the start"][:, :, 3:], ours[:, :, 3:])
    assert torch.equal(found["loop"][:, :, :5], ours)
    assert torch.equal(found["blend"][:, :, :3], ours[:, :, :3])
    assert torch.equal(found["blend"][:, :, 5:], theirs[:, :, 2:])
    assert torch.equal(found["animate to the last"][:, :, [0, 4]], torch.cat([ours, theirs], 2)[:, :, [0, 5]])
    for name in ("edit", "edit a little"):
        same = (found[name] == ours)[0].flatten(0, 1)  # (c t) h w
        assert same[:, ~MASK].all()
        assert not same[:, MASK].any()


def test_a_remix_that_may_change_nothing_gives_the_clip_back(pipeline: VideoPipeline) -> None:
    first = pipeline(ask())
    again = pipeline(remix(first.footage, "红球", strength=0, seed=9))
    assert np.array_equal(again.video.frames, first.video.frames)
    assert again.footage.tracks is not None
    assert first.footage.tracks is not None
    assert torch.equal(again.footage.tracks, first.footage.tracks)


def test_the_stronger_a_remix_the_less_is_left(pipeline: VideoPipeline, clip: Footage) -> None:
    changes = [
        (pipeline(remix(clip, "a red ball falls", strength=strength, seed=3)).footage.latents - clip.latents)
        .square().mean().item()
        for strength in (0.0, 0.2, 0.6, 1.0)
    ]  # fmt: skip
    assert changes[0] == 0
    assert changes == sorted(changes)


def test_a_clip_that_goes_on_looks_as_before(pipeline: VideoPipeline) -> None:
    first = pipeline(ask())
    longer = pipeline(extend(first.footage, after=0.5)).video.frames
    assert np.abs(longer[:17].astype(int) - first.video.frames).max() <= 3  # of how chunks are rounded


@pytest.mark.parametrize("task", ["extend after", "fill", "loop", "edit", "remix", "blend"])
def test_what_is_made_follows_seed_and_prompt(
    pipeline: VideoPipeline, clip: Footage, other: Footage, task: str
) -> None:
    asked = TASKS[task](clip, other)
    first, again = (pipeline(asked).video.frames for _ in range(2))
    assert np.array_equal(first, again)
    seeded = replace(asked, request=replace(asked.request, seed=1))
    assert not np.array_equal(pipeline(seeded).video.frames, first)
    led_away = replace(asked, request=replace(asked.request, negative_prompt="falls"))
    assert not np.array_equal(pipeline(led_away).video.frames, first)


def test_a_prompt_is_heeded_from_where_it_is_said(pipeline: VideoPipeline) -> None:
    """What comes before, even in an earlier window, does not change with what is said later."""
    whole = pipeline.lay_out(ask(num_frames=65))
    videos = []
    for later in ("a red ball", "红球"):
        spans = (PromptSpan("a ball", 0, 10), PromptSpan(later, 10, 17))
        videos.append(pipeline(Task(ask(num_frames=65), replace(whole, prompts=spans))).footage.latents)
    assert torch.equal(videos[0][:, :, :10], videos[1][:, :, :10])
    assert not torch.isclose(videos[0][:, :, 10], videos[1][:, :, 10]).all()


def test_what_goes_on_sees_what_came_before(planless_model: Model) -> None:
    """Of which there is nothing but latents."""
    pipeline = in_short_windows(planless_model)
    clips = [pipeline(ask(seed=seed)).footage for seed in (0, 1)]
    added = [pipeline(extend(clip, "红球", after=0.5)).footage.latents[:, :, 5:] for clip in clips]
    assert not torch.isclose(added[0], added[1]).all()


# Joints


def pictures(num_latent_frames: int, seed: int) -> Tensor:
    """Frames (1 3 t h w) of two patterns; of each four, the last is another one than the three before."""
    generator = torch.Generator().manual_seed(1)
    patterns = 0.05 * torch.randn(2, 3, 8, 8, generator=generator)
    generator.manual_seed(seed)
    amounts = torch.randn(num_latent_frames, 2, 2, 4, 6, generator=generator)  # t, three or last, pattern
    frames = torch.einsum("tskhw,kcyx->tschywx", amounts, patterns).flatten(3, 4).flatten(4, 5)
    clip = rearrange(frames[:, [0, 0, 0, 1]], "t f c y x -> c (t f) y x")
    return clip[None, :, 3:]


def exact_autoencoder() -> VideoAutoencoder:
    """One that holds such pictures without a loss, and is linear."""
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            latent_channels=4, decoder_width=8, decoder_depth=1, frame_width=8, frame_depth=1
        )
    ).requires_grad_(False)
    vae.initialise_from_pca(pictures(40, 0))
    return vae.eval()


@pytest.mark.parametrize(
    ("build", "joint"),
    [
        (lambda clip: extend(clip, "红球", before=0.5), 2),
        (lambda clip: extend(clip, "红球", before=3), 12),  # in windows
        (lambda clip: loop(clip.first(1), "红球", seconds=0.5), 2),
    ],
)
def test_a_joint_ends_in_the_clip_s_first_frame(
    tiny_model: Model, build: Callable[[Footage], Task], joint: int
) -> None:
    vae = exact_autoencoder()
    pipeline = in_short_windows(replace(tiny_model, vae=vae))
    clip = replace(pipeline(ask()).footage, latents=vae.encode(pictures(5, 3)))
    made = pipeline(build(clip)).footage.latents
    assert not torch.isclose(made[:, :, joint], clip.latents[:, :, 0], atol=0.1).all()  # others are made
    groups = rearrange(vae.decode_unnormalised(vae.denormalise(made)), "1 c (t f) y x -> t f c y x", f=4)
    first = pictures(5, 3)[0, :, 0]
    assert torch.allclose(groups[joint, -1], first, atol=1e-3)
    assert not torch.allclose(groups[joint, 0], first, atol=0.1)
    assert not torch.allclose(groups[joint - 1, -1], first, atol=0.1)


# Long videos


def test_a_long_video_is_what_is_streamed(pipeline: VideoPipeline) -> None:
    request = ask(num_frames=98)
    parts: list[Footage] = []
    result = pipeline(request)
    frames = list(pipeline.stream(request, on_part=parts.append))
    assert np.array_equal(np.stack(frames), result.video.frames)
    assert result.video.num_frames == 98
    assert [part.num_latent_frames for part in parts] == [9, 6, 6, 5]
    whole = pipeline.whole(parts, request)
    assert torch.equal(whole.latents, result.footage.latents)
    assert whole.tracks is not None
    assert result.footage.tracks is not None
    assert torch.equal(whole.tracks, result.footage.tracks)
    assert whole.prompts == result.footage.prompts == (PromptSpan("a red ball falls", 0, 26),)


def test_tracks_of_a_long_video_are_what_it_follows(pipeline: VideoPipeline) -> None:
    request = ask(num_frames=97)
    tracks = pipeline.tracks(request)
    assert tracks is not None
    config = pipeline.model.denoiser.config.tracks
    assert config is not None
    found = pipeline(request).footage.tracks
    assert found is not None
    assert torch.allclose(tracks.packed(config), found, atol=1e-5)


def test_a_long_video_begins_as_a_short_one(pipeline: VideoPipeline) -> None:
    short, long = (pipeline(ask(num_frames=frames)).footage.latents for frames in (33, 65))
    assert torch.equal(long[:, :, :9], short)


def test_parts_come_while_they_are_made(pipeline: VideoPipeline) -> None:
    parts: list[Footage] = []
    stream = pipeline.stream(ask(num_frames=97), on_part=parts.append)
    next(stream)
    assert len(parts) == 1
    for _ in range(33):
        next(stream)
    assert len(parts) == 2


def held() -> int:
    """How many latent frames of 4 by 6 positions all tensors together hold."""
    storages = {}
    for value in gc.get_objects():
        if type(value) is Tensor and value.ndim == 5 and value.shape[-2:] == (4, 6):
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    return sum(storages.values()) // (4 * 4 * 4 * 6)


def test_memory_does_not_hold_what_was_made(tiny_model: Model) -> None:
    sampling = replace(tiny_model.sampling, planner_candidates=1, planner_steps=1, num_inference_steps=1)
    pipeline = in_short_windows(replace(tiny_model, sampling=sampling))
    counts = []
    for frames in (97, 241):
        gc.collect()
        before, most = held(), []
        for _ in pipeline.stream(ask(num_frames=frames), on_part=lambda part: most.append(held())):  # noqa: B023
            pass
        counts.append(max(most) - before)
    assert 0 < counts[1] <= counts[0] + 9 < 61


# Shots


def board(pipeline: VideoPipeline, scenes: list[Scene]) -> Task:
    request = storyboard_request(scenes, height=32, width=48, fps=16)
    return storyboard(scenes, request, pipeline.lay_out(request))


def test_a_new_shot_does_not_look_back(planless_model: Model) -> None:
    pipeline = in_short_windows(planless_model)
    latents = [
        pipeline(board(pipeline, [Scene(prompt, 1), Scene("a red ball", 2)])).footage.latents
        for prompt in ("a ball falls", "红球")
    ]
    assert not torch.isclose(latents[0][:, :, :5], latents[1][:, :, :5]).all()
    assert torch.equal(latents[0][:, :, 5:], latents[1][:, :, 5:])


def test_shots_of_one_prompt_are_not_one_shot_again(planless_model: Model) -> None:
    pipeline = in_short_windows(planless_model)
    latents = pipeline(board(pipeline, [Scene("a ball", 1)] * 3)).footage.latents
    assert not torch.isclose(latents[:, :, 5:9], latents[:, :, 9:13]).all()


def test_shots_open_with_what_they_are_given(planless_model: Model) -> None:
    pipeline = in_short_windows(planless_model)
    clip = pipeline(ask()).footage
    result = pipeline(board(pipeline, [Scene("a ball", 1), Scene("红球", 2, clip)]))
    assert torch.equal(result.footage.latents[:, :, 5:10], clip.latents)
    assert result.footage.cuts == (5,)
    assert result.video.num_frames == 1 + 4 * (result.footage.num_latent_frames - 1)


def test_a_shot_dissolves_into_the_next(planless_model: Model) -> None:
    """And is the same as after a cut when that is over."""
    pipeline = in_short_windows(planless_model)
    cut, faded = (
        pipeline(board(pipeline, [Scene("a ball", 1), Scene("红球", 2, dissolve=seconds)])).footage
        for seconds in (0, 0.75)
    )
    assert cut.latents.shape == faded.latents.shape == (1, 4, 13, 4, 6)
    assert torch.equal(cut.latents[:, :, 8:], faded.latents[:, :, 8:])
    away = (cut.latents - faded.latents)[:, :, 5:8].square().mean((0, 1, 3, 4))
    assert away[0] > away[1] > away[2] > 0


@pytest.mark.parametrize("window_size", [4, 5, 9])
def test_a_dissolve_may_be_as_long_as_its_shot(planless_model: Model, window_size: int) -> None:
    sampling = replace(planless_model.sampling, window_size=window_size, window_overlap=2)
    pipeline = VideoPipeline(replace(planless_model, sampling=sampling))
    scenes = [Scene("a ball", 1), Scene("红球", 1, dissolve=1), Scene("a red ball", 1, dissolve=1)]
    result = pipeline(board(pipeline, scenes))
    assert result.footage.latents.shape[2] == 13
    assert result.video.num_frames == 49
    assert result.footage.latents.isfinite().all()


def test_a_model_with_looks_of_its_own_makes_shots(pipeline: VideoPipeline) -> None:
    result = pipeline(board(pipeline, [Scene("a ball", 1), Scene("红球", 1)]))
    assert result.footage.latents.shape[2] == 9


# What goes on from what


@pytest.mark.parametrize("task", ["extend after", "extend before", "fill", "edit", "animate to the last"])
def test_one_can_go_on_from_what_a_task_has_made(
    pipeline: VideoPipeline, clip: Footage, other: Footage, task: str
) -> None:
    made = pipeline(TASKS[task](clip, other)).footage
    longer = pipeline(extend(made, after=0.5)).footage
    assert torch.equal(longer.latents[:, :, : made.num_latent_frames], made.latents)
    assert longer.num_latent_frames == made.num_latent_frames + 2


def test_the_footage_of_a_loop_is_the_loop(pipeline: VideoPipeline, clip: Footage) -> None:
    """Up to the last frames of a group."""
    result = pipeline(loop(clip, seconds=0.5))
    assert 0 <= result.footage.num_frames - result.video.num_frames < 4


def test_prompts_of_a_loop_lie_in_its_footage(tiny_model: Model, clip: Footage) -> None:
    sampling = replace(tiny_model.sampling, window_size=5, window_overlap=2)
    footage = VideoPipeline(replace(tiny_model, sampling=sampling))(loop(clip, seconds=0.5)).footage
    assert max(span.stop for span in footage.prompts) <= footage.num_latent_frames


def test_a_model_without_a_planner_goes_on(tiny_model: Model, clip: Footage) -> None:
    pipeline = in_short_windows(replace(tiny_model, planner=None))
    longer = pipeline(extend(clip, after=0.5)).footage
    assert torch.equal(longer.latents[:, :, :5], clip.latents)


def test_a_model_without_a_planner_goes_on_for_long(tiny_model: Model, clip: Footage) -> None:
    pipeline = in_short_windows(replace(tiny_model, planner=None))
    assert pipeline(extend(clip, after=4)).footage.num_latent_frames == 21


def test_a_model_that_knows_no_tracks_leaves_them_alone(planless_model: Model, clip: Footage) -> None:
    longer = in_short_windows(planless_model)(extend(clip, after=4)).footage
    assert torch.equal(longer.latents[:, :, :5], clip.latents)
    assert longer.tracks is None


def test_tracks_of_another_kind_are_not_gone_on_from(tiny_model: Model, clip: Footage) -> None:
    """The same autoencoder, but a denoiser that has room for one object more."""
    config = tiny_model.denoiser.config
    assert config.tracks is not None
    denoiser = Denoiser(replace(config, tracks=replace(config.tracks, max_objects=3)))
    pipeline = VideoPipeline(replace(tiny_model, denoiser=denoiser))
    footage = pipeline.reopen(Kept(clip, ask(), fingerprint(tiny_model.vae)))
    assert footage.tracks is None or footage.tracks.shape[3] == 4


# Somebody else's clips


def film(num_frames: int) -> Video:
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, 32, 48, 3), np.uint8)
    return Video(frames, 12.5)


@pytest.mark.parametrize(("frames", "length"), [(1, 1), (4, 1), (5, 2), (70, 18), (133, 34)])
def test_a_foreign_clip_is_encoded_whole(pipeline: VideoPipeline, frames: int, length: int) -> None:
    footage = pipeline.footage(film(frames), "a ball")
    assert footage.num_latent_frames == length
    assert 0 <= frames - footage.num_frames < 4
    assert (footage.fps, footage.size) == (12.5, (32, 48))
    assert footage.prompts == (PromptSpan("a ball", 0, length),)
    assert footage.tracks is None  # nobody reads them
    pixels = torch.from_numpy(film(frames).frames[: footage.num_frames]).permute(3, 0, 1, 2)[None]
    with torch.no_grad():
        latents = pipeline.model.vae.encode(pixels.float() / 127.5 - 1)
    assert torch.allclose(footage.latents, latents, atol=0.05)


def test_of_a_foreign_clip_tracks_are_read(
    tiny_model: Model, randomised: Callable[[nn.Module], nn.Module]
) -> None:
    tracks = tiny_model.denoiser.config.tracks
    assert tracks is not None
    reader = TrackReader(
        TrackReaderConfig(
            tracks=tracks, latent_channels=4, hidden_size=16, num_heads=2, frame_depth=1, slot_depth=1
        )
    )
    randomised(reader)
    sampling = replace(tiny_model.sampling, fitting_steps=2)
    pipeline = in_short_windows(replace(tiny_model, reader=reader, sampling=sampling))
    footage = pipeline.footage(film(17))
    assert footage.tracks is not None
    assert footage.tracks.shape == (1, tracks.channels, 5, 3)
    assert footage.tracks.isfinite().all()
    assert footage.prompts == ()
    longer = pipeline(extend(footage, "红球", after=0.5)).footage
    assert torch.equal(longer.latents[:, :, :5], footage.latents)
    assert longer.tracks is not None
    assert torch.equal(longer.tracks[:, :, :5], footage.tracks)


def test_another_model_does_not_open_what_was_kept(pipeline: VideoPipeline, clip: Footage) -> None:
    own = Kept(clip, ask(), fingerprint(pipeline.model.vae))
    assert pipeline.reopen(own) == clip or torch.equal(pipeline.reopen(own).latents, clip.latents)
    other = VideoPipeline(replace(pipeline.model, vae=exact_autoencoder()))
    with pytest.raises(UserError, match=r"kept by another model.*; give the model that made it, or the vid"):
        other.reopen(own)


# Live


def test_live_video_follows_what_is_said_meanwhile(pipeline: VideoPipeline) -> None:
    videos = []
    for later in ("a ball", "红球"):
        asked: list[int] = []
        frames: list[Frame] = []

        def next_prompt(asked: list[int] = asked, frames: list[Frame] = frames, later: str = later) -> str:
            asked.append(len(frames))
            return "a ball" if len(asked) < 2 else later

        for frame in pipeline.live(ask(num_frames=70), next_prompt):
            frames.append(frame)
        videos.append(np.stack(frames))
        assert asked == [0, 29, 61]  # before each part of eight latent frames
    assert videos[0].shape == (70, 32, 48, 3)
    assert np.array_equal(videos[0][:29], videos[1][:29])
    assert not np.array_equal(videos[0][29:33], videos[1][29:33])
