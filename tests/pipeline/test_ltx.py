"""LTX-Video through the one pipeline: whole loops against diffusers', and every task."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTXImageToVideoPipeline
from PIL import Image
from torch import Tensor

from tenku.checkpoint import load_open_model, open_on_demand
from tenku.evaluation.peer import frames_of_peer, generate_with_peer, load_peer
from tenku.media import read_picture, write_picture
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.timeline import Footage, Task, animate, blend, edit, extend, fill, loop, remix
from tenku.vae import LtxAutoencoder, ltx

V0_9, V0_9_1 = "ltx-video-2b-0.9", "ltx-video-2b-0.9.1"
CLOSE = 1e-5
Published = Callable[[str], Path]
PipelineOf = Callable[[str], VideoPipeline]


@pytest.fixture(scope="module")
def pipeline_of(ltx_model: Published) -> PipelineOf:
    """Latents are decoded without noise, which diffusers draws from elsewhere."""

    def pipeline(name: str) -> VideoPipeline:
        model = load_open_model(ltx_model(name))
        assert isinstance(model.vae, LtxAutoencoder)
        model.vae.config = replace(model.vae.config, decode_noise_scale=0.0)
        return VideoPipeline(model)

    return cache(pipeline)


@pytest.fixture(scope="module")
def peer_of(ltx_model: Published) -> Callable[[str], Any]:
    return cache(lambda name: load_peer(ltx_model(name)))


def ask(num_frames: int = 17, **more: Any) -> GenerationRequest:
    values = {"height": 64, "width": 96, "num_inference_steps": 10, "guidance_scale": 4.0, "seed": 7, **more}
    return GenerationRequest(
        prompt="a red ball falls", negative_prompt="blue cube", num_frames=num_frames, fps=25.0, **values
    )


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def unpacked(tokens: Tensor, request: GenerationRequest) -> Tensor:
    """diffusers' tokens (1 n c) as latents (1 c t h w)."""
    grid = 1 + (request.num_frames - 1) // 8, request.height // 32, request.width // 32
    return tokens.transpose(1, 2).unflatten(2, grid)


def frames_as_ours(peer: Any, request: GenerationRequest) -> np.ndarray[Any, Any]:
    """Its frames of the same noise, with what its decoder draws from the global generator put where ours
    starts."""
    generator = torch.Generator().manual_seed(request.seed)
    grid = 1 + (request.num_frames - 1) // 8, request.height // 32, request.width // 32
    latents = torch.randn(1, 16, *grid, generator=generator).flatten(2).transpose(1, 2)
    with torch.random.fork_rng():
        torch.manual_seed(ltx.NOISE_SEED)
        return frames_of_peer(
            peer, request, latents=latents, decode_timestep=0.05, decode_noise_scale=0.0
        ).astype(int)


@pytest.mark.parametrize("num_frames", [1, 17])
@pytest.mark.parametrize("name", [V0_9, V0_9_1])
def test_the_whole_loop_is_diffusers(
    pipeline_of: PipelineOf, peer_of: Callable[[str], Any], name: str, num_frames: int
) -> None:
    request = ask(num_frames)
    made = pipeline_of(name)(request)
    expected = unpacked(generate_with_peer(peer_of(name), request), request)
    assert made.footage.latents.shape == expected.shape
    assert relative(made.footage.latents, expected) < CLOSE
    frames = frames_as_ours(peer_of(name), request)
    assert made.video.frames.shape == frames.shape
    assert np.abs(made.video.frames - frames).max() <= 1  # half a step of rounding
    assert made.video.frames.std() > 5
    assert made.seconds_by_stage.keys() == {"text", "denoise", "decode"}


def test_time_is_counted_in_seconds_at_the_rate_that_was_asked_for(
    pipeline_of: PipelineOf, peer_of: Callable[[str], Any]
) -> None:
    usual = ask(17)
    slow = replace(usual, fps=12.0)
    made, again = (pipeline_of(V0_9)(request).footage.latents for request in (slow, usual))
    expected = unpacked(generate_with_peer(peer_of(V0_9), slow, frame_rate=12.0), slow)
    assert relative(made, expected) < CLOSE
    assert relative(again, expected) > 100 * CLOSE


def test_without_guidance(pipeline_of: PipelineOf, peer_of: Callable[[str], Any]) -> None:
    request = ask(9, guidance_scale=1.0)
    made = pipeline_of(V0_9)(request).footage.latents
    assert relative(made, unpacked(generate_with_peer(peer_of(V0_9), request), request)) < CLOSE


