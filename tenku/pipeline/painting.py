"""The latents of a window: the sampler's call, around what is known and along tracks."""

from dataclasses import replace

from torch import Tensor

from tenku.denoiser import Draft
from tenku.pipeline.making import PAINTED_AGAIN, Making
from tenku.sampling import Guidance, guided_velocity, multistep, shifted_sigmas
from tenku.timeline import Timeline, Window


def paint(making: Making, window: Window, tracks: Tensor | None) -> Tensor:
    """Latents (b c t h w) that a window adds, by the request's seed and way of sampling."""
    request, defaults, denoiser = making.request, making.model.sampling, making.model.denoiser
    back = min(window.start - window.history, PAINTED_AGAIN)
    window = replace(window, history=window.start - back)
    canvas = making.canvas(window)
    if not canvas.noise_floor.any():
        return canvas.latents[:, :, back:]
    scale = defaults.guidance_scale if request.guidance_scale is None else request.guidance_scale
    guidance = Guidance(scale=scale, interval=defaults.guidance_interval)
    steps = request.num_inference_steps or defaults.num_inference_steps
    text, size = making.text(window.prompt), canvas.latents.shape[3:]
    noise = defaults.temperature * making.noise(window, canvas.latents.shape)
    with making.stage("denoise"):
        places: Draft | Tensor | None = None
        if tracks is not None:
            places = denoiser.prepare(tracks[:, :, -(window.stop - window.history) :], *size)
            before = making.tracks_before(window)
            if before is not None and isinstance(places, Draft):
                canvas = _moved_along(canvas, denoiser.prepare(before, *size), places)
        latents = multistep(
            lambda noisy, level: guided_velocity(
                denoiser, noisy, level, text.positive, text.negative, guidance, places
            ),
            canvas,
            noise,
            shifted_sigmas(steps, defaults.shift),
            lambda done, total: making.progress("denoise", done, total),
        )
    return _joined(making, window, latents)[:, :, back:]


def _moved_along(canvas: Timeline, before: Draft | Tensor, after: Draft) -> Timeline:
    """Known latents that may change move along with their tracks: what tracks do not tell of them is kept."""
    free = (canvas.noise_floor > 0) & (canvas.noise_floor < 1)
    if not free.any() or not isinstance(before, Draft):
        return canvas
    return replace(canvas, latents=canvas.latents + free[:, None] * (after.mean - before.mean))


def _joined(making: Making, window: Window, latents: Tensor) -> Tensor:
    """The same, the joints among them ending in their known frame."""
    for joint in making.timeline.joints:
        if window.start <= joint < window.stop:
            there = slice(joint - window.history, joint - window.history + 1)
            still = making.timeline.latents[:, :, joint : joint + 1]
            latents[:, :, there] = making.model.vae.ending_in(latents[:, :, there], still)
    return latents
