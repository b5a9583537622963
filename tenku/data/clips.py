"""Simulated clips kept as raw frames while a model is trained: chunks of equal clips, each made once.

A chunk is `NNNNN.npy` (frames), `NNNNN.tracks.npz` (where everything is) and `NNNNN.json` (descriptions).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenku.data.workers import ordered_map
from tenku.media import remove_unfinished, replacing
from tenku.worlds import WorldConfig, simulate_clip
from tenku.worlds.description import SceneDescription
from tenku.worlds.scene import Pairs
from tenku.worlds.tracks import POSE_SIZE

MAX_OBJECTS = 8  # of one clip: four a shot


@dataclass(frozen=True, kw_only=True, slots=True)
class Bucket:
    """Clips of one shape, trained on together. A bucket's clips come from seeds of its own.

    Of a bucket of sketches only tracks and descriptions are kept, so its frames may be small.
    """

    name: str
    num_frames: int
    height: int
    width: int
    num_clips: int
    first_seed: int
    clips_per_chunk: int = 32
    fps: float = 16.0
    sketches: bool = False
    cut_probability: float = WorldConfig().cut_probability
    pairs: Pairs = "seen"

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
    """The file of a chunk that is written last and vouches for the others, which lie beside it."""
    return directory / bucket.name / f"{index:05d}.{'tracks.npz' if bucket.sketches else 'npy'}"


def _tracks_path(directory: Path, bucket: Bucket, index: int) -> Path:
    return directory / bucket.name / f"{index:05d}.tracks.npz"


def _descriptions_path(directory: Path, bucket: Bucket, index: int) -> Path:
    return directory / bucket.name / f"{index:05d}.json"


def is_made(directory: Path, bucket: Bucket, index: int) -> bool:
    """Whether all of a chunk is there."""
    return chunk_path(directory, bucket, index).exists() and _tracks_path(directory, bucket, index).exists()


def made_chunks(directory: Path, bucket: Bucket) -> list[int]:
    """The chunks of a bucket that are there."""
    return [index for index in range(bucket.num_chunks) if is_made(directory, bucket, index)]


def make_chunk(directory: Path, bucket: Bucket, index: int) -> None:
    """Simulate one chunk and write it, unless it is there."""
    if is_made(directory, bucket, index):
        return
    path = chunk_path(directory, bucket, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    world = WorldConfig(cut_probability=bucket.cut_probability, pairs=bucket.pairs)
    first = bucket.first_seed + index * bucket.clips_per_chunk
    clips = [
        simulate_clip(
            seed,
            num_frames=bucket.num_frames,
            fps=bucket.fps,
            height=bucket.height,
            width=bucket.width,
            world=world,
        )
        for seed in range(first, first + bucket.clips_per_chunk)
    ]
    poses = np.zeros((len(clips), bucket.num_frames, MAX_OBJECTS, POSE_SIZE), np.float16)
    for clip, row in zip(clips, poses, strict=True):
        row[:, : clip.poses.shape[1]] = clip.poses
    setting = np.stack([clip.setting for clip in clips])
    with replacing(_descriptions_path(directory, bucket, index)) as unfinished:
        unfinished.write_text(json.dumps([asdict(clip.description) for clip in clips]))
    with replacing(_tracks_path(directory, bucket, index)) as unfinished, unfinished.open("wb") as file:
        np.savez(file, poses=poses, setting=setting)
    if not bucket.sketches:
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            np.save(file, np.stack([clip.frames for clip in clips]))


def read_tracks(
    directory: Path, bucket: Bucket, index: int
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """Poses (n t MAX_OBJECTS POSE_SIZE) and settings (n t SETTING_SIZE) of a chunk's clips.

    `worlds.tracks` defines them; an object that is not there is all 0.
    """
    with np.load(_tracks_path(directory, bucket, index)) as arrays:
        return arrays["poses"], arrays["setting"]


def read_chunk(directory: Path, bucket: Bucket, index: int) -> ClipChunk:
    """Frames, mapped rather than read, and descriptions of a chunk."""
    frames = np.load(chunk_path(directory, bucket, index), mmap_mode="r")
    return ClipChunk(frames, read_descriptions(directory, bucket, index))


def read_descriptions(directory: Path, bucket: Bucket, index: int) -> tuple[SceneDescription, ...]:
    """Descriptions of a chunk's clips, in order."""
    values = json.loads(_descriptions_path(directory, bucket, index).read_text())
    return tuple(SceneDescription.from_dict(entry) for entry in values)


def make_clips(directory: Path, buckets: Sequence[Bucket], workers: int) -> Iterator[tuple[int, int]]:
    """Simulate what is missing of all buckets, some of each at a time; yields (chunks done, chunks in all).

    One run at a time may write into a directory. Leaving the iterator early keeps what is finished.
    """
    jobs = [(bucket, index) for bucket in buckets for index in range(bucket.num_chunks)]
    jobs.sort(key=lambda job: (job[1] / job[0].num_chunks, job[0].name))
    missing = [job for job in jobs if not is_made(directory, *job)]
    for bucket in buckets:
        remove_unfinished(directory / bucket.name)
    done = len(jobs) - len(missing)
    yield done, len(jobs)
    for _ in ordered_map(partial(_make_job, directory), missing, min(workers, max(1, len(missing)))):
        done += 1
        yield done, len(jobs)


def _make_job(directory: Path, job: tuple[Bucket, int]) -> None:
    make_chunk(directory, *job)
