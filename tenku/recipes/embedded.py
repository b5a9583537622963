"""The embedded model: everything that decides it, from the clips it sees to the last learning rate.

Stages, each resumable by itself: simulate clips → fit the autoencoder → read captions → encode the clips →
denoise. They lie in the output folder as `clips`, `vae`, `text`, `latents` and `denoiser`, the finished
model as `model`.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import RUN_MODEL, Model, SamplingDefaults, keep_freed_memory, save_model
from tenku.data.clips import Bucket, make_clips, read_chunk
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.errors import UserError
from tenku.flow import NoiseLevels
from tenku.media import replacing
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.denoiser import DenoiserTask, DenoiserTaskConfig
from tenku.training.distributed import first_rank_first, join_world
from tenku.training.metrics import OutOfTimeError, announce
from tenku.training.scene_targets import NUM_REGISTERS
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Trainer, TrainerConfig
from tenku.training.vae import ClipFrames, VaeTask, VaeTaskConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig, from_pixels
from tenku.worlds.captions import known_words
from tenku.worlds.clip import simulate_clip

HELD_OUT_SEED: Final = 40_000_000  # clips that no stage trains on

_Stop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedRecipe:
    """A text-to-video model trained on simulated clips alone.

    The first bucket of more than one frame is what the autoencoder's linear path is fitted to; the first
    chunk of the buckets in `kept_back` is for evaluation. The denoiser's `channel_std` is measured, not
    given.
    """

    buckets: tuple[Bucket, ...]
    kept_back: tuple[str, ...] = ("picture", "clip")
    held_out: Bucket  # whole clips by which the autoencoder is judged
    vae: VideoAutoencoderConfig
    vae_task: VaeTaskConfig
    vae_training: TrainerConfig
    text_encoder: TextEncoderConfig
    text_task: TextTaskConfig
    text_training: TrainerConfig
    denoiser: DenoiserConfig
    denoiser_task: DenoiserTaskConfig
    denoiser_training: TrainerConfig
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)

    def __post_init__(self) -> None:
        names = [bucket.name for bucket in self.buckets]
        if len(set(names)) < len(names):
            raise ValueError(f"every bucket needs a name of its own, not {names}")
        strangers = set(self.denoiser_task.bucket_shares) - set(names)
        if strangers:
            raise ValueError(f"bucket_shares names {sorted(strangers)}, which are no buckets")
        if not self.moving:
            raise ValueError("the autoencoder needs a bucket of more than one frame")
        if self.denoiser.latent_channels != self.vae.latent_channels:
            raise ValueError("the denoiser and the autoencoder must have the same latent_channels")
        if self.denoiser.text_size != self.text_encoder.hidden_size:
            raise ValueError("the denoiser's text_size must be the text encoder's hidden_size")

    @property
    def moving(self) -> tuple[Bucket, ...]:
        """The buckets that hold more than pictures."""
        return tuple(bucket for bucket in self.buckets if bucket.num_frames > 1)

    def num_kept_back(self, bucket: Bucket) -> int:
        """Chunks at the start of a bucket that the denoiser does not train on."""
        return 1 if bucket.name in self.kept_back and bucket.num_chunks > 1 else 0

    def shortened(self, steps: int | None) -> "EmbeddedRecipe":
        """The same with at most so many steps of each stage."""
        if steps is None:
            return self

        def shorter(config: TrainerConfig) -> TrainerConfig:
            return replace(config, num_steps=min(steps, config.num_steps))

        return replace(
            self,
            vae_training=shorter(self.vae_training),
            text_training=shorter(self.text_training),
            denoiser_training=shorter(self.denoiser_training),
        )


def embedded() -> EmbeddedRecipe:
    """The model in this package: 16 frames a second at 128×128, some longer and of other shapes.

    What things look like is learned from pictures, for a ninth of the price of clips. The autoencoder's
    encoder is linear (48 channels, 16× compression), so latents are fixed by PCA before any training. The
    denoiser has 15.9M parameters and heads of 128, which attention runs fastest on a CPU; its noise levels
    are high enough to learn layout, and its long constant phase lets a run be made longer before it decays.
    """
    return EmbeddedRecipe(
        buckets=(
            pictures("picture", 128, 128, 32_768, 1_000_000),
            pictures("wide_picture", 96, 160, 3_072, 2_000_000),
            pictures("tall_picture", 160, 96, 3_072, 3_000_000),
            clips("clip", 33, 128, 128, 6_400, 4_000_000),
            clips("wide_clip", 33, 96, 160, 512, 5_000_000),
            clips("tall_clip", 33, 160, 96, 512, 6_000_000),
            clips("long_clip", 65, 128, 128, 1_024, 7_000_000),
        ),
        held_out=clips("held_out", 17, 128, 128, 16, HELD_OUT_SEED, clips_per_chunk=16),
        vae=VideoAutoencoderConfig(),
        vae_task=VaeTaskConfig(),
        vae_training=TrainerConfig(
            num_steps=1_200, muon_lr=1.2e-3, adamw_lr=3e-4, ema_decay=0.99, decay_share=0.4
        ),
        text_encoder=TextEncoderConfig(
            vocabulary=tuple(sorted(known_words())), hidden_size=256, num_registers=NUM_REGISTERS
        ),
        text_task=TextTaskConfig(),
        text_training=TrainerConfig(
            num_steps=1_900, muon_lr=1.5e-3, adamw_lr=1e-3, ema_decay=0.99, decay_share=0.4
        ),
        denoiser=DenoiserConfig(latent_channels=48, text_size=256, hidden_size=384, depth=6, num_heads=3),
        denoiser_task=DenoiserTaskConfig(
            bucket_shares={
                "picture": 0.45,
                "wide_picture": 0.04,
                "tall_picture": 0.04,
                "clip": 0.35,
                "wide_clip": 0.03,
                "tall_clip": 0.03,
                "long_clip": 0.06,
            },
            tokens_per_step=6_144,
            noise_levels=NoiseLevels(logit_mean=1.0, logit_std=1.3),
        ),
        denoiser_training=TrainerConfig(
            num_steps=20_000, muon_lr=2e-3, adamw_lr=6e-4, ema_decay=0.995, decay_share=0.25
        ),
    )


def pictures(
    name: str, height: int, width: int, num_clips: int, first_seed: int, clips_per_chunk: int = 256
) -> Bucket:
    """A bucket of pictures."""
    return clips(name, 1, height, width, num_clips, first_seed, clips_per_chunk)


def clips(
    name: str,
    num_frames: int,
    height: int,
    width: int,
    num_clips: int,
    first_seed: int,
    clips_per_chunk: int = 32,
) -> Bucket:
    """A bucket of clips."""
    return Bucket(
        name=name,
        num_frames=num_frames,
        height=height,
        width=width,
        num_clips=num_clips,
        first_seed=first_seed,
        clips_per_chunk=clips_per_chunk,
    )


def run(
    recipe: EmbeddedRecipe,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    workers: int | None = None,
) -> Model:
    """Train a recipe's model in `output` and return it; the finished one is also in `output/model`.

    OutOfTimeError after so many minutes; everything is saved then. `workers` simulate clips, one a core
    unless said.
    """
    keep_freed_memory()
    rank, _ = join_world()
    if rank == 0 and not resume and output.exists() and any(output.iterdir()):
        raise UserError(
            f"{str(output)!r} already holds something; go on with --resume, or choose another folder."
        )
    return _Run(recipe.shortened(steps), output, _stopwatch(minutes), rank).follow(
        workers or os.cpu_count() or 1
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One recipe being followed in one folder."""

    recipe: EmbeddedRecipe
    output: Path
    stop: _Stop
    rank: int

    @property
    def clips(self) -> Path:
        return self.output / "clips"

    @property
    def latents(self) -> Path:
        return self.output / "latents"

    def follow(self, workers: int) -> Model:
        """All stages in their order."""
        recipe = self.recipe
        self._make("clips", lambda: make_clips(self.clips, recipe.buckets, workers))
        vae, channel_std = self._train_autoencoder()
        text_encoder = self._train_text_encoder()
        self._make("latents", lambda: encode_clips(vae, self.clips, self.latents, recipe.buckets))
        denoiser = self._train_denoiser(vae, text_encoder, channel_std)
        model = Model(vae, text_encoder, denoiser, recipe.sampling, {"recipe": _facts(recipe)})
        if self.rank == 0:
            save_model(self.output / RUN_MODEL, model)
        return model

    def _make(self, name: str, work: Callable[[], Any]) -> None:
        first_rank_first(lambda: announce(name, work(), self.stop, show=self.rank == 0))

    def _train_autoencoder(self) -> tuple[VideoAutoencoder, tuple[float, ...]]:
        recipe = self.recipe
        torch.manual_seed(0)
        vae = VideoAutoencoder(recipe.vae)
        place = self.output / "vae" / "initial.pt"
        first_rank_first(partial(self._fit_linear_path, vae, place))
        state = torch.load(place, weights_only=True)
        vae.load_state_dict(state["vae"])
        task = VaeTask(
            vae, ClipFrames(self.clips, recipe.moving), _simulated(recipe.held_out), recipe.vae_task
        )
        self._train(Trainer(task, recipe.vae_training, self.output / "vae"))
        return vae.eval().requires_grad_(False), tuple(state["std"])

    def _fit_linear_path(self, vae: VideoAutoencoder, place: Path) -> None:
        """Fit it once: latents on disk depend on it."""
        if place.exists():
            return
        bucket = self.recipe.moving[0]
        chosen = range(min(12, bucket.num_chunks))
        frames = [read_chunk(self.clips, bucket, index).frames[::2, :17] for index in chosen]
        video = from_pixels(np.concatenate(frames))
        std = vae.initialise_from_pca(torch.cat([video, video.flip(-1)]))
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place) as unfinished, unfinished.open("wb") as file:
            torch.save({"vae": vae.state_dict(), "std": std}, file)

    def _train_text_encoder(self) -> TextEncoder:
        recipe = self.recipe
        torch.manual_seed(1)
        reader = SceneReader(TextEncoder(recipe.text_encoder))
        task = TextTask(reader, recipe.text_task)
        self._train(Trainer(task, recipe.text_training, self.output / "text"))
        return reader.encoder.eval().requires_grad_(False)

    def _train_denoiser(
        self, vae: VideoAutoencoder, text_encoder: TextEncoder, channel_std: tuple[float, ...]
    ) -> Denoiser:
        recipe = self.recipe
        torch.manual_seed(2)
        denoiser = Denoiser(replace(recipe.denoiser, channel_std=channel_std))
        training, held_out = [], []
        for bucket in recipe.buckets:
            kept_back = recipe.num_kept_back(bucket)
            training.append(load_latents(self.clips, self.latents, bucket, first=kept_back))
            held_out.append(load_latents(self.clips, self.latents, bucket, stop=kept_back))
        task = DenoiserTask(
            denoiser,
            text_encoder,
            vae,
            _present(training),
            _present(held_out),
            recipe.denoiser_task,
            recipe.sampling,
        )
        self._train(Trainer(task, recipe.denoiser_training, self.output / "denoiser"))
        return denoiser.eval().requires_grad_(False)

    def _train(self, trainer: Trainer) -> None:
        """Train to the end and leave the averaged weights in the module."""
        trainer.resume()
        trainer.run(self.stop)
        trainer.put_averages()
        if trainer.step < trainer.config.num_steps:
            raise OutOfTimeError


def _simulated(bucket: Bucket) -> Tensor:
    """All clips of a bucket (n 3 t h w) in [−1, 1], made now and kept nowhere."""
    seeds = range(bucket.first_seed, bucket.first_seed + bucket.num_clips)
    frames = [
        simulate_clip(
            seed, num_frames=bucket.num_frames, fps=bucket.fps, height=bucket.height, width=bucket.width
        ).frames
        for seed in seeds
    ]
    return from_pixels(np.stack(frames))


def _present(loaded: list[LatentBucket | None]) -> list[LatentBucket]:
    return [bucket for bucket in loaded if bucket is not None]


def _facts(recipe: EmbeddedRecipe) -> dict[str, Any]:
    """The recipe for the finished model's configuration, less the vocabulary, which stands there already."""
    facts = asdict(recipe)
    del facts["text_encoder"]["vocabulary"]
    return facts


def _stopwatch(minutes: float | None) -> _Stop:
    end = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    return lambda: time.monotonic() > end
