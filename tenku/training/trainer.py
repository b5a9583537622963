"""One training loop for every stage: a task gives losses, the loop does the rest; it may be killed any time.

Every random number of a step comes from (seed, step, rank), so a run that is resumed goes on with the very
numbers that it would have had. Under torchrun each rank draws its own clips and gradients are averaged.
"""

import json
import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from tenku.errors import UserError
from tenku.media import remove_unfinished, replacing
from tenku.training.device import seeded
from tenku.training.distributed import any_rank, average_gradients, copy_from_first_rank, join_world
from tenku.training.metrics import Display, TrainingProgress, measure_matmul_peak
from tenku.training.muon import Muon

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The loss of one step, the clips and floating-point operations behind it, and more figures to log."""

    loss: Tensor
    num_clips: int
    flops: float
    figures: dict[str, float] = field(default_factory=dict)


class Task(Protocol):
    """What a stage of training has to say to the loop."""

    @property
    def name(self) -> str:
        """What the stage is called."""
        ...

    @property
    def module(self) -> nn.Module:
        """What is trained: its parameters that require gradients."""
        ...

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Loss of a batch drawn from `generator` alone."""
        ...

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Whether a parameter is a matrix inside the network (Muon) or a vector, embedding or end (AdamW)."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Figures of the averaged weights, which are in `module` while this runs."""
        ...

    def save_samples(self, path: Path) -> None:
        """A contact sheet of the averaged weights, which are in `module` while this runs."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerConfig:
    """Length, learning rates and pace of a run: warm-up, constant, then linear decay over the last part.

    A run is at its end after `num_steps`, or after so many `seconds` of training if those are over first: its
    learning rate is lowered in time for either, but where it is then depends on the machine. Weight decay is
    for the matrices; `ema_decay` is that of the averaged weights, which are what is kept.
    """

    num_steps: int
    seconds: float = math.inf
    muon_lr: float = 1.5e-3
    adamw_lr: float = 5e-4
    weight_decay: float = 0.0
    warmup_steps: int = 50
    decay_share: float = 0.3
    ema_decay: float = 0.999
    gradient_clip: float = 1.0
    checkpoint_seconds: float = 120.0
    sample_steps: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {self.num_steps}")
        if not 0 <= self.decay_share <= 1:
            raise ValueError(f"decay_share must be between 0 and 1, not {self.decay_share}")

    def lr_schedule(self, step: int, seconds: float = 0.0) -> float:
        """The factor on both learning rates at a step, so many seconds after the first."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay_steps = max(1.0, self.decay_share * self.num_steps)
        left = min(1.0, (self.num_steps - step) / decay_steps)
        if self.decay_share and self.seconds < math.inf:
            left = min(left, (1 - seconds / self.seconds) / self.decay_share)
        return rise * max(0.0, left)


