"""A PhyWorld recipe, followed stage by stage in one folder."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from tenku.checkpoint import RUN_MODEL, Model, keep_freed_memory, save_model
from tenku.denoiser import Denoiser
from tenku.errors import UserError
from tenku.media import replacing
from tenku.pipeline.phyworld import BallReader, PhyWorldModel, law_text
from tenku.recipes.phyworld.recipe import MOST_VIDEOS, TEXT_SIZE, PhyWorldRecipe
from tenku.recipes.runs import Stop, check_folder, stopwatch
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.device import on_device, seeded
from tenku.training.metrics import OutOfTimeError, announce
from tenku.training.phyworld import PhyWorldDraftTask, PhyWorldLatentsTask, PhyWorldPlannerTask
from tenku.training.trainer import Task, Trainer, TrainerConfig
from tenku.vae import VideoAutoencoder, from_pixels
from tenku.worlds.phyworld import LAWS, Motions, draw, simulate

STAGES: Final = ("motions", "planner", "draft", "scales", "denoiser")

_HELD_OUT_SEED: Final = 500_000_000  # of clips that no stage trains on
_CHUNK: Final = 500
_FOR_PCA: Final = 3_000  # single frames that the linear path and the reader are fitted to


def follow_phyworld(
    recipe: PhyWorldRecipe,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    stages: Sequence[str] = STAGES,
    start: Model | None = None,
    device: str | None = None,
) -> PhyWorldModel:
    """Train a recipe's model in `output`; the finished one is also in `output/model`.

    What balls look like is the same in all laws: a model to start from, along tracks and of as many balls,
    gives its autoencoder, reader and draft, and only the planner is trained. OutOfTimeError after so many
    minutes; everything is saved then.
    """
    keep_freed_memory()
    check_folder(output, resume)
    plan = _Run(recipe, output, stopwatch(minutes), tuple(stages), _fitting_start(recipe, start))
    with on_device(device):
        return plan.follow()


def _fitting_start(recipe: PhyWorldRecipe, start: Model | None) -> PhyWorldModel | None:
    """A model to start from, if it can draw what the recipe's law needs."""
    if start is None:
        return None
    found, theirs = PhyWorldModel.of(start), start.denoiser.config
    fits = replace(theirs, channel_std=()) == recipe.denoiser and start.vae.config == recipe.vae
    if found is None or found.reader is None or not fits:
        raise UserError(
            f"the recipe for {recipe.law} cannot start from this model: it must go along tracks, with as "
            "many balls in as large pictures; leave out --from."
        )
    return found


