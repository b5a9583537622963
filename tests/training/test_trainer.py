import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tenku.errors import UserError
from tenku.training.trainer import Trainer, TrainerConfig

SCRIPT = Path(__file__).with_name("train_reader.py")
reader_trainer: Callable[[Path, int], Trainer] = runpy.run_path(str(SCRIPT))["reader_trainer"]


def logged(folder: Path) -> list[dict[str, float]]:
    """What is in the log, but for how fast it went."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if "per_second" not in key} for line in lines
    ]


def state(trainer: Trainer) -> dict[str, Tensor]:
    weights = {f"weights.{name}": p.detach() for name, p in trainer.parameters.items()}
    return weights | {f"averages.{name}": value for name, value in trainer.averages.items()}


def assert_same(first: Trainer, second: Trainer) -> None:
    assert first.step == second.step
    for (name, value), other in zip(state(first).items(), state(second).values(), strict=True):
        assert torch.equal(value, other), name


def test_a_run_in_two_parts_is_the_run_in_one(tmp_path: Path) -> None:
    whole = reader_trainer(tmp_path / "whole", 6)
    whole.run()
    first = reader_trainer(tmp_path / "parts", 6)
    first.run(stop=lambda: first.step == 3)
    assert first.step == 3
    second = reader_trainer(tmp_path / "parts", 6)
    with torch.no_grad():
        for parameter in second.parameters.values():
            parameter.zero_()  # whatever it starts from is replaced
    assert second.resume()
    assert_same(second, first)
    second.run()
    assert_same(second, whole)
    assert logged(tmp_path / "parts") == logged(tmp_path / "whole")
    assert [line["step"] for line in logged(tmp_path / "whole")] == [1, 2, 3, 4, 5, 6, 6]
    assert not torch.equal(*list(state(whole).values())[:: len(state(whole)) // 2][:2])

    before = (tmp_path / "whole" / "checkpoint.pt").stat().st_mtime_ns
    whole.run()  # a finished stage is left alone
    assert (tmp_path / "whole" / "checkpoint.pt").stat().st_mtime_ns == before


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    with subprocess.Popen(
        [sys.executable, SCRIPT, folder, "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        log = folder / "metrics.jsonl"
        while process.poll() is None and (not log.exists() or log.read_text().count("\n") < 4):
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    with log.open("a") as file:
        file.write('{"step": 900, "loss": 1.0}\n{"step": 901, "lo')  # a step that was lost, a line cut off
    (folder / ".checkpoint.pt.0123abcd.partial").write_bytes(b"half a checkpoint")

    resumed = reader_trainer(folder, 1000)
    assert resumed.resume()
    assert resumed.step >= 2
    assert [line["step"] for line in logged(folder)] == list(range(1, resumed.step + 1))
    assert sorted(os.listdir(folder)) == ["checkpoint.pt", "metrics.jsonl"]
    resumed.train_step()
    whole = reader_trainer(tmp_path / "whole", 1000)
    while whole.step < resumed.step:
        whole.train_step()
    assert_same(resumed, whole)


@pytest.mark.slow
def test_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    """Each rank starts from another seed and draws its own captions."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    ended = subprocess.run(
        [*command, SCRIPT, tmp_path, "3"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    alone = reader_trainer(tmp_path / "alone", 3)
    while alone.step < 3:
        alone.train_step()
    assert not torch.equal(
        first["encoder.words.weight"], alone.task.module.state_dict()["encoder.words.weight"]
    )
    assert [line["step"] for line in logged(tmp_path)] == [1, 2, 3, 3]  # written by one of them


def test_what_is_not_finite_is_not_trained_on(tmp_path: Path) -> None:
    trainer = reader_trainer(tmp_path, 5)
    trainer.train_step()
    before = {name: value.clone() for name, value in state(trainer).items()}
    with torch.no_grad():
        next(iter(trainer.parameters.values())).view(-1)[0] = torch.nan
        trainer.task.module.encoder.words.weight[1:] = torch.nan
    with pytest.raises(UserError, match="the gradient of text's step 1 is not finite"):
        trainer.train_step()
    assert trainer.step == 1
    after = state(trainer)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("averages"))


