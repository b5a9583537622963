"""From a job to its files: the video is made frame by frame, scaled to what was asked for, and kept with its
latents."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tenku.media import Frame
from tenku.media.conforming import fitted
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.provenance import Origin, signed_video
from tenku.serving.assignments import Asked, Assignments
from tenku.serving.credentials import marked, origin_of, signed_picture
from tenku.serving.database import Database
from tenku.serving.identifiers import new_id
from tenku.serving.moderation import check_seen
from tenku.serving.pictures import Moments, jpeg, thumbnail
from tenku.serving.progress import Progress, StoppedError
from tenku.serving.records import LATENTS, SPRITESHEET, THUMBNAIL, VIDEO, Record
from tenku.serving.settings import Settings
from tenku.serving.sizes import shown_frames
from tenku.serving.storage import Storage
from tenku.serving.windows import KeptWindows
from tenku.timeline import Footage, Kept, fingerprint, save_kept

__all__ = ["Made", "Maker", "StoppedError"]

_NAMES: Final = {
    VIDEO: "video.mp4",
    THUMBNAIL: "thumbnail.webp",
    SPRITESHEET: "spritesheet.jpg",
    LATENTS: "latents.tenku",
}


@dataclass(frozen=True, slots=True)
class Made:
    """Names of finished files by variant, and what is known of the video now."""

    files: dict[str, str]
    facts: dict[str, Any]


class Maker:
    """Makes the videos of jobs with one pipeline."""

    def __init__(
        self, settings: Settings, pipeline: VideoPipeline, database: Database, storage: Storage
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._database = database
        self._storage = storage
        self._assignments = Assignments(pipeline, database, storage)
        self._fingerprint = fingerprint(pipeline.model.vae)

    def make(self, record: Record, progress: Progress) -> Made:
        """Make a job's video, from its last finished window on if an earlier attempt has come so far."""
        progress.begin("read")
        asked = self._assignments.asked(record)
        request = _request(asked)
        shown = self._shown(record, request)
        with self._storage.workspace() as workspace:
            parts: list[Footage] = []
            moments = Moments(len(shown))
            first: Frame | None = None
            frames = self._frames(asked, record, progress, parts, workspace)
            origin, home = self._origin(record), self._settings.home
            target = workspace / _NAMES[VIDEO]
            with signed_video(target, fps=record.fps, origin=origin, home=home) as append:
                for index, frame in enumerate(self._as_asked(frames, record, shown)):
                    first = frame if first is None else first
                    moments.pass_by(index, frame)
                    append(frame)
                    progress.on_frame(index, frame)
                check_seen(moments.frames())
                progress.begin("sign")
            assert first is not None  # a request has a frame
            for variant, encoded in (
                (THUMBNAIL, thumbnail(marked(origin, first))),
                (SPRITESHEET, jpeg(marked(origin, moments.sheet()))),
            ):
                name = _NAMES[variant]
                (workspace / name).write_bytes(signed_picture(self._settings, origin, encoded, name))
            footage = self._pipeline.whole(parts, asked)
            save_kept(workspace / _NAMES[LATENTS], Kept(footage, request, self._fingerprint))
            return self._stored(record, workspace, len(shown))

    def clean_up(self, record: Record, files: dict[str, str]) -> None:
        """Remove what a finished job does not need any more, that of earlier attempts included."""
        self._storage.remove(f"{record.folder}/windows")
        for attempt in range(1, record.attempt):
            self._storage.remove(f"{record.folder}/{attempt}")

    def discard(self, record: Record) -> None:
        """Remove what an attempt has stored that nobody will see."""
        self._storage.remove(f"{record.folder}/{record.attempt}")

    def _origin(self, record: Record) -> Origin:
        return origin_of(self._settings, self._database, self._storage, record)

    def _shown(self, record: Record, request: GenerationRequest) -> list[int]:
        """Which native frame is on screen in each frame that is shown."""
        seconds = request.num_frames / request.fps
        promised = record.num_frames
        if abs(seconds - record.seconds) * request.fps >= 1:
            promised = max(1, round(seconds * record.fps))
        return [min(index, request.num_frames - 1) for index in shown_frames(promised, record.fps)]

    def _frames(
        self, asked: Asked, record: Record, progress: Progress, parts: list[Footage], workspace: Path
    ) -> Iterator[Frame]:
        windows = KeptWindows(self._storage, record)
        return self._pipeline.stream(
            asked,
            progress.on_progress,
            on_part=parts.append,
            on_window=lambda window: windows.keep(window, workspace),
            made=windows.made() if record.attempt > 1 else (),
        )

    def _as_asked(self, frames: Iterator[Frame], record: Record, shown: list[int]) -> Iterator[Frame]:
        """Frames (h w 3) at the rate and size that were asked for."""
        place = 0
        for index, frame in enumerate(frames):
            scaled: Frame | None = None
            while place < len(shown) and shown[place] == index:
                scaled = fitted(frame, record.height, record.width) if scaled is None else scaled
                yield scaled
                place += 1

    def _stored(self, record: Record, workspace: Path, num_frames: int) -> Made:
        folder = f"{record.folder}/{record.attempt}/{new_id('files')}"
        files = {variant: f"{folder}/{name}" for variant, name in _NAMES.items()}
        size = sum(self._storage.put(workspace / _NAMES[variant], name) for variant, name in files.items())
        return Made(files, {"bytes": size, "num_frames": num_frames, "frames_done": num_frames})


def _request(asked: Asked) -> GenerationRequest:
    return asked if isinstance(asked, GenerationRequest) else asked.request
