"""diffusers, the peer that everyone has: loaded only when something is measured against it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint.weights import read_json
from tenku.errors import UserError
from tenku.media import Frames
from tenku.timeline import GenerationRequest


def check_peer() -> None:
    """A `UserError` if diffusers is not installed."""
    try:
        import diffusers  # noqa: F401
    except ImportError as error:
        raise UserError(
            "certificates compare with diffusers, which is not installed; `pip install diffusers` first."
        ) from error


def library(name: str = "diffusers") -> Any:
    """A library that tells no types, imported when it is asked for."""
    return import_module(name)


@contextmanager
def quietly() -> Iterator[None]:
    """A block in which diffusers and transformers show no progress and give no advice."""
    from diffusers.utils import logging as ours
    from transformers.utils import logging as theirs

    levels = ours.get_verbosity(), theirs.get_verbosity()
    shown = ours.is_progress_bar_enabled(), theirs.is_progress_bar_enabled()
    for library in (ours, theirs):
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bars in zip((ours, theirs), levels, shown, strict=True):
            library.set_verbosity(level)
            if bars:
                library.enable_progress_bar()


def load_peer(folder: Path, **parts: Any) -> Any:
    """diffusers' pipeline of a folder in its layout, in float32; some parts may be given, or be None."""
    with quietly():
        pipeline = library().DiffusionPipeline.from_pretrained(str(folder), **parts).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_peer_denoiser(folder: Path) -> Any:
    """diffusers' network in a folder of a denoiser, in float32."""
    with quietly():
        kind = read_json(folder / "config.json").get("_class_name", "WanTransformer3DModel")
        return getattr(library(), kind).from_pretrained(str(folder)).float().eval()


def load_peer_vae(folder: Path) -> Any:
    """diffusers' autoencoder of a model, in float32."""
    with quietly():
        return library().AutoencoderKLWan.from_pretrained(str(folder), subfolder="vae").float().eval()


def original_timesteps(sigma: Tensor) -> Tensor:
    """Levels (b,) or (b t h w) as diffusers' network is told them: thousandths, one for each 1×2×2 token."""
    return 1000 * (sigma if sigma.ndim == 1 else sigma[:, :, ::2, ::2].flatten(1))


def generate_with_peer(
    pipeline: Any, request: GenerationRequest, seconds: dict[str, float] | None = None, **more: Any
) -> Any:
    """What diffusers makes of a request: latents (1 c t h w); seconds are added up by stage."""
    return _run(pipeline, request, "latent", {} if seconds is None else seconds, more)


def frames_of_peer(
    pipeline: Any, request: GenerationRequest, seconds: dict[str, float] | None = None, **more: Any
) -> Frames:
    """The frames (t h w 3) that diffusers makes of a request; seconds are added up by stage."""
    made = _run(pipeline, request, "np", {} if seconds is None else seconds, more)[0]
    frames: Frames = (made * 255).round().astype(np.uint8)
    return frames


def _run(
    pipeline: Any, request: GenerationRequest, kind: str, seconds: dict[str, float], more: dict[str, Any]
) -> Any:
    started, before = time.perf_counter(), sum(seconds.values())
    stages = {"text": (pipeline, "encode_prompt"), "decode": (pipeline.vae, "decode")}
    with quietly(), _timed(stages, seconds):
        made = pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            height=request.height,
            width=request.width,
            num_frames=request.num_frames,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            output_type=kind,
            **more,
        ).frames
    rest = time.perf_counter() - started - (sum(seconds.values()) - before)
    seconds["denoise"] = seconds.get("denoise", 0.0) + rest
    return made


@contextmanager
def _timed(stages: dict[str, tuple[Any, str]], seconds: dict[str, float]) -> Iterator[None]:
    """Methods of objects by the stage that their seconds count for."""

    def clocked(stage: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*given, **named)
            finally:
                seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start

        return run

    for stage, (owner, name) in stages.items():
        setattr(owner, name, clocked(stage, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name in stages.values():
            delattr(owner, name)  # the class's own is seen again
