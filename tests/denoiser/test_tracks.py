from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tenku.denoiser import BOX_SIZE, Denoiser, DenoiserConfig, TrackConfig
from tenku.denoiser.tracks import TrackEncoder

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, hidden_size=24)
CONFIG = DenoiserConfig(
    latent_channels=4, text_size=12, hidden_size=32, depth=2, num_heads=2, channel_std=(1.0, 2.0, 0.5, 1.5)
)
GRID = (3, 6, 10)  # of tokens: 3 latent frames, wider than tall


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder(randomised: Randomise) -> TrackEncoder:
    torch.manual_seed(0)
    encoder = TrackEncoder(TRACKS, 16)
    randomised(encoder)
    return encoder


@pytest.fixture(scope="module")
def denoiser(randomised: Randomise) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(replace(CONFIG, tracks=TRACKS))
    randomised(denoiser)
    return denoiser


def some_tracks(*, clips: int = 2, t: int = 3, objects: int = 3) -> Tensor:
    """Packed tracks (b c t o) of objects of which the last is not there."""
    packed = 0.5 * gaussian(clips, TRACKS.channels, t, objects, seed=3)
    boxes = packed[:, -TRACKS.frames_per_latent * BOX_SIZE :].unflatten(1, (-1, BOX_SIZE))
    boxes[:, :, 2:4] = boxes[:, :, 2:4].abs() + 0.2
    packed[:, 0] = 1
    packed[..., -1] = 0
    return packed


def moved(packed: Tensor, x: float, y: float) -> Tensor:
    """The same tracks with every box elsewhere."""
    shift = torch.tensor([x, y, 0, 0, 0]).repeat(TRACKS.frames_per_latent)[:, None, None]
    there = packed[:, :1]
    changed = packed.clone()
    changed[:, -len(shift) :] += shift * there
    return changed


def inputs(clips: int = 2) -> tuple[Tensor, Tensor, Tensor, None]:
    return gaussian(clips, 4, 3, 12, 20), torch.full((clips,), 0.5), gaussian(clips, 5, 12, seed=1), None


def test_what_packed_tracks_hold() -> None:
    assert TRACKS.look_channels == 5
    assert TRACKS.channels == 1 + 5 + 4 * BOX_SIZE


def test_no_tracks_are_the_same_as_zeros(denoiser: Denoiser) -> None:
    without = denoiser(*inputs())
    assert torch.equal(denoiser(*inputs(), torch.zeros(2, TRACKS.channels, 3, 4)), without)
    assert not torch.allclose(denoiser(*inputs(), some_tracks()), without, atol=1e-2)


def test_tracks_are_as_loud_as_noise_from_the_start() -> None:
    torch.manual_seed(0)
    config = replace(TRACKS, hidden_size=192)
    one = some_tracks()[..., :1]
    one[:, 0] = 1
    assert 0.3 < TrackEncoder(config, 64)(one, GRID).std().item() < 3


def test_tracks_can_be_learned_from_the_start() -> None:
    torch.manual_seed(0)
    encoder = TrackEncoder(TRACKS, 16)
    encoder(some_tracks(), GRID).square().add(encoder(some_tracks(), GRID)).sum().backward()
    assert encoder.out.weight.grad is not None
    assert encoder.out.weight.grad.abs().sum() > 0


def test_a_denoiser_that_knows_no_tracks_ignores_them(randomised: Randomise) -> None:
    torch.manual_seed(0)
    denoiser = randomised(Denoiser(CONFIG))
    assert torch.equal(denoiser(*inputs(), some_tracks()), denoiser(*inputs()))


