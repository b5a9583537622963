"""From nothing to a file: simulate, encode, train every stage for two steps, save, generate, write, read."""

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tenku.checkpoint import Model, load_model
from tenku.denoiser import Denoiser, DenoiserConfig, Drafter, NoiseExperts
from tenku.errors import UserError
from tenku.media import read_video, write_video
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.recipes import EmbeddedRecipe, embedded, follow, tiny
from tenku.recipes import run as run_recipe
from tenku.recipes.embedded import TRACKS, LowNoiseRecipe, clips, pictures, sketches
from tenku.recipes.gpu import for_gpu
from tenku.training.draft import DraftTaskConfig
from tenku.training.metrics import OutOfTimeError
from tenku.training.planner import PlannerTaskConfig
from tenku.vae import VideoAutoencoderConfig

SMALL_TRACKS = replace(TRACKS, hidden_size=8)


def smallest() -> EmbeddedRecipe:
    """The tiny recipe with next to nothing of anything."""
    recipe = tiny()
    return replace(
        recipe,
        buckets=(
            pictures("picture", 32, 32, 4, 100, clips_per_chunk=2),
            clips("clip", 5, 32, 32, 4, 200, clips_per_chunk=2),
            replace(sketches("sketch", 5, 256, 500), num_clips=4, clips_per_chunk=2),
        ),
        held_out=clips("held_out", 5, 32, 32, 1, 300, clips_per_chunk=1),
        vae=VideoAutoencoderConfig(
            latent_channels=6, decoder_width=16, decoder_depth=1, frame_width=16, frame_depth=1
        ),
        vae_task=replace(recipe.vae_task, batch_size=2, crop=16, num_frames=5),
        text_encoder=replace(recipe.text_encoder, hidden_size=16, depth=1),
        text_task=replace(recipe.text_task, batch_size=4, held_out_size=2),
        planner=replace(recipe.planner, text_size=16, hidden_size=16, depth=1),
        planner_task=replace(recipe.planner_task, batch_size=2, held_out_batch=2, num_steps=2),
        denoiser=DenoiserConfig(
            latent_channels=6,
            text_size=16,
            hidden_size=32,
            depth=1,
            num_heads=2,
            tracks=SMALL_TRACKS,
            refiner_depth=1,
            refiner_width=16,
        ),
        reader=replace(recipe.reader, latent_channels=6, hidden_size=16, num_heads=2),
        num_painted=4,
        sharpening_task=replace(
            recipe.sharpening_task, batch_size=2, crop=16, num_latent_frames=2, critic_width=4, num_held_out=1
        ),
        reader_task=replace(recipe.reader_task, positions_per_step=32, held_out_batch=2, num_samples=2),
        draft_task=replace(recipe.draft_task, positions_per_step=32, held_out_batch=2, num_samples=2),
        denoiser_task=replace(recipe.denoiser_task, tokens_per_step=32, held_out_batch=2, num_samples=2),
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("run") / "smallest"
    follow(smallest(), output, steps=2, workers=1)
    return output


def test_every_stage_leaves_its_folder(output: Path) -> None:
    assert sorted(os.listdir(output)) == [
        "clips",
        "denoiser",
        "draft",
        "latents",
        "model",
        "painted",
        "planner",
        "reader",
        "sharpen",
        "text",
        "vae",
    ]
    assert sorted(os.listdir(output / "model")) == ["config.json", "model.safetensors"]
    for stage in ("vae", "text", "planner", "reader", "draft", "denoiser", "sharpen"):
        assert {"checkpoint.pt", "metrics.jsonl", "samples"} <= set(os.listdir(output / stage))
    assert not list(output.rglob("*.partial"))
    assert sorted(os.listdir(output / "latents")) == ["clip", "picture"]  # sketches have no pixels to encode


def test_the_model_holds_what_made_it(output: Path) -> None:
    config = json.loads((output / "model" / "config.json").read_text(encoding="utf-8"))
    recipe = config["training"]["recipe"]
    assert recipe["buckets"][1]["num_frames"] == 5
    assert recipe["denoiser_training"]["num_steps"] == recipe["draft_training"]["num_steps"] == 2
    assert len(config["denoiser"]["channel_std"]) == 6  # measured, so not in the recipe
    assert recipe["denoiser"]["channel_std"] == []


def test_a_sentence_becomes_a_video_file(output: Path, tmp_path: Path) -> None:
    pipeline = VideoPipeline.from_pretrained(output)
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


def same(one: nn.Module, two: nn.Module) -> bool:
    """Whether two networks of one shape have the same weights."""
    values = two.state_dict()
    return all(torch.equal(value, values[name]) for name, value in one.state_dict().items())


def drafter_of(model: Model) -> Drafter:
    assert isinstance(model.denoiser, Denoiser)
    assert model.denoiser.drafter is not None
    return model.denoiser.drafter


def without_tracks(model: Model) -> Model:
    """A model as they were before there were plans."""
    denoiser = Denoiser(replace(model.denoiser.config, tracks=None))
    denoiser.load_state_dict(model.denoiser.state_dict(), strict=False)
    return replace(model, planner=None, denoiser=denoiser.eval().requires_grad_(False))


def test_a_model_to_start_from_is_taken_over(output: Path, tmp_path: Path) -> None:
    start = load_model(output)
    model = follow(smallest(), tmp_path / "run", workers=1, start=start, stages=("clips",))
    assert model.planner is not None
    assert start.planner is not None
    assert same(model.vae, start.vae)
    assert same(model.text_encoder, start.text_encoder)
    assert same(model.planner, start.planner)
    assert same(model.denoiser, start.denoiser)
    assert model.denoiser.config == start.denoiser.config
    assert model.sampling == smallest().sampling
    assert sorted(os.listdir(tmp_path / "run")) == ["clips", "model", "start", "vae"]  # nothing was trained


def test_only_the_stages_that_are_named_are_followed(output: Path, tmp_path: Path) -> None:
    start = load_model(output)
    run = tmp_path / "run"
    model = follow(smallest(), run, steps=2, workers=1, start=start, stages=("clips", "planner"))
    assert model.planner is not None
    assert start.planner is not None
    assert not same(model.planner, start.planner)
    assert same(model.denoiser, start.denoiser)
    assert same(model.text_encoder, start.text_encoder)
    assert sorted(os.listdir(run)) == ["clips", "model", "planner", "start", "vae"]

    # What that run has made stays while another stage is followed, and it remembers where it started.
    more = {"stages": ("latents", "denoiser"), "resume": True}
    later = follow(smallest(), run, steps=2, workers=1, **more)  # type: ignore[arg-type]
    assert later.planner is not None
    assert same(later.planner, model.planner)
    assert not same(later.denoiser, start.denoiser)
    assert same(drafter_of(later), drafter_of(start))
    assert same(load_model(run).denoiser, later.denoiser)


def test_the_drafter_is_trained_by_itself_and_then_used(output: Path, tmp_path: Path) -> None:
    start, run = load_model(output), tmp_path / "run"
    follow(smallest(), run, steps=2, workers=1, start=start, stages=("clips", "latents"))
    drafted = follow(smallest(), run, steps=2, workers=1, stages=("draft",), resume=True)
    assert not same(drafter_of(drafted), drafter_of(start))
    rest, before = drafted.denoiser.state_dict(), start.denoiser.state_dict()
    assert all(torch.equal(rest[name], before[name]) for name in rest if not name.startswith("drafter."))

    model = follow(smallest(), run, steps=2, workers=1, stages=("denoiser",), resume=True)
    assert same(drafter_of(model), drafter_of(drafted))
    assert not same(model.denoiser, drafted.denoiser)
    weights = torch.load(run / "denoiser" / "checkpoint.pt", weights_only=True)["weights"]
    assert not any(name.startswith("drafter.") for name in weights)


def test_a_model_without_tracks_can_be_started_from(output: Path, tmp_path: Path) -> None:
    start = without_tracks(load_model(output))
    model = follow(smallest(), tmp_path, steps=1, workers=1, start=start, stages=("clips", "planner"))
    assert model.planner is not None
    assert model.denoiser.told_in is not None
    assert model.denoiser.drafter is not None
    known = start.denoiser.state_dict()
    assert all(
        torch.equal(value, known[name])
        for name, value in model.denoiser.state_dict().items()
        if name in known
    )


def test_two_experts_share_the_noise_levels(output: Path, tmp_path: Path) -> None:
    recipe, start = smallest(), load_model(output)
    low = LowNoiseRecipe(
        denoiser=replace(recipe.denoiser, depth=2, tracks=None),
        task=recipe.denoiser_task,
        training=recipe.denoiser_training,
        boundary=0.6,
    )
    recipe = replace(recipe, low_noise=low)
    chosen = ("clips", "latents", "low_noise")
    first = follow(recipe, tmp_path, steps=2, workers=1, start=start, stages=chosen)
    assert isinstance(first.denoiser, NoiseExperts)
    assert first.denoiser.boundary == 0.6
    assert same(first.denoiser.high, start.denoiser)  # the one expert that the start has
    assert (tmp_path / "low_noise" / "checkpoint.pt").exists()

    # A model of two experts starts both.
    again = follow(recipe, tmp_path / "more", workers=1, start=load_model(tmp_path), stages=("clips",))
    assert isinstance(again.denoiser, NoiseExperts)
    assert same(again.denoiser.low, first.denoiser.low)


@pytest.mark.parametrize(
    ("change", "network"),
    [
        ({"vae": VideoAutoencoderConfig(latent_channels=6)}, "autoencoder"),
        ({"text_encoder": replace(smallest().text_encoder, depth=2)}, "text encoder"),
        (
            {
                "text_encoder": replace(
                    smallest().text_encoder, vocabulary=("ball", *smallest().text_encoder.vocabulary[1:])
                )
            },
            "text encoder",
        ),
        ({"planner": replace(smallest().planner, depth=2)}, "planner"),
        ({"denoiser": replace(smallest().denoiser, hidden_size=48)}, "denoiser"),
        ({"denoiser": replace(smallest().denoiser, tracks=replace(TRACKS, hidden_size=9))}, "denoiser"),
        ({"denoiser": replace(smallest().denoiser, tracks=replace(SMALL_TRACKS, depth=1))}, "denoiser"),
    ],
)
def test_a_model_of_another_shape_is_no_start(
    output: Path, tmp_path: Path, change: dict[str, object], network: str
) -> None:
    recipe = replace(smallest(), **change)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=f"the {network} of the model to start from has another shape"):
        follow(recipe, tmp_path / "run", workers=1, start=load_model(output))
    assert not (tmp_path / "run").exists()


