"""Solvers and guidance: plain functions of (velocity_fn, timeline, …)."""

from tenku.sampling.fitting import fit_tracks
from tenku.sampling.guidance import Guidance, guided_velocity, stack_texts
from tenku.sampling.planning import expected_looks, sample_tracks, unnamed
from tenku.sampling.solvers import euler, multistep, shifted_sigmas

__all__ = [
    "Guidance",
    "euler",
    "expected_looks",
    "fit_tracks",
    "guided_velocity",
    "multistep",
    "sample_tracks",
    "shifted_sigmas",
    "stack_texts",
    "unnamed",
]
