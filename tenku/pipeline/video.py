"""prompt → video. A window slides along the timeline: text is encoded, tracks are planned, sampling
integrates, the VAE decodes a stream, for one window after the other."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import (
    MemoryPlan,
    Model,
    OpenModel,
    Staging,
    is_open,
    keep_freed_memory,
    load_model,
    open_on_demand,
)
from tenku.checkpoint.quantizing import Quantization
from tenku.denoiser import multiplies_bfloat16
from tenku.errors import UserError
from tenku.media import Frame, Frames, Video
from tenku.pipeline import reading
from tenku.pipeline.making import MadeWindow, Making, OnProgress
from tenku.pipeline.painting import paint
from tenku.pipeline.planning import plan, planned
from tenku.timeline import (
    Footage,
    GenerationRequest,
    Kept,
    Task,
    Timeline,
    Tracks,
    Window,
    endless,
    padded_num_frames,
    text_to_video,
    windows,
)
from tenku.timeline.request import check_size
from tenku.vae import to_pixels

DECODE_CHUNK = 4  # latent frames decoded at a time: memory does not grow with the length of the video
_LIVE_STEP = 8  # latent frames made at a time while somebody speaks


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A finished video, how long each stage took, words of the prompt that the model does not know, how many
    words at the prompt's end it has not read, and the video as latents, from which one can go on."""

    video: Video
    seconds_by_stage: dict[str, float]
    ignored_words: tuple[str, ...]
    num_unread_words: int
    footage: Footage


