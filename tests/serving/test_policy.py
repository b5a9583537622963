"""What the server refuses is a setting."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.safety import Category, Finding, Refused
from tenku.serving import moderation
from tenku.serving.faults import ApiError
from tenku.serving.moderation import check_seen, check_text, policy_of
from tenku.serving.settings import Settings

HOME = Path("/nonexistent")
POLITICAL = "a television ad that tells people to vote for our candidate in the election"


def test_categories_are_let_through_by_name() -> None:
    strict = Settings(home=HOME)
    lenient = Settings(home=HOME, allowed_categories=("political_persuasion",))
    with pytest.raises(ApiError) as refused:
        check_text(strict, POLITICAL)
    assert (refused.value.status, refused.value.code) == (400, "content_policy_violation")
    check_text(lenient, POLITICAL)
    with pytest.raises(ApiError):
        check_text(lenient, "a naked woman")
    assert Settings.from_json(lenient.to_json()) == lenient


def test_the_environment_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENKU_ALLOW", "political_persuasion, others_works")
    monkeypatch.setenv("TENKU_FRAME_CHECK", "off")
    settings = Settings.from_environment()
    assert settings.allowed_categories == ("political_persuasion", "others_works")
    assert policy_of(settings).frame_checks == ()
    assert Settings.from_environment(frame_check="installed").frame_check == "installed"


@pytest.mark.parametrize(
    "changes", [{"allowed_categories": ("minors",)}, {"allowed_categories": ("x",)}, {"frame_check": "maybe"}]
)
def test_what_cannot_be_set_is_a_mistake(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="choose from"):
        Settings(home=HOME, **changes)


def test_a_required_check_that_is_missing_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenku.safety.frames.find_spec", lambda name: None)
    moderation._policy.cache_clear()
    with pytest.raises(UserError, match="not installed"):
        policy_of(Settings(home=HOME, frame_check="required"))
    assert policy_of(Settings(home=HOME)).frame_checks == ()
    moderation._policy.cache_clear()


class Seeing:
    """A detector that finds what is bright."""

    def find(self, frames: Any) -> list[Finding]:
        return [Finding(category=Category.SEXUAL, rule="bright")] if frames.mean() > 128 else []


def test_frames_are_looked_at_unless_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moderation, "installed_frame_checks", lambda: (Seeing(),))
    moderation._policy.cache_clear()
    dark, bright = (np.full((2, 8, 8, 3), level, np.uint8) for level in (10, 200))
    check_seen(Settings(home=HOME), dark)
    with pytest.raises(Refused):
        check_seen(Settings(home=HOME), bright)
    check_seen(Settings(home=HOME, frame_check="off"), bright)
    moderation._policy.cache_clear()
