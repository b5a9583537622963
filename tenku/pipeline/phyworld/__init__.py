"""How a PhyWorld model goes on from three frames: as latents alone, or along tracks that it plans first.

The known frames stand on the timeline at floor 0 in both ways. With tracks, a reader finds the balls in the
known latents, the planner says how their velocities change from then on, and the draft of their places is
what the denoiser starts from.
"""

from tenku.pipeline.phyworld.model import PhyWorldModel, law_text, to_frames
from tenku.pipeline.phyworld.planning import (
    PLAN_CHANNELS,
    SIGHT_CHANNELS,
    VELOCITY_UNIT,
    ball_track_config,
    ball_tracks,
    plan_of,
    sights,
    velocities_of,
)
from tenku.pipeline.phyworld.reading import BallReader

__all__ = [
    "PLAN_CHANNELS",
    "SIGHT_CHANNELS",
    "VELOCITY_UNIT",
    "BallReader",
    "PhyWorldModel",
    "ball_track_config",
    "ball_tracks",
    "law_text",
    "plan_of",
    "sights",
    "to_frames",
    "velocities_of",
]
