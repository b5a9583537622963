"""PhyWorld: how far the velocities in what a model makes are from the law's."""

from tenku.evaluation.phyworld.published import PUBLISHED, Published, published_rows
from tenku.evaluation.phyworld.scoring import VelocityErrors, find_balls, velocity_errors
from tenku.evaluation.phyworld.suite import evaluate_phyworld

__all__ = [
    "PUBLISHED",
    "Published",
    "VelocityErrors",
    "evaluate_phyworld",
    "find_balls",
    "published_rows",
    "velocity_errors",
]
