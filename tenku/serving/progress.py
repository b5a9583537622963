"""How far a job is, shared by the thread that makes it and the one that tells of it."""

import threading
from typing import Any, Final

from tenku.media import Frame
from tenku.serving.pictures import preview
from tenku.serving.records import Record

_PREVIEW_EVERY: Final = 8  # frames: half a second of video
_DENOISE_SHARE: Final = 0.6  # of the work on a window, the rest being its decoding


class StoppedError(Exception):
    """A job that does not go on: it was cancelled, its lease is lost, or the worker is told to stop."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Progress:
    """What a pipeline reports of one job, in numbers that only grow; `news` is what of it is new."""

    def __init__(self, record: Record) -> None:
        self._lock = threading.Lock()
        self._total = max(1, record.num_frames)
        self._told: dict[str, Any] = {}
        self._facts: dict[str, Any] = {}
        self._frame: tuple[int, Frame] | None = None
        self._stop: str | None = None
        self._decoded = 0.0  # share of the latent frames
        self._attempt = record.attempt
        self._best = record.progress

    def stop(self, reason: str) -> None:
        """End the job at its next step; the first reason counts."""
        with self._lock:
            self._stop = self._stop or reason

    def check(self) -> None:
        """Raise if the job is to stop."""
        if self._stop is not None:
            raise StoppedError(self._stop)

    def on_progress(self, stage: str, done: int, total: int) -> None:
        """Take what a pipeline says of a stage: `denoise` counts a window's steps, `decode` latent frames."""
        self.check()
        with self._lock:
            share = done / max(1, total)
            if stage == "decode":
                self._decoded = share
                reached = share
            else:
                window = min(1.0 - self._decoded, 1.0)
                reached = self._decoded + window * share * _DENOISE_SHARE * (1 - self._decoded)
            self._best = max(self._best, min(99, int(100 * reached)))
            self._facts |= {"stage": stage, "progress": self._best}

    def begin(self, stage: str) -> None:
        """Say what is done now that reports no steps."""
        self.check()
        with self._lock:
            self._facts["stage"] = stage

    def on_frame(self, index: int, frame: Frame) -> None:
        """Take one frame (h w 3) that is finished."""
        self.check()
        with self._lock:
            self._facts["frames_done"] = index + 1
            if index % _PREVIEW_EVERY == 0 or index == self._total - 1:
                self._frame = (index, frame)

    def set(self, **facts: Any) -> None:
        """Say what has become known of the video."""
        with self._lock:
            self._facts |= facts

    def news(self) -> tuple[dict[str, Any], tuple[int, bytes] | None]:
        """What has changed since the last call, and the newest frame as a small picture, if there is one."""
        with self._lock:
            facts = {name: value for name, value in self._facts.items() if self._told.get(name) != value}
            self._told |= facts
            frame, self._frame = self._frame, None
        return facts, None if frame is None else (frame[0], preview(frame[1]))
