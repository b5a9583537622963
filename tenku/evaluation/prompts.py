"""The `prompts` suite: is in a generated video what its prompt says?

Descriptions come from simulated clips that no model was trained on, so every one is physically possible, and
the same measures on those clips themselves are the floor: what the judge would say of perfect videos.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tenku.evaluation.autoencoder import round_trip
from tenku.evaluation.judge import Judge, load_judge
from tenku.evaluation.parsing import ParsedVideo, parse_video
from tenku.evaluation.report import Report, Row
from tenku.evaluation.scoring import MEASURES, Check, score
from tenku.pipeline import VideoPipeline
from tenku.timeline import GenerationRequest
from tenku.vae import Autoencoder
from tenku.worlds import SceneDescription, WorldConfig, simulate_clip
from tenku.worlds.captions import plain_prompt
from tenku.worlds.vocabulary import LANGUAGES, Language

Pairs = Literal["seen", "held_out"]
Frames = NDArray[np.uint8]

FIRST_SEED: Final = 50_000_000
SEEDS_PER_RUN: Final = 100_000
NUM_FRAMES: Final = 33
SIZE: Final = 128
FPS: Final = 16.0
OBJECT_COUNTS: Final = MappingProxyType({1: 0.45, 2: 0.45, 3: 0.1})
_PAIRS: Final[tuple[Pairs, ...]] = ("seen", "held_out")
_NAMES: Final = {"en": "English", "zh": "Chinese", "seen": "seen", "held_out": "held-out"}
_TRUE: Final = "true clips"
_DECODED: Final = "true clips, decoded"
_WRONG: Final = "other true clips"


@dataclass(frozen=True, slots=True)
class Case:
    """A description, its kind of colour–shape pairs, the true clip (t h w 3), and the seed of generation."""

    description: SceneDescription
    pairs: Pairs
    frames: Frames
    seed: int


@dataclass(frozen=True, slots=True)
class _Scored:
    """What was found in one video: `source` is a language, or what else the video is."""

    source: str
    pairs: Pairs
    checks: tuple[Check, ...]
    sharpness: float | None


def evaluate_prompts(model: str, n: int, seed: int) -> Report:
    """Score videos of n descriptions, half of them with held-out pairs, each told in both languages."""
    started = time.perf_counter()
    judge = load_judge()
    pipeline = VideoPipeline.from_pretrained(model)
    scored = list(_score_cases(draw_cases(n, seed), pipeline, judge))
    return Report(
        suite="prompts",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite prompts -n {n} --seed {seed}",
        seconds=time.perf_counter() - started,
        rows=(*_measure_rows(scored), *_count_rows(scored), *_comparison_rows(scored)),
        notes=_notes(seed),
    )


def evaluate_judge(n: int, seed: int) -> Report:
    """The judge's own error: what it says of n true clips, by kind of pairs, and how fast it reads."""
    started = time.perf_counter()
    judge, scored, reading = load_judge(), [], 0.0
    for case in draw_cases(n, seed):
        begun = time.process_time()
        true = parse_video(case.frames, judge, FPS)
        reading += time.process_time() - begun
        scored.append(_Scored(_TRUE, case.pairs, score(case.description, true), None))
    rows = [
        row
        for pairs in _PAIRS
        for row in _rows(_of(scored, _TRUE, pairs), f"true clips | {_NAMES[pairs]} pairs")
    ]
    return Report(
        suite="judge",
        model="judge",
        seed=seed,
        n=n,
        command=f'python -c "from tenku.evaluation import *; print(evaluate_judge({n}, {seed}).to_json())"',
        seconds=time.perf_counter() - started,
        rows=tuple(rows),
        notes=(f"{n * NUM_FRAMES / reading:.0f} frames read per second of one core.",),
    )


def draw_cases(n: int, seed: int) -> Iterator[Case]:
    """n cases, seen and held-out pairs in turn; only with another seed do they change."""
    first = FIRST_SEED + seed * SEEDS_PER_RUN
    for index in range(n):
        pairs = _PAIRS[index % 2]
        clip = simulate_clip(
            first + index, num_frames=NUM_FRAMES, fps=FPS, height=SIZE, width=SIZE, world=world_of(pairs)
        )
        yield Case(clip.description, pairs, clip.frames, first + index)


def world_of(pairs: Pairs) -> WorldConfig:
    """The training world without cuts and with fewer objects."""
    return WorldConfig(pairs=pairs, object_counts=OBJECT_COUNTS, cut_probability=0.0)


def generate(pipeline: VideoPipeline, case: Case, language: Language) -> Frames:
    """Frames (t h w 3) of a case's prompt."""
    request = GenerationRequest(
        prompt=plain_prompt(case.description, language),
        num_frames=NUM_FRAMES,
        height=SIZE,
        width=SIZE,
        fps=FPS,
        seed=case.seed,
    )
    return pipeline(request).video.frames


