import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tenku.denoiser import Denoiser, DenoiserConfig, Draft, TrackConfig, fields
from tenku.denoiser.drafting import Drafter
from tenku.flow import flow_loss

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2, hidden_size=24)
SPREAD = (1.0, 2.0, 0.5, 1.5)
CONFIG = DenoiserConfig(
    latent_channels=4,
    text_size=12,
    hidden_size=32,
    depth=2,
    num_heads=2,
    channel_std=SPREAD,
    tracks=TRACKS,
    refiner_depth=1,
    refiner_width=16,
)
SIZE = (6, 8)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_tracks() -> Tensor:
    """Packed tracks of two clips; the first has no object in its second latent frame, the second no setting
    in its last."""
    packed = 0.4 * gaussian(2, TRACKS.channels, 3, 3, seed=3)
    packed[:, 0] = 1
    packed[0, :, 1, :2] = 0
    packed[1, :, 2, 2] = 0
    return packed


@pytest.fixture(scope="module")
def drafter(randomised: Randomise) -> Drafter:
    torch.manual_seed(0)
    drafter = Drafter(TRACKS, SPREAD, depth=2)
    randomised(drafter)
    return drafter


@pytest.fixture
def denoiser(randomised: Randomise) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(CONFIG)
    randomised(denoiser)
    return denoiser


def usual() -> Tensor:
    return torch.tensor(SPREAD).view(1, 4, 1, 1, 1).expand(2, 4, 3, *SIZE)


def test_a_new_drafter_expects_what_is_usual() -> None:
    torch.manual_seed(0)
    draft = Drafter(TRACKS, SPREAD, depth=2)(some_tracks(), *SIZE)
    assert draft.told.shape == (2, 3, *SIZE, 24)
    assert draft.told.std() > 0.3
    assert torch.equal(draft.mean, torch.zeros(2, 4, 3, *SIZE))
    assert torch.allclose(draft.std, usual())


def test_without_tracks_latents_are_what_is_usual(drafter: Drafter) -> None:
    draft = drafter(torch.zeros(2, TRACKS.channels, 3, 3), *SIZE)
    assert not draft.told.any()
    assert not draft.mean.any()
    assert torch.allclose(draft.std, usual())


def test_with_tracks_they_are_not(drafter: Drafter) -> None:
    """In each clip and latent frame, as little as may be told of it: an object, or the setting."""
    draft = drafter(some_tracks(), *SIZE)
    assert (draft.mean.abs().amax((1, 3, 4)) > 0.05).all()  # b t
    assert ((draft.std - usual()).abs().amax((1, 3, 4)) > 0.01).all()
    assert (draft.std > 0).all()


def test_a_clip_without_tracks_is_drafted_by_itself(drafter: Drafter) -> None:
    packed = some_tracks()
    packed[1] = 0
    mixed, both = drafter(packed, *SIZE), drafter(some_tracks(), *SIZE)
    for part, whole in ((mixed.told, both.told), (mixed.mean, both.mean), (mixed.std, both.std)):
        assert torch.allclose(part[0], whole[0], atol=1e-6)
    assert not mixed.told[1].any()
    assert not mixed.mean[1].any()
    assert torch.allclose(mixed.std[1], usual()[1])


def test_latent_frames_are_drafted_by_themselves(drafter: Drafter) -> None:
    packed = some_tracks()
    packed[0, 10, 2] += 1
    one, two = drafter(some_tracks(), *SIZE), drafter(packed, *SIZE)
    change = (one.mean - two.mean).abs().amax((1, 3, 4))
    assert change[0, 2] > 1e-3
    assert (change > 0).sum() == 1


