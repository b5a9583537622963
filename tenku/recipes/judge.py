"""The judge: how the network that reads videos back is made."""

from dataclasses import asdict
from pathlib import Path

import torch

from tenku.checkpoint import keep_freed_memory
from tenku.evaluation.judge import Judge, JudgeConfig, save_judge
from tenku.recipes.runs import Stop, check_folder, stopwatch
from tenku.training.device import on_device
from tenku.training.judge import JudgeTask, JudgeTaskConfig, simulate_pictures
from tenku.training.trainer import Trainer, TrainerConfig


def train_judge(
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    task_config: JudgeTaskConfig | None = None,
    device: str | None = None,
) -> Path:
    """Simulate frames, train the judge on them, and return the folder with its weights: `output`/model."""
    keep_freed_memory()
    check_folder(output, resume)
    stop = stopwatch(minutes)
    with on_device(device):
        return _train(output, resume, stop, steps, task_config or JudgeTaskConfig())


def _train(output: Path, resume: bool, stop: Stop, steps: int | None, config: JudgeTaskConfig) -> Path:
    trainer_config = TrainerConfig(
        num_steps=steps or 2000, muon_lr=2e-3, adamw_lr=1e-3, ema_decay=0.995, sample_steps=400
    )
    torch.manual_seed(trainer_config.seed)
    judge = Judge(JudgeConfig())
    pictures = simulate_pictures(output / "pictures", config)
    task = JudgeTask(judge, pictures, simulate_pictures(output / "pictures", config, held_out=True), config)
    trainer = Trainer(task, trainer_config, output)
    if resume:
        trainer.resume()
    trainer.run(stop)
    figures = trainer.with_averages(task.evaluate)
    training = {"task": asdict(config), "trainer": asdict(trainer_config), "steps": trainer.step, **figures}
    trainer.with_averages(lambda: save_judge(output / "model", judge, training))
    return output / "model"
