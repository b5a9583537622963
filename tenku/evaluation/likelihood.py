"""How likely a model takes a clip to be, by the losses it was trained with.

A clip is to the model what moves where (tracks, which the planner gives to a text) and how that is painted
(latents, which the denoiser gives to tracks and a text). Tracks are not known of a clip: they are what the
model's own reader sees in it. Each loss is the mean squared error of a velocity under noise; the less, the
likelier.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot, pad

from tenku.checkpoint import Model
from tenku.denoiser import POSE_SIZE, Denoiser, TrackConfig, TrackReader
from tenku.flow import add_noise, velocity_of
from tenku.sampling import expected_looks
from tenku.sampling.planning import rows_of
from tenku.text import TextConditioning
from tenku.timeline import Known, gliding, tracks_of
from tenku.timeline.plans import plan_latents
from tenku.timeline.tracks import with_unit_axes
from tenku.vae import from_pixels
from tenku.worlds import SceneDescription
from tenku.worlds.captions import plain_prompt

PLANNER_LEVELS: Final = (0.2, 0.35, 0.5, 0.65)
PAINTER_LEVELS: Final = (0.4, 0.8, 0.97)
# A reading errs now and then, so a clip is read several times: from these frames on, and mirrored.
OFFSETS: Final = (0, 2)
_EXPECTING: Final = 2  # samples of what the planner expects in its rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """A model's losses on one clip, told what it shows; None where the model lacks the network.

    `planner` is of tracks as they are read. `guided` is that of the distribution which is sampled: under
    guidance of scale s the log-likelihood of tracks is s times that with the text less (s − 1) times that
    without. `denoiser` is of latents, told the text alone; `along_tracks`, told the tracks that are read as
    well.
    """

    planner: float | None
    guided: float | None
    denoiser: float
    along_tracks: float | None

    @property
    def both(self) -> float | None:
        """What moves where, and how that is painted."""
        if self.planner is None or self.along_tracks is None:
            return None
        return self.planner + self.along_tracks


@torch.inference_mode()
def losses(
    model: Model, frames: NDArray[np.uint8], description: SceneDescription, *, half_precision: bool = False
) -> Losses:
    """The losses of a clip (t h w 3) and of what it is said to show; noise is the same for every clip."""
    with torch.autocast("cpu", torch.bfloat16, enabled=half_precision):
        text = model.text_encoder.encode([plain_prompt(description, "en")])
        latents = model.vae.encode(from_pixels(frames)[None]).float()
        painted = denoiser_loss(model, latents, text, None)
        config, planner, reader = model.denoiser.config.tracks, model.planner, model.reader
        if config is None or planner is None or reader is None:
            return Losses(planner=None, guided=None, denoiser=painted, along_tracks=None)
        scale = model.sampling.planner_guidance_scale
        registers, planned = model.text_encoder.config.num_registers, []
        nothing = model.text_encoder.encode([""]).first(registers)
        for view, seen, said in _views(frames, description):
            told = model.text_encoder.encode([plain_prompt(said, "en")]).first(registers)
            packed = read_tracks(reader, model.vae.encode(from_pixels(seen)[None]).float(), config)
            packed = _in_rows(packed, planner, told, config)
            planned.append([planner_loss(planner, packed, words, config, view) for words in (told, nothing)])
        with_text, without = np.mean(planned, axis=0)
        held = gliding(tracks_of(reader.read(latents).float(), config)).packed(config)
        return Losses(
            planner=float(with_text),
            guided=float(scale * with_text - (scale - 1) * without),
            denoiser=painted,
            along_tracks=denoiser_loss(model, latents, text, held),
        )


def _views(
    frames: NDArray[np.uint8], description: SceneDescription
) -> Iterator[tuple[int, NDArray[np.uint8], SceneDescription]]:
    """The clip as it is, from a later frame on, and both in a mirror."""
    group = 4  # frames of a latent one: what is left out at the end fills none
    for index, offset in enumerate(OFFSETS):
        kept = (len(frames) - 1 - offset) // group * group + 1
        seen = frames[offset : offset + kept]
        yield 2 * index, seen, description
        yield 2 * index + 1, np.ascontiguousarray(seen[:, :, ::-1]), description.mirrored()


def denoiser_loss(model: Model, latents: Tensor, text: TextConditioning, tracks: Tensor | None) -> float:
    """The flow loss of latents (1 c t h w), the mean over noise levels, told a text and perhaps packed
    tracks."""
    denoiser = model.denoiser
    prepared = None if tracks is None else denoiser.prepare(tracks, *latents.shape[3:])
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    read = denoiser.read(text.tokens, text.mask)
    errors = []
    for level in PAINTER_LEVELS:
        sigma = torch.full((1,), level)
        velocity = denoiser(add_noise(latents, noise, sigma.view(1, 1, 1, 1, 1)), sigma, read, None, prepared)
        errors.append(float((velocity.float() - velocity_of(latents, noise)).square().mean()))
    return float(np.mean(errors))


def planner_loss(
    planner: Denoiser, packed: Tensor, text: TextConditioning, config: TrackConfig, seed: int
) -> float:
    """The flow loss of packed tracks (1 c t o), the mean over noise levels, told the registers of a text."""
    latents, count = plan_latents(packed, config), len(PLANNER_LEVELS)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed)).expand(
        count, *latents.shape[1:]
    )
    sigma = torch.tensor(PLANNER_LEVELS)[:, None, None, None]
    noisy = add_noise(latents.expand_as(noise), noise, sigma[:, None])
    words = text.repeated(count)
    velocity = planner(noisy, sigma, words.tokens, words.mask).float()
    return float((velocity - velocity_of(latents, noise)).square().mean())


def read_tracks(reader: TrackReader, latents: Tensor, config: TrackConfig) -> Tensor:
    """Packed tracks (1 c t o) as they are read from latents (1 c t h w), each latent frame by itself.

    What is to be judged must not be mended: nothing here makes an object last, or stay what it is. Only the
    camera glides, as the pipeline lets it.
    """
    read = reader.read(latents).float()
    around = gliding(tracks_of(read, config)).packed(config)[..., -1:]
    things = read[..., :-1].permute(0, 2, 3, 1)  # b t o c
    there = (things[..., :1] > 0.5).float()
    looks = [_likeliest(part) for part in torch.split(_looks(things, config), list(config.look_sizes), -1)]
    poses = with_unit_axes(rearrange(things[..., config.poses], "b t o (f n) -> b t o f n", n=POSE_SIZE))
    rows = torch.cat([torch.ones_like(there), *looks, poses.flatten(-2)], -1) * there
    rows = pad(rows, (0, config.channels - rows.shape[-1])).permute(0, 3, 1, 2)
    return torch.cat([rows, around], -1)


def _looks(things: Tensor, config: TrackConfig) -> Tensor:
    return things[..., 1 : config.thing.stop]


def _likeliest(chances: Tensor) -> Tensor:
    return one_hot(chances.argmax(-1), chances.shape[-1]).to(chances.dtype)


def _in_rows(packed: Tensor, planner: Denoiser, text: TextConditioning, config: TrackConfig) -> Tensor:
    """The same with objects in the rows in which the planner expects them, as the pipeline puts them."""
    shape = (_EXPECTING, config.channels, packed.shape[2], planner.config.named_rows, 1)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = expected_looks(planner, text.repeated(_EXPECTING), config, noise)
    known = Known(packed, torch.zeros(1, *packed.shape[2:]))
    return packed[..., rows_of(known, expected, config)]
