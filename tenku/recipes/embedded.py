"""The embedded model: everything that decides it, from the clips it sees to the last learning rate.

Stages, each resumable by itself: simulate clips → fit the autoencoder → encode the clips → read captions → denoise.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model, SamplingDefaults, keep_freed_memory, save_model
from tenku.data.clips import Bucket, make_clips, read_chunk
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.errors import UserError
from tenku.flow import NoiseLevels
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.denoiser import DenoiserTask, DenoiserTaskConfig
from tenku.training.metrics import OutOfTimeError, announce
from tenku.training.scene_targets import NUM_REGISTERS
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.training.vae import ClipFrames, VaeTask, VaeTaskConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig
from tenku.worlds.captions import known_words
from tenku.worlds.clip import simulate_clip

HELD_OUT_SEED = 40_000_000  # clips that no stage trains on


def buckets() -> tuple[Bucket, ...]:
    """What is trained on: pictures first of all, then 2 s clips, some longer, some of other shapes."""
    return (
        _pictures("picture", 128, 128, 32_768, 1_000_000),
        _pictures("wide_picture", 96, 160, 3_072, 2_000_000),
        _pictures("tall_picture", 160, 96, 3_072, 3_000_000),
        _clips("clip", 33, 128, 128, 6_400, 4_000_000),
        _clips("wide_clip", 33, 96, 160, 512, 5_000_000),
        _clips("tall_clip", 33, 160, 96, 512, 6_000_000),
        _clips("long_clip", 65, 128, 128, 1_024, 7_000_000),
    )


# Share of the steps that each bucket gets: what things look like is learned from pictures, for a ninth of the price.
BUCKET_SHARES = {
    "picture": 0.45,
    "wide_picture": 0.04,
    "tall_picture": 0.04,
    "clip": 0.35,
    "wide_clip": 0.03,
    "tall_clip": 0.03,
    "long_clip": 0.06,
}


def vae_config() -> VideoAutoencoderConfig:
    """Linear encoder of 48 channels (16× compression), convolutional decoder."""
    return VideoAutoencoderConfig()


def vae_training() -> TrainerConfig:
    """Decoder only: the latents are fixed by PCA."""
    return TrainerConfig(num_steps=1_200, muon_lr=1.2e-3, adamw_lr=3e-4, ema_decay=0.99, decay_share=0.4)


def text_encoder_config() -> TextEncoderConfig:
    """Knows every word of the caption grammar."""
    return TextEncoderConfig(vocabulary=tuple(sorted(known_words())), num_registers=NUM_REGISTERS)


def text_training() -> TrainerConfig:
    """Unlimited captions, so no epochs."""
    return TrainerConfig(num_steps=600, muon_lr=1.5e-3, adamw_lr=1e-3, ema_decay=0.99, decay_share=0.4)


def denoiser_config(channel_std: tuple[float, ...]) -> DenoiserConfig:
    """15.9M parameters, heads of 128: the size that attention runs fastest on a CPU."""
    return DenoiserConfig(
        latent_channels=vae_config().latent_channels,
        text_size=256,
        hidden_size=384,
        depth=6,
        num_heads=3,
        channel_std=channel_std,
    )


def denoiser_task() -> DenoiserTaskConfig:
    """Noise levels high enough to learn layout, per-frame patterns for the timeline."""
    return DenoiserTaskConfig(
        bucket_shares=BUCKET_SHARES,
        tokens_per_step=6_144,
        noise_levels=NoiseLevels(logit_mean=1.0, logit_std=1.3),
    )


def denoiser_training() -> TrainerConfig:
    """Muon on the blocks; a long constant phase, so that a run can be made longer before it decays."""
    return TrainerConfig(num_steps=6_000, muon_lr=1.5e-3, adamw_lr=6e-4, ema_decay=0.998, decay_share=0.25)


def run(output: Path, *, resume: bool, minutes: float | None, steps: int | None) -> None:
    """Train the embedded model in `output`; the finished model is in `output/model`."""
    keep_freed_memory()
    if output.exists() and any(output.iterdir()) and not resume:
        raise UserError(f"{output} already holds a run; go on with --resume, or choose another folder.")
    stop = _stopwatch(minutes)
    clips, latents = output / "clips", output / "latents"
    announce("clips", make_clips(clips, buckets(), workers=os.cpu_count() or 1), stop)
    vae, channel_std = _autoencoder(output, clips, steps, stop)
    text_encoder = _text_encoder(output, steps, stop)
    announce("latents", encode_clips(vae, clips, latents, buckets()), stop)
    denoiser = _denoiser(output, vae, text_encoder, channel_std, steps, stop)
    save_model(output / "model", Model(vae, text_encoder, denoiser, SamplingDefaults()))


def _autoencoder(
    output: Path, clips: Path, steps: int | None, stop: Callable[[], bool]
) -> tuple[VideoAutoencoder, tuple[float, ...]]:
    torch.manual_seed(0)
    vae = VideoAutoencoder(vae_config())
    moving = [bucket for bucket in buckets() if bucket.num_frames > 1]
    channel_std = _linear_path(output / "vae" / "initial.pt", vae, clips)
    task = VaeTask(vae, ClipFrames(clips, moving), _held_out_clips(), VaeTaskConfig())
    _train(Trainer(task, _shortened(vae_training(), steps), output / "vae"), stop)
    return vae.eval().requires_grad_(False), channel_std


def _linear_path(path: Path, vae: VideoAutoencoder, clips: Path) -> tuple[float, ...]:
    """Fit the linear path once; latents on disk depend on it."""
    if path.exists():
        state = torch.load(path, weights_only=True)
        vae.load_state_dict(state["vae"])
        return tuple(state["std"])
    bucket = next(bucket for bucket in buckets() if bucket.name == "clip")
    chosen = range(min(12, bucket.num_chunks))
    frames = np.concatenate([read_chunk(clips, bucket, index).frames[::2, :17] for index in chosen])
    video = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    std = vae.initialise_from_pca(torch.cat([video, video.flip(-1)]))
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"vae": vae.state_dict(), "std": std}, path)
    return std


def _text_encoder(output: Path, steps: int | None, stop: Callable[[], bool]) -> TextEncoder:
    torch.manual_seed(1)
    reader = SceneReader(TextEncoder(text_encoder_config()))
    _train(Trainer(TextTask(reader, TextTaskConfig()), _shortened(text_training(), steps), output / "text"), stop)
    return reader.encoder.eval().requires_grad_(False)


def _denoiser(
    output: Path,
    vae: VideoAutoencoder,
    text_encoder: TextEncoder,
    channel_std: tuple[float, ...],
    steps: int | None,
    stop: Callable[[], bool],
) -> Denoiser:
    torch.manual_seed(2)
    denoiser = Denoiser(denoiser_config(channel_std))
    clips, latents = output / "clips", output / "latents"
    training = [load_latents(clips, latents, bucket, first=_held_out_chunks(bucket)) for bucket in buckets()]
    held_out = [
        load_latents(clips, latents, bucket, stop=1) for bucket in buckets() if _held_out_chunks(bucket)
    ]
    task = DenoiserTask(
        denoiser, text_encoder, vae, _present(training), _present(held_out), denoiser_task()
    )
    _train(Trainer(task, _shortened(denoiser_training(), steps), output / "denoiser"), stop)
    return denoiser


def _held_out_chunks(bucket: Bucket) -> int:
    """The first chunk of the two main buckets is kept for evaluation."""
    return 1 if bucket.name in ("picture", "clip") and bucket.num_chunks > 1 else 0


def _present(loaded: list[LatentBucket | None]) -> list[LatentBucket]:
    return [bucket for bucket in loaded if bucket is not None]


def _held_out_clips() -> Tensor:
    """(n 3 t h w) in [−1, 1], from seeds of their own."""
    frames = np.stack([simulate_clip(HELD_OUT_SEED + i, num_frames=17).frames for i in range(16)])
    return torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def _train(trainer: Trainer, stop: Callable[[], bool]) -> None:
    """Train to the end and leave the averaged weights in the module."""
    trainer.resume()
    trainer.run(stop)
    trainer.put_averages()
    if trainer.step < trainer.config.num_steps:
        raise OutOfTimeError


def _shortened(config: TrainerConfig, steps: int | None) -> TrainerConfig:
    return config if steps is None else replace(config, num_steps=min(steps, config.num_steps))


def _stopwatch(minutes: float | None) -> Callable[[], bool]:
    end = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    return lambda: time.monotonic() > end


def _pictures(name: str, height: int, width: int, num_clips: int, first_seed: int) -> Bucket:
    return Bucket(
        name=name, num_frames=1, height=height, width=width, num_clips=num_clips, first_seed=first_seed,
        clips_per_chunk=256,
    )


def _clips(name: str, num_frames: int, height: int, width: int, num_clips: int, first_seed: int) -> Bucket:
    return Bucket(
        name=name, num_frames=num_frames, height=height, width=width, num_clips=num_clips, first_seed=first_seed
    )
