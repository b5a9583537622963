"""Benchmarks that need downloads: how each wants its videos, so that a machine that has them can score ours.

Nothing here scores anything: what those benchmarks measure is what their own networks and clips say. Their
lists of prompts are not shipped either; they are read from the benchmark's own files.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tenku.errors import UserError

# Names that only the real thing may be printed under, and what the real thing is.
ONLY_THE_REAL_THING: Final[Mapping[str, str]] = MappingProxyType(
    {
        "physics-iq": "its filmed clips",
        "vbench": "a dozen pretrained networks",
        "vbench-2.0": "several large language and vision models",
        "worldmodelbench": "its 1.5B judge",
        "videophy-2": "its 7B judge",
        "t2v-compbench": "several pretrained networks",
        "worldscore": "several pretrained networks",
        "fvd": "an I3D network trained on Kinetics",
        "lpips": "an AlexNet or VGG trained on ImageNet",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One video that a benchmark wants: the file's name, its prompt, the picture that it may begin with, and
    which of several samples of a prompt it is."""

    name: str
    prompt: str
    picture: str = ""
    sample: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """Where a benchmark lists its prompts, how its videos are named and how long they are."""

    listing: str
    seconds: float | None
    read: Callable[[Path], Iterator[Wanted]]
    source: str
    next_step: str


def benchmark_of(name: str) -> Benchmark:
    """A benchmark by name; a `UserError` if we cannot write its layout."""
    if name not in BENCHMARKS:
        raise UserError(f"there is no layout {name!r} to export; choose {' or '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]


def refuse(name: str) -> None:
    """A `UserError` if a name is one that only the real thing may be printed under."""
    key = _plain(name)
    for real, needed in ONLY_THE_REAL_THING.items():
        if key == _plain(real):
            way = "measure with a suite of tenku's own"
            if real in BENCHMARKS:
                way = f"`tenku export {real}` writes the videos for a machine that has it"
            raise UserError(f"{name} is only what {needed} would say, and tenku does not have that; {way}.")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _physics_iq(listing: Path) -> Iterator[Wanted]:
    """Its descriptions: one row a filmed take, of which the first alone is asked for."""
    for row in _csv(listing, ("scenario", "description")):
        number, view, take, scene = _four_parts(row["scenario"], listing)
        if take == "take-1":
            yield Wanted(
                name=f"{number}_{view}_{scene}",
                prompt=row["description"],
                picture=f"{number}_switch-frames_anyFPS_{view}_{Path(scene).stem}.jpg",
            )


def _four_parts(scenario: str, listing: Path) -> tuple[str, str, str, str]:
    parts = scenario.split("_")
    if len(parts) != 4:
        raise UserError(
            f"{listing} names the scenario {scenario!r}, which is not Physics-IQ's; give its list."
        )
    number, view, take, scene = parts
    return number, view, take, scene


_SAMPLES: Final = 5
_SAMPLES_OF: Final[Mapping[str, int]] = MappingProxyType({"temporal_flickering": 25})


def _vbench(listing: Path) -> Iterator[Wanted]:
    """VBench_full_info.json, or a list with one prompt a line."""
    if listing.suffix == ".txt":
        entries: list[Any] = [
            {"prompt_en": line.strip()} for line in _text(listing).splitlines() if line.strip()
        ]
    else:
        entries = _json(listing)
    for entry in entries:
        prompt = _field(entry, "prompt_en", listing)
        number = max([_SAMPLES, *(_SAMPLES_OF.get(name, 0) for name in entry.get("dimension", ()))])
        for sample in range(number):
            yield Wanted(name=f"{prompt}-{sample}.mp4", prompt=prompt, sample=sample)


def _worldmodelbench(listing: Path) -> Iterator[Wanted]:
    """worldmodelbench.json: what the first picture shows, then what is to happen."""
    for entry in _json(listing):
        picture = _field(entry, "first_frame", listing)
        told = [_field(entry, name, listing) for name in ("text_first_frame", "text_instruction")]
        yield Wanted(name=f"{Path(picture).stem}.mp4", prompt=" ".join(told), picture=Path(picture).name)


def _text(listing: Path) -> str:
    try:
        return listing.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{listing} cannot be read; give the benchmark's own list of prompts.") from error


def _json(listing: Path) -> list[Any]:
    try:
        entries = json.loads(_text(listing))
    except ValueError as error:
        raise UserError(f"{listing} is not JSON; give the benchmark's own list of prompts.") from error
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{listing} is not a list of prompts; give the benchmark's own.")
    return entries


def _field(entry: Any, name: str, listing: Path) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{listing} has an entry without {name!r}; give the benchmark's own list of prompts.")
    return value


def _csv(listing: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    rows = csv.DictReader(_text(listing).splitlines())
    missing = [name for name in columns if name not in (rows.fieldnames or ())]
    if missing:
        raise UserError(f"{listing} has no column {missing[0]!r}; give Physics-IQ's descriptions file.")
    yield from rows


BENCHMARKS: Final[Mapping[str, Benchmark]] = MappingProxyType(
    {
        "physics-iq": Benchmark(
            listing="descriptions_original.csv",
            seconds=5.0,
            read=_physics_iq,
            source="github.com/google-deepmind/physics-IQ-benchmark, run_physics_iq.py: 198 videos of "
            "exactly 5 s, 0001_perspective-left_trimmed-….mp4 and so on, and nothing else in their folder",
            next_step="python physiq/run_physics_iq.py --original_physics_iq --input_folders FOLDER",
        ),
        "vbench": Benchmark(
            listing="VBench_full_info.json",
            seconds=None,
            read=_vbench,
            source="github.com/Vchitect/VBench at 45e79ec, prompts/README.md: $prompt-$index.mp4, five for "
            "each prompt and 25 for temporal flickering, each with a seed of its own",
            next_step="vbench evaluate --videos_path FOLDER --dimension DIMENSION",
        ),
        "worldmodelbench": Benchmark(
            listing="worldmodelbench.json",
            seconds=None,
            read=_worldmodelbench,
            source="github.com/WorldModelBench-Team/WorldModelBench, README.md: a video is named as the "
            "instance's first_frame, as .mp4; text to video is told both texts",
            next_step="python evaluation.py --model_name NAME --video_dir FOLDER --judge JUDGE",
        ),
    }
)
