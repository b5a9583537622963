"""What the denoiser is told of tracks. Where the floor lies is held against pictures in `test_view.py`."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn

from tenku.denoiser import (
    BOX_SIZE,
    CAMERA_SIZE,
    POSE_SIZE,
    SETTING_SIZE,
    Denoiser,
    DenoiserConfig,
    TrackConfig,
    positions_in_boxes,
    unpack,
)
from tenku.denoiser.tracks import TrackEncoder

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=3, hidden_size=24)
CONFIG = DenoiserConfig(
    latent_channels=4, text_size=12, hidden_size=32, depth=2, num_heads=2, channel_std=(1.0, 2.0, 0.5, 1.5)
)
SIZE = (6, 10)  # of the latents, wider than tall
POSES = slice(6, 6 + 4 * POSE_SIZE)  # channels of an object
CAMERAS = slice(1 + SETTING_SIZE - CAMERA_SIZE, 1 + SETTING_SIZE - CAMERA_SIZE + 4 * CAMERA_SIZE)


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder(randomised: Randomise) -> TrackEncoder:
    torch.manual_seed(0)
    encoder = TrackEncoder(TRACKS)
    randomised(encoder)
    return encoder


@pytest.fixture(scope="module")
def denoiser(randomised: Randomise) -> Denoiser:
    torch.manual_seed(0)
    denoiser = Denoiser(replace(CONFIG, tracks=TRACKS, refiner_depth=1, refiner_width=16))
    randomised(denoiser)
    return denoiser


def some_tracks(*, clips: int = 2, t: int = 3) -> Tensor:
    """Packed tracks (b c t o) of three objects, of which the last is not there, and a setting."""
    packed = torch.zeros(clips, TRACKS.channels, t, 4)
    packed[:, 0] = 1
    packed[:, 1:6, :, :3] = gaussian(clips, 5, t, 3, seed=2)
    poses = 0.5 * gaussian(clips, 4, POSE_SIZE, t, 3, seed=3)
    poses[:, :, 2:4] = poses[:, :, 2:4].abs() + 0.2
    packed[:, POSES, :, :3] = rearrange(poses, "b f n t o -> b (f n) t o")
    packed[:, :, :, 2] = 0
    packed[:, 1:14, :, 3] = gaussian(clips, 13, t, seed=4)
    angle, ones = gaussian(clips, 4, t, seed=5), torch.ones(clips, 4, t)
    camera = [
        angle.sin(),
        angle.cos(),
        0.4 * ones,
        4.7 * ones,
        0.5 * ones,
        0.3 * ones,
        -0.4 * ones,
        0.8 * ones,
    ]
    packed[:, CAMERAS, :, 3] = rearrange(torch.stack(camera, 2), "b f n t -> b (f n) t")
    return packed


def poses_of(packed: Tensor) -> Tensor:
    """Poses (b f n t o) in packed tracks, to be looked at and written to."""
    return packed[:, POSES, :, :-1].view(len(packed), 4, POSE_SIZE, *packed[:, 0, :, :-1].shape[1:])


def settings_alone(packed: Tensor) -> Tensor:
    alone = packed.clone()
    alone[..., :-1] = 0
    return alone


def without_setting(packed: Tensor) -> Tensor:
    alone = packed.clone()
    alone[..., -1] = 0
    return alone


def only(packed: Tensor, *kept: int) -> Tensor:
    """The same tracks with only some of the objects."""
    alone = packed.clone()
    alone[..., [place for place in range(packed.shape[3] - 1) if place not in kept]] = 0
    return alone


def opaque(encoder: TrackEncoder, cover: float = 30.0) -> TrackEncoder:
    """An encoder for which every object fills the whole view (or, by a negative number, none of it)."""
    changed = TrackEncoder(encoder.config)
    changed.load_state_dict(encoder.state_dict())
    changed.requires_grad_(False)
    changed.cover.weight.zero_()
    changed.cover.bias.fill_(cover)
    for parameter in changed.light.parameters():
        parameter.zero_()
    return changed


def moved(packed: Tensor, x: float, y: float) -> Tensor:
    """The same tracks with every box of what is there elsewhere."""
    changed = packed.clone()
    poses_of(changed)[:, :, :2] += torch.tensor([x, y]).view(2, 1, 1) * packed[:, None, :1, :, :-1]
    return changed


def inputs(clips: int = 2) -> tuple[Tensor, Tensor, Tensor, None]:
    return gaussian(clips, 4, 3, *SIZE), torch.full((clips,), 0.5), gaussian(clips, 5, 12, seed=1), None


def test_what_packed_tracks_hold() -> None:
    assert TRACKS.look_channels == 5
    assert TRACKS.channels == 1 + 5 + 4 * POSE_SIZE
    # With hardly any looks the setting needs more.
    assert TrackConfig(look_sizes=(), frames_per_latent=1).channels == 1 + 13 + CAMERA_SIZE


def test_unpacking_takes_rows_apart() -> None:
    packed = some_tracks()
    found = unpack(packed, TRACKS)
    assert torch.equal(found.present, packed[:, 0, :, :3])
    assert torch.equal(found.known, packed[:, 0, :, 3])
    assert torch.equal(found.looks.movedim(-1, 1), packed[:, 1:6, :, :3])
    assert torch.equal(found.poses.permute(0, 3, 4, 1, 2), poses_of(packed))
    assert torch.equal(found.boxes, found.poses[..., :BOX_SIZE])
    assert torch.equal(found.surroundings.mT, packed[:, 1:14, :, 3])
    assert torch.equal(found.cameras.flatten(2).mT, packed[:, CAMERAS, :, 3])


def test_positions_in_boxes_are_those_of_the_boxes() -> None:
    packed = torch.zeros(1, TRACKS.channels, 2, 4)
    packed[:, 0] = 1
    packed[..., -1] = 0.3  # the last row is no object
    poses = poses_of(packed)[0]  # f n t o
    inside = positions_in_boxes(packed, TRACKS, 8, 16)
    assert inside.shape == (1, 1, 2, 8, 16)
    assert not inside.any()  # boxes without a size are not there
    poses[:, :4, 0, 0] = torch.tensor([1.0, -0.5, 0.5, 0.5])  # a quarter is a position: 2 by 2 of them
    inside = positions_in_boxes(packed, TRACKS, 8, 16)[0, 0]
    assert not inside[1].any()
    rows, columns = inside[0].nonzero().unbind(1)
    # The middle is 8 columns from the left and 4 rows from the top; one position more on each side.
    assert (columns.min(), columns.max()) == (10, 13)
    assert (rows.min(), rows.max()) == (0, 3)
    assert inside[0].sum() == 16
    poses[:, :4, 0, 1] = torch.tensor([-1.5, 0.5, 0.25, 0.25])
    both = positions_in_boxes(packed, TRACKS, 8, 16)[0, 0]
    assert both[0].sum() > 16
    assert (both[0] >= inside[0]).all()
    poses[3, 0, 0, 0] = 0.0  # it moves: both where it begins and where it ends
    moving = positions_in_boxes(packed, TRACKS, 8, 16)[0, 0]
    assert (moving[0] >= both[0]).all()
    assert moving[0, :4, 6:10].all()


def test_no_tracks_are_the_same_as_zeros(denoiser: Denoiser) -> None:
    without = denoiser(*inputs())
    assert torch.equal(denoiser(*inputs(), torch.zeros(2, TRACKS.channels, 3, 4)), without)
    assert not torch.allclose(denoiser(*inputs(), some_tracks()), without, atol=1e-2)


def test_zeros_tell_nothing(encoder: TrackEncoder) -> None:
    assert not encoder(torch.zeros(2, TRACKS.channels, 3, 4), *SIZE).any()


def test_clips_and_frames_without_tracks_do_not_hear_of_others(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    mixed = packed.clone()
    mixed[1, :, 2] = 0
    told = encoder(mixed, *SIZE)
    assert not told[1, 2].any()
    everything = encoder(packed, *SIZE)
    assert torch.equal(told[0], everything[0])
    assert torch.equal(told[1, :2], everything[1, :2])


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_tracks_are_as_loud_as_noise_from_the_start(depth: int) -> None:
    torch.manual_seed(0)
    new = TrackEncoder(replace(TRACKS, hidden_size=192, depth=depth))
    packed = some_tracks()
    for told in (packed, only(packed, 0), settings_alone(packed)):
        assert 0.3 < new(told, 16, 16).std().item() < 3


def test_tracks_can_be_learned_from_the_start() -> None:
    torch.manual_seed(0)
    new = TrackEncoder(TRACKS)
    new(some_tracks(), *SIZE).square().sum().backward()
    for name, parameter in new.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0, name


def test_a_denoiser_that_knows_no_tracks_ignores_them(randomised: Randomise) -> None:
    torch.manual_seed(0)
    denoiser = randomised(Denoiser(CONFIG))
    assert torch.equal(denoiser(*inputs(), some_tracks()), denoiser(*inputs()))


def test_objects_that_are_not_there_add_nothing(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    told = encoder(packed, *SIZE)
    without = torch.cat([packed[..., :2], packed[..., 3:]], 3)
    assert torch.allclose(encoder(without, *SIZE), told, atol=1e-5)
    stray = packed.clone()
    stray[:, 1:, :, 2] = gaussian(2, TRACKS.channels - 1, 3)  # what it would look like if it were there
    assert torch.allclose(encoder(stray, *SIZE), told, atol=1e-5)
    stray[:, 0, :, 2] = 1
    assert not torch.allclose(encoder(stray, *SIZE), told, atol=1e-2)


def test_the_order_of_objects_does_not_matter(encoder: TrackEncoder, denoiser: Denoiser) -> None:
    packed = some_tracks()
    shuffled = packed[..., [2, 0, 1, 3]]
    assert torch.allclose(encoder(shuffled, *SIZE), encoder(packed, *SIZE), atol=1e-5)
    assert torch.allclose(denoiser(*inputs(), shuffled), denoiser(*inputs(), packed), atol=1e-4)


@pytest.mark.parametrize("nearest", [0, 1])
def test_what_is_nearer_covers_what_is_farther(encoder: TrackEncoder, nearest: int) -> None:
    packed = some_tracks()
    poses_of(packed)[:, :, 4] = 0.6
    poses_of(packed)[:, :, 4, :, nearest] = -0.2
    solid = opaque(encoder)
    told, alone = solid(packed, *SIZE), solid(only(packed, nearest), *SIZE)
    assert torch.allclose(told, alone, atol=1e-4)
    # Neither the other object nor the floor is seen, but the setting lights what is.
    assert not torch.allclose(told, solid(only(packed, 1 - nearest), *SIZE), atol=1e-2)
    other = packed.clone()
    other[:, 1:14, :, -1] += 1
    assert torch.allclose(solid(other, *SIZE), told, atol=1e-4)


def test_what_is_about_as_far_is_seen_half(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    poses_of(packed)[:, :, 4] = 0.1
    solid = opaque(encoder)
    both, one, two = (solid(only(packed, *kept), *SIZE) for kept in ((0, 1), (0,), (1,)))
    assert torch.allclose(both, (one + two) / 2, atol=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_what_covers_some_of_the_view_is_seen_as_much(encoder: TrackEncoder, share: float) -> None:
    packed = without_setting(only(some_tracks(), 0))
    partly = opaque(encoder, math.log(share / (1 - share)))
    assert torch.allclose(partly(packed, *SIZE), share * opaque(encoder)(packed, *SIZE), atol=1e-4)


def test_what_covers_nothing_is_not_seen(encoder: TrackEncoder) -> None:
    packed = some_tracks()
    empty = opaque(encoder, -30.0)
    behind = empty(settings_alone(packed), *SIZE)
    assert behind.std() > 0.1
    assert torch.allclose(empty(packed, *SIZE), behind, atol=1e-5)
    assert torch.allclose(opaque(encoder)(settings_alone(packed), *SIZE), behind, atol=1e-5)


def test_the_light_of_what_is_hidden_is_still_felt(encoder: TrackEncoder) -> None:
    """Shadows and reflections fall from behind, too."""
    packed = some_tracks()
    poses_of(packed)[:, :, 4, :, 0] = -0.3
    poses_of(packed)[:, :, 4, :, 1] = 0.5
    solid = opaque(encoder)
    hidden = only(packed, 0)
    assert torch.allclose(solid(packed, *SIZE), solid(hidden, *SIZE), atol=1e-4)
    solid.light.weight.copy_(encoder.light.weight)
    assert not torch.allclose(solid(packed, *SIZE), solid(hidden, *SIZE), atol=1e-2)


def upwards(packed: Tensor) -> Tensor:
    """Tracks under a camera that looks straight up: it sees no floor, and objects hang as high as they are
    far, wherever in the picture."""
    changed = without_setting(packed)
    elevations = CAMERAS.start + 2 + CAMERA_SIZE * torch.arange(4)
    changed[:, elevations, :, -1] = -math.pi / 2
    return changed


@pytest.mark.parametrize("size", [(6, 10), (10, 6), (8, 8)])
def test_a_box_moved_by_one_position_moves_what_is_told_by_one(
    encoder: TrackEncoder, size: tuple[int, int]
) -> None:
    packed, step = upwards(some_tracks()), 2 / min(size)
    before = encoder(packed, *size)
    assert torch.allclose(
        encoder(moved(packed, step, 0), *size)[:, :, :, 1:], before[:, :, :, :-1], atol=1e-4
    )
    assert torch.allclose(encoder(moved(packed, 0, step), *size)[:, :, 1:], before[:, :, :-1], atol=1e-4)
    assert not torch.allclose(encoder(moved(packed, step / 2, 0), *size), before, atol=1e-2)
    assert not torch.allclose(encoder(moved(packed, 0, step / 2), *size), before, atol=1e-2)


def test_right_is_not_down(encoder: TrackEncoder) -> None:
    """Told of a small object, positions differ most at its place: x counts columns, y rows."""
    packed = torch.zeros(1, TRACKS.channels, 1, 2)
    packed[:, :3, :, 0] = 1
    poses_of(packed)[:, :, 2:4] = 0.25
    packed = upwards(packed)
    middle = encoder(packed, 8, 8)[0, 0]  # h w d
    right = encoder(moved(packed, 0.75, 0), 8, 8)[0, 0]
    assert torch.allclose(right[:, 3:], middle[:, :-3], atol=1e-4)
    above = encoder(moved(packed, 0, -0.5), 8, 8)[0, 0]
    assert torch.allclose(above[:-2], middle[2:], atol=1e-4)


def test_an_object_turned_in_the_picture_looks_turned() -> None:
    """As far as its own frame goes: all else that is told of it does not turn with it."""
    torch.manual_seed(0)
    encoder = TrackEncoder(TRACKS).requires_grad_(False)
    edges, features = 4 * 4, 31  # the second for each of two frames: two of the offset, then the own frame
    own_frame = [edges + frame * features + 2 + number for frame in range(2) for number in range(15)]
    others = [place for place in range(encoder.object_in.in_features) if place not in own_frame]
    encoder.object_in.weight[:, others] = 0
    packed = torch.zeros(1, TRACKS.channels, 1, 2)
    packed[:, 0, :, 0] = 1
    poses_of(packed)[:, :, 2:4] = 1
    told = []
    for own, across in (((1, 0, 0), (0, 1, 0)), ((0, 1, 0), (-1, 0, 0))):  # counterclockwise: up is up
        poses_of(packed)[:, :, 5:] = torch.tensor([*own, *across], dtype=torch.float32).view(6, 1, 1)
        told.append(encoder(packed, 7, 7)[0, 0])
    assert torch.allclose(told[0].rot90(1, (0, 1)), told[1], atol=1e-4)
    assert not torch.allclose(told[0], told[1], atol=1e-2)


def test_a_configuration_says_how_many_layers_ask_of_an_object(randomised: Randomise) -> None:
    for depth in (0, 2):
        torch.manual_seed(0)
        encoder = TrackEncoder(replace(TRACKS, depth=depth))
        randomised(encoder)
        packed = some_tracks()
        told = encoder(packed, *SIZE)
        names = [name for name, _ in encoder.named_parameters() if name.startswith("object_mids")]
        assert len(names) == 2 * depth
        for name in names:  # each has a say
            encoder.get_parameter(name)[0] += 1
            assert not torch.allclose(encoder(packed, *SIZE), told, atol=1e-3), name
            told = encoder(packed, *SIZE)


def heard(encoder: TrackEncoder, packed: Tensor, changed: Tensor) -> Tensor:
    """How much of a change each latent frame (t) is told."""
    change: Tensor = encoder(changed, *SIZE) - encoder(packed, *SIZE)
    return change.abs().amax((0, 2, 3, 4))


@pytest.mark.parametrize("number", range(POSE_SIZE))
@pytest.mark.parametrize("frame", range(4))
def test_frames_are_told_where_things_are_in_them(encoder: TrackEncoder, frame: int, number: int) -> None:
    packed = some_tracks()
    changed = packed.clone()
    poses_of(changed)[:, frame, number, 1, 0] += 0.3
    difference = heard(encoder, packed, changed)
    assert difference[0] == difference[2] == 0
    assert difference[1] > 1e-3


@pytest.mark.parametrize("number", range(CAMERA_SIZE))
def test_frames_are_told_of_their_cameras(encoder: TrackEncoder, number: int) -> None:
    packed = some_tracks()
    for frame in range(4):
        changed = packed.clone()
        changed[:, CAMERAS.start + CAMERA_SIZE * frame + number, 1, -1] += 0.2
        difference = heard(encoder, packed, changed)
        assert difference[0] == difference[2] == 0
        told = frame in (0, 3) or number > 1  # the azimuth is for the floor, which is told of the ends
        assert (difference[1] > 1e-3) == told


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
