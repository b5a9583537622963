"""Certify a published model: the same work in tenku and in diffusers, part by part and as a whole."""

import math
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import OpenModel, load_open_model
from tenku.checkpoint.open_weights import find_denoiser
from tenku.checkpoint.places import OpenPlace, local, parts_of
from tenku.checkpoint.quantizing import quantize
from tenku.denoiser.transformer import Block
from tenku.errors import UserError
from tenku.evaluation.agreeing import agreement, parts_agree
from tenku.evaluation.agreeing_ltx import (
    grid_of,
    ltx_parts_agree,
    noise_as_ours,
    unpacked,
    without_decode_noise,
)
from tenku.evaluation.autoencoder import psnr
from tenku.evaluation.certificate import Agreement, Certificate, FastPath, Stage
from tenku.evaluation.motion import motion_magnitude
from tenku.evaluation.peak_memory import peak_memory
from tenku.evaluation.peer import check_peer, frames_of_peer, load_peer, quietly
from tenku.evaluation.random_ltx import LTX_PUBLISHED, LtxShape, write_random_ltx
from tenku.evaluation.random_models import PublishedShape, published, write_random_model
from tenku.evaluation.shared_out import NUM_PROCESSES, made_by_two
from tenku.media import Frames, Video
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.timeline import Task, animate

_LOOP: Final = 1e-4  # allowed of a whole loop
_STAGES: Final = ("load", "text", "denoise", "decode")
_PIPELINES: Final = ("WanPipeline", "WanImageToVideoPipeline", "WanVACEPipeline", "LTXPipeline")
_INTERVAL: Final = (0.1, 0.9)
_TOLERANCE: Final = 0.05


@dataclass(slots=True)
class _Made:
    """A video (t h w 3), its latents (1 c t h w), and the seconds that it took by stage."""

    frames: Frames
    latents: Tensor
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _FastWay:
    """A faster way to the same video: what it does to a loaded model, in which type, and to the request."""

    name: str
    prepared: Callable[[OpenModel], OpenModel] = lambda model: model
    dtype: torch.dtype = torch.float32
    asked: Callable[[GenerationRequest], GenerationRequest] = lambda request: request


def certify(
    place: str, request: GenerationRequest, command: str, runs: int = 3, *, quick: bool = False
) -> Certificate:
    """The certificate of a published model in diffusers' layout: a folder, or a name on the hub.

    A `quick` one says whether the numbers agree, and measures neither fast paths nor time nor memory.
    """
    folder = local(place)
    _check_layout(parts_of(folder), place)
    check_peer()
    with quietly():
        return _certified(folder, place, request, command, 0 if quick else runs, ())


def certify_random(
    name: str,
    request: GenerationRequest,
    command: str,
    runs: int = 3,
    *,
    depth: int | None = None,
    small: bool = False,
    quick: bool = False,
) -> Certificate:
    """That of random weights of a published shape, of at most `depth` blocks, or of a small likeness."""
    shape: PublishedShape | LtxShape = LTX_PUBLISHED[name] if name in LTX_PUBLISHED else published(name)
    shape = shape.small() if small else shape
    shape = shape if depth is None else shape.shallow(depth)
    check_peer()
    with quietly(), tempfile.TemporaryDirectory(prefix="tenku-certify-") as folder:
        if isinstance(shape, LtxShape):
            write_random_ltx(shape, Path(folder), request.seed)
        else:
            write_random_model(shape, Path(folder), request.seed)
        notes: tuple[str, ...] = ("Random weights, and a vocabulary of single letters.",)
        if shape.left_out:
            notes += (f"Not as it was published: {', '.join(shape.left_out)}.",)
        model = f"{name}, random weights"
        return _certified(Path(folder), model, request, command, 0 if quick else runs, notes)


