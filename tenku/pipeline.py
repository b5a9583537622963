"""prompt → video: a timeline is laid out, text is encoded, tracks are planned, sampling integrates, the VAE
decodes a stream. A window slides along the timeline, and all of that is done for one window after the other.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Self, TypeAlias, TypedDict

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model, keep_freed_memory, load_model
from tenku.denoiser import Denoiser, Draft, TrackConfig, TrackReader
from tenku.errors import UserError
from tenku.media import Frame, Video, nearest_size, read_conformed, read_picture
from tenku.sampling import (
    Guidance,
    expected_looks,
    fit_tracks,
    guided_velocity,
    multistep,
    sample_tracks,
    shifted_sigmas,
    unnamed,
)
from tenku.text import TextConditioning
from tenku.timeline import (
    Footage,
    GenerationRequest,
    Kept,
    Known,
    PromptSpan,
    Task,
    Timeline,
    Tracks,
    Window,
    endless,
    padded_num_frames,
    stretched,
    text_to_video,
    tracks_of,
    windows,
)
from tenku.timeline.describing import named
from tenku.timeline.kept import fingerprint
from tenku.timeline.plans import carried
from tenku.timeline.request import MAX_SECONDS, MAX_SIDE, MIN_SIDE, SIZE_STEP
from tenku.vae import from_pixels, to_pixels

__all__ = ["GenerationRequest", "GenerationResult", "OnProgress", "VideoPipeline"]

DECODE_CHUNK = 4  # latent frames decoded at a time: memory does not grow with the length of the video
_SAID = 0.7  # expected of what the text says; what it leaves open has about even chances
_CANDIDATES_GOING_ON = 2
_PAINTED_AGAIN = 2  # latent frames that the denoiser looks back at: the plan has looked further
_LIVE_STEP = 8  # latent frames made at a time while somebody speaks
_USUAL_AREA = 128 * 128  # pixels that a foreign clip is brought to

OnProgress: TypeAlias = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A finished video, how long each stage took, words of the prompt that the model does not know, how many
    words at the prompt's end it has not read, and the video as latents, from which one can go on."""

    video: Video
    seconds_by_stage: dict[str, float]
    ignored_words: tuple[str, ...]
    num_unread_words: int
    footage: Footage


@dataclass(frozen=True, slots=True)
class ReadText:
    """What a video should show and what it should not."""

    positive: TextConditioning
    negative: TextConditioning


class _Units(TypedDict):
    frames_per_latent: int
    pixels_per_latent: int
    track_config: TrackConfig | None


@dataclass(slots=True)
class _Made:
    """What has been made of a timeline so far: its last latent frames (1 c n h w) with their packed tracks,
    and how long everything took."""

    seconds: dict[str, float]
    progress: OnProgress
    latents: Tensor | None = None
    tracks: Tensor | None = None
    fading: Tensor | None = None  # of a shot that dissolves into the next, from the latent frame
    fading_from: int = 0  # where that begins
    texts: dict[str, ReadText] = field(default_factory=dict)