def test_a_full_disk_leaves_the_checkpoint_that_was(tmp_path: Path) -> None:
    trainer = reader_trainer(tmp_path, 5)
    trainer.train_step()
    trainer.save()
    trainer.train_step()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(
            UserError, match=r"cannot write .*checkpoint\.pt: file too large; free some space"
        ):
            trainer.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["checkpoint.pt"]
    again = reader_trainer(tmp_path, 5)
    assert again.resume()
    assert again.step == 1


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_checkpoint_that_is_none(tmp_path: Path, content: bytes) -> None:
    trainer = reader_trainer(tmp_path, 5)
    assert not trainer.resume()
    trainer.checkpoint_path.write_bytes(content)
    with pytest.raises(UserError, match="does not fit this model"):
        trainer.resume()


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    trainer = reader_trainer(tmp_path, 5)
    torch.save({"weights": {}, "averages": {}, "optimizers": [], "step": 3}, trainer.checkpoint_path)
    with pytest.raises(UserError, match=r"does not fit this model \('encoder.*start again in another folder"):
        trainer.resume()


def test_averages_are_there_while_they_are_looked_at(tmp_path: Path) -> None:
    trainer = reader_trainer(tmp_path, 5)
    for _ in range(3):
        trainer.train_step()
    name, parameter = next(iter(trainer.parameters.items()))
    current = parameter.detach().clone()

    def look() -> Tensor:
        assert not trainer.task.module.training
        return parameter.detach().clone()

    assert torch.equal(trainer.with_averages(look), trainer.averages[name])
    assert torch.equal(parameter, current)
    assert trainer.task.module.training
    with pytest.raises(ZeroDivisionError):
        trainer.with_averages(lambda: 1 // 0)
    assert torch.equal(parameter, current)
    trainer.put_averages()
    assert torch.equal(parameter, trainer.averages[name])


def test_rates_rise_stay_and_fall() -> None:
    config = TrainerConfig(num_steps=100, warmup_steps=10, decay_share=0.4)
    rates = [config.lr_schedule(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[4] == pytest.approx(0.5)
    assert rates[9:61] == [1.0] * 52
    assert rates[80] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(1 / 40)
    assert all(first >= second for first, second in pairwise(rates[9:]))
    assert all(TrainerConfig(num_steps=1).lr_schedule(step) <= 1 for step in range(3))


def test_rates_fall_in_time_for_what_is_over_first() -> None:
    config = TrainerConfig(num_steps=1_000, warmup_steps=1, decay_share=0.4, seconds=60.0)
    assert [config.lr_schedule(step, 0.0) for step in (0, 500, 800)] == [1.0, 1.0, pytest.approx(0.5)]
    assert [config.lr_schedule(100, seconds) for seconds in (36.0, 48.0, 60.0, 61.0)] == pytest.approx(
        [1.0, 0.5, 0.0, 0.0]
    )
    assert config.lr_schedule(900, 48.0) == pytest.approx(0.25)


def test_a_run_is_at_its_end_when_its_seconds_are_over(tmp_path: Path) -> None:
    def timed(seconds: float) -> Trainer:
        trainer = reader_trainer(tmp_path / "run", 1_000)
        trainer.config = replace(trainer.config, seconds=seconds)
        return trainer

    first = timed(0.001)
    assert not first.finished
    first.run()
    assert first.step == 1
    assert first.finished
    second = timed(1_000.0)
    assert second.resume()
    assert second.seconds == first.seconds > 0  # they count on
    assert not second.finished
    second.run(stop=lambda: second.step == 3)
    assert second.seconds > first.seconds


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"num_steps": 0}, "at least 1"), ({"num_steps": 1, "decay_share": 2.0}, "between 0 and 1")],
)
def test_configurations_that_make_no_sense(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TrainerConfig(**wrong)  # type: ignore[arg-type]
