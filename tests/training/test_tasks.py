"""The stages of training on small networks and true clips: a few steps make each better at its task."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tenku.data.clips import Bucket, make_clips, read_chunk
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.media import read_picture
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.denoiser import DenoiserTask, DenoiserTaskConfig
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Task, Trainer, TrainerConfig
from tenku.training.vae import ClipFrames, VaeTask, VaeTaskConfig, psnr
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig, from_pixels
from tenku.worlds.captions import known_words

PICTURE = Bucket(
    name="picture", num_frames=1, height=32, width=32, num_clips=2, first_seed=70, clips_per_chunk=2
)
CLIP = Bucket(name="clip", num_frames=9, height=32, width=48, num_clips=4, first_seed=90, clips_per_chunk=2)
FAST = TrainerConfig(num_steps=100, warmup_steps=1, muon_lr=5e-3, adamw_lr=3e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    list(make_clips(folder, [PICTURE, CLIP], workers=1))
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
            latent_channels=6, text_size=16, hidden_size=32, depth=2, num_heads=2, channel_std=(1.0,) * 6
        )
    )
    config = DenoiserTaskConfig(
        bucket_shares={"picture": 0.5, "clip": 0.5},
        tokens_per_step=64,
        compiled=False,
        held_out_batch=2,
        sample_grids=((2, 4, 6), (1, 4, 4)),
        sample_prompts=("a red ball", "一个红球"),
    )
    task = DenoiserTask(denoiser, text_encoder, vae, latents, latents[1:], config)
    before, after = train(task, tmp_path)
    assert after < 0.97 * before
    denoiser.eval()
    with torch.no_grad():
        figures = task.evaluate()
        assert figures == task.evaluate()
        task.save_samples(tmp_path / "sheet.png")
    assert set(figures) == {f"clip@{level}" for level in (0.3, 0.6, 0.85, 0.97)}
    assert read_picture(tmp_path / "sheet.png").shape[0] > 4 * 32

    result = task.loss(0, torch.Generator().manual_seed(0))
    assert result.num_clips in (16, 4)  # 64 tokens: pictures of 4, clips of 18
    assert result.flops > 0
    assert not any(parameter.requires_grad for parameter in text_encoder.parameters())


def test_a_denoiser_without_clips_has_nothing_to_learn(
    vae: VideoAutoencoder, text_encoder: TextEncoder, latents: list[LatentBucket]
) -> None:
    denoiser = Denoiser(DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2))
    config = DenoiserTaskConfig(bucket_shares={"elsewhere": 1.0})
    with pytest.raises(ValueError, match="simulate and encode them first"):
        DenoiserTask(denoiser, text_encoder, vae, latents, [], config)


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
    denoiser = Denoiser(DenoiserConfig(latent_channels=6, text_size=16, hidden_size=32, depth=1, num_heads=2))
    config = DenoiserTaskConfig(bucket_shares={"picture": 1.0}, compiled=False)
    tasks: list[Task] = [
        VaeTask(vae, ClipFrames(folder, [CLIP]), torch.zeros(0), VaeTaskConfig()),
        TextTask(SceneReader(text_encoder), TextTaskConfig()),
        DenoiserTask(denoiser, text_encoder, vae, latents, [], config),
    ]
    for task in tasks:
        chosen = {name for name, p in task.module.named_parameters() if task.uses_muon(name, p)}
        assert chosen
        assert all(task.module.get_parameter(name).ndim >= 2 for name in chosen)
        strangers = ("linear", "frame_out", "words", "positions", "registers", "modulation", "patch", "time")
        assert not [name for name in chosen if any(word in name for word in strangers)]


def test_the_log_is_json(text_encoder: TextEncoder, tmp_path: Path) -> None:
    task = TextTask(SceneReader(text_encoder), TextTaskConfig(batch_size=4, held_out_size=2))
    Trainer(task, TrainerConfig(num_steps=2), tmp_path).run()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 2]
    assert {"loss", "gradient_norm", "clips_per_second", "flops_per_second", "colour"} <= set(lines[0])
    assert "colour_en_seen" in lines[2]
    assert (tmp_path / "samples" / "0000002.txt").exists()