class VideoPipeline:
    """Turns requests and timelines into video with one loaded model, of which it takes charge."""

    def __init__(self, model: Model) -> None:
        keep_freed_memory()
        self.model = model
        # Half the memory traffic, and twice the speed, where the processor multiplies bfloat16 itself.
        self.dtype = torch.bfloat16 if _multiplies_bfloat16() else torch.float32
        model.vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(cls, place: str | Path = "embedded") -> Self:
        """The pipeline of "embedded" or of a model folder; a `UserError` if there is none."""
        return cls(load_model(place))

    def __call__(
        self,
        asked: GenerationRequest | Task,
        on_progress: OnProgress | None = None,
        tracks: Tracks | None = None,
    ) -> GenerationResult:
        """The whole video of a request or of a task; a request may come with tracks to follow instead of
        planned ones."""
        seconds: dict[str, float] = {}
        request, timeline = self._laid_out(asked, tracks)
        parts: list[Footage] = []
        frames = list(self.render(timeline, request, on_progress, seconds, parts.append))
        video = Video(frames=np.stack(frames), fps=request.fps)
        footage = replace(Footage.joined(parts), prompts=timeline.prompts, cuts=timeline.cuts)
        return GenerationResult(video, seconds, *self.not_read(request.prompt), footage)

    def stream(
        self,
        asked: GenerationRequest | Task,
        on_progress: OnProgress | None = None,
        seconds_by_stage: dict[str, float] | None = None,
        tracks: Tracks | None = None,
        on_part: Callable[[Footage], None] | None = None,
    ) -> Iterator[Frame]:
        """Frames (h w 3) of a request or task as the decoder makes them; the seconds taken are added up by
        stage. Memory does not grow with the length: what is made goes to `on_part`, and is forgotten."""
        request, timeline = self._laid_out(asked, tracks)
        return self.render(timeline, request, on_progress, seconds_by_stage, on_part)

    def live(self, request: GenerationRequest, next_prompt: Callable[[], str]) -> Iterator[Frame]:
        """Frames (h w 3) for as long as a request says, of what is being said meanwhile: `next_prompt` is
        asked before each part of about two seconds."""
        defaults = self.model.sampling
        slide = endless(next_prompt, defaults.window_size, defaults.window_overlap, _LIVE_STEP)
        b, c, t, h, w = self.lay_out(request).latents.shape
        room = text_to_video(request.prompt, (b, c, t + _LIVE_STEP, h, w))  # for a last part that is too long
        return self.render(room, request, slide=slide)

    @torch.inference_mode()
    def render(
        self,
        timeline: Timeline,
        request: GenerationRequest,
        on_progress: OnProgress | None = None,
        seconds_by_stage: dict[str, float] | None = None,
        on_part: Callable[[Footage], None] | None = None,
        slide: Iterable[Window] | None = None,
    ) -> Iterator[Frame]:
        """The first `num_frames` frames (h w 3) of a timeline, by a request's seed and way of sampling; as
        `stream` does. The window that slides along it may be led from outside."""
        made = _Made(
            {} if seconds_by_stage is None else seconds_by_stage,
            on_progress or (lambda stage, done, total: None),
        )
        chunks: deque[Tensor] = deque()
        decoded = self.model.vae.decode_chunks(chunks.popleft() for _ in count())
        left, done, total = request.num_frames, 0, timeline.num_latent_frames
        defaults = self.model.sampling
        if slide is None:
            slide = windows(timeline, defaults.window_size, defaults.window_overlap)
        for window in slide:
            if left <= 0:
                return
            text = self.read(request, window.prompt, made)
            tracks = self.plan(request, timeline, window, text, made)
            latents = self.sample(request, timeline, window, text, tracks, made)
            before = [] if made.latents is None else [made.latents]
            made.latents = torch.cat([*before, latents], 2)[:, :, -_PAINTED_AGAIN:]
            made.tracks = tracks
            new = _mixed(latents, window, made)
            if on_part is not None and new.shape[2]:
                on_part(self._footage(new, tracks, window, request.fps))
            for chunk in torch.split(new, DECODE_CHUNK, dim=2) if new.shape[2] else ():
                chunks.append(chunk)
                with _timed(made.seconds, "decode"), self._precision():
                    frames = to_pixels(next(decoded)[0])[:left]
                left, done = left - len(frames), done + chunk.shape[2]
                made.progress("decode", done, total)
                yield from frames

    @torch.no_grad()
    def tracks(self, request: GenerationRequest) -> Tracks | None:
        """What would move where, to be changed and given back; None if the model does not plan."""
        timeline, made = self.lay_out(request), _Made({}, lambda stage, done, total: None)
        config, defaults = self.model.denoiser.config.tracks, self.model.sampling
        if config is None or self.model.planner is None:
            return None
        parts: list[Tracks] = []
        for window in windows(timeline, defaults.window_size, defaults.window_overlap):
            text = self.read(request, window.prompt, made)
            known = _known_tracks(timeline, window, made)
            planned = self._planned(request, self.model.planner, config, window, text, known, made)
            made.tracks = planned.packed(config, continued=window.history > 0)
            new = (window.stop - window.start) * config.frames_per_latent
            parts.append(planned if not parts else planned.last(new))
        return replace(
            parts[0],
            poses=torch.cat([part.poses for part in parts], 1),
            settings=torch.cat([part.settings for part in parts], 1),
        )

    def lay_out(self, request: GenerationRequest, tracks: Tracks | None = None) -> Timeline:
        """The timeline of a request from which a video is made of a prompt alone, or along tracks."""
        vae = self.model.vae.config
        padded = padded_num_frames(request.num_frames, vae.temporal_compression)
        height, width = (side // vae.spatial_compression for side in (request.height, request.width))
        shape = (1, vae.latent_channels, vae.num_latent_frames(padded), height, width)
        timeline = text_to_video(request.prompt, shape)
        if tracks is None:
            return timeline
        config = self.model.denoiser.config.tracks
        if config is None:
            raise UserError("this model cannot follow tracks; leave them out, or load one that can.")
        if tracks.poses.shape[1] != padded:
            raise UserError(
                f"a video of {request.num_frames} frames needs tracks of {padded}, "
                f"not of {tracks.poses.shape[1]}."
            )
        packed = tracks.packed(config)
        floor = torch.zeros(1, packed.shape[2], packed.shape[3])
        return replace(timeline, tracks=packed, track_floor=floor)

    def _laid_out(
        self, asked: GenerationRequest | Task, tracks: Tracks | None
    ) -> tuple[GenerationRequest, Timeline]:
        if isinstance(asked, Task):
            return asked.request, asked.timeline
        return asked, self.lay_out(asked, tracks)

    @torch.inference_mode()
    def footage(self, video: Video, prompt: str = "") -> Footage:
        """A video of somebody else's as latents, with the tracks that are seen in it.

        Its sides must be multiples of what a latent position spans; up to three frames at its end are left
        out, so that latent frames are full.
        """
        vae, config = self.model.vae, self.model.denoiser.config.tracks
        group = vae.config.temporal_compression
        kept = video.num_frames - (video.num_frames - 1) % group
        chunks = np.split(video.frames[:kept], range(1 + 16 * group, kept, 16 * group))
        parts = vae.encode_chunks(from_pixels(chunk)[None] for chunk in chunks)
        latents = torch.cat(list(parts), 2)
        tracks = None
        if self.model.reader is not None and config is not None:
            tracks = self._read_tracks(self.model.reader, config, latents)
        return Footage(latents, tracks, said(prompt, latents.shape[2]), video.fps, **self._units())

    def _read_tracks(self, reader: TrackReader, config: TrackConfig, latents: Tensor) -> Tensor:
        """The packed tracks that are seen in latents: read at a glance, then fitted window by window."""
        tracks = tracks_of(reader.read(latents), config).packed(config)
        drafter = getattr(self.model.denoiser, "drafter", None)
        if drafter is None:
            return tracks
        size = self.model.sampling.window_size
        parts = zip(torch.split(tracks, size, 2), torch.split(latents, size, 2), strict=True)
        fitted = [fit_tracks(drafter, *part, self.model.sampling.fitting_steps) for part in parts]
        return tracks_of(torch.cat(fitted, 2), config).packed(config)

    def footage_of(self, path: str | Path, size: tuple[int, int] | None = None, fps: float = 16.0) -> Footage:
        """A video or picture file as footage, at a size (height, width) or at what is nearest to its own."""
        if size is None:
            picture = read_picture(path)
            size = nearest_size(
                picture.shape[1],
                picture.shape[0],
                step=SIZE_STEP,
                area=_USUAL_AREA,
                min_side=MIN_SIDE,
                max_side=MAX_SIDE,
            )
        height, width = size
        limit = int(MAX_SECONDS * fps)
        return self.footage(read_conformed(path, fps=fps, height=height, width=width, max_frames=limit))

    def reopen(self, kept: Kept) -> Footage:
        """Footage that was kept; a `UserError` if another model's autoencoder made it."""
        if kept.vae != fingerprint(self.model.vae):
            raise UserError(
                "this file was kept by another model, whose latents this one cannot read; "
                "give the model that made it, or the video."
            )
        return kept.footage

    def whole(self, parts: Sequence[Footage], asked: GenerationRequest | Task) -> Footage:
        """The footage of all parts of what was asked for."""
        _, timeline = self._laid_out(asked, None)
        return replace(Footage.joined(parts), prompts=timeline.prompts, cuts=timeline.cuts)

    def not_read(self, prompt: str) -> tuple[tuple[str, ...], int]:
        """Words of a prompt that the model does not know, and how many at its end it does not read."""
        tokens = self.model.text_encoder.tokenize([prompt])[0]
        return tokens.unknown, tokens.num_unread

    def read(self, request: GenerationRequest, prompt: str, made: "_Made") -> ReadText:
        """What a prompt says, and what a request wants to be led away from."""
        if prompt not in made.texts:
            with _timed(made.seconds, "text"), self._precision():
                encode = self.model.text_encoder.encode
                made.texts[prompt] = ReadText(encode([prompt]), encode([request.negative_prompt]))
        return made.texts[prompt]

    def plan(
        self, request: GenerationRequest, timeline: Timeline, window: Window, text: ReadText, made: "_Made"
    ) -> Tensor | None:
        """Packed tracks (1 n t o) of a window and what it looks back at: known ones, planned ones around
        them, or None if nothing is known and the model does not plan."""
        planner, config = self.model.planner, self.model.denoiser.config.tracks
        if config is None:
            return None
        known = _known_tracks(timeline, window, made)
        length = window.stop - window.history
        if known is not None and not known.floor[:, :length].any():
            return known.packed[:, :, :length]
        if planner is None:
            return None
        tracks = self._planned(request, planner, config, window, text, known, made)
        packed = tracks.packed(config, continued=window.history > 0)
        if known is not None:
            packed = torch.where(known.floor[:, None] == 0, known.packed, packed)
        return packed[:, :, :length]

    def _planned(
        self,
        request: GenerationRequest,
        planner: Denoiser,
        config: TrackConfig,
        window: Window,
        text: ReadText,
        known: Known | None,
        made: "_Made",
    ) -> Tracks:
        """The clearest of several plans for all that is in view of a window."""
        defaults, continued = self.model.sampling, window.history > 0
        lead = int(continued and (known is None or bool((known.floor[:, 0] > 0).all())))
        # What goes on has less to choose from than what begins.
        number = defaults.planner_candidates if known is None or window.fresh else _CANDIDATES_GOING_ON
        aspect = request.width / request.height
        frames, rows = window.horizon - window.history + lead, planner.config.named_rows
        registers = self.model.text_encoder.config.num_registers
        positive, negative = (t.first(registers).repeated(number) for t in (text.positive, text.negative))
        generator = torch.Generator().manual_seed((request.seed + window.start) % 2**63)
        noise = torch.randn((number, config.channels, frames, rows, 1), generator=generator)
        square = None if known is None else replace(known, packed=stretched(known.packed, config, 1 / aspect))
        if square is not None and window.fresh:
            square = square.with_room()
        expected = None
        if square is not None or (lead and made.tracks is not None):
            with _timed(made.seconds, "plan"), self._precision():
                expected = expected_looks(planner, positive, config, noise)
        silent = [] if square is None or expected is None else unnamed(square, expected, config)
        if square is not None and silent:
            prompt = _naming(window.prompt, square, silent, config)
            positive = self.read(request, prompt, made).positive.first(registers).repeated(number)
            expected = None
        with _timed(made.seconds, "plan"), self._precision():
            tracks = sample_tracks(
                planner,
                positive,
                negative,
                config,
                noise,
                defaults.planner_steps,
                defaults.planner_guidance_scale,
                square,
                expected=expected,
                continued=continued,
                lead=lead,
            )
            clearest = tracks.one(int(tracks.unseen().argmin()))
            if expected is not None and lead and made.tracks is not None:  # a new shot of the same things
                clearest = carried(clearest, made.tracks[:, :, -1:], expected < _SAID, config)
        return clearest.spread(aspect)

    def sample(
        self,
        request: GenerationRequest,
        timeline: Timeline,
        window: Window,
        text: ReadText,
        tracks: Tensor | None,
        made: "_Made",
    ) -> Tensor:
        """Latents (b c t h w) that a window adds."""
        defaults = self.model.sampling
        scale = defaults.guidance_scale if request.guidance_scale is None else request.guidance_scale
        guidance = Guidance(scale=scale, interval=defaults.guidance_interval)
        steps = request.num_inference_steps or defaults.num_inference_steps
        denoiser = self.model.denoiser
        back = min(window.start - window.history, _PAINTED_AGAIN)
        window = replace(window, history=window.start - back)
        tracks = None if tracks is None else tracks[:, :, -(window.stop - window.history) :]
        canvas = _canvas(timeline, window, made)
        generator = torch.Generator().manual_seed((request.seed + window.start) % 2**63)
        noise = defaults.temperature * torch.randn(canvas.latents.shape, generator=generator)
        with _timed(made.seconds, "denoise"), self._precision():
            size = canvas.latents.shape[3:]
            places = None if tracks is None else denoiser.prepare(tracks, *size)
            if isinstance(places, Draft) and timeline.tracks is not None:
                before = denoiser.prepare(_tracks_before(timeline, window, made), *size)
                canvas = _moved_along(canvas, before, places)
            latents = multistep(
                lambda noisy, level: guided_velocity(
                    denoiser, noisy, level, text.positive, text.negative, guidance, places
                ),
                canvas,
                noise,
                shifted_sigmas(steps, defaults.shift),
                lambda done, total: made.progress("denoise", done, total),
            )
        for joint in timeline.joints:
            if window.start <= joint < window.stop:
                there = slice(joint - window.history, joint - window.history + 1)
                still = timeline.latents[:, :, joint : joint + 1]
                latents[:, :, there] = self.model.vae.ending_in(latents[:, :, there], still)
        return latents[:, :, back:]

    def _footage(self, latents: Tensor, tracks: Tensor | None, window: Window, fps: float) -> Footage:
        """What a window has added."""
        back = window.start - window.history
        new = None if tracks is None else tracks[:, :, back : back + latents.shape[2]]
        return Footage(latents, new, (), fps, **self._units())

    def _units(self) -> "_Units":
        vae = self.model.vae.config
        return {
            "frames_per_latent": vae.temporal_compression,
            "pixels_per_latent": vae.spatial_compression,
            "track_config": self.model.denoiser.config.tracks,
        }

    def _precision(self) -> torch.autocast:
        """Where the networks run: matrix products in the processor's fast type, sums in float32."""
        return torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32)


