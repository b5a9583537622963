"""Workers as actors that Ray places on the machines of a cluster, each with cores of its own.

The cluster is that of RAY_ADDRESS, or one of this machine alone that lives as long as the server. Actors live
no longer than it either; what they held is given back when their leases are over.
"""

import asyncio
import os
from typing import Any, Final

from tenku.errors import UserError
from tenku.serving.settings import Settings

_EXTRA: Final = "Ray is not installed; run pip install 'tenku[ray]', or leave out --ray."


def join_cluster(settings: Settings) -> Any:
    """The module of Ray, connected to its cluster; a `UserError` if that cannot be, or if workers elsewhere
    could not reach what this server keeps."""
    try:
        import ray  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise UserError(_EXTRA) from error
    address = os.environ.get("RAY_ADDRESS")
    here: dict[str, Any] = {"address": address} if address else {"include_dashboard": False}
    try:
        ray.init(**here, log_to_driver=False, configure_logging=False, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(
            f"the Ray cluster at {address or 'this machine'} does not answer ({str(error)[:200]}); start it, "
            "or name another one with RAY_ADDRESS."
        ) from error
    machines = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    if len(machines) > 1 and (settings.database.startswith("sqlite") or not settings.storage_url):
        raise UserError(
            "workers on other machines need a database and files that they can reach; set TENKU_DATABASE_URL "
            "to PostgreSQL and TENKU_STORAGE_URL, or leave out --ray."
        )
    return ray


class WorkerActor:
    """One worker somewhere in the cluster."""

    def __init__(self, ray: Any, settings: Settings, name: str) -> None:
        self._ray = ray
        cores = max(1, int(ray.cluster_resources().get("CPU", 1)) // max(1, settings.workers))
        # Three at a time: one works, the others are asked to wake and to stop.
        placed = ray.remote(_Actor).options(num_cpus=cores, max_concurrency=3, max_restarts=0)
        self._actor = placed.remote(name, settings.to_json(), cores)
        self._work = self._actor.work.remote()

    async def ended(self) -> str:
        """Wait until it is no more; how it ended."""
        try:
            await asyncio.wrap_future(self._work.future())
        except (self._ray.exceptions.RayError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                raise
            return type(error).__name__
        return "an end of its own"

    def wake(self) -> None:
        """There is something to do."""
        self._actor.wake.remote()

    def stop(self) -> None:
        """Let it give back what it holds, and end."""
        self._actor.stop.remote()

    def kill(self) -> None:
        """End it at once."""
        self._ray.kill(self._actor)


class _Actor:
    """The other side, in a process of Ray's."""

    def __init__(self, name: str, settings: str, cores: int) -> None:
        import torch

        from tenku.serving.database import Database
        from tenku.serving.logs import set_up_logs
        from tenku.serving.storage import Storage
        from tenku.serving.worker import Worker

        told = Settings.from_json(settings)
        set_up_logs(told)
        torch.set_num_threads(cores)
        storage = Storage(told.storage, told.scratch)
        self._worker = Worker(told, Database(told.database), storage, name)

    def work(self) -> None:
        """Work until told to stop."""
        self._worker.run()

    def wake(self) -> None:
        """There is something to do."""
        self._worker.wake.set()

    def stop(self) -> None:
        """Give back what is held, and end."""
        self._worker.stop()
