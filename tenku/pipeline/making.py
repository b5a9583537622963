"""A timeline in the making: what has been made of it so far, and what a window of it sees."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad

from tenku.checkpoint import Model, OneLevel, OpenModel
from tenku.denoiser import NoiseExperts
from tenku.errors import UserError
from tenku.text import TextConditioning
from tenku.timeline import Footage, GenerationRequest, Known, Timeline, Window

PAINTED_AGAIN = 2  # latent frames that the denoiser looks back at: the plan has looked further

OnProgress: TypeAlias = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class ReadText:
    """What a video should show and what it should not."""

    positive: TextConditioning
    negative: TextConditioning


@dataclass(frozen=True, slots=True)
class MadeWindow:
    """What one window has made: the latents (1 c t h w) that it adds, and the packed tracks (1 n t o) of it
    and of what it looks back at."""

    latents: Tensor
    tracks: Tensor | None


@dataclass(slots=True)
class Making:
    """One request on one timeline, with the last latent frames (1 c n h w) and packed tracks (1 n t o) that
    have been made of it. Seconds are added up by stage."""

    model: Model | OpenModel
    dtype: torch.dtype
    request: GenerationRequest
    timeline: Timeline
    progress: OnProgress
    seconds: dict[str, float] = field(default_factory=dict)
    latents: Tensor | None = None
    tracks: Tensor | None = None
    _texts: dict[str, ReadText] = field(default_factory=dict)
    _fading: Tensor | None = None  # of a shot that dissolves into the next, from the latent frame
    _fading_from: int = 0  # where that begins

    def text(self, prompt: str) -> ReadText:
        """What a prompt says, and what the request wants to be led away from."""
        if prompt not in self._texts:
            encode = self.model.text_encoder.encode
            with self.stage("text"):
                self._texts[prompt] = ReadText(encode([prompt]), encode([self.request.negative_prompt]))
        return self._texts[prompt]

    @property
    def size(self) -> int:
        """How many videos are made at once."""
        return 1

    def __post_init__(self) -> None:
        if self.request.guidance_scale_2 is not None and self.boundary is None:
            raise UserError(
                "this model has no second expert that could have a guidance scale of its own; leave it out."
            )

    @property
    def boundary(self) -> float | None:
        """The noise level at which a second expert takes over; None if there is none."""
        denoiser = self.model.denoiser
        experts = denoiser.denoiser if isinstance(denoiser, OneLevel) else denoiser
        return experts.boundary if isinstance(experts, NoiseExperts) else None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A block whose seconds count for a stage, and in which networks run at the machine's precision:
        matrix products in the processor's fast type, sums in float32."""
        started = time.perf_counter()
        if isinstance(self.model, OpenModel) and self.model.staging is not None:
            self.model.staging.enter(name)
        device = torch.get_default_device().type
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def noise(self, window: Window, shape: tuple[int, ...]) -> Tensor:
        """Noise of a window."""
        return noise_of(self.request, window, shape)

    def known_tracks(self, window: Window) -> Known | None:
        """What is known of the tracks in view of a window: what was made, and what the timeline knows."""
        back, timeline = window.start - window.history, self.timeline
        if back and self.tracks is None:  # nobody has planned
            return None
        if timeline.tracks is None or timeline.track_floor is None:
            if not back or self.tracks is None:
                return None
            shape = (1, self.tracks.shape[1], window.horizon - window.start, self.tracks.shape[3])
            tracks, floor = torch.zeros(shape), torch.ones(1, *shape[2:])
        else:
            tracks = timeline.tracks[:, :, window.start : window.horizon]
            floor = timeline.track_floor[:, window.start : window.horizon].clone()
            floor[:, max(0, window.end - window.start) :] = 1  # there the next shot is known, not this one
        tracks, floor = _after(self.tracks, back, tracks), pad(floor, (0, 0, back, 0))
        joints = tuple(
            joint - window.history for joint in timeline.joints if window.start <= joint < window.horizon
        )
        return Known(tracks, floor, joints if timeline.tracks is not None else ())

    def canvas(self, window: Window) -> Timeline:
        """The part of the timeline that a window makes, after the latents that it looks back at."""
        back = window.start - window.history
        latents = self.timeline.latents[:, :, window.start : window.stop]
        floor = self.timeline.noise_floor[:, window.start : window.stop].clone()
        floor[:, max(0, window.end - window.start) :] = 1
        canvas = Timeline(_after(self.latents, back, latents), pad(floor, (0, 0, 0, 0, back, 0)), ())
        if window.history:  # of what was made before there are only latents
            return canvas
        end = self.model.vae.config.num_frames(window.stop)
        inside = tuple((number, picture) for number, picture in self.timeline.pictures if number < end)
        return replace(canvas, pictures=inside)

    def tracks_before(self, window: Window) -> Tensor | None:
        """The tracks (1 n t o) that the known latents of a window's canvas were made along."""
        if self.timeline.tracks is None:
            return None
        tracks = self.timeline.tracks[:, :, window.start : window.stop]
        return _after(self.tracks, window.start - window.history, tracks)

    def add(self, window: Window, latents: Tensor, tracks: Tensor | None) -> Footage:
        """Take what a window has made, and give back what of it is to be seen."""
        seen = self.take(window, latents, tracks)
        back = window.start - window.history
        new = None if tracks is None else tracks[:, :, back : back + seen.shape[2]]
        return footage(self.model, seen, new, self.request.fps)

    def take(self, window: Window, latents: Tensor, tracks: Tensor | None) -> Tensor:
        """Take what a window has made, and give back the latents that are to be seen.

        The shot before fades out in them; what fades out later is put by.
        """
        before = [] if self.latents is None else [self.latents]
        self.latents = torch.cat([*before, latents], 2)[:, :, -PAINTED_AGAIN:]
        self.tracks = tracks
        return self._mixed(latents, window)

    def _mixed(self, new: Tensor, window: Window) -> Tensor:
        own, rest = new.tensor_split([max(0, window.end - window.start)], 2)
        if self._fading is not None and own.shape[2]:
            start, length = window.start - self._fading_from, self._fading.shape[2]
            fading = self._fading[:, :, start : start + own.shape[2]]
            share = torch.arange(start + 1, start + 1 + fading.shape[2]) / (length + 1)
            mixed = torch.lerp(fading, own[:, :, : fading.shape[2]], share[:, None, None])
            own = torch.cat([mixed, own[:, :, fading.shape[2] :]], 2)
            if start + own.shape[2] >= length:
                self._fading = None
        if rest.shape[2]:
            self._fading = rest if self._fading is None else torch.cat([self._fading, rest], 2)
            self._fading_from = window.end
        return own


def noise_of(request: GenerationRequest, window: Window, shape: tuple[int, ...]) -> Tensor:
    """Noise of a request's window: its seed, counted on from the window's start."""
    generator = torch.Generator().manual_seed((request.seed + window.start) % 2**63)
    noise = torch.randn(shape, generator=generator, device="cpu")  # the same on every device
    return noise.to(torch.get_default_device())


def _after(made: Tensor | None, back: int, part: Tensor) -> Tensor:
    """A part (b c t …) after the last `back` latent frames that have been made, if any have."""
    return part if made is None or not back else torch.cat([made[:, :, -back:], part], 2)


def footage(model: Model | OpenModel, latents: Tensor, tracks: Tensor | None, fps: float) -> Footage:
    """Latents and tracks as a model makes them."""
    vae = model.vae.config
    return Footage(
        latents,
        tracks,
        (),
        fps,
        frames_per_latent=vae.temporal_compression,
        pixels_per_latent=vae.spatial_compression,
        track_config=model.denoiser.config.tracks,
    )
