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
from tenku.denoiser.fields import TrackEncoder

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=3, hidden_size=24, field_size=16)
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


def filling(packed: Tensor) -> Tensor:
    """The same tracks with boxes that fill the picture: every line of sight comes near what is in them."""
    changed = packed.clone()
    poses_of(changed)[:, :, 2:4] = 20 * packed[:, None, :1, :, :-1]
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
    assert torch.allclose(told[0], everything[0], atol=1e-5)
    assert torch.allclose(told[1, :2], everything[1, :2], atol=1e-5)


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
    packed = filling(some_tracks())
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
    packed = filling(some_tracks())
    poses_of(packed)[:, :, 4] = 0.1
    solid = opaque(encoder)
    both, one, two = (solid(only(packed, *kept), *SIZE) for kept in ((0, 1), (0,), (1,)))
    assert torch.allclose(both, (one + two) / 2, atol=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_what_covers_some_of_the_view_is_seen_as_much(encoder: TrackEncoder, share: float) -> None:
    packed = without_setting(only(filling(some_tracks()), 0))
    partly = opaque(encoder, math.log(share / (1 - share)))
    assert torch.allclose(partly(packed, *SIZE), share * opaque(encoder)(packed, *SIZE), atol=1e-4)


def test_what_covers_nothing_is_not_seen(encoder: TrackEncoder) -> None:
    packed = filling(some_tracks())
    empty = opaque(encoder, -30.0)
    behind = empty(settings_alone(packed), *SIZE)
    assert behind.std() > 0.1
    assert torch.allclose(empty(packed, *SIZE), behind, atol=1e-5)
    assert torch.allclose(opaque(encoder)(settings_alone(packed), *SIZE), behind, atol=1e-5)


def test_the_light_of_what_is_hidden_is_still_felt(encoder: TrackEncoder) -> None:
    """Shadows and reflections fall from behind, too."""
    packed = filling(some_tracks())
    poses_of(packed)[:, :, 4, :, 0] = -0.3
    poses_of(packed)[:, :, 4, :, 1] = 0.5
    solid = opaque(encoder)
    hidden = only(packed, 0)
    assert torch.allclose(solid(packed, *SIZE), solid(hidden, *SIZE), atol=1e-4)
    solid.light.weight.copy_(encoder.light.weight)
    assert not torch.allclose(solid(packed, *SIZE), solid(hidden, *SIZE), atol=1e-2)


def one_object(*, x: float = 0.0, y: float = 0.0, depth: float = 0.0, size: float = 0.25) -> Tensor:
    """Packed tracks (1 c 1 2) of one object before a level camera a metre above the floor."""
    packed = torch.zeros(1, TRACKS.channels, 1, 2)
    packed[:, 0] = 1
    packed[:, [1, 4], :, 0] = 1
    pose = torch.tensor([x, y, size, size, depth, 0, 1, 0, 1, 0, 0]).view(1, 1, POSE_SIZE, 1)
    poses_of(packed)[..., 0] = pose
    camera = torch.tensor([0.0, 1, 0, 4.7, 1, 0.3, -0.4, 0.8])
    packed[:, CAMERAS, :, -1] = camera.repeat(4).view(1, -1, 1)
    return packed


def changed_positions(encoder: TrackEncoder, packed: Tensor, size: tuple[int, int]) -> Tensor:
    """Where (h w) an object changes what is told."""
    without = settings_alone(packed)
    return (encoder(packed, *size) - encoder(without, *size)).abs().amax(-1)[0, 0] > 1e-6


def test_nothing_is_asked_of_an_object_far_from_it(encoder: TrackEncoder) -> None:
    """x counts columns to the right, y rows down; the shadow and the mirror image lie on the floor."""
    seen = changed_positions(encoder, one_object(x=0.5, y=-0.5), (16, 16))
    rows, columns = seen[:8].nonzero().unbind(1)  # no floor is seen above the horizon
    assert (rows.min(), rows.max()) == (2, 5)
    assert (columns.min(), columns.max()) == (10, 13)
    floor = changed_positions(encoder, one_object(x=0.5, y=0.1), (16, 16))[8:]
    assert floor.any()
    assert not floor[:, :4].any()


def test_a_turned_world_is_told_as_before(encoder: TrackEncoder) -> None:
    """What is told of an object depends on how it, camera and lamp lie to each other: a camera that looks
    straight down may be turned about its axis with everything else."""
    packed = one_object(size=0.6)
    down = torch.tensor([0.0, 1, math.pi / 2, 4.7, 1])
    told = []
    for quarter in range(4):
        angle = quarter * math.pi / 2
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        changed = packed.clone()
        own, across, lamp = (
            turn @ torch.tensor([0.8, 0.6]),
            turn @ torch.tensor([-0.6, 0.8]),
            turn @ torch.tensor([0.3, -0.4]),
        )
        axes = torch.tensor([*own, 0, *across, 0]).view(6, 1)
        poses_of(changed)[0, :, 5:, :, 0] = axes
        camera = torch.cat([down, lamp, torch.tensor([0.8])])
        changed[:, CAMERAS, :, -1] = camera.repeat(4).view(1, -1, 1)
        told.append(_of_the_object(encoder, changed))
    for quarter in range(1, 4):
        assert torch.allclose(told[0].rot90(quarter, (0, 1)), told[quarter], atol=1e-4)
    assert not torch.allclose(told[0], told[1], atol=1e-2)


def _of_the_object(encoder: TrackEncoder, packed: Tensor) -> Tensor:
    """What is told of the object (h w e), as sums over each position's lines of sight and frames."""
    summing = TrackEncoder(replace(TRACKS, hidden_size=TRACKS.field_size))
    summing.load_state_dict({**encoder.state_dict(), "join.weight": summing.join.weight})
    size = TRACKS.field_size
    with torch.no_grad():
        summing.join.weight.copy_(torch.eye(size).repeat(1, summing.join.in_features // size))
        # Where the line lies in the box, and from the foot, does not turn with an object's own frame.
        summing.object_in.weight[:, [*range(6), 53, 54]] = 0
        packed[:, 0, :, -1] = 0  # nothing lies behind
        found: Tensor = summing(packed, 6, 6)[0, 0]
        return found


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
    packed = filling(some_tracks())
    changed = packed.clone()
    poses_of(changed)[:, frame, number, 1, 0] += 0.3
    difference = heard(encoder, packed, changed)
    assert max(difference[0], difference[2]) < 1e-5
    assert difference[1] > 1e-3


@pytest.mark.parametrize("number", range(CAMERA_SIZE))
def test_frames_are_told_of_their_cameras(encoder: TrackEncoder, number: int) -> None:
    packed = some_tracks()
    for frame in range(4):
        changed = packed.clone()
        changed[:, CAMERAS.start + CAMERA_SIZE * frame + number, 1, -1] += 0.2
        difference = heard(encoder, packed, changed)
        assert max(difference[0], difference[2]) < 1e-5
        assert difference[1] > 1e-3


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