def test_a_first_picture_as_diffusers_goes_on_from_it(
    pipeline_of: PipelineOf, peer_of: Callable[[str], Any], tmp_path: Path
) -> None:
    """The known frame stands at level 0; the peer is given the same latents to go on from."""
    write_picture(tmp_path / "first.png", np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
    pipeline, request = pipeline_of(V0_9), ask()
    footage = pipeline.footage_of(tmp_path / "first.png", (64, 96), fps=25.0)
    task = animate(footage, request.prompt, seconds=17 / 25)
    made = pipeline(Task(request, task.timeline)).footage.latents
    peer = LTXImageToVideoPipeline(**peer_of(V0_9).components)
    peer.set_progress_bar_config(disable=True)
    noise = torch.randn(made.shape, generator=torch.Generator().manual_seed(request.seed))
    start = torch.cat([footage.latents, noise[:, :, 1:]], 2).flatten(2).transpose(1, 2)
    picture = Image.fromarray(read_picture(tmp_path / "first.png"))
    tokens = generate_with_peer(peer, request, image=picture, latents=start)
    assert torch.equal(made[:, :, :1], footage.latents)
    assert relative(made, unpacked(tokens, request)) < CLOSE


@pytest.fixture(scope="module")
def clip(pipeline_of: PipelineOf) -> Footage:
    return pipeline_of(V0_9)(ask(33, num_inference_steps=2)).footage


SAMPLING: Any = {"seed": 3, "num_inference_steps": 2, "guidance_scale": 4.0}
TASKS: dict[str, Callable[[Footage], Task]] = {
    "extend after": lambda clip: extend(clip, "a blue cube", after=0.5, **SAMPLING),
    "extend before": lambda clip: extend(clip, before=0.5, **SAMPLING),
    "fill": lambda clip: fill(clip, start=0.4, stop=0.9, **SAMPLING),
    "loop": lambda clip: loop(clip, seconds=0.5, **SAMPLING),
    "blend": lambda clip: blend(clip, clip, seconds=0.5, **SAMPLING),
    "remix": lambda clip: remix(clip, "a blue cube", strength=0.6, **SAMPLING),
    "edit": lambda clip: edit(clip, "a blue cube", mask=np.eye(64, 96) > 0, **SAMPLING),
    "first and last": lambda clip: animate(clip.first(1), last=clip.first(1), seconds=1.0, **SAMPLING),
}


@pytest.mark.parametrize("build", TASKS.values(), ids=TASKS.keys())
def test_every_task_keeps_what_is_known_and_makes_the_rest(
    pipeline_of: PipelineOf, clip: Footage, build: Callable[[Footage], Task]
) -> None:
    task = build(clip)
    result = pipeline_of(V0_9)(task)
    assert result.video.num_frames == task.request.num_frames
    made, floor = result.footage.latents, task.timeline.noise_floor
    known = (floor == 0).expand(-1, -1, *made.shape[3:])[:, None].expand(1, made.shape[1], -1, -1, -1)
    known = known[:, :, : made.shape[2]]
    given = task.timeline.latents[:, :, : made.shape[2]]
    assert made.isfinite().all()
    assert torch.equal(made[known], given[known])
    assert not torch.allclose(made[~known], given[~known], atol=1e-2)


def test_frames_come_out_alike_however_they_are_asked_for(pipeline_of: PipelineOf) -> None:
    """Longer than a window: streamed, whole, and fewer frames than latent frames hold."""
    model = pipeline_of(V0_9_1).model
    short = replace(model, sampling=replace(model.sampling, window_size=4, window_overlap=2))
    pipeline, request = VideoPipeline(short), ask(54, num_inference_steps=2)
    parts: list[Footage] = []
    streamed = np.stack(list(pipeline.stream(request, on_part=parts.append)))
    whole = pipeline(request)
    assert [part.num_latent_frames for part in parts] == [4, 2, 2]
    assert streamed.shape == (54, 64, 96, 3)
    assert np.array_equal(streamed, whole.video.frames)


def test_parts_that_come_when_they_are_needed(ltx_model: Published) -> None:
    folder, request = ltx_model(V0_9_1), ask(9, num_inference_steps=2)
    whole = VideoPipeline(load_open_model(folder))(request)
    needed = VideoPipeline(open_on_demand(folder, dtype=torch.float32))(request)
    assert torch.equal(needed.footage.latents, whole.footage.latents)
    assert np.array_equal(needed.video.frames, whole.video.frames)


def test_live_is_as_long_as_was_asked(pipeline_of: PipelineOf) -> None:
    request = ask(41, num_inference_steps=2)
    said: list[str] = []

    def next_prompt() -> str:
        said.append("a red ball falls")
        return said[-1]

    frames = np.stack(list(pipeline_of(V0_9).live(request, next_prompt)))
    assert frames.shape == (41, 64, 96, 3)
    assert len(said) == 1  # 8 latent frames are 57 frames
