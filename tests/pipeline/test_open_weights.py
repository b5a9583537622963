"""Published weights through the one pipeline: whole loops against diffusers', and every task."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline
from torch import Tensor

from tenku.checkpoint import load_open_model
from tenku.errors import UserError
from tenku.evaluation.peer import frames_of_peer, generate_with_peer, load_peer, quietly
from tenku.media import Video, read_picture, write_picture
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.timeline import Footage, Task, animate, blend, edit, extend, fill, loop, remix

T2V, TI2V, I2V = "wan-2.1-t2v-1.3b", "wan-2.2-ti2v-5b", "wan-2.2-i2v-a14b"
VACE = "wan-2.1-vace-1.3b"
KINDS = (T2V, TI2V, I2V, VACE)
CLOSE = 1e-5
Published = Callable[[str], Path]


@pytest.fixture(scope="module")
def pipeline_of(published_model: Published) -> Callable[[str], VideoPipeline]:
    return cache(lambda name: VideoPipeline(load_open_model(published_model(name))))


@pytest.fixture(scope="module")
def peer_of(published_model: Published) -> Callable[[str], Any]:
    return cache(lambda name: load_peer(published_model(name)))


def ask(num_frames: int = 9, **more: Any) -> GenerationRequest:
    values = {"height": 32, "width": 64, "num_inference_steps": 10, "guidance_scale": 4.0, "seed": 7, **more}
    return GenerationRequest(
        prompt="a red ball falls", negative_prompt="blue cube", num_frames=num_frames, **values
    )


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("num_frames", [1, 9])
@pytest.mark.parametrize("name", [T2V, "wan-2.2-t2v-a14b", TI2V])
def test_the_whole_loop_is_diffusers(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], name: str, num_frames: int
) -> None:
    request = ask(num_frames)
    made = pipeline_of(name)(request)
    assert relative(made.footage.latents, generate_with_peer(peer_of(name), request)) < CLOSE
    frames = frames_of_peer(peer_of(name), request).astype(int)
    assert np.abs(made.video.frames - frames).max() <= 1  # half a step of rounding
    assert made.seconds_by_stage.keys() == {"text", "denoise", "decode"}


@pytest.mark.parametrize("guidance_scale", [1.0, 4.0])
def test_without_guidance_the_negative_prompt_is_not_looked_at(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], guidance_scale: float
) -> None:
    request = replace(ask(), guidance_scale=guidance_scale)
    other = replace(request, negative_prompt="a green cone")
    made, again = (pipeline_of(T2V)(each).footage.latents for each in (request, other))
    assert relative(made, generate_with_peer(peer_of(T2V), request)) < CLOSE
    assert torch.equal(made, again) == (guidance_scale == 1)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    place = tmp_path / "first.png"
    write_picture(place, np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8))
    return place


def as_image_to_video(peer: Any, **facts: Any) -> Any:
    with quietly():
        made = WanImageToVideoPipeline(
            **{**peer.components, "image_encoder": None, "image_processor": None}, **facts
        )
    made.set_progress_bar_config(disable=True)
    return made


def test_a_first_picture_as_diffusers_goes_on_from_it(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], picture: Path
) -> None:
    """Weights with a level for each token: a known frame stands at level 0."""
    from PIL import Image

    pipeline, request = pipeline_of(TI2V), ask()
    footage = pipeline.footage_of(picture, (32, 64))
    task = Task(request, animate(footage, request.prompt, seconds=9 / 16).timeline)
    made = pipeline(task).footage.latents
    peer = as_image_to_video(peer_of(TI2V), expand_timesteps=True)
    expected = generate_with_peer(peer, request, image=Image.fromarray(read_picture(picture)))
    assert torch.equal(made[:, :, :1], footage.latents)
    assert relative(made, expected) < CLOSE


def random_picture(seed: int) -> np.ndarray[Any, Any]:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 8, 3))
    return coarse.repeat(8, 0).repeat(8, 1).astype(np.uint8)


@pytest.mark.parametrize("name", [I2V, "wan-2.1-i2v-14b", "wan-2.1-flf2v-14b"])
def test_pictures_in_channels_and_tokens_as_diffusers_goes_on_from_them(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], name: str
) -> None:
    """Weights that are told in channels, and by CLIP, of a first picture, and perhaps of a last one."""
    from PIL import Image

    pipeline, request = pipeline_of(name), ask()
    pictures = [random_picture(seed) for seed in range(2 if "flf2v" in name else 1)]
    ends = [pipeline.footage(Video(frames=each[None], fps=16.0)) for each in pictures]
    last = ends[1] if len(ends) > 1 else None
    task = animate(ends[0], request.prompt, seconds=9 / 16, last=last)
    made = pipeline(Task(request, task.timeline)).footage.latents
    names = ("image", "last_image")
    given = {key: Image.fromarray(each) for key, each in zip(names, pictures, strict=False)}
    expected = generate_with_peer(peer_of(name), request, **given)
    assert relative(made[:, :, 1:], expected[:, :, 1:]) < CLOSE
    assert torch.equal(made[:, :, :1], task.timeline.latents[:, :, :1])


@pytest.mark.parametrize("known", ["nothing", "a picture", "two pictures"])
def test_vace_as_diffusers_is_shown_what_is_known(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], known: str
) -> None:
    """diffusers is given a grey video with the pictures in it, and a mask that is white everywhere else."""
    pipeline, request = pipeline_of(VACE), ask()
    number = ("nothing", "a picture", "two pictures").index(known)
    pictures = [random_picture(seed) for seed in range(number)]
    video, mask = torch.full((1, 9, 3, 32, 64), 0.5), torch.ones(1, 9, 3, 32, 64)
    for place, each in zip((0, 8), pictures, strict=False):
        video[0, place], mask[0, place] = torch.from_numpy(each).movedim(-1, 0) / 255, 0
    task: GenerationRequest | Task = request
    if pictures:
        ends = [pipeline.footage(Video(frames=each[None], fps=16.0)) for each in pictures]
        last = ends[1] if len(ends) > 1 else None
        task = Task(request, animate(ends[0], request.prompt, seconds=9 / 16, last=last).timeline)
    made = pipeline(task).footage.latents
    expected = generate_with_peer(peer_of(VACE), request, video=video, mask=mask)
    free = slice(1 if pictures else 0, None)  # the first is kept as the picture was encoded
    assert relative(made[:, :, free], expected[:, :, free]) < CLOSE


def test_where_pictures_are_not_known_as_such_they_are_seen_in_the_latents(
    pipeline_of: Callable[[str], VideoPipeline],
) -> None:
    """A clip that goes on is told by what its latents decode to, to CLIP as well; another is another."""
    pipeline = pipeline_of("wan-2.1-i2v-14b")
    clip = pipeline.footage(Video(frames=random_picture(0)[None].repeat(5, 0), fps=16.0))
    other = replace(clip, latents=clip.latents.flip(-1))
    ends = [
        pipeline(extend(each, "a ball", after=0.5, **SAMPLING)).footage.latents[:, :, 2:]
        for each in (clip, other)
    ]
    assert ends[0].isfinite().all()
    assert relative(*ends) > 1e-4


@pytest.mark.parametrize("second", [1.5, None])
def test_the_second_expert_has_a_guidance_scale_of_its_own(
    pipeline_of: Callable[[str], VideoPipeline], peer_of: Callable[[str], Any], second: float | None
) -> None:
    name = "wan-2.2-t2v-a14b"
    request = ask(guidance_scale_2=second)
    made = pipeline_of(name)(request).footage.latents
    expected = generate_with_peer(peer_of(name), request, guidance_scale_2=second)
    assert relative(made, expected) < CLOSE
    assert sampling_of_experts(pipeline_of(name)) == (4.0, 3.0)


def test_one_denoiser_has_one_guidance_scale(pipeline_of: Callable[[str], VideoPipeline]) -> None:
    with pytest.raises(UserError, match="no second expert"):
        pipeline_of(T2V)(ask(guidance_scale_2=3.0))


def sampling_of_experts(pipeline: VideoPipeline) -> tuple[float, float | None]:
    """What Wan's makers take for high and for low noise."""
    return pipeline.model.sampling.guidance_scale, pipeline.model.sampling.guidance_scale_2


