"""Long videos: how long a minute takes, what drifts in it, and what is lost by going on again and again."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn.functional import interpolate

from tenku.denoiser import positions_in_boxes
from tenku.evaluation.autoencoder import psnr
from tenku.evaluation.colour_difference import delta_e_2000, lab_of
from tenku.evaluation.judge import Judge
from tenku.evaluation.parsing import Bools, Floats, parse_video
from tenku.evaluation.prompts import sharpness
from tenku.media import Frame, Frames, VideoWriter, write_video
from tenku.pipeline import GenerationResult, VideoPipeline
from tenku.timeline import Footage, GenerationRequest, Kept, extend, load_kept, save_kept
from tenku.timeline.kept import fingerprint
from tenku.worlds.captions import plain_prompt
from tenku.worlds.description import Event, ObjectDescription, SceneDescription
from tenku.worlds.vocabulary import COLOURS, FLOORS, HELD_OUT_PAIRS, MATERIALS, SHAPES, SIZES

SECONDS: Final = 60
FPS: Final = 16
EDGE_SECONDS: Final = 10  # at both ends, whose sharpness is compared
ROUNDS: Final = 10
ADDED: Final = 0.5  # seconds a round
SAME_PSNR: Final = 100.0  # dB, what identical frames are given

# In a process of its own, which loads only what generates. VmHWM counts from its start; Linux's ru_maxrss
# begins with the memory of the process that started it.
_STREAM: Final = """
import resource, sys
from tenku.media import VideoWriter
from tenku.pipeline import GenerationRequest, VideoPipeline
model, path, prompt, num_frames, seed = sys.argv[1:]
request = GenerationRequest(prompt=prompt, num_frames=int(num_frames), seed=int(seed))
with VideoWriter(path, fps=request.fps) as writer:
    for frame in VideoPipeline.from_pretrained(model).stream(request):
        writer.append(frame)
try:
    lines = open("/proc/self/status").read().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
except (OSError, StopIteration):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else peak * 1024)
"""


@dataclass(frozen=True, slots=True)
class Drift:
    """What becomes of a video: the largest difference of its still background from its first second, pixel by
    pixel and of the mean colour; sharpness of its end over that of its beginning; and for each later second
    whether as many objects are seen as in the first."""

    delta_e: float
    mean_colour_delta_e: float
    sharpness: float
    counts: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Kinship:
    """How much the first second is still the first generation's: ΔE2000 of its background, and PSNR in dB."""

    delta_e: float
    psnr: float


def still_request(seed: int, num_frames: int) -> GenerationRequest:
    """Two things at rest before a still camera."""
    rng = np.random.default_rng(seed)
    pairs = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in HELD_OUT_PAIRS]
    first = pairs[rng.integers(len(pairs))]
    others = [pair for pair in pairs if pair[0] != first[0] and pair[1] != first[1]]
    objects = tuple(
        ObjectDescription(
            colour=colour,
            shape=shape,
            material=MATERIALS[rng.integers(len(MATERIALS))],
            size=SIZES[rng.integers(len(SIZES))],
            events=(Event(kind="rests"),),
        )
        for colour, shape in (first, others[rng.integers(len(others))])
    )
    description = SceneDescription(objects=objects, floor=FLOORS[rng.integers(len(FLOORS))])
    prompt = f"{plain_prompt(description, 'en')} The camera is still."
    return GenerationRequest(prompt=prompt, num_frames=num_frames, fps=FPS, seed=seed)


def streamed(
    pipeline: VideoPipeline, request: GenerationRequest, path: Path
) -> tuple[Frames, Footage, float]:
    """A video written frame by frame, its footage, and the seconds that took."""
    frames: list[Frame] = []
    parts: list[Footage] = []
    started = time.perf_counter()
    with VideoWriter(path, fps=request.fps) as writer:
        for frame in pipeline.stream(request, on_part=parts.append):
            writer.append(frame)
            frames.append(frame)
    return np.stack(frames), Footage.joined(parts), time.perf_counter() - started


