"""What processes started by torchrun do together; in a process of its own each of these does nothing."""

import os
from collections.abc import Callable, Iterable, Sequence
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


def shared_out(function: Callable[[Tensor], Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """`function` of every input, each worked out by one process and given to all; it must keep the shape."""
    rank, size = join_world()
    if size == 1:
        return [function(item) for item in inputs]
    outputs = [
        function(item) if i % size == rank else torch.empty_like(item) for i, item in enumerate(inputs)
    ]
    for owner in range(min(size, len(inputs))):
        owned = outputs[owner::size]
        flat = torch.cat([item.flatten() for item in owned])
        dist.broadcast(flat, src=owner)
        parts = torch.split(flat, [item.numel() for item in owned])
        outputs[owner::size] = [part.view_as(item) for part, item in zip(parts, owned, strict=True)]
    return outputs


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
