"""The command line: one file per verb.

This module is loaded before anything else, so it imports nothing of weight: Ctrl-C ends in one sentence
also while torch is still being imported.
"""

import os
import signal
import sys


def main() -> None:
    """Run `tenku` with the arguments of this process, then exit."""
    # numpy multiplies small matrices only; threads for those wait for torch's, and torch's for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback in the milliseconds before `Ending`
    from tenku.cli.ending import Ending

    with Ending(sys.argv[1:]):
        from tenku.cli.app import run

        run(sys.argv[1:])