def _score_cases(cases: Iterable[Case], pipeline: VideoPipeline, judge: Judge) -> Iterator[_Scored]:
    previous: dict[Pairs, ParsedVideo] = {}
    for case in cases:
        for language in LANGUAGES:
            yield _score(case, language, generate(pipeline, case, language), judge)
        yield _score(case, _DECODED, _decoded(pipeline.model.vae, case.frames), judge)
        true = parse_video(case.frames, judge, FPS)
        yield _Scored(_TRUE, case.pairs, score(case.description, true), 1.0)
        if case.pairs in previous:
            yield _Scored(_WRONG, case.pairs, score(case.description, previous[case.pairs]), None)
        previous[case.pairs] = true


def _decoded(vae: Autoencoder, frames: Frames) -> Frames:
    decoded: Frames = round_trip(vae, torch.from_numpy(frames)).numpy()
    return decoded


def _score(case: Case, source: str, frames: Frames, judge: Judge) -> _Scored:
    checks = score(case.description, parse_video(frames, judge, FPS))
    return _Scored(source, case.pairs, checks, sharpness(frames) / sharpness(case.frames))


def sharpness(frames: Frames) -> float:
    """Gradient energy: the mean square of brightness differences between neighbouring pixels."""
    luma = frames.astype(np.float32).mean(-1)
    return float(np.square(np.diff(luma, axis=1)).mean() + np.square(np.diff(luma, axis=2)).mean())


# --- rows --------------------------------------------------------------------------------------------------


def _measure_rows(scored: Sequence[_Scored]) -> Iterator[Row]:
    """Every measure by language and kind of pairs."""
    for language in LANGUAGES:
        for pairs in _PAIRS:
            results = _of(scored, language, pairs)
            group = f"{_NAMES[language]} | {_NAMES[pairs]} pairs"
            yield from _rows(results, group, _of(scored, _TRUE, pairs))


def _comparison_rows(scored: Sequence[_Scored]) -> Iterator[Row]:
    """What perfect videos, the best the autoencoder can do, and videos of something else are given."""
    for source in (_TRUE, _DECODED, _WRONG):
        yield from _rows(_of(scored, source), f"for comparison | {source}")


def _rows(results: Sequence[_Scored], group: str, true: Sequence[_Scored] = ()) -> Iterator[Row]:
    for measure in MEASURES:
        answers = _answers(results, measure)
        if answers:
            floor = _answers(true, measure)
            yield Row.of_share(measure, answers, sum(floor) / len(floor) if floor else None, group)
    ratios = [result.sharpness for result in results if result.sharpness is not None]
    if ratios:
        yield Row.of_mean("sharpness", ratios, "×", 1.0 if true else None, group)


def _count_rows(scored: Sequence[_Scored]) -> Iterator[Row]:
    """Some measures by the number of objects named, both languages and all pairs together."""
    generated = [result for result in scored if result.source in LANGUAGES]
    true = _of(scored, _TRUE)
    for count in OBJECT_COUNTS:
        group = f"by count | {count} object{'s' if count > 1 else ''}"
        for measure in ("colour", "shape", "colour and shape", "count", "count constant", "event"):
            answers = _answers(generated, measure, count)
            if answers:
                floor = _answers(true, measure, count)
                yield Row.of_share(measure, answers, sum(floor) / len(floor), group)


def _of(scored: Iterable[_Scored], source: str, pairs: Pairs | None = None) -> list[_Scored]:
    return [result for result in scored if result.source == source and pairs in (None, result.pairs)]


def _answers(scored: Iterable[_Scored], measure: str, count: int | None = None) -> list[bool]:
    """All answers to one question; of clips with held-out pairs only those objects that have such a pair."""
    return [
        check.right
        for result in scored
        for check in result.checks
        if check.measure == measure
        and count in (None, check.count)
        and (result.pairs == "seen" or check.held_out is not False)
    ]


def _notes(seed: int) -> tuple[str, ...]:
    mix = ", ".join(f"{share:.0%} with {count}" for count, share in OBJECT_COUNTS.items())
    return (
        f"Descriptions of clips simulated from seed {FIRST_SEED + seed * SEEDS_PER_RUN} on ({mix} objects), "
        "told plainly in English and Chinese and generated with the same seeds.",
        "“of …”: the same measure on the true clips of the same descriptions, the judge's own error. "
        "For comparison: those true clips, after the model's autoencoder too, and true clips of other "
        "descriptions, which show what a measure gives away for nothing.",
        "Held out: only objects whose colour–shape pair is never in training; intervals (Wilson, 95 %) take "
        "objects as independent.",
        "Sharpness: gradient energy as a multiple of the true clip's. Rests and spins: with a still camera.",
    )
