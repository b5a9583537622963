from dataclasses import replace

import numpy as np
import pytest
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import normalize

from tenku.denoiser import BOX_SIZE, CAMERA_SIZE, POSE_SIZE, TrackConfig, unpack
from tenku.timeline import Tracks, plans
from tenku.timeline.plans import packed_of_plan, plan_latents, smoothed
from tenku.timeline.tracks import tracks_of
from tenku.worlds import Truth, WorldConfig, simulate_clip
from tenku.worlds.camera import CameraPath
from tenku.worlds.physics import Trajectory
from tenku.worlds.render import render
from tenku.worlds.scene import Scene
from tenku.worlds.tracks import setting, track
from tenku.worlds.vocabulary import FLOORS, Floor

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4)


def gliding(num_frames: int, *, azimuth: float, turn: float, nearer: float = 0.0) -> Tensor:
    """The setting (f 21) of a camera that turns and comes nearer evenly, under a lamp that stays."""
    progress = torch.linspace(0, 1, num_frames)
    angle = azimuth + turn * progress
    level = [0.4 + 0 * angle, 4.8 - nearer * progress, 0.5 + 0 * angle]
    lamp = [0.8 * (angle - 1).sin(), 0.8 * (angle - 1).cos(), 0.6 + 0 * angle]
    around = torch.tensor([0, 1.0, 0, 0.2, -0.5, 1, 1.4, 0.3, -0.4, 0.9, -0.1, 0.2, 0.8])
    cameras = torch.stack([angle.sin(), angle.cos(), *level, *lamp], -1)
    return torch.cat([cameras, around.expand(num_frames, -1)], -1)


def some_tracks(num_frames: int = 9) -> Tracks:
    """Two clips of three objects, of which the second clip lacks the last."""
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(2, num_frames, 3, POSE_SIZE, generator=generator)
    poses[..., 2:4] = poses[..., 2:4].abs() + 0.1
    own = normalize(poses[..., 5:8], dim=-1)
    poses[..., 5:8], poses[..., 8:] = own, normalize(torch.linalg.cross(own, poses[..., 8:]), dim=-1)
    looks = torch.zeros(2, 3, 5)
    looks[0, :, [2, 3]] = 1
    looks[1, 0, [0, 4]] = 1
    looks[1, 1, [1, 4]] = 1
    present = torch.tensor([[1.0, 1, 1], [1, 1, 0]])
    # The first camera turns through the angle at which they begin again.
    settings = [
        gliding(num_frames, azimuth=2.9, turn=0.9),
        gliding(num_frames, azimuth=-1.0, turn=0.0, nearer=1),
    ]
    return Tracks(poses * present[:, None, :, None], looks, present, torch.stack(settings))


def parts(tracks: Tracks) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tracks.poses, tracks.looks, tracks.present, tracks.settings


def same(one: Tracks, two: Tracks) -> bool:
    return all(torch.equal(a, b) for a, b in zip(parts(one), parts(two), strict=True))


def tracks_of_plan(latents: Tensor, config: TrackConfig) -> Tracks:
    """The tracks nearest to a planner's latents, along which the camera glides evenly."""
    return plans.gliding(tracks_of(packed_of_plan(latents, config), config))


def alike(one: Tracks, two: Tracks) -> bool:
    """The same but for rounding, one of them perhaps with places where nothing is."""
    objects = min(one.poses.shape[2], two.poses.shape[2])
    for tracks in (one, two):
        assert not tracks.poses[:, :, objects:].any()
        assert not tracks.looks[:, objects:].any()
        assert not tracks.present[:, objects:].any()
    cut = (
        Tracks(t.poses[:, :, :objects], t.looks[:, :objects], t.present[:, :objects], t.settings)
        for t in (one, two)
    )
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*map(parts, cut), strict=True))


