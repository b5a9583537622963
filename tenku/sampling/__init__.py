"""Solvers and guidance: plain functions of (velocity_fn, timeline, …)."""

from tenku.sampling.fitting import fit_tracks
from tenku.sampling.guidance import Guidance, guided, stack_texts
from tenku.sampling.planning import expected_looks, sample_tracks, unnamed
from tenku.sampling.reusing import Reusing
from tenku.sampling.schedules import (
    euler_sigmas,
    shift_of_size,
    shifted_sigmas,
    stretched_sigmas,
    unipc_sigmas,
)
from tenku.sampling.solvers import Solver, euler, multistep
from tenku.sampling.unipc import unipc

__all__ = [
    "Guidance",
    "Reusing",
    "Solver",
    "euler",
    "euler_sigmas",
    "expected_looks",
    "fit_tracks",
    "guided",
    "multistep",
    "sample_tracks",
    "shift_of_size",
    "shifted_sigmas",
    "stack_texts",
    "stretched_sigmas",
    "unipc",
    "unipc_sigmas",
    "unnamed",
]
