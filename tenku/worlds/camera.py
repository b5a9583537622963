"""Cameras: a pose, a path between two poses, and the projection of points onto the picture."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tenku.worlds.shapes import Floats
from tenku.worlds.vocabulary import CameraMove

FIELD_OF_VIEW = np.deg2rad(40.0)  # across the shorter side of the picture


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraPose:
    """A camera that looks at `target_height` above the middle of the stage (angles in radians, metres).

    `azimuth` is the direction in which the camera looks, seen from above, counted from the x axis.
    """

    azimuth: float
    elevation: float
    distance: float
    target_height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cameras:
    """One camera per frame: positions (t 3), axes (t 3 3) with rows right, up, forward."""

    positions: Floats
    axes: Floats
    tan_half_height: float
    aspect: float

    def to_camera(self, points: Floats) -> Floats:
        """World points (t n 3) as right, up, forward metres from the camera of their frame (t n 3)."""
        seen: Floats = np.einsum("tij,tnj->tni", self.axes, points - self.positions[:, None])
        return seen

    def project(self, points: Floats) -> Floats:
        """World points (t n 3) as picture positions (t n 2): right and up, the frame being −1…1.

        Points beside or behind the camera are pushed far outside the frame.
        """
        seen = self.to_camera(points)
        depth = np.maximum(seen[..., 2:], 1e-2)
        half = np.array([self.tan_half_height * self.aspect, self.tan_half_height])
        projected: Floats = seen[..., :2] / depth / half
        return projected

    def table(self) -> Floats:
        """Rows (t 14) for the tracer: position, right, up, forward, tan(half width), tan(half height)."""
        count = len(self.positions)
        half = np.array([self.tan_half_height * self.aspect, self.tan_half_height])
        return np.concatenate([self.positions, self.axes.reshape(count, 9), np.tile(half, (count, 1))], 1)


def tan_half_height(aspect: float) -> float:
    """Tangent of half the vertical field of view: the shorter side always sees `FIELD_OF_VIEW`."""
    return float(np.tan(FIELD_OF_VIEW / 2) / min(aspect, 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraPath:
    """A camera gliding evenly from `start` to `end` over the shot."""

    start: CameraPose
    end: CameraPose

    @classmethod
    def still(cls, pose: CameraPose) -> Self:
        """A camera that does not move."""
        return cls(start=pose, end=pose)

    @property
    def move(self) -> CameraMove:
        """The word for this path: "orbits_left" means that the camera itself travels to its left."""
        turned = self.end.azimuth - self.start.azimuth
        nearer = self.start.distance - self.end.distance
        if abs(turned) > np.deg2rad(6.0):
            # Moving left means to see the stage from further left, so to look more to the right.
            return "orbits_left" if turned < 0 else "orbits_right"
        if abs(nearer) > 0.3:
            return "moves_in" if nearer > 0 else "moves_out"
        return "still"

    def cameras(self, num_frames: int, aspect: float) -> Cameras:
        """The cameras of all frames."""
        progress = np.linspace(0.0, 1.0, num_frames)

        def glide(name: str) -> Floats:
            first, last = float(getattr(self.start, name)), float(getattr(self.end, name))
            return first + (last - first) * progress

        azimuth, elevation = glide("azimuth"), glide("elevation")
        level = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(num_frames)], 1)
        vertical = np.array([0.0, 0.0, 1.0])
        forward = level * np.cos(elevation)[:, None] - vertical * np.sin(elevation)[:, None]
        right = np.cross(level, vertical)
        up = np.cross(right, forward)
        target = vertical * glide("target_height")[:, None]
        return Cameras(
            positions=target - forward * glide("distance")[:, None],
            axes=np.stack([right, up, forward], 1),
            tan_half_height=tan_half_height(aspect),
            aspect=aspect,
        )
