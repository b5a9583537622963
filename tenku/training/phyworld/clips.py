"""What steps of training are made of: clips are kept as motions, and drawn when they are needed."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tenku.flow import NoiseLevels
from tenku.media import Frames, Video, contact_sheet, write_picture
from tenku.worlds.phyworld import FRAME_SECONDS, WORLD_SIZE, Motions


@dataclass(frozen=True, kw_only=True, slots=True)
class PhyWorldTaskConfig:
    """What a step is made of.

    Clips have pictures of `size` pixels. `from_nothing` of them are asked for from no noise at all at level
    1, which is how a law without chance is sampled; the rest see noise as `noise_levels` say, after the known
    frames. The world is enlarged by a factor between the two `scales`, velocities and all, and mirrored in
    half of the clips if that is said. Known latents are shaken by `known_noise`.
    """

    size: int = 64
    batch_size: int = 64
    from_nothing: float = 0.75
    noise_levels: NoiseLevels = field(
        default_factory=lambda: NoiseLevels(
            shared_share=1.0, independent_share=0.0, known_share=0.0, ramp_share=0.0
        )
    )
    scales: tuple[float, float] = (1.0, 1.0)
    mirror: bool = False
    known_noise: float = 0.0
    autocast: bool = True


def drawn(motions: Motions, count: int, generator: torch.Generator) -> Motions:
    """So many clips at random."""
    return motions.take(torch.randint(len(motions), (count,), generator=generator).cpu().numpy())


def enlarged(motions: Motions, config: PhyWorldTaskConfig, generator: torch.Generator) -> Motions:
    """What finer clips would show if each were enlarged or made smaller, at a random place in the frame, and
    perhaps mirrored, as the configuration says."""
    b = len(motions)
    scale = factors(config.scales, b, generator).cpu().numpy()[:, None]
    place = torch.rand(b, 1, 1, 2, generator=generator).cpu().numpy() * WORLD_SIZE
    scale_of_places = scale[:, :, None, None]
    positions = motions.positions * scale_of_places + place * (1 - scale_of_places)
    if config.mirror:
        flip = (torch.rand(b, 1, 1, generator=generator) < 0.5).cpu().numpy()
        positions[..., 0] = np.where(flip, WORLD_SIZE - positions[..., 0], positions[..., 0])
    return replace(motions, positions=positions, radii=motions.radii * scale)


def factors(ends: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    """Random factors (count), evenly spread in their logarithm."""
    low, high = (math.log(end) for end in ends)
    return torch.exp(low + (high - low) * torch.rand(count, generator=generator))


def save_pairs(path: Path, true: Frames, made: Frames) -> None:
    """A contact sheet of true clips above made ones."""
    videos = [
        Video(frames=clip, fps=1 / FRAME_SECONDS) for pair in zip(true, made, strict=True) for clip in pair
    ]
    write_picture(path, contact_sheet(videos))
