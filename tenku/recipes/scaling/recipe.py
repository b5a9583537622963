"""Every number that decides how a scaling law is measured."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tenku.data.clips import Bucket
from tenku.denoiser import TrackConfig
from tenku.recipes.embedded import TRACKS, clips, embedded, pictures
from tenku.training.draft import DraftTaskConfig
from tenku.training.trainer import TrainerConfig
from tenku.vae import VideoAutoencoderConfig

_NEVER: Final = 2.0  # compiled: every size and batch would be compiled anew
_AVERAGED: Final = 0.05  # of a run's steps, over which weights are averaged


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class DrafterSize:
    """What of a drafter is scaled: the width and `depth` of its fields, and what a position is told."""

    field_size: int
    hidden_size: int
    depth: int

    @property
    def name(self) -> str:
        """Short, for folders and tables."""
        return f"{self.field_size}-{self.hidden_size}-{self.depth}"

    def tracks(self, base: TrackConfig) -> TrackConfig:
        """The tracks that a drafter of this size is told."""
        return replace(base, field_size=self.field_size, hidden_size=self.hidden_size, depth=self.depth)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScalingRecipe:
    """Drafters of some sizes, each trained anew for budgets of FLOPs, then one that costs more than those.

    Every run has the whole course of a learning rate, whose height is that of `training` for a run of
    `usual_steps`, and goes with one over the root of a run's steps. A step is of up to
    `draft_task.positions_per_step` positions, fewer if the run would else be shorter than `wished_steps`, but
    no fewer than `fewest_positions`. Runs that would then be shorter than `fewest_steps`, or see more than
    `most_per_parameter` positions for each parameter, are left out: nobody would choose such a size for that
    budget. The first chunk of the buckets in `kept_back` is what losses are measured on. `num_seeds` are
    tried of each budget.
    """

    buckets: tuple[Bucket, ...]
    kept_back: tuple[str, ...] = ("picture", "clip")
    vae: VideoAutoencoderConfig
    tracks: TrackConfig = TRACKS
    draft_depth: int = 1
    sizes: tuple[DrafterSize, ...]
    budgets: tuple[float, ...]
    num_seeds: tuple[int, ...]
    final_budget: float
    draft_task: DraftTaskConfig
    training: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(num_steps=1, muon_lr=4e-3, adamw_lr=2e-3, decay_share=0.6)
    )
    usual_steps: int = 3_600
    wished_steps: int = 500
    fewest_steps: int = 60
    fewest_positions: int = 2_304  # of a clip
    most_per_parameter: float = 80.0

    def __post_init__(self) -> None:
        if len(set(self.sizes)) < len(self.sizes) or len(self.sizes) < 3:
            raise ValueError(f"an isoFLOP curve needs three different sizes or more, not {self.sizes}")
        if list(self.budgets) != sorted(set(self.budgets)) or not self.budgets or self.budgets[0] <= 0:
            raise ValueError(f"budgets must rise from above 0, not be {self.budgets}")
        if len(self.num_seeds) != len(self.budgets) or min(self.num_seeds) < 1:
            raise ValueError(f"every budget needs a number of seeds, which {self.num_seeds} are not")
        if self.final_budget <= self.budgets[-1]:
            raise ValueError("the last run must cost more than any that is fitted")
        if not self.kept_back or set(self.kept_back) - {bucket.name for bucket in self.buckets}:
            raise ValueError(f"kept_back must name buckets, which {self.kept_back} do not")

    def num_kept_back(self, bucket: Bucket) -> int:
        """Chunks at the start of a bucket that no run trains on."""
        return 1 if bucket.name in self.kept_back else 0

    def plan(
        self, size: DrafterSize, num_parameters: int, flops_per_position: float, budget: float, seed: int = 0
    ) -> "PlannedRun | None":
        """The run of a size for a budget; None if it is left out."""
        positions = budget / flops_per_position
        batch = min(positions / self.wished_steps, self.draft_task.positions_per_step)
        batch = max(batch, self.fewest_positions)
        if positions < self.fewest_steps * batch or positions > self.most_per_parameter * num_parameters:
            return None
        return PlannedRun(size=size, budget=budget, seed=seed, positions=positions, batch=round(batch))

    def training_of(self, run: "PlannedRun", positions_per_step: float) -> TrainerConfig:
        """As many steps as a run's positions take, learning rates, warm-up and averages in proportion."""
        base, steps = self.training, max(1, round(run.positions / positions_per_step))
        height = (self.usual_steps / steps) ** 0.5
        return replace(
            base,
            num_steps=steps,
            muon_lr=base.muon_lr * height,
            adamw_lr=base.adamw_lr * height,
            warmup_steps=min(base.warmup_steps, steps // 10),
            ema_decay=min(base.ema_decay, 1 - 1 / max(2.0, _AVERAGED * steps)),
            sample_steps=steps,
            seed=base.seed + run.seed,
        )

    def seeds(self) -> Iterator[tuple[float, int]]:
        """Budgets from the smallest, and the seeds of each."""
        for budget, number in zip(self.budgets, self.num_seeds, strict=True):
            for seed in range(number):
                yield budget, seed


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRun:
    """One run: so many `positions` in all, `batch` of them a step."""

    size: DrafterSize
    budget: float
    seed: int
    positions: float
    batch: int

    @property
    def name(self) -> str:
        """Of its folder, and in scaling.jsonl."""
        return f"{self.budget:.3g}-{self.size.name}-{self.seed}".replace("+", "")

    def task(self, base: DraftTaskConfig) -> DraftTaskConfig:
        """What its steps are made of."""
        return replace(base, positions_per_step=self.batch)


def _size(field_size: int, hidden_size: int, depth: int) -> DrafterSize:
    return DrafterSize(field_size=field_size, hidden_size=hidden_size, depth=depth)


_SIZES: Final = (
    _size(16, 48, 1),
    _size(24, 64, 2),
    _size(32, 96, 2),
    _size(64, 160, 2),
    _size(96, 256, 3),
    _size(160, 384, 4),
    _size(256, 512, 4),
    _size(384, 768, 5),
)


def scaling(*, gpu: bool, largest: float | None = None) -> ScalingRecipe:
    """The drafter of the embedded model, on its clips: 24M latent positions; without a GPU, which could not
    see as many, on a sixth of them.

    The `largest` budget that is fitted is 5.4e14 FLOPs on a GPU and 3.375e12 without one, twenty minutes on
    two cores; the last run costs four times as much. Budgets are four times apart, without a GPU two times,
    so that runs of 1×, 4× and 16× are there.
    """
    recipe = embedded()
    shares = recipe.draft_task.bucket_shares
    largest, apart = (largest or 5.4e14, 4) if gpu else (largest or 3.375e12, 2)
    buckets = [bucket for bucket in recipe.filmed if bucket.name in shares]
    return ScalingRecipe(
        buckets=tuple(bucket if gpu else _sixth(bucket) for bucket in buckets),
        vae=recipe.vae,
        draft_depth=recipe.denoiser.draft_depth,
        sizes=_SIZES,
        budgets=tuple(largest / apart**power for power in (3, 2, 1, 0)),
        num_seeds=(2, 1, 1, 1),
        final_budget=4 * largest,
        draft_task=replace(
            recipe.draft_task, positions_per_step=32_768 if gpu else 8_192, compile_from=_NEVER
        ),
    )


def _sixth(bucket: Bucket) -> Bucket:
    chunks = max(2, bucket.num_chunks // 6)
    return replace(bucket, num_clips=chunks * bucket.clips_per_chunk)


def tiny_scaling() -> ScalingRecipe:
    """Pictures and clips of nine frames at 64×64 and a few steps a run: to see that everything works."""
    recipe = embedded()
    return ScalingRecipe(
        buckets=(
            pictures("picture", 64, 64, 128, 1_000_000, clips_per_chunk=64),
            clips("clip", 9, 64, 64, 48, 4_000_000, clips_per_chunk=16),
        ),
        vae=recipe.vae,
        sizes=(_size(8, 16, 1), _size(16, 32, 1), _size(24, 64, 1)),
        budgets=(6e8, 1.2e9, 2.4e9, 4.8e9),
        num_seeds=(2, 1, 1, 1),
        final_budget=1.92e10,
        draft_task=DraftTaskConfig(
            bucket_shares={"picture": 0.5, "clip": 0.5}, positions_per_step=1_440, compile_from=_NEVER
        ),
        training=TrainerConfig(num_steps=1, muon_lr=6e-3, adamw_lr=3e-3, decay_share=0.6, warmup_steps=5),
        usual_steps=20,
        wished_steps=20,
        fewest_steps=4,
        fewest_positions=48,
        most_per_parameter=1e4,
    )
