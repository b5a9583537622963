"""Planning: tracks are sampled like anything else, as the picture that they are to a planner."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tenku.denoiser import TrackConfig
from tenku.sampling.guidance import Guidance, guided
from tenku.sampling.schedules import shifted_sigmas
from tenku.sampling.solvers import multistep
from tenku.text import TextConditioning
from tenku.timeline.plans import Known, finished, packed_of_plan, plan_latents
from tenku.timeline.timeline import Timeline
from tenku.timeline.tracks import Tracks, best_rows

_DOUBT = 0.02  # the chance that something is not what the text calls it
_BECOMING = 10.0  # more than any likeness weighs
_CLEARLY = 0.5  # by how much something must fit better than by chance to be what the text speaks of


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
    expected: Tensor | None = None,
    continued: bool = False,
    lead: int = 0,
) -> Tracks:
    """Tracks of texts, led away from the negative ones, from noise (b c t o 1), around what is known.

    Of texts the planner is told what it was trained on: the encoder's registers. What is left of the noise in
    poses is smoothed away. What is known comes in any order, and is put where it is `expected`. Unless tracks
    are `continued` from others their first latent frame stands for one frame. So many frames of noise as
    `lead` come before them: to a planner the first always stands for one.
    """
    places = list(range(noise.shape[3]))
    if known is not None:
        if known.packed.shape[2] != noise.shape[2] - lead:
            raise ValueError("what is known of tracks must be as long as what is planned")
        if expected is None:
            expected = expected_looks(planner, positive, config, noise)
        places = rows_of(known, expected, config)
        known = replace(known, packed=known.packed[..., places], floor=known.floor[..., places])
    guidance = Guidance(scale=guidance_scale, interval=(0.0, 1.0))
    plan = multistep(
        guided(planner, positive, negative, guidance),
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


def expected_looks(planner: nn.Module, text: TextConditioning, config: TrackConfig, noise: Tensor) -> Tensor:
    """What a planner expects of its rows from their text alone: presence, looks and surroundings (c o) as
    chances, the mean over some noise (b c t o 1)."""
    level = torch.ones(len(noise), 1, 1, 1)
    velocity = planner(noise, level, text.tokens, text.mask)
    expected = packed_of_plan(noise - velocity.float(), config)
    return expected[:, : max(config.thing.stop, config.around.stop)].mean((0, 2))


def rows_of(known: Known, expected: Tensor, config: TrackConfig) -> list[int]:
    """Which of the known rows to put where a planner expects something that looks like it.

    A planner names its rows by what the text says; what is known comes in any order. What may change becomes
    what the text speaks of, and only that. The last row, the setting, stays.
    """
    things, rows = known.things(config), list(range(known.packed.shape[3] - 1))
    if not things[0].any():
        return [*rows, len(rows)]
    spoken_of = expected[config.thing, :-1]
    becoming = things[0][:, None] * (_BECOMING * spoken_of[0].clamp(0, 1) + things.T @ spoken_of)
    fit = torch.where(_may_change(known)[:, None], becoming, _fit(things, expected, config))
    return [*best_rows(fit), len(rows)]


def unnamed(known: Known, expected: Tensor, config: TrackConfig) -> list[int]:
    """Known objects of which a planner expects nothing: it would not know how they go on."""
    things, may_change = known.things(config), _may_change(known)
    fit = _fit(things, expected, config)
    silent = _fit(things, 0 * expected, config)  # as if nothing at all were said
    return [
        thing
        for row, thing in enumerate(rows_of(known, expected, config)[:-1])
        if things[0, thing] > 0 and not may_change[thing] and fit[thing, row] <= silent[thing, row] + _CLEARLY
    ]


def _may_change(known: Known) -> Tensor:
    """Which known objects (o) are nowhere known for good."""
    return ~known.told()[0, :, :-1].any(0)


def _fit(things: Tensor, expected: Tensor, config: TrackConfig) -> Tensor:
    """How well known things (c o), presence and look, fit the rows of a plan: the log-likelihood of each look
    in a row of which so much is expected, or of which nothing is said."""
    rows = expected[config.thing, :-1]
    named = rows[0].clamp(0, 1)
    fit = torch.zeros(things.shape[1], rows.shape[1])
    parts = zip(
        torch.split(things[1:], list(config.look_sizes)),
        torch.split(rows[1:], list(config.look_sizes)),
        strict=True,
    )
    for look, chances in parts:
        fit += named * (look.T @ chances.clamp(_DOUBT, 1).log()) - (1 - named) * math.log(len(look))
    return fit * things[0][:, None]
