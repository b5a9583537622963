"""Simulated clips kept as raw frames while a model is trained: chunks of equal clips, made once, safe at any kill."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
        if self.num_clips % self.clips_per_chunk:
            raise ValueError(
                f"num_clips of bucket {self.name} must be a multiple of {self.clips_per_chunk}, not {self.num_clips}"
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
    """Simulate one chunk and write it, unless it is there. Frames are written last, so they vouch for the rest."""
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
    text = json.dumps([asdict(clip.description) for clip in clips])
    _write(path.with_suffix(".json"), text.encode())
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, np.stack([clip.frames for clip in clips]))
    os.replace(partial, path)


def read_chunk(directory: Path, bucket: Bucket, index: int) -> ClipChunk:
    """Frames, mapped rather than read, and descriptions of a chunk."""
    path = chunk_path(directory, bucket, index)
    return ClipChunk(np.load(path, mmap_mode="r"), read_descriptions(path.with_suffix(".json")))


def read_descriptions(path: Path) -> tuple[SceneDescription, ...]:
    """Descriptions of a chunk's clips, in order."""
    return tuple(SceneDescription.from_dict(values) for values in json.loads(path.read_text()))


def make_clips(directory: Path, buckets: Sequence[Bucket], workers: int) -> Iterator[tuple[int, int]]:
    """Simulate what is missing of all buckets, a little of each at a time; yields (chunks done, chunks in all)."""
    jobs = sorted(
        ((index / bucket.num_chunks, bucket.name, bucket, index) for bucket in buckets for index in range(bucket.num_chunks)),
        key=lambda job: job[:2],
    )
    missing = [job[2:] for job in jobs if not chunk_path(directory, job[2], job[3]).exists()]
    done = len(jobs) - len(missing)
    yield done, len(jobs)
    if not missing:
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(make_chunk, directory, bucket, index) for bucket, index in missing]
        try:
            for future in as_completed(futures):
                future.result()
                done += 1
                yield done, len(jobs)
        finally:
            for future in futures:
                future.cancel()


def _write(path: Path, content: bytes) -> None:
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
