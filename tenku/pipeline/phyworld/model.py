"""A model of one law, and how it goes on from three frames."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tenku.checkpoint import Model
from tenku.media import Frames
from tenku.pipeline.phyworld.planning import PLAN_CHANNELS, ball_tracks, sights, velocities_of
from tenku.pipeline.phyworld.reading import BallReader
from tenku.sampling import Guidance, guided, multistep, shifted_sigmas
from tenku.text import TextConditioning, TextEncoder
from tenku.timeline import Timeline
from tenku.vae import from_pixels
from tenku.worlds.phyworld import FRAME_SECONDS, NUM_FRAMES, Law


def to_frames(video: Tensor) -> Frames:
    """Values (b 3 t h w) in [−1, 1] as bytes (b t h w 3)."""
    pixels = ((video.permute(0, 2, 3, 4, 1) + 1) * 127.5).round().clamp(0, 255)
    frames: Frames = pixels.to(torch.uint8).numpy()
    return frames


def law_text(encoder: TextEncoder, law: Law, batch: int) -> TextConditioning:
    """The law's name, as often as there are clips."""
    text = encoder.encode([law])
    return TextConditioning(text.tokens.expand(batch, -1, -1), text.mask.expand(batch, -1))


@dataclass(frozen=True, slots=True)
class PhyWorldModel:
    """A model of one law; with a reader, and a planner in the model, it goes along tracks."""

    model: Model
    law: Law
    reader: BallReader | None
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model) -> "PhyWorldModel | None":
        """What a saved model knows of PhyWorld; None if it knows nothing of it."""
        facts = model.training.get("phyworld")
        if facts is None:
            return None
        reader = BallReader.from_facts(facts["reader"]) if facts["reader"] else None
        return cls(model, facts["law"], reader, facts)

    @torch.inference_mode()
    def go_on(self, known: Frames, seed: int = 0) -> Frames:
        """Whole clips (b 32 size size 3) that begin with known frames (b 3 size size 3)."""
        latents = self.model.vae.encode(from_pixels(known))
        b, c, t, h, w = latents.shape
        generator = torch.Generator().manual_seed(seed)
        canvas, floor = torch.zeros(b, c, NUM_FRAMES, h, w), torch.ones(b, NUM_FRAMES, 1, 1)
        canvas[:, :, :t], floor[:, :t] = latents, 0
        draft = None
        if self.reader is not None:
            centres, radii = self.planned(latents, generator)
            config = self.model.denoiser.config.tracks
            assert config is not None  # of a model that has a reader
            draft = self.model.denoiser.prepare(ball_tracks(centres, radii).packed(config), h, w)
        sampling, text = self.model.sampling, law_text(self.model.text_encoder, self.law, b)
        made = multistep(
            guided(self.model.denoiser, text, text, Guidance(scale=1.0), draft),
            Timeline(canvas, floor, ()),
            sampling.temperature * torch.randn(canvas.shape, generator=generator),
            shifted_sigmas(sampling.num_inference_steps, sampling.shift),
            None,
        )
        return np.concatenate([known, to_frames(self.model.vae.decode(made))[:, t:]], 1)

    def planned(self, latents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Centres (b t n 2) and radii (b n) of balls, from latents of the known frames (b c 3 h w)."""
        assert self.reader is not None
        assert self.model.planner is not None
        found, radii = self.reader(latents)
        found, size = found.transpose(1, 2), radii.mean(2)  # b t n 2, b n
        start = (found[:, -1] - found[:, 0]) / ((found.shape[1] - 1) * FRAME_SECONDS)
        seconds = (torch.arange(NUM_FRAMES) - found.shape[1] + 1) * FRAME_SECONDS
        last = found.mean(1) + start * (found.shape[1] - 1) / 2 * FRAME_SECONDS
        seen = sights(last, start, size, seconds)
        b, n = size.shape
        floor = torch.ones(b, NUM_FRAMES, 1, 1)
        floor[:, : found.shape[1]] = 0
        shape = (b, PLAN_CHANNELS, NUM_FRAMES, n, 1)
        sampling = self.model.sampling
        text = law_text(self.model.text_encoder, self.law, b)
        plan = multistep(
            guided(self.model.planner, text, text, Guidance(scale=1.0), None, seen),
            Timeline(torch.zeros(shape), floor, ()),
            sampling.temperature * torch.randn(shape, generator=generator),
            shifted_sigmas(sampling.planner_steps, sampling.shift),
            None,
        )
        moved = velocities_of(plan, start)[:, found.shape[1] :].cumsum(1) * FRAME_SECONDS
        return torch.cat([found, found[:, -1:] + moved], 1), size