def _certified(
    folder: Path, model: str, request: GenerationRequest, command: str, runs: int, notes: tuple[str, ...]
) -> Certificate:
    parts = parts_of(folder)
    config, is_ltx = find_denoiser(parts.denoisers[0]).config, parts.facts["_class_name"] == "LTXPipeline"
    certificate = Certificate(
        model=model,
        against="diffusers",
        work=f"{request.num_frames} frames {request.width}x{request.height}, "
        f"{request.num_inference_steps} steps" + (f", median of {runs}" if runs else ""),
        machine=_machine(),
        command=command,
        agreements=tuple((ltx_parts_agree if is_ltx else parts_agree)(folder, request)),
        notes=notes,
    )
    number = 2 if config.picture_places else int(config.condition_channels > 0)
    job = _Job(folder, request, num_pictures=number, is_ltx=is_ltx)
    if job.num_pictures:
        told = "Both engines go on from a picture" + (" to another." if job.num_pictures > 1 else ".")
        certificate = replace(certificate, notes=(*notes, told))
    ours, theirs = _in_turns(job, max(1, runs))
    agreements = (*certificate.agreements, _loop_agrees(ours[0], theirs[0], job))
    certificate = replace(certificate, agreements=agreements)
    if not runs:
        return certificate
    return replace(
        certificate,
        fast_paths=(*(_fast_path(way, job, ours, runs) for way in FAST_WAYS), _shared_out(job, ours)),
        stages=tuple(_stage(name, ours, theirs) for name in _STAGES),
        memory=None if job.num_pictures else _memory(folder, request),
    )


def _memory(folder: Path, request: GenerationRequest) -> tuple[int, int]:
    return peak_memory("tenku", folder, request), peak_memory("diffusers", folder, request)


def _check_layout(parts: OpenPlace, model: str) -> None:
    if parts.facts.get("_class_name") not in _PIPELINES:
        raise UserError(
            f"{model} is no Wan or LTX-Video model in diffusers' layout, which is all that both engines "
            "read; give the folder of its repository in that layout."
        )