def drift(frames: Frames, background: Bools, judge: Judge, fps: int = FPS) -> Drift:
    """What drifts in frames (t h w 3) with a background (h w); both ends are shorter in a short video."""
    seconds = [frames[start : start + fps] for start in range(0, len(frames), fps)]
    pictures = [second.mean(0)[background] for second in seconds]
    first, edge = pictures[0], min(EDGE_SECONDS, len(seconds) // 2) * fps
    counts = [len(parse_video(second, judge, fps).objects) for second in seconds]
    return Drift(
        delta_e=max(_difference(first, later) for later in pictures[1:]),
        mean_colour_delta_e=max(
            _difference(first.mean(0, keepdims=True), later.mean(0, keepdims=True)) for later in pictures[1:]
        ),
        sharpness=sharpness(frames[-edge:]) / max(sharpness(frames[:edge]), 1e-9),
        counts=tuple(count == counts[0] for count in counts[1:]),
    )


def background_of(footage: Footage) -> Bools:
    """Pixels (h w) that no box of footage's tracks ever comes near; all of them where no tracks are known."""
    if footage.tracks is None or footage.track_config is None:
        return np.ones(footage.size, np.bool_)
    covered = positions_in_boxes(footage.tracks, footage.track_config, *footage.latents.shape[3:])
    pixels = interpolate(covered[0].amax(1, keepdim=True), size=footage.size, mode="nearest")
    background: Bools = (pixels[0, 0] == 0).numpy()
    return background


# --- going on again and again ------------------------------------------------------------------------------

Through = Callable[[VideoPipeline, GenerationResult, GenerationRequest, Path], Footage]


def through_tenku(
    pipeline: VideoPipeline, made: GenerationResult, request: GenerationRequest, folder: Path
) -> Footage:
    """What was made, kept in a file and opened again."""
    path = folder / "round.tenku"
    save_kept(path, Kept(made.footage, request, fingerprint(pipeline.model.vae)))
    return pipeline.reopen(load_kept(path))


def through_mp4(
    pipeline: VideoPipeline, made: GenerationResult, request: GenerationRequest, folder: Path
) -> Footage:
    """What was made, written as a video and read again."""
    path = folder / "round.mp4"
    write_video(path, made.video)
    return pipeline.footage_of(path, (request.height, request.width), request.fps)


def re_extended(
    pipeline: VideoPipeline,
    first: GenerationResult,
    request: GenerationRequest,
    through: Through,
    folder: Path,
    rounds: int,
) -> Kinship:
    """How the first second of a generation is kept when it is written, read and extended so many times."""
    made = first
    for index in range(rounds):
        footage = through(pipeline, made, request, folder)
        made = pipeline(extend(footage, request.prompt, after=ADDED, seed=request.seed + 1 + index))
    return kinship(first.video.frames[:FPS], made.video.frames[:FPS], background_of(first.footage))


def kinship(before: Frames, after: Frames, background: Bools) -> Kinship:
    """How alike two seconds (t h w 3) are."""
    likeness = psnr(torch.from_numpy(before), torch.from_numpy(after))
    return Kinship(
        delta_e=_difference(before.mean(0)[background], after.mean(0)[background]),
        psnr=min(likeness, SAME_PSNR),
    )


def _difference(first: Floats, second: Floats) -> float:
    """Mean ΔE2000 of pixels (n 3); none of no pixels."""
    return float(delta_e_2000(lab_of(first), lab_of(second)).mean()) if len(first) else 0.0


# --- memory ------------------------------------------------------------------------------------------------


def peak_memory(model: str, request: GenerationRequest, path: Path) -> int:
    """Bytes that a process has held at most which streams a request into a video."""
    arguments = [model, str(path), request.prompt, str(request.num_frames), str(request.seed)]
    ended = subprocess.run(
        [sys.executable, "-c", _STREAM, *arguments], capture_output=True, text=True, check=True
    )
    return int(ended.stdout.split()[-1])


def memory_ratio(model: str, request: GenerationRequest, folder: Path, long: int, short: int) -> float:
    """Peak memory of a stream of so many seconds over that of one of so many."""
    peaks = [
        peak_memory(model, replace(request, num_frames=seconds * FPS), folder / "memory.mp4")
        for seconds in (long, short)
    ]
    return peaks[0] / peaks[1]
