"""The `likephys` suite: does a model take what is possible to be likelier than what is not?

The protocol is that of LikePhys (ICLR 2026): of a valid clip and its invalid twin, alike up to the frame in
which one breaks the laws of physics, the model's own loss prefers one. How often that is the invalid one is
its plausibility preference error; 50 % is chance.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tenku.checkpoint import keep_freed_memory, load_model
from tenku.denoiser import multiplies_bfloat16
from tenku.evaluation.likelihood import OFFSETS, PAINTER_LEVELS, PLANNER_LEVELS, Losses, losses
from tenku.evaluation.report import Report, Row
from tenku.worlds.twins import Twins, simulate_twins
from tenku.worlds.violations import VIOLATIONS, Violation

FIRST_SEED: Final = 90_000_000
SEEDS_PER_RUN: Final = 100_000
CHANCE: Final = 0.5

# By which of its losses a model may be asked, in words, and whether a column of the table by kind is for it.
ARMS: Final[MappingProxyType[str, Callable[[Losses], float | None]]] = MappingProxyType(
    {
        "planner": lambda found: found.planner,
        "planner, guided": lambda found: found.guided,
        "denoiser": lambda found: found.denoiser,
        "denoiser along tracks": lambda found: found.along_tracks,
        "planner and denoiser": lambda found: found.both,
    }
)
_BY_KIND: Final = ("planner", "planner, guided", "denoiser")


@dataclass(frozen=True, slots=True)
class Judged:
    """What a model's losses are on a pair."""

    kind: Violation
    valid: Losses
    invalid: Losses

    def prefers_invalid(self, arm: str) -> bool | None:
        """Whether the invalid twin is taken to be likelier; None if the model cannot be asked like this."""
        valid, invalid = (ARMS[arm](found) for found in (self.valid, self.invalid))
        return None if valid is None or invalid is None else invalid < valid


def evaluate_likephys(model: str, n: int, seed: int) -> Report:
    """The preference error over n pairs, the kinds of violation in turn."""
    keep_freed_memory()
    started = time.perf_counter()
    loaded, half = load_model(model), multiplies_bfloat16()
    judged = [
        Judged(
            twins.kind,
            *(
                losses(loaded, clip, twins.description, half_precision=half)
                for clip in (twins.valid, twins.invalid)
            ),
        )
        for twins in draw_twins(n, seed)
    ]
    return report_of(judged, model, n, seed, time.perf_counter() - started)


def draw_twins(n: int, seed: int) -> Iterator[Twins]:
    """n pairs, the kinds of violation in turn; only with another seed do they change."""
    first = FIRST_SEED + seed * SEEDS_PER_RUN
    for index in range(n):
        yield simulate_twins(VIOLATIONS[index % len(VIOLATIONS)], first + index // len(VIOLATIONS))


def report_of(judged: Sequence[Judged], model: str, n: int, seed: int, seconds: float) -> Report:
    """The figures of some pairs."""
    return Report(
        suite="likephys",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite likephys -n {n} --seed {seed}",
        seconds=seconds,
        rows=(*_all_kinds(judged), *_by_kind(judged)),
        notes=_notes(seed),
    )


def _all_kinds(judged: Sequence[Judged]) -> Iterator[Row]:
    for arm in ARMS:
        wrong = _answers(judged, arm)
        if wrong:
            yield Row.of_share(arm, wrong, CHANCE, "preference error by whose loss")


def _by_kind(judged: Sequence[Judged]) -> Iterator[Row]:
    for arm in _BY_KIND:
        for kind in VIOLATIONS:
            wrong = _answers([one for one in judged if one.kind == kind], arm)
            if wrong:
                yield Row.of_share(kind.replace("_", " "), wrong, CHANCE, f"preference error | {arm}")


def _answers(judged: Sequence[Judged], arm: str) -> list[bool]:
    answers = (one.prefers_invalid(arm) for one in judged)
    return [answer for answer in answers if answer is not None]


def _notes(seed: int) -> tuple[str, ...]:
    levels, views = (", ".join(map(str, each)) for each in (PLANNER_LEVELS, OFFSETS))
    return (
        f"Pairs simulated from seed {FIRST_SEED + seed * SEEDS_PER_RUN} on, {len(VIOLATIONS)} kinds of "
        "violation in turn, made of poses and looks before anything is drawn; twins are equal to the last "
        "pixel up to the first frame that is wrong, and both are told the valid one's plain prompt. Floor: "
        "chance.",
        f"planner: its flow loss at noise levels {levels} on tracks as the model's own reader sees them in "
        f"the clip, each latent frame by itself, from frames {views} on, as it is and mirrored.",
        "planner, guided: the loss of the distribution that is sampled, with guidance at its usual scale.",
        f"denoiser: the flow loss of latents at noise levels {', '.join(map(str, PAINTER_LEVELS))}, told the "
        "prompt alone, which is the published protocol; along tracks: told what the reader sees as well. The "
        "noise is the same for all clips.",
        "Noise levels and views were chosen on other pairs, from seed 89000000 on; no network was trained on "
        "a violation, and nothing in the measure knows of them.",
    )
