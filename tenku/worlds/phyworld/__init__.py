"""PhyWorld: balls that move evenly, collide or fall, and how well a model goes on from three frames of them.

Kang et al., "How Far is Video Generation from World Model", arXiv 2411.02385; ranges and starting places are
those of the paper's text and of github.com/phyworld/phyworld.
"""

from tenku.worlds.phyworld.drawing import draw
from tenku.worlds.phyworld.laws import (
    FRAME_SECONDS,
    KNOWN_FRAMES,
    LAWS,
    NUM_FRAMES,
    WORLD_SIZE,
    Law,
    Scene,
    Split,
    draw_scene,
    num_balls,
)
from tenku.worlds.phyworld.physics import Motions, simulate

__all__ = [
    "FRAME_SECONDS",
    "KNOWN_FRAMES",
    "LAWS",
    "NUM_FRAMES",
    "WORLD_SIZE",
    "Law",
    "Motions",
    "Scene",
    "Split",
    "draw",
    "draw_scene",
    "num_balls",
    "simulate",
]