@pytest.mark.parametrize("num_frames", [1, 5, 9, 33])
def test_a_plan_of_tracks_is_those_tracks(num_frames: int) -> None:
    tracks = some_tracks(num_frames)
    latents = plan_latents(tracks.packed(CONFIG), CONFIG)
    assert latents.shape == (2, CONFIG.channels, 1 + (num_frames - 1) // 4, 5, 1)
    assert alike(tracks_of_plan(latents, CONFIG), tracks)


@pytest.mark.parametrize("moves", [0.0, 1.0])
def test_a_plan_of_a_simulated_shot_is_that_shot(moves: float) -> None:
    world = WorldConfig(cut_probability=0.0, camera_move_probability=moves)
    for seed in range(8):
        clip = simulate_clip(seed, num_frames=33, height=32, width=32, world=world)
        objects = clip.poses.shape[1]
        looks = torch.tensor([1.0, 0, 0, 1, 0]).expand(1, objects, -1)
        poses, settings = torch.from_numpy(clip.poses)[None], torch.from_numpy(clip.setting)[None]
        tracks = Tracks(poses, looks, torch.ones(1, objects), settings)
        assert alike(tracks_of_plan(plan_latents(tracks.packed(CONFIG), CONFIG), CONFIG), tracks)


def test_a_latent_frame_has_the_poses_of_its_frames() -> None:
    tracks = some_tracks()
    packed = tracks.packed(CONFIG)
    assert packed.shape == (2, CONFIG.channels, 3, 5)
    poses = rearrange(packed[:, 6:, :, :3], "b (f n) t o -> b f n t o", f=4)
    for frame in range(4):
        assert torch.equal(poses[:, frame, :, 0], tracks.poses[:, 0].mT)  # the first frame stands alone
        assert torch.equal(poses[:, frame, :, 1], tracks.poses[:, 1 + frame].mT)
        assert torch.equal(poses[:, frame, :, 2], tracks.poses[:, 5 + frame].mT)
    for t in range(3):
        assert torch.equal(packed[:, 0, t, :3], tracks.present)
        assert torch.equal(packed[:, 1:6, t, :3], tracks.looks.mT)
    assert not packed[..., 3].any()  # there is room for one more


def test_the_last_row_is_the_setting() -> None:
    tracks = some_tracks()
    row = tracks.packed(CONFIG)[..., -1]
    assert (row[:, 0] == 1).all()
    around, cameras = tracks.settings[..., CAMERA_SIZE:], tracks.settings[..., :CAMERA_SIZE]
    assert torch.equal(row[:, 1:14], around[:, [0, 4, 8]].mT)
    found = rearrange(row[:, 14:46], "b (f n) t -> b f n t", f=4)
    for frame in range(4):
        assert torch.equal(found[:, frame], cameras[:, [0, 1 + frame, 5 + frame]].mT)
    assert not row[:, 46:].any()


def test_unpacked_is_what_was_packed() -> None:
    tracks = some_tracks()
    found = unpack(tracks.packed(CONFIG), CONFIG)
    assert torch.equal(found.present[:, 1, :3], tracks.present)
    assert torch.equal(found.looks[:, 1, :3], tracks.looks)
    assert torch.equal(found.poses[:, 1, :3].transpose(1, 2), tracks.poses[:, 1:5])
    assert torch.equal(found.boxes[:, 2, :3].transpose(1, 2), tracks.boxes[:, 5:])
    assert torch.equal(found.known, torch.ones(2, 3))
    assert torch.equal(
        torch.cat([found.cameras[:, 2, -1], found.surroundings[:, 2]], -1), tracks.settings[:, -1]
    )


def test_what_is_not_there_packs_to_nothing() -> None:
    tracks = some_tracks()
    ones = (torch.ones_like(tracks.poses), torch.ones_like(tracks.looks))
    packed = Tracks(*ones, tracks.present, tracks.settings).packed(CONFIG)
    assert packed[0, :50, :, :3].all()
    assert packed[1, :50, :, :2].all()
    assert not packed[1, :, :, 2:4].any()


def test_objects_keep_their_rows() -> None:
    tracks, present = some_tracks(), torch.tensor([[0.0, 1, 1], [0, 1, 0]])
    packed = Tracks(tracks.poses, tracks.looks, present, tracks.settings).packed(CONFIG)
    everything = tracks.packed(CONFIG)
    assert torch.equal(packed[0, :, :, 1:3], everything[0, :, :, 1:3])
    assert torch.equal(packed[1, :, :, 1], everything[1, :, :, 1])
    assert packed[:, 0, 0].tolist() == [[0, 1, 1, 0, 1], [0, 1, 0, 0, 1]]
    assert not packed[0, :, :, 0].any()


def two_shots(of_each: int = 4) -> Tracks:
    """Nine frames with a cut before the sixth, each shot with objects of its own, numbered in x."""
    poses = torch.zeros(1, 9, 2 * of_each, POSE_SIZE)
    poses[:, :5, :of_each, 2:] = poses[:, 5:, of_each:, 2:] = 0.5
    poses[..., 0] = (1 + torch.arange(2 * of_each)) * (poses[..., 2] > 0)
    looks = torch.zeros(1, 2 * of_each, 5)
    looks[:, :of_each, 0] = looks[:, of_each:, 1] = looks[..., 3] = 1
    settings = torch.cat([gliding(5, azimuth=0, turn=1), gliding(4, azimuth=2, turn=0)])
    settings[5:, -1] = 7
    return Tracks(poses, looks, torch.ones(1, 2 * of_each), settings[None])


def test_eight_objects_of_two_shots_fold_to_four_rows() -> None:
    packed = two_shots().packed(CONFIG)
    assert packed.shape == (1, CONFIG.channels, 3, 5)
    found = unpack(packed, CONFIG)
    assert found.present.all()
    for t, objects in ((0, [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (2, [5, 6, 7, 8])):
        assert found.poses[0, t, :, 0, 0].tolist() == objects
        assert found.poses[0, t, :, 3, 0].tolist() == objects
        assert (found.looks[0, t, :, 0] == 1).all() == (t < 2)
        assert (found.looks[0, t, :, 1] == 1).all() == (t == 2)
    assert (found.surroundings[0, :, -1] == 7).tolist() == [False, False, True]
    assert torch.equal(found.cameras[0, 2], two_shots().settings[0, 5:, :CAMERA_SIZE])


def test_those_that_find_no_room_are_the_last_of_a_shot() -> None:
    found = unpack(two_shots(3).packed(replace(CONFIG, max_objects=2)), CONFIG)
    assert found.poses[0, :, :, 0, 0].tolist() == [[1, 2], [1, 2], [4, 5]]


def test_what_is_in_another_shot_is_not_there() -> None:
    tracks = some_tracks(9)
    tracks.poses[0, 5:, 1] = 0  # the second object leaves with a cut on frame 5, where a latent frame begins
    packed = tracks.packed(CONFIG)
    assert packed[0, 0].tolist() == [[1, 1, 1, 0, 1], [1, 1, 1, 0, 1], [1, 0, 1, 0, 1]]
    assert torch.equal(packed[0, 6:, 2, 2], tracks.poses[0, 5:, 2].flatten())
    assert not packed[0, :, 2, [1, 3]].any()


def bend(values: Tensor) -> float:
    """How far values (b f) are from a straight line."""
    return values.diff(n=2, dim=1).abs().max().item()


def unwrapped(sin: Tensor, cos: Tensor) -> Tensor:
    return torch.from_numpy(np.unwrap(torch.atan2(sin, cos).numpy(), axis=1))


def test_a_noisy_plan_still_says_what_there_is() -> None:
    tracks = some_tracks(33)
    latents = plan_latents(tracks.packed(CONFIG), CONFIG)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    found = tracks_of_plan(latents + 0.1 * noise, CONFIG)
    plain = tracks_of_plan(latents, CONFIG)
    assert torch.equal(found.looks, plain.looks)
    assert torch.equal(found.present, plain.present)
    assert not found.poses[1, :, 2:].any()
    assert 0.1 < (found.boxes - plain.boxes).abs().max() < 0.6
    # Four columns tell of the first frame, one of each other.
    error = (found.boxes - plain.boxes)[:, :, 0].square().mean((0, 2)).sqrt()
    assert error[0] < 0.1
    assert torch.equal(found.settings[..., 8:11], plain.settings[..., 8:11])  # one floor, not a mixture


def axes(poses: Tensor) -> Tensor:
    return rearrange(poses[..., BOX_SIZE:], "... (two n) -> ... two n", n=3)


def test_axes_of_a_noisy_plan_are_axes() -> None:
    latents = plan_latents(some_tracks(33).packed(CONFIG), CONFIG)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
    found = axes(tracks_of_plan(latents + 0.1 * noise, CONFIG).poses[0, :, :3])
    assert torch.allclose(found @ found.mT, torch.eye(2), atol=1e-5)
    assert ((found * axes(some_tracks(33).poses[0])).sum(-1) > 0.8).all()


def test_the_camera_of_a_noisy_plan_glides() -> None:
    tracks = some_tracks(33)
    latents = plan_latents(tracks.packed(CONFIG), CONFIG)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(3))
    sin, cos, *level, right, ahead, up = (
        tracks_of_plan(latents + 0.2 * noise, CONFIG).settings[..., :8].unbind(-1)
    )
    azimuth, lamp = unwrapped(sin, cos), unwrapped(right, ahead)
    assert torch.allclose(sin.square() + cos.square(), torch.ones(2, 33), atol=1e-5)
    for even in (azimuth, *level, lamp, up):
        assert bend(even) < 1e-4
    assert torch.allclose(azimuth[:, -1] - azimuth[:, 0], torch.tensor([0.9, 0.0]), atol=0.15)
    assert torch.allclose(level[1][:, -1] - level[1][:, 0], torch.tensor([0.0, -1.0]), atol=0.15)
    # The lamp stays in the world, so it turns with the camera as that sees it.
    assert bend(lamp - azimuth) < 1e-4
    assert torch.allclose(lamp - azimuth, (lamp - azimuth)[:, :1].expand(-1, 33), atol=1e-4)
    for part in (level[0], level[2], up, right.square() + ahead.square()):  # what stays the same
        assert torch.allclose(part, part[:, :1].expand(-1, 33), atol=1e-5)


def test_a_plan_may_waver_as_its_camera_turns_all_around() -> None:
    """Angles are taken apart before the line is laid: their sines and cosines are no line."""
    settings = gliding(33, azimuth=0.3, turn=-5.0)[None]
    tracks = Tracks(torch.zeros(1, 33, 0, POSE_SIZE), torch.zeros(1, 0, 5), torch.zeros(1, 0), settings)
    found = tracks_of_plan(plan_latents(tracks.packed(CONFIG), CONFIG), CONFIG)
    assert torch.allclose(found.settings, settings, atol=1e-4)
    assert not found.present.any()


@pytest.mark.parametrize(("sure", "there"), [(0.45, False), (0.55, True)])
def test_an_object_is_there_or_not(sure: float, there: bool) -> None:
    tracks = some_tracks()
    latents = plan_latents(tracks.packed(CONFIG), CONFIG)
    latents[:, 0] *= sure
    found = tracks_of_plan(latents, CONFIG)
    assert alike(found, tracks_of_plan(plan_latents(tracks.packed(CONFIG), CONFIG), CONFIG)) == there
    assert torch.allclose(found.settings, tracks.settings, atol=1e-5)
    if not there:
        assert not any(part.any() for part in (found.present, found.poses, found.looks))


def test_mirrored_twice_is_the_same() -> None:
    tracks = some_tracks()
    mirrored = tracks.mirrored()
    assert same(mirrored.mirrored(), tracks)
    assert torch.equal(mirrored.boxes[..., 0], -tracks.boxes[..., 0])
    assert torch.equal(mirrored.boxes[..., 1:], tracks.boxes[..., 1:])
    assert not torch.equal(mirrored.settings, tracks.settings)


def test_only_the_chosen_are_mirrored() -> None:
    tracks = some_tracks()
    some, every = tracks.mirrored(torch.tensor([False, True])), tracks.mirrored()
    for found, plain, mirrored in zip(*map(parts, (some, tracks, every)), strict=True):
        assert torch.equal(found[0], plain[0])
        assert torch.equal(found[1], mirrored[1])
    assert same(tracks, some_tracks())  # it has not been written over


def reflected(truth: Truth) -> tuple[Scene, Trajectory]:
    """A shot in the world reflected at the diagonal of its floor."""
    scene, trajectory = truth.scene, truth.trajectory
    x, y, z = scene.light.direction
    start, end = (
        replace(pose, azimuth=np.pi / 2 - pose.azimuth) for pose in (scene.camera.start, scene.camera.end)
    )
    swap = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    return (
        replace(
            scene, light=replace(scene.light, direction=(y, x, z)), camera=CameraPath(start=start, end=end)
        ),
        replace(
            trajectory,
            positions=trajectory.positions @ swap,
            # Every solid is its own mirror image, at the plane of its own axis and the one across.
            rotations=swap @ trajectory.rotations @ np.diag([1.0, -1.0, 1.0]),
        ),
    )


def test_mirrored_tracks_are_those_of_a_mirrored_world() -> None:
    world = WorldConfig(cut_probability=0.0, camera_move_probability=0.7)
    for seed in range(20):
        truth = simulate_clip(seed, num_frames=9, height=32, width=48, world=world, with_truth=True).truth
        assert truth is not None
        plain, expected = (
            Tracks(
                torch.from_numpy(track(scene, trajectory, 1.5))[None],
                torch.zeros(1, len(scene.objects), 5),
                torch.ones(1, len(scene.objects)),
                torch.from_numpy(setting(scene, 9, 1.5))[None],
            )
            for scene, trajectory in ((truth.scene, truth.trajectory), reflected(truth))
        )
        assert torch.allclose(plain.mirrored().poses, expected.poses, atol=1e-5)
        assert torch.allclose(plain.mirrored().settings, expected.settings, atol=1e-5)


@pytest.mark.parametrize("floor", FLOORS)
def test_the_floor_of_a_mirrored_world_is_the_mirrored_floor(floor: Floor) -> None:
    """But for one of planks, which run along an axis of the world: such clips are not mirrored."""
    world = WorldConfig(floors={floor: 1.0}, object_counts={2: 1.0})
    for seed in range(4):
        clip = simulate_clip(seed, num_frames=2, height=64, width=96, world=world, with_truth=True)
        assert clip.truth is not None
        rendering = render(*reflected(clip.truth), 96, 64)
        nothing = (rendering.segmentation < 0) & (clip.truth.segmentation[:, :, ::-1] < 0)
        difference = np.abs(rendering.frames.astype(float) - clip.frames[:, :, ::-1])[nothing]
        assert nothing.mean() > 0.5
        assert (np.quantile(difference, 0.95) < 2) == (floor != "wooden")


@pytest.mark.parametrize(("aspect", "wide", "tall"), [(1.0, 1, 1), (1.6, 1.6, 1), (0.5, 1, 2)])
def test_places_are_spread_along_the_longer_side(aspect: float, wide: float, tall: float) -> None:
    tracks = some_tracks()
    spread = tracks.spread(aspect)
    assert torch.allclose(spread.poses[..., 0], wide * tracks.poses[..., 0])
    assert torch.allclose(spread.poses[..., 1], tall * tracks.poses[..., 1])
    assert torch.equal(spread.poses[..., 2:], tracks.poses[..., 2:])
    assert torch.equal(spread.looks, tracks.looks)
    assert torch.equal(spread.present, tracks.present)
    assert torch.equal(spread.settings, tracks.settings)


def test_boxes_share_the_memory_of_poses() -> None:
    tracks = some_tracks()
    tracks.boxes[..., 0] += 0.5
    assert torch.allclose(tracks.poses[..., 0], some_tracks().poses[..., 0] + 0.5)
    assert tracks.boxes.shape[-1] == BOX_SIZE


@pytest.mark.parametrize(
    ("poses", "looks", "present", "settings"),
    [
        ((2, 5, 3, 5), (2, 3, 5), (2, 3), (2, 5, 21)),
        ((2, 5, 3, 11), (2, 4, 5), (2, 3), (2, 5, 21)),
        ((2, 5, 3, 11), (2, 3, 5), (1, 3), (2, 5, 21)),
        ((2, 5, 3, 11), (2, 3, 5), (2, 3), (2, 4, 21)),
        ((2, 5, 3, 11), (2, 3, 5), (2, 3), (2, 5, 8)),
    ],
)
def test_what_does_not_belong_together(
    poses: tuple[int, ...], looks: tuple[int, ...], present: tuple[int, ...], settings: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        Tracks(*(torch.zeros(shape) for shape in (poses, looks, present, settings)))


def test_smoothing_keeps_parabolas_and_takes_noise_away() -> None:
    tracks = some_tracks(33)
    time = torch.linspace(-1, 1, 33)[None, :, None]
    poses = tracks.poses.clone()
    for place in range(BOX_SIZE):
        poses[..., place] = 0.3 * place - 0.5 * time + 0.8 * time**2
    poses[..., 5:] = torch.tensor([0.0, 1, 0, 1, 0, 0])
    poses *= tracks.present[:, None, :, None]
    thrown = replace(tracks, poses=poses)
    inside = slice(3, -3)  # at its ends motion goes on evenly
    assert torch.allclose(smoothed(thrown).poses[:, inside], poses[:, inside], atol=1e-5)
    noise = 0.05 * torch.randn(poses.shape, generator=torch.Generator().manual_seed(0))
    noisy = replace(tracks, poses=poses + noise * (poses != 0))
    left = (smoothed(noisy).poses - poses)[:, inside, ..., :BOX_SIZE].std()
    assert left < 0.65 * (noisy.poses - poses)[:, inside, ..., :BOX_SIZE].std()


def test_smoothing_is_exact_under_autocast_and_leaves_what_is_not_there() -> None:
    tracks = some_tracks(33)
    smooth = smoothed(tracks)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(smoothed(tracks).poses, smooth.poses)
    there = smooth.poses[0]
    assert torch.allclose(there[..., 5:8].norm(dim=-1), torch.ones(33, 3), atol=1e-5)
    assert torch.allclose((there[..., 5:8] * there[..., 8:]).sum(-1), torch.zeros(33, 3), atol=1e-5)
    assert not smooth.poses[1, :, 2].any()
    assert same(replace(smooth, poses=tracks.poses), tracks)


def test_few_frames_are_not_smoothed() -> None:
    assert same(smoothed(some_tracks(5)), some_tracks(5))


def test_unseen_is_what_lies_behind_something_nearer() -> None:
    poses = torch.zeros(1, 1, 3, POSE_SIZE)
    poses[0, 0, 0, :5] = torch.tensor([0.0, 0.0, 0.4, 0.4, 0.2])
    poses[0, 0, 1, :5] = torch.tensor([0.1, 0.0, 0.4, 0.4, 0.0])  # nearer, over three quarters of the first
    looks, settings = torch.zeros(1, 3, 5), torch.zeros(1, 1, CAMERA_SIZE + 13)
    both = Tracks(poses, looks, torch.tensor([[1.0, 1, 0]]), settings)
    assert both.unseen().item() == pytest.approx(0.75**2, abs=1e-5)
    alone = Tracks(poses, looks, torch.tensor([[1.0, 0, 0]]), settings)
    assert alone.unseen().item() == 0
    apart = poses.clone()
    apart[0, 0, 1, 0] = 0.5
    assert Tracks(apart, looks, both.present, settings).unseen().item() == 0


def test_unseen_is_what_ends_outside_the_frame() -> None:
    poses = torch.zeros(2, 8, 1, POSE_SIZE)
    poses[..., 2:4] = 0.3
    poses[0, :4, 0, 0] = -1.5  # comes in
    poses[1, 6:, 0, 1] = 1.2  # leaves downwards for a quarter of the time
    tracks = Tracks(poses, torch.zeros(2, 1, 5), torch.ones(2, 1), torch.zeros(2, 8, CAMERA_SIZE + 13))
    assert tracks.unseen().tolist() == [0.0, 0.5]


def test_one_of_a_batch_is_alone() -> None:
    tracks = some_tracks()
    assert all(torch.equal(a, b[1:]) for a, b in zip(parts(tracks.one(1)), parts(tracks), strict=True))
