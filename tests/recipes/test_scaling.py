import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tenku import recipes
from tenku.denoiser import Drafter
from tenku.errors import UserError
from tenku.media import read_picture
from tenku.recipes.embedded import clips, pictures
from tenku.recipes.scaling import (
    WEIGHTS_FILE,
    ScalingRecipe,
    follow_scaling,
    load_drafter,
    read_prediction,
    read_records,
    scaling,
    tiny_scaling,
)
from tenku.training.metrics import OutOfTimeError
from tenku.training.trainer import Trainer

ROOT = Path(__file__).parents[2]


def smallest() -> ScalingRecipe:
    """Eight runs of a few steps, and the last."""
    recipe = tiny_scaling()
    return replace(
        recipe,
        buckets=(
            pictures("picture", 64, 64, 32, 1_000_000, clips_per_chunk=16),
            clips("clip", 5, 64, 64, 8, 4_000_000, clips_per_chunk=4),
        ),
        budgets=(1e8, 4e8),
        num_seeds=(1, 2),
        final_budget=1.6e9,
        wished_steps=5,
        fewest_steps=2,
        fewest_positions=32,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("scaling") / "run"
    follow_scaling(smallest(), output, workers=1)
    return output


def test_every_run_is_recorded_with_what_it_cost(finished: Path) -> None:
    recipe, records = smallest(), read_records(finished)
    assert [record.budget for record in records] == [1e8] * 3 + [4e8] * 6 + [1.6e9]
    assert [record.final for record in records] == [False] * 9 + [True]
    for record in records:
        assert record.seconds > 0
        assert 0 < record.loss < 2
        assert record.num_parameters > 1_000
        assert record.device.endswith("CPU threads")
        config = record.size.tracks(recipe.tracks)
        assert record.flops == pytest.approx(
            record.positions * Drafter(config, (1.0,) * 48, recipe.draft_depth).training_flops(1)
        )
    spent, planned = (sum(values) for values in zip(*((r.flops, r.budget) for r in records), strict=True))
    assert spent == pytest.approx(planned, rel=0.4)  # steps are of whole clips, and few
    first, again = records[3], records[6]
    assert (first.size, first.seed, again.seed) == (again.size, 0, 1)
    assert first.loss != again.loss


def test_the_weights_of_every_run_are_kept(finished: Path) -> None:
    for record in read_records(finished):
        folder = finished / "runs" / record.name
        drafter = load_drafter(folder / WEIGHTS_FILE)
        assert sum(p.numel() for p in drafter.parameters()) == record.num_parameters
        assert drafter.out.weight.any()  # which is zero at the start
        assert not (folder / "checkpoint.pt").exists()
    with pytest.raises(UserError, match="there is no drafter in"):
        load_drafter(finished / "nothing.safetensors")


def test_what_is_predicted_comes_true_or_not_but_is_told(finished: Path) -> None:
    prediction, last = read_prediction(finished), read_records(finished)[-1]
    assert prediction is not None
    assert (prediction.run.size, prediction.run.budget) == (last.size, 1.6e9)
    assert prediction.fit.num_points == 9
    assert prediction.loss.low <= prediction.loss.value <= prediction.loss.high
    assert prediction.loss_of_nothing == pytest.approx(last.loss, rel=0.3)  # a few steps teach little
    assert [curve.budget for curve in prediction.frontier.isoflops] == [1e8, 4e8]


def test_a_run_that_was_stopped_goes_on_and_keeps_its_prediction(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of the last run."""
    (tmp_path / "clips").symlink_to(finished / "clips")
    (tmp_path / "latents").symlink_to(finished / "latents")
    run, calls = Trainer.run, []

    def killed(self: Trainer, *arguments: Any) -> None:
        calls.append(self.directory.name)
        if len(calls) == 10:
            self.train_step()
            self.save()
            raise KeyboardInterrupt
        run(self, *arguments)

    monkeypatch.setattr(Trainer, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        follow_scaling(smallest(), tmp_path, resume=True, workers=1)
    before = (tmp_path / "prediction.json").read_bytes()
    assert not any(record.final for record in read_records(tmp_path))
    monkeypatch.setattr(Trainer, "run", run)
    records = follow_scaling(smallest(), tmp_path, resume=True, workers=1)
    assert (tmp_path / "prediction.json").read_bytes() == before
    whole = read_records(finished)
    assert [r.name for r in records] == [r.name for r in whole]
    assert [r.steps for r in records] == [r.steps for r in whole]
    np.testing.assert_allclose([r.loss for r in records], [r.loss for r in whole], rtol=1e-4)
    follow_scaling(smallest(), tmp_path, resume=True, workers=1)  # has nothing to do
    assert read_records(tmp_path) == records


def test_time_runs_out_between_runs(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").symlink_to(finished / "clips")
    with pytest.raises(OutOfTimeError):
        follow_scaling(smallest(), tmp_path, resume=True, workers=1, minutes=1e-9)
    assert read_records(tmp_path) == []


def test_the_page_is_written(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scaling", str(finished), "--docs", str(tmp_path)])
    runpy.run_path(str(ROOT / "scripts/scaling"), run_name="__main__")
    page = (tmp_path / "scaling.md").read_text()
    for record in read_records(finished):
        assert f"{record.loss:.5f}" in page
    prediction = read_prediction(finished)
    assert prediction is not None
    assert f"{prediction.loss.low:.5f}–{prediction.loss.high:.5f}" in page
    assert "16 pictures and 4 clips" in page
    assert read_picture(tmp_path / "images" / "scaling.png").std() > 10
    sheet = read_picture(tmp_path / "images" / "scaling-samples.png")
    assert sheet.shape[0] > 4 * 64


@pytest.mark.parametrize(("gpu", "largest"), [(True, None), (True, 1.35e14), (False, None)])
def test_every_budget_has_three_sizes_and_the_last_costs_four_times_the_largest(
    gpu: bool, largest: float | None
) -> None:
    recipe = scaling(gpu=gpu, largest=largest)
    assert len(recipe.budgets) >= 4
    assert recipe.final_budget == 4 * recipe.budgets[-1]
    for budget in (*recipe.budgets, recipe.final_budget):
        planned = []
        for size in recipe.sizes:
            with torch.device("meta"):
                drafter = Drafter(size.tracks(recipe.tracks), (1.0,) * 48, recipe.draft_depth)
            parameters, flops = sum(p.numel() for p in drafter.parameters()), drafter.training_flops(1)
            run = recipe.plan(size, parameters, flops, budget)
            if run is not None:
                planned.append(run)
                assert run.positions * flops == pytest.approx(budget)
                assert run.positions / run.batch >= recipe.fewest_steps
                assert recipe.fewest_positions <= run.batch <= recipe.draft_task.positions_per_step
        assert len(planned) >= 3


def test_steps_learning_rates_warm_up_and_averages_follow_from_the_length() -> None:
    recipe = replace(tiny_scaling(), usual_steps=12)
    run = recipe.plan(recipe.sizes[0], 10**6, 1e5, recipe.budgets[-1], seed=2)
    assert run is not None
    config = recipe.training_of(run, positions_per_step=1_000)
    assert config.num_steps == round(recipe.budgets[-1] / 1e5 / 1_000) == 48
    assert config.seed == 2
    assert config.muon_lr == pytest.approx(recipe.training.muon_lr / 2)
    assert config.adamw_lr == pytest.approx(recipe.training.adamw_lr / 2)
    assert config.warmup_steps == 4
    assert config.ema_decay == pytest.approx(1 - 1 / 2.4)
    assert recipe.plan(recipe.sizes[0], 10**6, 1e9, recipe.budgets[-1]) is None  # hardly a step
    assert recipe.plan(recipe.sizes[0], 10**3, 1.0, recipe.budgets[-1]) is None  # no end of data


def test_mistakes_are_told(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leave out --steps and --stage"):
        recipes.run("scaling", tmp_path, resume=False, minutes=None, steps=3)
    with pytest.raises(UserError, match="--flops belongs to scaling"):
        recipes.run("tiny", tmp_path, resume=False, minutes=None, steps=1, flops=1e13)
    with pytest.raises(UserError, match="as large as they are"):
        recipes.run("scaling-tiny", tmp_path, resume=False, minutes=None, steps=None, flops=1e13)
    with pytest.raises(UserError, match="already holds something"):
        follow_scaling(smallest(), finished)
    with pytest.raises(UserError, match="no size of the recipe can be trained with"):
        follow_scaling(
            replace(smallest(), most_per_parameter=0),
            _without_the_last(finished, tmp_path),
            resume=True,
            workers=1,
        )
    with pytest.raises(ValueError, match="must cost more than any"):
        replace(smallest(), final_budget=1e8)
    with pytest.raises(ValueError, match="three different sizes"):
        replace(smallest(), sizes=smallest().sizes[:2])
    (tmp_path / "scaling.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="start the scaling runs in another folder"):
        read_records(tmp_path)


def _without_the_last(finished: Path, folder: Path) -> Path:
    """A copy of a run as it was before anything was predicted."""
    for name in ("clips", "latents", "vae"):
        (folder / name).symlink_to(finished / name)
    lines = (finished / "scaling.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not json.loads(line)["final"]]
    (folder / "scaling.jsonl").write_text("".join(kept))
    return folder
