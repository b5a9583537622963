"""Somebody else's pictures and clips as footage: latents, and the tracks that are seen in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model, OpenModel
from tenku.denoiser import TrackConfig, TrackReader, multiplies_bfloat16
from tenku.errors import UserError
from tenku.media import Video, nearest_size, read_conformed, read_picture
from tenku.pipeline.making import footage
from tenku.sampling import fit_tracks
from tenku.timeline import Footage, Kept, PromptSpan, fingerprint, gliding, tracks_of
from tenku.timeline.request import MAX_SECONDS, MIN_SIDE
from tenku.vae import from_pixels

_FITTED = (2, 3)  # latent frames at the start and at the end of a clip
_CHUNK = 16  # latent frames encoded at a time


@torch.inference_mode()
def encoded(model: Model | OpenModel, video: Video, prompt: str = "") -> Footage:
    """A video as latents, with the tracks that are seen in it.

    Its sides must be multiples of what a latent position spans; up to three frames at its end are left out,
    so that latent frames are full.
    """
    config, group = model.denoiser.config.tracks, model.vae.config.temporal_compression
    kept = video.num_frames - (video.num_frames - 1) % group
    chunks = np.split(video.frames[:kept], range(1 + _CHUNK * group, kept, _CHUNK * group))
    parts = model.vae.encode_chunks(from_pixels(chunk)[None] for chunk in chunks)
    latents = torch.cat(list(parts), 2)
    tracks = None
    if isinstance(model, Model) and model.reader is not None and config is not None:
        tracks = _read_tracks(model, model.reader, config, latents)
    prompts = (PromptSpan(prompt, 0, latents.shape[2]),) if prompt else ()
    first = from_pixels(video.frames[:1])[:, 0]
    return replace(footage(model, latents, tracks, video.fps), prompts=prompts, picture=first)


def opened(model: Model | OpenModel, path: str | Path, size: tuple[int, int] | None, fps: float) -> Footage:
    """A video or picture file at a size (height, width), or at what is nearest to its own."""
    if size is None:
        height, width = read_picture(path).shape[:2]
        usual = model.sampling
        step = model.vae.config.spatial_compression * model.denoiser.config.patch_size[-1]
        size = nearest_size(
            width,
            height,
            step=step,
            area=usual.width * usual.height,
            min_side=MIN_SIDE,
            max_side=usual.max_side,
        )
    height, width = size
    limit = int(MAX_SECONDS * fps)
    return encoded(model, read_conformed(path, fps=fps, height=height, width=width, max_frames=limit))


def reopened(model: Model | OpenModel, kept: Kept) -> Footage:
    """Footage that was kept; a `UserError` if another model's autoencoder made it.

    Tracks that this model does not understand are left out.
    """
    if kept.vae != fingerprint(model.vae):
        raise UserError(
            "this file was kept by another model, whose latents this one cannot read; "
            "give the model that made it, or the video."
        )
    same = _meaning(kept.footage.track_config) == _meaning(model.denoiser.config.tracks)
    return kept.footage if same else replace(kept.footage, tracks=None)


def _meaning(config: TrackConfig | None) -> tuple[object, ...]:
    """What decides how packed tracks are understood."""
    if config is None:
        return ()
    return config.look_sizes, config.frames_per_latent, config.max_objects, config.distance


def _read_tracks(model: Model, reader: TrackReader, config: TrackConfig, latents: Tensor) -> Tensor:
    """The packed tracks that are seen in latents: read at a glance, then fitted where one goes on from them,
    at the ends; the surroundings that fit there are those of the whole clip."""
    tracks = gliding(tracks_of(reader.read(latents), config)).packed(config)
    drafter, t = getattr(model.denoiser, "drafter", None), latents.shape[2]
    if drafter is None:
        return tracks
    ends = [*range(t)] if t <= sum(_FITTED) else [*range(_FITTED[0]), *range(t - _FITTED[1], t)]
    steps, half = model.sampling.fitting_steps, multiplies_bfloat16()
    there = tracks[:, :, ends], latents[:, :, ends]
    fitted = fit_tracks(drafter, *there, steps, times=ends, half_precision=half)
    tracks = tracks.clone()
    tracks[:, config.around, :, -1] = fitted[:, config.around, :1, -1]
    tracks[:, :, ends] = fitted
    return gliding(tracks_of(tracks, config)).packed(config)
