"""What the server refuses: prompts by the rules, pictures and finished videos where a detector
is installed."""

from functools import lru_cache
from typing import TYPE_CHECKING

from tenku.safety import Policy, Refused, check_frames, check_prompt
from tenku.safety.frames import OpenNsfwCheck, installed_frame_checks
from tenku.serving.faults import ApiError
from tenku.serving.settings import Settings

if TYPE_CHECKING:
    from tenku.media import Frames


def policy_of(settings: Settings) -> Policy:
    """The policy that settings name; a `UserError` if a frame check is required and not installed."""
    return _policy(settings.allowed_categories, settings.frame_check)


def check_text(settings: Settings, text: str | None, param: str = "prompt") -> None:
    """Refuse what must not be made; what cannot be checked is refused as well."""
    if not text:
        return
    try:
        judgement = check_prompt(text, policy_of(settings))
        allowed, sentence = judgement.allowed, judgement.sentence
    except Exception:
        allowed, sentence = False, "a safety check failed, so nothing was made; try again later."
    if not allowed:
        raise ApiError(400, sentence, code="content_policy_violation", param=param)


def check_seen(settings: Settings, frames: "Frames") -> None:
    """Refuse pictures (t h w 3) that must not be shown."""
    judgement = check_frames(frames, policy_of(settings))
    if not judgement.allowed:
        raise Refused(judgement)


@lru_cache(maxsize=8)
def _policy(allowed: tuple[str, ...], frame_check: str) -> Policy:
    refused = Policy.without(*allowed).refused
    if frame_check == "off":
        return Policy(refused=refused)
    looking = (OpenNsfwCheck(),) if frame_check == "required" else installed_frame_checks()
    return Policy(refused=refused, frame_checks=looking)
