"""A worker: leases jobs, several if they are alike, keeps each lease while it makes the videos, and publishes
what it made."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tenku.errors import UserError
from tenku.pipeline import VideoPipeline
from tenku.safety import Refused
from tenku.serving import queue
from tenku.serving.database import Database
from tenku.serving.leases import LeaseObserver
from tenku.serving.making import Finish, Maker, StoppedError
from tenku.serving.progress import Progress
from tenku.serving.queue import Lease, News
from tenku.serving.records import FAILED
from tenku.serving.settings import Settings
from tenku.serving.storage import Storage

_IDLE_SECONDS: Final = 0.5
_BEAT_SECONDS: Final = 0.25
_OUTAGE_SECONDS: Final = 600.0  # for so long a worker tries to hand in what it has made
_NOT_STORED: Final = ("storage_unavailable", "the server has no room for this video now; try again later.")
_log: Final = logging.getLogger("tenku.worker")


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that is a worker's, how far it is, and whether the worker is done with it."""

    held: Lease
    progress: Progress
    done: threading.Event


class Worker:
    """The loop of one worker process; `stopping` ends it after it has given back what it holds.

    `on_change` is called, from any thread, after each change that others may wait for.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        storage: Storage,
        name: str = "",
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_change = on_change
        self._tails = ThreadPoolExecutor(os.cpu_count(), "tail")
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

    def abandon(self) -> None:
        """Give back what is held without waiting for a step, just before this process ends at once."""
        queue.release_all(self._database, self.name, was_stopped=True)

    def run(self) -> None:
        """Work until told to stop; while the database is away, wait for it."""
        while not self.stopping.is_set():
            try:
                self._observer.look()
                held = self._lease()
            except SQLAlchemyError as error:
                _log.warning("the database does not answer: %s", _reason(error))
                self.stopping.wait(1.0)
                continue
            if not held:
                self.wake.wait(_IDLE_SECONDS)
                if not self.stopping.is_set():
                    self.wake.clear()
            else:
                self.work(*held)

    def work(self, *held: Lease) -> None:
        """Make videos, several at once if one sampler call can, and hand them in."""
        jobs = [_Job(lease, Progress(lease.record), threading.Event()) for lease in held]
        with _LeaseKeeper(self._database, jobs, self.stopping, self._on_change):
            started = time.monotonic()
            if len(jobs) == 1:  # its end waits for nobody, so it needs no thread
                job = jobs[0]
                self._hand_in(job, lambda: self._maker.make(job.held.record, job.progress)(), started)
                return
            ends = self._maker.make_together([(job.held.record, job.progress) for job in jobs])
            list(self._tails.map(self._hand_in, jobs, ends, [started] * len(jobs)))

    def _lease(self) -> list[Lease]:
        """The next job, and those after it that can be made with it: no more than leaves the other workers
        of this server their share."""
        first = queue.lease(self._database, self._settings, self.name)
        if first is None or self._settings.batch == 1:
            return [] if first is None else [first]
        try:
            share = -(-(1 + queue.num_waiting(self._database)) // max(1, self._settings.workers))
            number = min(self._settings.batch, share) - 1
            if number < 1:
                return [first]
            return [first, *queue.lease_alike(self._database, self._settings, self.name, first, number)]
        except SQLAlchemyError as error:
            _log.warning("made alone, for the database does not answer: %s", _reason(error))
            return [first]

    def _hand_in(self, job: _Job, finish: Finish, started: float) -> None:
        """Finish what was made, and tell of it until the database has taken it."""
        end = self._end_of(job.held, finish, started)
        job.done.set()
        for _ in _until(_OUTAGE_SECONDS):
            try:
                end()
                self._on_change()
                return
            except SQLAlchemyError as error:
                _log.warning("%s cannot be handed in yet: %s", job.held.record.id, _reason(error))
        _log.error("%s could not be handed in", job.held.record.id)

    def _end_of(self, held: Lease, finish: Finish, started: float) -> Callable[[], object]:
        """Finish a video; what is to be done then."""
        database, video = self._database, held.record.id
        try:
            made = finish()
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
    """A thread that renews leases and tells how far their jobs are, and tells the jobs when they are to
    stop."""

    def __init__(
        self,
        database: Database,
        jobs: Sequence[_Job],
        stopping: threading.Event,
        on_change: Callable[[], None],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._stopping = stopping
        self._on_change = on_change
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._done.wait(_BEAT_SECONDS):
            left = [job for job in self._jobs if not job.done.is_set()]
            if not left:
                continue
            if self._stopping.is_set():
                for job in left:
                    job.progress.stop("stopped")
            news = [News(job.held, *job.progress.news()) for job in left]
            try:
                answers = queue.keep(self._database, *news)
            except DBAPIError as error:
                _log.warning("leases cannot be renewed now: %s", _reason(error))
                self._done.wait(1.0)
                continue
            if any(each.facts or each.preview for each in news):
                self._on_change()
            for job, cancelled in zip(left, answers, strict=True):
                if cancelled is None:
                    job.progress.stop("lost")
                elif cancelled:
                    job.progress.stop("cancelled")


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
