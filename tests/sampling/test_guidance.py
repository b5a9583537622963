import pytest
import torch
from torch import Tensor

from tenku.checkpoint import Model
from tenku.denoiser import Draft
from tenku.sampling import Guidance, guided, stack_texts
from tenku.text import TextConditioning

LATENTS = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def level(sigma: float) -> Tensor:
    return torch.full((1, 2, 4, 4), sigma)


def texts(model: Model) -> tuple[TextConditioning, TextConditioning]:
    return model.text_encoder.encode(["a red ball falls"]), model.text_encoder.encode([""])


def unguided(model: Model, text: TextConditioning, sigma: float) -> Tensor:
    velocity: Tensor = model.denoiser(LATENTS, level(sigma), text.tokens, text.mask)
    return velocity


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_scale_one_is_no_guidance(tiny_model: Model, sigma: float) -> None:
    positive, negative = texts(tiny_model)
    found = guided(tiny_model.denoiser, positive, negative, Guidance(scale=1))(LATENTS, level(sigma))
    assert torch.allclose(found, unguided(tiny_model, positive, sigma), atol=1e-6)


def test_guidance_leads_away_from_the_negative_text(tiny_model: Model) -> None:
    positive, negative = texts(tiny_model)
    found = guided(tiny_model.denoiser, positive, negative, Guidance(scale=3))(LATENTS, level(0.5))
    with_text, without = unguided(tiny_model, positive, 0.5), unguided(tiny_model, negative, 0.5)
    assert not torch.allclose(with_text, without, atol=1e-3)
    assert torch.allclose(found, without + 3 * (with_text - without), atol=1e-5)


@pytest.mark.parametrize("prepared", [False, True])
def test_guidance_leads_away_from_what_has_no_place(tiny_model: Model, prepared: bool) -> None:
    positive, negative = texts(tiny_model)
    config = tiny_model.denoiser.config.tracks
    assert config is not None
    tracks = torch.randn(1, config.channels, 2, 3, generator=torch.Generator().manual_seed(1))
    tracks[:, 0] = 1

    def made(places: Tensor | None) -> Tensor | Draft | None:
        """As the pipeline does it, or each time anew."""
        return tiny_model.denoiser.prepare(places, 4, 4) if prepared and places is not None else places

    def told(text: TextConditioning, places: Tensor | None) -> Tensor:
        velocity: Tensor = tiny_model.denoiser(LATENTS, level(0.5), text.tokens, text.mask, places)
        return velocity

    def found(scale: float, places: Tensor | None) -> Tensor:
        guidance = Guidance(scale=scale)
        velocity = guided(tiny_model.denoiser, positive, negative, guidance, made(places))
        return velocity(LATENTS, level(0.5))

    placed, without = told(positive, tracks), told(negative, None)
    assert not torch.allclose(placed, told(positive, None), atol=1e-3)
    assert torch.allclose(found(1, tracks), placed, atol=1e-6)
    assert torch.allclose(found(3, tracks), without + 3 * (placed - without), atol=1e-5)
    assert torch.allclose(found(3, torch.zeros_like(tracks)), found(3, None), atol=1e-5)


@pytest.mark.parametrize(("sigma", "led"), [(0.24, False), (0.25, True), (0.75, True), (0.76, False)])
def test_outside_the_interval_there_is_none(tiny_model: Model, sigma: float, led: bool) -> None:
    positive, negative = texts(tiny_model)
    guidance = Guidance(scale=3, interval=(0.25, 0.75))
    found = guided(tiny_model.denoiser, positive, negative, guidance)(LATENTS, level(sigma))
    assert torch.allclose(found, unguided(tiny_model, positive, sigma), atol=1e-5) != led


def test_texts_are_padded_to_the_longer(tiny_model: Model) -> None:
    positive, negative = texts(tiny_model)
    registers = tiny_model.text_encoder.config.num_registers
    both = stack_texts(negative, positive)
    assert both.tokens.shape == (2, registers + 4, 16)
    assert both.mask.tolist() == [[True] * registers + [False] * 4, [True] * (registers + 4)]
    assert torch.equal(both.tokens[0, :registers], negative.tokens[0, :registers])
    assert torch.equal(both.tokens[1], positive.tokens[0])
