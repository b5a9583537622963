"""The `timeline` suite: what is known stays, what is made goes on from it, and long videos do not drift."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from tenku.evaluation.clip_tasks import (
    FIRST_SEED,
    FPS,
    GAP,
    KINDS,
    NUM_FRAMES,
    SEEDS_PER_RUN,
    SIZE,
    SPLIT,
    Figures,
    draw_cases,
    measured,
)
from tenku.evaluation.judge import Judge, load_judge
from tenku.evaluation.long_video import (
    ADDED,
    EDGE_SECONDS,
    ROUNDS,
    SAME_PSNR,
    SECONDS,
    background_of,
    drift,
    memory_ratio,
    re_extended,
    still_request,
    streamed,
    through_mp4,
    through_tenku,
)
from tenku.evaluation.report import Report, Row
from tenku.evaluation.resampling import median, of_statistic, ratio_of_means, ratio_of_medians
from tenku.evaluation.sizes_and_steps import FEW, MANY, SIZES, STEPS, StepResult, of_sizes, of_steps
from tenku.evaluation.trajectories import LOST, FillError
from tenku.pipeline import VideoPipeline

MEMORY_FROM: Final = 20  # clips: with fewer nobody waits for ten minutes of video
_CASES_PER_LONG_VIDEO: Final = 10
_MEMORY_SECONDS: Final = (600, 10)


def evaluate_timeline(model: str, n: int, seed: int) -> Report:
    """What n true clips and generations go through on a timeline; long videos are made of a tenth as many."""
    started = time.perf_counter()
    judge = load_judge()
    pipeline = VideoPipeline.from_pretrained(model)
    figures = [measured(case, pipeline, judge) for case in draw_cases(n, seed)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [
            *_continuity_rows(figures),
            *_identity_rows(figures),
            *_fill_rows(list(chain.from_iterable(one.fills for one in figures))),
            *_long_rows(model, pipeline, judge, n, seed, folder),
            *_size_rows(pipeline, judge, max(1, n // 2), seed),
            *_step_rows(list(of_steps(pipeline, judge, n, seed))),
        ]
    rows.sort(key=lambda row: row.group != "")  # the headlines first
    return Report(
        suite="timeline",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite timeline -n {n} --seed {seed}",
        seconds=time.perf_counter() - started,
        rows=tuple(rows),
        notes=_notes(n, seed),
    )


# --- rows --------------------------------------------------------------------------------------------------


def _continuity_rows(figures: Sequence[Figures]) -> Iterator[Row]:
    yield Row.of_mean("known_psnr_lost", _all(one.psnr_lost for one in figures), "dB", 0.0)
    changed = _all(one.latents_changed for one in figures)
    yield Row(
        name="known_latents_changed",
        value=max(changed),
        low=max(changed),
        high=max(changed),
        n=len(changed),
        floor=0.0,
    )
    for index, name in enumerate(("continuation_true", "continuation_own")):
        yield of_statistic(name, [one.continuation[index] for one in figures], median, "×", 1.0)
    yield Row.of_mean("loop_seam", [one.loop_seam for one in figures], "×", 1.0)
    for index, kind in enumerate(("after", "before", "filled")):
        group = f"what is known | {kind}"
        yield Row.of_mean(
            "known_psnr_lost", [one.psnr_lost[index] for one in figures], "dB", 0.0, group=group
        )


def _all(values: Iterator[tuple[float, ...]]) -> list[float]:
    return list(chain.from_iterable(values))


def _identity_rows(figures: Sequence[Figures]) -> Iterator[Row]:
    every: tuple[list[bool], list[bool]] = ([], [])
    for index, kind in enumerate(KINDS):
        made, true = (
            list(chain.from_iterable(parts[index] for parts in lists))
            for lists in ([one.identity for one in figures], [one.true_identity for one in figures])
        )
        every[0].extend(made)
        every[1].extend(true)
        if made:
            yield Row.of_share("identity", made, _share(true), f"identity | {kind}")
    if every[0]:
        yield Row.of_share("identity", every[0], _share(every[1]))


def _share(answers: Sequence[bool]) -> float | None:
    return sum(answers) / len(answers) if answers else None


def _fill_rows(errors: Sequence[FillError]) -> Iterator[Row]:
    """The ratio of the median errors, and what they are in half pictures."""
    if not errors:
        return
    floor = ratio_of_medians(np.array([(error.parser, error.linear) for error in errors]))
    pairs = [(error.made, error.linear) for error in errors]
    yield of_statistic("fill_trajectory", pairs, ratio_of_medians, "×", floor)
    for name in ("made", "linear", "parser"):
        values = [getattr(error, name) for error in errors]
        yield of_statistic("median error in half pictures", values, median, group=f"fill_trajectory | {name}")


def _long_rows(
    model: str, pipeline: VideoPipeline, judge: Judge, n: int, seed: int, folder: Path
) -> Iterator[Row]:
    first = FIRST_SEED + seed * SEEDS_PER_RUN
    seconds, drifts, kept, written = [], [], [], []
    for number in range(first, first + max(1, n // _CASES_PER_LONG_VIDEO)):
        request = still_request(number, SECONDS * int(FPS))
        frames, footage, taken = streamed(pipeline, request, folder / "minute.mp4")
        seconds.append(taken)
        drifts.append(drift(frames, background_of(footage), judge))
        request = still_request(number, 2 * int(FPS) + 1)
        made = pipeline(request)
        kept.append(re_extended(pipeline, made, request, through_tenku, folder, ROUNDS))
        written.append(re_extended(pipeline, made, request, through_mp4, folder, ROUNDS))
    yield Row.of_mean(f"seconds_for_{SECONDS}_s", seconds, "", float(SECONDS))
    yield Row.of_mean("drift_delta_e", [one.delta_e for one in drifts], "", 0.0)
    yield Row.of_mean("drift_delta_e_of_mean_colour", [one.mean_colour_delta_e for one in drifts], "", 0.0)
    yield Row.of_mean("drift_sharpness", [one.sharpness for one in drifts], "×", 1.0)
    yield Row.of_share("drift_count", list(chain.from_iterable(one.counts for one in drifts)), 1.0)
    for name, ends in (("re_extension_tenku", kept), ("re_extension_mp4", written)):
        yield Row.of_mean(f"{name}_delta_e", [one.delta_e for one in ends], "", 0.0)
        yield Row.of_mean(f"{name}_psnr", [one.psnr for one in ends], "dB", SAME_PSNR)
    if n >= MEMORY_FROM:
        ratio = memory_ratio(model, still_request(first, 1), folder, *_MEMORY_SECONDS)
        yield Row.of_mean("memory_{}_over_{}".format(*_MEMORY_SECONDS), [ratio], "×", 1.0)


def _size_rows(pipeline: VideoPipeline, judge: Judge, n: int, seed: int) -> Iterator[Row]:
    results = list(of_sizes(pipeline, judge, n, seed))
    made, true = [one.made for one in results], [one.true for one in results]
    yield Row.of_share("aspect_ratios", made, _share(true))
    for name in SIZES:
        of_size = [one for one in results if one.size == name]
        yield Row.of_share(
            "as said",
            [one.made for one in of_size],
            _share([one.true for one in of_size]),
            f"aspect_ratios | {name}",
        )


def _step_rows(results: Sequence[StepResult]) -> Iterator[Row]:
    few, many = ([one for one in results if one.steps == steps] for steps in (FEW, MANY))
    pairs = [
        (sum(a.right) / len(a.right), sum(b.right) / len(b.right)) for a, b in zip(few, many, strict=True)
    ]
    if any(second for _, second in pairs):
        yield of_statistic(f"steps_{FEW}_over_{MANY}", pairs, ratio_of_means, "×", 1.0)
    prompts = {one.prompt for one in results if one.steps == STEPS[0]}
    for steps in STEPS:
        of_number = [one for one in results if one.steps == steps and one.prompt in prompts]
        group = f"steps | {steps}"
        right = list(chain.from_iterable(one.right for one in of_number))
        true = list(chain.from_iterable(one.true for one in of_number))
        yield Row.of_share("right", right, _share(true), group)
        yield Row.of_mean("seconds", [one.seconds for one in of_number], "", group=group)


def _notes(n: int, seed: int) -> tuple[str, ...]:
    sizes = ", ".join(f"{width}x{height}" for height, width in SIZES.values())
    memory = f" The memory of ten minutes: from -n {MEMORY_FROM} on." if n < MEMORY_FROM else ""
    return (
        f"True clips of {NUM_FRAMES} frames of {SIZE}×{SIZE} at 16 fps, simulated from seed "
        f"{FIRST_SEED + seed * SEEDS_PER_RUN} on, those in which something moves from frame {GAP[0]} to "
        f"{GAP[1]}; their tracks come from the model's own reader, if it has one.",
        "known_psnr_lost: by how many dB known frames are farther from the true ones than the autoencoder's "
        "round trip is, in clips extended by 1 s either way or with 1 s filled; known_latents_changed: the "
        "largest difference.",
        f"continuation: after {SPLIT} frames, the motion-compensated difference (8×8 blocks, ±6 pixels, "
        "luma) of the first new frame from the last known one over that of the true next one, the median; "
        "own: of the model's own footage. 1 is best; a frozen frame gives 0.",
        "identity: objects (colour and shape) read in what is known and in view at the joint that are read "
        f"again in what was made; floor: in true clips cut at the same frames (for shots, at frame {SPLIT}).",
        "loop_seam: the step from last to first frame over the mean step between neighbours.",
        "fill_trajectory: the median error of centres in a filled second, as the parser reads them, over "
        "that of a straight line between the true places at its ends, of what travels 0.3 half pictures; "
        f"a frame with nothing of the object's colour costs {LOST:g}. Floor: the parser's on the true clip.",
        f"drift: of {SECONDS} s with things at rest, streamed into a file. The background is what the boxes "
        "of the tracks never come near; ΔE2000 of a second's mean picture from the first second's, pixel by "
        f"pixel and of the mean colour, the largest; sharpness of the last {EDGE_SECONDS} s over the first. "
        f"One long video for {_CASES_PER_LONG_VIDEO} clips; one alone has no interval.{memory}",
        f"re_extension: 2 s extended {ROUNDS} times by {ADDED:g} s through a file; the first second against "
        f"that of the first generation; {SAME_PSNR:g} dB stands for identical.",
        f"aspect_ratios ({sizes}): videos in which all that is said is found in its colour, and whole in "
        "half of the frames that show it; floor: true clips of these sizes.",
        "steps: colour and shape of what the prompts suite's prompts name, in English, with the same seeds; "
        "for a quarter of them in all numbers of steps, and the wall seconds of a clip.",
    )
