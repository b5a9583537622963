"""The `phyworld` suite: velocity errors of what a model makes of three frames, in and out of distribution."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from tenku.checkpoint import keep_freed_memory, load_model
from tenku.errors import UserError
from tenku.evaluation.phyworld.published import published_rows
from tenku.evaluation.phyworld.scoring import Floats, VelocityErrors, find_balls, velocity_errors
from tenku.evaluation.report import Report, Row
from tenku.media import Frames
from tenku.pipeline.phyworld import PhyWorldModel, to_frames
from tenku.vae import from_pixels
from tenku.worlds.phyworld import KNOWN_FRAMES, Law, Motions, Split, draw, num_balls, simulate

FIRST_SEED: Final = 1_000_000_000  # of clips that nothing was trained on or chosen by
SEEDS_PER_RUN: Final = 1_000_000
_BATCH: Final = 20
_DECODED: Final = 100  # clips by which the autoencoder is judged
SPLIT_NAMES: Final[dict[Split, str]] = {"id": "in distribution", "ood": "out of distribution"}
STRANGE_NAMES: Final = {"r": "radii alone strange", "v": "speeds alone strange", "rv": "both strange"}
LAW_NAMES: Final[dict[Law, str]] = {
    "uniform": "uniform motion",
    "collision": "collision",
    "parabola": "parabola",
}
WAY_NAMES: Final = {"tracks": "along tracks", "latents": "latents alone"}

VELOCITY, MEAN_VELOCITY = "velocity error", "error of mean velocity"
AUTOENCODER, LOST = "true clips, through the autoencoder", "balls not found"
PARAMETERS, FLOPS, VIDEOS, SEED = "parameters", "training FLOPs", "training videos", "training seed"
TRAINING: Final = "training"


@dataclass(frozen=True, slots=True)
class _Scored:
    """Errors of clips (b): as made, of true clips as the parser reads them, and of decoded true clips."""

    made: VelocityErrors
    true: VelocityErrors
    decoded: VelocityErrors | None
    strange: tuple[str, ...]


def evaluate_phyworld(model: str, n: int, seed: int) -> Report:
    """Velocity errors on n clips in distribution and as many out of it."""
    keep_freed_memory()
    started = time.perf_counter()
    found = PhyWorldModel.of(load_model(model))
    if found is None:
        raise UserError(
            f"the model in {model!r} knows no PhyWorld law; train one: "
            "tenku train phyworld-uniform -o runs/uniform."
        )
    rows = [row for split in SPLIT_NAMES for row in _rows(found, split, n, seed)]
    return Report(
        suite="phyworld",
        model=model,
        seed=seed,
        n=n,
        command=f"tenku evaluate {model} --suite phyworld -n {n} --seed {seed}",
        seconds=time.perf_counter() - started,
        rows=(*rows, *_training_rows(found)),
        notes=(
            *(f"Published: {row}" for row in published_rows(found.law)),
            "Velocity error: the mean of |v − v̂| over the frames that are made, in world units a second; "
            "floor: true clips as the parser reads them. Frames with a ball that is not whole in the picture "
            "do not count; of a collision, what comes after the impact does, and a clip that shows none of "
            "that is left out. The error of mean velocity, which the published code prints, averages first.",
            f"Test clips are simulated from seed {_first_seed(seed)} on, at {found.facts['size']} pixels.",
        ),
    )


def group_of(model: PhyWorldModel, split: Split) -> str:
    """What a table calls the figures of a model and a split."""
    return f"{LAW_NAMES[model.law]}, {WAY_NAMES[model.facts['way']]} | {SPLIT_NAMES[split]}"


def _rows(model: PhyWorldModel, split: Split, n: int, seed: int) -> list[Row]:
    scored = _together(list(_score(model, split, n, seed)))
    assert scored.decoded is not None  # the first clips are
    group = group_of(model, split)

    def row(name: str, values: Floats, floor: Floats) -> Row:
        kept = values[~np.isnan(values)].tolist()
        return Row.of_mean(name, kept, "", float(np.nanmean(floor)), group)

    rows = [
        row(VELOCITY, scored.made.each, scored.true.each),
        row(MEAN_VELOCITY, scored.made.mean, scored.true.mean),
        row(AUTOENCODER, scored.decoded.each, scored.true.each[: len(scored.decoded.each)]),
        row(LOST, scored.made.lost, scored.true.lost),
    ]
    strange = np.array(scored.strange)
    for kind, name in STRANGE_NAMES.items():
        of_kind = strange == kind
        if not np.isnan(scored.made.each[of_kind]).all():
            rows.append(row(f"{VELOCITY}, {name}", scored.made.each[of_kind], scored.true.each[of_kind]))
    return rows


def _training_rows(model: PhyWorldModel) -> list[Row]:
    facts, networks = model.facts, model.model
    modules = [networks.planner, networks.denoiser]
    parameters = sum(p.numel() for module in modules if module is not None for p in module.parameters())
    if model.reader is not None:
        parameters += model.reader.weights.numel() + model.reader.biases.numel()
    figures = {
        PARAMETERS: parameters,
        FLOPS: sum(facts["flops"].values()),
        VIDEOS: facts["num_videos"],
        SEED: facts["seed"],
    }
    return [
        Row(name=name, value=float(value), low=float(value), high=float(value), n=1, group=TRAINING)
        for name, value in figures.items()
    ]


def _first_seed(seed: int) -> int:
    return FIRST_SEED + seed * SEEDS_PER_RUN


def _score(model: PhyWorldModel, split: Split, n: int, seed: int) -> Iterator[_Scored]:
    first = _first_seed(seed) + (0 if split == "id" else SEEDS_PER_RUN // 2)
    for start in range(0, n, _BATCH):
        seeds = range(first + start, first + min(n, start + _BATCH))
        motions = simulate(model.law, split, seeds)
        frames = draw(motions.positions, motions.radii, model.facts["size"])
        made = model.go_on(frames[:, :KNOWN_FRAMES], seed + start)
        few = motions.take(range(max(0, min(len(motions), _DECODED - start))))
        yield _Scored(
            _errors(made, motions),
            _errors(frames, motions),
            _errors(_decoded(model, frames[: len(few)]), few) if len(few) else None,
            motions.strange,
        )


def _errors(frames: Frames, motions: Motions) -> VelocityErrors:
    return velocity_errors(find_balls(frames, num_balls(motions.law)), motions)


@torch.inference_mode()
def _decoded(model: PhyWorldModel, frames: Frames) -> Frames:
    vae = model.model.vae
    return to_frames(vae.decode(vae.encode(from_pixels(frames))))


def _together(parts: list[_Scored]) -> _Scored:
    def joined(errors: list[VelocityErrors]) -> VelocityErrors:
        return VelocityErrors(
            np.concatenate([error.each for error in errors]),
            np.concatenate([error.mean for error in errors]),
            np.concatenate([error.lost for error in errors]),
        )

    return _Scored(
        joined([part.made for part in parts]),
        joined([part.true for part in parts]),
        joined([part.decoded for part in parts if part.decoded is not None]),
        tuple(word for part in parts for word in part.strange),
    )
