import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tenku.training.distributed import shared_out

SCRIPT = Path(__file__).with_name("share_out.py")
everything: Callable[[], dict[str, Any]] = runpy.run_path(str(SCRIPT))["everything"]


def test_one_process_works_out_everything() -> None:
    inputs = [torch.full((2, 3), float(number)) for number in range(3)]
    outputs = shared_out(lambda item: item + 1, inputs)
    assert [output[0, 0].item() for output in outputs] == [1, 2, 3]
    assert shared_out(lambda item: item + 1, []) == []


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(one, two) for one, two in zip(first, second, strict=True)
    )


@pytest.mark.slow
def test_two_processes_end_with_what_one_does(tmp_path: Path) -> None:
    """Each works out its share of the matrices, and both get all of them; Muon's steps are the same."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    ended = subprocess.run(
        [*command, SCRIPT, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)]
    alone = everything()
    for place, expected in enumerate(alone["shared"]):
        count = len(expected["outputs"])
        for rank, found in enumerate(ranks):
            assert same(found["shared"][place]["outputs"], expected["outputs"])
            assert found["shared"][place]["worked_on"] == list(range(rank, count, 2))
    assert [len(part["outputs"]) for part in alone["shared"]] == [5, 1, 0]
    assert all(same(found["trained"], alone["trained"]) for found in ranks)
