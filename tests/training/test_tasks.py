"""The stages of training on small networks and true clips: a few steps make each better at its task."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.data.clips import Bucket, make_clips, read_chunk
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.data.tracks import LOOK_SIZES, Sketches, load_sketches
from tenku.denoiser import POSE_SIZE, Denoiser, DenoiserConfig, TrackConfig
from tenku.media import read_picture
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.denoiser import DenoiserTask, DenoiserTaskConfig
from tenku.training.draft import DraftTask, DraftTaskConfig
from tenku.training.drawing import draw_tracks
from tenku.training.planner import PlannerTask, PlannerTaskConfig
from tenku.training.scene_targets import REGISTERS_PER_SHOT
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Task, Trainer, TrainerConfig
from tenku.training.vae import ClipFrames, VaeTask, VaeTaskConfig, psnr
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig, from_pixels
from tenku.worlds.captions import known_words

PICTURE = Bucket(
    name="picture", num_frames=1, height=32, width=32, num_clips=2, first_seed=70, clips_per_chunk=2
)
CLIP = Bucket(name="clip", num_frames=9, height=32, width=48, num_clips=4, first_seed=90, clips_per_chunk=2)
SKETCH = Bucket(
    name="sketch",
    num_frames=9,
    height=48,
    width=48,
    num_clips=16,
    first_seed=300,
    clips_per_chunk=8,
    sketches=True,
    cut_probability=0.0,
    pairs="any",
)
TRACKS = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4, hidden_size=16)
UNCOMPILED = 2.0  # no bucket has so many of the steps
FAST = TrainerConfig(num_steps=100, warmup_steps=1, muon_lr=5e-3, adamw_lr=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    list(make_clips(folder, [PICTURE, CLIP, SKETCH], workers=1))
    return folder


@pytest.fixture
def vae(folder: Path) -> VideoAutoencoder:
    torch.manual_seed(0)
    vae = VideoAutoencoder(
        VideoAutoencoderConfig(
            latent_channels=6, decoder_width=16, decoder_depth=1, frame_width=16, frame_depth=1
        )
    )
    vae.initialise_from_pca(from_pixels(read_chunk(folder, CLIP, 0).frames))
    return vae


@pytest.fixture
def text_encoder() -> TextEncoder:
    torch.manual_seed(0)
    vocabulary = tuple(sorted(known_words()))
    return TextEncoder(TextEncoderConfig(vocabulary=vocabulary, hidden_size=16, depth=1, num_heads=2))


@pytest.fixture
def latents(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> list[LatentBucket]:
    list(encode_clips(vae, folder, tmp_path / "latents", [PICTURE, CLIP]))
    loaded = [load_latents(folder, tmp_path / "latents", bucket) for bucket in (PICTURE, CLIP)]
    return [bucket for bucket in loaded if bucket is not None]


def loss_on_fixed_batches(task: Task) -> float:
    with torch.no_grad():
        return float(
            np.mean([task.loss(1, torch.Generator().manual_seed(seed)).loss.item() for seed in range(4)])
        )


def train(task: Task, folder: Path, steps: int = 10) -> tuple[float, float]:
    """The loss on fixed batches before and after some steps."""
    trainer = Trainer(task, FAST, folder)
    before = loss_on_fixed_batches(task)
    for _ in range(steps):
        trainer.train_step()
    return before, loss_on_fixed_batches(task)


def test_the_decoder_learns_and_the_latents_stay(folder: Path, vae: VideoAutoencoder, tmp_path: Path) -> None:
    held_out = from_pixels(read_chunk(folder, CLIP, 1).frames)
    frames = ClipFrames(folder, [CLIP])
    task = VaeTask(vae, frames, held_out, VaeTaskConfig(batch_size=2, crop=16, num_frames=5))
    latents, measured = vae.encode(held_out), task.evaluate()["psnr_held_out"]
    before, after = train(task, tmp_path)
    assert after < 0.97 * before
    assert torch.equal(vae.encode(held_out), latents)
    assert task.evaluate()["psnr_held_out"] > measured
    task.save_samples(tmp_path / "sheet.png")
    assert read_picture(tmp_path / "sheet.png").shape[0] > 4 * 32


def test_frames_are_drawn_from_true_clips(folder: Path) -> None:
    frames = ClipFrames(folder, [CLIP])
    whole = frames.draw(2, 9, None, torch.Generator().manual_seed(0))
    assert whole.shape == (2, 3, 9, 32, 48)
    known = from_pixels(np.concatenate([read_chunk(folder, CLIP, index).frames for index in (0, 1)]))
    both_ways = torch.cat([known, known.flip(-1)])
    assert all(any(torch.equal(clip, other) for other in both_ways) for clip in whole)
    crops = frames.draw(3, 5, 16, torch.Generator().manual_seed(1))
    assert crops.shape == (3, 3, 5, 16, 16)
    assert torch.equal(crops, frames.draw(3, 5, 16, torch.Generator().manual_seed(1)))


def test_frames_that_are_not_there_are_missed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="simulate them first"):
        ClipFrames(tmp_path, [CLIP])


def test_psnr_is_in_decibels() -> None:
    assert psnr(torch.tensor(4.0)) == pytest.approx(0)
    assert psnr(torch.tensor(0.004)) == pytest.approx(30)


def test_the_denoiser_learns(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(
        DenoiserConfig(
            latent_channels=6,
            text_size=16,
            hidden_size=32,
            depth=2,
            num_heads=2,
            channel_std=(1.0,) * 6,
            tracks=TRACKS,
            refiner_depth=1,
            refiner_width=16,
        )
    )
    config = DenoiserTaskConfig(
        bucket_shares={"picture": 0.5, "clip": 0.5},
        tokens_per_step=64,
        compile_from=UNCOMPILED,
        held_out_batch=2,
        num_samples=2,
    )
    task = DenoiserTask(denoiser, text_encoder, vae, latents, latents[1:], config)
    before, after = train(task, tmp_path)
    assert after < 0.97 * before
    denoiser.eval()
    with torch.no_grad():
        figures = task.evaluate()
        assert figures == task.evaluate()
        task.save_samples(tmp_path / "sheet.png")
    levels = (0.3, 0.6, 0.85, 0.97)
    by_level = {f"clip{part}@{level}" for part in ("", "_objects") for level in levels}
    assert set(figures) == by_level | {"clip_error_from_nothing"}
    assert read_picture(tmp_path / "sheet.png").shape[0] > 4 * 32

    result = task.loss(0, torch.Generator().manual_seed(0))
    assert result.num_clips in (16, 4)  # 64 tokens: pictures of 4, clips of 18
    assert result.flops > 0
    assert set(result.figures) in ({"loss_picture"}, {"loss_clip"})
    assert not any(parameter.requires_grad for parameter in text_encoder.parameters())


def test_a_denoiser_without_clips_has_nothing_to_learn(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    denoiser = Denoiser(DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2))
    config = DenoiserTaskConfig(bucket_shares={"elsewhere": 1.0})
    with pytest.raises(ValueError, match="simulate and encode them first"):
        DenoiserTask(denoiser, text_encoder, vae, latents, [], config)


def denoiser_task(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket], **config: float
) -> DenoiserTask:
    """One that draws clips of nine frames and 18 tokens, 36 of them a step."""
    torch.manual_seed(0)
    denoiser = Denoiser(
        DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2, tracks=TRACKS)
    )
    settings: dict[str, float] = {"compile_from": UNCOMPILED, "tokens_per_step": 36 * 18, "track_noise": 0.0}
    task_config = DenoiserTaskConfig(bucket_shares={"clip": 1.0}, **{**settings, **config})  # type: ignore[arg-type]
    return DenoiserTask(denoiser, text_encoder, vae, latents, [], task_config)


class Watched:
    """What a task gives its denoiser to see in one step."""

    def __init__(self, task: DenoiserTask) -> None:
        self._predict = task.predict.eager
        task.predict.eager = self._watch
        with torch.no_grad():
            task.loss(0, torch.Generator().manual_seed(0))

    def _watch(
        self,
        noisy_latents: torch.Tensor,
        sigma: torch.Tensor,
        text: torch.Tensor,
        mask: torch.Tensor,
        tracks: torch.Tensor,
    ) -> torch.Tensor:
        self.tracks = tracks
        self.has_tracks = tracks.flatten(1).any(1)
        self.has_text = mask.sum(1) > 10  # more than its registers
        return self._predict(noisy_latents, sigma, text, mask, tracks)


@pytest.mark.parametrize(
    ("left_out", "has_text", "has_tracks"),
    [
        ({}, True, True),
        ({"condition_dropout": 1.0}, False, False),
        ({"text_dropout": 1.0}, False, True),
        ({"track_dropout": 1.0}, True, False),
    ],
)
def test_text_and_tracks_are_left_out(
    vae: VideoAutoencoder,
    text_encoder: TextEncoder,
    latents: list[LatentBucket],
    left_out: dict[str, float],
    has_text: bool,
    has_tracks: bool,
) -> None:
    shares = {"condition_dropout": 0.0, "text_dropout": 0.0, "track_dropout": 0.0, **left_out}
    seen = Watched(denoiser_task(vae, text_encoder, latents, **shares))
    assert seen.has_tracks.tolist() == [has_tracks] * 36
    assert seen.has_text.tolist() == [has_text] * 36


def test_each_is_left_out_as_often_as_it_should(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    shares = {"condition_dropout": 0.2, "text_dropout": 0.3, "track_dropout": 0.4}
    seen = Watched(denoiser_task(vae, text_encoder, latents, tokens_per_step=600 * 18, **shares))
    text, tracks = seen.has_text, seen.has_tracks
    kinds = (~text & ~tracks, ~text & tracks, text & ~tracks, text & tracks)
    for kind, share in zip(kinds, (0.2, 0.3, 0.4, 0.1), strict=True):
        assert kind.float().mean().item() == pytest.approx(share, abs=0.06)


def test_only_the_poses_of_what_is_there_are_off(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    none = {"condition_dropout": 0.0, "text_dropout": 0.0, "track_dropout": 0.0}
    exact = Watched(denoiser_task(vae, text_encoder, latents, **none)).tracks
    loose = Watched(denoiser_task(vae, text_encoder, latents, track_noise=0.05, **none)).tracks
    off = loose - exact
    assert 0.005 < off[off != 0].std().item() < 0.1
    assert not off[:, : -4 * POSE_SIZE].any()
    assert not off[..., -1].any()  # what surrounds them is as it is
    assert not off.movedim(1, 0)[:, exact[:, 0] == 0].any()


def test_the_stage_of_the_denoiser_leaves_the_drafter_as_it_is(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket], tmp_path: Path
) -> None:
    """It has been trained before; the loss of the velocity does not reach it."""
    task = denoiser_task(vae, text_encoder, latents, tokens_per_step=36)
    drafter = task.module.drafter
    assert drafter is not None
    with torch.no_grad():
        for parameter in drafter.out.parameters():
            parameter.normal_()
    before = {name: value.clone() for name, value in drafter.state_dict().items()}
    trainer = Trainer(task, FAST, tmp_path)
    assert not any(name.startswith("drafter") for name in trainer.parameters)
    assert "told_in.weight" in trainer.parameters
    told = trainer.parameters["told_in.weight"].detach().clone()
    for _ in range(3):
        trainer.train_step()
    assert all(parameter.grad is None for parameter in drafter.parameters())
    assert all(torch.equal(value, before[name]) for name, value in drafter.state_dict().items())
    assert not torch.equal(trainer.parameters["told_in.weight"], told)


def test_a_denoiser_that_follows_no_tracks_is_trained_too(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    denoiser = Denoiser(DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2))
    config = DenoiserTaskConfig(bucket_shares={"clip": 1.0}, compile_from=UNCOMPILED, held_out_batch=2)
    task = DenoiserTask(denoiser, text_encoder, vae, latents, latents[1:], config)
    assert task.loss(0, torch.Generator().manual_seed(0)).loss.isfinite()
    with torch.no_grad():
        assert all(np.isfinite(value) for value in task.evaluate().values())


def test_what_lies_in_boxes_counts_more(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    """The new network predicts nothing, so its error is the latents' and noise's own: little in places."""
    one, four, most = (
        denoiser_task(vae, text_encoder, latents, object_weight=weight)
        .loss(0, torch.Generator().manual_seed(0))
        .loss.item()
        for weight in (1.0, 4.0, 1e6)
    )
    assert min(one, most) < four < max(one, most)


def planner_task(folder: Path, text_encoder: TextEncoder, held_out: Sketches | None) -> PlannerTask:
    torch.manual_seed(0)
    planner = Denoiser(
        DenoiserConfig(
            latent_channels=TRACKS.channels,
            text_size=16,
            hidden_size=32,
            depth=2,
            num_heads=2,
            patch_size=(1, 1, 1),
            named_rows=REGISTERS_PER_SHOT,
        )
    )
    config = PlannerTaskConfig(
        bucket_shares={"sketch": 1.0}, batch_size=8, num_steps=3, compile_from=UNCOMPILED
    )
    training = {"sketch": load_sketches(folder, SKETCH, [1])}
    return PlannerTask(planner, text_encoder, TRACKS, training, held_out, config)


def test_the_planner_learns(folder: Path, text_encoder: TextEncoder, tmp_path: Path) -> None:
    task = planner_task(folder, text_encoder, load_sketches(folder, SKETCH, [0]))
    before, after = train(task, tmp_path, steps=20)
    assert after < 0.9 * before
    task.module.eval()
    with torch.no_grad():
        figures = task.evaluate()
        assert figures == task.evaluate()
        task.save_samples(tmp_path / "sheet.png")
    assert {"loss@0.3", "loss@0.6", "loss@0.9", "count", "colour", "shape", "material", "size"} == set(
        figures
    )
    assert all(np.isfinite(value) for value in figures.values())
    assert read_picture(tmp_path / "sheet.png").shape[0] > 16 * 96  # each true one beside a sampled one
    result = task.loss(0, torch.Generator().manual_seed(0))
    assert result.num_clips == 8
    assert result.flops > 0
    assert not any(parameter.requires_grad for parameter in text_encoder.parameters())


def test_the_planner_hears_the_text(folder: Path, text_encoder: TextEncoder, tmp_path: Path) -> None:
    task = planner_task(folder, text_encoder, load_sketches(folder, SKETCH, [0]))
    train(task, tmp_path, steps=40)
    task.module.eval()
    shape = torch.Size((1, TRACKS.channels, 3, REGISTERS_PER_SHOT, 1))
    with torch.no_grad():
        one, two, again = (
            task.sample(text_encoder.encode([prompt]).first(text_encoder.config.num_registers), shape)
            for prompt in ("a red ball falls", "蓝色的圆锥", "a red ball falls")
        )
    assert one.poses.shape == (1, 9, TRACKS.max_objects, POSE_SIZE)
    assert torch.equal(one.poses, again.poses)
    assert torch.equal(one.settings, again.settings)
    assert one.present.any() or two.present.any()
    assert not torch.equal(one.poses, two.poses)
    assert not torch.equal(one.settings, two.settings)


def test_a_planner_without_sketches_has_nothing_to_learn(folder: Path, text_encoder: TextEncoder) -> None:
    sketches = load_sketches(folder, SKETCH, [0])
    task = planner_task(folder, text_encoder, sketches)
    with pytest.raises(ValueError, match="simulate them first"):
        PlannerTask(task.module, text_encoder, TRACKS, {"elsewhere": sketches}, sketches, task.config)
    with pytest.raises(ValueError, match="judge the planner by"):
        planner_task(folder, text_encoder, None)


def test_tracks_can_be_looked_at(folder: Path) -> None:
    tracks, descriptions = load_sketches(folder, SKETCH, [0]).take(range(8), [False] * 8)
    videos = draw_tracks(tracks)
    assert len(videos) == 8
    for video, description in zip(videos, descriptions, strict=True):
        assert video.frames.shape == (9, 96, 96, 3)
        colours = {tuple(pixel) for pixel in video.frames.reshape(-1, 3).tolist()}
        assert 2 <= len(colours) <= 1 + len({thing.colour for thing in description.objects})


def test_the_reader_learns(text_encoder: TextEncoder, tmp_path: Path) -> None:
    reader = SceneReader(text_encoder)
    task = TextTask(reader, TextTaskConfig(batch_size=16, held_out_size=8))
    before, after = train(task, tmp_path)
    assert after < 0.9 * before
    figures = task.evaluate()
    assert {
        f"colour_{language}_{pairs}" for language in ("en", "zh") for pairs in ("seen", "held_out")
    } < set(figures)
    assert all(0 <= value <= 1 for value in figures.values())
    task.save_samples(tmp_path / "samples.png")
    assert (tmp_path / "samples.txt").read_text(encoding="utf-8").count("→") == 8


def test_matrices_go_to_muon_and_the_rest_does_not(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket], folder: Path
) -> None:
    denoiser = Denoiser(
        DenoiserConfig(
            latent_channels=6,
            text_size=16,
            hidden_size=32,
            depth=1,
            num_heads=2,
            tracks=TRACKS,
            refiner_depth=1,
            refiner_width=16,
        )
    )
    assert denoiser.drafter is not None
    shares = {"picture": 1.0}
    draft_config = DraftTaskConfig(bucket_shares=shares, compile_from=UNCOMPILED)
    config = DenoiserTaskConfig(bucket_shares=shares, compile_from=UNCOMPILED)
    tasks: list[Task] = [
        VaeTask(vae, ClipFrames(folder, [CLIP]), torch.zeros(0), VaeTaskConfig()),
        TextTask(SceneReader(text_encoder), TextTaskConfig()),
        planner_task(folder, text_encoder, load_sketches(folder, SKETCH, [0])),
        DraftTask(denoiser.drafter, vae, latents, [], draft_config),
        DenoiserTask(denoiser, text_encoder, vae, latents, [], config),
    ]
    inside: dict[str, set[str]] = {
        "draft": {"encoder.object_mids.0", "encoder.background_mid", "blocks.0.first"},
        "denoiser": {"told_in", "refiner.blocks.0.second"},
    }
    for task in tasks:
        chosen = {name for name, p in task.module.named_parameters() if task.uses_muon(name, p)}
        assert chosen
        assert all(task.module.get_parameter(name).ndim >= 2 for name in chosen)
        strangers = (
            "linear",
            "frame_out",
            "words",
            "positions",
            "registers",
            "modulation",
            "patch",
            "time",
            "row_in",
            "refiner.out",
            "refiner.latents_in",
        )
        assert not [name for name in chosen if any(word in name for word in strangers)]
        assert "out.weight" not in chosen  # where a drafter ends
        assert {f"{name}.weight" for name in inside.get(task.name, ())} <= chosen


def test_the_log_is_json(text_encoder: TextEncoder, tmp_path: Path) -> None:
    task = TextTask(SceneReader(text_encoder), TextTaskConfig(batch_size=4, held_out_size=2))
    Trainer(task, TrainerConfig(num_steps=2), tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert {"loss", "gradient_norm", "clips_per_second", "flops_per_second", "colour"} <= set(lines[0])
    assert "colour_en_seen" in lines[2]
    assert (tmp_path / "samples" / "0000002.txt").exists()


def test_some_clips_get_less_noise(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    """Without noise at the highest level a new network has nothing to go wrong but the latents themselves."""
    generator = torch.Generator().manual_seed(0)
    temperature = denoiser_task(vae, text_encoder, latents, cool_share=0.5)._temperature(4_000, generator)
    assert (temperature == 1).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert (temperature == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert ((temperature >= 0) & (temperature <= 1)).all()
    warm = denoiser_task(vae, text_encoder, latents, cool_share=0.0)._temperature(100, generator)
    assert (warm == 1).all()
