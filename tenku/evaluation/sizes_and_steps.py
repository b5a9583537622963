"""Pictures of other shapes, and fewer steps: what is left of what was said."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from tenku.evaluation.judge import Judge
from tenku.evaluation.parsing import ParsedObject, ParsedVideo, parse_video
from tenku.evaluation.prompts import draw_cases
from tenku.evaluation.scoring import match_objects, score
from tenku.pipeline import VideoPipeline
from tenku.timeline import GenerationRequest
from tenku.worlds import SceneDescription, WorldConfig, simulate_clip
from tenku.worlds.captions import plain_prompt

FIRST_SEED: Final = 90_000_000
SEEDS_PER_RUN: Final = 100_000
NUM_FRAMES: Final = 33
FPS: Final = 16.0
SIZES: Final = MappingProxyType(  # height, width
    {"16:9": (96, 176), "9:16": (176, 96), "1:1": (128, 128), "21:9": (96, 224), "9:7": (112, 144)}
)
STEPS: Final = (1, 2, 4, 8, 16, 32)
FEW: Final = 4
MANY: Final = 32
_WORLD: Final = WorldConfig(object_counts={1: 0.5, 2: 0.5}, cut_probability=0.0)
_MARGIN: Final = 0.02  # half pictures between a thing and the frame's edge
_MIN_WHOLE: Final = 0.5  # of the frames in which it is seen


@dataclass(frozen=True, slots=True)
class SizeResult:
    """Whether everything said is there, in its colour and whole: in the generated and in the true video."""

    size: str
    made: bool
    true: bool


@dataclass(frozen=True, slots=True)
class StepResult:
    """Colour and shape of each object of one prompt, right or wrong, after so many steps that took so long;
    `true` is what the judge says of the true clip."""

    prompt: int
    steps: int
    right: tuple[bool, ...]
    true: tuple[bool, ...]
    seconds: float


def of_sizes(pipeline: VideoPipeline, judge: Judge, n: int, seed: int) -> Iterator[SizeResult]:
    """n videos of each size, told as true clips of that size are."""
    first = FIRST_SEED + seed * SEEDS_PER_RUN
    for offset, (name, (height, width)) in enumerate(SIZES.items()):
        for index in range(n):
            number = first + offset * (SEEDS_PER_RUN // len(SIZES)) + index
            clip = simulate_clip(
                number, num_frames=NUM_FRAMES, fps=FPS, height=height, width=width, world=_WORLD
            )
            request = GenerationRequest(
                prompt=plain_prompt(clip.description, "en"),
                num_frames=NUM_FRAMES,
                height=height,
                width=width,
                fps=FPS,
                seed=number,
            )
            made = pipeline(request).video.frames
            yield SizeResult(
                name, *(shows(clip.description, parse_video(video, judge)) for video in (made, clip.frames))
            )


def shows(description: SceneDescription, video: ParsedVideo) -> bool:
    """Whether everything named is found in its colour, and whole in half of the frames that show it."""
    matches = match_objects(description, video)
    return all(
        match is not None
        and video.objects[match].colour == thing.colour
        and _whole(video.objects[match]) >= _MIN_WHOLE
        for thing, match in zip(description.objects, matches, strict=True)
    )


def _whole(thing: ParsedObject) -> float:
    """The share of frames that show it in which it does not touch the frame's edge."""
    boxes = thing.box[~np.isnan(thing.box[:, 0])]
    return float((np.abs(boxes) < 1 - _MARGIN).all(1).mean())


def of_steps(pipeline: VideoPipeline, judge: Judge, n: int, seed: int) -> Iterator[StepResult]:
    """The prompts suite's first n prompts in few and in many steps, a quarter of them in all numbers."""
    for index, case in enumerate(draw_cases(n, seed)):
        true = _colours_and_shapes(case.description, parse_video(case.frames, judge))
        for steps in STEPS if index < max(1, n // 4) else (FEW, MANY):
            request = GenerationRequest(
                prompt=plain_prompt(case.description, "en"),
                num_frames=NUM_FRAMES,
                fps=FPS,
                num_inference_steps=steps,
                seed=case.seed,
            )
            started = time.perf_counter()
            frames = pipeline(request).video.frames
            seconds = time.perf_counter() - started
            right = _colours_and_shapes(case.description, parse_video(frames, judge))
            yield StepResult(index, steps, right, true, seconds)


def _colours_and_shapes(description: SceneDescription, video: ParsedVideo) -> tuple[bool, ...]:
    checks = score(description, video)
    return tuple(check.right for check in checks if check.measure == "colour and shape")
