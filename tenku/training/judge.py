"""The stage that trains the judge: label simulated frames, made a little worse as a generator's are."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.evaluation.judge import CELL, OFFSET_UNIT, VIEW, Judge, Labels
from tenku.media import write_picture
from tenku.training.device import half_precision
from tenku.training.trainer import StepLoss, is_matrix
from tenku.worlds import SimulatedClip, WorldConfig, simulate_clip
from tenku.worlds.vocabulary import COLOURS, SHAPES

MAX_OBJECTS: Final = 4
_Make: TypeAlias = Callable[["JudgeTaskConfig", int, int], "Pictures"]
WORLD: Final = WorldConfig(pairs="any", cut_probability=0.0, object_counts=dict.fromkeys(range(1, 5), 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeTaskConfig:
    """What the judge is trained on and how the parts of its loss are weighed."""

    num_clips: int = 512
    frames_per_clip: int = 17
    fps: float = 8.0
    num_pictures: int = 2048
    num_held_out_clips: int = 24
    first_seed: int = 40_000_000
    batch_size: int = 24
    colour_weight: float = 0.5
    shape_weight: float = 0.5
    offset_weight: float = 0.5


class Pictures(NamedTuple):
    """n frames and their truth.

    frames (n h w 3) bytes; instance (n h/2 w/2): index of the object that a cell shows, −1 for none; looks (n
    4 2): index of each object's colour and shape; centres (n 4 2): pixels from the left and top to its
    middle.
    """

    frames: Tensor
    instance: Tensor
    looks: Tensor
    centres: Tensor

    def at(self, index: Tensor) -> "Pictures":
        """Some of them."""
        return Pictures(*(values[index] for values in self))


def pictures_of(clip: SimulatedClip) -> Pictures:
    """All frames of a clip that was simulated with its truth."""
    truth = clip.truth
    assert truth is not None
    count, (num_frames, height, width) = len(truth.scene.objects), truth.segmentation.shape
    looks = np.zeros((num_frames, MAX_OBJECTS, 2), np.int64)
    looks[:, :count] = [(COLOURS.index(o.colour), SHAPES.index(o.shape)) for o in truth.scene.objects]
    centres = np.zeros((num_frames, MAX_OBJECTS, 2), np.float32)
    # Right and up from −1 to 1 → pixels from the upper left; pixel i covers i to i + 1.
    seen = truth.cameras.project(truth.trajectory.positions)
    centres[:, :count] = (seen * [1, -1] + 1) / 2 * [width, height]
    instance = np.ascontiguousarray(truth.segmentation[:, ::CELL, ::CELL])
    arrays = (clip.frames, instance, looks, np.clip(centres, -2 * VIEW, 3 * VIEW))
    return Pictures(*(torch.as_tensor(array) for array in arrays))


def simulate_pictures(directory: Path, config: JudgeTaskConfig, *, held_out: bool = False) -> Pictures:
    """What the judge is trained on, made in pieces that are kept in `directory`; or clips to test it on."""
    if held_out:
        pieces = [_clips(config, config.num_clips, config.num_held_out_clips)]
    else:
        pieces = [
            _piece(directory / f"{name}-{first:05d}.pt", make, config, first, min(size, total - first))
            for name, make, total, size in (
                ("clips", _clips, config.num_clips, 16),
                ("pictures", _single, config.num_pictures, 256),
            )
            for first in range(0, total, size)
        ]
    return Pictures(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))


def _piece(path: Path, make: _Make, config: JudgeTaskConfig, first: int, count: int) -> Pictures:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(tuple(make(config, first, count)), path.with_suffix(".partial"))
        os.replace(path.with_suffix(".partial"), path)
    return Pictures(*torch.load(path, weights_only=True))


def _clips(config: JudgeTaskConfig, first: int, count: int) -> Pictures:
    return _simulate(
        range(config.first_seed + first, config.first_seed + first + count),
        config.frames_per_clip,
        config.fps,
    )


def _single(config: JudgeTaskConfig, first: int, count: int) -> Pictures:
    start = config.first_seed + 1_000_000 + first
    return _simulate(range(start, start + count), 1, config.fps)


def _simulate(seeds: range, num_frames: int, fps: float) -> Pictures:
    clips = (
        simulate_clip(
            seed, num_frames=num_frames, fps=fps, height=VIEW, width=VIEW, world=WORLD, with_truth=True
        )
        for seed in seeds
    )
    return Pictures(*(torch.cat(parts) for parts in zip(*map(pictures_of, clips), strict=True)))


def mirrored(pictures: Pictures) -> Pictures:
    """The same frames flipped left to right."""
    centres = pictures.centres.clone()
    centres[..., 0] = pictures.frames.shape[2] - centres[..., 0]
    # A cell stands for its first pixel; flipping before cutting into cells would take its second one.
    instance = pictures.instance.flip(-1)
    frames = pictures.frames.flip(2)
    return Pictures(frames, instance, pictures.looks, centres)


# --- what a generator does to frames -----------------------------------------------------------------------


def degrade(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Frames (n 3 h w) in [−1, 1] each a little recoloured, blurred, blocky and noisy, or hardly at all."""
    n = len(frames)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *(shape or (1, 1, 1)), generator=generator)

    x = frames * uniform(0.93, 1.07, 3, 1, 1) + uniform(-0.08, 0.08) + uniform(-0.03, 0.03, 3, 1, 1)
    x = torch.lerp(x, _blurred(x), uniform(-0.3, 1).clamp_min(0))
    small = functional.interpolate(_blurred(x), scale_factor=0.5, mode="area")
    small = functional.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    x = torch.lerp(x, small, uniform(-1.5, 0.9).clamp_min(0))
    x = torch.lerp(x, _blocky(x, uniform(0.05, 0.35)), (uniform(0, 1) < 0.3).float())
    noise = torch.randn(x.shape, generator=generator) * uniform(-0.05, 0.08).clamp_min(0)
    return (x + noise).clamp(-1, 1)


