from pathlib import Path

import pytest
import torch

from tenku.evaluation.judge import CELL, Judge, JudgeConfig, load_judge
from tenku.recipes.judge import train_judge
from tenku.training.judge import (
    JudgeTask,
    JudgeTaskConfig,
    Pictures,
    degrade,
    mirrored,
    pictures_of,
    simulate_pictures,
    target_of,
)
from tenku.worlds import WorldConfig, simulate_clip

TINY = JudgeTaskConfig(num_clips=0, num_pictures=24, num_held_out_clips=1, frames_per_clip=3, batch_size=4)


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    world = WorldConfig(pairs="any", object_counts={2: 1.0}, cut_probability=0.0)
    return pictures_of(simulate_clip(41_500_000, num_frames=9, fps=8, world=world, with_truth=True))


def test_offsets_lead_from_every_cell_to_the_middle_of_its_object(pictures: Pictures) -> None:
    target = target_of(pictures)
    n, y, x = (values[0] for values in torch.where(target.thing > 0))
    place = torch.stack([x, y]) * CELL + target.offset[n, :, y, x]
    assert torch.allclose(place, pictures.centres[n, pictures.instance[n, y, x].long()], atol=1e-3)
    assert (target.weight > 0).equal(target.thing > 0)


def test_objects_weigh_less_by_cell_the_larger_they_are(pictures: Pictures) -> None:
    target = target_of(pictures)
    for frame in range(len(pictures.frames)):
        sizes = [(pictures.instance[frame] == index).sum() for index in range(2)]
        if min(sizes) > 8:
            weights = [target.weight[frame][pictures.instance[frame] == index][0] for index in range(2)]
            assert (sizes[0] > sizes[1]) == (weights[0] < weights[1])


def test_mirroring_twice_changes_nothing(pictures: Pictures) -> None:
    twice = mirrored(mirrored(pictures))
    assert all(torch.allclose(a, b) for a, b in zip(twice, pictures, strict=True))
    assert not mirrored(pictures).frames.equal(pictures.frames)


def test_degrading_is_slight_and_the_same_for_the_same_generator(pictures: Pictures) -> None:
    frames = pictures.frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    worse, again = (degrade(frames, torch.Generator().manual_seed(3)) for _ in range(2))
    assert worse.equal(again)
    assert worse.abs().max() <= 1
    assert 0.001 < (worse - frames).abs().mean() < 0.15


def test_a_step_gives_a_loss_and_figures(pictures: Pictures) -> None:
    task = JudgeTask(Judge(JudgeConfig(widths=(4, 6, 8))), pictures, pictures, TINY)
    result = task.loss(0, torch.Generator().manual_seed(0))
    assert result.loss.isfinite()
    assert set(result.figures) == {"thing", "colour", "shape", "offset"}
    assert set(task.evaluate()) == {"overlap", "colour", "shape", "centre_error_px"}


def test_pictures_are_kept_for_the_next_run(tmp_path: Path) -> None:
    first, again = (simulate_pictures(tmp_path, TINY) for _ in range(2))
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))
    assert first.frames.shape == (24, 128, 128, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures-00000.pt"]


def test_the_recipe_leaves_a_judge(tmp_path: Path) -> None:
    folder = train_judge(tmp_path, steps=2, task_config=TINY)
    assert load_judge(folder).config == JudgeConfig()
    assert (tmp_path / "checkpoint.pt").exists()
    assert train_judge(tmp_path, steps=2, resume=True, task_config=TINY) == folder
