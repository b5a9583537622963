"""Every task in a user's words: footage and seconds in, a request and its timeline out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

import numpy.typing as npt
import torch

from tenku.errors import UserError
from tenku.media import conform_mask
from tenku.timeline import layouts
from tenku.timeline.describing import described
from tenku.timeline.footage import Footage
from tenku.timeline.request import MAX_PROMPT_LENGTH, GenerationRequest, frames_in
from tenku.timeline.timeline import Timeline


class Sampling(TypedDict, total=False):
    """What every task may say of how it is sampled, as `GenerationRequest` means it."""

    seed: int
    negative_prompt: str
    num_inference_steps: int | None
    guidance_scale: float | None
    guidance_scale_2: float | None


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for, and the timeline on which it is made."""

    request: GenerationRequest
    timeline: Timeline


@dataclass(frozen=True, slots=True)
class Scene:
    """A shot of a storyboard: its prompt, its length in seconds, footage that it opens with, and over how
    many seconds the shot before dissolves into it; 0 is a cut, unless it `continues` that one."""

    prompt: str
    seconds: float
    opening: Footage | None = None
    dissolve: float = 0.0
    continues: bool = False


def animate(
    first: Footage,
    prompt: str = "",
    *,
    seconds: float = 2.0,
    last: Footage | None = None,
    **sampling: Unpack[Sampling],
) -> Task:
    """A video that begins with a picture, and perhaps ends with another."""
    _check_same_size(first, last)
    frames = frames_in(seconds, first.fps)
    length = 1 + math.ceil((frames - 1) / first.frames_per_latent)
    if last is not None and length < 3:
        raise UserError(f"{seconds:g} seconds are too short to get from one picture to another; take 1.")
    prompt = prompt or said_of(first)
    timeline = layouts.animated(first.first(1), length, prompt, last)
    return Task(_request(first, prompt, frames, sampling), timeline)


def extend(
    clip: Footage, prompt: str = "", *, after: float = 0.0, before: float = 0.0, **sampling: Unpack[Sampling]
) -> Task:
    """A clip that goes on for so many seconds, and sets off so many earlier."""
    for seconds in (after, before):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UserError(f"a clip cannot be extended by {seconds:g} seconds; say how many to add.")
    earlier, later = (_latent_frames(clip, seconds) for seconds in (before, after))
    if not earlier + later:
        raise UserError("nothing is to be added; say for how many seconds the clip goes on after its end.")
    prompt = prompt or said_of(clip)
    num_frames = clip.num_frames + (earlier + later) * clip.frames_per_latent
    request = _request(clip, prompt, num_frames, sampling)
    return Task(request, layouts.extended(clip, earlier, later, prompt))


def fill(clip: Footage, prompt: str = "", *, start: float, stop: float, **sampling: Unpack[Sampling]) -> Task:
    """A clip of which the seconds from `start` to `stop` are made anew."""
    if not (math.isfinite(start) and math.isfinite(stop) and 0 <= start < stop <= clip.seconds + 1e-6):
        raise UserError(
            f"a gap from {start:g} to {stop:g} seconds does not lie in a clip of {clip.seconds:.3g} seconds."
        )
    first, last = (
        math.floor((min(round(at * clip.fps), clip.num_frames) - back) / clip.frames_per_latent + 0.75)
        for at, back in ((start, 0), (stop, 1))
    )
    end = clip.num_latent_frames
    prompt = prompt or said_of(clip)
    timeline = layouts.filled(clip, min(first, end - 1), min(max(first, last) + 1, end), prompt)
    return Task(_request(clip, prompt, clip.num_frames, sampling), timeline)


