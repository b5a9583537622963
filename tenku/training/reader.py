"""The stage that trains the reader of tracks: from latents to what they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from tenku.data.latents import LatentBucket
from tenku.denoiser import (
    NUM_FLOORS,
    POSE_SIZE,
    TYPICAL_CAMERA,
    TrackReader,
    UnpackedTracks,
    unpack,
)
from tenku.media import contact_sheet, write_picture
from tenku.timeline.tracks import tracks_of
from tenku.training.device import half_precision, seeded
from tenku.training.drawing import draw_tracks
from tenku.training.mixture import latent_mixture
from tenku.training.trainer import StepLoss, is_matrix
from tenku.vae import VideoAutoencoder

_BOX_WEIGHT = 4.0  # of errors of a box, in halves of a picture, among those of a pose
_UNSEEN_WEIGHT = 0.1  # of poses outside of the picture


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderTaskConfig:
    """What a step is made of: as many clips as have `positions_per_step` latent positions.

    `bucket_shares` are of the steps, by bucket name. Clips are cut to one of `lengths` in latent frames, and
    latents are off by up to `noise`, as those of other cameras and codecs are.
    """

    bucket_shares: Mapping[str, float]
    positions_per_step: int = 16_384
    lengths: tuple[int, ...] = (2, 4, 9)
    noise: float = 0.1
    held_out_batch: int = 64
    num_samples: int = 12


@dataclass(frozen=True, slots=True)
class _Matched:
    """What a reader should have said of clips, slot by slot.

    there (b o); the true tracks in the order of the slots; whether each pose is seen (b t o f).
    """

    there: Tensor
    true: UnpackedTracks
    seen: Tensor


class ReaderTask:
    """Read tracks from normalised latents."""

    name = "reader"

    def __init__(
        self,
        module: TrackReader,
        vae: VideoAutoencoder,
        training: Sequence[LatentBucket],
        held_out: Sequence[LatentBucket],
        config: ReaderTaskConfig,
    ) -> None:
        self.module = module
        self.vae = vae.eval().requires_grad_(False)
        self.config, self.held_out = config, held_out
        self.training = latent_mixture(training, config.bucket_shares)

    def loss(self, step: int, generator: torch.Generator) -> StepLoss:
        """How far what is read of a batch of one bucket is from the truth."""
        _, bucket = self.training.draw(generator)
        t, h, w = bucket.shape
        lengths = [length for length in self.config.lengths if length <= t] or [t]
        length = lengths[int(torch.randint(len(lengths), (), generator=generator))]
        batch = max(1, round(self.config.positions_per_step / (length * h * w)))
        latents, packed = self._draw(bucket, batch, generator)
        start = int(torch.randint(t - length + 1, (), generator=generator))
        latents, packed = latents[:, :, start : start + length], packed[:, :, start : start + length]
        amount = self.config.noise * torch.rand(batch, 1, 1, 1, 1, generator=generator)
        latents = latents + amount * torch.randn(latents.shape, generator=generator)
        loss, figures = self._loss(latents, packed)
        return StepLoss(loss, batch, batch * self.module.training_flops((length, h, w)), figures)

    def uses_muon(self, name: str, parameter: nn.Parameter) -> bool:
        """Matrices of the blocks."""
        return name.startswith(("frame_blocks", "slot_blocks")) and is_matrix(name, parameter, ())

    def evaluate(self) -> dict[str, float]:
        """Of held-out clips: objects found and rightly named, and how far their boxes are off (median)."""
        figures = {}
        for bucket in self.held_out:
            latents, packed = self._draw(bucket, self.config.held_out_batch, seeded(0))
            with half_precision():
                objects, _ = self.module(latents)
            matched = self._match(objects, packed, _reach(latents))
            sizes = list(self.module.config.tracks.look_sizes)
            present, looks, poses = self._parts(objects)
            found = (present.mean(1)[..., 0] > 0) == (matched.there > 0)
            there = matched.there > 0
            name = bucket.bucket.name
            figures[f"{name}_count"] = float(found.all(1).float().mean())
            named = zip(
                ("colour", "shape", "material", "size"),
                torch.split(looks.mean(1), sizes, -1),
                torch.split(matched.true.looks[:, 0], sizes, -1),
                strict=True,
            )
            for attribute, ours, theirs in named:
                right = (ours.argmax(-1) == theirs.argmax(-1))[there]
                figures[f"{name}_{attribute}"] = float(right.float().mean())
            off = (poses - matched.true.poses).abs()[(matched.seen * there[:, None, :, None]) > 0]
            figures[f"{name}_box_error"] = float(off[:, :4].median())
            figures[f"{name}_axis_error"] = float(off[:, 5:].median())
        return figures

    def save_samples(self, path: Path) -> None:
        """True tracks of held-out clips beside what is read, each a picture of outlines."""
        videos = []
        for bucket in self.held_out:
            latents, packed = self._draw(bucket, self.config.num_samples, seeded(0))
            config = self.module.config.tracks
            read = tracks_of(self.module.read(latents), config)
            pairs = zip(draw_tracks(tracks_of(packed, config)), draw_tracks(read), strict=True)
            videos += [video for pair in pairs for video in pair]
        if videos:
            write_picture(path, contact_sheet(videos, num_columns=6, num_strips=1))

    def _draw(self, bucket: LatentBucket, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random clips without cuts: normalised latents (b c t h w) and packed tracks (b c t o)."""
        latents, tracks, _ = bucket.draw(batch, generator, one_shot=True)
        return self.vae.normalise(latents), tracks.packed(self.module.config.tracks)

    def _loss(self, latents: Tensor, packed: Tensor) -> tuple[Tensor, dict[str, float]]:
        with half_precision():
            objects, settings = self.module(latents)
        matched = self._match(objects, packed, _reach(latents))
        present, looks, poses = self._parts(objects)
        there = matched.there
        number = there.sum().clamp_min(1)
        presence = functional.binary_cross_entropy_with_logits(
            present[..., 0], there[:, None].expand(*present.shape[:3])
        )
        naming = (self._surprise(looks, matched.true.looks).mean(1) * there).sum() / number
        weight = there[:, None, :, None] * (_UNSEEN_WEIGHT + (1 - _UNSEEN_WEIGHT) * matched.seen)
        off = (poses - matched.true.poses).abs()
        off = _BOX_WEIGHT * off[..., :4].sum(-1) + off[..., 4:].sum(-1)
        placing = (off * weight).sum() / weight.sum().clamp_min(1)
        floors, rest = torch.split(settings, [NUM_FLOORS, settings.shape[-1] - NUM_FLOORS], -1)
        true = matched.true
        floor = -(floors.log_softmax(-1) * true.surroundings[..., :NUM_FLOORS]).sum(-1).mean()
        others = torch.cat([true.surroundings[..., NUM_FLOORS:], true.cameras.flatten(-2)], -1)
        setting = ((rest - others).abs() * self._setting_weight()).mean()
        loss = presence + naming + placing + floor + 2 * setting
        parts = {"presence": presence, "naming": naming, "placing": placing, "setting": setting}
        return loss, {name: float(part.detach()) for name, part in parts.items()}

    def _setting_weight(self) -> Tensor:
        config = self.module.config.tracks
        camera = torch.ones(8)
        for number, (_, width) in TYPICAL_CAMERA.items():
            camera[number] = 0.3 / width
        surroundings = torch.full((self.module.setting_out.out_features,), 0.5)
        first = surroundings.shape[0] - config.frames_per_latent * len(camera)
        surroundings[first:] = camera.repeat(config.frames_per_latent)
        return surroundings[NUM_FLOORS:]

    def _parts(self, objects: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Presence (b t o 1), looks (b t o n) and poses (b t o f 11) of what was said of objects."""
        config = self.module.config.tracks
        places = config.frames_per_latent * POSE_SIZE
        present, looks, poses = torch.split(objects, [1, config.look_channels, places], -1)
        return present, looks, poses.reshape(*poses.shape[:-1], config.frames_per_latent, POSE_SIZE)

    def _surprise(self, looks: Tensor, true: Tensor) -> Tensor:
        """Cross entropy (…) of looks (… n), summed over attributes."""
        sizes = list(self.module.config.tracks.look_sizes)
        parts = zip(torch.split(looks, sizes, -1), torch.split(true, sizes, -1), strict=True)
        return torch.stack([-(ours.log_softmax(-1) * theirs).sum(-1) for ours, theirs in parts]).sum(0)

    @torch.no_grad()
    def _match(self, objects: Tensor, packed: Tensor, reach: Tensor) -> _Matched:
        """Give every object that is seen, inside of `reach` (x, y), the slot that fits it best."""
        true = unpack(packed, self.module.config.tracks)
        boxes = true.boxes  # b t o f 5
        inside = ((boxes[..., :2].abs() - boxes[..., 2:4] / 2) < reach).all(-1) & (boxes[..., 2] > 0)
        seen = inside.float()
        there = inside.flatten(3).any(-1).any(1).float() * true.present.amax(1)  # b o
        present, looks, poses = self._parts(objects)
        naming = self._surprise(looks[:, :, :, None], true.looks[:, :, None]).mean(1)  # b slot object
        off = (poses[:, :, :, None, :, :4] - true.poses[:, :, None, :, :, :4]).abs().sum(-1)
        weight = seen[:, :, None]
        placing = (off * weight).sum((1, 4)) / weight.sum((1, 4)).clamp_min(1)
        cost = naming + _BOX_WEIGHT * placing - present.mean(1)  # b slot object
        cost = cost * there[:, None]
        orders = torch.tensor(list(permutations(range(cost.shape[1]))), device=cost.device)
        slots = torch.arange(cost.shape[1], device=cost.device)
        best = orders[cost[:, slots, orders].sum(-1).argmin(1)]  # b slot: which object

        def ordered(values: Tensor) -> Tensor:
            index = best.view(len(best), 1, -1, *[1] * (values.ndim - 3)).expand(
                -1, values.shape[1], -1, *values.shape[3:]
            )
            return values.gather(2, index)

        true = UnpackedTracks(
            ordered(true.present),
            ordered(true.looks),
            ordered(true.poses),
            true.known,
            true.surroundings,
            true.cameras,
        )
        return _Matched(there.gather(1, best), true, ordered(seen))


def _reach(latents: Tensor) -> Tensor:
    """How far a picture reaches from its middle (x, y), in halves of its shorter side."""
    height, width = latents.shape[3:]
    return torch.tensor([width, height]) / min(height, width)
