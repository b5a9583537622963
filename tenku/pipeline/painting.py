"""The latents of a window: the sampler's call, around what is known and along tracks."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from tenku.checkpoint import Model, OpenModel, known_as_control, known_in_channels, shown_to
from tenku.denoiser import Draft
from tenku.pipeline.making import PAINTED_AGAIN, Making
from tenku.sampling import (
    Guidance,
    Reusing,
    Solver,
    euler,
    euler_sigmas,
    guided,
    multistep,
    shift_of_size,
    shifted_sigmas,
    stretched_sigmas,
    unipc,
    unipc_sigmas,
)
from tenku.timeline import Timeline, Window, going_on, staggered
from tenku.vae import VideoAutoencoder

_SOLVERS: Final[dict[str, tuple[Solver, Callable[[int, float], list[float]]]]] = {
    "multistep": (multistep, shifted_sigmas),
    "euler": (euler, euler_sigmas),
    "unipc": (unipc, unipc_sigmas),
}
_SAME = 0.1  # squared change of a draft's numbers, of unit variance, that still counts as the same


def paint(making: Making, window: Window, tracks: Tensor | None) -> Tensor:
    """Latents (b c t h w) that a window adds, by the request's seed and way of sampling."""
    request, defaults, denoiser = making.request, making.model.sampling, making.model.denoiser
    back = min(window.start - window.history, PAINTED_AGAIN)
    window = replace(window, history=window.start - back)
    canvas = making.canvas(window)
    if not canvas.noise_floor.any():
        return canvas.latents[:, :, back:]
    steps = request.num_inference_steps or defaults.num_inference_steps
    solve, _ = _SOLVERS[defaults.solver]
    text, size = making.text(window.prompt), canvas.latents.shape[3:]
    noise = defaults.temperature * making.noise(window, canvas.latents.shape)
    picture = _picture_tokens(making, canvas)
    beside, free = _beside(making, canvas), canvas
    if beside is not None:
        free = _told_beside(canvas)
    with making.stage("denoise"):
        places: Draft | Tensor | None = None
        if tracks is not None:
            along = tracks[:, :, -(window.stop - window.history) :]
            places = _drafted(making.model, along, *size)
            before = making.tracks_before(window)
            if before is not None and isinstance(places, Draft) and _partly_free(canvas).any():
                canvas = _moved_along(canvas, _drafted(making.model, before, *size), places)
            if isinstance(places, Draft):
                places = replace(places, mean=places.mean + _untold(canvas, places))
        guidance = _guidance(making)
        fps = None if denoiser.config.rope_spans is None else request.fps  # those count in seconds
        velocity = guided(denoiser, text.positive, text.negative, guidance, places, beside, picture, fps)
        latents = solve(
            Reusing(velocity, request.reuse_tolerance) if request.reuse_tolerance else velocity,
            free,
            noise,
            _sigmas(making.model, steps, canvas),
            lambda done, total: making.progress("denoise", done, total),
        )
        latents = torch.where(_kept(canvas, beside is not None), canvas.latents, latents)
    return _joined(making, window, latents)[:, :, back:]


def _guidance(making: Making) -> Guidance:
    """What the request says of guidance, or else the model; the second of two experts may have its own."""
    request, defaults = making.request, making.model.sampling
    scale, second = request.guidance_scale, request.guidance_scale_2
    if scale is None:
        scale = defaults.guidance_scale
        second = defaults.guidance_scale_2 if second is None else second
    below = None if making.boundary is None or second is None else (making.boundary, second)
    return Guidance(scale=scale, interval=defaults.guidance_interval, below=below)


def _beside(making: Making, canvas: Timeline) -> Tensor | None:
    """Channels (1 m t h w) of what is known, for weights that are told so."""
    config, vae = making.model.denoiser.config, making.model.vae
    if not config.condition_channels + config.control_channels:
        return None
    with making.stage("encode"):
        if config.control_channels:
            return known_as_control(canvas, vae)
        return known_in_channels(canvas, vae, config.condition_channels)


def _picture_tokens(making: Making, canvas: Timeline) -> Tensor | None:
    """Tokens (1 m e) of the pictures that a video begins and perhaps ends with, for weights that look at
    them; None where nothing is known."""
    model, config = making.model, making.model.denoiser.config
    if not isinstance(model, OpenModel) or model.picture_encoder is None:
        return None
    with making.stage("encode"):
        wanted = 2 if config.picture_places else 1
        pictures = shown_to(canvas, model.vae, wanted)
        if not pictures:
            return None
        return model.picture_encoder.encode([pictures[0], pictures[-1]][:wanted])


def _kept(canvas: Timeline, told_beside: bool) -> Tensor:
    """What of the known latents (b 1 t h w) stays whatever was sampled.

    A picture that is told as one frame of a later group ends that group as the weights have learned it.
    """
    kept = canvas.noise_floor == 0
    if told_beside and canvas.pictures:
        kept = kept.clone()
        kept[:, 1:] = False
    return kept[:, None]


