"""Footage that begins in the middle of a timeline: of the latent frame at its joint the last is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tenku.denoiser import CAMERA_SIZE, TrackConfig
from tenku.timeline import Known, Tracks
from tenku.timeline.plans import _with_joints, finished, plan_latents

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2)
JOINT = 6  # of nine latent frames: two are known before the gap, two after the joint


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


def joined(tracks: Tracks, *, continued: bool = False, joint: int = JOINT) -> Known:
    """Known but for a gap that ends in a joint, whose first three frames are not true."""
    packed = tracks.packed(CONFIG, continued=continued)
    floor = torch.zeros(1, packed.shape[2], 3)
    floor[:, 2 : joint + 1] = 1
    packed[:, :, 2:joint] = 0
    packed[:, 6 : 6 + 3 * 11, joint, :2] = 7.0
    packed[:, 14 : 14 + 3 * CAMERA_SIZE, joint, 2] = 7.0
    return Known(packed, floor, (joint,))


def planned(plan: Tracks, around: Known, *, continued: bool = False) -> Tracks:
    packed = plan.packed(CONFIG, continued=continued)
    return finished(plan_latents(packed, CONFIG), CONFIG, around, continued=continued)


def last_of(joint: int, *, continued: bool) -> int:
    """The last frame of a latent one."""
    return 4 * joint + 3 if continued else 4 * joint


def azimuths(tracks: Tracks) -> Tensor:
    angle = torch.atan2(tracks.settings[0, :, 0], tracks.settings[0, :, 1])
    steps = torch.remainder(angle.diff() + math.pi, 2 * math.pi) - math.pi
    return torch.cat([angle[:1], angle[:1] + steps.cumsum(0)])


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