def test_a_decoder_may_get_more_blocks_but_not_fewer(output: Path, tmp_path: Path) -> None:
    """New ones are zero at the start: the deeper decoder begins as the one before."""
    start, recipe = load_model(output), smallest()
    deeper = replace(recipe, vae=replace(recipe.vae, frame_depth=3, decoder_depth=2))
    model = follow(deeper, tmp_path / "run", workers=1, start=start, stages=())
    assert model.vae.config == deeper.vae
    latents = torch.randn(1, 6, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.vae.decode(latents), start.vae.decode(latents))
    with pytest.raises(UserError, match="the autoencoder of the model to start from has another shape"):
        follow(recipe, tmp_path / "back", workers=1, start=load_model(tmp_path / "run"))


def test_the_recipe_for_a_gpu_is_the_same_but_for_its_steps() -> None:
    recipe = embedded()
    larger = for_gpu(recipe)
    tasks = ("vae", "text", "planner", "reader", "draft", "denoiser", "sharpening")
    changed = {f"{name}_task": getattr(recipe, f"{name}_task") for name in tasks}
    assert replace(larger, **changed) == recipe  # type: ignore[arg-type]
    assert larger.draft_task.positions_per_step == 8 * recipe.draft_task.positions_per_step
    assert larger.vae_task.batch_size == 16 * recipe.vae_task.batch_size


