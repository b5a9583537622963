"""Prometheus metrics of one server."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_JOB_BUCKETS: Final = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)


class Metrics:
    """What is counted, in a registry of its own so that several servers may live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "tenku_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._jobs = Histogram(
            "tenku_job_seconds",
            "Time from a job's first lease to its end.",
            ("kind", "status"),
            buckets=_JOB_BUCKETS,
            registry=self._registry,
        )
        self._waited = Histogram(
            "tenku_job_wait_seconds",
            "Time that a job waits in the queue.",
            buckets=_JOB_BUCKETS,
            registry=self._registry,
        )
        self.unfinished = Gauge(
            "tenku_jobs", "Jobs that are not finished.", ("status",), registry=self._registry
        )
        self.workers = Gauge("tenku_workers", "Worker processes of this server.", registry=self._registry)
        self.restarts = Counter(
            "tenku_worker_restarts", "Workers that died and were replaced.", registry=self._registry
        )
        self.watchers = Gauge("tenku_watchers", "Open event streams.", registry=self._registry)
        self.live = Gauge("tenku_live_sessions", "Open live sessions.", registry=self._registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).observe(seconds)

    def ended(self, kind: str, status: str, seconds: float, waited: float) -> None:
        """Count a job that has ended; what a clock that went back makes of times is no time."""
        self._jobs.labels(kind, status).observe(max(0.0, seconds))
        self._waited.observe(max(0.0, waited))

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return generate_latest(self._registry)
