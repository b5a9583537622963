"""What moves where in a window: known tracks, and planned ones around them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tenku.checkpoint import Model
from tenku.denoiser import Denoiser, TrackConfig
from tenku.pipeline.making import Making
from tenku.sampling import expected_looks, sample_tracks, unnamed
from tenku.timeline import Known, Tracks, Window, carried, named, stretched

_SAID = 0.7  # expected of what the text says; what it leaves open has about even chances
_CANDIDATES_GOING_ON = 2  # what goes on has less to choose from than what begins


def plan(making: Making, window: Window) -> Tensor | None:
    """Packed tracks (1 n t o) of a window and what it looks back at: known ones, planned ones around them, or
    None if nothing is known and the model does not plan."""
    planner, config = making.model.planner, making.model.denoiser.config.tracks
    if config is None:
        return None
    known, length = making.known_tracks(window), window.stop - window.history
    if known is not None and not known.floor[:, :length].any():
        return known.packed[:, :, :length]
    if planner is None:
        return None
    packed = planned(making, window, planner, config, known).packed(config, continued=window.history > 0)
    if known is not None:
        packed = torch.where(known.floor[:, None] == 0, known.packed, packed)
    return packed[:, :, :length]


def planned(
    making: Making, window: Window, planner: Denoiser, config: TrackConfig, known: Known | None
) -> Tracks:
    """The clearest of several plans for all that is in view of a window; what is usual among them, if it has
    to arrive where things are known to be."""
    defaults, continued = making.model.sampling, window.history > 0
    aspect = making.request.width / making.request.height
    if known is not None:  # a planner has only seen square pictures
        known = replace(known, packed=stretched(known.packed, config, 1 / aspect))
        known = known.with_room() if window.fresh else known
    arrives = known is not None and bool((known.floor[:, window.start - window.history :, :-1] == 0).any())
    begins = known is None or window.fresh
    number = defaults.planner_candidates if begins else _CANDIDATES_GOING_ON
    number = 2 * defaults.planner_candidates if arrives else number
    lead = int(continued and (known is None or bool((known.floor[:, 0] > 0).all())))
    frames = window.horizon - window.history + lead
    noise = making.noise(
        window, (making.size * number, config.channels, frames, planner.config.named_rows, 1)
    )
    assert isinstance(making.model, Model)  # open weights do not plan
    registers = making.model.text_encoder.config.num_registers
    text, expected = making.text(window.prompt), None
    positive, negative = (t.first(registers).repeated(number) for t in (text.positive, text.negative))
    new_shot = bool(lead) and making.tracks is not None
    if known is not None or new_shot:
        with making.stage("plan"):
            expected = expected_looks(planner, positive, config, noise)
    if known is not None and expected is not None and (silent := unnamed(known, expected, config)):
        prompt = _naming(window.prompt, known, silent, config)
        positive, expected = making.text(prompt).positive.first(registers).repeated(number), None
    with making.stage("plan"):
        tracks = sample_tracks(
            planner,
            positive,
            negative,
            config,
            noise,
            defaults.planner_steps,
            defaults.planner_guidance_scale,
            known,
            expected=expected,
            continued=continued,
            lead=lead,
        )
        clearest = tracks.usual() if arrives else tracks.clearest(number)
        if new_shot and making.tracks is not None and expected is not None:
            clearest = carried(clearest, making.tracks[:, :, -1:], expected < _SAID, config)
    return clearest.spread(aspect)


def _naming(prompt: str, known: Known, silent: Sequence[int], config: TrackConfig) -> str:
    """A prompt that also says what is there and what it does not speak of."""
    things = known.things(config)
    names = [named(things[1:, row], config.look_sizes) for row in silent]
    return " ".join([prompt, *(f"There is {name}." for name in names if name)])
