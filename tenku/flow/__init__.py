"""Rectified flow: the probability path, noise levels and the training loss."""

from tenku.flow.path import (
    NoiseLevels,
    add_noise,
    flow_loss,
    latents_from_velocity,
    noise_from_velocity,
    velocity_of,
)

__all__ = [
    "NoiseLevels",
    "add_noise",
    "flow_loss",
    "latents_from_velocity",
    "noise_from_velocity",
    "velocity_of",
]
