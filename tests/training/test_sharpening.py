"""The decoder is sharpened: what it is shown, what changes, and what stays."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tenku.data.clips import Bucket, make_clips, read_chunk
from tenku.data.latents import encode_clips, latent_path
from tenku.training.painted import PaintedChunk, PaintedClips, painted_chunks
from tenku.training.sharpening import (
    SharpenedAutoencoder,
    SharpeningTask,
    SharpeningTaskConfig,
    sharpness_of,
    texture_of,
)
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.vae import StreamState, VideoAutoencoder, VideoAutoencoderConfig, from_pixels

CLIP = Bucket(name="clip", num_frames=13, height=48, width=64, num_clips=4, first_seed=90, clips_per_chunk=2)
CONFIG = SharpeningTaskConfig(
    batch_size=4,
    crop=32,
    num_latent_frames=2,
    painted_share=2.0,
    critic_width=8,
    num_held_out=2,
    num_samples=1,
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    list(make_clips(folder, [CLIP], workers=1))
    return folder


@pytest.fixture
def vae(clips: Path) -> VideoAutoencoder:
    torch.manual_seed(0)
    config = VideoAutoencoderConfig(
        latent_channels=6, decoder_width=16, decoder_depth=1, frame_width=16, frame_depth=1
    )
    vae = VideoAutoencoder(config)
    vae.initialise_from_pca(from_pixels(read_chunk(clips, CLIP, 0).frames))
    return vae


@pytest.fixture
def chunks(clips: Path, vae: VideoAutoencoder, tmp_path: Path) -> list[PaintedChunk]:
    """Clips whose painted latents are the coarse half of their own."""
    latents, painted = tmp_path / "latents", tmp_path / "painted"
    list(encode_clips(vae, clips, latents, [CLIP]))
    for index in range(CLIP.num_chunks):
        coarse = vae.normalise(torch.from_numpy(np.load(latent_path(latents, CLIP, index))).float())
        coarse[:, 3:] = 0
        latent_path(painted, CLIP, index).parent.mkdir(parents=True, exist_ok=True)
        np.save(latent_path(painted, CLIP, index), coarse.half().numpy())
    return painted_chunks(clips, latents, painted, CLIP)


def task_of(
    vae: VideoAutoencoder, chunks: list[PaintedChunk], config: SharpeningTaskConfig
) -> SharpeningTask:
    torch.manual_seed(1)
    module = SharpenedAutoencoder(vae, config.critic_width)
    held_out = from_pixels(np.asarray(chunks[1].frames))
    return SharpeningTask(module, PaintedClips(chunks[:1]), PaintedClips(chunks[1:]), held_out, config)


def gradients(task: SharpeningTask) -> dict[str, Tensor]:
    task.module.zero_grad(set_to_none=True)
    task.loss(1, torch.Generator().manual_seed(5)).loss.backward()  # type: ignore[no-untyped-call]
    return {name: p.grad for name, p in task.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("crop", [24, None])
def test_crops_show_what_their_latents_are_of(
    chunks: list[PaintedChunk], vae: VideoAutoencoder, crop: int | None
) -> None:
    drawn = PaintedClips(chunks).draw(6, 2, crop, torch.Generator().manual_seed(0))
    height, width = (crop, crop) if crop else (48, 64)
    assert drawn.video.shape == (6, 3, 8, height, width)
    assert drawn.painted.shape == drawn.latents.shape == (6, 6, 2, height // 8, width // 8)
    encoded = vae.encode_unnormalised(drawn.video, StreamState(started=True))
    assert (encoded - drawn.latents).abs().max() < 1e-2 * drawn.latents.abs().max()  # which are float16
    assert torch.equal(drawn.painted[:, 3:], torch.zeros_like(drawn.painted[:, 3:]))
    assert (vae.normalise(drawn.latents)[:, :3] - drawn.painted[:, :3]).abs().max() < 1e-2


def test_most_crops_are_around_what_is_there(chunks: list[PaintedChunk]) -> None:
    """What is to be learned lies at objects: they change the picture from its usual colours."""
    clips = PaintedClips(chunks)
    drawn = clips.draw(64, 1, 16, torch.Generator().manual_seed(0))
    everywhere = clips.draw(16, 1, None, torch.Generator().manual_seed(0))
    assert drawn.video.std((1, 2, 3, 4)).mean() > 1.2 * _mean_std_of_tiles(everywhere.video)


def _mean_std_of_tiles(video: Tensor) -> Tensor:
    tiles = video.unfold(3, 16, 16).unfold(4, 16, 16)  # b 3 t y x 16 16
    return tiles.permute(0, 3, 4, 1, 2, 5, 6).flatten(3).std(-1).mean()


def test_nothing_is_drawn_where_nothing_was_painted(clips: Path, tmp_path: Path) -> None:
    assert painted_chunks(clips, tmp_path, tmp_path, CLIP) == []
    with pytest.raises(ValueError, match="no clips have been painted"):
        PaintedClips([])


def test_the_decoder_gets_sharper_and_latents_stay(
    chunks: list[PaintedChunk], vae: VideoAutoencoder, tmp_path: Path
) -> None:
    task = task_of(vae, chunks, CONFIG)
    before = {name: p.detach().clone() for name, p in task.module.named_parameters()}
    config = TrainerConfig(
        num_steps=60, warmup_steps=1, adamw_lr=3e-3, ema_decay=0.9, gradient_clip=float("inf")
    )
    trainer = Trainer(task, config, tmp_path / "run")
    first = trainer.with_averages(task.evaluate)
    for _ in range(60):
        trainer.train_step()
    after = trainer.with_averages(task.evaluate)
    assert after["painted_sharpness"] > 1.03 * first["painted_sharpness"]
    assert after["painted_error_held_out"] < 1.1 * first["painted_error_held_out"]
    for name, parameter in task.module.named_parameters():
        stays = name.startswith(("vae.linear", "vae.encoder"))
        assert torch.equal(parameter, before[name]) == stays, name
    trainer.with_averages(lambda: task.save_samples(tmp_path / "samples.png"))
    assert (tmp_path / "samples.png").stat().st_size > 1_000


def test_decoder_and_critic_learn_apart(chunks: list[PaintedChunk], vae: VideoAutoencoder) -> None:
    """The critic's loss leaves the decoder alone, and what it says to the decoder leaves the critic alone."""
    config = SharpeningTaskConfig(**{**CONFIG_FIELDS, "critic_weight": 0.0})
    alone, both = gradients(task_of(vae, chunks, config)), gradients(task_of(vae, chunks, CONFIG))
    decoder = [name for name in both if name.startswith("vae.")]
    assert len(decoder) > 10
    assert all(torch.equal(alone[name], both[name]) for name in decoder)
    # Of two verdicts near 0 one is to rise and one to fall: the last bias stays between them.
    critic = [name for name in both if name.startswith("critic.") and name != "critic.out.bias"]
    assert all(not alone[name].any() and both[name].any() for name in critic)