@pytest.fixture(scope="module")
def footage_of(pipeline_of: Callable[[str], VideoPipeline]) -> Callable[[str], Footage]:
    return cache(lambda name: pipeline_of(name)(ask(17, num_inference_steps=2)).footage)


SAMPLING: Any = {"seed": 3, "num_inference_steps": 2, "guidance_scale": 4.0}
TASKS: dict[str, Callable[[Footage], Task]] = {
    "extend after": lambda clip: extend(clip, "a blue cube", after=0.5, **SAMPLING),
    "extend before": lambda clip: extend(clip, before=0.5, **SAMPLING),
    "fill": lambda clip: fill(clip, start=0.3, stop=0.7, **SAMPLING),
    "loop": lambda clip: loop(clip, seconds=0.5, **SAMPLING),
    "blend": lambda clip: blend(clip, clip, seconds=0.5, **SAMPLING),
    "remix": lambda clip: remix(clip, "a blue cube", strength=0.6, **SAMPLING),
    "edit": lambda clip: edit(clip, "a blue cube", mask=np.eye(32, 64) > 0, **SAMPLING),
    "first and last": lambda clip: animate(clip.first(1), last=clip.first(1), seconds=1.0, **SAMPLING),
}


@pytest.mark.parametrize("build", TASKS.values(), ids=TASKS.keys())
@pytest.mark.parametrize("name", KINDS)
def test_every_task_keeps_what_is_known_and_makes_the_rest(
    pipeline_of: Callable[[str], VideoPipeline],
    footage_of: Callable[[str], Footage],
    name: str,
    build: Callable[[Footage], Task],
) -> None:
    task = build(footage_of(name))
    result = pipeline_of(name)(task)
    assert result.video.num_frames == task.request.num_frames
    made, floor = result.footage.latents, task.timeline.noise_floor
    known = (
        (floor == 0).expand(-1, -1, *made.shape[3:])[:, None].expand(made.shape[0], made.shape[1], -1, -1, -1)
    )
    known = known[:, :, : made.shape[2]]
    given = task.timeline.latents[:, :, : made.shape[2]]
    assert made.isfinite().all()
    assert torch.equal(made[known], given[known])
    assert not torch.allclose(made[~known], given[~known], atol=1e-2)