def test_objects_that_are_not_there_add_nothing(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    padded = torch.cat([packed, torch.zeros(2, TRACKS.channels, 3, 5)], 3)
    assert torch.allclose(encoder(padded, GRID), encoder(packed, GRID), atol=1e-5)
    stray = packed.clone()
    stray[:, 1:, :, -1] = gaussian(2, TRACKS.channels - 1, 3)  # what it would look like if it were there
    assert torch.equal(encoder(stray, GRID), encoder(packed, GRID))


def test_the_order_of_objects_does_not_matter(encoder: TrackEncoder, denoiser: Denoiser) -> None:
    packed = some_tracks()
    shuffled = packed[..., [2, 0, 1]]
    assert torch.allclose(encoder(shuffled, GRID), encoder(packed, GRID), atol=1e-5)
    assert torch.allclose(denoiser(*inputs(), shuffled), denoiser(*inputs(), packed), atol=1e-4)


def test_each_object_is_told_by_itself(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    one, two = encoder(packed[..., :1], GRID), encoder(packed[..., 1:2], GRID)
    assert torch.allclose(one + two, encoder(packed, GRID), atol=1e-5)
    assert not torch.allclose(one, two, atol=1e-2)


@pytest.mark.parametrize("grid", [(3, 6, 10), (3, 10, 6), (3, 8, 8)])
def test_a_box_moved_by_one_token_moves_what_is_told_by_one(
    encoder: TrackEncoder, grid: tuple[int, int, int]
) -> None:
    packed, token = some_tracks(), 2 / min(grid[1:])
    before = encoder(packed, grid)
    assert torch.allclose(
        encoder(moved(packed, token, 0), grid)[:, :, :, 1:], before[:, :, :, :-1], atol=1e-4
    )
    assert torch.allclose(encoder(moved(packed, 0, token), grid)[:, :, 1:], before[:, :, :-1], atol=1e-4)
    assert not torch.allclose(encoder(moved(packed, token / 2, 0), grid), before, atol=1e-2)
    assert not torch.allclose(encoder(moved(packed, 0, token / 2), grid), before, atol=1e-2)


def test_right_is_not_down(encoder: TrackEncoder) -> None:
    """Told of a small object, tokens differ most at its place: x counts columns, y rows, from the middle."""
    packed = torch.zeros(1, TRACKS.channels, 1, 1)
    packed[:, :3] = 1
    boxes = packed[0, -TRACKS.frames_per_latent * BOX_SIZE :].unflatten(0, (-1, BOX_SIZE))
    boxes[:, 2:4] = 0.25
    middle = encoder(packed, (1, 8, 8))[0, 0]  # h w d
    boxes[:, 0] = 0.75
    right = encoder(packed, (1, 8, 8))[0, 0]
    assert torch.allclose(right[:, 3:], middle[:, :-3], atol=1e-4)
    boxes[:, 0], boxes[:, 1] = 0, -0.5
    above = encoder(packed, (1, 8, 8))[0, 0]
    assert torch.allclose(above[:-2], middle[2:], atol=1e-4)


def test_frames_are_told_where_things_are_in_them(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    changed = packed.clone()
    changed[:, -1, 1] += (
        0.3  # the depth of the last frame behind the second latent frame: only the first's counts
    )
    assert torch.equal(encoder(changed, GRID), encoder(packed, GRID))
    changed[:, -BOX_SIZE, 1] += 0.3  # its x
    difference = (encoder(changed, GRID) - encoder(packed, GRID)).abs().amax((0, 2, 3, 4))
    assert difference[1] > 1e-2
    assert difference[0] == difference[2] == 0


def test_each_row_of_a_plan_is_told_of_its_own_token(randomised: Randomise) -> None:
    """Without blocks, in which rows hear of each other, a token reaches the row of its place alone."""
    torch.manual_seed(0)
    config = DenoiserConfig(
        latent_channels=6,
        text_size=12,
        hidden_size=32,
        depth=0,
        num_heads=2,
        patch_size=(1, 1, 1),
        named_rows=4,
    )
    planner = randomised(Denoiser(config))
    latents, level, text = gaussian(1, 6, 3, 4, 1), torch.tensor([0.5]), gaussian(1, 7, 12)
    velocity = planner(latents, level, text)
    assert velocity.shape == latents.shape
    for token in range(7):
        changed = text.clone()
        changed[:, token] += 1
        rows = (planner(latents, level, changed) - velocity).abs().amax((0, 1, 2, 4))
        assert (rows > 1e-3).tolist() == [row == token for row in range(4)]