class Trainer:
    """Trains one task in `directory`: `checkpoint.pt`, `metrics.jsonl` (a line a step) and `samples/`."""

    def __init__(self, task: Task, config: TrainerConfig, directory: Path) -> None:
        self.task = task
        self.config = config
        self.directory = directory
        self.step = 0
        self.seconds = 0.0  # of training, evaluation and checkpoints left out
        self.rank, self.world_size = join_world()
        copy_from_first_rank(task.module.state_dict().values())
        self.parameters = {name: p for name, p in task.module.named_parameters() if p.requires_grad}
        self.averages = {name: p.detach().clone().float() for name, p in self.parameters.items()}
        self.optimizers = self._make_optimizers()
        self._base_lrs = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        directory.mkdir(parents=True, exist_ok=True)
        if self.rank == 0:
            remove_unfinished(directory)

    @property
    def finished(self) -> bool:
        """Whether the run is at its end."""
        if self.step >= self.config.num_steps or self.config.seconds == math.inf:
            return self.step >= self.config.num_steps
        return any_rank(self.step > 0 and self.seconds >= self.config.seconds)

    @property
    def checkpoint_path(self) -> Path:
        """Where the state that goes on is kept."""
        return _checkpoint_path(self.directory)

    def resume(self) -> bool:
        """Take up the last checkpoint; False if there is none, a `UserError` if it is another model's."""
        if not self.checkpoint_path.exists():
            return False
        with _read(self.checkpoint_path) as state, torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["weights"][name])
                self.averages[name].copy_(state["averages"][name])
            for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(values)
            self.step = state["step"]
            self.seconds = state.get("seconds", 0.0)
        self._forget_lost_steps()
        return True

    def save(self) -> None:
        """Write the checkpoint; the one before stays until the new one is whole."""
        if self.rank:
            return
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "weights": {name: p.detach() for name, p in self.parameters.items()},
            "averages": self.averages,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "config": asdict(self.config),
        }
        with replacing(self.checkpoint_path) as unfinished, unfinished.open("wb") as file:
            torch.save(state, file)

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Train to the end, or until `stop` says so; the checkpoint is saved in both cases."""
        config = self.config
        if self.finished:
            return
        saved = time.monotonic()
        with Display(self.task.name, config.num_steps, show=self.rank == 0) as display:
            progress = TrainingProgress(display, config.num_steps, measure_matmul_peak(), self.world_size)
            while not self.finished and not any_rank(stop()):
                started = time.monotonic()
                result, gradient_norm = self.train_step()
                seconds = time.monotonic() - started
                self.seconds += seconds
                figures = progress.update(self.step, float(result.loss.detach()), result, seconds)
                self._log({"step": self.step, "gradient_norm": gradient_norm, **figures, **result.figures})
                if self.step % config.sample_steps == 0 or self.finished:
                    self._look(display)
                if time.monotonic() - saved > config.checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def train_step(self) -> tuple[StepLoss, float]:
        """One optimisation step; returns its loss and the gradient's norm before clipping."""
        generator = seeded((self.config.seed * 1_000_003 + self.step) * 4_099 + self.rank)
        factor = self.config.lr_schedule(self.step, self.seconds)
        for optimizer, lrs in zip(self.optimizers, self._base_lrs, strict=True):
            for group, lr in zip(optimizer.param_groups, lrs, strict=True):
                group["lr"] = lr * factor
        self.task.module.train()
        result = self.task.loss(self.step, generator)
        result.loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(self.parameters.values())
        norm = float(nn.utils.clip_grad_norm_(self.parameters.values(), self.config.gradient_clip))
        if not math.isfinite(norm):
            raise UserError(
                f"the gradient of {self.task.name}'s step {self.step} is not finite; the last checkpoint is "
                "kept: go on from there with lower learning rates."
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._update_averages()
        return result, norm

    def with_averages(self, action: Callable[[], T]) -> T:
        """The result of `action` while the averaged weights are in the module."""
        current = {name: p.detach().clone() for name, p in self.parameters.items()}
        self.put_averages()
        try:
            with torch.no_grad():
                return action()
        finally:
            self._put(current)
            self.task.module.train()

    def put_averages(self) -> None:
        """Leave the averaged weights in the module, to be used."""
        self._put(self.averages)
        self.task.module.eval()

    def _make_optimizers(self) -> list[torch.optim.Optimizer]:
        config, parameters = self.config, self.parameters
        matrices = [p for name, p in parameters.items() if self.task.uses_muon(name, p)]
        chosen = {id(p) for p in matrices}
        rest = [p for p in parameters.values() if id(p) not in chosen]
        optimizers: list[torch.optim.Optimizer] = []
        if matrices:
            optimizers.append(Muon(matrices, config.muon_lr, weight_decay=config.weight_decay))
        if rest:
            optimizers.append(torch.optim.AdamW(rest, config.adamw_lr, betas=(0.9, 0.95), weight_decay=0))
        return optimizers

    def _put(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(values[name])

    def _look(self, display: Display) -> None:
        """Log the figures of the averaged weights and save their samples."""
        if self.rank:
            return
        figures = self.with_averages(self.task.evaluate)
        self._log({"step": self.step, **figures})
        display.note(f"step {self.step}: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items()))
        path = self.directory / "samples" / f"{self.step:07d}.png"
        path.parent.mkdir(exist_ok=True)
        self.with_averages(lambda: self.task.save_samples(path))

    def _update_averages(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(
            list(self.averages.values()), [p.detach().float() for p in self.parameters.values()], 1 - decay
        )

    def _log(self, figures: dict[str, float]) -> None:
        if self.rank == 0:
            with self._metrics_path.open("a") as file:
                file.write(json.dumps(figures) + "\n")

    def _forget_lost_steps(self) -> None:
        """Take out of the log what came after the checkpoint: those steps will be made and logged again."""
        if self.rank or not self._metrics_path.exists():
            return
        lines = self._metrics_path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if (step := _step_of(line)) is not None and step <= self.step]
        if kept != lines:
            with replacing(self._metrics_path) as unfinished:
                unfinished.write_text("".join(kept))

    @property
    def _metrics_path(self) -> Path:
        return self.directory / "metrics.jsonl"


def put_trained(module: nn.Module, directory: Path) -> None:
    """Put the averaged weights of a run in `directory`, if there are any, into the module that it trained."""
    path = _checkpoint_path(directory)
    if path.exists():
        with _read(path) as state, torch.no_grad():
            for name, average in state["averages"].items():
                module.get_parameter(name).copy_(average)


def _checkpoint_path(directory: Path) -> Path:
    return directory / "checkpoint.pt"


@contextmanager
def _read(path: Path) -> Iterator[dict[str, Any]]:
    """What a checkpoint holds; a `UserError` if it is not whole, or does not fit where it is put."""
    try:
        yield torch.load(path, map_location="cpu", weights_only=True)
    except (AttributeError, KeyError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} does not fit this model ({reason}); start again in another folder."
        ) from error


def _step_of(line: str) -> int | None:
    """The step of a line of the log; None if a kill has cut it off."""
    try:
        step: int = json.loads(line)["step"]
    except ValueError:
        return None
    return step if line.endswith("\n") else None


def is_matrix(name: str, parameter: nn.Parameter, ends: Iterable[str]) -> bool:
    """Whether a parameter has rows and columns and belongs to none of the modules named in `ends`."""
    return parameter.ndim >= 2 and not any(name.startswith(end) for end in ends)
