"""Where a run computes."""

import pytest
import torch

from tenku.errors import UserError
from tenku.training.device import half_precision, on_device, on_gpu, seeded, wait_for_device


def test_everything_is_made_where_a_run_computes() -> None:
    with on_device("cpu"):
        assert torch.get_default_device().type == "cpu"
        assert torch.zeros(1).device.type == "cpu"
        assert not on_gpu()
        wait_for_device()  # there is nothing to wait for


def test_unless_said_it_is_a_gpu_where_there_is_one() -> None:
    with on_device(None):
        assert on_gpu() == torch.cuda.is_available()


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "quantum computer"])
def test_a_device_that_is_not_there_is_told_of(name: str) -> None:
    with pytest.raises(UserError, match="choose one of cpu"), on_device(name):
        pass


def test_products_are_in_half_precision_only_where_it_is_wished() -> None:
    a = torch.ones(4, 4)
    with half_precision():
        assert (a @ a).dtype == torch.bfloat16
    with half_precision(enabled=False):
        assert (a @ a).dtype == torch.float32


def test_random_numbers_come_from_their_seed() -> None:
    first, second, other = (torch.rand(3, generator=seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
