"""Networks that are in memory only while they are needed."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from tenku.checkpoint.on_demand import OnDemand


class Stack(nn.Module):
    """A few layers between two ends, with a norm that is looked at from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)) for _ in range(4))
        self.last = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.layers:
            x = layer(x) * layer[1].weight
        out: Tensor = self.last(x)
        return out


class Shelf:
    """Tensors by name, which remembers what was taken."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self.taken: list[str] = []

    def __call__(self, names: Sequence[str]) -> dict[str, Tensor]:
        self.taken += names
        return {name: self.tensors[name].clone() for name in names}


@pytest.fixture
def whole() -> Stack:
    torch.manual_seed(0)
    network = Stack().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.fixture
def shelf(whole: Stack) -> Shelf:
    return Shelf(whole.state_dict())


def hollow_stack() -> Stack:
    with torch.device("meta"):
        return Stack().eval().requires_grad_(False)


X = torch.arange(12.0).view(3, 4) / 10


def here(network: nn.Module) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not tensor.is_meta}


def test_it_comes_goes_and_comes_again_as_the_same_module(whole: Stack, shelf: Shelf) -> None:
    on_demand = OnDemand(hollow_stack(), shelf)
    network = on_demand.network
    assert not on_demand.is_here
    for _ in range(2):
        on_demand.bring()
        assert on_demand.is_here
        assert torch.equal(network(X), whole(X))
        on_demand.let_go()
        assert here(network) == set()
    assert sorted(shelf.taken) == sorted(2 * [*whole.state_dict()])


def test_what_is_there_is_not_read_again(shelf: Shelf) -> None:
    on_demand = OnDemand(hollow_stack(), shelf)
    on_demand.bring()
    shelf.taken.clear()
    on_demand.bring()
    assert shelf.taken == []


@pytest.mark.parametrize("ahead", [False, True])
def test_layers_that_are_streamed_are_there_one_at_a_time(whole: Stack, shelf: Shelf, ahead: bool) -> None:
    on_demand = OnDemand(hollow_stack(), shelf, ahead=ahead)
    network, seen = on_demand.network, []
    on_demand.stream(list(network.layers))
    on_demand.bring()
    for layer in network.layers:
        layer.register_forward_pre_hook(lambda *_: seen.append(here(network)))
    ends = {name for name in whole.state_dict() if not name.endswith("0.weight") or "layers" not in name}
    assert here(network) == ends  # norms and biases stay
    for _ in range(2):
        assert torch.equal(network(X), whole(X))
    assert seen == 2 * [ends | {f"layers.{number}.0.weight"} for number in range(4)]
    assert here(network) == ends
    on_demand.let_go()
    assert here(network) == set()


def test_a_layer_that_fails_goes_as_well(shelf: Shelf) -> None:
    on_demand = OnDemand(hollow_stack(), shelf)
    network = on_demand.network
    on_demand.stream(list(network.layers))
    on_demand.bring()
    before = here(network)
    with pytest.raises(RuntimeError, match="shape"):
        network.layers[0](torch.zeros(3, 5))
    assert here(network) == before


def test_streaming_can_be_given_up(whole: Stack, shelf: Shelf) -> None:
    on_demand = OnDemand(hollow_stack(), shelf)
    on_demand.stream(list(on_demand.network.layers))
    on_demand.stream()
    on_demand.bring()
    assert here(on_demand.network) == set(whole.state_dict())
    shelf.taken.clear()
    assert torch.equal(on_demand.network(X), whole(X))
    assert shelf.taken == []


def test_what_is_held_stays_with_what_was_done_to_it(whole: Stack, shelf: Shelf) -> None:
    on_demand = OnDemand(hollow_stack(), shelf)
    network = on_demand.network
    on_demand.stream(list(network.layers))
    on_demand.hold()
    network.last.bias.zero_()
    on_demand.let_go()
    on_demand.stream(list(network.layers))
    on_demand.bring()
    assert here(network) == set(whole.state_dict())
    assert torch.allclose(network(X), whole(X) - whole.last.bias, atol=1e-6)
