"""The stages of a PhyWorld model: latents alone, or a planner of velocities and a draft of balls."""

from tenku.training.phyworld.clips import PhyWorldTaskConfig
from tenku.training.phyworld.drafting import PhyWorldDraftTask
from tenku.training.phyworld.flow import PhyWorldLatentsTask, PhyWorldPlannerTask

__all__ = ["PhyWorldDraftTask", "PhyWorldLatentsTask", "PhyWorldPlannerTask", "PhyWorldTaskConfig"]
