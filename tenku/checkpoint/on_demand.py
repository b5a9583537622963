"""Networks whose tensors are in memory only while they are needed: as a whole, or block after block."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from tenku.checkpoint.allocator import give_back_freed_memory

Source: TypeAlias = Callable[[Sequence[str]], dict[str, Tensor]]  # tensors of names, from files opened anew
Network = TypeVar("Network", bound=nn.Module)


class OnDemand(Generic[Network]):
    """A network built on the meta device that gets its tensors from a source, and loses them again.

    Between the two it is the same module, so that whoever holds it need not know. What `blocks` are streamed
    comes when it is called, and goes when it has answered; on another device than the CPU the next block is
    copied there meanwhile.
    """

    def __init__(
        self,
        network: Network,
        source: Source,
        *,
        device: torch.device | str = "cpu",
        ahead: bool | None = None,
    ) -> None:
        self.network, self.source, self.device = network, source, torch.device(device)
        self._hollow = self._tensors()  # what is left where a tensor goes
        self._ahead = self.device.type != "cpu" if ahead is None else ahead
        self._streams: list[_Stream] = []
        self._held = False

    @property
    def is_here(self) -> bool:
        """Whether all that is not streamed is in memory."""
        streamed = self._streamed_names()
        return not any(t.is_meta for n, t in self._tensors().items() if n not in streamed)

    def bring(self) -> None:
        """Read what is not in memory and not streamed."""
        if self._held:
            return
        streamed = self._streamed_names()
        missing = [n for n, t in self._tensors().items() if t.is_meta and n not in streamed]
        if missing:
            place(self.network, self.read(missing))
            give_back_freed_memory()  # in which tensors were converted

    def let_go(self) -> None:
        """Forget all tensors, and give their memory back, unless they are held."""
        if self._held or not any(not t.is_meta for t in self._tensors().values()):
            return
        self.vacate(self._hollow)
        give_back_freed_memory()

    def hold(self) -> None:
        """Bring everything to stay: somebody is about to change it."""
        self.stream()
        self.bring()
        self._held = True

    def stream(self, *chains: Sequence[nn.Module]) -> None:
        """From now on, modules come when they are called, each chain in its order; without any, none does.

        What has one axis, norms and biases, is small and stays: networks also look at it without calling its
        module.
        """
        if self._held:
            return
        for stream in self._streams:
            stream.close()
        names = {module: name for name, module in self.network.named_modules()}
        taken: set[str] = set()
        self._streams = []
        for chain in sorted(chains, key=lambda chain: -max(names[m].count(".") for m in chain)):
            units = []
            for module in chain:
                own = [
                    f"{names[module]}.{n}"
                    for n, tensor in module.state_dict(keep_vars=True).items()
                    if tensor.ndim > 1
                ]
                units.append((module, [name for name in own if name not in taken]))
                taken.update(own)
            self._streams.append(_Stream(self, units, self._ahead))
        self.vacate(taken)

    def vacate(self, names: Iterable[str]) -> None:
        """Leave nothing of tensors but their shapes and types."""
        tensors = self._tensors()
        place(self.network, {name: self._hollow[name] for name in names if not tensors[name].is_meta})

    def read(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Tensors on the device, copied by the thread that asks."""
        with torch.inference_mode(False), torch.no_grad():  # they outlive the generation that asks for them
            tensors = self.source(names)
        if self.device.type != "cuda":
            return {name: tensor.to(self.device) for name, tensor in tensors.items()}
        beside = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(beside):
            moved = {n: t.pin_memory().to(self.device, non_blocking=True) for n, t in tensors.items()}
        beside.synchronize()
        for tensor in moved.values():
            tensor.record_stream(torch.cuda.default_stream(self.device))
        return moved

    def _tensors(self) -> dict[str, Tensor]:
        """All of the network by name, as they are."""
        return self.network.state_dict(keep_vars=True)

    def _streamed_names(self) -> set[str]:
        return {name for stream in self._streams for _, names in stream.units for name in names}


class _Stream:
    """Modules that come and go in their order, with the names of their tensors in the network."""

    def __init__(
        self, owner: OnDemand[Any], units: Sequence[tuple[nn.Module, list[str]]], ahead: bool
    ) -> None:
        self.owner, self.units = owner, units
        self._reader = ThreadPoolExecutor(1) if ahead else None
        self._coming: tuple[int, Future[dict[str, Tensor]]] | None = None
        self._hooks: list[Any] = []
        for index, (module, _) in enumerate(units):
            self._hooks += [
                module.register_forward_pre_hook(self._comes(index)),
                module.register_forward_hook(self._goes(index), always_call=True),
            ]

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()
        if self._reader is not None:
            self._reader.shutdown()

    def _comes(self, index: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            place(self.owner.network, self._take(index))
            following = index + 1
            if self._reader is not None and following < len(self.units):
                names = self.units[following][1]
                self._coming = following, self._reader.submit(self.owner.read, names)

        return hook

    def _goes(self, index: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self.owner.vacate(self.units[index][1])

        return hook

    def _take(self, index: int) -> dict[str, Tensor]:
        coming, self._coming = self._coming, None
        if coming is not None:
            tensors = coming[1].result()
            if coming[0] == index:
                return tensors
        return self.owner.read(self.units[index][1])


def place(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Give a network tensors of its own, by name."""
    with torch.inference_mode(False):
        for name, tensor in tensors.items():
            _set(network, name, tensor)


def _set(network: nn.Module, name: str, tensor: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(owner), leaf, nn.Parameter(tensor, requires_grad=False))
