"""A scaling recipe, followed run by run in one folder."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import torch

from tenku.checkpoint import Model, keep_freed_memory, load_model
from tenku.data.clips import make_clips
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.denoiser import Drafter
from tenku.errors import UserError
from tenku.evaluation.scaling import LEAST_RUNS, LawFit, fit_isoflops, fit_law
from tenku.recipes.runs import Stop, check_folder, keep_autoencoder, stopwatch
from tenku.recipes.scaling.recipe import DrafterSize, PlannedRun, ScalingRecipe
from tenku.recipes.scaling.records import (
    Prediction,
    RunRecord,
    read_prediction,
    read_records,
    write_prediction,
    write_records,
)
from tenku.recipes.scaling.weights import WEIGHTS_FILE, save_drafter
from tenku.training.device import on_device
from tenku.training.distributed import join_world
from tenku.training.metrics import OutOfTimeError, announce
from tenku.training.scaling import HeldOutDrafts, ScalingTask, positions_per_step
from tenku.training.trainer import Trainer, put_trained
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig

_VAE: Final = "vae"
_RUNS: Final = "runs"


def follow_scaling(
    recipe: ScalingRecipe,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    workers: int | None = None,
    start: Model | None = None,
    device: str | None = None,
) -> list[RunRecord]:
    """Train every run of a recipe in `output` and return their records, the last and largest run's last.

    `output` may be the folder of an embedded run, with `resume`: its clips, its autoencoder and its latents
    are used then. Else the autoencoder is that of the model `start`, the embedded one unless said. What the
    last run will reach is written to `prediction.json` before it begins, and stays as it was written.
    OutOfTimeError after so many minutes; finished runs, and what there is of the one begun, are kept.
    """
    keep_freed_memory()
    if join_world()[1] > 1:
        raise UserError("the runs of a scaling law are made on one device; start them without torchrun.")
    check_folder(output, resume)
    stop = stopwatch(minutes)
    with on_device(device):
        run = _Run(recipe, output, stop, *_data(recipe, output, stop, workers or os.cpu_count() or 1, start))
        return run.follow()


def load_autoencoder(
    config: VideoAutoencoderConfig, output: Path, start: Model | None = None
) -> tuple[VideoAutoencoder, tuple[float, ...]]:
    """The autoencoder that latents in a folder are made with, and how latents spread by channel.

    It is put there if there is none, as an embedded run does it, which can thus go on in the same folder.
    """
    path = output / _VAE / "initial.pt"
    torch.manual_seed(0)
    vae = VideoAutoencoder(config)
    try:
        if path.exists():
            state = torch.load(path, weights_only=True, map_location=torch.get_default_device())
            vae.load_state_dict(state["vae"])
            put_trained(vae, output / _VAE)
            std = tuple(state["std"])
        else:
            model = start or load_model("embedded")
            # Blocks of a deeper decoder are zero at the start.
            vae.load_state_dict(model.vae.state_dict(), strict=False)
            std = tuple(model.denoiser.config.channel_std)
            keep_autoencoder(path, vae, std)
    except RuntimeError as error:
        raise UserError(
            "the autoencoder to start from has another shape than the recipe's; start from another model, or "
            "in another folder."
        ) from error
    return vae.eval().requires_grad_(False), std


def _data(
    recipe: ScalingRecipe, output: Path, stop: Stop, workers: int, start: Model | None
) -> tuple[VideoAutoencoder, tuple[float, ...], list[LatentBucket], HeldOutDrafts]:
    """The autoencoder, how latents spread, what runs train on and what they are measured on."""
    clips, latents = output / "clips", output / "latents"
    announce("clips", make_clips(clips, recipe.buckets, workers), stop)
    vae, channel_std = load_autoencoder(recipe.vae, output, start)
    announce("latents", encode_clips(vae, clips, latents, recipe.buckets), stop)
    training, held_out = [], []
    for bucket in recipe.buckets:
        first = recipe.num_kept_back(bucket)
        training.append(load_latents(clips, latents, bucket, first=first))
        held_out.append(load_latents(clips, latents, bucket, stop=first))
    kept = HeldOutDrafts.of(_present(held_out), vae, recipe.tracks)
    return vae, channel_std, _present(training), kept


def _present(buckets: Sequence[LatentBucket | None]) -> list[LatentBucket]:
    return [bucket for bucket in buckets if bucket is not None]


@dataclass(frozen=True, slots=True)
class _Run:
    """One recipe being followed in one folder."""

    recipe: ScalingRecipe
    output: Path
    stop: Stop
    vae: VideoAutoencoder
    channel_std: tuple[float, ...]
    training: list[LatentBucket]
    held_out: HeldOutDrafts
    _costs: dict[DrafterSize, tuple[int, float]] = field(default_factory=dict)

    def follow(self) -> list[RunRecord]:
        """All runs that are fitted, the fit, and the run that it is tried on."""
        planned = self._planned()
        for number, run in enumerate(planned):
            self._train(run, f"{number + 1}/{len(planned)}")
        records = [record for record in read_records(self.output) if not record.final]
        prediction = read_prediction(self.output)
        if prediction is None:
            prediction = self._predict(records)
            write_prediction(self.output, prediction, asdict(self.recipe))
        print(prediction.sentence())
        self._train(prediction.run, "last", final=True)
        return read_records(self.output)

    def _planned(self) -> list[PlannedRun]:
        """The runs that are fitted, the cheapest first."""
        planned = [
            self.recipe.plan(size, *self._cost(size), budget, seed)
            for budget, seed in self.recipe.seeds()
            for size in self.recipe.sizes
        ]
        return [run for run in planned if run is not None]

    def _predict(self, records: Sequence[RunRecord]) -> Prediction:
        """What the size that the law thinks best for the last budget will reach."""
        points = [record.point() for record in records]
        if len(points) < LEAST_RUNS:
            raise UserError(
                f"{len(points)} runs are too few for a law, which takes {LEAST_RUNS}; let them cost more."
            )
        fit = fit_law(points)
        run = self._best_run(fit)
        parameters = self._cost(run.size)[0]
        return Prediction(
            run=run,
            num_parameters=parameters,
            loss=fit.predict(parameters, run.positions),
            loss_of_nothing=self.held_out.loss_of_nothing(),
            fit=fit,
            frontier=fit_isoflops(points, fit.noise),
        )

    def _best_run(self, fit: LawFit) -> PlannedRun:
        """Of the runs that the last budget allows, the one that the law gives the least loss."""
        budget = self.recipe.final_budget
        allowed = [self.recipe.plan(size, *self._cost(size), budget) for size in self.recipe.sizes]
        runs = [run for run in allowed if run is not None]
        if not runs:
            raise UserError(
                f"no size of the recipe can be trained with {budget:.3g} FLOPs; give it more sizes, or let "
                "runs see more positions."
            )
        return min(runs, key=lambda run: fit.law.loss(self._cost(run.size)[0], run.positions))

    def _drafter(self, size: DrafterSize) -> Drafter:
        return Drafter(size.tracks(self.recipe.tracks), self.channel_std, self.recipe.draft_depth)

    def _cost(self, size: DrafterSize) -> tuple[int, float]:
        """Parameters, and FLOPs of training on one position."""
        if size not in self._costs:
            with torch.device("meta"):
                drafter = self._drafter(size)
            parameters = sum(parameter.numel() for parameter in drafter.parameters())
            self._costs[size] = parameters, drafter.training_flops(1)
        return self._costs[size]

    def _train(self, run: PlannedRun, place: str, *, final: bool = False) -> None:
        """Train a run, unless it is done: its weights, then its line."""
        records = read_records(self.output)
        folder = self.output / _RUNS / run.name
        if any(record.name == run.name for record in records):
            (folder / "checkpoint.pt").unlink(missing_ok=True)
            return
        print(f"run {place}: {run.size.name}, {run.budget:.3g} FLOPs, seed {run.seed}", flush=True)
        torch.manual_seed(1_000 + run.seed)
        drafter = self._drafter(run.size)
        config = run.task(self.recipe.draft_task)
        task = ScalingTask(drafter, self.vae, self.training, self.held_out, config)
        training = self.recipe.training_of(run, positions_per_step(self.training, config))
        trainer = Trainer(task, training, folder)
        trainer.resume()
        trainer.run(self.stop)
        trainer.put_averages()
        if not trainer.finished:
            raise OutOfTimeError
        flops, positions = _spent(folder / "metrics.jsonl")
        record = RunRecord(
            name=run.name,
            size=run.size,
            budget=run.budget,
            seed=run.seed,
            num_parameters=self._cost(run.size)[0],
            flops=flops,
            positions=positions,
            epochs=positions / sum(_in_all(bucket) for bucket in self.training),
            positions_per_step=run.batch,
            steps=trainer.step,
            seconds=trainer.seconds,
            loss=self.held_out.loss(drafter),
            device=_device_name(),
            final=final,
        )
        save_drafter(folder / WEIGHTS_FILE, drafter)
        write_records(self.output, [*records, record])
        # The optimiser's state of every run together would be larger than all clips.
        trainer.checkpoint_path.unlink(missing_ok=True)
        print(f"run {place}: loss {record.loss:.5f} after {record.seconds:.0f} s", flush=True)


def _in_all(bucket: LatentBucket) -> int:
    """Positions of all clips of a bucket."""
    return sum(chunk.size // chunk.shape[1] for chunk in bucket.chunks)


def _spent(metrics: Path) -> tuple[float, float]:
    """FLOPs and positions of all steps of a log."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    flops, positions = (sum(line.get(name, 0.0) for line in lines) for name in ("flops", "positions"))
    return flops, positions


def _device_name() -> str:
    device = torch.get_default_device()
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads"
