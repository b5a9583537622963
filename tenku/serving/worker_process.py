"""`python -m tenku.serving.worker_process`: one worker that a server has started, for as long as the server
lives."""

import contextlib
import os
import signal
import sys
import threading

from tenku.serving.logs import set_up_logs
from tenku.serving.settings import Settings

_NICENESS = 5  # answers come before videos
_STEP_SECONDS = 1.0  # that a step may take when the server has gone


def main() -> None:
    """Work by what the first line of standard input says, until it ends."""
    name, _, text = sys.stdin.readline().partition(" ")
    if not text:
        return  # the server was gone at once
    settings = Settings.from_json(text)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which tells us
    set_up_logs(settings)
    os.nice(_NICENESS)
    use_cores(settings.workers)
    from sqlalchemy.exc import SQLAlchemyError

    from tenku.serving.database import Database
    from tenku.serving.storage import Storage
    from tenku.serving.worker import Worker

    database, storage = Database(settings.database), Storage(settings.storage, settings.scratch)
    worker, ended = Worker(settings, database, storage, name, _tell), threading.Event()

    def listen() -> None:
        for _ in sys.stdin:
            worker.wake.set()
        worker.stop()
        if not ended.wait(_STEP_SECONDS):  # in the middle of a long step: another worker makes it again
            with contextlib.suppress(SQLAlchemyError):
                worker.abandon()
            os._exit(0)

    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    threading.Thread(target=listen, daemon=True).start()
    worker.run()
    ended.set()


def _tell() -> None:
    """Let the server look at the database now, if there is one still."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), b"\n")


def use_cores(workers: int) -> None:
    """Share this machine's cores evenly, unless the environment says how many threads to use."""
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // max(1, workers)))


if __name__ == "__main__":
    main()
