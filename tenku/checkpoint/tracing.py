"""How much memory a computation will need, found out without memory and without computing.

Networks run on tensors that have shapes and no numbers. What they allocate is laid out as glibc does it with
the settings of `keep_freed_memory`: in one heap, each block in the smallest gap that holds it with room to
align it. A gap is therefore never filled by a block of its own size, which is why the heap reaches further
than the sum of what is alive at once.
"""

import weakref
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ALIGNMENT: Final = 64
_SLACK: Final = 96  # by which a gap must be larger than an aligned block that is put there


class Heap:
    """A heap that grows at its end: `extent` is how far it has ever reached."""

    def __init__(self) -> None:
        self.extent = self._end = 0
        self._by_size: list[tuple[int, int]] = []  # of gaps: size, start
        self._starts: dict[int, int] = {}  # start → size of gaps
        self._ends: dict[int, int] = {}  # end → start of gaps

    def allocate(self, size: int) -> tuple[int, int]:
        """A block (start, size) for so many bytes."""
        size = -(-max(size, 1) // _ALIGNMENT) * _ALIGNMENT
        index = bisect_left(self._by_size, (size + _SLACK, -1))
        if index == len(self._by_size):
            start = self._end
            self._end += size
            self.extent = max(self.extent, self._end)
            return start, size
        gap, start = self._by_size[index]
        self._take_gap(start, gap)
        self._add_gap(start + size, gap - size)
        return start, size

    def free(self, block: tuple[int, int]) -> None:
        """Make a gap of a block, as large as its neighbours let it be."""
        start, size = block
        if start + size in self._starts:
            after = self._starts[start + size]
            self._take_gap(start + size, after)
            size += after
        if start in self._ends:
            before = self._ends[start]
            length = start - before
            self._take_gap(before, length)
            start, size = before, size + length
        if start + size == self._end:
            self._end = start
        else:
            self._add_gap(start, size)

    def _add_gap(self, start: int, size: int) -> None:
        insort(self._by_size, (size, start))
        self._starts[start], self._ends[start + size] = size, start

    def _take_gap(self, start: int, size: int) -> None:
        self._by_size.pop(bisect_left(self._by_size, (size, start)))
        del self._starts[start], self._ends[start + size]


class Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows what is allocated and freed while it is entered; `extent` is how much memory that takes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.heap = Heap()
        self._known: set[int] = set()

    @property
    def extent(self) -> int:
        """Bytes."""
        return self.heap.extent

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        for tensor in given:
            self._known.add(_identity(tensor))
        out = func(*args, **(kwargs or {}))
        for number_of_bytes in _scratch(func, given, out):
            self.heap.free(self.heap.allocate(number_of_bytes))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._follow(leaf)
        return out

    def _follow(self, tensor: Tensor) -> None:
        storage, identity = tensor.untyped_storage(), _identity(tensor)
        if identity in self._known:
            return
        self._known.add(identity)
        block = self.heap.allocate(storage.nbytes())
        weakref.finalize(storage, self._forget, identity, block)

    def _forget(self, identity: int, block: tuple[int, int]) -> None:
        self._known.discard(identity)
        self.heap.free(block)


def _identity(tensor: Tensor) -> int:
    identity: int = tensor.untyped_storage()._cdata
    return identity


def _scratch(func: Any, given: Sequence[Tensor], out: Any) -> Iterator[int]:
    """Bytes that a kernel takes for itself while it runs, as measured of torch 2.13 on x86
    (`scripts/memory`)."""
    name = func.overloadpacket.__name__
    if name == "convolution":
        yield _bytes(given[1])  # the kernel in blocks of channels
        if not given[0].is_contiguous(memory_format=_channels_last(given[0])):
            yield max(_bytes(given[0]), _bytes(out))
    elif name == "_fused_rms_norm":
        yield given[0].numel() * (4 if given[0].dtype == torch.float32 else 10)


def _channels_last(tensor: Tensor) -> torch.memory_format:
    return torch.channels_last_3d if tensor.ndim == 5 else torch.channels_last


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


@contextmanager
def without_numbers() -> Iterator[None]:
    """A block in which new tensors have no numbers, and what is done to them takes no time."""
    from torch._subclasses.fake_tensor import FakeTensorMode  # which takes a while to import

    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True), _WithConstants():
        yield


class _WithConstants(TorchFunctionMode):
    """Lets tensors that are written down in code have their numbers, since code may keep them for later."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        from torch._subclasses.fake_tensor import unset_fake_temporarily

        if func is torch.tensor:
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def hollow(network: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A network built on the meta device, on the CPU without numbers; to be called in `without_numbers`."""
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        owner, _, leaf = name.rpartition(".")
        made = torch.empty(value.shape, dtype=dtype or value.dtype)
        is_parameter = isinstance(value, nn.Parameter)
        setattr(network.get_submodule(owner), leaf, nn.Parameter(made, False) if is_parameter else made)
    return network


def memory_of(run: Callable[[], object]) -> int:
    """Bytes that are allocated beyond what there is before a call without numbers."""
    trace = Trace()
    with trace:
        run()
    return trace.extent
