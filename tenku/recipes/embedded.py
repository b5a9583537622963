"""The embedded model: everything that decides it, from the clips it sees to the last learning rate.

Stages, each resumable by itself: simulate clips → fit the autoencoder → read captions → plan tracks → encode
the clips → read tracks from them → draft them from tracks → denoise, at low noise perhaps with an expert of
its own → paint some clips → sharpen the decoder. They lie in the output folder as `clips`, `vae`, `text`,
`planner`, `latents`, `reader`, `draft`, `denoiser`, `low_noise`, `painted` and `sharpen`, the finished model
as `model`.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from tenku.checkpoint import (
    RUN_MODEL,
    Model,
    SamplingDefaults,
    is_model,
    keep_freed_memory,
    load_model,
    save_model,
)
from tenku.data.clips import Bucket, made_chunks, make_clips, read_chunk
from tenku.data.latents import LatentBucket, encode_clips, load_latents
from tenku.data.tracks import Sketches, load_sketches, of_one_shot, track_config
from tenku.denoiser import Denoiser, DenoiserConfig, Drafter, NoiseExperts, TrackReader, TrackReaderConfig
from tenku.errors import UserError
from tenku.flow import NoiseLevels
from tenku.recipes.runs import Stop, check_folder, keep_autoencoder, stopwatch
from tenku.text import TextEncoder, TextEncoderConfig
from tenku.training.denoiser import DenoiserTask, DenoiserTaskConfig
from tenku.training.device import on_device
from tenku.training.distributed import first_rank_first, join_world
from tenku.training.draft import DraftTask, DraftTaskConfig
from tenku.training.metrics import OutOfTimeError, announce
from tenku.training.painted import PaintedClips, paint_clips, painted_chunks
from tenku.training.planner import PlannerTask, PlannerTaskConfig
from tenku.training.reader import ReaderTask, ReaderTaskConfig
from tenku.training.scene_targets import NUM_REGISTERS, REGISTERS_PER_SHOT
from tenku.training.sharpening import SharpenedAutoencoder, SharpeningTask, SharpeningTaskConfig
from tenku.training.text import SceneReader, TextTask, TextTaskConfig
from tenku.training.trainer import Task, Trainer, TrainerConfig, put_trained
from tenku.training.vae import ClipFrames, VaeTask, VaeTaskConfig
from tenku.vae import VideoAutoencoder, VideoAutoencoderConfig, from_pixels
from tenku.worlds.captions import known_words
from tenku.worlds.clip import simulate_clip

HELD_OUT_SEED: Final = 40_000_000  # clips that no stage trains on

_START: Final = "start"  # the model that a run started from
STAGES: Final = (
    *("clips", "vae", "text", "planner", "latents", "reader", "draft", "denoiser", "low_noise"),
    *("painted", "sharpen"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LowNoiseRecipe:
    """The expert that takes over where no token is noisier than `boundary`."""

    denoiser: DenoiserConfig
    task: DenoiserTaskConfig
    training: TrainerConfig
    boundary: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedRecipe:
    """A text-to-video model trained on simulated clips alone.

    The first bucket of more than one frame is what the autoencoder's linear path is fitted to; the first
    chunk of the buckets in `kept_back` is for evaluation. The first `num_painted` clips of each moving bucket
    are what the decoder is sharpened on. The denoiser's `channel_std` is measured, not given.
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
    planner: DenoiserConfig
    planner_task: PlannerTaskConfig
    planner_training: TrainerConfig
    reader: TrackReaderConfig
    reader_task: ReaderTaskConfig
    reader_training: TrainerConfig
    draft_task: DraftTaskConfig
    draft_training: TrainerConfig
    denoiser: DenoiserConfig
    denoiser_task: DenoiserTaskConfig
    denoiser_training: TrainerConfig
    low_noise: LowNoiseRecipe | None = None
    num_painted: int = 1_600
    sharpening_task: SharpeningTaskConfig = field(default_factory=SharpeningTaskConfig)
    sharpening_training: TrainerConfig
    sampling: SamplingDefaults = field(default_factory=SamplingDefaults)

    def __post_init__(self) -> None:
        names = [bucket.name for bucket in self.buckets]
        if len(set(names)) < len(names):
            raise ValueError(f"every bucket needs a name of its own, not {names}")
        shares = (self.reader_task, self.draft_task, self.denoiser_task, self.planner_task)
        strangers = {name for task in shares for name in task.bucket_shares} - set(names)
        if strangers:
            raise ValueError(f"bucket_shares names {sorted(strangers)}, which are no buckets")
        if not self.moving:
            raise ValueError("the autoencoder needs a bucket of more than one frame")
        if self.denoiser.latent_channels != self.vae.latent_channels:
            raise ValueError("the denoiser and the autoencoder must have the same latent_channels")
        if self.reader.latent_channels != self.vae.latent_channels:
            raise ValueError("the reader and the autoencoder must have the same latent_channels")
        if self.denoiser.text_size != self.text_encoder.hidden_size:
            raise ValueError("the denoiser's text_size must be the text encoder's hidden_size")
        if self.low_noise is not None and self.low_noise.denoiser.tracks is not None:
            raise ValueError("the expert for low noise cannot follow tracks: nothing trains its draft")
        if self.denoiser.tracks is None or self.planner.latent_channels != self.denoiser.tracks.channels:
            raise ValueError("the planner's latents must be the tracks that the denoiser takes")

    @property
    def filmed(self) -> tuple[Bucket, ...]:
        """The buckets that have frames."""
        return tuple(bucket for bucket in self.buckets if not bucket.sketches)

    @property
    def moving(self) -> tuple[Bucket, ...]:
        """The buckets that have more frames than one."""
        return tuple(bucket for bucket in self.filmed if bucket.num_frames > 1)

    @property
    def painted(self) -> tuple[Bucket, ...]:
        """The buckets that have more frames than one, with no more clips than are painted."""
        return tuple(
            replace(bucket, num_clips=min(bucket.num_clips, self._whole_chunks(bucket)))
            for bucket in self.moving
        )

    def _whole_chunks(self, bucket: Bucket) -> int:
        return -(-self.num_painted // bucket.clips_per_chunk) * bucket.clips_per_chunk

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
            planner_training=shorter(self.planner_training),
            reader_training=shorter(self.reader_training),
            draft_training=shorter(self.draft_training),
            denoiser_training=shorter(self.denoiser_training),
            low_noise=self.low_noise and replace(self.low_noise, training=shorter(self.low_noise.training)),
            sharpening_training=shorter(self.sharpening_training),
        )


