"""From nothing to a file: simulate, encode, train every stage for two steps, save, generate, write, read."""

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.checkpoint import load_model
from tenku.denoiser import DenoiserConfig
from tenku.errors import UserError
from tenku.media import read_video, write_video
from tenku.pipeline import GenerationRequest, TextToVideoPipeline
from tenku.recipes import EmbeddedRecipe, embedded, follow, tiny
from tenku.recipes import run as run_recipe
from tenku.recipes.embedded import clips, pictures
from tenku.training.metrics import OutOfTimeError
from tenku.vae import VideoAutoencoderConfig


def smallest() -> EmbeddedRecipe:
    """The tiny recipe with next to nothing of anything."""
    recipe = tiny()
    return replace(
        recipe,
        buckets=(
            pictures("picture", 32, 32, 4, 100, clips_per_chunk=2),
            clips("clip", 5, 32, 32, 4, 200, clips_per_chunk=2),
        ),
        held_out=clips("held_out", 5, 32, 32, 1, 300, clips_per_chunk=1),
        vae=VideoAutoencoderConfig(
            latent_channels=6, decoder_width=16, decoder_depth=1, frame_width=16, frame_depth=1
        ),
        vae_task=replace(recipe.vae_task, batch_size=2, crop=16, num_frames=5),
        text_encoder=replace(recipe.text_encoder, hidden_size=16, depth=1),
        text_task=replace(recipe.text_task, batch_size=4, held_out_size=2),
        denoiser=DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2),
        denoiser_task=replace(
            recipe.denoiser_task,
            tokens_per_step=32,
            held_out_batch=2,
            sample_grids=((2, 4, 4),),
            sample_prompts=("a red ball",),
        ),
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "smallest"
    follow(smallest(), output, steps=2, workers=1)
    return output


def test_every_stage_leaves_its_folder(output: Path) -> None:
    assert sorted(os.listdir(output)) == ["clips", "denoiser", "latents", "model", "text", "vae"]
    assert sorted(os.listdir(output / "model")) == ["config.json", "model.safetensors"]
    for stage in ("vae", "text", "denoiser"):
        assert {"checkpoint.pt", "metrics.jsonl", "samples"} <= set(os.listdir(output / stage))
    assert not list(output.rglob("*.partial"))


def test_the_model_holds_what_made_it(output: Path) -> None:
    config = json.loads((output / "model" / "config.json").read_text(encoding="utf-8"))
    recipe = config["training"]["recipe"]
    assert recipe["buckets"][1]["num_frames"] == 5
    assert recipe["denoiser_training"]["num_steps"] == 2
    assert len(config["denoiser"]["channel_std"]) == 6  # measured, so not in the recipe
    assert recipe["denoiser"]["channel_std"] == []


def test_a_sentence_becomes_a_video_file(output: Path, tmp_path: Path) -> None:
    pipeline = TextToVideoPipeline.from_pretrained(output)
    request = GenerationRequest(prompt="a red ball falls", num_frames=9, height=32, width=48, seed=3)
    result = pipeline(request)
    assert result.ignored_words == ()
    write_video(tmp_path / "ball.mp4", result.video)
    video = read_video(tmp_path / "ball.mp4")
    assert (video.num_frames, video.height, video.width, video.fps) == (9, 32, 48, 16)
    assert np.array_equal(pipeline(request).video.frames, result.video.frames)


def test_a_finished_run_resumes_to_the_same_model(output: Path) -> None:
    weights = output / "model" / "model.safetensors"
    before = weights.read_bytes()
    model = follow(smallest(), output, resume=True, steps=2, workers=1)
    assert weights.read_bytes() == before
    saved = load_model(output).denoiser.state_dict()
    for name, value in model.denoiser.state_dict().items():
        assert torch.equal(value, saved[name])  # small tensors are saved as they are


def test_a_folder_that_holds_a_run_is_not_started_over(output: Path) -> None:
    with pytest.raises(UserError, match="go on with --resume, or choose another folder"):
        follow(smallest(), output)


def test_a_run_that_is_out_of_time_goes_on_later(tmp_path: Path) -> None:
    with pytest.raises(OutOfTimeError):
        follow(smallest(), tmp_path, minutes=1e-9, workers=1)
    assert not (tmp_path / "model").exists()


def test_unknown_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recipe 'huge'; there is embedded and tiny"):
        run_recipe("huge", tmp_path, resume=False, minutes=None, steps=None)


def test_the_embedded_recipe_fits_together() -> None:
    recipe = embedded()
    assert sum(recipe.denoiser_task.bucket_shares.values()) == pytest.approx(1)
    assert {bucket.name for bucket in recipe.buckets} == set(recipe.denoiser_task.bucket_shares)
    assert [recipe.num_kept_back(bucket) for bucket in recipe.buckets] == [1, 0, 0, 1, 0, 0, 0]
    spans = sorted(
        (bucket.first_seed, bucket.first_seed + bucket.num_clips)
        for bucket in (*recipe.buckets, recipe.held_out)
    )
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    shortened = recipe.shortened(20)
    assert shortened.denoiser_training == replace(recipe.denoiser_training, num_steps=20)
    assert recipe.shortened(None) is recipe


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"buckets": (clips("clip", 5, 32, 32, 32, 0),) * 2}, "a name of its own"),
        ({"buckets": (pictures("picture", 32, 32, 256, 0), clips("other", 5, 32, 32, 32, 0))}, "no buckets"),
        ({"vae": VideoAutoencoderConfig(latent_channels=3)}, "the same latent_channels"),
        ({"denoiser": DenoiserConfig(latent_channels=48, text_size=3)}, "text encoder's hidden_size"),
    ],
)
def test_recipes_that_do_not_fit_together(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(tiny(), **wrong)  # type: ignore[arg-type]
