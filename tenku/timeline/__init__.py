"""Every task as a timeline: known latents, a noise floor, prompts over time.

What needs torch is imported when it is asked for: a request is checked before anything heavy is loaded.
"""

from typing import TYPE_CHECKING, Any

from tenku.timeline.request import GenerationRequest, frames_in, padded_num_frames

if TYPE_CHECKING:
    from tenku.timeline.timeline import PromptSpan, Timeline, text_to_video
    from tenku.timeline.tracks import Tracks

__all__ = [
    "GenerationRequest",
    "PromptSpan",
    "Timeline",
    "Tracks",
    "frames_in",
    "padded_num_frames",
    "text_to_video",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tenku.timeline import timeline, tracks

    return getattr(tracks if name == "Tracks" else timeline, name)
