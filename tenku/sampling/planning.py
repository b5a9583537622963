"""Planning: tracks are sampled like anything else, as the picture that they are to a planner."""

from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tenku.denoiser import TrackConfig
from tenku.sampling.guidance import Guidance, guided_velocity
from tenku.sampling.solvers import multistep, shifted_sigmas
from tenku.text import TextConditioning
from tenku.timeline.plans import Known, finished, packed_of_plan, plan_latents
from tenku.timeline.timeline import Timeline
from tenku.timeline.tracks import Tracks


def sample_tracks(
    planner: nn.Module,
    positive: TextConditioning,
    negative: TextConditioning,
    config: TrackConfig,
    noise: Tensor,
    num_steps: int,
    guidance_scale: float,
    known: Known | None = None,
    *,
    continued: bool = False,
    lead: int = 0,
) -> Tracks:
    """Tracks of texts, led away from the negative ones, from noise (b c t o 1), around what is known.

    Of texts the planner is told what it was trained on: the encoder's registers. What is left of the noise in
    poses is smoothed away. Unless tracks are `continued` from others their first latent frame stands for one
    frame. So many frames of noise as `lead` come before them: to a planner the first always stands for one.
    """
    places = list(range(noise.shape[3]))
    if known is not None:
        if known.packed.shape[2] != noise.shape[2] - lead:
            raise ValueError("what is known of tracks must be as long as what is planned")
        places = rows_of(planner, positive, config, noise, known)
        known = Known(known.packed[..., places], known.floor[..., places])
    guidance = Guidance(scale=guidance_scale, interval=(0.0, 1.0))
    plan = multistep(
        lambda noisy, level: guided_velocity(planner, noisy, level, positive, negative, guidance),
        _timeline(noise, known, config, lead),
        noise,
        shifted_sigmas(num_steps, 1.0),
    )
    tracks = finished(plan[:, :, lead:], config, known, continued=continued)
    back = torch.tensor(places[:-1]).argsort()
    return Tracks(tracks.poses[:, :, back], tracks.looks[:, back], tracks.present[:, back], tracks.settings)


def _timeline(noise: Tensor, known: Known | None, config: TrackConfig, lead: int) -> Timeline:
    """The canvas of a plan."""
    b, _, t, o, _ = noise.shape
    if known is None:
        return Timeline(torch.zeros_like(noise), torch.ones(b, t, 1, 1), ())
    latents = pad(plan_latents(known.packed, config), (0, 0, 0, 0, lead, 0))
    floor = pad(known.floor, (0, 0, lead, 0), value=1.0)[..., None]
    return Timeline(latents.expand(noise.shape), floor.expand(b, t, o, 1), ())


def rows_of(
    planner: nn.Module, text: TextConditioning, config: TrackConfig, noise: Tensor, known: Known
) -> list[int]:
    """Which of the known rows to put where a planner expects, from its text, something that looks like it.

    A planner names its rows by what the text says; what is known comes in any order. The last row, the
    setting, stays.
    """
    packed = known.packed.where(known.floor[:, None] < 1, 0)
    looks = packed[0, : 1 + config.look_channels, :, :-1].amax(1)  # c o: what is known at any time
    if not looks.any():
        return list(range(noise.shape[3]))
    level = torch.ones(len(noise), 1, 1, 1)
    expected = packed_of_plan(noise - planner(noise, level, text.tokens, text.mask).float(), config)
    expected = expected[:, : 1 + config.look_channels, :, :-1].mean((0, 2))
    fit = looks.T @ expected  # known row, row of the planner
    rows = range(fit.shape[0])
    best = max(permutations(rows), key=lambda order: float(fit[list(order), list(rows)].sum()))
    return [*best, noise.shape[3] - 1]
