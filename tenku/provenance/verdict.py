"""What a file is, in words."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from tenku.errors import UserError
from tenku.media import Video, read_conformed, read_picture
from tenku.provenance.changes import Changes, find_changes
from tenku.provenance.credentials import Credentials, UnreadableCredentials, read_credentials
from tenku.provenance.detecting import Detector, FoundMark
from tenku.provenance.wording import Language, details, mark_name

_FPS: Final = 16.0
_MAX_FRAMES: Final = 256  # 16 seconds
_MAX_SIDE: Final = 384  # pixels along the shorter side


class Standing(StrEnum):
    """What a file can be."""

    intact = "ours and intact"
    changed = "ours and changed"
    marked = "watermark only"
    foreign = "someone else's credentials"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a file is, and what speaks for that, in sentences without a full stop."""

    standing: Standing
    details: tuple[str, ...]
    credentials: Credentials | UnreadableCredentials | None
    mark: FoundMark | None
    changes: Changes | None = None

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "verdict": self.standing.value,
            "details": list(self.details),
            "credentials": _credentials_facts(self.credentials),
            "watermark": _mark_facts(self.mark),
            "changes": _changes_facts(self.changes),
        }


def verify(
    path: str | Path,
    original: Video | None = None,
    *,
    prompt: str | None = None,
    home: Path | None = None,
    language: Language = "en",
) -> Verdict:
    """Say what a video or picture file is, in English or Chinese ("zh"), and with an original where it was
    changed.

    A file that nobody can read, and that has no credentials either, is a `UserError`.
    """
    _check(path)
    credentials = read_credentials(path, home)
    video = _seen(path, credentials)
    mark = None if video is None else _mark(video, credentials)
    changes = None if video is None or original is None else find_changes(video, original, mark)
    return Verdict(
        standing=_standing(credentials, mark),
        details=tuple(
            details(credentials, mark, changes, is_seen=video is not None, prompt=prompt, language=language)
        ),
        credentials=credentials,
        mark=mark,
        changes=changes,
    )


def _standing(credentials: Credentials | UnreadableCredentials | None, mark: FoundMark | None) -> Standing:
    match credentials:
        case Credentials(is_ours=True, is_intact=True):
            return Standing.intact
        case Credentials(is_ours=True, is_signed=True):
            return Standing.changed
        # Anybody can put our certificate beside another signature: then only the mark speaks for us.
        case Credentials(is_ours=True) if mark is not None:
            return Standing.changed
        case Credentials(is_ours=False, is_signed=True):
            return Standing.foreign
    return Standing.unknown if mark is None else Standing.marked


def _check(path: str | Path) -> None:
    if not os.path.exists(path):
        raise UserError(f"there is no file {str(path)!r}; give a video or a picture.")
    if not os.path.isfile(path):
        raise UserError(f"{str(path)!r} is no regular file; give a video or a picture.")
    if os.path.getsize(path) == 0:
        raise UserError(f"{str(path)!r} is empty; give a video or a picture.")


def first_frames(path: str | Path) -> Video:
    """The first 16 seconds of a video or picture file, no larger than it takes to judge them."""
    height, width = read_picture(path).shape[:2]
    shrink = max(1.0, min(height, width) / _MAX_SIDE)
    return read_conformed(
        path,
        fps=_FPS,
        height=max(1, round(height / shrink)),
        width=max(1, round(width / shrink)),
        max_frames=_MAX_FRAMES,
    )


def _seen(path: str | Path, credentials: Credentials | UnreadableCredentials | None) -> Video | None:
    """What can be seen in a file, if anything; nothing is a mistake if there are no credentials either."""
    try:
        return first_frames(path)
    except UserError:
        if isinstance(credentials, Credentials):
            return None
        raise


def _mark(video: Video, credentials: Credentials | UnreadableCredentials | None) -> FoundMark | None:
    detector = Detector()
    for frame in video.frames:
        detector.add(frame)
    return detector.found(in_parts=not (isinstance(credentials, Credentials) and credentials.is_intact))


def _credentials_facts(credentials: Credentials | UnreadableCredentials | None) -> dict[str, Any] | None:
    if not isinstance(credentials, Credentials):
        return None if credentials is None else {"unreadable": credentials.reason}
    return {
        "ours": credentials.is_ours,
        "signed": credentials.is_signed,
        "intact": credentials.is_intact,
        "faults": list(credentials.faults),
        "signer": credentials.signer,
        "generator": credentials.generator,
        "actions": list(credentials.actions),
        "parents": list(credentials.parents),
        "generation": dict(credentials.generation),
    }


def _mark_facts(mark: FoundMark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    return {
        "mark": None if mark.mark is None else mark_name(mark.mark),
        "clearness": round(mark.clearness, 1),
        "rows": mark.rows,
        "columns": mark.columns,
    }


def _changes_facts(changes: Changes | None) -> dict[str, Any] | None:
    if changes is None:
        return None
    return {
        "share": round(changes.share, 4),
        "rows": changes.rows,
        "columns": changes.columns,
        "seconds": changes.seconds,
    }
