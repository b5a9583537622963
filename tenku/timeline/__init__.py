"""Every task as a timeline: known latents, a noise floor, prompts over time."""

from tenku.timeline.request import GenerationRequest, frames_in, padded_num_frames
from tenku.timeline.timeline import PromptSpan, Timeline, text_to_video

__all__ = [
    "GenerationRequest",
    "PromptSpan",
    "Timeline",
    "frames_in",
    "padded_num_frames",
    "text_to_video",
]
