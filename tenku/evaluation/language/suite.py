"""Videos of the language suite's prompts, scored against what each asks for."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tenku.errors import UserError
from tenku.evaluation.judge import Judge, load_judge
from tenku.evaluation.language.asked import checks
from tenku.evaluation.language.prompts import (
    CATEGORIES,
    FIRST_SEED,
    SEEDS_PER_RUN,
    WHOLE,
    Asked,
    draw_prompts,
)
from tenku.evaluation.language.scenes import FPS, NUM_FRAMES, SIZE
from tenku.evaluation.parsing import parse_video
from tenku.evaluation.report import Report, Row
from tenku.evaluation.scoring import Check
from tenku.pipeline import VideoPipeline
from tenku.timeline import GenerationRequest
from tenku.worlds.captions.sampling import Pairs

EVERYTHING: Final = "everything asked"
_MEASURES: Final = (
    "colour",
    "shape",
    "colour and shape",
    "size",
    "count",
    "event",
    "direction",
    "relation",
    "order",
    "camera",
    "absent",
    "never",
)
_NAMES: Final[dict[Pairs, str]] = {"seen": "seen pairs", "held_out": "held-out pairs"}


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt, what was found in its video, and in the true clip; the video itself (t h w 3)."""

    asked: Asked
    made: tuple[Check, ...]
    true: tuple[Check, ...]
    frames: NDArray[np.uint8]
    unknown: tuple[str, ...]


def evaluate_language(model: str, n: int, seed: int) -> Report:
    """Score videos of n prompts, at most of the whole suite, in all categories alike."""
    if n > WHOLE:
        raise UserError(f"the language suite has {WHOLE:,} prompts; choose --n up to that.")
    started = time.perf_counter()
    judge, pipeline = load_judge(), VideoPipeline.from_pretrained(model)
    answered = list(answers(draw_prompts(n, seed), pipeline, judge))
    return report_of(answered, model, n, seed, time.perf_counter() - started)


def answers(prompts: Iterable[Asked], pipeline: VideoPipeline, judge: Judge) -> Iterator[Answered]:
    """A video of each prompt, and what is seen in it."""
    for asked in prompts:
        request = GenerationRequest(
            prompt=asked.text, num_frames=NUM_FRAMES, height=SIZE, width=SIZE, fps=FPS, seed=asked.seed
        )
        frames = pipeline(request).video.frames
        made, true = (
            checks(asked.wanted, parse_video(video, judge, FPS)) for video in (frames, asked.true.frames)
        )
        yield Answered(asked, made, true, frames, pipeline.not_read(asked.text)[0])


def report_of(answered: Sequence[Answered], model: str, n: int, seed: int, seconds: float) -> Report:
    """The figures of some prompts."""
    return Report(
        suite="language",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite language -n {n} --seed {seed}",
        seconds=seconds,
        rows=(*_headlines(answered), *_by_category(answered), *_by_kind(answered)),
        notes=_notes(seed),
    )


def _headlines(answered: Sequence[Answered]) -> Iterator[Row]:
    for pairs, name in _NAMES.items():
        yield from _rows([one for one in answered if one.asked.pairs == pairs], f"all | {name}")


def _by_category(answered: Sequence[Answered]) -> Iterator[Row]:
    for category in CATEGORIES:
        yield from _rows([one for one in answered if one.asked.category == category], category)


def _by_kind(answered: Sequence[Answered]) -> Iterator[Row]:
    """Relations and cameras one by one."""
    for measure in ("relation", "camera"):
        told: dict[str, list[Answered]] = {}
        for one in answered:
            wanted = one.asked.wanted
            relation = None if wanted.relation is None else wanted.relation[0]
            value = relation if measure == "relation" else wanted.camera
            if value is not None:
                told.setdefault(value.replace("_", " "), []).append(one)
        for kind, some in told.items():
            yield from _rows(some, f"by {measure} | {kind}", (measure,))


def _rows(answered: Sequence[Answered], group: str, measures: Sequence[str] = _MEASURES) -> Iterator[Row]:
    for measure in measures:
        made = [check.right for one in answered for check in _counted(one, one.made, measure)]
        true = [check.right for one in answered for check in _counted(one, one.true, measure)]
        if made:
            yield Row.of_share(measure, made, sum(true) / len(true), group)
    if answered and len(measures) > 1:
        made, true = ([_all_right(part) for part in parts] for parts in _made_and_true(answered))
        yield Row.of_share(EVERYTHING, made, sum(true) / len(true), group)


def _made_and_true(answered: Sequence[Answered]) -> tuple[list[tuple[Check, ...]], list[tuple[Check, ...]]]:
    return [one.made for one in answered], [one.true for one in answered]


def _counted(one: Answered, found: Sequence[Check], measure: str) -> Iterator[Check]:
    """Answers to one question; where a prompt is for held-out pairs, only of those, not of others beside."""
    for check in found:
        if check.measure == measure and (one.asked.pairs == "seen" or check.held_out is not False):
            yield check


def _all_right(found: Sequence[Check]) -> bool:
    asked = [check for check in found if check.measure in _MEASURES]
    return all(check.right for check in asked)


def _notes(seed: int) -> tuple[str, ...]:
    return (
        f"{WHOLE:,} prompts in all, of which -n takes every category's share; each asks for what a true "
        f"clip shows (simulated from seed {FIRST_SEED + seed * SEEDS_PER_RUN} on), half of them with a "
        "colour–shape pair that is kept out of training. Every third of the first six categories is Chinese.",
        "Floor: the same measures on the true clips, what the parser would say of perfect videos.",
        "The last seven categories tell the same scenes with the same seeds in different words; all that is "
        "scored is said each time. “words nobody trained on”: verbs and turns are new, colours and nouns are "
        "not.",
        f"“{EVERYTHING}”: no measure is wrong for the prompt. size: large things fill more of the picture "
        "than small ones. order: of two events the right one begins first. camera: by how still things "
        "drift and grow. absent: nothing is seen of what is excluded; never: it does not do what is denied.",
        "Intervals (Wilson, 95 %) take things as independent.",
    )