@dataclass(frozen=True, slots=True)
class _Run:
    """One recipe being followed in one folder."""

    recipe: PhyWorldRecipe
    output: Path
    stop: Stop
    stages: tuple[str, ...]
    start: PhyWorldModel | None = None

    def follow(self) -> PhyWorldModel:
        """All stages in their order."""
        recipe = self.recipe
        motions = self._motions()
        held_out = simulate(recipe.law, "id", range(_HELD_OUT_SEED, _HELD_OUT_SEED + recipe.num_held_out))
        torch.manual_seed(recipe.seed)
        text_encoder = TextEncoder(
            TextEncoderConfig(vocabulary=LAWS, hidden_size=TEXT_SIZE, depth=1, num_heads=1, num_registers=1)
        )
        text_encoder.eval().requires_grad_(False)
        vae, channel_std, reader = self._fitted(motions)
        planner = None if recipe.planner is None else Denoiser(recipe.planner)
        denoiser = Denoiser(replace(recipe.denoiser, channel_std=channel_std))
        text = law_text(text_encoder, recipe.law, 1)
        model = Model(vae, text_encoder, planner, denoiser, recipe.sampling)
        made = PhyWorldModel(model, recipe.law, reader if recipe.way == "tracks" else None)
        flops: dict[str, float] = {}
        if planner is not None and denoiser.drafter is not None:
            task = PhyWorldPlannerTask(planner, text, motions, held_out, recipe.planner_task)
            flops["planner"] = self._train("planner", planner, task, recipe.planner_training)
            if self.start is not None:
                denoiser.load_state_dict(self.start.model.denoiser.state_dict())
                before = self.start.facts["flops"]
                flops |= {stage: before[stage] for stage in ("draft", "scales") if stage in before}
            else:
                drafted = (denoiser.drafter, vae, motions, held_out)
                draft = PhyWorldDraftTask(*drafted, recipe.draft_task)
                flops["draft"] = self._train("draft", denoiser.drafter, draft, recipe.draft_training)
                scales = PhyWorldDraftTask(*drafted, recipe.scales_task, "scales")
                flops["scales"] = self._train("scales", denoiser.drafter, scales, recipe.scales_training)
        else:
            alone = PhyWorldLatentsTask(denoiser, vae, text, motions, held_out, recipe.denoiser_task, made)
            flops["denoiser"] = self._train("denoiser", denoiser, alone, recipe.denoiser_training)
        denoiser.eval().requires_grad_(False)
        facts = {
            "law": recipe.law,
            "way": recipe.way,
            "size": recipe.size,
            "num_videos": recipe.num_videos,
            "seed": recipe.seed,
            "flops": flops,
            "reader": made.reader.to_facts() if made.reader is not None else None,
        }
        whole = replace(model, training={"phyworld": facts, "recipe": asdict(recipe)})
        save_model(self.output / RUN_MODEL, whole, torch.float32)
        return PhyWorldModel(whole, recipe.law, made.reader, facts)

    def _motions(self) -> Motions:
        """The clips to train on, simulated once."""
        recipe, folder = self.recipe, self.output / "motions"
        path = folder / "motions.npz"
        if not path.exists():
            if "motions" not in self.stages:
                raise UserError(
                    f"there are no motions in {str(self.output)!r}; follow the stage motions too."
                )
            parts: list[Motions] = []

            def work() -> Iterator[tuple[int, int]]:
                for first in range(0, recipe.num_videos, _CHUNK):
                    last = min(recipe.num_videos, first + _CHUNK)
                    offset = recipe.seed * MOST_VIDEOS
                    parts.append(simulate(recipe.law, "id", range(offset + first, offset + last)))
                    yield last, recipe.num_videos

            announce("motions", work(), self.stop)
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as unfinished, unfinished.open("wb") as file:
                np.savez(
                    file,
                    positions=np.concatenate([part.positions for part in parts]),
                    radii=np.concatenate([part.radii for part in parts]),
                )
        with np.load(path) as kept:
            positions, radii = kept["positions"], kept["radii"]
        return Motions(recipe.law, positions, radii, ("",) * len(radii))

    def _fitted(self, motions: Motions) -> tuple[VideoAutoencoder, tuple[float, ...], BallReader]:
        """The autoencoder's linear path and the reader, in closed form from first frames of clips."""
        recipe, start = self.recipe, self.start
        if start is not None and start.reader is not None and isinstance(start.model.vae, VideoAutoencoder):
            return start.model.vae, start.model.denoiser.config.channel_std, start.reader
        some = motions.take(range(min(_FOR_PCA, len(motions))))
        positions = some.positions[:, :1]
        video = from_pixels(draw(positions, some.radii, recipe.size))
        vae = VideoAutoencoder(recipe.vae)
        std = vae.initialise_from_pca(video, 0.0)
        vae.eval().requires_grad_(False)
        latents = torch.cat([vae.encode(part)[:, :, 0] for part in torch.split(video, _CHUNK)])
        reader = BallReader.fit(latents, torch.as_tensor(positions[:, 0]), torch.as_tensor(some.radii))
        return vae, std, reader

    def _train(self, stage: str, module: nn.Module, task: Task, config: TrainerConfig) -> float:
        """Train to the end, leave the averaged weights in the module, and return the FLOPs that it took."""
        trainer = Trainer(task, config, self.output / stage)
        trainer.resume()
        if stage in self.stages:
            trainer.run(self.stop)
        trainer.put_averages()
        if stage in self.stages and not trainer.finished:
            raise OutOfTimeError
        return trainer.step * task.loss(0, seeded(0)).flops
