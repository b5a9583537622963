"""What a check finds, and what becomes of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tenku.errors import UserError


class Category(StrEnum):
    """Why something is refused, the gravest first.

    `UNCHECKED` is for what could not be looked at: it is refused, not let through.
    """

    UNCHECKED = "unchecked"
    MINORS = "minors"
    SEXUAL_LIKENESS = "sexual_likeness"
    SEXUAL = "sexual"
    SELF_HARM = "self_harm"
    EXTREMISM_HATE = "extremism_hate"
    VIOLENCE = "violence"
    POLITICAL_PERSUASION = "political_persuasion"
    REAL_PEOPLE = "real_people"
    OTHERS_WORKS = "others_works"


_GRAVITY: Final = {category: place for place, category in enumerate(Category)}

SENTENCES: Final[dict[Category, str]] = {
    Category.UNCHECKED: "a safety check failed, so nothing was made; try again later, or tell whoever runs "
    "this server.",
    Category.MINORS: "this asks for harm to minors or for sexual content near them, which is never made; "
    "describe something else.",
    Category.SEXUAL_LIKENESS: "this asks for sexual content with the likeness of a real person; "
    "leave out the person and the sexual content.",
    Category.SEXUAL: "this asks for nudity or sexual content; describe the scene without it.",
    Category.SELF_HARM: "this asks for suicide, self-harm or disordered eating; describe something else. "
    "If you think of hurting yourself, please talk to somebody now: findahelpline.com lists who listens.",
    Category.EXTREMISM_HATE: "this asks for hatred, terror or its symbols; describe the scene without them.",
    Category.VIOLENCE: "this asks for gore or for violence against people or animals; "
    "describe the scene without it.",
    Category.POLITICAL_PERSUASION: "this asks for political advertising or for a false account of an "
    "election; describe the scene without taking sides.",
    Category.REAL_PEOPLE: "this asks for the likeness of a real person; describe somebody invented.",
    Category.OTHERS_WORKS: "this asks for a character, film or music that belongs to somebody else; "
    "describe something of your own.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a check saw."""

    category: Category
    rule: str  # for logs and tests: which rule or classifier saw it
    matched: tuple[str, ...] = ()  # the words it saw, normalised

    @property
    def gravity(self) -> int:
        """0 is the gravest."""
        return _GRAVITY[self.category]


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """Whether something may be made, and if not, why: in one sentence that can be shown."""

    allowed: bool
    category: Category | None = None
    sentence: str = ""
    rule: str = ""  # do not show it to strangers: it tells how to get around
    matched: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.allowed != (self.category is None) or self.allowed == bool(self.sentence):
            raise ValueError(f"a judgement is either allowed or has a category and a sentence, not {self!r}")


ALLOWED: Final = Judgement(allowed=True)


def refusal(finding: Finding) -> Judgement:
    """The judgement that a finding leads to."""
    return Judgement(
        allowed=False,
        category=finding.category,
        sentence=SENTENCES[finding.category],
        rule=finding.rule,
        matched=finding.matched,
    )


class Refused(UserError):  # noqa: N818 - it is an answer, not a failure
    """A request that is not made; its text may be shown to whoever asked."""

    code: Final = "content_policy_violation"  # of an HTTP answer with status 400
    job_code: Final = "moderation_blocked"  # of a job that had been accepted

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(judgement)  # what pickle hands over to another process
        self.judgement = judgement

    def __str__(self) -> str:
        return self.judgement.sentence

    @property
    def category(self) -> Category:
        """Why it is not made."""
        return self.judgement.category or Category.UNCHECKED