def test_spreads_stay_within_reason(randomised: Randomise) -> None:
    """So that a noise level near 0 does not divide by nothing."""
    torch.manual_seed(0)
    drafter = Drafter(TRACKS, SPREAD, depth=0)
    for bias, factor in ((-100.0, math.exp(-4)), (100.0, math.e), (0.5, math.exp(0.5))):
        with torch.no_grad():
            drafter.out.bias[4:] = bias
        assert torch.allclose(drafter(some_tracks(), *SIZE).std, factor * usual(), rtol=1e-5)


def test_a_draft_keeps_its_precision(drafter: Drafter) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        draft = drafter(some_tracks(), *SIZE)
    assert draft.mean.dtype == draft.std.dtype == torch.float32
    # Sums of 24 rounded numbers have more digits than one rounded number.
    assert not torch.equal(draft.mean, draft.mean.bfloat16().float())


def made_up(mean: Tensor | float = 0.0, std: Tensor | float = 1.0) -> Draft:
    everywhere = torch.ones(2, 4, 3, *SIZE)
    return Draft(
        torch.zeros(2, 3, *SIZE, 24), mean * everywhere, std * everywhere, usual()[:1, ..., :1, :1, :1]
    )


def test_what_fits_costs_least() -> None:
    latents = 0.5 + 0.2 * gaussian(2, 4, 3, *SIZE)
    fits = made_up(0.5, 0.2).loss(latents)
    assert fits.shape == (2,)
    for other in (made_up(0.6, 0.2), made_up(0.4, 0.2), made_up(0.5, 0.12), made_up(0.5, 0.33)):
        assert (fits < other.loss(latents) - 0.005).all()
    for other in (made_up(0.0, 0.2), made_up(0.5, 0.02), made_up()):
        assert (fits < other.loss(latents) - 0.1).all()


def test_the_best_spread_is_the_standard_deviation() -> None:
    latents = 0.7 * gaussian(2, 4, 3, *SIZE)
    log_std = torch.tensor(0.0, requires_grad=True)
    made_up(0.0, 0.7 * log_std.exp()).loss(latents).mean().backward()
    assert log_std.grad is not None
    assert abs(log_std.grad.item()) < 0.01  # of 0.1 for a spread of ten times as much


def test_a_wide_spread_is_no_excuse() -> None:
    """The mean is pulled as hard as it is wrong, however unsure the draft is."""
    latents = gaussian(2, 4, 3, *SIZE)
    for std in (0.1, 1.0, 5.0):
        mean = torch.zeros(2, 4, 3, *SIZE, requires_grad=True)
        made_up(mean, std).loss(latents).sum().backward()
        assert mean.grad is not None
        assert torch.allclose(mean.grad, -2 * latents / latents[0].numel(), atol=1e-7)


def test_the_loss_counts_positions_by_their_weight() -> None:
    latents = torch.zeros(2, 4, 3, *SIZE)
    latents[..., 0, 0] = 2.0
    weight = torch.zeros(2, 1, 3, *SIZE)
    weight[0, ..., 0, 0] = weight[1, ..., 1:, :] = 1
    draft = made_up()
    right, wrong = (
        made_up().loss(torch.zeros_like(latents))[0],
        made_up().loss(torch.full_like(latents, 2.0))[0],
    )
    assert wrong > right + 4
    assert torch.allclose(draft.loss(latents, weight), torch.stack([wrong, right]))
    assert torch.allclose(draft.loss(latents, 3 * weight), torch.stack([wrong, right]))
    plain = draft.loss(latents)
    assert torch.allclose(draft.loss(latents, torch.ones_like(weight)), plain)
    assert torch.allclose(plain, right + (wrong - right) / 48)


def test_a_draft_beside_nothing_is_that_of_tracks_and_zeros(drafter: Drafter) -> None:
    packed = some_tracks()
    both = drafter(packed, *SIZE).beside_nothing()
    expected = drafter(torch.cat([packed, torch.zeros_like(packed)]), *SIZE)
    for part, whole in ((both.told, expected.told), (both.mean, expected.mean), (both.std, expected.std)):
        assert torch.allclose(part, whole, atol=1e-6)
    assert both.usual.flatten().tolist() == list(SPREAD)


