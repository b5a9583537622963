from collections.abc import Iterator

import pytest
import torch

from tenku.training.metrics import Display, OutOfTimeError, TrainingProgress, announce, measure_matmul_peak
from tenku.training.trainer import StepLoss


def work(total: int) -> Iterator[tuple[int, int]]:
    for done in range(total + 1):
        yield done, total


def test_without_a_terminal_the_first_and_the_last_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    announce("clips", work(5), lambda: False)
    assert capsys.readouterr().err == "clips · 0/5\nclips · 5/5\n"
    announce("clips", work(5), lambda: False, show=False)
    assert capsys.readouterr().err == ""


def test_work_ends_when_time_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    steps = work(5)
    with pytest.raises(OutOfTimeError):
        announce("clips", steps, lambda: True)
    assert next(steps) == (1, 5)
    announce("clips", work(0), lambda: True)  # what is finished is finished in time
    assert capsys.readouterr().err.endswith("clips · 0/0\n")


def test_figures_are_of_all_ranks_and_not_smoothed(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("denoiser", 2) as display:
        progress = TrainingProgress(display, 2, peak=1e12, world_size=2)
        step = StepLoss(torch.zeros(()), num_clips=4, flops=1e12)
        assert progress.update(1, 3.0, step, seconds=2.0) == {
            "loss": 3.0,
            "clips_per_second": 4.0,
            "flops_per_second": 1e12,
        }
        assert progress.update(2, 1.0, step, seconds=2.0)["loss"] == 1.0
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "denoiser · 1/2 loss 3.0000 · 4.0 clips/s · 1.00 TFLOP/s (50% of matmul peak)"
    assert shown[1].startswith("denoiser · 2/2 loss 2.9000")


def test_flops_that_were_not_counted_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with Display("vae", 1) as display:
        progress = TrainingProgress(display, 1, peak=1e12, world_size=1)
        progress.update(1, 1.0, StepLoss(torch.zeros(()), num_clips=1, flops=0.0), seconds=1.0)
    assert "FLOP" not in capsys.readouterr().err


def test_the_peak_is_measured_once() -> None:
    assert measure_matmul_peak(0.01) == measure_matmul_peak(0.01) > 1e8
