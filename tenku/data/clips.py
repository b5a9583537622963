"""Simulated clips kept as raw frames while a model is trained: chunks of equal clips, each made once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenku.data.workers import ordered_map
from tenku.media import remove_unfinished, replacing
from tenku.worlds.clip import simulate_clip
from tenku.worlds.description import SceneDescription


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Clips of one shape, trained on together. A bucket's clips come from seeds of its own."""

    name: str
    num_frames: int
    height: int
    width: int
    num_clips: int
    first_seed: int
    clips_per_chunk: int = 32
    fps: float = 16.0

    def __post_init__(self) -> None:
        if self.num_clips < 1 or self.num_clips % self.clips_per_chunk:
            raise ValueError(
                f"num_clips of bucket {self.name} must be a multiple of {self.clips_per_chunk}, "
                f"not {self.num_clips}"
            )

    @property
    def num_chunks(self) -> int:
        """Files the bucket is kept in."""
        return self.num_clips // self.clips_per_chunk


@dataclass(frozen=True, slots=True)
class ClipChunk:
    """Some clips of a bucket: frames (n t h w 3) and what each shows."""

    frames: npt.NDArray[np.uint8]
    descriptions: tuple[SceneDescription, ...]


def chunk_path(directory: Path, bucket: Bucket, index: int) -> Path:
    """Where a chunk's frames are; its descriptions lie beside it as .json."""
    return directory / bucket.name / f"{index:05d}.npy"


def make_chunk(directory: Path, bucket: Bucket, index: int) -> None:
    """Simulate one chunk and write it, unless it is there; the frames come last and vouch for the rest."""
    path = chunk_path(directory, bucket, index)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    first = bucket.first_seed + index * bucket.clips_per_chunk
    clips = [
        simulate_clip(
            seed, num_frames=bucket.num_frames, fps=bucket.fps, height=bucket.height, width=bucket.width
        )
        for seed in range(first, first + bucket.clips_per_chunk)
    ]
    with replacing(path.with_suffix(".json")) as unfinished:
        unfinished.write_text(json.dumps([asdict(clip.description) for clip in clips]))
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.save(file, np.stack([clip.frames for clip in clips]))


def read_chunk(directory: Path, bucket: Bucket, index: int) -> ClipChunk:
    """Frames, mapped rather than read, and descriptions of a chunk."""
    path = chunk_path(directory, bucket, index)
    return ClipChunk(np.load(path, mmap_mode="r"), read_descriptions(path.with_suffix(".json")))


def read_descriptions(path: Path) -> tuple[SceneDescription, ...]:
    """Descriptions of a chunk's clips, in order."""
    return tuple(SceneDescription.from_dict(values) for values in json.loads(path.read_text()))


def make_clips(directory: Path, buckets: Sequence[Bucket], workers: int) -> Iterator[tuple[int, int]]:
    """Simulate what is missing of all buckets, some of each at a time; yields (chunks done, chunks in all).

    One run at a time may write into a directory. Leaving the iterator early keeps what is finished.
    """
    jobs = [(bucket, index) for bucket in buckets for index in range(bucket.num_chunks)]
    jobs.sort(key=lambda job: (job[1] / job[0].num_chunks, job[0].name))
    missing = [job for job in jobs if not chunk_path(directory, *job).exists()]
    for bucket in buckets:
        remove_unfinished(directory / bucket.name)
    done = len(jobs) - len(missing)
    yield done, len(jobs)
    for _ in ordered_map(partial(_make_job, directory), missing, min(workers, max(1, len(missing)))):
        done += 1
        yield done, len(jobs)


def _make_job(directory: Path, job: tuple[Bucket, int]) -> None:
    make_chunk(directory, *job)
