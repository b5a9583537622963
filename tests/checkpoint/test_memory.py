"""What a machine has of memory, and whether a plan fits into it."""

import sys
from pathlib import Path

import pytest
import torch

from tenku.checkpoint.memory import (
    GIB,
    Machine,
    MemoryPlan,
    Placement,
    Stage,
    _left_in_groups,
    in_gib,
    peak_bytes,
    resident_bytes,
)
from tenku.errors import UserError

MIB = 2**20


def stage(name: str, gib: float) -> Stage:
    return Stage(name=name, program=GIB // 2, weights=int(gib * GIB) - GIB, activations=GIB // 2)


def plan(*stages: Stage, free: int, alternative: str = "") -> MemoryPlan:
    machine = Machine(free=free, held=GIB // 2)
    return MemoryPlan(stages=stages, placement=Placement(), machine=machine, alternative=alternative)


def test_the_peak_is_that_of_the_worst_stage() -> None:
    found = plan(stage("text", 2), stage("denoise", 6), stage("decode", 3), free=8 * GIB)
    assert found.peak == 6 * GIB
    assert found.fits
    found.check()
    assert found.verdict == "it fits: 6 of 8.1 GiB at its worst."


def test_what_does_not_fit_is_one_sentence_that_says_what_would() -> None:
    found = plan(stage("denoise", 6), stage("decode", 9), free=8 * GIB, alternative="9 frames would fit")
    with pytest.raises(UserError) as caught:
        found.check()
    assert str(caught.value) == "this takes 9 GiB (decode) and there are 8.1 GiB; 9 frames would fit."
    without = plan(stage("decode", 9), free=GIB)
    assert without.verdict.endswith("give a smaller model, or a machine with more memory.")


def test_some_of_what_is_free_is_left_to_others() -> None:
    assert Machine(free=100 * MIB, held=10 * MIB).room == 105 * MIB


def test_this_machine_has_no_more_than_the_system_would_give() -> None:
    here = Machine.here()
    assert 0 < here.held <= peak_bytes()
    assert 0 < here.free < 2**50
    assert here.device == "cpu"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="read from /proc")
def test_what_was_held_once_counts_for_the_peak() -> None:
    before = resident_bytes()
    large = torch.ones(64 * MIB, dtype=torch.uint8)
    assert resident_bytes() >= before + 48 * MIB
    peak = peak_bytes()
    del large
    assert peak >= before + 48 * MIB
    assert peak_bytes() >= peak - MIB  # the kernel counts roughly


def test_gib_have_as_many_digits_as_matter() -> None:
    assert [in_gib(round(gib * GIB)) for gib in (0.0314, 2.5, 99.94, 180.4)] == [
        "0.0314",
        "2.5",
        "99.9",
        "180",
    ]


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_every_group_around_a_process_may_have_a_limit(tmp_path: Path) -> None:
    """Version 2; what files take in caches would be given back."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "self", cgroup="0::/outer/inner\n")
    write(groups / "outer", memory__max="1000\n", memory__current="900\n", memory__stat="inactive_file 50\n")
    inner = {"memory__max": "max\n", "memory__current": "10\n", "memory__stat": "inactive_file 0\n"}
    write(groups / "outer" / "inner", **inner)
    assert min(_left_in_groups(proc, groups)) == 150
    write(groups / "outer" / "inner", **{**inner, "memory__max": "110\n"})
    assert min(_left_in_groups(proc, groups)) == 100


def test_groups_of_version_1(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    write(proc / "self", cgroup="5:cpu:/job\n4:memory:/job\n")
    facts = {
        "memory__limit_in_bytes": "5000\n",
        "memory__usage_in_bytes": "4000\n",
        "memory__stat": "inactive_file 1\ntotal_inactive_file 500\n",
    }
    write(groups / "memory" / "job", **facts)
    assert min(_left_in_groups(proc, groups)) == 1_500


def test_no_groups_no_limit(tmp_path: Path) -> None:
    assert min(_left_in_groups(tmp_path, tmp_path)) == 2**63


def test_a_placement_says_what_it_does() -> None:
    told = str(Placement(dtype=torch.bfloat16, streams_blocks=True, keeps_denoiser=False, decode_chunk=1))
    for words in ("bfloat16", "one block after another", "goes before frames are decoded", "1 latent frames"):
        assert words in told
