"""Where a run computes. Everything of it is made on torch's default device, which `on_device` sets."""

from contextlib import AbstractContextManager

import torch

from tenku.errors import UserError


def on_device(name: str | None) -> AbstractContextManager[object]:
    """A block in which a run computes on the device of that name; see `device_of`."""
    return device_of(name)


def device_of(name: str | None) -> torch.device:
    """The device of a name ("cpu", "cuda", "cuda:1"); a GPU, if there is one, unless said. A `UserError` if
    there is no such device."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        there = "cpu" + "".join(f", cuda:{number}" for number in range(torch.cuda.device_count()))
        raise UserError(f"torch cannot compute on {name!r} here; choose one of {there}.") from error
    return device


def on_gpu() -> bool:
    """Whether this run computes on a GPU."""
    return torch.get_default_device().type == "cuda"


def half_precision(*, enabled: bool = True) -> torch.autocast:
    """A block in which matrix products take bfloat16 numbers."""
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, enabled=enabled)


def seeded(seed: int) -> torch.Generator:
    """Random numbers, made where the run computes."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def wait_for_device() -> None:
    """Wait until what was asked of a GPU is done: it answers before."""
    if on_gpu():
        torch.cuda.synchronize()
