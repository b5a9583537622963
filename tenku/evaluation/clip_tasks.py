"""Everything that one true clip is put through, and one generation of its prompt, and what that gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import torch

from tenku.evaluation.continuity import (
    continuation,
    known_frames,
    known_latents_changed,
    known_psnr_lost,
    loop_seam,
)
from tenku.evaluation.identity import across_cut, across_extension, across_gap, two_shots
from tenku.evaluation.judge import Judge
from tenku.evaluation.parsing import parse_video
from tenku.evaluation.trajectories import FillError, fill_errors, moving_objects
from tenku.media import Frames, Video
from tenku.pipeline import VideoPipeline
from tenku.timeline import (
    Footage,
    GenerationRequest,
    Scene,
    extend,
    fill,
    loop,
    storyboard,
    storyboard_request,
)
from tenku.vae import to_pixels
from tenku.worlds import SimulatedClip, WorldConfig, simulate_clip
from tenku.worlds.captions import plain_prompt

FIRST_SEED: Final = 80_000_000
SEEDS_PER_RUN: Final = 100_000
NUM_FRAMES: Final = 33
SIZE: Final = 128
FPS: Final = 16.0
SPLIT: Final = 17  # frames of which clips are extended
GAP: Final = (9, 25)  # frames start ≤ f < stop, 1 s
WORLD: Final = WorldConfig(object_counts={1: 0.4, 2: 0.4, 3: 0.2}, cut_probability=0.0)

KINDS: Final = ("across an extension", "across a filled gap", "across a shot change")


@dataclass(frozen=True, slots=True)
class Case:
    """A true clip in whose gap something moves, what is said of it, and the seed of what is made of it."""

    clip: SimulatedClip
    prompt: str
    seed: int

    @property
    def video(self) -> Video:
        """The true frames."""
        return Video(frames=self.clip.frames, fps=FPS)


def draw_cases(n: int, seed: int) -> Iterator[Case]:
    """n cases; only with another seed do they change."""
    first, found = FIRST_SEED + seed * SEEDS_PER_RUN, 0
    for number in count(first):
        if found == n:
            return
        clip = simulate_clip(number, num_frames=NUM_FRAMES, fps=FPS, height=SIZE, width=SIZE, world=WORLD)
        if moving_objects(clip.poses, GAP):
            found += 1
            yield Case(clip, plain_prompt(clip.description, "en"), number)


@torch.inference_mode()
def decoded(pipeline: VideoPipeline, footage: Footage) -> Frames:
    """What the autoencoder alone makes of footage, in the precision in which videos are decoded."""
    with torch.autocast("cpu", pipeline.dtype, enabled=pipeline.dtype != torch.float32):
        return to_pixels(pipeline.model.vae.decode(footage.latents)[0])


@dataclass(frozen=True, slots=True)
class Figures:
    """What one case gives: each list by the kind of task, or by the object."""

    psnr_lost: tuple[float, ...]
    latents_changed: tuple[float, ...]
    continuation: tuple[float, float]  # of the true clip, of the model's own
    identity: tuple[list[bool], ...]  # as KINDS
    true_identity: tuple[list[bool], ...]
    loop_seam: float
    fills: list[FillError]


def measured(case: Case, pipeline: VideoPipeline, judge: Judge) -> Figures:
    """Everything that one true clip is put through, and one generation of its prompt."""
    true, seed = case.clip.frames, case.seed
    footage = pipeline.footage(case.video, case.prompt)
    round_trip = decoded(pipeline, footage)
    filling = fill(footage, start=GAP[0] / FPS, stop=GAP[1] / FPS, seed=seed)
    tasks = (extend(footage, after=1.0, seed=seed), extend(footage, before=1.0, seed=seed), filling)
    lost, changed, filled = [], [], true
    for task in tasks:
        made = pipeline(task)
        filled = made.video.frames  # the last of them
        is_before = task is tasks[1]
        offset = len(filled) - len(round_trip) if is_before else 0
        known = known_frames(task.timeline, footage.frames_per_latent)
        lost.append(known_psnr_lost(filled, true, round_trip, known, offset))
        changed.append(known_latents_changed(task.timeline, made.footage.latents))

    start = pipeline.footage(Video(frames=true[:SPLIT], fps=FPS), case.prompt)
    extended = pipeline(extend(start, after=1.0, seed=seed)).video.frames
    request = GenerationRequest(prompt=case.prompt, num_frames=len(true), fps=FPS, seed=seed)
    own = pipeline(request)
    own_start = own.footage.first(1 + (SPLIT - 1) // footage.frames_per_latent)
    own_extended = pipeline(extend(own_start, after=1.0, seed=seed)).video.frames
    looped = pipeline(loop(own.footage, seconds=1.0, seed=seed)).video.frames
    shots, cut = _two_shots(case, pipeline)
    true_split = across_extension(true, judge, SPLIT)
    return Figures(
        psnr_lost=tuple(lost),
        latents_changed=tuple(changed),
        continuation=(
            continuation(extended, round_trip, SPLIT),
            continuation(own_extended, own.video.frames, SPLIT),
        ),
        identity=(
            across_extension(extended, judge, SPLIT),
            across_gap(filled, judge, GAP),
            across_cut(shots, judge, cut),
        ),
        true_identity=(true_split, across_gap(true, judge, GAP), true_split),
        loop_seam=loop_seam(looped),
        fills=fill_errors(
            case.clip.poses,
            [thing.colour for thing in case.clip.description.objects],
            GAP,
            parse_video(filled, judge),
            parse_video(true, judge),
        ),
    )


def _two_shots(case: Case, pipeline: VideoPipeline) -> tuple[Frames, int]:
    """A storyboard of one thing in two shots of 2 s, and the frame at which the second begins."""
    scenes = [Scene(prompt, 2.0) for prompt in two_shots(case.clip.description)]
    request = storyboard_request(scenes, height=SIZE, width=SIZE, fps=FPS, seed=case.seed)
    task = storyboard(scenes, request, pipeline.lay_out(request))
    step = pipeline.model.vae.config.temporal_compression
    return pipeline(task).video.frames, 1 + step * (task.timeline.cuts[0] - 1)