CONFIG_FIELDS = {name: getattr(CONFIG, name) for name in CONFIG.__slots__}


def test_what_the_critic_says_counts_as_much_as_its_share(
    chunks: list[PaintedChunk], vae: VideoAutoencoder
) -> None:
    """Its gradient for decoded pixels is as large as that of the errors, times the share."""
    found = {}
    for share in (0.0, 2.0):
        config = SharpeningTaskConfig(**{**CONFIG_FIELDS, "true_share": share, "painted_share": share})
        task = task_of(vae, chunks, config)
        drawn = task.clips.draw(2, 2, 32, torch.Generator().manual_seed(0))
        latents = torch.cat([vae.normalise(drawn.latents), drawn.painted])
        with torch.no_grad():
            decoded = vae.decode_unnormalised(vae.denormalise(latents))
        video = torch.cat([drawn.video, drawn.video])
        found[share], _ = task._decoder_gradient(decoded, video, vae.linear_video(latents).detach(), (...,))
    said = (found[2.0] - found[0.0]).flatten(1).norm(dim=1)
    assert torch.allclose(said, 2 * found[0.0].flatten(1).norm(dim=1), rtol=1e-4)


def test_sharpness_is_one_of_what_is_true() -> None:
    video = torch.rand(2, 3, 4, 8, 8)
    assert sharpness_of(video, video) == pytest.approx(1)
    assert sharpness_of(0.5 * video, video) == pytest.approx(0.25)


def test_texture_bears_with_edges_that_lie_elsewhere_but_not_with_dots() -> None:
    def edge(at: int) -> Tensor:
        video = torch.zeros(1, 3, 2, 32, 32)
        video[..., at:] = 1
        return video

    def far(video: Tensor) -> float:
        return float((texture_of(video) - texture_of(edge(14))).abs().mean())

    dots = 0.2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2)
    soft = torch.nn.functional.avg_pool3d(edge(14), (1, 1, 5), 1, (0, 0, 2), count_include_pad=False)
    assert far(edge(14)) == 0
    assert far(edge(16)) < 0.5 * far(soft)
    assert far(edge(16)) < 0.2 * far(edge(14) + dots)
