import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("num_processes", [2, 3])
def test_processes_that_share_a_clip_give_what_one_gives(num_processes: int) -> None:
    """Tokens or weights or both shared out, 45 tokens among two or three: the velocity of one process
    alone."""
    script = Path(__file__).with_name("shared_out.py")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*launcher, str(num_processes), str(script)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("ring, levels") == 3 * num_processes
