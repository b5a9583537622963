"""A tiny model, made like the embedded one: the whole way in a few minutes on two cores."""

from tenku.checkpoint import SamplingDefaults
from tenku.denoiser import DenoiserConfig, TrackReaderConfig
from tenku.recipes.embedded import HELD_OUT_SEED, TRACKS, EmbeddedRecipe, clips, pictures, sketches
from tenku.text import TextEncoderConfig
from tenku.training.denoiser import DenoiserTaskConfig
from tenku.training.draft import DraftTaskConfig
from tenku.training.planner import PlannerTaskConfig
from tenku.training.reader import ReaderTaskConfig
from tenku.training.scene_targets import NUM_REGISTERS, REGISTERS_PER_SHOT
from tenku.training.sharpening import SharpeningTaskConfig
from tenku.training.text import TextTaskConfig
from tenku.training.trainer import TrainerConfig
from tenku.training.vae import VaeTaskConfig
from tenku.vae import VideoAutoencoderConfig
from tenku.worlds.captions import known_words


def tiny() -> EmbeddedRecipe:
    """Pictures and clips of nine frames at 64×64; what it makes has colours and places, hardly shapes."""
    return EmbeddedRecipe(
        buckets=(
            pictures("picture", 64, 64, 512, 1_000_000, clips_per_chunk=64),
            clips("clip", 9, 64, 64, 256, 4_000_000),
            sketches("sketch", 9, 512, 11_000_000),
        ),
        held_out=clips("held_out", 9, 64, 64, 8, HELD_OUT_SEED, clips_per_chunk=8),
        vae=VideoAutoencoderConfig(decoder_width=96, decoder_depth=2, frame_width=32, frame_depth=1),
        # Squared error alone: in so few steps the sharper measures only pull the picture about.
        vae_task=VaeTaskConfig(
            batch_size=8, crop=32, num_frames=9, gradient_weight=0.0, temporal_weight=0.0, squared_weight=20.0
        ),
        vae_training=_training(200, muon_lr=3e-3, adamw_lr=1e-3),
        text_encoder=TextEncoderConfig(
            vocabulary=tuple(sorted(known_words())),
            hidden_size=128,
            depth=2,
            num_heads=2,
            num_registers=NUM_REGISTERS,
        ),
        text_task=TextTaskConfig(batch_size=32, held_out_size=64),
        text_training=_training(150, muon_lr=3e-3, adamw_lr=3e-3),
        planner=DenoiserConfig(
            latent_channels=TRACKS.channels,
            text_size=128,
            hidden_size=128,
            depth=2,
            num_heads=2,
            patch_size=(1, 1, 1),
            named_rows=REGISTERS_PER_SHOT,
        ),
        planner_task=PlannerTaskConfig(
            bucket_shares={"sketch": 1.0}, batch_size=32, held_out_batch=64, compile_from=2.0
        ),
        planner_training=_training(150, muon_lr=3e-3, adamw_lr=3e-3),
        reader=TrackReaderConfig(tracks=TRACKS, hidden_size=96, num_heads=3, frame_depth=2, slot_depth=2),
        reader_task=ReaderTaskConfig(
            bucket_shares={"picture": 0.5, "clip": 0.5}, positions_per_step=1_536, lengths=(1, 3)
        ),
        reader_training=_training(150, muon_lr=3e-3, adamw_lr=3e-3),
        draft_task=DraftTaskConfig(
            bucket_shares={"picture": 0.5, "clip": 0.5}, positions_per_step=1_536, compile_from=2.0
        ),
        draft_training=_training(300, muon_lr=3e-3, adamw_lr=1.5e-3),
        denoiser=DenoiserConfig(
            latent_channels=48, text_size=128, hidden_size=192, depth=4, num_heads=3, tracks=TRACKS
        ),
        denoiser_task=DenoiserTaskConfig(
            bucket_shares={"picture": 0.5, "clip": 0.5},
            tokens_per_step=768,
            compile_from=2.0,  # never: it would take longer than all of the training
        ),
        denoiser_training=_training(600, muon_lr=3e-3, adamw_lr=1.5e-3),
        num_painted=96,
        sharpening_task=SharpeningTaskConfig(
            crop=32, num_latent_frames=3, critic_width=16, num_held_out=4, num_samples=2
        ),
        sharpening_training=_training(60, muon_lr=1e-3, adamw_lr=1e-3),
        sampling=SamplingDefaults(guidance_scale=1.0, temperature=0.0, num_inference_steps=1),
    )


def _training(num_steps: int, *, muon_lr: float, adamw_lr: float) -> TrainerConfig:
    return TrainerConfig(
        num_steps=num_steps,
        muon_lr=muon_lr,
        adamw_lr=adamw_lr,
        warmup_steps=10,
        decay_share=0.4,
        ema_decay=0.98,
        checkpoint_seconds=30.0,
        sample_steps=num_steps // 2,
    )
