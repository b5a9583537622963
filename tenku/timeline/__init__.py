"""Every task as a timeline: known latents, a noise floor, prompts over time.

What needs torch is imported when it is asked for: a request is checked before anything heavy is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenku.timeline.request import GenerationRequest, frames_in, padded_num_frames

if TYPE_CHECKING:
    from tenku.timeline.describing import named
    from tenku.timeline.footage import Footage
    from tenku.timeline.kept import Kept, fingerprint, load_kept, save_kept
    from tenku.timeline.plans import Known, carried, gliding
    from tenku.timeline.tasks import (
        Scene,
        Task,
        animate,
        blend,
        edit,
        extend,
        fill,
        loop,
        remix,
        storyboard,
        storyboard_request,
    )
    from tenku.timeline.timeline import PromptSpan, Timeline, text_to_video
    from tenku.timeline.tracks import Tracks, going_on, staggered, stretched, tracks_of
    from tenku.timeline.window import Window, endless, windows

__all__ = [
    "Footage",
    "GenerationRequest",
    "Kept",
    "Known",
    "PromptSpan",
    "Scene",
    "Task",
    "Timeline",
    "Tracks",
    "Window",
    "animate",
    "blend",
    "carried",
    "edit",
    "endless",
    "extend",
    "fill",
    "fingerprint",
    "frames_in",
    "gliding",
    "going_on",
    "load_kept",
    "loop",
    "named",
    "padded_num_frames",
    "remix",
    "save_kept",
    "staggered",
    "storyboard",
    "storyboard_request",
    "stretched",
    "text_to_video",
    "tracks_of",
    "windows",
]

_MODULES = {
    "describing": ("named",),
    "footage": ("Footage",),
    "kept": ("Kept", "fingerprint", "load_kept", "save_kept"),
    "plans": ("Known", "carried", "gliding"),
    "tasks": (
        *("Scene", "Task", "animate", "blend", "edit", "extend"),
        *("fill", "loop", "remix", "storyboard", "storyboard_request"),
    ),
    "timeline": ("PromptSpan", "Timeline", "text_to_video"),
    "tracks": ("Tracks", "going_on", "staggered", "stretched", "tracks_of"),
    "window": ("Window", "endless", "windows"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
