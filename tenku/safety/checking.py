"""A prompt or a video, judged; whatever fails on the way is a refusal."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from tenku.safety.judgement import ALLOWED, Category, Finding, Judgement, Refused, refusal
from tenku.safety.policy import FrameCheck, Policy
from tenku.safety.rules import shipped_rules

if TYPE_CHECKING:
    from tenku.media import Frames

DEFAULT_POLICY: Final = Policy()
MAX_FRAMES_LOOKED_AT: Final = 16

_log = logging.getLogger(__name__)


def check_prompt(text: str, policy: Policy = DEFAULT_POLICY) -> Judgement:
    """Judge what somebody asks to see, before anything is run. Never raises.

    The rules look first, then the policy's own checks. One that fails or answers nonsense is a refusal.
    """
    checks = (_shipped, *(check.find for check in policy.prompt_checks))
    return _judge([partial(check, text) for check in checks], policy)


def check_frames(frames: "Frames", policy: Policy = DEFAULT_POLICY) -> Judgement:
    """Judge pictures (t h w 3) that were given or made, by the policy's frame checks. Never raises.

    Of a video at most `MAX_FRAMES_LOOKED_AT` are looked at, evenly spread, the first and the last among them.
    """
    return _judge([partial(_in_frames, check, frames) for check in policy.frame_checks], policy)


def checked(text: str, policy: Policy = DEFAULT_POLICY) -> str:
    """The text itself, or `Refused`."""
    judgement = check_prompt(text, policy)
    if not judgement.allowed:
        raise Refused(judgement)
    return text


def _shipped(text: str) -> Sequence[Finding]:
    return shipped_rules().find(text)


def _in_frames(check: FrameCheck, frames: "Frames") -> Sequence[Finding]:
    if frames.ndim != 4 or 0 in frames.shape:
        raise ValueError(f"frames must have shape (t, h, w, 3), not {frames.shape}")
    count = min(len(frames), MAX_FRAMES_LOOKED_AT)
    last = len(frames) - 1
    return check.find(frames[[round(place * last / max(1, count - 1)) for place in range(count)]])


def _judge(checks: Sequence[Callable[[], Sequence[Finding]]], policy: Policy) -> Judgement:
    """The gravest of what the policy refuses, or `ALLOWED`."""
    findings = [finding for check in checks for finding in _findings(check)]
    refused = [finding for finding in findings if finding.category in policy.refused]
    return refusal(min(refused, key=lambda finding: finding.gravity)) if refused else ALLOWED


def _findings(check: Callable[[], Sequence[Finding]]) -> list[Finding]:
    """What a check found; a check that failed found that nothing is known."""
    try:
        return [replace(finding, category=Category(finding.category)) for finding in check()]
    except Exception as error:
        _log.exception("a safety check failed; what it looked at is refused")
        return [Finding(category=Category.UNCHECKED, rule=f"{Category.UNCHECKED}/{type(error).__name__}")]