TRACKS: Final = track_config(VideoAutoencoderConfig().temporal_compression)


def embedded() -> EmbeddedRecipe:
    """The model in this package: 16 frames a second at 128×128, some longer and of other shapes.

    The planner (5.2M parameters) decides from the text what is there and where it moves, which costs a
    hundredth of painting it; the denoiser (7.6M) paints, from a draft that is trained first and alone. What
    things look like is learned from pictures, for a ninth of the price of clips. The autoencoder's encoder is
    linear (48 channels, 16× compression), so latents are fixed by PCA before any training. All have heads of
    128, which attention runs fastest on a CPU.
    """
    return EmbeddedRecipe(
        buckets=(
            pictures("picture", 128, 128, 24_576, 1_000_000),
            pictures("wide_picture", 96, 160, 2_048, 2_000_000),
            pictures("tall_picture", 160, 96, 2_048, 3_000_000),
            clips("clip", 33, 128, 128, 6_400, 4_000_000),
            clips("wide_clip", 33, 96, 160, 384, 5_000_000),
            clips("tall_clip", 33, 160, 96, 384, 6_000_000),
            clips("long_clip", 65, 128, 128, 768, 7_000_000),
            sketches("short_sketch", 17, 1_024, 10_000_000),
            sketches("sketch", 33, 6_144, 11_000_000),
            sketches("longer_sketch", 49, 1_024, 12_000_000),
            sketches("long_sketch", 65, 1_536, 13_000_000),
        ),
        held_out=clips("held_out", 17, 128, 128, 16, HELD_OUT_SEED, clips_per_chunk=16),
        vae=VideoAutoencoderConfig(frame_depth=8),
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
        planner=DenoiserConfig(
            latent_channels=TRACKS.channels,
            text_size=256,
            hidden_size=256,
            depth=4,
            num_heads=2,
            patch_size=(1, 1, 1),
            named_rows=REGISTERS_PER_SHOT,
        ),
        planner_task=PlannerTaskConfig(
            bucket_shares={
                "picture": 0.08,
                "short_sketch": 0.1,
                "sketch": 0.55,
                "longer_sketch": 0.1,
                "long_sketch": 0.17,
            },
            batch_size=48,
            compile_from=0.15,
        ),
        planner_training=TrainerConfig(
            num_steps=4_400, muon_lr=2e-3, adamw_lr=1e-3, ema_decay=0.995, decay_share=0.6
        ),
        reader=TrackReaderConfig(tracks=TRACKS),
        reader_task=ReaderTaskConfig(
            bucket_shares={
                "picture": 0.4,
                "wide_picture": 0.05,
                "tall_picture": 0.05,
                "clip": 0.42,
                "wide_clip": 0.04,
                "tall_clip": 0.04,
            }
        ),
        reader_training=TrainerConfig(
            num_steps=2_500, muon_lr=2e-3, adamw_lr=1e-3, ema_decay=0.995, decay_share=0.6, sample_steps=500
        ),
        draft_task=DraftTaskConfig(
            bucket_shares={
                "picture": 0.4,
                "wide_picture": 0.03,
                "tall_picture": 0.03,
                "clip": 0.48,
                "wide_clip": 0.03,
                "tall_clip": 0.03,
            },
            track_noise=0.004,
        ),
        draft_training=TrainerConfig(
            num_steps=3_600,
            muon_lr=2e-3,
            adamw_lr=1e-3,
            ema_decay=0.995,
            decay_share=0.6,
            sample_steps=500,
        ),
        denoiser=DenoiserConfig(
            latent_channels=48,
            text_size=256,
            hidden_size=256,
            depth=5,
            num_heads=2,
            tracks=replace(TRACKS, field_size=256, hidden_size=512, depth=4),
            refiner_depth=1,
            refiner_width=128,
        ),
        denoiser_task=DenoiserTaskConfig(
            bucket_shares={
                "picture": 0.44,
                "wide_picture": 0.02,
                "tall_picture": 0.02,
                "clip": 0.46,
                "wide_clip": 0.02,
                "tall_clip": 0.02,
                "long_clip": 0.02,
            },
            tokens_per_step=2_048,
            noise_levels=NoiseLevels(
                logit_mean=1.2,
                logit_std=1.3,
                uniform_share=0.1,
                high_share=0.1,
                shared_share=0.55,
                independent_share=0.05,
                known_share=0.35,
                ramp_share=0.05,
            ),
            track_noise=0.004,
            condition_dropout=0.03,
            text_dropout=0.1,
            track_dropout=0.04,
        ),
        denoiser_training=TrainerConfig(
            num_steps=600, muon_lr=2e-3, adamw_lr=1e-3, ema_decay=0.99, decay_share=0.6, sample_steps=1_000
        ),
        sharpening_training=TrainerConfig(
            num_steps=3_000, adamw_lr=3e-4, ema_decay=0.995, decay_share=0.5, gradient_clip=math.inf
        ),
        # Planned tracks hold what there is to choose from: the painter is to take the likeliest.
        sampling=SamplingDefaults(
            guidance_scale=1.0,
            temperature=0.0,
            num_inference_steps=1,
            planner_steps=12,
            planner_guidance_scale=2.0,
            steadied_channels=16,
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


def sketches(name: str, num_frames: int, num_clips: int, first_seed: int) -> Bucket:
    """A bucket of which only tracks and descriptions are kept: square, small, without cuts.

    As with the captions that the text encoder reads, all colour–shape pairs occur: no pixels are shown.
    """
    return Bucket(
        name=name,
        num_frames=num_frames,
        height=48,
        width=48,
        num_clips=num_clips,
        first_seed=first_seed,
        clips_per_chunk=256,
        sketches=True,
        cut_probability=0.0,
        pairs="any",
    )


def run(
    recipe: EmbeddedRecipe,
    output: Path,
    *,
    resume: bool = False,
    minutes: float | None = None,
    steps: int | None = None,
    workers: int | None = None,
    start: Model | None = None,
    stages: Sequence[str] = STAGES,
    device: str | None = None,
) -> Model:
    """Train a recipe's model in `output` and return it; the finished one is also in `output/model`.

    OutOfTimeError after so many minutes; everything is saved then. `workers` simulate clips, one a core
    unless said. Networks are trained on `device`, a GPU if there is one unless said. They start as those of
    the model `start`, if one is given, and it is kept in `output` for later runs; only `stages` are followed,
    and what belongs to the others stays as it starts or as an earlier run in `output` left it.
    """
    keep_freed_memory()
    rank, _ = join_world()
    if rank == 0:
        check_folder(output, resume)
    kept = output / _START
    first = load_model(kept) if start is None and is_model(kept) else start
    plan = _Run(recipe.shortened(steps), output, stopwatch(minutes), rank, first, tuple(stages))
    plan.check()
    if start is not None and rank == 0:
        save_model(kept, start, torch.float32)
    with on_device(device):
        return plan.follow(workers or os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class _Run:
    """One recipe being followed in one folder."""

    recipe: EmbeddedRecipe
    output: Path
    stop: Stop
    rank: int
    start: Model | None
    stages: tuple[str, ...]

    @property
    def clips(self) -> Path:
        return self.output / "clips"

    @property
    def latents(self) -> Path:
        return self.output / "latents"

    @property
    def paintings(self) -> Path:
        return self.output / "painted"

    @property
    def _linear_path(self) -> Path:
        return self.output / "vae" / "initial.pt"

    def follow(self, workers: int) -> Model:
        """All stages in their order."""
        recipe = self.recipe
        if "clips" in self.stages:
            self._make("clips", lambda: make_clips(self.clips, recipe.buckets, workers))
        vae, channel_std = self._train_autoencoder()
        text_encoder = self._train_text_encoder()
        planner = self._train_planner(text_encoder)
        if "latents" in self.stages:
            self._make("latents", lambda: encode_clips(vae, self.clips, self.latents, recipe.filmed))
        reader = self._train_reader(vae)
        denoiser = self._train_denoiser(vae, text_encoder, channel_std)
        facts = {"recipe": _facts(recipe)}
        model = Model(vae, text_encoder, planner, denoiser, recipe.sampling, facts, reader)
        if "painted" in self.stages:
            self._make("painted", lambda: paint_clips(model, self.clips, self.paintings, recipe.painted))
        self._sharpen(vae)
        if self.rank == 0:
            save_model(self.output / RUN_MODEL, model)
        return model

    def check(self) -> None:
        """What the stages need is there or will be made, and a model to start from has the recipe's shape."""
        needs = [("vae", "clips"), ("planner", "clips"), ("latents", "clips")]
        needs += [("reader", "latents"), ("draft", "latents"), ("denoiser", "latents")]
        trained = None if self.start is None else _expert(self.start.denoiser, self.recipe.denoiser)
        if trained is None or trained.config.tracks is None:  # it has no draft to go on from
            needs += [("denoiser", "draft")]
        needs += [("painted", "clips"), ("sharpen", "latents"), ("sharpen", "painted")]
        needs += [("low_noise", "latents")] if self.recipe.low_noise is not None else []
        if self.start is None and not self._linear_path.exists():  # which is fitted to clips
            needs += [(stage, "clips") for stage in self.stages]
        for stage, needed in needs:
            if stage in self.stages and needed not in self.stages and not (self.output / needed).is_dir():
                raise UserError(
                    f"the stage {stage} needs the {needed}, which are not in {str(self.output)!r}; "
                    f"follow the stage {needed} too."
                )
        for network, fits in _fitting(self.recipe, self.start) if self.start is not None else ():
            if not fits:
                raise UserError(
                    f"the {network} of the model to start from has another shape than the recipe's; "
                    "start from another model, or from none."
                )

    def _make(self, name: str, work: Callable[[], Any]) -> None:
        first_rank_first(lambda: announce(name, work(), self.stop, show=self.rank == 0))

    def _train_autoencoder(self) -> tuple[VideoAutoencoder, tuple[float, ...]]:
        recipe = self.recipe
        torch.manual_seed(0)
        vae = VideoAutoencoder(recipe.vae)
        first_rank_first(partial(self._fit_linear_path, vae))
        state = torch.load(self._linear_path, weights_only=True)
        vae.load_state_dict(state["vae"])

        def task() -> VaeTask:
            frames = ClipFrames(self.clips, recipe.moving)
            return VaeTask(vae, frames, _simulated(recipe.held_out), recipe.vae_task)

        self._train("vae", vae, task, recipe.vae_training)
        return vae.eval().requires_grad_(False), tuple(state["std"])

    def _fit_linear_path(self, vae: VideoAutoencoder) -> None:
        """Fit it once, or take it from the model to start from: latents on disk depend on it."""
        if self._linear_path.exists():
            return
        if self.start is not None:
            vae.load_state_dict(self.start.vae.state_dict(), strict=False)  # new blocks are zero at the start
            keep_autoencoder(self._linear_path, vae, self.start.denoiser.config.channel_std)
            return
        bucket = self.recipe.moving[0]
        chosen = range(min(12, bucket.num_chunks))
        frames = [read_chunk(self.clips, bucket, index).frames[::2, :17] for index in chosen]
        video = from_pixels(np.concatenate(frames))
        keep_autoencoder(self._linear_path, vae, vae.initialise_from_pca(torch.cat([video, video.flip(-1)])))

    def _train_text_encoder(self) -> TextEncoder:
        recipe = self.recipe
        torch.manual_seed(1)
        reader = SceneReader(TextEncoder(recipe.text_encoder))
        if self.start is not None:
            reader.encoder.load_state_dict(self.start.text_encoder.state_dict())
        self._train("text", reader, lambda: TextTask(reader, recipe.text_task), recipe.text_training)
        return reader.encoder.eval().requires_grad_(False)

    def _train_planner(self, text_encoder: TextEncoder) -> Denoiser:
        recipe = self.recipe
        torch.manual_seed(3)
        planner = Denoiser(recipe.planner)
        if self.start is not None and self.start.planner is not None:
            planner.load_state_dict(self.start.planner.state_dict())
        make = partial(self._planner_task, planner, text_encoder)
        self._train("planner", planner, make, recipe.planner_training)
        return planner.eval().requires_grad_(False)

    def _planner_task(self, planner: Denoiser, text_encoder: TextEncoder) -> PlannerTask:
        recipe = self.recipe
        assert recipe.denoiser.tracks is not None  # the recipe has been checked
        sketches, held_out = {}, None
        for bucket in recipe.buckets:
            if bucket.name in recipe.planner_task.bucket_shares:
                chunks = made_chunks(self.clips, bucket)
                kept_back = chunks[:1] if bucket.sketches and held_out is None and len(chunks) > 1 else []
                load = partial(self._load_sketches, bucket)
                if kept_back:
                    held_out = load(kept_back)
                sketches[bucket.name] = load(chunks[len(kept_back) :])
        return PlannerTask(
            planner, text_encoder, recipe.denoiser.tracks, sketches, held_out, recipe.planner_task
        )

    def _train_reader(self, vae: VideoAutoencoder) -> TrackReader:
        recipe = self.recipe
        torch.manual_seed(4)
        reader = TrackReader(recipe.reader)
        if self.start is not None and self.start.reader is not None:
            reader.load_state_dict(self.start.reader.state_dict())

        def task() -> ReaderTask:
            return ReaderTask(reader, vae, *self._encoded(), recipe.reader_task)

        self._train("reader", reader, task, recipe.reader_training)
        return reader.eval().requires_grad_(False)

    def _load_sketches(self, bucket: Bucket, chunks: Sequence[int]) -> Sketches:
        return of_one_shot(load_sketches(self.clips, bucket, chunks))

    def _train_denoiser(
        self, vae: VideoAutoencoder, text_encoder: TextEncoder, channel_std: tuple[float, ...]
    ) -> Denoiser | NoiseExperts:
        recipe, low = self.recipe, self.recipe.low_noise

        def trained(
            stage: str, config: DenoiserConfig, task: DenoiserTaskConfig, training: TrainerConfig
        ) -> Denoiser:
            torch.manual_seed(2)
            denoiser = Denoiser(replace(config, channel_std=channel_std))
            start = None if self.start is None else _expert(self.start.denoiser, config)
            if start is not None:
                same_shape = start.config.tracks == config.tracks  # else it has yet to learn of tracks
                denoiser.load_state_dict(start.state_dict(), strict=same_shape)
            if stage == "denoiser" and denoiser.drafter is not None:
                draft = partial(self._draft_task, denoiser.drafter, vae)
                self._train("draft", denoiser.drafter, draft, recipe.draft_training)
            make = partial(self._denoiser_task, denoiser, text_encoder, vae, task)
            self._train(stage, denoiser, make, training)
            return denoiser.eval().requires_grad_(False)

        high = trained("denoiser", recipe.denoiser, recipe.denoiser_task, recipe.denoiser_training)
        if low is None:
            return high
        return NoiseExperts(high, trained("low_noise", low.denoiser, low.task, low.training), low.boundary)

    def _denoiser_task(
        self, denoiser: Denoiser, text_encoder: TextEncoder, vae: VideoAutoencoder, config: DenoiserTaskConfig
    ) -> DenoiserTask:
        training, held_out = self._encoded()
        return DenoiserTask(denoiser, text_encoder, vae, training, held_out, config, self.recipe.sampling)

    def _draft_task(self, drafter: Drafter, vae: VideoAutoencoder) -> DraftTask:
        return DraftTask(drafter, vae, *self._encoded(), self.recipe.draft_task)

    def _sharpen(self, vae: VideoAutoencoder) -> None:
        recipe = self.recipe
        torch.manual_seed(5)
        module = SharpenedAutoencoder(vae.requires_grad_(True), recipe.sharpening_task.critic_width)
        make = partial(self._sharpening_task, module)
        self._train("sharpen", module, make, recipe.sharpening_training)
        vae.eval().requires_grad_(False)

    def _sharpening_task(self, module: SharpenedAutoencoder) -> SharpeningTask:
        recipe, kept_back, training = self.recipe, [], []
        for bucket in recipe.painted:
            load = partial(painted_chunks, self.clips, self.latents, self.paintings, bucket)
            first = recipe.num_kept_back(bucket)
            kept_back += load(stop=first)
            training += load(first=first)
        held_out = _simulated(recipe.held_out)
        return SharpeningTask(
            module, PaintedClips(training), PaintedClips(kept_back), held_out, recipe.sharpening_task
        )

    def _encoded(self) -> tuple[list[LatentBucket], list[LatentBucket]]:
        """The encoded clips to train on, and those kept back."""
        training, held_out = [], []
        for bucket in self.recipe.filmed:
            kept_back = self.recipe.num_kept_back(bucket)
            training.append(load_latents(self.clips, self.latents, bucket, first=kept_back))
            held_out.append(load_latents(self.clips, self.latents, bucket, stop=kept_back))
        return _present(training), _present(held_out)

    def _train(
        self, stage: str, module: nn.Module, make_task: Callable[[], Task], config: TrainerConfig
    ) -> None:
        """Train to the end, if this is one of the stages, and leave the averaged weights in the module."""
        if stage not in self.stages:
            put_trained(module, self.output / stage)
            return
        trainer = Trainer(make_task(), config, self.output / stage)
        trainer.resume()
        trainer.run(self.stop)
        trainer.put_averages()
        if not trainer.finished:
            raise OutOfTimeError


def _expert(trained: Denoiser | NoiseExperts, config: DenoiserConfig) -> Denoiser | None:
    """That of one or two trained denoisers which has the shape of a configuration, tracks or no tracks."""
    candidates = [trained.high, trained.low] if isinstance(trained, NoiseExperts) else [trained]
    for candidate in candidates:
        theirs = candidate.config
        tracks = None if theirs.tracks is None else config.tracks
        if replace(config, tracks=tracks, channel_std=theirs.channel_std) == theirs:
            return candidate
    return None


def _fitting(recipe: EmbeddedRecipe, model: Model) -> list[tuple[str, bool]]:
    """The networks of a model to start from by name, and whether they have the recipe's shape.

    Its denoiser may be one of the recipe's two, and its autoencoder may have fewer blocks.
    """
    planner, reader = model.planner, model.reader
    theirs = model.vae.config
    vae = replace(recipe.vae, decoder_depth=theirs.decoder_depth, frame_depth=theirs.frame_depth)
    deeper = recipe.vae.decoder_depth >= theirs.decoder_depth and recipe.vae.frame_depth >= theirs.frame_depth
    wanted = [recipe.denoiser, *([] if recipe.low_noise is None else [recipe.low_noise.denoiser])]
    return [
        ("autoencoder", vae == theirs and deeper),
        ("text encoder", recipe.text_encoder == model.text_encoder.config),
        ("planner", planner is None or recipe.planner == planner.config),
        ("reader", reader is None or recipe.reader == reader.config),
        ("denoiser", any(_expert(model.denoiser, config) is not None for config in wanted)),
    ]


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
