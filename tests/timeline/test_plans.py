"""What is made of a plan around what is known: it agrees with that, and joins it without a jump."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tenku.denoiser import BOX_SIZE, CAMERA_SIZE, SETTING_SIZE, TrackConfig
from tenku.timeline import Known, Tracks
from tenku.timeline.plans import _with_joints, carried, finished, plan_latents, smoothed

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2)
GAP = slice(3, 6)  # of nine latent frames
GAP_FRAMES = slice(9, 21)  # of 33 frames


def moving(
    num_frames: int = 33, *, start: float = -0.8, turn: float = 0.0, azimuth: float = 0.6, there: int = 2
) -> Tracks:
    """Things that move to the right evenly, under a camera that turns evenly."""
    time = torch.arange(num_frames) / 32
    poses = torch.zeros(1, num_frames, 2, 11)
    poses[0, :, :, 0] = start + time[:, None] * torch.tensor([1.0, 0.5])
    poses[..., 2:5] = torch.tensor([0.4, 0.3, 0.1])
    poses[..., 6] = poses[..., 10] = 1
    looks = torch.tensor([[[1.0, 0, 0, 0, 1], [0, 0, 1, 1, 0]]])
    angle = azimuth + turn * time
    lamp = [0.8 * (angle - 1).sin(), 0.8 * (angle - 1).cos(), 0.6 + 0 * angle]
    level = [0.44 + 0 * angle, 4.7 + 0 * angle, 0.5 + 0 * angle]
    cameras = torch.stack([angle.sin(), angle.cos(), *level, *lamp], -1)
    around = torch.tensor([0, 1.0, 0, *torch.linspace(-1, 1, 10)]).expand(num_frames, -1)
    present = torch.tensor([[1.0, 1.0]])
    present[:, there:] = 0
    settings = torch.cat([cameras, around], -1)[None]
    return Tracks(poses * present[:, None, :, None], looks * present[..., None], present, settings)


def known(tracks: Tracks, gap: slice = GAP, *, continued: bool = False) -> Known:
    packed = tracks.packed(CONFIG, continued=continued)
    floor = torch.zeros(1, packed.shape[2], 3)
    floor[:, gap] = 1
    return Known(packed, floor)


def planned(plan: Tracks, around: Known, *, continued: bool = False) -> Tracks:
    return finished(
        plan_latents(plan.packed(CONFIG, continued=continued), CONFIG), CONFIG, around, continued=continued
    )


def azimuths(tracks: Tracks) -> Tensor:
    """How far the camera has turned (f), without jumps."""
    angle = torch.atan2(tracks.settings[0, :, 0], tracks.settings[0, :, 1])
    steps = torch.remainder(angle.diff() + math.pi, 2 * math.pi) - math.pi
    return torch.cat([angle[:1], angle[:1] + steps.cumsum(0)])


def test_rows_are_held_for_all_frames_of_a_latent_one() -> None:
    floor = torch.tensor([[[0.0, 1.0], [0.5, 0.0]]])
    held = Known(torch.zeros(1, 3, 2, 2), floor).held(4)
    assert held.tolist() == [[True, False]] * 4 + [[False, True]] * 4


@pytest.mark.parametrize("gap", [slice(0, 3), GAP, slice(6, 9), slice(1, 8), slice(4, 5)])
@pytest.mark.parametrize("continued", [False, True])
def test_what_is_known_stays(gap: slice, continued: bool) -> None:
    frames = 36 if continued else 33
    truth, plan = moving(frames, turn=0.5), moving(frames, start=0.3, turn=-1, azimuth=0.0)
    around = known(truth, gap, continued=continued)
    found = planned(plan, around, continued=continued).packed(CONFIG, continued=continued)
    held = (around.floor[:, None] == 0).expand_as(found)
    assert torch.allclose(found[held], around.packed[held], atol=1e-5)
    assert not torch.allclose(found[~held], around.packed[~held], atol=0.1)


def test_a_row_may_be_known_alone() -> None:
    around = known(moving(), slice(0, 9))
    around.floor[:, :, 0] = 0
    found, plan = planned(moving(start=0.3), around), moving(start=0.3)
    assert torch.allclose(found.poses[:, :, 0], moving().poses[:, :, 0], atol=1e-5)
    assert torch.allclose(found.poses[:, :, 1], plan.poses[:, :, 1], atol=1e-5)


@pytest.mark.parametrize("off", [0.3, -1.0])
def test_things_come_out_of_a_gap_without_a_jump(off: float) -> None:
    """The plan lies beside what is known on both sides, by `off` in one frame."""
    found = planned(moving(start=-0.8 + off), known(moving()))
    steps = found.poses[0, :, 0, 0].diff() - 1 / 32
    assert steps.abs().max() < 0.5 * abs(off)
    middle = found.poses[0, 14:16, 0, 0] - moving().poses[0, 14:16, 0, 0]
    assert torch.allclose(middle, torch.tensor(off), atol=0.25 * abs(off))  # and the plan is followed between


@pytest.mark.parametrize("gap", [slice(0, 3), slice(6, 9)])
def test_things_set_off_and_go_on_without_a_jump(gap: slice) -> None:
    steps = planned(moving(start=0.2), known(moving(), gap)).poses[0, :, 0, 0].diff() - 1 / 32
    assert steps.abs().max() < 0.5
    assert steps.abs().sum() == pytest.approx(1, abs=0.5)  # at last it is where the plan says


def test_of_what_is_known_nothing_is_smoothed_away() -> None:
    tracks = moving()
    shaken = replace(tracks, poses=tracks.poses + 0.1 * (torch.arange(33) % 2)[:, None, None])
    held = torch.zeros(33, 2, dtype=torch.bool)
    held[:9], held[21:, 0] = True, True
    found = smoothed(shaken, held).poses[..., :BOX_SIZE]
    assert torch.equal(found[0, held], shaken.poses[0, held][:, :BOX_SIZE])
    assert found[0, 21:, 1].diff(n=2, dim=0).abs().max() < 0.1  # which 0.1 up and down has 0.4 of


def test_no_rows_held_is_as_if_nothing_were() -> None:
    tracks = moving()
    held = torch.zeros(33, 2, dtype=torch.bool)
    assert torch.equal(smoothed(tracks, held).poses, smoothed(tracks).poses)


def test_what_something_is_it_is_all_along() -> None:
    plan = moving(start=-0.8)
    plan.looks[:] = plan.looks.flip(1)
    plan.settings[..., CAMERA_SIZE:] = plan.settings[..., CAMERA_SIZE:].flip(-1)
    found = planned(plan, known(moving()))
    assert torch.equal(found.looks, moving().looks)
    assert torch.equal(found.present, torch.ones(1, 2))
    assert torch.allclose(found.settings[..., CAMERA_SIZE:], moving().settings[..., CAMERA_SIZE:])


def test_what_is_known_not_to_be_there_does_not_come() -> None:
    found = planned(moving(), known(moving(there=1)))
    assert found.present.tolist() == [[1, 0]]
    assert not found.poses[:, :, 1].any()


def test_with_room_it_may_come() -> None:
    around = known(moving(there=1), slice(5, 9)).with_room()
    assert around.floor[0, :, 0].tolist() == [0.0] * 5 + [1.0] * 4
    assert around.floor[0, :, 1].tolist() == [1.0] * 9
    assert around.floor[0, :, 2].tolist() == [0.0] * 5 + [1.0] * 4  # the setting
    assert planned(moving(), around).present.tolist() == [[1, 1]]


def test_what_is_in_the_first_picture_does_not_vanish_beside_it() -> None:
    """Nor is it in the last one: what a row is known to be in one latent frame, it is in all of them."""
    around = known(moving(there=2), slice(1, 8))
    around.packed[:, :, -1, 1] = 0
    assert planned(moving(), around).present.tolist() == [[1, 1]]


def test_things_are_what_is_known_of_them_at_any_time() -> None:
    around = known(moving(), slice(0, 8))
    around.packed[:, :, :8] = 7
    things = around.things(CONFIG)
    assert torch.equal(things[0], torch.ones(2))
    assert torch.equal(things[1:], moving().looks[0].mT)


# The camera


@pytest.mark.parametrize("turn", [0.0, 0.9, -2.0])
@pytest.mark.parametrize("gap", [slice(0, 3), GAP, slice(6, 9)])
def test_the_camera_glides_on(turn: float, gap: slice) -> None:
    """A plan that turns as fast but elsewhere, and shakes, is brought to what is known."""
    plan = moving(turn=turn, azimuth=0.9)
    plan.settings[..., 2:5] += 0.3
    shake = 0.05 * torch.randn(33, generator=torch.Generator().manual_seed(0))
    plan.settings[0, :, :5] += shake[:, None]
    found = planned(plan, known(moving(turn=turn), gap))
    turned = azimuths(found)
    assert turned.diff(n=2).abs().max() < 0.06  # 0.3 to the plan, and twice that back, would be a jump
    sin, cos = found.settings[0, :, :2].unbind(-1)
    assert torch.allclose(sin.square() + cos.square(), torch.ones(33), atol=1e-5)
    for number in (2, 4):  # what does not change in what is known
        assert torch.allclose(found.settings[0, :, number], moving().settings[0, :, number], atol=1e-5)
    if gap == GAP:
        assert torch.allclose(turned, azimuths(moving(turn=turn)), atol=1e-4)
    lamp = torch.atan2(found.settings[0, :, 5], found.settings[0, :, 6]) - turned
    assert torch.allclose(lamp.sin(), torch.tensor(-1.0).sin(), atol=1e-4)  # it stays in the world


def test_the_camera_goes_from_one_known_place_to_the_other() -> None:
    truth = moving()
    truth.settings[:, 21:, 3] += 1.2  # it has come no nearer, but gone
    found = planned(moving(), known(truth)).settings[0, :, 3]
    assert torch.allclose(found[8:22].diff(), torch.tensor(1.2 / 13).expand(13), atol=1e-5)


def test_the_camera_goes_through_the_angle_where_they_begin_again() -> None:
    truth = moving(azimuth=2.9, turn=0.8)
    found = planned(truth, known(truth))
    assert torch.allclose(found.settings, truth.settings, atol=1e-4)


def test_a_camera_that_stands_still_on_both_sides_does_not_turn_all_around() -> None:
    plan = moving()
    strays = torch.linspace(0.6, 0.6 + 2 * math.pi, 12)
    plan.settings[0, GAP_FRAMES, 0], plan.settings[0, GAP_FRAMES, 1] = strays.sin(), strays.cos()
    found = planned(plan, known(moving()))
    assert torch.allclose(found.settings[..., :2], moving().settings[..., :2], atol=1e-4)


def test_with_nothing_known_it_is_a_plan_like_any_other() -> None:
    plan = moving(turn=0.5)
    found = finished(plan_latents(plan.packed(CONFIG), CONFIG), CONFIG, None, continued=False)
    assert torch.allclose(found.poses, plan.poses, atol=1e-4)
    assert torch.allclose(found.settings, plan.settings, atol=1e-4)


# The next shot

NAMED = TrackConfig(look_sizes=(2, 2, 3, 1), frames_per_latent=4, max_objects=2)
COLOUR_AND_SHAPE = (1.0, 0, 0, 1)


def shot(material: int, *, shape: tuple[float, ...] = COLOUR_AND_SHAPE, floor: int = 0) -> Tracks:
    tracks = moving(9, there=1)
    looks = torch.zeros(1, 2, 8)
    looks[0, 0, :4], looks[0, 0, 4 + material], looks[0, 0, 7] = torch.tensor(shape), 1, 1
    tracks.settings[..., CAMERA_SIZE : CAMERA_SIZE + 3] = torch.eye(3)[floor]
    tracks.settings[..., CAMERA_SIZE + 3 :] = 0.1 * material
    return replace(tracks, looks=looks)


def open_looks(*, material: bool = True, floor: bool = True) -> Tensor:
    """What the text says all of, but what is open (c o)."""
    open_looks = torch.zeros(1 + max(NAMED.look_channels, SETTING_SIZE - CAMERA_SIZE), 3, dtype=torch.bool)
    open_looks[5:8, :2], open_looks[1:4, 2] = material, floor
    return open_looks


def test_the_same_thing_is_of_the_same_material_in_the_next_shot() -> None:
    before = shot(2, floor=1).packed(NAMED)[:, :, -1:]
    found = carried(shot(0), before, open_looks(), NAMED)
    assert torch.equal(found.looks, shot(2).looks)
    assert torch.equal(found.settings[..., CAMERA_SIZE:], shot(2, floor=1).settings[..., CAMERA_SIZE:])
    assert torch.equal(found.settings[..., :CAMERA_SIZE], shot(0).settings[..., :CAMERA_SIZE])
    assert torch.equal(found.poses, shot(0).poses)


def test_what_the_text_says_of_the_next_shot_holds() -> None:
    before = shot(2, floor=1).packed(NAMED)[:, :, -1:]
    plain = shot(0)
    found = carried(plain, before, open_looks(material=False, floor=False), NAMED)
    assert torch.equal(found.looks, plain.looks)
    assert torch.equal(found.settings, plain.settings)


def test_another_thing_is_of_its_own_material() -> None:
    before = shot(2, shape=(0, 1, 0, 1)).packed(NAMED)[:, :, -1:]
    assert torch.equal(carried(shot(0), before, open_looks(), NAMED).looks, shot(0).looks)


def test_things_of_another_world_are_carried_or_left_alone() -> None:
    tracks = moving(9)
    channels = 1 + max(CONFIG.look_channels, SETTING_SIZE - CAMERA_SIZE)
    carried(tracks, tracks.packed(CONFIG)[:, :, -1:], torch.ones(channels, 3, dtype=torch.bool), CONFIG)


# Joints: of a latent frame in which footage begins in the middle of a timeline, the last frame is known.

JOINT = 6  # of nine latent frames: two are known before the gap, two after the joint


def joined(tracks: Tracks, *, continued: bool = False, joint: int = JOINT) -> Known:
    """Known but for a gap that ends in a joint, whose first three frames are not true."""
    packed = tracks.packed(CONFIG, continued=continued)
    floor = torch.zeros(1, packed.shape[2], 3)
    floor[:, 2 : joint + 1] = 1
    packed[:, :, 2:joint] = 0
    packed[:, 6 : 6 + 3 * 11, joint, :2] = 7.0
    packed[:, 14 : 14 + 3 * CAMERA_SIZE, joint, 2] = 7.0
    return Known(packed, floor, (joint,))


def last_of(joint: int, *, continued: bool) -> int:
    """The last frame of a latent one."""
    return 4 * joint + 3 if continued else 4 * joint


@pytest.mark.parametrize("joint", [3, JOINT, 7])
@pytest.mark.parametrize("continued", [False, True])
def test_the_last_frame_of_a_joint_is_exactly_as_it_is_known(joint: int, continued: bool) -> None:
    frames = 36 if continued else 33
    truth, plan = moving(frames, turn=0.5), moving(frames, start=0.3, turn=-1, azimuth=0.0)
    found = planned(plan, joined(truth, continued=continued, joint=joint), continued=continued)
    last = last_of(joint, continued=continued)
    known = [*range(last_of(1, continued=continued) + 1), *range(last, frames)]
    assert torch.allclose(found.poses[:, known], truth.poses[:, known], atol=1e-5)
    cameras = slice(0, CAMERA_SIZE)
    assert torch.allclose(found.settings[:, known, cameras], truth.settings[:, known, cameras], atol=1e-5)
    assert not torch.allclose(found.poses[:, last - 4], truth.poses[:, last - 4], atol=0.1)


def test_only_the_last_frame_of_a_joint_is_held() -> None:
    held = joined(moving()).held(4)
    open_frames = [row for row in range(36) if not held[row].any()]
    assert open_frames == list(range(2 * 4, JOINT * 4 + 3))
    assert held[JOINT * 4 + 3].all()


def test_what_is_not_seen_at_a_joint_is_not_held_there() -> None:
    around = joined(moving(there=1))
    assert around.held(4)[JOINT * 4 + 3].tolist() == [True, False, True]
    around.packed[:, 0, JOINT, 2] = 0  # nobody knows the camera either
    assert around.held(4)[JOINT * 4 + 3].tolist() == [True, False, False]


def test_without_a_joint_its_frame_is_free() -> None:
    around = replace(joined(moving()), joints=())
    assert not around.held(4)[JOINT * 4 + 3].any()
    found = planned(moving(start=0.3), around)
    assert not torch.allclose(found.poses[:, 4 * JOINT], moving().poses[:, 4 * JOINT], atol=0.01)


@pytest.mark.parametrize("off", [0.3, -1.0])
def test_things_come_to_a_joint_without_a_jump(off: float) -> None:
    found = planned(moving(start=-0.8 + off), joined(moving()))
    steps = found.poses[0, :, 0, 0].diff() - 1 / 32
    assert steps.abs().max() < 0.5 * abs(off)
    assert steps[4 * JOINT :].abs().max() < 1e-5  # and go on as is known
    assert found.poses.abs().max() < 3  # nothing is made of the frames that are not known


@pytest.mark.parametrize("turn", [0.0, 0.9, -2.0])
def test_the_camera_glides_to_a_joint(turn: float) -> None:
    found = planned(moving(turn=turn, azimuth=0.9), joined(moving(turn=turn)))
    assert torch.allclose(azimuths(found), azimuths(moving(turn=turn)), atol=1e-4)
    assert torch.allclose(found.settings[..., 2:5], moving().settings[..., 2:5], atol=1e-5)


def test_joints_set_what_is_seen_in_their_last_frame_alone() -> None:
    truth, plan = moving(turn=0.5), moving(start=0.3, turn=-1)
    around = joined(truth)
    around.packed[:, :, JOINT, 1] = 0  # the second thing is not seen there
    before = plan.packed(CONFIG)
    kept = before.clone()
    found = _with_joints(before, around, CONFIG)
    assert torch.equal(before, kept)
    changed = (found != before)[0]
    assert changed.any(0).nonzero().tolist() == [[JOINT, 0], [JOINT, 2]]
    pose, camera = slice(6 + 33, 6 + 44), slice(14 + 3 * CAMERA_SIZE, 14 + 4 * CAMERA_SIZE)
    assert torch.equal(found[:, pose, JOINT, 0], around.packed[:, pose, JOINT, 0])
    assert torch.equal(found[:, camera, JOINT, 2], around.packed[:, camera, JOINT, 2])
    for channels, row in ((pose, 0), (camera, 2)):
        rest = changed[:, JOINT, row].clone()
        rest[channels] = False
        assert not rest.any()


def test_a_setting_that_is_not_known_at_a_joint_is_planned() -> None:
    around = joined(moving(turn=0.5))
    around.packed[:, :, JOINT, 2] = 0
    plan = moving(start=0.3, turn=-1)
    found = _with_joints(plan.packed(CONFIG), around, CONFIG)
    assert torch.equal(found[..., 2], plan.packed(CONFIG)[..., 2])


def test_there_may_be_several_joints() -> None:
    truth = moving(turn=0.5)
    packed = truth.packed(CONFIG)
    floor = torch.ones(1, 9, 3)
    floor[:, [4, 8]] = 0
    found = planned(moving(start=0.3), Known(packed, floor, (3, 7)))
    for frame in (12, 13, 16, 28, 29, 32):
        assert torch.allclose(found.poses[:, frame], truth.poses[:, frame], atol=1e-5)
        cameras = slice(0, CAMERA_SIZE)
        assert torch.allclose(found.settings[:, frame, cameras], truth.settings[:, frame, cameras], atol=1e-5)
    assert not torch.allclose(found.poses[:, 22], truth.poses[:, 22], atol=0.1)


@pytest.mark.parametrize("there", [1, 2])
def test_what_is_seen_at_a_joint_is_what_it_is_all_along(there: int) -> None:
    """Though nothing after it is in view, as when 16 latent frames are put before a clip."""
    truth, plan = moving(turn=0.5), moving(start=0.3, there=there)
    plan.looks[:] = plan.looks.flip(1)
    found = planned(plan, Known(truth.packed(CONFIG), torch.ones(1, 9, 3), (8,)))
    assert torch.equal(found.looks, truth.looks)
    assert torch.allclose(found.poses[:, -1], truth.poses[:, -1], atol=1e-5)
