"""Simulated clips on disk: tar files in the WebDataset layout, one group of members for each clip.

00000042.mp4   the frames (a .png if the clip is a picture), H.264 4:4:4
00000042.json  captions, description, and for each shot its objects and contacts
00000042.npz   segmentation and depth, and for each shot trajectories, cameras and boxes
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tenku.data.workers import ordered_map
from tenku.errors import UserError
from tenku.media import Video, encode_picture, encode_video, read_video, remove_unfinished, replacing
from tenku.worlds.captions import caption
from tenku.worlds.clip import SimulatedClip, simulate_clip
from tenku.worlds.truth import Truth
from tenku.worlds.vocabulary import LANGUAGES, Language

OnClip: TypeAlias = Callable[[int, int], None]  # clips done, clips in all
Files: TypeAlias = dict[str, bytes]  # suffix → content

DESCRIPTION_FILE: Final = "dataset.json"
_CRF = 10  # about 45 dB on simulated clips
_CAPTION_STREAM = 1_000_003  # keeps the captions' random numbers apart from the clip's


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetConfig:
    """Everything that decides what is in the shards, but for how many there are."""

    seed: int = 0
    num_frames: int = 33
    fps: float = 16.0
    height: int = 128
    width: int = 128
    languages: tuple[Language, ...] = LANGUAGES
    captions_per_language: int = 3
    clips_per_shard: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed {self.seed} is out of range; choose a whole number from 0 to {2**31 - 1}.")
        if not 1 <= self.num_frames <= 1_000:
            raise UserError(f"clips cannot have {self.num_frames} frames; choose between 1 and 1000.")
        if not 1 <= self.fps <= 60:
            raise UserError(f"{self.fps:g} frames per second are too few or too many; choose 1 to 60.")
        sides = (self.width, self.height)
        if any(side % 16 or not 16 <= side <= 1024 for side in sides) or max(sides) > 3 * min(sides):
            raise UserError(
                f"clips cannot be {self.width}x{self.height}; choose multiples of 16 up to 1024, "
                "one side at most three times the other."
            )
        unknown = [language for language in self.languages if language not in LANGUAGES]
        if unknown or not self.languages:
            raise UserError(
                f"there are no captions in {', '.join(map(repr, unknown)) or 'no language'}; "
                f"choose from {', '.join(LANGUAGES)}."
            )
        if self.captions_per_language < 1 or self.clips_per_shard < 1:
            raise UserError("a clip needs a caption and a shard needs a clip; choose at least 1 of each.")


@dataclass(frozen=True, slots=True)
class ClipSample:
    """One clip as it lies in a shard; what is asked of it is decoded then."""

    key: str
    files: Mapping[str, bytes]

    def video(self) -> Video:
        """The frames; a picture is a video of one frame."""
        if "png" in self.files:
            return Video(read_video(io.BytesIO(self.files["png"])).frames, fps=float(self.metadata()["fps"]))
        return read_video(io.BytesIO(self.files["mp4"]))

    def metadata(self) -> dict[str, Any]:
        """Captions, description, objects and contacts."""
        metadata: dict[str, Any] = json.loads(self.files["json"])
        return metadata

    def captions(self, language: Language) -> list[str]:
        """What the clip shows, said in several ways."""
        captions: list[str] = self.metadata()["captions"][language]
        return captions

    def truth(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays by name; see `_truth_arrays` for their shapes."""
        with np.load(io.BytesIO(self.files["npz"])) as arrays:
            return {name: arrays[name] for name in arrays.files}


def clip_seed(dataset_seed: int, index: int) -> int:
    """The seed of clip `index`: no two clips of any two data sets share one."""
    return dataset_seed * 2**32 + index


def write_shards(
    directory: str | Path,
    config: DatasetConfig,
    num_clips: int,
    *,
    num_workers: int = 1,
    on_clip: OnClip = lambda done, total: None,
) -> list[Path]:
    """Simulate clips 0 … num_clips − 1 into shards and return their paths.

    Shards that are there already are kept, so that a killed run goes on where it was, to the same bytes. One
    run at a time may write into a directory.
    """
    directory = Path(directory)
    _claim(directory, config)
    size = config.clips_per_shard
    shards = {
        directory / f"clips-{start // size:06d}.tar": range(start, min(start + size, num_clips))
        for start in range(0, num_clips, size)
    }
    missing = {path: clips for path, clips in shards.items() if _count_clips(path) < len(clips)}
    done = num_clips - sum(map(len, missing.values()))
    on_clip(done, num_clips)
    samples = ordered_map(
        partial(_make_sample, config),
        (index for clips in missing.values() for index in clips),
        min(num_workers, max(1, num_clips - done)),
    )
    for path, clips in missing.items():
        with replacing(path) as unfinished, tarfile.open(unfinished, "w") as tar:
            for index, files in zip(clips, samples, strict=False):
                _add(tar, f"{index:08d}", files)
                done += 1
                on_clip(done, num_clips)
    return list(shards)


def shard_paths(directory: str | Path) -> list[Path]:
    """The finished shards of a directory, in order."""
    paths = sorted(Path(directory).glob("clips-*.tar"))
    if not paths:
        raise UserError(f"there are no shards in {str(directory)!r}; make some with `tenku simulate`.")
    return paths


