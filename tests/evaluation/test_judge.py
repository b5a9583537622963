from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.checkpoint import EMBEDDED
from tenku.errors import UserError
from tenku.evaluation import Judge, load_judge, parse_video
from tenku.evaluation.judge import JudgeConfig, save_judge, view_of
from tenku.evaluation.scoring import score
from tenku.worlds import SimulatedClip


def test_the_network_labels_every_cell_of_any_fitting_size() -> None:
    judge = Judge(JudgeConfig(widths=(4, 6, 8)))
    labels = judge(torch.zeros(2, 3, 96, 160))
    assert labels.thing.shape == (2, 48, 80)
    assert labels.colour.shape == (2, 8, 48, 80)
    assert labels.shape.shape == (2, 6, 48, 80)
    assert labels.offset.shape == (2, 2, 48, 80)


def test_pictures_are_seen_at_one_size() -> None:
    assert view_of(torch.zeros(1, 128, 128, 3, dtype=torch.uint8)).shape == (1, 128, 128, 3)
    assert view_of(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, 128, 128, 3)
    assert view_of(torch.zeros(1, 480, 854, 3, dtype=torch.uint8)).shape == (1, 128, 224, 3)


def test_a_judge_is_kept_and_loaded(tmp_path: Path) -> None:
    judge = Judge(JudgeConfig(widths=(4, 6, 8)))
    save_judge(tmp_path, judge, {"steps": 1})
    loaded = load_judge(tmp_path)
    assert loaded.config == judge.config
    assert torch.allclose(loaded.head.weight, judge.head.weight, atol=1e-2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judge.json", "judge.safetensors"]


def test_a_missing_or_broken_judge_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no judge in .*tenku train judge"):
        load_judge(tmp_path)
    save_judge(tmp_path, Judge(JudgeConfig(widths=(4, 6, 8))))
    (tmp_path / "judge.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match="cannot be read"):
        load_judge(tmp_path)


def test_the_packaged_judge_is_small() -> None:
    assert (EMBEDDED / "judge.safetensors").stat().st_size <= 1.5e6
    assert sum(parameter.numel() for parameter in load_judge().parameters()) <= 600_000


def test_the_packaged_judge_reads_true_clips(clips: list[SimulatedClip]) -> None:
    judge = load_judge()
    checks = [
        check
        for clip in clips
        for check in score(clip.description, parse_video(clip.frames, judge, clip.fps))
    ]
    for measure, least in (("colour", 0.97), ("shape", 0.93), ("count", 0.9), ("count constant", 0.9)):
        assert np.mean([check.right for check in checks if check.measure == measure]) >= least, measure
