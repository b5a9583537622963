"""Every number that decides a PhyWorld model."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias

from tenku.checkpoint import SamplingDefaults
from tenku.denoiser import DenoiserConfig
from tenku.errors import UserError
from tenku.pipeline.phyworld import PLAN_CHANNELS, SIGHT_CHANNELS, ball_track_config
from tenku.training.phyworld import PhyWorldTaskConfig
from tenku.training.trainer import TrainerConfig
from tenku.vae import VideoAutoencoderConfig
from tenku.worlds.phyworld import Law, num_balls

Way: TypeAlias = Literal["tracks", "latents"]

DEFAULT_VIDEOS: Final = 30_000
MOST_VIDEOS: Final = 3_000_000
TEXT_SIZE: Final = 64

_PLANNER_STEPS: Final[dict[Law, int]] = {"uniform": 600, "collision": 1_500, "parabola": 1_200}
_DRAFT_STEPS: Final[dict[Law, int]] = {"uniform": 3_000, "collision": 2_000, "parabola": 3_000}
_DENOISER_STEPS: Final = 800  # of one ball as many FLOPs as a planner and a draft take


@dataclass(frozen=True, kw_only=True, slots=True)
class PhyWorldRecipe:
    """A model of one law, trained on so many clips of it."""

    law: Law
    way: Way
    size: int = 64
    num_videos: int = DEFAULT_VIDEOS
    seed: int = 0
    num_held_out: int = 8  # clips by which runs are judged while they train
    vae: VideoAutoencoderConfig
    planner: DenoiserConfig | None
    planner_task: PhyWorldTaskConfig
    planner_training: TrainerConfig
    draft_task: PhyWorldTaskConfig
    draft_training: TrainerConfig
    scales_task: PhyWorldTaskConfig  # the draft goes on with balls of other sizes
    scales_training: TrainerConfig
    denoiser: DenoiserConfig
    denoiser_task: PhyWorldTaskConfig
    denoiser_training: TrainerConfig
    sampling: SamplingDefaults = field(
        default_factory=lambda: SamplingDefaults(
            num_inference_steps=1, guidance_scale=1.0, temperature=0.0, planner_steps=1
        )
    )

    def __post_init__(self) -> None:
        if not 1 <= self.num_videos <= MOST_VIDEOS:
            raise UserError(
                f"a law cannot be learned from {self.num_videos} videos; "
                f"choose between 1 and {MOST_VIDEOS:,}."
            )
        if self.size % self.vae.spatial_compression:
            raise UserError(
                f"pictures of {self.size} pixels do not fit the autoencoder; "
                f"choose a multiple of {self.vae.spatial_compression}."
            )

    def shortened(self, steps: int | None) -> "PhyWorldRecipe":
        """The same with at most so many steps of each stage."""
        if steps is None:
            return self
        names = ("planner_training", "draft_training", "scales_training", "denoiser_training")
        changes: dict[str, Any] = {}
        for name in names:
            config: TrainerConfig = getattr(self, name)
            changes[name] = replace(config, num_steps=min(steps, config.num_steps))
        return replace(self, **changes)


def phyworld(
    law: Law, way: Way = "tracks", *, size: int = 64, num_videos: int = DEFAULT_VIDEOS, seed: int = 0
) -> PhyWorldRecipe:
    """A model for pictures of `size` pixels.

    Places must be right to a hundredth of a pixel, so latents keep all that a picture with one or two colours
    on white can hold: 64 numbers a colour and 8×8 pixels, whose principal components are known at once. A
    frame is one token.
    """
    channels = 64 * num_balls(law)
    patch = (1, size // 8, size // 8)
    alone = way == "latents"
    # A planner of one ball has only to find out that nothing, or always the same, happens.
    few = law != "collision"
    return PhyWorldRecipe(
        law=law,
        way=way,
        size=size,
        num_videos=num_videos,
        seed=seed,
        vae=VideoAutoencoderConfig(
            latent_channels=channels,
            temporal_compression=1,
            decoder_width=8,
            decoder_depth=0,
            frame_width=8,
            frame_depth=0,
        ),
        planner=None
        if alone
        else DenoiserConfig(
            latent_channels=PLAN_CHANNELS,
            condition_channels=SIGHT_CHANNELS,
            text_size=TEXT_SIZE,
            hidden_size=64 if few else 96,
            depth=2 if few else 3,
            num_heads=2,
            patch_size=(1, 1, 1),
        ),
        planner_task=PhyWorldTaskConfig(
            batch_size=32,
            scales=(0.1, 1.6) if law == "collision" else (1.0, 1.0),
            mirror=True,
            autocast=False,
        ),
        planner_training=_training(_PLANNER_STEPS[law], seed, ema_decay=0.99),
        draft_task=PhyWorldTaskConfig(size=size, batch_size=64),
        draft_training=_training(_DRAFT_STEPS[law], seed, ema_decay=0.997),
        scales_task=PhyWorldTaskConfig(size=size, batch_size=64, scales=(0.4, 1.4)),
        scales_training=_training(600, seed, ema_decay=0.99),
        denoiser=DenoiserConfig(
            latent_channels=channels,
            text_size=TEXT_SIZE,
            hidden_size=192 if alone else 64,
            depth=3 if alone else 1,
            num_heads=3 if alone else 1,
            patch_size=patch,
            tracks=None if alone else ball_track_config(law, 128, 3),
            draft_depth=0,
        ),
        denoiser_task=PhyWorldTaskConfig(size=size, batch_size=32),
        denoiser_training=_training(_DENOISER_STEPS, seed, ema_decay=0.99),
    )


def _training(num_steps: int, seed: int, *, ema_decay: float) -> TrainerConfig:
    return TrainerConfig(
        num_steps=num_steps,
        muon_lr=3e-3,
        adamw_lr=1e-3,
        warmup_steps=20,
        decay_share=0.6,
        ema_decay=ema_decay,
        sample_steps=max(100, num_steps // 4),
        seed=seed,
    )
