from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tenku.denoiser import Denoiser, DenoiserConfig, TrackConfig, patchify, unpatchify
from tenku.denoiser.layers import fold, rotary_table, rotate, token_shift, unfold

Randomise = Callable[[nn.Module], nn.Module]
SMALL = DenoiserConfig(latent_channels=4, text_size=12, hidden_size=32, depth=2, num_heads=2)
REFINED = replace(SMALL, refiner_depth=1, refiner_width=16)
SPREAD = (2.0, 1.0, 0.5, 1.5)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def denoiser(randomised: Randomise) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(
        DenoiserConfig(
            latent_channels=4, text_size=12, hidden_size=32, depth=2, num_heads=2, channel_std=SPREAD
        )
    )
    randomised(denoiser)
    return denoiser


@pytest.mark.parametrize("patch_size", [(1, 2, 2), (2, 1, 3), (1, 1, 1)])
def test_patches_give_the_latents_back(patch_size: tuple[int, int, int]) -> None:
    latents = gaussian(2, 5, 4, 6, 12)
    patches = patchify(latents, patch_size)
    p, q, r = patch_size
    assert patches.shape == (2, 4 // p, 6 // q, 12 // r, 5 * p * q * r)
    assert torch.equal(unpatchify(patches, patch_size), latents)


@pytest.mark.parametrize("patch_size", [(1, 2, 2), (2, 1, 3), (1, 1, 1)])
def test_unfolding_undoes_folding(patch_size: tuple[int, int, int]) -> None:
    positions = gaussian(2, 4, 6, 12, 5)
    patches = fold(positions, patch_size)
    assert torch.equal(unfold(patches, patch_size), positions)
    assert torch.equal(patches, patchify(positions.movedim(-1, 1), patch_size))
    p, q, r = patch_size
    block = positions[1, p : 2 * p, q : 2 * q, r : 2 * r]
    assert torch.equal(patches[1, 1, 1, 1], block.flatten())


@pytest.mark.parametrize("config", [SMALL, REFINED])
def test_a_new_network_predicts_nothing(config: DenoiserConfig) -> None:
    velocity = Denoiser(config)(gaussian(2, 4, 3, 4, 6), torch.tensor([0.1, 0.9]), gaussian(2, 3, 12))
    assert torch.equal(velocity, torch.zeros(2, 4, 3, 4, 6))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("config", [SMALL, REFINED])
def test_a_new_preconditioned_network_is_the_best_linear_guess(
    config: DenoiserConfig, dtype: torch.dtype
) -> None:
    """Exactly so in either type: the closed form is not rounded with the weights."""
    config = replace(config, channel_std=SPREAD)
    latents, level = gaussian(3, 4, 2, 4, 4), torch.tensor([0.0, 0.3, 1.0])
    velocity = Denoiser(config).to(dtype)(latents, level, gaussian(3, 3, 12))
    sigma, variance = level.view(3, 1, 1, 1, 1), torch.tensor(SPREAD).square().view(1, 4, 1, 1, 1)
    factor = (sigma - (1 - sigma) * variance) / (sigma**2 + (1 - sigma) ** 2 * variance)
    assert torch.allclose(velocity, factor * latents, atol=1e-6)
    assert torch.allclose(velocity[0], -latents[0])  # clean latents: the velocity away from them
    assert torch.allclose(velocity[2], latents[2])  # pure noise: the velocity is the noise


def test_the_linear_guess_is_the_best_one() -> None:
    """Against a regression on samples: no other factor has a smaller error."""
    spread, sigma, n = 0.6, 0.4, 400_000
    latents, noise = spread * gaussian(n, seed=1), gaussian(n, seed=2)
    noisy, velocity = (1 - sigma) * latents + sigma * noise, noise - latents
    regression = (noisy @ velocity) / (noisy @ noisy)
    config = DenoiserConfig(
        latent_channels=1, text_size=4, hidden_size=4, depth=1, num_heads=1, channel_std=(spread,)
    )
    one = torch.ones(1, 1, 1, 2, 2)
    guess = Denoiser(config)(one, torch.tensor([sigma]), torch.zeros(1, 1, 4))
    assert guess.mean().item() == pytest.approx(regression.item(), abs=0.01)
    assert (velocity - regression * noisy).std().item() == pytest.approx(
        spread / (sigma**2 + (1 - sigma) ** 2 * spread**2) ** 0.5, abs=0.01
    )


@pytest.mark.parametrize("grid", [(1, 2, 2), (1, 10, 6), (3, 2, 8), (9, 4, 4)])
def test_any_grid(denoiser: Denoiser, grid: tuple[int, int, int]) -> None:
    velocity = denoiser(gaussian(1, 4, *grid), torch.tensor([0.5]), gaussian(1, 3, 12))
    assert velocity.shape == (1, 4, *grid)
    assert velocity.isfinite().all()


def test_a_level_per_clip_frame_or_position_is_the_same_if_constant(denoiser: Denoiser) -> None:
    latents, text, level = gaussian(2, 4, 3, 4, 6), gaussian(2, 5, 12), torch.tensor([0.2, 0.7])
    per_clip = denoiser(latents, level, text)
    per_frame = denoiser(latents, level[:, None].expand(-1, 3), text)
    per_position = denoiser(latents, level[:, None, None, None].expand(-1, 3, 4, 6), text)
    assert torch.equal(denoiser(latents, level[:, None, None, None].expand(-1, 3, 1, 1), text), per_frame)
    assert torch.allclose(per_frame, per_clip, atol=1e-5)
    assert torch.allclose(per_position, per_clip, atol=1e-5)


def test_the_level_of_one_token_matters(denoiser: Denoiser) -> None:
    latents, text, level = gaussian(1, 4, 3, 4, 6), gaussian(1, 5, 12), torch.full((1, 3, 4, 6), 0.5)
    before = denoiser(latents, level, text)
    level[0, 1, 2:4, 2:4] = 0.05  # one patch of the second frame
    change = (denoiser(latents, level, text) - before).abs().amax((0, 1))  # t h w
    assert change[1, 2:4, 2:4].min() > 0.1
    elsewhere = change.clone()
    elsewhere[1, 2:4, 2:4] = 0
    assert 0 < elsewhere.max() < change[1, 2:4, 2:4].max()  # others only hear of it


def test_padding_of_the_text_changes_nothing(denoiser: Denoiser) -> None:
    latents, level, text = gaussian(2, 4, 2, 4, 4), torch.tensor([0.4, 0.8]), gaussian(2, 6, 12)
    mask = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    padded = denoiser(latents, level, text, mask)
    changed = text.clone()
    changed[0, 4:] = 100.0
    assert torch.allclose(denoiser(latents, level, changed, mask), padded, atol=1e-5)
    assert torch.allclose(denoiser(latents[:1], level[:1], text[:1, :4])[0], padded[0], atol=1e-5)
    changed[0, 0] = 100.0
    assert not torch.allclose(denoiser(latents, level, changed, mask)[0], padded[0], atol=1e-2)


def test_clips_in_a_batch_do_not_see_each_other(denoiser: Denoiser) -> None:
    latents, level, text = gaussian(3, 4, 2, 4, 4), torch.tensor([0.1, 0.5, 0.9]), gaussian(3, 6, 12)
    together = denoiser(latents, level, text)
    for index in range(3):
        alone = denoiser(latents[index, None], level[index, None], text[index, None])
        assert torch.allclose(alone[0], together[index], atol=1e-5)


def test_the_refiner_sees_positions_where_they_are(randomised: Randomise) -> None:
    """Without blocks a token reaches the positions of its patch, a block of the refiner two around it."""
    torch.manual_seed(0)
    refined = randomised(Denoiser(replace(REFINED, depth=0)))
    latents, level, text = gaussian(1, 4, 2, 12, 12), torch.tensor([0.5]), gaussian(1, 3, 12)
    changed = latents.clone()
    changed[0, :, 1, 6, 5] += 1  # of the patch of rows 6 and 7, columns 4 and 5
    change = (refined(changed, level, text) - refined(latents, level, text)).abs().amax((0, 1))  # t h w
    assert not change[0].any()
    rows, columns = change[1].nonzero().unbind(1)
    assert (rows.min(), rows.max()) == (4, 9)
    assert (columns.min(), columns.max()) == (2, 7)


FOLLOWING = TrackConfig(look_sizes=(8, 6), frames_per_latent=4, hidden_size=64)


@pytest.mark.parametrize("tracks", [None, FOLLOWING])
@pytest.mark.parametrize("refiner_depth", [0, 2])
def test_training_takes_so_many_operations(tracks: TrackConfig | None, refiner_depth: int) -> None:
    """Three times what is counted on the way forward, which leaves attention out; a draft is only made."""
    config = DenoiserConfig(
        latent_channels=8,
        text_size=64,
        hidden_size=128,
        depth=3,
        tracks=tracks,
        refiner_depth=refiner_depth,
        refiner_width=32,
    )
    denoiser, draft, drafting = Denoiser(config), None, 0.0
    if denoiser.drafter is not None and tracks is not None:
        draft = denoiser.draft(gaussian(1, tracks.channels, 3, tracks.max_objects + 1), 16, 12)
        drafting = denoiser.drafter.training_flops(3 * 16 * 12) / 3
        assert drafting > 0
    with FlopCounterMode(display=False) as counter:
        denoiser(gaussian(1, 8, 3, 16, 12), torch.tensor([0.5]), gaussian(1, 20, 64), None, draft)
    n, m, d = 3 * 8 * 6, 20, 128
    attention = config.depth * (2 * 2 * n * n * d + 2 * 2 * n * m * d)
    expected = 3 * (counter.get_total_flops() + attention) + drafting
    assert denoiser.training_flops((3, 8, 6), m) == pytest.approx(expected, rel=0.05)


def test_rotated_products_depend_on_the_distance_alone() -> None:
    grid = (4, 5, 6)
    cos, sin = rotary_table(grid, 16, 100.0)
    query, key = gaussian(16, seed=1), gaussian(16, seed=2)
    rotated = [rotate(x.expand(1, 1, 120, 16), cos, sin)[0, 0].view(*grid, 16) for x in (query, key)]
    products = torch.einsum("abcd,tyxd->abctyx", *rotated)
    assert torch.allclose(products[0, 0, 0, 1, 2, 3], products[2, 1, 2, 3, 3, 5], atol=1e-5)
    assert torch.allclose(products[3, 4, 5, 1, 0, 4], products[2, 4, 4, 0, 0, 3], atol=1e-5)
    assert not torch.allclose(products[0, 0, 0, 1, 2, 3], products[0, 0, 0, 1, 3, 3], atol=1e-3)
    assert torch.allclose(rotated[0].norm(dim=-1), query.norm(), atol=1e-5)


def test_grids_agree_around_the_middle() -> None:
    small, large = (rotary_table(grid, 16, 100.0)[0].view(*grid, 8) for grid in ((2, 3, 5), (3, 7, 7)))
    assert torch.allclose(large[:2, 2:5, 1:6], small)


def test_token_shift_moves_eighths_by_one() -> None:
    x = gaussian(2, 3, 4, 5, 17)
    y = token_shift(x)
    parts, moved = x.split([2] * 6 + [5], -1), y.split([2] * 6 + [5], -1)
    assert torch.equal(moved[0][:, 1:], parts[0][:, :-1])  # along +t
    assert torch.equal(moved[1][:, :-1], parts[1][:, 1:])  # along −t
    assert torch.equal(moved[2][:, :, 1:], parts[2][:, :, :-1])
    assert torch.equal(moved[3][:, :, :-1], parts[3][:, :, 1:])
    assert torch.equal(moved[4][:, :, :, 1:], parts[4][:, :, :, :-1])
    assert torch.equal(moved[5][:, :, :, :-1], parts[5][:, :, :, 1:])
    assert torch.equal(moved[6], parts[6])
    edges = (moved[0][:, 0], moved[1][:, -1], moved[2][:, :, 0], moved[3][:, :, -1])
    assert all((edge == 0).all() for edge in edges)
    assert (moved[4][:, :, :, 0] == 0).all()
    assert (moved[5][:, :, :, -1] == 0).all()


def test_what_has_generated_can_be_trained() -> None:
    denoiser = Denoiser(SMALL)
    arguments = gaussian(1, 4, 2, 4, 4), torch.tensor([0.5]), gaussian(1, 3, 12)
    with torch.inference_mode():
        denoiser(*arguments)
    denoiser(*arguments).square().sum().backward()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"hidden_size": 30, "num_heads": 4}, "times an even number"),
        ({"channel_std": (1.0,)}, "one value a latent channel"),
        ({"patch_size": (0, 2, 2)}, "must be positive"),
    ],
)
def test_configurations_that_make_no_sense(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DenoiserConfig(**wrong)  # type: ignore[arg-type]
