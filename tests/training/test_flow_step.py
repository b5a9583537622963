from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from tenku.denoiser import Denoiser, DenoiserConfig
from tenku.text import TextConditioning
from tenku.training import flow_step
from tenku.training.flow_step import Compiled, Guess, compiled_denoiser, guess

SHARES = {"picture": 0.5, "clip": 0.4, "wide": 0.1}


class Compiler:
    """Stands in for torch.compile and says what it was given, and how."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def __call__(self, function: Callable[..., Tensor], *, dynamic: bool) -> Callable[..., Tensor]:
        assert not dynamic
        self.given.append(function)
        return lambda *arguments: function(*arguments) + 1


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiler]:
    compiler = Compiler()
    monkeypatch.setattr(torch, "compile", compiler)
    monkeypatch.setattr(flow_step, "_can_compile", lambda: True)
    with torch._dynamo.config.patch(recompile_limit=2):
        yield compiler


def double(x: Tensor) -> Tensor:
    return 2 * x


def test_what_is_asked_for_often_is_compiled_and_the_rest_is_not(compiler: Compiler) -> None:
    predict = Compiled[Tensor](double, list(SHARES), SHARES, 0.2)
    one = torch.ones(())
    assert [predict[name](one).item() for name in SHARES] == [3, 3, 2]
    assert predict.eager is double
    assert predict["wide"] is double
    assert compiler.given == [double]  # once, for all its shapes


def test_there_is_room_for_every_shape_that_is_compiled(compiler: Compiler) -> None:
    Compiled[Tensor](double, list(SHARES), SHARES, 0.0)
    assert torch._dynamo.config.recompile_limit >= 4
    torch._dynamo.config.recompile_limit = 9
    Compiled[Tensor](double, list(SHARES), SHARES, 0.0)
    assert torch._dynamo.config.recompile_limit == 9


def test_nothing_is_compiled_for_too_few_steps(compiler: Compiler) -> None:
    predict = Compiled[Tensor](double, list(SHARES), SHARES, 0.6)
    assert all(predict[name] is double for name in SHARES)
    assert compiler.given == []


def test_nothing_is_compiled_without_a_compiler(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_step, "_can_compile", lambda: False)
    predict = Compiled[Tensor](double, list(SHARES), SHARES, 0.0)
    assert all(predict[name] is double for name in SHARES)
    assert compiler.given == []


def test_a_denoiser_has_all_its_tables_before_it_is_compiled(
    compiler: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled code guards on what there is: a new table would have it compiled again."""
    denoiser = Denoiser(DenoiserConfig(latent_channels=4, text_size=8, hidden_size=16, depth=1, num_heads=1))
    grids = {"picture": (1, 4, 4), "clip": (3, 4, 4), "wide": (3, 2, 6)}

    def check(function: object, *, dynamic: bool) -> object:
        assert function is denoiser
        assert {grid for grid, *_ in denoiser._rotary} == set(grids.values())
        return function

    monkeypatch.setattr(torch, "compile", check)
    predict = compiled_denoiser(denoiser, grids, SHARES, 0.2)
    assert predict.eager is denoiser
    assert predict["clip"] is denoiser


def test_a_guess_is_of_latents_under_noise() -> None:
    """Of what is between latents and noise, at a level a latent frame."""
    latents = torch.randn(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor([[0.0, 0.5, 1.0], [0.3, 0.3, 0.3]])
    text = TextConditioning(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))
    tracks = torch.ones(2, 7, 3, 2)
    seen: list[Tensor] = []

    def predict(*arguments: Tensor) -> Tensor:
        seen.extend(arguments)
        return torch.zeros_like(latents)

    found = guess(predict, latents, sigma, text, torch.Generator().manual_seed(1), tracks)
    noisy, level, tokens, mask, followed = seen
    assert level is sigma
    assert (tokens is text.tokens, mask is text.mask, followed is tracks) == (True, True, True)
    assert torch.equal(noisy[0, :, 0], latents[0, :, 0])
    assert torch.allclose(noisy[0, :, 1], (latents + found.noise)[0, :, 1] / 2)
    assert torch.allclose(noisy[0, :, 2], found.noise[0, :, 2])
    assert abs(found.noise.mean().item()) < 0.5
    assert found.sigma.shape == (2, 1, 3, 1, 1)
    assert found.loss().shape == (2,)
    assert (found.loss() > 0).all()


def test_noise_is_as_large_as_a_temperature_says() -> None:
    latents = torch.randn(3, 4, 5, 8, 8, generator=torch.Generator().manual_seed(0))
    text = TextConditioning(torch.zeros(3, 1, 8), torch.ones(3, 1, dtype=torch.bool))
    sigma, temperature = torch.full((3, 5), 0.5), torch.tensor([0.0, 0.5, 1.0])

    def none(noisy: Tensor, *more: Tensor) -> Tensor:
        return torch.zeros_like(noisy)

    cool, usual = (
        guess(none, latents, sigma, text, torch.Generator().manual_seed(1), temperature=given)
        for given in (temperature, None)
    )
    assert torch.allclose(cool.noise, temperature.view(3, 1, 1, 1, 1) * usual.noise)
    assert usual.noise.std().item() == pytest.approx(1, abs=0.1)


def test_a_right_guess_costs_nothing() -> None:
    latents = torch.ones(3, 4, 2, 4, 4)
    found = Guess(latents, latents, 2 * latents, torch.full((3, 1, 2, 1, 1), 0.5))
    assert found.loss().tolist() == [0, 0, 0]  # noise less latents is what it says