def read_shards(paths: str | Path | Iterable[str | Path]) -> Iterator[ClipSample]:
    """The clips of a directory of shards, or of the shards given, in order."""
    for path in shard_paths(paths) if isinstance(paths, str | Path) else paths:
        with tarfile.open(path) as tar:
            for key, group in groupby(tar, key=lambda member: member.name.partition(".")[0]):
                yield ClipSample(
                    key, {member.name.partition(".")[2]: _content(tar, member) for member in group}
                )


def _claim(directory: Path, config: DatasetConfig) -> None:
    """Make the directory this data set's own, and clear away what a killed run has left half-done."""
    description = json.dumps(asdict(config), indent=2) + "\n"
    place = directory / DESCRIPTION_FILE
    directory.mkdir(parents=True, exist_ok=True)
    if place.exists():
        different = _differences(json.loads(place.read_text()), json.loads(description))
        if different:
            raise UserError(
                f"{str(directory)!r} holds clips with {different}; give the same options to go on, "
                "or choose another directory."
            )
    else:
        with replacing(place) as unfinished:
            unfinished.write_text(description)
    remove_unfinished(directory)


def _differences(there: dict[str, Any], asked: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {there.get(name)} instead of {value}"
        for name, value in asked.items()
        if there.get(name) != value
    )


def _count_clips(path: Path) -> int:
    if not path.exists():
        return 0
    with tarfile.open(path) as tar:
        return sum(member.name.endswith(".json") for member in tar)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else file.read()


def _add(tar: tarfile.TarFile, key: str, files: Files) -> None:
    """Add a clip's files with nothing in their headers that differs from run to run."""
    for suffix, content in files.items():
        member = tarfile.TarInfo(f"{key}.{suffix}")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def _make_sample(config: DatasetConfig, index: int) -> Files:
    clip = simulate_clip(
        clip_seed(config.seed, index),
        num_frames=config.num_frames,
        fps=config.fps,
        height=config.height,
        width=config.width,
        with_truth=True,
    )
    shots = list(_shots(clip.truth))
    metadata = json.dumps(_metadata(clip, shots, config), ensure_ascii=False, separators=(",", ":"))
    return {**_picture_or_video(clip), "json": metadata.encode(), "npz": _npz(_truth_arrays(shots))}


def _picture_or_video(clip: SimulatedClip) -> Files:
    if len(clip.frames) == 1:
        return {"png": encode_picture(clip.frames[0], ".png")}
    return {"mp4": encode_video(Video(clip.frames, clip.fps), crf=_CRF, pixel_format="yuv444p")}


def _shots(truth: Truth | None) -> Iterator[Truth]:
    while truth is not None:
        yield truth
        truth = truth.next_shot


def _metadata(clip: SimulatedClip, shots: list[Truth], config: DatasetConfig) -> dict[str, Any]:
    rng = np.random.default_rng((clip.seed, _CAPTION_STREAM))
    return {
        "seed": clip.seed,
        "fps": clip.fps,
        "num_frames": len(clip.frames),
        "height": clip.frames.shape[1],
        "width": clip.frames.shape[2],
        "captions": {
            language: [caption(clip.description, rng, language) for _ in range(config.captions_per_language)]
            for language in config.languages
        },
        "description": asdict(clip.description),
        "shots": [
            {
                "num_frames": shot.trajectory.num_frames,
                "described": shot.described,
                "objects": [asdict(thing) for thing in shot.scene.objects],
                "floor": asdict(shot.scene.floor),
                "light": asdict(shot.scene.light),
                "contacts": [asdict(contact) for contact in shot.trajectory.contacts],
            }
            for shot in shots
        ],
    }


def _truth_arrays(shots: list[Truth]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of the whole clip (t …), and of shot k with n objects under `shot{k}_…` (t n …)."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "segmentation": np.concatenate([shot.segmentation for shot in shots]),  # (t h w), −1 is no object
        "depth": np.concatenate([shot.depth for shot in shots]).astype(np.float16),  # (t h w) metres
        "camera_positions": np.concatenate([shot.cameras.positions for shot in shots]),  # (t 3)
        "camera_axes": np.concatenate([shot.cameras.axes for shot in shots]),  # (t 3 3)
        "camera_tan_half_height": np.array([shot.cameras.tan_half_height for shot in shots]),  # (shots)
    }
    for number, shot in enumerate(shots):
        per_object: dict[str, npt.NDArray[Any]] = {
            "positions": shot.trajectory.positions,  # (t n 3)
            "rotations": shot.trajectory.rotations,  # (t n 3 3)
            "velocities": shot.trajectory.velocities,  # (t n 3)
            "angular_velocities": shot.trajectory.angular_velocities,  # (t n 3)
            "masses": shot.trajectory.masses,  # (n)
            "visible_pixels": shot.visible_pixels.astype(np.int32),  # (t n)
            "boxes": shot.boxes,  # (t n 4)
        }
        arrays |= {f"shot{number}_{name}": array for name, array in per_object.items()}
    return {name: _compact(array) for name, array in arrays.items()}


def _compact(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _npz(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()
