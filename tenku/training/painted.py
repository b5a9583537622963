"""What a finished model paints along the tracks of simulated clips, beside what was really to be seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tenku.checkpoint import Model
from tenku.data.clips import Bucket, read_chunk
from tenku.data.latents import latent_path, make_latents
from tenku.data.tracks import Sketches, load_sketches
from tenku.media import Frames
from tenku.pipeline import VideoPipeline
from tenku.pipeline.together import latents_along
from tenku.timeline import GenerationRequest, Tracks
from tenku.vae import from_pixels
from tenku.worlds.captions import plain_prompt

_CELL = 8  # pixels a side of a latent position
_TOGETHER = 32  # clips painted at once


def paint_clips(
    model: Model, clips: Path, painted: Path, buckets: Sequence[Bucket]
) -> Iterator[tuple[int, int]]:
    """Paint the chunks that exist and have not been painted; yields (chunks done, chunks in all).

    A chunk's painted latents are normalised and float16 (n c t h w).
    """
    pipeline = VideoPipeline(model)

    def made(bucket: Bucket, index: int) -> Tensor:
        sketches = load_sketches(clips, bucket, [index])
        parts = torch.split(torch.arange(len(sketches)), _TOGETHER)
        return torch.cat([_painted(pipeline, bucket, sketches, rows.tolist()) for rows in parts])

    return make_latents(made, clips, painted, buckets)


def _painted(pipeline: VideoPipeline, bucket: Bucket, sketches: Sketches, rows: Sequence[int]) -> Tensor:
    """What is painted (b c t h w) along the tracks of some clips."""
    tracks, descriptions = sketches.take(rows, [False] * len(rows))
    requests = [
        GenerationRequest(
            prompt=plain_prompt(description, "en"),
            num_frames=bucket.num_frames,
            height=bucket.height,
            width=bucket.width,
            fps=bucket.fps,
            seed=row,
        )
        for row, description in zip(rows, descriptions, strict=True)
    ]
    return latents_along(pipeline, requests, tracks).float()


@dataclass(frozen=True, slots=True)
class PaintedCrops:
    """Crops of clips (b 3 t h w), in [−1, 1], their unnormalised latents (b c t' h' w'), and normalised ones
    as the model paints them."""

    video: Tensor
    latents: Tensor
    painted: Tensor


@dataclass(frozen=True, slots=True)
class PaintedChunk:
    """Clips as frames (n t h w 3), their tracks, their latents and painted ones (n c t' h' w')."""

    frames: npt.NDArray[np.uint8]
    tracks: Tracks
    latents: npt.NDArray[np.float16]
    painted: npt.NDArray[np.float16]


def painted_chunks(
    clips: Path, latents: Path, painted: Path, bucket: Bucket, first: int = 0, stop: int | None = None
) -> list[PaintedChunk]:
    """The chunks first ≤ number < stop of a bucket that have been encoded and painted, mapped, not read."""
    chunks = []
    for index in range(bucket.num_chunks)[first:stop]:
        paths = [latent_path(folder, bucket, index) for folder in (latents, painted)]
        if all(path.exists() for path in paths):
            own, theirs = (np.load(path, mmap_mode="r") for path in paths)
            sketches = load_sketches(clips, bucket, [index])
            tracks, _ = sketches.take(range(len(sketches)), [False] * len(sketches))
            chunks.append(PaintedChunk(read_chunk(clips, bucket, index).frames, tracks, own, theirs))
    return chunks


class PaintedClips:
    """Random crops of painted chunks."""

    def __init__(self, chunks: Sequence[PaintedChunk]) -> None:
        if not chunks:
            raise ValueError("no clips have been painted: follow the stage `painted` first")
        self.chunks = chunks

    def draw(
        self, batch: int, num_latent_frames: int, crop: int | None, generator: torch.Generator
    ) -> PaintedCrops:
        """Random runs of latent frames of random clips of one shape, in crops of so many pixels a side, most
        of them around an object; None: whole pictures.

        A run that begins a clip begins with its first frame four times, as the autoencoder sees it.
        """

        def below(limit: int) -> int:
            return int(torch.randint(limit, (), generator=generator))

        videos: list[Frames] = []
        latents: list[npt.NDArray[np.float16]] = []
        paintings: list[npt.NDArray[np.float16]] = []
        shape: tuple[int, ...] | None = None
        while len(videos) < batch:
            chunk = self.chunks[below(len(self.chunks))]
            if crop is None and shape not in (None, chunk.painted.shape[3:]):
                continue
            shape = chunk.painted.shape[3:]
            row = below(len(chunk.painted))
            frames = chunk.frames[row]
            frames_each = (len(frames) - 1) // (chunk.painted.shape[2] - 1)
            start = below(chunk.painted.shape[2] - num_latent_frames + 1)
            first = (start - 1) * frames_each + 1
            y, x, height, width = 0, 0, *shape
            if crop is not None:
                height = width = crop // _CELL
                y, x = (below(whole - height + 1) for whole in shape)
                seen = _in_view(chunk.tracks, row, max(0, first), *shape)
                if len(seen) and below(4):
                    y, x = (
                        min(max(0, round(float(place) * whole - height / 2)), whole - height)
                        for place, whole in zip(seen[below(len(seen))], shape, strict=True)
                    )
            run = slice(start, start + num_latent_frames)
            for own, crops in ((chunk.latents, latents), (chunk.painted, paintings)):
                crops.append(own[row, :, run, y : y + height, x : x + width])
            numbers = np.arange(first, first + num_latent_frames * frames_each).clip(0)
            rows, columns = (slice(_CELL * at, _CELL * (at + size)) for at, size in ((y, height), (x, width)))
            videos.append(frames[numbers, rows, columns])
        video = from_pixels(np.stack(videos))
        return PaintedCrops(
            video, *(torch.as_tensor(np.stack(crops)).float() for crops in (latents, paintings))
        )


def _in_view(tracks: Tracks, row: int, frame: int, height: int, width: int) -> Tensor:
    """Middles (n 2), down and across as shares of the picture, of the objects in view in a frame."""
    halves = torch.tensor([height, width]) / min(height, width)  # boxes are in halves of the shorter side
    places = tracks.boxes[row, frame, :, :2].flip(-1) / halves
    inside = (tracks.present[row] > 0) & (places.abs().amax(-1) < 1)
    inside &= tracks.boxes[row, frame, :, 2] > 0  # it has no width in another shot
    return (places[inside] + 1) / 2