def other_draft() -> Draft:
    mean = gaussian(2, 4, 3, *SIZE, seed=5)
    return made_up(mean, (0.6 * gaussian(2, 4, 3, *SIZE, seed=6) - 0.5).exp())


@pytest.mark.parametrize("refiner_depth", [0, 1])
def test_a_new_denoiser_makes_the_best_linear_guess_from_its_draft(refiner_depth: int) -> None:
    """In closed form for a mean and spread by position, at a level by position."""
    torch.manual_seed(0)
    denoiser = Denoiser(replace(CONFIG, refiner_depth=refiner_depth))
    draft, noisy = other_draft(), gaussian(2, 4, 3, *SIZE)
    sigma = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    sigma[0, 0], sigma[1, 1] = 0, 1
    velocity = denoiser.denoise(noisy, sigma, gaussian(2, 3, 12), None, draft)
    level, variance = sigma[:, None], draft.std.square()
    total = level**2 + (1 - level) ** 2 * variance
    surprise = noisy - (1 - level) * draft.mean
    expected = (level - (1 - level) * variance) / total * surprise - draft.mean
    assert torch.allclose(velocity, expected, atol=1e-5)
    assert torch.allclose(velocity[0, :, 0], -noisy[0, :, 0], atol=1e-5)  # clean latents
    assert torch.allclose(velocity[1, :, 1], (noisy - draft.mean)[1, :, 1], atol=1e-5)  # pure noise


def test_the_guess_from_a_draft_is_the_best_one() -> None:
    """Against a regression on samples of latents that are as the draft says."""
    mean, std, sigma, n = 0.7, 0.4, 0.6, 100_000
    latents, noise = mean + std * gaussian(n, seed=1), gaussian(n, seed=2)
    noisy, velocity = (1 - sigma) * latents + sigma * noise, noise - latents
    centred = noisy - noisy.mean()
    slope = (centred @ velocity) / (centred @ centred)
    torch.manual_seed(0)
    draft = made_up(mean, std)
    for value in (-1.0, 0.0, 2.0):
        guess = Denoiser(CONFIG).denoise(
            torch.full((2, 4, 3, *SIZE), value), torch.full((2,), sigma), torch.zeros(2, 1, 12), None, draft
        )
        expected = velocity.mean() + slope * (value - noisy.mean())
        assert torch.allclose(guess, expected.expand_as(guess), atol=0.03)


def test_a_sharp_draft_is_believed(denoiser: Denoiser) -> None:
    """What the network adds is scaled by how unsure the draft is."""
    noisy, text = gaussian(2, 4, 3, *SIZE), gaussian(2, 5, 12)
    mean = gaussian(2, 4, 3, *SIZE, seed=5)
    velocity = denoiser.denoise(noisy, torch.full((2,), 0.9), text, None, made_up(mean, 1e-3))
    latents = noisy - 0.9 * velocity
    assert torch.allclose(latents, mean, atol=0.02)
    unsure = denoiser.denoise(noisy, torch.full((2,), 0.9), text, None, made_up(mean, 1.0))
    assert not torch.allclose(noisy - 0.9 * unsure, mean, atol=0.2)


def test_a_denoiser_drafts_and_denoises_in_one(denoiser: Denoiser) -> None:
    noisy, sigma, text = gaussian(2, 4, 3, *SIZE), torch.tensor([0.3, 0.8]), gaussian(2, 5, 12)
    draft = denoiser.draft(some_tracks(), *SIZE)
    assert draft is not None
    velocity = denoiser(noisy, sigma, text, None, some_tracks())
    assert torch.equal(denoiser.denoise(noisy, sigma, text, None, draft), velocity)
    # One draft serves all levels.
    again = denoiser(noisy, sigma / 2, text, None, some_tracks())
    assert torch.equal(denoiser.denoise(noisy, sigma / 2, text, None, draft), again)
    assert denoiser.draft(None, *SIZE) is None


