"""Latents of simulated clips, encoded once and mapped while training."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tenku.data.clips import Bucket, made_chunks, read_chunk
from tenku.data.tracks import Sketches, load_sketches
from tenku.errors import UserError
from tenku.media import Frames, remove_unfinished, replacing
from tenku.timeline import Tracks
from tenku.vae import VideoAutoencoder, from_pixels
from tenku.worlds.description import SceneDescription


@torch.inference_mode()
def encode_frames(vae: VideoAutoencoder, frames: Frames, batch: int = 16) -> Tensor:
    """Unnormalised latents (n c t h w) of clips (n t h w 3), `batch` of them at a time."""
    starts = range(0, len(frames), batch)
    return torch.cat([vae.encode_unnormalised(from_pixels(frames[i : i + batch])).float() for i in starts])


def latent_path(directory: Path, bucket: Bucket, index: int) -> Path:
    """Where the latents of a chunk are."""
    return directory / bucket.name / f"{index:05d}.npy"


def encode_clips(
    vae: VideoAutoencoder, clips: Path, latents: Path, buckets: Sequence[Bucket]
) -> Iterator[tuple[int, int]]:
    """Encode the chunks that exist and have no latents yet; yields (chunks done, chunks in all).

    A chunk's latents are float16 (n c t h w).
    """

    def encoded(bucket: Bucket, index: int) -> Tensor:
        return encode_frames(vae, read_chunk(clips, bucket, index).frames)

    return make_latents(encoded, clips, latents, buckets)


def make_latents(
    make: Callable[[Bucket, int], Tensor], clips: Path, latents: Path, buckets: Sequence[Bucket]
) -> Iterator[tuple[int, int]]:
    """Make the latents (n c t h w) of each chunk that exists and has none yet; yields (chunks done, chunks in
    all). They are kept as float16."""
    for bucket in buckets:
        remove_unfinished(latents / bucket.name)
    jobs = [(b, i) for b in buckets for i in made_chunks(clips, b)]
    for done, (bucket, index) in enumerate(jobs):
        yield done, len(jobs)
        path = latent_path(latents, bucket, index)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        made = make(bucket, index).to(torch.float16)
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.save(file, made.cpu().numpy())
    yield len(jobs), len(jobs)


@dataclass(frozen=True, slots=True)
class LatentBucket:
    """All encoded clips of a bucket: chunks of latents (n c t h w), as on disk."""

    bucket: Bucket
    chunks: tuple[npt.NDArray[np.float16], ...]
    sketches: Sketches

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size (t h w) of the latents."""
        t, h, w = self.chunks[0].shape[2:]
        return t, h, w

    def draw(
        self, batch: int, generator: torch.Generator, *, one_shot: bool = False
    ) -> tuple[Tensor, Tracks, list[SceneDescription]]:
        """Random clips (b c t h w) in float32, their tracks and descriptions; only of `one_shot` if wished.

        None is mirrored: the lamps of a room in a mirror stand otherwise than any that is simulated.
        """
        if one_shot and not self.sketches.of_one_shot:
            raise UserError(f"every clip of the bucket {self.bucket.name} has a cut; simulate more of them.")
        among = self.sketches.of_one_shot if one_shot else range(len(self.sketches))
        chosen = [among[i] for i in torch.randint(len(among), (batch,), generator=generator).tolist()]
        size = self.bucket.clips_per_chunk
        latents = np.stack([self.chunks[i // size][i % size] for i in chosen])
        return torch.as_tensor(latents).float(), *self.sketches.take(chosen, [False] * batch)


def load_latents(
    clips: Path, latents: Path, bucket: Bucket, first: int = 0, stop: int | None = None
) -> LatentBucket | None:
    """The encoded chunks first ≤ number < stop of a bucket; None if there are none."""
    numbers = range(first, bucket.num_chunks if stop is None else stop)
    indices = [i for i in numbers if latent_path(latents, bucket, i).exists()]
    if not indices:
        return None
    chunks = tuple(np.load(latent_path(latents, bucket, i), mmap_mode="r") for i in indices)
    if any(chunk.ndim != 5 for chunk in chunks):
        raise UserError(f"{latents} holds latents of an older tenku; remove it, and they are made again.")
    return LatentBucket(bucket, chunks, load_sketches(clips, bucket, indices))
