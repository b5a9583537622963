"""Tracks as a condition: every latent position is told what lies where, seen from its own line of sight.

Packed tracks (b c t o) have, for each latent frame, a row for every object and a last row for the setting. An
object's is `1 + look_channels` channels (whether there is an object, then what it looks like) followed by a
pose of eleven numbers for each of the frames behind the latent one; the setting's is 1, the surroundings,
and a camera for each of the frames. `worlds.tracks` says what the numbers mean. What is not there is all zero
and adds nothing, so for a denoiser that knows its `channel_std` no tracks at all are the same as zeros.
"""

from dataclasses import dataclass
from typing import Final

import torch
from einops import rearrange
from torch import Tensor

BOX_SIZE: Final = 5
POSE_SIZE: Final = 11  # a box and two axes
CAMERA_SIZE: Final = 8
SURROUNDINGS_SIZE: Final = 13
SETTING_SIZE: Final = CAMERA_SIZE + SURROUNDINGS_SIZE
NUM_FLOORS: Final = 3  # the first of the surroundings say which floor it is, one-hot
# What is typical of a camera's elevation, distance and target height, and how far they lie from that.
TYPICAL_CAMERA: Final = {2: (0.436, 0.07), 3: (4.75, 0.35), 4: (0.525, 0.08)}
FLOOR_SCALE: Final = 6  # of the floor's pattern, among the surroundings


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackConfig:
    """What packed tracks hold: attributes of a look by their number of values, and frames of a latent one.

    `distance` (m) is that of an object of depth 0, `tan_half_view` the tangent of half the angle that the
    picture's shorter side sees. `hidden_size` is what a position is told, in numbers. That is found out along
    `samples` × `samples` lines of sight through each position, in every frame, by fields of `field_size`
    numbers and `depth` layers.
    """

    look_sizes: tuple[int, ...]
    frames_per_latent: int
    max_objects: int = 4
    hidden_size: int = 160
    field_size: int = 96
    samples: int = 2
    depth: int = 3
    distance: float = 4.75
    tan_half_view: float = 0.36397

    @property
    def look_channels(self) -> int:
        """Channels that describe a look, one-hot by attribute."""
        return sum(self.look_sizes)

    @property
    def channels(self) -> int:
        """Channels of packed tracks."""
        last: int = max(self.poses.stop, self.cameras.stop)
        return last

    @property
    def thing(self) -> slice:
        """The channels of an object's row that are the same in all frames: presence and look."""
        return slice(0, 1 + self.look_channels)

    @property
    def poses(self) -> slice:
        """The channels of its poses, one frame after the other."""
        return slice(self.thing.stop, self.thing.stop + self.frames_per_latent * POSE_SIZE)

    def pose(self, frame: int) -> slice:
        """The channels of its pose in one of the frames."""
        return slice(self.poses.start + frame * POSE_SIZE, self.poses.start + (frame + 1) * POSE_SIZE)

    @property
    def around(self) -> slice:
        """The channels of the setting's row that are the same in all frames: whether there is one, and the
        surroundings."""
        return slice(0, 1 + SURROUNDINGS_SIZE)

    @property
    def cameras(self) -> slice:
        """The channels of its cameras, one frame after the other."""
        return slice(self.around.stop, self.around.stop + self.frames_per_latent * CAMERA_SIZE)

    def camera(self, frame: int) -> slice:
        """The channels of its camera in one of the frames."""
        first = self.cameras.start + frame * CAMERA_SIZE
        return slice(first, first + CAMERA_SIZE)


@dataclass(frozen=True, slots=True)
class UnpackedTracks:
    """What packed tracks hold, by its meaning.

    present (b t o), looks (b t o looks), poses (b t o f 11); whether there is a setting (b t), its
    surroundings (b t 13) and cameras (b t f 8).
    """

    present: Tensor
    looks: Tensor
    poses: Tensor
    known: Tensor
    surroundings: Tensor
    cameras: Tensor

    @property
    def boxes(self) -> Tensor:
        """Boxes (b t o f 5)."""
        return self.poses[..., :BOX_SIZE]


def unpack(packed: Tensor, config: TrackConfig) -> UnpackedTracks:
    """Take packed tracks (b c t o) apart."""
    things, setting = packed[..., :-1].permute(0, 2, 3, 1), packed[..., -1].mT
    frames = config.frames_per_latent
    return UnpackedTracks(
        present=things[..., 0],
        looks=things[..., 1 : config.thing.stop],
        poses=rearrange(things[..., config.poses], "b t o (f n) -> b t o f n", f=frames),
        known=setting[..., 0],
        surroundings=setting[..., 1 : config.around.stop],
        cameras=rearrange(setting[..., config.cameras], "b t (f n) -> b t f n", f=frames),
    )


def positions_in_boxes(packed: Tensor, config: TrackConfig, height: int, width: int) -> Tensor:
    """Which latent positions (b 1 t h w) lie in a box of packed tracks (b c t o), or just beside one."""
    step = 2 / min(height, width)
    x = (torch.arange(width, device=packed.device) + 0.5 - width / 2) * step
    y = ((torch.arange(height, device=packed.device) + 0.5 - height / 2) * step)[:, None]
    boxes = unpack(packed, config).boxes[..., [0, -1], :, None, None]  # b t o e 5 1 1: first and last frame
    centre_x, centre_y, wide, high, _ = boxes.unbind(4)
    near = ((x - centre_x).abs() < wide / 2 + step) & ((y - centre_y).abs() < high / 2 + step)
    return (near & (wide > 0)).any(3).any(2)[:, None].float()