def _naming(prompt: str, known: Known, silent: Sequence[int], config: TrackConfig) -> str:
    """A prompt that also says what is there and what it does not speak of."""
    things = known.things(config)
    names = [named(things[1:, row], config.look_sizes) for row in silent]
    return " ".join([prompt, *(f"There is {name}." for name in names if name)])


def said(prompt: str, num_latent_frames: int) -> tuple[PromptSpan, ...]:
    """A prompt over a whole clip, if there is one."""
    return (PromptSpan(prompt, 0, num_latent_frames),) if prompt else ()


def _known_tracks(timeline: Timeline, window: Window, made: _Made) -> Known | None:
    """What is known of the tracks in view of a window: what has been made, and what the timeline knows."""
    back = window.start - window.history
    if timeline.tracks is None or timeline.track_floor is None:
        if made.tracks is None or not back:
            return None
        ahead = window.horizon - window.start
        shape = made.tracks.shape
        tracks = made.tracks.new_zeros(1, shape[1], ahead, shape[3])
        floor = made.tracks.new_ones(1, ahead, shape[3])
    else:
        tracks = timeline.tracks[:, :, window.start : window.horizon]
        floor = timeline.track_floor[:, window.start : window.horizon].clone()
        floor[:, max(0, window.end - window.start) :] = 1  # there the next shot is known, not this one
    if back:
        assert made.tracks is not None  # a window that looks back has one before it
        tracks = torch.cat([made.tracks[:, :, -back:], tracks], 2)
        floor = torch.cat([torch.zeros_like(floor[:, :1]).expand(-1, back, -1), floor], 1)
    return Known(tracks, floor)