@dataclass(frozen=True, slots=True)
class _Job:
    """A model in a folder, and a video to be made with it, perhaps from a picture, or from one to another."""

    folder: Path
    request: GenerationRequest
    num_pictures: int
    is_ltx: bool

    def ours(self, way: _FastWay) -> _Made:
        """Loaded anew, and made by tenku."""
        start = time.perf_counter()
        pipeline = VideoPipeline(self.loaded(way))
        loading = time.perf_counter() - start
        return self.again(pipeline, way, loading)

    def loaded(self, way: _FastWay) -> OpenModel:
        """The model, prepared."""
        model = load_open_model(self.folder, dtype=way.dtype)
        if self.is_ltx:
            without_decode_noise(model.vae)
        return way.prepared(model)

    def again(self, pipeline: VideoPipeline, way: _FastWay, loading: float = 0.0) -> _Made:
        """Made by a pipeline that is there already."""
        result = pipeline(self._task(pipeline, way.asked(self.request)))
        return _Made(
            result.video.frames, result.footage.latents, {"load": loading, **result.seconds_by_stage}
        )

    def theirs(self) -> _Made:
        """Loaded anew, and made by diffusers."""
        start = time.perf_counter()
        pipeline = load_peer(self.folder)
        seconds = {"load": time.perf_counter() - start}
        last: list[Tensor] = []

        def keep(_: Any, step: int, timestep: Any, known: dict[str, Tensor]) -> dict[str, Tensor]:
            last[:] = [known["latents"]]
            return known

        with noise_as_ours():
            frames = frames_of_peer(
                pipeline, self.request, seconds, callback_on_step_end=keep, **self._more_for_peer()
            )
        latents = unpacked(last[0], grid_of(self.request)) if self.is_ltx else last[0]
        return _Made(frames, latents, seconds)

    def _task(self, pipeline: VideoPipeline, request: GenerationRequest) -> GenerationRequest | Task:
        if not self.num_pictures:
            return request
        ends = [pipeline.footage(Video(frames=each[None], fps=request.fps)) for each in self._pictures()]
        last = ends[1] if len(ends) > 1 else None
        return Task(request, animate(ends[0], request.prompt, seconds=request.seconds, last=last).timeline)

    def _pictures(self) -> list[Frames]:
        """Pictures (h w 3) of coarse random colours."""
        height, width = self.request.height, self.request.width
        random = np.random.default_rng(self.request.seed)
        coarse = (random.integers(0, 256, (height // 8, width // 8, 3)) for _ in range(self.num_pictures))
        return [each.repeat(8, 0).repeat(8, 1).astype(np.uint8) for each in coarse]

    def _more_for_peer(self) -> dict[str, Any]:
        """What diffusers is given beside the request."""
        if self.is_ltx:
            return {"frame_rate": self.request.fps, "decode_timestep": 0.05, "decode_noise_scale": 0.0}
        if not self.num_pictures:
            return {}
        from PIL import Image

        names = ("image", "last_image")
        pictures = self._pictures()
        return {name: Image.fromarray(each) for name, each in zip(names, pictures, strict=False)}


_PLAIN: Final = _FastWay("plain float32")


def _with_interval(model: OpenModel) -> OpenModel:
    return replace(model, sampling=replace(model.sampling, guidance_interval=_INTERVAL))


def _compiled(model: OpenModel) -> OpenModel:
    """The same with its blocks compiled: they are alike, so one is compiled for all."""
    for module in model.denoiser.modules():
        if isinstance(module, Block):
            module.compile()
    return model


def _in_int8(model: OpenModel) -> OpenModel:
    quantize(model.denoiser, "int8")
    return model


FAST_WAYS: Final = (
    _FastWay("bfloat16", dtype=torch.bfloat16),
    _FastWay("int8 weights, bfloat16 products", _in_int8, torch.bfloat16),
    _FastWay(f"guidance only from level {_INTERVAL[1]:g} to {_INTERVAL[0]:g}", _with_interval),
    _FastWay(
        f"steps left out (tolerance {_TOLERANCE:g})",
        asked=lambda request: replace(request, reuse_tolerance=_TOLERANCE),
    ),
    _FastWay("torch.compile, block by block", _compiled),
)


def _in_turns(job: _Job, runs: int) -> tuple[list[_Made], list[_Made]]:
    """Both engines, one after the other, so that what else the machine does meets both."""
    turns = [(job.ours(_PLAIN), job.theirs()) for _ in range(runs)]
    ours, theirs = zip(*turns, strict=True)
    return list(ours), list(theirs)


def _loop_agrees(ours: _Made, theirs: _Made, job: _Job) -> Agreement:
    free = slice(1 if job.num_pictures else 0, None)  # of latent frames: the first is kept as it was given
    pair = ours.latents[:, :, free], theirs.latents[:, :, free]
    bytes_apart = int(np.abs(ours.frames.astype(int) - theirs.frames).max())
    inputs = f"the same noise; frames differ by at most {bytes_apart} of 255"
    if job.num_pictures:
        inputs = "the same noise and pictures"
    return agreement("whole loop", inputs, [pair], _LOOP)


def _fast_path(way: _FastWay, job: _Job, plain: Sequence[_Made], runs: int) -> FastPath:
    try:
        pipeline = VideoPipeline(job.loaded(way))
        job.again(pipeline, way)  # what is compiled is compiled now
        made = [job.again(pipeline, way) for _ in range(runs)]
    except Exception as error:  # of a compiler that this machine has not, or that cannot do it
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return FastPath(name=way.name, missing=f"does not run here ({reason[:80]})")
    return _beside_plain(way.name, made[0].frames, _median(made, "denoise"), plain)


def _shared_out(job: _Job, plain: Sequence[_Made]) -> FastPath:
    name = f"tokens shared out between {NUM_PROCESSES} processes"
    if job.num_pictures:
        return FastPath(name=name, missing="not measured from a picture")
    try:
        return _beside_plain(name, *made_by_two(job.folder, job.request), plain)
    except UserError:
        return FastPath(name=name, missing="does not run here")


def _beside_plain(name: str, frames: Frames, seconds: float, plain: Sequence[_Made]) -> FastPath:
    usual = plain[0].frames
    moved = motion_magnitude(usual)
    return FastPath(
        name=name,
        psnr=psnr(torch.from_numpy(frames), torch.from_numpy(usual)),
        motion=motion_magnitude(frames) / moved if moved else math.nan,
        speedup=_median(plain, "denoise") / seconds,
    )


def _stage(name: str, ours: Sequence[_Made], theirs: Sequence[_Made]) -> Stage:
    return Stage(name=name, ours=_median(ours, name), theirs=_median(theirs, name))


def _median(made: Sequence[_Made], stage: str) -> float:
    return statistics.median(each.seconds[stage] for each in made)


def _machine() -> str:
    names = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.split(": ", 1)[1] for line in names if line.startswith("model name")), platform.machine()
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers"))
    return f"{model}, threads: {torch.get_num_threads()}, {libraries}"
