"""prompt → video: a timeline is laid out, text is encoded, tracks are planned, sampling integrates, the VAE
decodes a stream."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model, keep_freed_memory, load_model
from tenku.errors import UserError
from tenku.media import Frame, Video
from tenku.sampling import Guidance, guided_velocity, multistep, sample_tracks, shifted_sigmas
from tenku.text import TextConditioning
from tenku.timeline import GenerationRequest, Timeline, Tracks, padded_num_frames, text_to_video
from tenku.vae import to_pixels

__all__ = ["GenerationRequest", "GenerationResult", "OnProgress", "TextToVideoPipeline"]

DECODE_CHUNK = 4  # latent frames decoded at a time: memory does not grow with the length of the video

OnProgress: TypeAlias = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """A finished video, how long each stage took, words of the prompt that the model does not know, and how
    many words at the prompt's end it has not read."""

    video: Video
    seconds_by_stage: dict[str, float] = field(default_factory=dict)
    ignored_words: tuple[str, ...] = ()
    num_unread_words: int = 0


@dataclass(frozen=True, slots=True)
class ReadText:
    """What a video should show and what it should not."""

    positive: TextConditioning
    negative: TextConditioning


class TextToVideoPipeline:
    """Turns requests into video with one loaded model, of which it takes charge."""

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
        request: GenerationRequest,
        on_progress: OnProgress | None = None,
        tracks: Tracks | None = None,
    ) -> GenerationResult:
        """The whole video of a request, along these tracks or, without any, along planned ones."""
        seconds: dict[str, float] = {}
        frames = list(self.stream(request, on_progress, seconds, tracks))
        video = Video(frames=np.stack(frames), fps=request.fps)
        tokens = self.model.text_encoder.tokenize([request.prompt])[0]
        return GenerationResult(video, seconds, tokens.unknown, tokens.num_unread)

    @torch.inference_mode()
    def stream(
        self,
        request: GenerationRequest,
        on_progress: OnProgress | None = None,
        seconds_by_stage: dict[str, float] | None = None,
        tracks: Tracks | None = None,
    ) -> Iterator[Frame]:
        """Frames (h w 3) of a request as the decoder makes them; the seconds taken are added up by stage."""
        seconds = {} if seconds_by_stage is None else seconds_by_stage
        progress = on_progress or (lambda stage, done, total: None)
        timeline = self.lay_out(request)
        text = self.read(request, timeline, seconds)
        if tracks is None:
            tracks = self.plan(request, timeline, text, seconds)
        else:
            self._check_tracks(tracks, request)
        latents = self.sample(request, timeline, text, tracks, seconds, progress)
        left, total = request.num_frames, timeline.num_latent_frames
        chunks = self.model.vae.decode_chunks(torch.split(latents, DECODE_CHUNK, dim=2))
        for done in range(DECODE_CHUNK, total + DECODE_CHUNK, DECODE_CHUNK):
            with _timed(seconds, "decode"), self._precision():
                frames = to_pixels(next(chunks)[0])[:left]
            left -= len(frames)
            progress("decode", min(done, total), total)
            yield from frames

    @torch.no_grad()
    def tracks(self, request: GenerationRequest) -> Tracks | None:
        """What would move where, to be changed and given back; None if the model does not plan."""
        timeline = self.lay_out(request)
        return self.plan(request, timeline, self.read(request, timeline, {}), {})

    def lay_out(self, request: GenerationRequest) -> Timeline:
        """The timeline of a request."""
        vae = self.model.vae.config
        padded = padded_num_frames(request.num_frames, vae.temporal_compression)
        height, width = (side // vae.spatial_compression for side in (request.height, request.width))
        shape = (1, vae.latent_channels, vae.num_latent_frames(padded), height, width)
        return text_to_video(request.prompt, shape)

    def read(self, request: GenerationRequest, timeline: Timeline, seconds: dict[str, float]) -> ReadText:
        """What the prompts of a timeline say, and what a request wants to be led away from."""
        with _timed(seconds, "text"), self._precision():
            encode = self.model.text_encoder.encode
            return ReadText(
                encode([span.prompt for span in timeline.prompts]), encode([request.negative_prompt])
            )

    def plan(
        self, request: GenerationRequest, timeline: Timeline, text: ReadText, seconds: dict[str, float]
    ) -> Tracks | None:
        """What moves where, from a request's prompt and seed; None if the model does not plan."""
        planner, config = self.model.planner, self.model.denoiser.config.tracks
        if planner is None or config is None:
            return None
        defaults = self.model.sampling
        number = defaults.planner_candidates
        shape = (number, config.channels, timeline.num_latent_frames, planner.config.named_rows, 1)
        registers = self.model.text_encoder.config.num_registers
        positive, negative = (t.first(registers).repeated(number) for t in (text.positive, text.negative))
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(request.seed))
        with _timed(seconds, "plan"), self._precision():
            tracks = sample_tracks(
                planner,
                positive,
                negative,
                config,
                noise,
                defaults.planner_steps,
                defaults.planner_guidance_scale,
            )
        clearest = tracks.one(int(tracks.unseen().argmin()))
        return clearest.spread(request.width / request.height)

    def sample(
        self,
        request: GenerationRequest,
        timeline: Timeline,
        text: ReadText,
        tracks: Tracks | None,
        seconds: dict[str, float],
        progress: OnProgress,
    ) -> Tensor:
        """Latents (b c t h w) of a timeline, from the request's seed and way of sampling."""
        defaults = self.model.sampling
        scale = defaults.guidance_scale if request.guidance_scale is None else request.guidance_scale
        guidance = Guidance(scale=scale, interval=defaults.guidance_interval)
        steps = request.num_inference_steps or defaults.num_inference_steps
        denoiser, config = self.model.denoiser, self.model.denoiser.config.tracks
        generator = torch.Generator().manual_seed(request.seed)
        noise = defaults.temperature * torch.randn(timeline.latents.shape, generator=generator)
        with _timed(seconds, "denoise"), self._precision():
            places = None
            if tracks is not None and config is not None:
                places = denoiser.prepare(tracks.packed(config), *timeline.latents.shape[3:])
            return multistep(
                lambda noisy, level: guided_velocity(
                    denoiser, noisy, level, text.positive, text.negative, guidance, places
                ),
                timeline,
                noise,
                shifted_sigmas(steps, defaults.shift),
                lambda done, total: progress("denoise", done, total),
            )

    def _check_tracks(self, tracks: Tracks, request: GenerationRequest) -> None:
        if self.model.denoiser.config.tracks is None:
            raise UserError("this model cannot follow tracks; leave them out, or load one that can.")
        needed = padded_num_frames(request.num_frames, self.model.vae.config.temporal_compression)
        if tracks.poses.shape[1] != needed:
            raise UserError(
                f"a video of {request.num_frames} frames needs tracks of {needed}, "
                f"not of {tracks.poses.shape[1]}."
            )

    def _precision(self) -> torch.autocast:
        """Where the networks run: matrix products in the processor's fast type, sums in float32."""
        return torch.autocast("cpu", self.dtype, enabled=self.dtype != torch.float32)


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add what runs inside to the stage's seconds."""
    started = time.perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - started


def _multiplies_bfloat16() -> bool:
    """Whether this processor has bfloat16 dot products (AVX512-BF16 or AMX)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
