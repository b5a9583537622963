"""Motion as a planner has it: what balls know of each other, and how their velocities change."""

from typing import Final

import torch
from torch import Tensor

from tenku.denoiser import CAMERA_SIZE, POSE_SIZE, SETTING_SIZE, TYPICAL_CAMERA, TrackConfig
from tenku.timeline import Tracks
from tenku.worlds.phyworld import KNOWN_FRAMES, WORLD_SIZE, Law, num_balls

PLAN_CHANNELS: Final = 2  # the change of a ball's velocity, right and up
SIGHT_CHANNELS: Final = 8  # what a ball knows of itself and of the other one
VELOCITY_UNIT: Final = 3.0  # world units a second: about how much velocities change in a collision
_NEAR: Final = 2.0  # world units; within this distance what a ball sees of the other is fine


def sights(centres: Tensor, velocities: Tensor, radii: Tensor, seconds: Tensor) -> Tensor:
    """What each ball knows in each frame if all go on evenly, (b e t n 1), as a planner's conditions.

    Balls are at centres (b n 2) with velocities (b n 2) and radii (b n) at second 0. Of itself each knows its
    radius, of the other one place, velocity and radius relative to its own: nothing says where it is, or how
    fast the frame in which all this happens moves.
    """
    places = centres[:, None] + velocities[:, None] * seconds[:, None, None]  # b t n 2
    n = centres.shape[1]
    b, t = len(places), len(seconds)
    own = radii[:, None].expand(b, t, n)
    parts = [own - 1, (seconds / 3 - 0.5)[:, None].expand(b, t, n)]
    if n == 1:
        parts += [torch.zeros_like(own)] * (SIGHT_CHANNELS - 2)
    else:
        way = places.flip(2) - places  # b t n 2
        touching = radii.sum(1)[:, None, None]
        gap = way.norm(dim=-1).copysign(way[..., 0] * (centres.flip(1) - centres)[:, None, :, 0]) - touching
        closing = (velocities.flip(1) - velocities)[:, None].expand(b, t, n, 2)
        heavier = (radii.flip(1) / radii).log()[:, None].expand(b, t, n)
        parts += [
            heavier,
            closing[..., 0] / 4,
            closing[..., 1] / 4,
            torch.tanh(gap / _NEAR),
            torch.tanh(4 * gap / _NEAR),
            gap / WORLD_SIZE,
        ]
    return torch.stack(parts, 1)[..., None]


def plan_of(velocities: Tensor, start: Tensor) -> Tensor:
    """Changes of velocities (b t n 2) against those at the start (b n 2), as a planner's latents (b 2 t n 1);
    in the known frames there are none."""
    plan = (velocities - start[:, None]) / VELOCITY_UNIT
    plan[:, :KNOWN_FRAMES] = 0
    return plan.movedim(-1, 1)[..., None]


def velocities_of(plan: Tensor, start: Tensor) -> Tensor:
    """The inverse of `plan_of`."""
    return plan[..., 0].movedim(1, -1) * VELOCITY_UNIT + start[:, None]


def ball_tracks(centres: Tensor, radii: Tensor) -> Tracks:
    """Tracks of discs with centres (b t n 2), y up, and radii (b n), before a camera that stands still."""
    b, t, n, _ = centres.shape
    poses = torch.zeros(b, t, n, POSE_SIZE)
    poses[..., 0] = centres[..., 0] / (WORLD_SIZE / 2) - 1
    poses[..., 1] = 1 - centres[..., 1] / (WORLD_SIZE / 2)
    poses[..., 2:4] = (radii / (WORLD_SIZE / 4))[:, None, :, None]
    poses[..., 5], poses[..., 9] = 1, 1
    settings = torch.zeros(b, t, SETTING_SIZE)
    for index, (usual, _) in TYPICAL_CAMERA.items():
        settings[..., index] = usual
    settings[..., 1], settings[..., CAMERA_SIZE - 1] = 1, 1
    looks = torch.eye(n).expand(b, n, n)
    return Tracks(poses, looks, torch.ones(b, n), settings)


def ball_track_config(law: Law, hidden_size: int, depth: int) -> TrackConfig:
    """What packed tracks of a law's balls hold."""
    balls = num_balls(law)
    return TrackConfig(
        look_sizes=(balls,), frames_per_latent=1, max_objects=balls, hidden_size=hidden_size, depth=depth
    )
