"""What a server refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tenku.errors import UserError
from tenku.safety.judgement import Category, Finding

if TYPE_CHECKING:
    from tenku.media import Frames

CHOICES: Final = frozenset(Category) - {Category.UNCHECKED, Category.MINORS}


class PromptCheck(Protocol):
    """Looks at a text. Whatever it raises counts as a refusal."""

    def find(self, text: str, /) -> Sequence[Finding]:
        """Everything wrong with the text, of whatever category."""
        ...


class FrameCheck(Protocol):
    """Looks at pictures. Whatever it raises counts as a refusal."""

    def find(self, frames: "Frames", /) -> Sequence[Finding]:
        """Everything wrong with the frames (t h w 3), of whatever category."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Which categories are refused, and who looks besides the rules.

    Harm to minors is always refused, and so is what could not be checked.
    """

    refused: frozenset[Category] = CHOICES
    prompt_checks: tuple[PromptCheck, ...] = ()
    frame_checks: tuple[FrameCheck, ...] = ()

    def __post_init__(self) -> None:
        always = frozenset({Category.UNCHECKED, Category.MINORS})
        object.__setattr__(self, "refused", frozenset(self.refused) | always)

    @classmethod
    def without(cls, *names: str) -> "Policy":
        """The policy that refuses everything but the named categories."""
        for name in names:
            if name not in CHOICES:
                raise UserError(
                    f"the category {name!r} cannot be turned off; choose from {', '.join(sorted(CHOICES))}."
                )
        return cls(refused=CHOICES - {Category(name) for name in names})
