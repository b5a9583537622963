"""Simulated physical scenes: clips, their descriptions, and the truth behind them."""

from tenku.worlds.clip import SimulatedClip, simulate_clip
from tenku.worlds.description import Event, ObjectDescription, Relation, SceneDescription
from tenku.worlds.scene import WorldConfig
from tenku.worlds.truth import Truth

__all__ = [
    "Event",
    "ObjectDescription",
    "Relation",
    "SceneDescription",
    "SimulatedClip",
    "Truth",
    "WorldConfig",
    "simulate_clip",
]
