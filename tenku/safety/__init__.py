"""What is refused, and why: prompts by rules in English and Chinese, frames by an optional detector."""

from tenku.safety.checking import DEFAULT_POLICY, check_frames, check_prompt, checked
from tenku.safety.frames import OpenNsfwCheck, installed_frame_checks
from tenku.safety.judgement import Category, Finding, Judgement, Refused
from tenku.safety.policy import FrameCheck, Policy, PromptCheck

__all__ = [
    "DEFAULT_POLICY",
    "Category",
    "Finding",
    "FrameCheck",
    "Judgement",
    "OpenNsfwCheck",
    "Policy",
    "PromptCheck",
    "Refused",
    "check_frames",
    "check_prompt",
    "checked",
    "installed_frame_checks",
]