@pytest.mark.parametrize(
    ("stages", "sentence"),
    [
        (("planner",), "the stage planner needs the clips, which are not in .*; follow the stage clips too"),
        (("clips", "denoiser"), "the stage denoiser needs the latents, .*; follow the stage latents too"),
        (("clips", "draft"), "the stage draft needs the latents, .*; follow the stage latents too"),
        (
            ("clips", "latents", "denoiser"),
            "the stage denoiser needs the draft, .*; follow the stage draft too",
        ),
        (("clips", "sharpen"), "the stage sharpen needs the latents, .*; follow the stage latents too"),
        (("text",), "the stage text needs the clips"),
    ],
)
def test_stages_that_lack_what_they_need(tmp_path: Path, stages: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        follow(smallest(), tmp_path / "run", workers=1, stages=stages)
    assert not (tmp_path / "run").exists()


def test_an_expert_for_low_noise_that_would_follow_tracks_is_refused() -> None:
    recipe = smallest()
    low = LowNoiseRecipe(
        denoiser=recipe.denoiser, task=recipe.denoiser_task, training=recipe.denoiser_training, boundary=0.5
    )
    with pytest.raises(ValueError, match="nothing trains its draft"):
        replace(recipe, low_noise=low)


def test_a_folder_that_holds_a_run_is_not_started_over(output: Path) -> None:
    with pytest.raises(UserError, match="go on with --resume, or choose another folder"):
        follow(smallest(), output)


def test_a_run_that_is_out_of_time_goes_on_later(tmp_path: Path) -> None:
    with pytest.raises(OutOfTimeError):
        follow(smallest(), tmp_path, minutes=1e-9, workers=1)
    assert not (tmp_path / "model").exists()


def test_unknown_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recipe 'huge'; there is embedded, judge, .*tiny"):
        run_recipe("huge", tmp_path, resume=False, minutes=None, steps=None)


def test_unknown_stages_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        run_recipe("tiny", tmp_path / "run", resume=False, minutes=None, steps=None, stages=("vae", "dream"))
    assert str(raised.value) == (
        "there is no stage 'dream'; there is clips, vae, text, planner, latents, reader, draft, "
        "denoiser, low_noise, painted, sharpen."
    )
    assert not (tmp_path / "run").exists()


def test_the_embedded_recipe_fits_together() -> None:
    recipe = embedded()
    assert sum(recipe.denoiser_task.bucket_shares.values()) == pytest.approx(1)
    assert sum(recipe.planner_task.bucket_shares.values()) == pytest.approx(1)
    assert sum(recipe.draft_task.bucket_shares.values()) == pytest.approx(1)
    assert set(recipe.draft_task.bucket_shares) <= {bucket.name for bucket in recipe.filmed}
    assert {bucket.name for bucket in recipe.filmed} == set(recipe.denoiser_task.bucket_shares)
    sketched = {bucket.name for bucket in recipe.buckets if bucket.sketches}
    assert sketched < set(recipe.planner_task.bucket_shares)
    assert not sketched & {bucket.name for bucket in recipe.moving}
    assert [recipe.num_kept_back(bucket) for bucket in recipe.filmed] == [1, 0, 0, 1, 0, 0, 0]
    assert recipe.vae.temporal_compression == TRACKS.frames_per_latent
    spans = sorted(
        (bucket.first_seed, bucket.first_seed + bucket.num_clips)
        for bucket in (*recipe.buckets, recipe.held_out)
    )
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    shortened = recipe.shortened(20)
    assert shortened.denoiser_training == replace(recipe.denoiser_training, num_steps=20)
    assert shortened.planner_training == replace(recipe.planner_training, num_steps=20)
    assert shortened.draft_training == replace(recipe.draft_training, num_steps=20)
    assert recipe.shortened(None) is recipe


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"buckets": (clips("clip", 5, 32, 32, 32, 0),) * 2}, "a name of its own"),
        ({"buckets": (pictures("picture", 32, 32, 256, 0), clips("other", 5, 32, 32, 32, 0))}, "no buckets"),
        ({"vae": VideoAutoencoderConfig(latent_channels=3)}, "the same latent_channels"),
        ({"denoiser": DenoiserConfig(latent_channels=48, text_size=3)}, "text encoder's hidden_size"),
        ({"denoiser": replace(tiny().denoiser, tracks=None)}, "the tracks that the denoiser takes"),
        ({"planner": replace(tiny().planner, latent_channels=3)}, "the tracks that the denoiser takes"),
        ({"planner_task": PlannerTaskConfig(bucket_shares={"sky": 1.0})}, "'sky'.* no buckets"),
        ({"draft_task": DraftTaskConfig(bucket_shares={"sky": 1.0})}, "'sky'.* no buckets"),
    ],
)
def test_recipes_that_do_not_fit_together(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(tiny(), **wrong)  # type: ignore[arg-type]