def _canvas(timeline: Timeline, window: Window, made: _Made) -> Timeline:
    """The part of a timeline that a window makes, after the latents that it looks back at."""
    back = window.start - window.history
    latents = timeline.latents[:, :, window.start : window.stop]
    floor = timeline.noise_floor[:, window.start : window.stop].clone()
    floor[:, max(0, window.end - window.start) :] = 1
    if back:
        assert made.latents is not None
        latents = torch.cat([made.latents[:, :, -back:], latents], 2)
        floor = torch.cat([torch.zeros_like(floor[:, :1]).expand(-1, back, -1, -1), floor], 1)
    return Timeline(latents, floor, ())


def _mixed(new: Tensor, window: Window, made: _Made) -> Tensor:
    """What a window adds to the video: the shot before fades out in it, what fades out later is put by."""
    own, rest = new.tensor_split([max(0, window.end - window.start)], 2)
    if made.fading is not None and own.shape[2]:
        start, length = window.start - made.fading_from, made.fading.shape[2]
        fading = made.fading[:, :, start : start + own.shape[2]]
        share = torch.arange(start + 1, start + 1 + fading.shape[2]) / (length + 1)
        mixed = torch.lerp(fading, own[:, :, : fading.shape[2]], share[:, None, None])
        own = torch.cat([mixed, own[:, :, fading.shape[2] :]], 2)
        if start + own.shape[2] >= length:
            made.fading = None
    if rest.shape[2]:
        made.fading = rest if made.fading is None else torch.cat([made.fading, rest], 2)
        made.fading_from = window.end
    return own


def _tracks_before(timeline: Timeline, window: Window, made: _Made) -> Tensor:
    """The tracks (1 n t o) that the known latents of a window's canvas were made along."""
    assert timeline.tracks is not None
    tracks = timeline.tracks[:, :, window.start : window.stop]
    back = window.start - window.history
    return tracks if not back or made.tracks is None else torch.cat([made.tracks[:, :, -back:], tracks], 2)


def _moved_along(canvas: Timeline, before: Draft | Tensor, after: Draft) -> Timeline:
    """Known latents that may change move along with their tracks: what tracks do not tell of them is kept."""
    assert isinstance(before, Draft)
    free = (canvas.noise_floor > 0) & (canvas.noise_floor < 1)
    if not free.any():
        return canvas
    return replace(canvas, latents=canvas.latents + free[:, None] * (after.mean - before.mean))


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add what runs inside to the stage's seconds."""
    started = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - started


def _multiplies_bfloat16() -> bool:
    """Whether this processor has bfloat16 dot products (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
