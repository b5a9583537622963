"""Generations in the file layouts of published benchmarks, for a machine that can score them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tenku.errors import UserError
from tenku.evaluation.benchmarks import Wanted, benchmark_of
from tenku.pipeline import VideoPipeline
from tenku.provenance import Origin, signed_video
from tenku.timeline import GenerationRequest, Task, animate
from tenku.timeline.request import frames_in

_MAX_NAME = 255 - len(".partial.mp4")  # bytes, and room for what a file is called while it is written


@dataclass(frozen=True, slots=True)
class Exported:
    """A video that was written, or was there already."""

    path: Path
    is_new: bool


def wanted_of(name: str, listing: Path, pictures: Path | None = None, n: int | None = None) -> list[Wanted]:
    """The videos that a benchmark wants by its own list, or the first n; a `UserError` if they cannot be
    written, or do not all find their first picture in a folder of those."""
    wanted = list(benchmark_of(name).read(listing))[:n]
    seen: set[str] = set()
    for video in wanted:
        if video.name in seen:
            raise UserError(f"{listing} asks twice for {video.name!r}; give the benchmark's own list.")
        seen.add(video.name)
        if "/" in video.name or len(video.name.encode()) > _MAX_NAME:
            raise UserError(
                f"{video.name!r} cannot be the name of a file; leave that prompt out of the list."
            )
        if pictures is not None and not (video.picture and (pictures / video.picture).is_file()):
            missing = repr(video.picture) if video.picture else f"picture for {video.name!r}"
            raise UserError(f"there is no {missing} in {str(pictures)!r}; leave out --pictures.")
    return wanted


def export(
    name: str,
    wanted: Sequence[Wanted],
    folder: Path,
    *,
    model: str = "embedded",
    pictures: Path | None = None,
    seed: int = 0,
) -> Iterator[Exported]:
    """Write a benchmark's videos into a folder; those that are there already stay.

    With a folder of its first pictures, videos begin with those. Beside the folder, not in it, where some
    benchmarks want nothing but videos, `FOLDER.json` says which prompt and seed made which file.
    """
    benchmark, pipeline = benchmark_of(name), VideoPipeline.from_pretrained(model)
    folder.mkdir(parents=True, exist_ok=True)
    entries = [{**asdict(video), "seed": seed + index} for index, video in enumerate(wanted)]
    record = {"benchmark": name, "layout": benchmark.source, "model": model, "videos": entries}
    folder.with_name(folder.name + ".json").write_text(json.dumps(record, indent=1) + "\n")
    for index, video in enumerate(wanted):
        path = folder / video.name
        is_new = not path.exists()
        if is_new:
            picture = None if pictures is None else pictures / video.picture
            asked = _asked(video.prompt, benchmark.seconds, pipeline, picture, seed + index)
            _write(path, pipeline, asked, model)
        yield Exported(path, is_new)


def _asked(
    prompt: str, seconds: float | None, pipeline: VideoPipeline, picture: Path | None, seed: int
) -> GenerationRequest | Task:
    usual = pipeline.model.sampling
    seconds = usual.num_frames / usual.fps if seconds is None else seconds
    if picture is not None:
        footage = pipeline.footage_of(picture, fps=usual.fps)
        return animate(footage, prompt, seconds=seconds, seed=seed)
    return GenerationRequest(
        prompt=prompt,
        num_frames=frames_in(seconds, usual.fps),
        width=usual.width,
        height=usual.height,
        fps=usual.fps,
        seed=seed,
    )


def _write(path: Path, pipeline: VideoPipeline, asked: GenerationRequest | Task, model: str) -> None:
    request = asked.request if isinstance(asked, Task) else asked
    origin = Origin(model=Path(model).name, prompt=request.prompt, seed=request.seed)
    with signed_video(path, fps=request.fps, origin=origin) as append:
        for frame in pipeline.stream(asked):
            append(frame)