def _sigmas(model: Model | OpenModel, steps: int, canvas: Timeline) -> list[float]:
    """The noise schedule of a canvas."""
    defaults = model.sampling
    if not defaults.token_shifts:
        _, levels = _SOLVERS[defaults.solver]
        return levels(steps, defaults.shift)
    num_tokens = canvas.latents[0, 0].numel() // math.prod(model.denoiser.config.patch_size)
    return stretched_sigmas(steps, shift_of_size(num_tokens, defaults.token_shifts), defaults.least_sigma)


def _drafted(model: Model | OpenModel, tracks: Tensor, height: int, width: int) -> Draft | Tensor:
    """What the denoiser makes of packed tracks (b n t o), steadied if the model wants that.

    The mean of a draft moves too little inside a group of frames and too much from one to the next. A second
    draft is of groups that begin in the middle of the first one's; each frame is taken from that in which it
    lies further inside.
    """
    draft, config = model.denoiser.prepare(tracks, height, width), model.denoiser.config.tracks
    number = model.sampling.steadied_channels
    vae = model.vae
    if not isinstance(draft, Draft) or config is None or not number or tracks.shape[2] < 2:
        return draft
    assert isinstance(vae, VideoAutoencoder)  # whose linear path a draft is of
    frames = config.frames_per_latent
    half = frames // 2
    second = model.denoiser.prepare(staggered(tracks, config), height, width)
    assert isinstance(second, Draft)
    ours, theirs = (vae.linear_frames(part.mean) for part in (draft, second))
    inside = torch.arange(theirs.shape[1], device=theirs.device) % frames
    better = (inside >= half - half // 2) & (inside < half + (half + 1) // 2)
    better = better & going_on(tracks, config).repeat_interleave(frames, 1)  # b f
    between = slice(half, half + theirs.shape[1])
    mixed = ours.clone()
    mixed[:, between] = torch.where(better[:, :, None, None, None], theirs, ours[:, between])
    steady = vae.linear_latents(mixed)
    return replace(draft, mean=torch.cat([steady[:, :number], draft.mean[:, number:]], 1))


def _told_beside(canvas: Timeline) -> Timeline:
    """The same for weights that are told in channels what is known: they were trained with noise in its
    place."""
    known = canvas.noise_floor == 0
    return replace(canvas, noise_floor=canvas.noise_floor.masked_fill(known, 1))


def _moved_along(canvas: Timeline, before: Draft | Tensor, after: Draft) -> Timeline:
    """Known latents that may change move along with their tracks: what tracks do not tell of them is kept."""
    if not isinstance(before, Draft):
        return canvas
    change = after.mean - before.mean
    return replace(canvas, latents=canvas.latents + _partly_free(canvas)[:, None] * change)


def _partly_free(canvas: Timeline) -> Tensor:
    """Where known latents may change, but not altogether."""
    return (canvas.noise_floor > 0) & (canvas.noise_floor < 1)


def _untold(canvas: Timeline, draft: Draft) -> Tensor:
    """What a draft (b c t h w) does not tell of what is known, carried from frame to frame, both ways, to
    where the draft stays the same: the grain of a floor, the look of what rests."""
    known = (canvas.noise_floor == 0).expand(-1, -1, *draft.mean.shape[3:])[:, None].float()  # b 1 t h w
    if not known.any():
        return torch.zeros_like(draft.mean)
    rest = (canvas.latents - draft.mean) * known
    change = draft.mean.diff(dim=2).square().mean(1, keepdim=True)
    stays = (-change / _SAME).exp()  # b 1 t-1 h w: from each frame to the next
    told, weight = torch.zeros_like(rest), torch.zeros_like(known)
    for order in (1, -1):
        carried, trust = torch.zeros_like(rest[:, :, 0]), torch.zeros_like(known[:, :, 0])
        frames = range(rest.shape[2])[::order]
        for number, t in enumerate(frames):
            if number:
                step = stays[:, :, min(t, t - order)]
                trust = trust * step
            here = known[:, :, t]
            carried = torch.lerp(carried, rest[:, :, t], here)
            trust = torch.maximum(trust, here)
            told[:, :, t] += trust.square() * carried
            weight[:, :, t] += trust
    return told / weight.clamp_min(1e-6) * (1 - known)


def _joined(making: Making, window: Window, latents: Tensor) -> Tensor:
    """The same, the joints among them ending in their known frame where the autoencoder can set it."""
    vae = making.model.vae
    if not isinstance(vae, VideoAutoencoder):
        return latents
    for joint in making.timeline.joints:
        if window.start <= joint < window.stop:
            there = slice(joint - window.history, joint - window.history + 1)
            still = making.timeline.latents[:, :, joint : joint + 1]
            latents[:, :, there] = vae.ending_in(latents[:, :, there], still)
    return latents
