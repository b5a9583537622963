import json
from pathlib import Path

import pytest

from tenku import recipes
from tenku.errors import UserError
from tenku.evaluation import evaluate
from tenku.recipes.phyworld import phyworld, run


def train(name: str, output: Path, steps: int = 2, **options: int | bool) -> None:
    """The whole way, with small pictures."""
    run(name, output, steps=steps, num_videos=60, size=32, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["phyworld-collision", "phyworld-parabola-latents"])
def test_a_recipe_becomes_a_model_that_is_measured(name: str, tmp_path: Path) -> None:
    train(name, tmp_path / "run", seed=3)
    report = evaluate(str(tmp_path / "run"), "phyworld", 4, 1)
    group = next(row.group for row in report.rows if row.name == "velocity error")
    row = report.row("velocity error", group)
    assert row.floor is not None
    assert row.floor < 0.03
    assert row.value > row.floor  # two steps teach nothing
    assert report.row("true clips, through the autoencoder", group).value < 0.04
    assert report.row("training videos", "training").value == 60
    assert report.row("training seed", "training").value == 3
    assert report.row("training FLOPs", "training").value > 1e9
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["training"]["recipe"]["num_videos"] == 60


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    train("phyworld-parabola", tmp_path, steps=1)
    before = (tmp_path / "motions" / "motions.npz").stat().st_mtime_ns
    train("phyworld-parabola", tmp_path, steps=2, resume=True)
    assert (tmp_path / "motions" / "motions.npz").stat().st_mtime_ns == before
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "draft" / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(steps) == 2


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no recipe 'phyworld-orbit'"):
        train("phyworld-orbit", tmp_path)
    with pytest.raises(UserError, match="cannot start from this model"):
        recipes.run("phyworld-uniform", tmp_path, resume=False, minutes=None, steps=1, start="embedded")
    with pytest.raises(UserError, match="--videos and --seed belong to PhyWorld"):
        recipes.run("tiny", tmp_path, resume=False, minutes=None, steps=1, videos=5)
    with pytest.raises(UserError, match="there is no stage 'latents'"):
        run("phyworld-uniform", tmp_path, stages=["latents"])
    with pytest.raises(UserError, match="choose a multiple"):
        phyworld("uniform", size=60)
    with pytest.raises(UserError, match="cannot be learned from 0 videos"):
        phyworld("uniform", num_videos=0)


def test_larger_pictures_have_a_token_a_frame_too() -> None:
    recipe = phyworld("uniform", "latents", size=128)
    assert recipe.denoiser.patch_size == (1, 16, 16)
