"""Groups of frames that begin in the middle of other groups."""

import torch

from tenku.denoiser import BOX_SIZE, CAMERA_SIZE, POSE_SIZE, SETTING_SIZE, TrackConfig, unpack
from tenku.timeline import Tracks, going_on, staggered

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2)


def counted(num_frames: int = 12) -> Tracks:
    """Two objects, the second absent, whose places count the frames, as the camera's distance does."""
    poses = torch.zeros(1, num_frames, 2, POSE_SIZE)
    poses[0, :, 0, :BOX_SIZE] = torch.arange(1.0, num_frames + 1)[:, None]
    settings = torch.zeros(1, num_frames, SETTING_SIZE)
    settings[0, :, 3] = 0.01 * torch.arange(num_frames)
    settings[..., CAMERA_SIZE] = 1
    looks = torch.tensor([[[1.0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]])
    return Tracks(poses, looks, torch.tensor([[1.0, 0]]), settings)


def test_staggered_groups_hold_the_end_of_one_and_the_start_of_the_next() -> None:
    packed = counted().packed(CONFIG, continued=True)
    found = unpack(staggered(packed, CONFIG), CONFIG)
    assert found.boxes[0, :, 0, :, 0].tolist() == [[3, 4, 5, 6], [7, 8, 9, 10]]
    cameras = 100 * found.cameras[0, :, :, 3]
    assert torch.allclose(cameras, torch.tensor([[2.0, 3, 4, 5], [6, 7, 8, 9]]))
    assert found.present.tolist() == [[[1, 0], [1, 0]]]
    assert torch.equal(found.looks, unpack(packed, CONFIG).looks[:, 1:])


def test_tracks_go_on_unless_there_is_a_cut() -> None:
    packed = counted().packed(CONFIG, continued=True)
    other_things = packed.clone()
    other_things[:, 1:3, 2, 0] = torch.tensor([0.0, 1])  # another colour from the third group on
    other_view = packed.clone()
    other_view[:, 1 + SETTING_SIZE - CAMERA_SIZE :, 1:, -1] += 1
    together = torch.cat([packed, other_things, other_view])
    assert going_on(together, CONFIG).tolist() == [[True, True], [True, False], [False, True]]