def _blurred(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    kernel = (taps[:, None] * taps).expand(3, 1, 5, 5)
    return functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=3)


def _blocky(x: Tensor, step: Tensor) -> Tensor:
    """Cosine coefficients of 8×8 blocks rounded to multiples of `step` (n 1 1 1), fine ones more coarsely."""
    k = torch.arange(8.0)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    n, c, h, w = x.shape
    blocks = x.view(n, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
    coefficients = basis @ blocks @ basis.T
    grain = step.view(n, 1, 1, 1, 1, 1) * (1 + 0.5 * (k[:, None] + k))
    blocks = basis.T @ ((coefficients / grain).round() * grain) @ basis
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


# --- the task ----------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """Truth on cells (n h w): thing or not, colour, shape, offset (n 2 h w), and how much a cell weighs."""

    thing: Tensor
    colour: Tensor
    shape: Tensor
    offset: Tensor
    weight: Tensor


def target_of(pictures: Pictures) -> Target:
    """Spread what is known of objects over their cells; those of a small object weigh more."""
    instance = pictures.instance.long()
    n, h, w = instance.shape
    index = instance.clamp_min(0).flatten(1)  # n (h w)
    looks = pictures.looks.gather(1, index[..., None].expand(-1, -1, 2)).view(n, h, w, 2)
    centres = pictures.centres.gather(1, index[..., None].expand(-1, -1, 2)).view(n, h, w, 2)
    ys, xs = torch.meshgrid(torch.arange(h) * CELL, torch.arange(w) * CELL, indexing="ij")
    offset = centres - torch.stack([xs, ys], -1)
    areas = functional.one_hot(instance + 1, MAX_OBJECTS + 1).flatten(1, 2).sum(1)[:, 1:]  # n 4
    weight = areas.clamp_min(8).float().rsqrt().gather(1, index).view(n, h, w)
    thing = instance >= 0
    return Target(thing.float(), looks[..., 0], looks[..., 1], offset.permute(0, 3, 1, 2), weight * thing)


class JudgeTask:
    """Say of every cell what it shows."""

    name = "judge"

    def __init__(
        self, module: Judge, pictures: Pictures, held_out: Pictures, config: JudgeTaskConfig
    ) -> None:
        self.module: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.pictures, self.held_out, self.config = pictures, held_out, config

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """Cross-entropy of things, colours and shapes, and the distance of centres."""
        batch = self.config.batch_size
        chosen = self.pictures.at(torch.randint(len(self.pictures.frames), (batch,), generator=generator))
        if torch.randint(2, (), generator=generator):
            chosen = mirrored(chosen)
        frames = degrade(chosen.frames.permute(0, 3, 1, 2).float() / 127.5 - 1, generator)
        with half_precision():
            said = self.module(frames)
        true = target_of(chosen)
        parts = self._parts(said, true)
        loss = (
            parts["thing"]
            + self.config.colour_weight * parts["colour"]
            + self.config.shape_weight * parts["shape"]
            + self.config.offset_weight * parts["offset"]
        )
        return StepLoss(loss, batch, 0.0, {name: float(value.detach()) for name, value in parts.items()})

    def _parts(self, said: Labels, true: Target) -> dict[str, Tensor]:
        weight = true.weight / true.weight.sum().clamp_min(1e-6)
        distance = functional.smooth_l1_loss(
            said.offset / OFFSET_UNIT, true.offset / OFFSET_UNIT, reduction="none", beta=0.1
        )
        return {
            "thing": functional.binary_cross_entropy_with_logits(said.thing, true.thing),
            "colour": (functional.cross_entropy(said.colour, true.colour, reduction="none") * weight).sum(),
            "shape": (functional.cross_entropy(said.shape, true.shape, reduction="none") * weight).sum(),
            "offset": (distance.sum(1) * weight).sum(),
        }

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Convolutions inside; the first and last layers go to AdamW."""
        return is_matrix(name, parameter, ("stem", "head"))

    def evaluate(self) -> dict[str, float]:
        """On unseen clips: overlap of things, share of objects right in one frame, error of their middles."""
        assert isinstance(self.module, Judge)
        said = Labels(
            *(torch.cat(parts) for parts in zip(*self.module.look(self.held_out.frames), strict=True))
        )
        true = target_of(self.held_out)
        thing, is_thing = said.thing > 0, true.thing > 0
        colour, shape = self._right(said.colour, 0), self._right(said.shape, 1)
        error = (said.offset - true.offset).norm(dim=1)[is_thing]
        return {
            "overlap": float((thing & is_thing).sum() / (thing | is_thing).sum()),
            "colour": colour,
            "shape": shape,
            "centre_error_px": float(error.median()),
        }

    def _right(self, logits: Tensor, which: int) -> float:
        """Share of objects of 25 cells or more whose pooled vote is right."""
        instance = self.held_out.instance.long()
        right = total = 0
        votes = logits.log_softmax(1)
        for index in range(MAX_OBJECTS):
            mask = instance == index
            pooled = (votes * mask[:, None]).sum((2, 3)).argmax(1)
            counts = mask.sum((1, 2)) >= 25
            right += int((pooled == self.held_out.looks[:, index, which])[counts].sum())
            total += int(counts.sum())
        return right / max(total, 1)

    def save_samples(self, path: Path) -> None:
        """Frames above what the judge sees in them: colours said, black for background."""
        assert isinstance(self.module, Judge)
        frames = self.held_out.frames[:: max(1, len(self.held_out.frames) // 8)][:8]
        said = next(self.module.look(frames))
        write_picture(path, torch.cat([_row(frames), _row(painted(said))]).cpu().numpy())


_PAINT: Final = torch.tensor(
    [
        (220, 30, 30),
        (40, 70, 230),
        (30, 160, 50),
        (250, 220, 30),
        (130, 40, 170),
        (40, 200, 210),
        (250, 120, 20),
        (128, 128, 128),
    ],
    dtype=torch.uint8,
)


def painted(said: Labels) -> Tensor:
    """Pictures (n h w 3) of colours said, as large as the frames."""
    paint = _PAINT[said.colour.argmax(1)] * (said.thing > 0)[..., None]
    return paint.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)


def _row(frames: Tensor) -> Tensor:
    return torch.cat(list(frames), 1)