def loop(clip: Footage, prompt: str = "", *, seconds: float = 1.0, **sampling: Unpack[Sampling]) -> Task:
    """A clip that comes back to its first frame in so many more seconds."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(f"a clip cannot come back in {seconds:g} seconds; give it 1.")
    bridge = max(1, _latent_frames(clip, seconds))
    prompt = prompt or said_of(clip)
    request = _request(clip, prompt, layouts.loop_frames(clip, bridge), sampling)
    return Task(request, layouts.looped(clip, bridge, prompt))


def blend(first: Footage, second: Footage, *, seconds: float = 1.0, **sampling: Unpack[Sampling]) -> Task:
    """One clip that turns into another over so many seconds."""
    _check_same_size(first, second)
    shorter = min(first.seconds, second.seconds)
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(f"clips cannot blend over {seconds:g} seconds; give them 1.")
    overlap = max(1, _latent_frames(first, seconds))
    if overlap > min(first.num_latent_frames, second.num_latent_frames):
        raise UserError(
            f"the shorter clip has {shorter:.3g} seconds and cannot blend over {seconds:g}; take fewer."
        )
    timeline = layouts.blended(first, second, overlap)
    prompt = said_of(second)
    return Task(_request(first, prompt, _num_frames(first, timeline), sampling), timeline)


def remix(clip: Footage, prompt: str, *, strength: float = 0.6, **sampling: Unpack[Sampling]) -> Task:
    """A clip made again to another prompt: strength 0 changes nothing, 1 keeps nothing."""
    _check_strength(strength)
    timeline = layouts.remixed(clip, strength, prompt)
    return Task(_request(clip, prompt, clip.num_frames, sampling), timeline)


def edit(
    clip: Footage,
    prompt: str,
    *,
    mask: npt.NDArray[Any],
    strength: float = 1.0,
    **sampling: Unpack[Sampling],
) -> Task:
    """A clip of which only what lies under a mask (h w) may change. The prompt says what is seen then."""
    _check_strength(strength)
    if mask.ndim != 2 or not mask.size:
        raise UserError(f"a mask is a picture of rows and columns, not of shape {mask.shape}.")
    share = conform_mask(mask, *clip.latents.shape[3:])
    timeline = layouts.edited(clip, torch.from_numpy(share), strength, prompt)
    return Task(_request(clip, prompt, clip.num_frames, sampling), timeline)


def storyboard(scenes: Sequence[Scene], request: GenerationRequest, blank: Timeline) -> Task:
    """Shots one after the other, on the blank timeline of a request as long as all of them."""
    lengths = scene_lengths(scenes, request.fps)
    size = f"{request.width}x{request.height}"
    shots = []
    for length, scene in zip(lengths, scenes, strict=True):
        if not (math.isfinite(scene.dissolve) and 0 <= scene.dissolve <= scene.seconds):
            raise UserError(
                f"a dissolve of {scene.dissolve:g} seconds does not fit into a shot of {scene.seconds:g}."
            )
        if scene.opening is not None and scene.opening.size != (request.height, request.width):
            height, width = scene.opening.size
            raise UserError(
                f"a shot of {size} cannot open with a clip of {width}x{height}; read it at {size}."
            )
        fade = math.ceil(scene.dissolve * request.fps / 4 - 1e-6)
        shots.append(layouts.Shot(length, scene.prompt, scene.opening, min(fade, length), scene.continues))
    return Task(request, layouts.storyboard(shots, blank))


def storyboard_request(
    scenes: Sequence[Scene], *, height: int, width: int, fps: float, **sampling: Unpack[Sampling]
) -> GenerationRequest:
    """The request of a storyboard, as long as all of its scenes."""
    num_frames = 1 + 4 * (sum(scene_lengths(scenes, fps)) - 1)
    prompt = " ".join(scene.prompt for scene in scenes)[:MAX_PROMPT_LENGTH]
    for scene in scenes:  # each is checked by itself
        GenerationRequest(prompt=scene.prompt)
    request = GenerationRequest(prompt=prompt, num_frames=num_frames, height=height, width=width, fps=fps)
    return replace(request, **sampling)


def scene_lengths(scenes: Sequence[Scene], fps: float, frames_per_latent: int = 4) -> list[int]:
    """The latent frames of each scene: the first of the first stands for one frame."""
    if not scenes:
        raise UserError("a storyboard needs at least one shot.")
    ends, end = [], 0.0
    for scene in scenes:
        if not (math.isfinite(scene.seconds) and scene.seconds > 0):
            raise UserError(f"a shot cannot last {scene.seconds:g} seconds; give it 2.")
        end += scene.seconds
        ends.append(1 + max(0, round((end * fps - 1) / frames_per_latent)))
    lengths = [after - before for before, after in zip([0, *ends], ends, strict=False)]
    if min(lengths) < 1:
        raise UserError(f"a shot is shorter than {frames_per_latent / fps:g} seconds; make it longer.")
    return lengths


def said_of(clip: Footage) -> str:
    """What was said of a clip, or else what is seen in it."""
    return clip.prompt or described(clip)


def _request(clip: Footage, prompt: str, num_frames: int, sampling: Sampling) -> GenerationRequest:
    height, width = clip.size
    request = GenerationRequest(
        prompt=prompt, num_frames=num_frames, height=height, width=width, fps=clip.fps
    )
    return replace(request, **sampling)


def _latent_frames(clip: Footage, seconds: float) -> int:
    """The latent frames of so many more seconds: at least one of any."""
    return math.ceil(seconds * clip.fps / clip.frames_per_latent - 1e-6)


def _num_frames(clip: Footage, timeline: Timeline) -> int:
    return 1 + clip.frames_per_latent * (timeline.num_latent_frames - 1)


def _check_strength(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise UserError(f"a strength of {strength:g} makes no sense; choose from 0 (keep) to 1 (make anew).")


def _check_same_size(first: Footage, second: Footage | None) -> None:
    if second is not None and first.size != second.size:
        (height, width), (other_height, other_width) = first.size, second.size
        raise UserError(
            f"both must have one size, not {width}x{height} and {other_width}x{other_height}; "
            "read the second at the size of the first."
        )
    if second is not None and abs(first.fps - second.fps) > 1e-3:
        raise UserError(
            f"both must have one frame rate, not {first.fps:g} and {second.fps:g}; "
            "read the second at the rate of the first."
        )