class VideoPipeline:
    """Turns requests and tasks into video with one loaded model, of which it takes charge."""

    def __init__(self, model: Model | OpenModel) -> None:
        keep_freed_memory()
        self.model = model
        # Half the memory traffic, and twice the speed, where the processor multiplies bfloat16 itself.
        fast = isinstance(model, Model) and multiplies_bfloat16()
        self.dtype = torch.bfloat16 if fast else torch.float32
        if isinstance(model, Model):
            model.vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(
        cls, place: str | Path = "embedded", *, quantization: Quantization | None = None
    ) -> Self:
        """The pipeline of "embedded", of a model folder, or of open weights: a folder, a file, or a name on
        the hub; a `UserError` if there is none. Open weights may be kept in eight bits."""
        if str(place) == "embedded" or not is_open(place):
            return cls(load_model(place))
        dtype = torch.bfloat16 if multiplies_bfloat16() else torch.float32
        return cls(open_on_demand(place, dtype=dtype, quantization=quantization))

    def hold(self) -> None:
        """Keep the denoiser of open weights in memory from now on: somebody is about to change its
        weights."""
        if isinstance(self.model, OpenModel) and self.model.staging is not None:
            self.model.staging.hold()

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
        return GenerationResult(video, seconds, *self.not_read(request.prompt), self.whole(parts, asked))

    @torch.inference_mode()
    def latents(self, asked: GenerationRequest | Task, tracks: Tracks | None = None) -> Tensor:
        """Normalised latents (1 c t h w) of a request or task, as a call makes them; nothing is decoded."""
        request, timeline = self._laid_out(asked, tracks)
        making, parts = self._making(request, timeline), []
        self._placed(request)
        for window in self.windows(timeline):
            along = plan(making, window)
            parts.append(making.add(window, paint(making, window, along), along).latents)
        return torch.cat(parts, 2)

    def stream(
        self,
        asked: GenerationRequest | Task,
        on_progress: OnProgress | None = None,
        seconds_by_stage: dict[str, float] | None = None,
        tracks: Tracks | None = None,
        on_part: Callable[[Footage], None] | None = None,
        on_window: Callable[[MadeWindow], None] | None = None,
        made: Iterable[MadeWindow] = (),
    ) -> Iterator[Frame]:
        """Frames (h w 3) of a request or task as the decoder makes them; the seconds taken are added up by
        stage. Memory does not grow with the length: what is made goes to `on_part`, and is forgotten.

        What was interrupted goes on where it was, with the same frames as if it had not been: each window
        goes to `on_window`, and those that were `made` before, from the first on, are only decoded again.
        """
        request, timeline = self._laid_out(asked, tracks)
        return self.render(
            timeline, request, on_progress, seconds_by_stage, on_part, on_window=on_window, made=made
        )

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
        on_window: Callable[[MadeWindow], None] | None = None,
        made: Iterable[MadeWindow] = (),
    ) -> Iterator[Frame]:
        """The `num_frames` frames (h w 3) that a timeline shows, by a request's seed and way of sampling; as
        `stream` does. The window that slides along it may be led from outside."""
        making = self._making(request, timeline, on_progress, seconds_by_stage)
        decode_chunk = self._placed(request)
        vae, chunks = self.model.vae, deque[Tensor | None]()
        decoded = vae.decode_chunks(_until_none(chunks))
        left, done, skipped = request.num_frames, 0, timeline.first_frame
        wanted = skipped + left

        def shown(video: Tensor) -> Frames:
            nonlocal left, skipped
            frames = to_pixels(video[0])
            seen, skipped = frames[skipped:][:left], max(0, skipped - len(frames))
            left -= len(seen)
            return seen

        before = iter(made)
        for window in self.windows(timeline) if slide is None else slide:
            new = next(before, None)
            if new is None:
                tracks = plan(making, window)
                new = MadeWindow(paint(making, window, tracks), tracks)
                if on_window is not None:
                    on_window(new)
            part = making.add(window, new.latents, new.tracks)
            if on_part is not None and part.num_latent_frames:
                on_part(part)
            for chunk in torch.split(part.latents, decode_chunk, dim=2) if part.num_latent_frames else ():
                chunks.append(chunk)
                with making.stage("decode"):
                    frames = shown(next(decoded))
                done += chunk.shape[2]
                making.progress("decode", done, timeline.num_latent_frames)
                yield from frames
            if vae.config.num_frames(done) >= wanted:
                break
        chunks.append(None)  # a decoder that looks ahead now gives what it has kept back
        while left > 0:
            with making.stage("decode"):
                video = next(decoded, None)
                if video is None:
                    return
                frames = shown(video)
            yield from frames

    def plan(self, request: GenerationRequest) -> MemoryPlan | None:
        """What a request needs of memory, and how the model will be held for it; None where all of it is in
        memory already."""
        return None if self._staging is None else self._staging.plan(request)

    @torch.no_grad()
    def tracks(self, request: GenerationRequest) -> Tracks | None:
        """What would move where, to be changed and given back; None if the model does not plan."""
        making = self._making(request, self.lay_out(request))
        planner, config = self.model.planner, self.model.denoiser.config.tracks
        if config is None or planner is None:
            return None
        parts: list[Tracks] = []
        for window in self.windows(making.timeline):
            found = planned(making, window, planner, config, making.known_tracks(window))
            making.tracks = found.packed(config, continued=window.history > 0)
            new = (window.stop - window.start) * config.frames_per_latent
            parts.append(found if not parts else found.last(new))
        return replace(
            parts[0],
            poses=torch.cat([part.poses for part in parts], 1),
            settings=torch.cat([part.settings for part in parts], 1),
        )

    def lay_out(self, request: GenerationRequest, tracks: Tracks | None = None) -> Timeline:
        """The timeline of a request from which a video is made of a prompt alone, or along tracks."""
        vae = self.model.vae.config
        step = vae.spatial_compression * self.model.denoiser.config.patch_size[-1]
        check_size(request.width, request.height, step, self.model.sampling.max_side)
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

    def windows(self, timeline: Timeline) -> Iterator[Window]:
        """The parts of a timeline in which the model makes it, one after the other."""
        defaults = self.model.sampling
        return windows(timeline, defaults.window_size, defaults.window_overlap)

    def footage(self, video: Video, prompt: str = "") -> Footage:
        """A video of somebody else's as latents, with the tracks that are seen in it."""
        return reading.encoded(self.model, video, prompt)

    def footage_of(self, path: str | Path, size: tuple[int, int] | None = None, fps: float = 16.0) -> Footage:
        """A video or picture file as footage, at a size (height, width) or at what is nearest to its own."""
        return reading.opened(self.model, path, size, fps)

    def reopen(self, kept: Kept) -> Footage:
        """Footage that was kept; a `UserError` if another model's autoencoder made it."""
        return reading.reopened(self.model, kept)

    def whole(self, parts: Sequence[Footage], asked: GenerationRequest | Task) -> Footage:
        """The footage of all parts of what was asked for, as far as it was shown."""
        request, timeline = self._laid_out(asked, None)
        whole = replace(Footage.joined(parts), prompts=timeline.prompts, cuts=timeline.cuts)
        last = timeline.first_frame + request.num_frames - 1
        return whole.first(1 + -(-last // whole.frames_per_latent))

    def not_read(self, prompt: str) -> tuple[tuple[str, ...], int]:
        """Words of a prompt that the model does not know, and how many at its end it does not read."""
        tokens = self.model.text_encoder.tokenize([prompt])[0]
        return tokens.unknown, tokens.num_unread

    def _laid_out(
        self, asked: GenerationRequest | Task, tracks: Tracks | None
    ) -> tuple[GenerationRequest, Timeline]:
        if isinstance(asked, Task):
            return asked.request, asked.timeline
        return asked, self.lay_out(asked, tracks)

    def _placed(self, request: GenerationRequest) -> int:
        """Lay the model out in memory for a request, a `UserError` if it does not fit; so many latent frames
        are decoded at a time."""
        staging = self._staging
        if staging is None:
            return DECODE_CHUNK
        found = staging.plan(request)
        found.check()
        staging.arrange(found.placement)
        return found.placement.decode_chunk

    @property
    def _staging(self) -> Staging | None:
        return self.model.staging if isinstance(self.model, OpenModel) else None

    def _making(
        self,
        request: GenerationRequest,
        timeline: Timeline,
        on_progress: OnProgress | None = None,
        seconds: dict[str, float] | None = None,
    ) -> Making:
        progress = on_progress or (lambda stage, done, total: None)
        return Making(self.model, self.dtype, request, timeline, progress, {} if seconds is None else seconds)


def _until_none(chunks: deque[Tensor | None]) -> Iterator[Tensor]:
    """Chunks as they are put there, until None is."""
    while (chunk := chunks.popleft()) is not None:
        yield chunk
