"""What lines of sight through a picture meet and pass by, in metres.

Level axes point to the right, ahead and up as seen from the point of the floor below the camera, which is
their origin. A *line of sight* has slopes to the right and down; it begins at the camera.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_FARTHEST = 15.0  # m, where the floor ends
_LEAST_FALL = 0.02  # slope at which a line of sight still meets the floor


def lines_of_sight(height: int, width: int, like: Tensor) -> Tensor:
    """The middles (h w 2) of the cells of a picture, as boxes are measured."""
    step = 2 / min(height, width)
    across = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5 - width / 2) * step
    down = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5 - height / 2) * step
    return torch.stack([across.expand(height, width), down[:, None].expand(height, width)], -1)


@dataclass(frozen=True, slots=True)
class Encounters:
    """How lines of sight pass objects, in metres and level axes, (b t h w e o …).

    From an object's middle to the nearest point of the line of sight itself, `passing` (3), of what the floor
    would mirror of it, `mirrored` (3), and of the light that comes to where it meets the floor, `shaded` (3),
    `before` metres ahead of the lamp's side; `to_foot` (2) is from the point below the object to there. The
    last four are 0 where no floor is in sight.
    """

    passing: Tensor
    mirrored: Tensor
    shaded: Tensor
    before: Tensor
    to_foot: Tensor


@dataclass(frozen=True, slots=True)
class View:
    """Where lines of sight (h w) of cameras (b t e) meet the floor, to the right and ahead: floor (b t h w e
    2), where sees_floor (b t h w e) is 1. `direction` (b t h w e 3) is theirs, not of unit length; `camera`
    (b t 1 1 e 8) is as in a setting.
    """

    floor: Tensor
    sees_floor: Tensor
    direction: Tensor
    camera: Tensor

    @classmethod
    def of(cls, cameras: Tensor, slopes: Tensor) -> "View":
        """The view of cameras (b t e 8) along lines with slopes (h w 2) to the right and down."""
        camera = cameras[:, :, None, None]
        sin, cos = camera[..., 2].sin(), camera[..., 2].cos()
        right, down = slopes[..., 0, None], slopes[..., 1, None]
        fall = sin + cos * down
        ahead = cos - sin * down
        height = camera[..., 4] + camera[..., 3] * sin
        length = (height / fall.clamp_min(_LEAST_FALL)).clamp(max=_FARTHEST)
        floor = torch.stack([length * right, length * ahead], -1)
        direction = torch.stack([right.expand_as(fall), ahead, -fall], -1)
        return cls(floor, (fall > _LEAST_FALL).to(fall.dtype), direction, camera)

    @property
    def lamp(self) -> Tensor:
        """The direction to the lamp (b t 1 1 e 3), not too near the horizon."""
        right, ahead, up = self.camera[..., 5:].unbind(-1)
        towards = torch.stack([right, ahead, up.clamp_min(0.2)], -1)
        unit: Tensor = towards / towards.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return unit

    def in_the_world(self) -> Tensor:
        """The points of the floor (b t h w e 2) in the world's axes."""
        sin, cos = self.camera[..., 0], self.camera[..., 1]
        right = self.floor[..., 0]
        ahead = self.floor[..., 1] - self.camera[..., 3] * self.camera[..., 2].cos()
        return torch.stack([ahead * cos + right * sin, ahead * sin - right * cos], -1)

    def turned(self, vectors: Tensor) -> Tensor:
        """Vectors (b t 1 1 e o 3) that the camera sees (right, up, forward), in level axes."""
        elevation = self.camera[..., None, 2]
        sin, cos = elevation.sin(), elevation.cos()
        right, up, forward = vectors.unbind(-1)
        return torch.stack([right, forward * cos + up * sin, up * cos - forward * sin], -1)

    def placed(self, places: Tensor) -> Tensor:
        """Places (b t 1 1 e o 3) that the camera sees (right, up, forward), in level axes."""
        height = self.camera[..., 4] + self.camera[..., 3] * self.camera[..., 2].sin()
        away = self.turned(places)
        return torch.cat([away[..., :2], away[..., 2:] + height[..., None, None]], -1)

    def encounters(self, middles: Tensor) -> Encounters:
        """How the lines of sight pass objects whose middles are at (b t 1 1 e o 3)."""
        height = self.camera[..., 4] + self.camera[..., 3] * self.camera[..., 2].sin()
        eye = torch.stack([torch.zeros_like(height), torch.zeros_like(height), height], -1)[..., None, :]
        along = self.direction[..., None, :]
        flat = torch.cat([self.floor, torch.zeros_like(self.floor[..., :1])], -1)[..., None, :]
        from_floor = flat - middles
        there = self.sees_floor[..., None, None]
        lamp = self.lamp[..., None, :]
        return Encounters(
            _nearest(eye - middles, along),
            there * _nearest(from_floor, along * along.new_tensor([1.0, 1.0, -1.0])),
            there * _nearest(from_floor, lamp),
            there[..., 0] * -(from_floor * lamp).sum(-1),
            there * from_floor[..., :2],
        )


def _nearest(start: Tensor, direction: Tensor) -> Tensor:
    """The point of a line that is nearest to the origin."""
    share = (start * direction).sum(-1, keepdim=True) / direction.square().sum(-1, keepdim=True)
    return start - share * direction
