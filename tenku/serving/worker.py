"""A worker: leases jobs one by one, keeps each lease while it makes the video, and publishes what it made."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tenku.errors import UserError
from tenku.pipeline import VideoPipeline
from tenku.safety import Refused
from tenku.serving import queue
from tenku.serving.database import Database
from tenku.serving.leases import LeaseObserver
from tenku.serving.making import Maker, StoppedError
from tenku.serving.progress import Progress
from tenku.serving.queue import Lease
from tenku.serving.records import FAILED
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage

_IDLE_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 0.25
_OUTAGE_SECONDS: Final = 600.0  # for so long a worker tries to hand in what it has made
_NOT_STORED: Final = ("storage_unavailable", "the server has no room for this video now; try again later.")
_log: Final = logging.getLogger("tenku.worker")


class Worker:
    """The loop of one worker process; `stopping` ends it after it has given back what it holds."""

    def __init__(self, settings: Settings, database: Database, storage: Storage, name: str = "") -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.stopping = threading.Event()
        self.wake = threading.Event()
        self._settings = settings
        self._database = database
        self._observer = LeaseObserver(database, settings.lease)
        self._pipeline = VideoPipeline.from_pretrained(settings.model)
        self._maker = Maker(settings, self._pipeline, database, storage)

    def stop(self) -> None:
        """Give back what is held at its next step, and end."""
        self.stopping.set()
        self.wake.set()

    def run(self) -> None:
        """Work until told to stop; while the database is away, wait for it."""
        while not self.stopping.is_set():
            try:
                self._observer.look()
                held = queue.lease(self._database, self._settings, self.name)
            except SQLAlchemyError as error:
                _log.warning("the database does not answer: %s", _reason(error))
                self.stopping.wait(1.0)
                continue
            if held is None:
                self.wake.wait(_IDLE_SECONDS)
                if not self.stopping.is_set():
                    self.wake.clear()
            else:
                self.work(held)

    def work(self, held: Lease) -> None:
        """Make one video and hand it in."""
        progress = Progress(held.record)
        keeper = _LeaseKeeper(self._database, held, progress, self.stopping)
        with keeper:
            end = self._end_of(held, progress)
        for _ in _until(_OUTAGE_SECONDS):
            try:
                end()
                return
            except SQLAlchemyError as error:
                _log.warning("%s cannot be handed in yet: %s", held.record.id, _reason(error))
        _log.error("%s could not be handed in", held.record.id)

    def _end_of(self, held: Lease, progress: Progress) -> Callable[[], object]:
        """Make a video; what is to be done then."""
        database, video, started = self._database, held.record.id, time.monotonic()
        try:
            made = self._maker.make(held.record, progress)
        except StoppedError as stopped:
            _log.info("%s stopped: %s", video, stopped.reason)
            return self._end_of_stopped(held, stopped)
        except UserError as error:
            _log.info("%s cannot be made: %s", video, error)
            code, sentence = _told(error)
            return lambda: queue.fail(database, held, code, sentence)
        except MemoryError:
            message = "this machine has too little memory for that; choose a smaller size or fewer seconds."
            return lambda: queue.fail(database, held, "out_of_memory", message)
        except OSError:
            _log.exception("%s could not be stored", video)
            return lambda: queue.fail(database, held, *_NOT_STORED)
        except SQLAlchemyError as error:
            _log.warning("%s is given back: %s", video, _reason(error))
            return lambda: queue.release(database, held, was_stopped=True)
        except Exception:
            _log.exception("%s failed", video)
            message = (
                "something went wrong inside tenku while it made this video; the server's log says what."
            )
            return lambda: queue.fail(database, held, "server_error", message)
        _log.info("%s made in %.2f s", video, time.monotonic() - started)
        return lambda: self._publish(held, made.files, made.facts)

    def _publish(self, held: Lease, files: dict[str, str], facts: dict[str, Any]) -> None:
        if queue.complete(self._database, self._settings, held, files, facts):
            self._maker.clean_up(held.record, files)
        else:
            _log.info("%s was taken by another worker or deleted; what was made is discarded", held.record.id)
            self._maker.discard(held.record)

    def _end_of_stopped(self, held: Lease, stopped: StoppedError) -> Callable[[], object]:
        if stopped.reason == "cancelled":
            return lambda: self._cancelled(held)
        if stopped.reason == "lost":
            return lambda: self._maker.discard(held.record)
        return lambda: queue.release(self._database, held, was_stopped=True)

    def _cancelled(self, held: Lease) -> None:
        facts = queue.cancelled_facts()
        assert facts["status"] == FAILED
        queue.fail(self._database, held, facts["error_code"], facts["error_message"])
        self._maker.discard(held.record)


class _LeaseKeeper:
    """A thread that renews a lease and tells how far the job is, and tells the job when it is to stop."""

    def __init__(
        self, database: Database, held: Lease, progress: Progress, stopping: threading.Event
    ) -> None:
        self._database = database
        self._held = held
        self._progress = progress
        self._stopping = stopping
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease of {held.record.id}", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._done.wait(_BEAT_SECONDS):
            if self._stopping.is_set():
                self._progress.stop("stopped")
            try:
                cancelled = queue.keep(self._database, self._held, *self._progress.news())
            except DBAPIError as error:
                _log.warning(
                    "the lease of %s cannot be renewed now: %s", self._held.record.id, _reason(error)
                )
                self._done.wait(1.0)
                continue
            if cancelled is None:
                self._progress.stop("lost")
            elif cancelled:
                self._progress.stop("cancelled")


def _told(error: UserError) -> tuple[str, str]:
    """The code and the sentence of a job that cannot be made."""
    if isinstance(error, Refused):
        return error.job_code, str(error)
    if isinstance(error.__cause__, OSError):  # it names places that are none of a client's business
        return _NOT_STORED
    return "invalid_request", str(error)


def _until(seconds: float) -> Any:
    """Tries in growing intervals, for so long."""
    end, pause = time.monotonic() + seconds, 0.1
    while time.monotonic() < end:
        yield
        time.sleep(pause)
        pause = min(5.0, 2 * pause)


def _reason(error: SQLAlchemyError) -> str:
    lines = str(getattr(error, "orig", error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
