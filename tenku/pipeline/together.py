"""Several videos in one sampler call: requests for text → video that differ in prompt and seed only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model
from tenku.media import Frame, Video
from tenku.pipeline.making import Making, OnProgress, ReadText, footage, noise_of
from tenku.pipeline.painting import paint
from tenku.pipeline.planning import plan
from tenku.pipeline.video import DECODE_CHUNK, GenerationResult, VideoPipeline
from tenku.sampling import stack_texts
from tenku.timeline import Footage, GenerationRequest, Tracks, Window
from tenku.vae import to_pixels


def can_share(pipeline: VideoPipeline, requests: Sequence[GenerationRequest]) -> bool:
    """Whether one sampler call can make all of these: requests that differ in prompt and seed only, of a
    length that is made in one window, for a model that is in memory."""
    if not isinstance(pipeline.model, Model) or not requests:
        return False
    first = requests[0]
    alike = all(replace(each, prompt=first.prompt, seed=first.seed) == first for each in requests)
    return alike and len(list(pipeline.windows(pipeline.lay_out(first)))) == 1


def generate_together(
    pipeline: VideoPipeline, requests: Sequence[GenerationRequest], on_progress: OnProgress | None = None
) -> list[GenerationResult]:
    """The videos of requests that `can_share` a sampler call, in their order.

    Each has the noise that it would have alone; frames are those that it would have alone, to within what
    bfloat16 rounds otherwise in a larger batch. Seconds are those of all together.
    """
    seconds: dict[str, float] = {}
    made = Together.of(pipeline, requests, on_progress, seconds)
    frames = list(zip(*made.frames(), strict=True))
    return [
        GenerationResult(
            Video(frames=np.stack(own), fps=request.fps), seconds, *pipeline.not_read(request.prompt), kept
        )
        for request, own, kept in zip(requests, frames, made.footage(), strict=True)
    ]


@torch.inference_mode()
def latents_along(pipeline: VideoPipeline, requests: Sequence[GenerationRequest], tracks: Tracks) -> Tensor:
    """Normalised latents (b c t h w) of requests that differ in prompt and seed only, along tracks of one
    video each; nothing is decoded."""
    making = _making(pipeline, requests, tracks=tracks)
    parts = []
    for window in pipeline.windows(making.timeline):
        along = plan(making, window)
        parts.append(making.take(window, paint(making, window, along), along))
    return torch.cat(parts, 2)


@dataclass(slots=True)
class _Making(Making):
    """The making of several requests: batches of texts and noise."""

    requests: Sequence[GenerationRequest] = ()

    @property
    def size(self) -> int:
        return len(self.requests)

    def text(self, prompt: str) -> ReadText:
        """What each request says: read one by one, for a longer text beside it would change its rounding."""
        if prompt not in self._texts:
            encode = self.model.text_encoder.encode
            with self.stage("text"):
                negative = encode([self.request.negative_prompt])
                alone = {words: encode([words]) for words in {request.prompt for request in self.requests}}
            said = reduce(stack_texts, [alone[request.prompt] for request in self.requests])
            self._texts[prompt] = ReadText(said, negative.repeated(self.size))
        return self._texts[prompt]

    def noise(self, window: Window, shape: tuple[int, ...]) -> Tensor:
        """What each request would draw alone, one after the other."""
        own = (shape[0] // self.size, *shape[1:])
        return torch.cat([noise_of(request, window, own) for request in self.requests])


class Together:
    """Videos in the making: frames of all at once as the decoder makes them, then what they are kept as."""

    def __init__(self, pipeline: VideoPipeline, making: _Making) -> None:
        self._pipeline = pipeline
        self._making = making
        self._made: tuple[Tensor, Tensor | None] | None = None

    @classmethod
    def of(
        cls,
        pipeline: VideoPipeline,
        requests: Sequence[GenerationRequest],
        on_progress: OnProgress | None = None,
        seconds_by_stage: dict[str, float] | None = None,
    ) -> "Together":
        """Requests that `can_share` a sampler call."""
        if not can_share(pipeline, requests):
            raise ValueError("these requests cannot share a sampler call; see can_share")
        return cls(pipeline, _making(pipeline, requests, on_progress, seconds_by_stage))

    @torch.inference_mode()
    def frames(self) -> Iterator[list[Frame]]:
        """For each moment the frame (h w 3) of each video."""
        making, vae = self._making, self._pipeline.model.vae
        (window,) = self._pipeline.windows(making.timeline)
        tracks = plan(making, window)
        latents = paint(making, window, tracks)
        self._made = (latents, tracks)
        left, done = making.request.num_frames, 0
        decoded = vae.decode_chunks(iter(torch.split(latents, DECODE_CHUNK, dim=2)))
        while left > 0:
            with making.stage("decode"):
                pixels = [to_pixels(video)[:left] for video in next(decoded)]
            done, left = min(done + DECODE_CHUNK, latents.shape[2]), left - len(pixels[0])
            making.progress("decode", done, latents.shape[2])
            yield from (list(moment) for moment in zip(*pixels, strict=True))

    def footage(self) -> list[Footage]:
        """Each video as latents, when all frames are there."""
        assert self._made is not None  # frames come first
        latents, tracks = self._made
        return [
            self._pipeline.whole([self._part(latents, tracks, number)], request)
            for number, request in enumerate(self._making.requests)
        ]

    def _part(self, latents: Tensor, tracks: Tensor | None, number: int) -> Footage:
        own = slice(number, number + 1)
        planned = None if tracks is None else tracks[own]
        return footage(self._pipeline.model, latents[own], planned, self._making.request.fps)


def _making(
    pipeline: VideoPipeline,
    requests: Sequence[GenerationRequest],
    on_progress: OnProgress | None = None,
    seconds: dict[str, float] | None = None,
    tracks: Tracks | None = None,
) -> _Making:
    """The making of requests, perhaps along tracks of one video each."""
    alone, config = pipeline.lay_out(requests[0]), pipeline.model.denoiser.config.tracks
    timeline = replace(
        alone,
        latents=alone.latents.expand(len(requests), *alone.latents.shape[1:]),
        noise_floor=alone.noise_floor.expand(len(requests), *alone.noise_floor.shape[1:]),
    )
    if tracks is not None and config is not None:
        packed = tracks.packed(config)
        floor = torch.zeros(packed.shape[0], *packed.shape[2:])
        timeline = replace(timeline, tracks=packed, track_floor=floor)
    progress = on_progress or (lambda stage, done, total: None)
    seconds = {} if seconds is None else seconds
    build = partial(_Making, pipeline.model, pipeline.dtype, requests[0], timeline, progress, seconds)
    return build(requests=tuple(requests))