def test_tracks_are_prepared_once(denoiser: Denoiser) -> None:
    arguments = gaussian(2, 4, 3, *SIZE), torch.tensor([0.3, 0.8]), gaussian(2, 5, 12), None
    prepared = denoiser.prepare(some_tracks(), *SIZE)
    assert isinstance(prepared, Draft)
    assert torch.equal(denoiser(*arguments, prepared), denoiser(*arguments, some_tracks()))


def test_who_cannot_follow_tracks_makes_no_draft() -> None:
    denoiser = Denoiser(replace(CONFIG, tracks=None))
    assert denoiser.draft(some_tracks(), *SIZE) is None
    assert torch.equal(denoiser.prepare(some_tracks(), *SIZE), some_tracks())  # type: ignore[arg-type]


def gradients(denoiser: Denoiser) -> dict[str, bool]:
    """By name, whether a loss has reached a parameter."""
    return {
        name: parameter.grad is not None and bool(parameter.grad.any())
        for name, parameter in denoiser.named_parameters()
    }


def noised() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents, noise, the level (b) between them, and what lies there then."""
    latents, noise = gaussian(2, 4, 3, *SIZE), gaussian(2, 4, 3, *SIZE, seed=8)
    sigma = torch.tensor([0.3, 0.8])
    level = sigma.view(2, 1, 1, 1, 1)
    return latents, noise, sigma, (1 - level) * latents + level * noise


def test_the_loss_of_a_draft_trains_the_drafter_alone(denoiser: Denoiser) -> None:
    denoiser.requires_grad_(True)
    latents, _, sigma, noisy = noised()
    draft = denoiser.draft(some_tracks(), *SIZE)
    assert draft is not None
    denoiser.denoise(noisy, sigma, gaussian(2, 5, 12), None, draft)
    draft.loss(latents).sum().backward()
    assert all(hit == name.startswith("drafter.") for name, hit in gradients(denoiser).items())


def test_the_loss_of_the_velocity_trains_all_but_a_frozen_drafter(denoiser: Denoiser) -> None:
    """As it is once it has been trained by itself: it lies on no path of a gradient."""
    denoiser.requires_grad_(True)
    assert denoiser.drafter is not None
    denoiser.drafter.requires_grad_(False)
    draft = denoiser.draft(some_tracks(), *SIZE)
    assert draft is not None
    assert not any(part.requires_grad for part in (draft.told, draft.mean, draft.std))
    latents, noise, sigma, noisy = noised()
    velocity = denoiser.denoise(noisy, sigma, gaussian(2, 5, 12), None, draft)
    flow_loss(velocity, latents, noise, sigma.view(2, 1, 1, 1, 1)).sum().backward()
    assert all(hit != name.startswith("drafter.") for name, hit in gradients(denoiser).items())


@pytest.mark.parametrize(("depth", "layers"), [(0, 1), (2, 3)])
def test_training_takes_so_many_operations(depth: int, layers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times what is counted on the way forward, of as many objects asked about as are met."""
    config = replace(TRACKS, hidden_size=64, depth=layers)
    shares, near = [], fields._Objects.near

    def counted(objects: Any) -> Tensor:
        met = near(objects)
        shares.append(float(met.float().mean()))
        return met

    monkeypatch.setattr(fields._Objects, "near", counted)
    packed = gaussian(1, config.channels, 3, 1 + config.max_objects)
    packed[:, 0] = 1
    with FlopCounterMode(display=False) as counter:
        Drafter(config, SPREAD, depth)(packed, 16, 12)
    monkeypatch.setattr(fields, "_SHARE_MET", shares[0])
    expected = 3 * counter.get_total_flops()
    assert Drafter(config, SPREAD, depth).training_flops(3 * 16 * 12) == pytest.approx(expected, rel=0.02)
