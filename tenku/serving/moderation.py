"""What is seen in pictures that come in and in videos that were made, where a detector is installed."""

from functools import cache
from typing import TYPE_CHECKING

from tenku.safety import Policy, Refused, check_frames
from tenku.safety.frames import installed_frame_checks

if TYPE_CHECKING:
    from tenku.media import Frames


def check_seen(frames: "Frames") -> None:
    """Refuse pictures (t h w 3) that must not be shown."""
    judgement = check_frames(frames, _policy())
    if not judgement.allowed:
        raise Refused(judgement)


@cache
def _policy() -> Policy:
    return Policy(frame_checks=installed_frame_checks())
