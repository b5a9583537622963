"""How much memory a computation takes, without the memory: the heap's rules, and networks without numbers."""

import torch
from torch import Tensor, nn

from tenku.checkpoint.tracing import Heap, hollow, memory_of, without_numbers

MIB = 2**20


def test_blocks_lie_one_after_the_other_and_start_at_multiples_of_64() -> None:
    heap = Heap()
    assert [heap.allocate(size) for size in (100, 64, 1)] == [(0, 128), (128, 64), (192, 64)]
    assert heap.extent == 256


def test_what_is_freed_in_the_middle_is_used_again_by_what_fits_with_room_to_align_it() -> None:
    heap = Heap()
    first, _ = heap.allocate(1_024), heap.allocate(64)
    heap.free(first)
    assert heap.allocate(1_024)[0] == 1_088  # a gap of its own size has no such room
    assert heap.allocate(512) == (0, 512)
    assert heap.extent == 2_112


def test_the_smallest_gap_that_will_do_is_taken() -> None:
    heap = Heap()
    large, _, small, _ = (heap.allocate(size) for size in (4_096, 64, 1_024, 64))
    heap.free(large)
    heap.free(small)
    assert heap.allocate(512)[0] == small[0]


def test_gaps_beside_each_other_become_one_and_the_end_draws_back() -> None:
    heap = Heap()
    blocks = [heap.allocate(512) for _ in range(4)]
    for index in (0, 2, 1):
        heap.free(blocks[index])
    assert heap.allocate(1_400)[0] == 0
    heap = Heap()
    blocks = [heap.allocate(512) for _ in range(3)]
    for index in (1, 2):
        heap.free(blocks[index])
    assert heap.allocate(4_096)[0] == 512
    assert heap.extent == 512 + 4_096


def test_what_is_alive_at_once_is_counted_and_what_is_dropped_is_not() -> None:
    def one_after_another() -> None:
        x = torch.zeros(MIB // 4)
        for _ in range(10):
            x = x + 1

    def all_at_once() -> list[Tensor]:
        x = torch.zeros(MIB // 4)
        return [x + number for number in range(10)]

    with without_numbers():
        assert memory_of(one_after_another) <= 3 * MIB
        assert memory_of(all_at_once) == 11 * MIB


def test_views_take_nothing_and_what_was_there_before_is_not_counted() -> None:
    with without_numbers():
        given = torch.zeros(1_024, 1_024)
        assert memory_of(lambda: given.T[:10].reshape(2, -1, 5).unbind()) < 64 * 1_024
        assert memory_of(lambda: given.view(-1)[5:]) == 0


def test_a_network_on_the_meta_device_becomes_one_without_numbers() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)).eval()
    with without_numbers():
        hollow(network, torch.bfloat16)
        made = network(torch.empty(3, 8, dtype=torch.bfloat16))
        assert (tuple(made.shape), made.device.type, made.dtype) == ((3, 4), "cpu", torch.bfloat16)
    assert network[0].weight.dtype == torch.bfloat16
    assert not network[0].weight.requires_grad


def test_numbers_that_are_written_down_stay_numbers() -> None:
    with without_numbers():
        made = torch.tensor([1.0, 2.5])
    assert made.tolist() == [1.0, 2.5]