@pytest.mark.parametrize("name", KINDS)
def test_a_remix_of_no_strength_changes_nothing(
    pipeline_of: Callable[[str], VideoPipeline], footage_of: Callable[[str], Footage], name: str
) -> None:
    made = pipeline_of(name)(remix(footage_of(name), "a blue cube", strength=0.0, **SAMPLING))
    assert torch.equal(made.footage.latents, footage_of(name).latents)


@pytest.mark.parametrize("name", KINDS)
def test_a_remix_goes_the_further_the_stronger_it_is(
    pipeline_of: Callable[[str], VideoPipeline], footage_of: Callable[[str], Footage], name: str
) -> None:
    clip = footage_of(name)
    sampling = {**SAMPLING, "num_inference_steps": 6}
    changes = [
        relative(
            pipeline_of(name)(remix(clip, "a blue cube", strength=strength, **sampling)).footage.latents,
            clip.latents,
        )
        for strength in (0.1, 0.4, 0.9)
    ]
    assert changes == sorted(changes)
    assert changes[0] < 0.5


@pytest.fixture(scope="module")
def short_sighted(pipeline_of: Callable[[str], VideoPipeline]) -> Callable[[str], VideoPipeline]:
    """With a window of four latent frames, so that a second is longer than it."""

    def pipeline(name: str) -> VideoPipeline:
        model = pipeline_of(name).model
        return VideoPipeline(
            replace(model, sampling=replace(model.sampling, window_size=4, window_overlap=2))
        )

    return pipeline


@pytest.mark.parametrize("name", KINDS)
def test_longer_than_a_window(short_sighted: Callable[[str], VideoPipeline], name: str) -> None:
    pipeline, request = short_sighted(name), ask(33, num_inference_steps=2)
    parts: list[Footage] = []
    streamed = np.stack(list(pipeline.stream(request, on_part=parts.append)))
    whole = pipeline(request)
    assert [part.num_latent_frames for part in parts] == [4, 2, 2, 1]
    assert np.array_equal(streamed, whole.video.frames)
    assert streamed.shape == (33, 32, 64, 3)
    latents = whole.footage.latents
    assert latents.isfinite().all()
    assert float(latents[:, :, -2:].std()) == pytest.approx(float(latents[:, :, :4].std()), rel=0.5)


def test_what_a_window_looks_back_at_matters(short_sighted: Callable[[str], VideoPipeline]) -> None:
    """The same noise and prompt after another beginning give another end."""
    pipeline, request = short_sighted(T2V), ask(33, num_inference_steps=2)
    first = pipeline(request).footage
    ends = [
        pipeline(extend(clip, "a red ball falls", after=0.5, **SAMPLING)).footage.latents[:, :, -2:]
        for clip in (first, replace(first, latents=first.latents.flip(-1)))
    ]
    assert not torch.allclose(*ends, atol=1e-2)


def test_a_place_of_open_weights_is_all_that_it_takes(published_model: Published) -> None:
    pipeline = VideoPipeline.from_pretrained(published_model(TI2V))
    video = pipeline(ask(5, num_inference_steps=2)).video
    assert video.frames.shape == (5, 32, 64, 3)
    assert video.frames.std() > 1
