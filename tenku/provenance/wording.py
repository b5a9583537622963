"""What speaks for a verdict, in sentences without a full stop."""

from collections.abc import Iterator

from tenku.provenance.changes import Changes
from tenku.provenance.credentials import Credentials, UnreadableCredentials
from tenku.provenance.detecting import WHOLE, FoundMark, Span
from tenku.provenance.layout import ID_BITS


def details(
    credentials: Credentials | UnreadableCredentials | None,
    mark: FoundMark | None,
    changes: Changes | None,
    *,
    is_seen: bool,
    prompt: str | None,
) -> Iterator[str]:
    """All that can be said of a file, the weightiest first."""
    match credentials:
        case None:
            yield "it has no content credentials"
        case UnreadableCredentials(reason=reason):
            yield f"it is damaged, so that no content credentials can be read ({reason.lower()})"
        case Credentials():
            yield _signature(credentials)
            yield from _manifest(credentials)
    if prompt is not None:
        yield _prompt(credentials, prompt)
    yield _mark(mark, credentials) if is_seen else "it is damaged, so that nothing can be seen in it"
    if mark is not None and (mark.rows, mark.columns) != (WHOLE, WHOLE):
        part = f"{_part(mark.columns)} of the width and {_part(mark.rows)} of the height"
        yield f"what is seen is {part} that were marked"
    if changes is not None:
        yield from _changes(changes)


def mark_name(mark: int) -> str:
    """A mark as it is written in credentials."""
    return f"{mark:0{ID_BITS // 4}x}"


def _signature(credentials: Credentials) -> str:
    whose = "our certificate" if credentials.is_ours else "a certificate that is not known here"
    if not credentials.is_signed:
        return f"it bears the certificate of {credentials.signer!r}, whose holder did not sign what it says"
    signed = f"it was signed by {credentials.signer!r} with {whose}"
    if credentials.is_intact:
        return f"{signed}, and has not changed since"
    return f"{signed}, and has changed since ({', '.join(credentials.faults)})"


def _manifest(credentials: Credentials) -> Iterator[str]:
    if not credentials.is_signed:
        return
    generation = credentials.generation
    by = f", by the model {generation['model']!r}" if "model" in generation else ""
    seed = f" with seed {generation['seed']}" if "seed" in generation else ""
    done = ", ".join(credentials.actions) or "nothing"
    yield f"it says: made with {credentials.generator or 'an unnamed program'}{by}{seed}; done: {done}"
    if credentials.parents:
        yield f"made from {', '.join(map(repr, credentials.parents))}"


def _prompt(credentials: Credentials | UnreadableCredentials | None, prompt: str) -> str:
    is_same = (
        isinstance(credentials, Credentials) and credentials.is_signed and credentials.is_of_prompt(prompt)
    )
    return f"the prompt {prompt!r} is {'' if is_same else 'not '}the one whose hash was signed"


def _mark(mark: FoundMark | None, credentials: Credentials | UnreadableCredentials | None) -> str:
    signed = credentials.watermark if isinstance(credentials, Credentials) and credentials.is_signed else None
    if mark is None:
        if signed is None:
            return "no watermark is seen in its pictures"
        return "the watermark that its credentials tell of is not seen in its pictures"
    if mark.mark is None:
        return "its pictures bear our watermark, too blurred to say which"
    named = f"its pictures bear our watermark {mark_name(mark.mark)}"
    if signed is None:
        return named
    return f"{named}, {'as' if mark.mark == signed else 'not the one that'} its credentials say"


def _part(span: Span) -> str:
    return f"{100 * (span[1] - span[0]):.0f} %"


def _changes(changes: Changes) -> Iterator[str]:
    if changes.rows is None or changes.columns is None or changes.seconds is None:
        yield "beside the original nothing was changed, but for what codecs do"
        return
    down, across = (
        f"{100 * span[0]:.0f} to {100 * span[1]:.0f} %" for span in (changes.rows, changes.columns)
    )
    yield (
        f"beside the original {100 * changes.share:.0f} % of the frame was changed, {down} from the top and "
        f"{across} from the left, between {changes.seconds[0]:.1f} and {changes.seconds[1]:.1f} s"
    )
