"""From jobs to their videos: made frame by frame, those of one shape in one sampler call."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from tenku.media import Frame
from tenku.pipeline import GenerationRequest, VideoPipeline
from tenku.pipeline.together import Together, can_share
from tenku.serving.assignments import Asked, Assignments
from tenku.serving.credentials import origin_of
from tenku.serving.database import Database
from tenku.serving.progress import Progress, StoppedError
from tenku.serving.recording import Made, Recording
from tenku.serving.records import Record
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage
from tenku.serving.windows import KeptWindows
from tenku.timeline import Footage, fingerprint

__all__ = ["Made", "Maker", "StoppedError"]

Job: TypeAlias = tuple[Record, Progress]
Finish: TypeAlias = Callable[[], Made]  # sign and store what was made, or raise why there is nothing


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

    def make(self, record: Record, progress: Progress) -> Finish:
        """Make a job's video, from its last finished window on if an earlier attempt has come so far; it
        remains to sign and store it."""
        progress.begin("read")
        asked = self._assignments.asked(record)
        return self._made(record, progress, asked)

    def make_together(self, jobs: Sequence[Job]) -> list[Finish]:
        """The same of several, at once if one sampler call can make them; what goes wrong with one does not
        touch the others, and is raised when it is to be finished."""
        asked: list[Asked | Exception] = []
        for record, progress in jobs:
            try:
                progress.begin("read")
                asked.append(self._assignments.asked(record))
            except Exception as error:
                asked.append(error)
        requests = [each for each in asked if isinstance(each, GenerationRequest)]
        if len(requests) < 2 or not can_share(self._pipeline, requests):
            return [self._tried(*job, each) for job, each in zip(jobs, asked, strict=True)]
        sharing = [job for job, each in zip(jobs, asked, strict=True) if isinstance(each, GenerationRequest)]
        shared = iter(self._shared(sharing, requests))
        return [
            next(shared) if isinstance(each, GenerationRequest) else self._tried(*job, each)
            for job, each in zip(jobs, asked, strict=True)
        ]

    def clean_up(self, record: Record, files: dict[str, str]) -> None:
        """Remove what a finished job does not need any more, that of earlier attempts included."""
        self._storage.remove(f"{record.folder}/windows")
        for attempt in range(1, record.attempt):
            self._storage.remove(f"{record.folder}/{attempt}")

    def discard(self, record: Record) -> None:
        """Remove what an attempt has stored that nobody will see."""
        self._storage.remove(f"{record.folder}/{record.attempt}")

    def _made(self, record: Record, progress: Progress, asked: Asked) -> Finish:
        recording = self._recording(record, progress, _request(asked))
        try:
            windows, parts = KeptWindows(self._storage, record), list[Footage]()
            for frame in self._pipeline.stream(
                asked,
                progress.on_progress,
                on_part=parts.append,
                on_window=lambda window: windows.keep(window, recording.workspace),
                made=windows.made() if record.attempt > 1 else (),
            ):
                recording.append(frame)
            footage = self._pipeline.whole(parts, asked)
        except BaseException as error:
            recording.drop(error)
            raise
        return partial(recording.finish, footage, self._fingerprint)

    def _tried(self, record: Record, progress: Progress, asked: Asked | Exception) -> Finish:
        if isinstance(asked, Exception):
            return _raising(asked)
        try:
            return self._made(record, progress, asked)
        except Exception as error:
            return _raising(error)

    def _shared(self, jobs: Sequence[Job], requests: Sequence[GenerationRequest]) -> list[Finish]:
        parts = [
            _Part(partial(self._recording, *job, request), job[1])
            for job, request in zip(jobs, requests, strict=True)
        ]

        def on_progress(stage: str, done: int, total: int) -> None:
            for part in parts:
                part.on_progress(stage, done, total)
            if all(part.error is not None for part in parts):
                raise StoppedError("stopped")  # nobody is left to whom it matters

        together = Together.of(self._pipeline, requests, on_progress)
        try:
            for moment in together.frames():
                for part, frame in zip(parts, moment, strict=True):
                    part.append(frame)
            kept = together.footage()
        except Exception as error:
            for part in parts:
                part.fail(error)
            return [part.end(None, self._fingerprint) for part in parts]
        return [part.end(own, self._fingerprint) for part, own in zip(parts, kept, strict=True)]

    def _recording(self, record: Record, progress: Progress, request: GenerationRequest) -> Recording:
        origin = origin_of(self._settings, self._database, self._storage, record)
        return Recording(self._settings, self._storage, record, progress, request, origin)


class _Part:
    """One of several jobs that are made at once: what goes wrong with it is kept for its own end."""

    def __init__(self, begin: Callable[[], Recording], progress: Progress) -> None:
        self.error: Exception | None = None
        self._progress = progress
        self._recording: Recording | None = None
        try:
            self._recording = begin()
        except Exception as error:
            self.fail(error)

    def on_progress(self, stage: str, done: int, total: int) -> None:
        self._attempt(partial(self._progress.on_progress, stage, done, total))

    def append(self, frame: Frame) -> None:
        if self._recording is not None:
            self._attempt(partial(self._recording.append, frame))

    def fail(self, error: Exception) -> None:
        """It ends here, if it has not before."""
        if self.error is None:
            self.error = error
            if self._recording is not None:
                self._recording.drop(error)

    def end(self, footage: Footage | None, autoencoder: str) -> Finish:
        if self.error is not None:
            return _raising(self.error)
        assert self._recording is not None
        assert footage is not None
        return partial(self._recording.finish, footage, autoencoder)

    def _attempt(self, step: Callable[[], None]) -> None:
        if self.error is None:
            try:
                step()
            except Exception as error:
                self.fail(error)


def _raising(error: Exception) -> Finish:
    def finish() -> Made:
        raise error

    return finish


def _request(asked: Asked) -> GenerationRequest:
    return asked if isinstance(asked, GenerationRequest) else asked.request
