"""What processes started by torchrun do together; in a process of its own each of these does nothing."""

import os
from collections.abc import Callable, Iterable
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tenku.training.metrics import OutOfTimeError

# A process may wait this long for the others: the first one simulates clips while the rest wait.
_PATIENCE = timedelta(days=7)


def join_world() -> tuple[int, int]:
    """This process's rank and the number of processes, joining those that torchrun started."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)
    return dist.get_rank(), dist.get_world_size()


def any_rank(wish: bool) -> bool:
    """Whether some process wishes so; all get the same answer."""
    if join_world()[1] == 1:
        return wish
    wishes = torch.tensor(float(wish))
    dist.all_reduce(wishes, op=dist.ReduceOp.MAX)
    return bool(wishes.item())


def copy_from_first_rank(tensors: Iterable[Tensor]) -> None:
    """Give every process the first one's values."""
    if join_world()[1] > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the mean of all gradients; a missing one counts as zero."""
    size = join_world()[1]
    if size == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
        parameter.grad /= size


def first_rank_first(work: Callable[[], None]) -> None:
    """Let the first process do work whose results stay on disk; the others then find them there.

    Out of time for the first is out of time for all.
    """
    rank, _ = join_world()
    late = False
    if rank == 0:
        try:
            work()
        except OutOfTimeError:
            late = True
    if any_rank(late):
        raise OutOfTimeError
    if rank:
        work()
