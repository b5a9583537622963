"""Tracks as a condition: every latent position is told what lies where, seen from its own line of sight.

Packed tracks (b c t o) have, for each latent frame, a row for every object and a last row for the setting. An
object's is `1 + look_channels` channels (whether there is an object, then what it looks like) followed by a
pose of eleven numbers for each of the frames behind the latent one; the setting's is 1, the surroundings,
and a camera for each of the frames. `worlds.tracks` says what the numbers mean. What is not there is all zero
and adds nothing, so for a denoiser that knows its `channel_std` no tracks at all are the same as zeros.
"""

import math
from dataclasses import dataclass
from typing import Final

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

BOX_SIZE: Final = 5
POSE_SIZE: Final = 11  # a box and two axes
CAMERA_SIZE: Final = 8
SURROUNDINGS_SIZE: Final = 13
SETTING_SIZE: Final = CAMERA_SIZE + SURROUNDINGS_SIZE
NUM_FLOORS: Final = 3  # the first of the surroundings say which floor it is, one-hot
# What is typical of a camera's elevation, distance and target height, and how far they lie from that.
TYPICAL_CAMERA: Final = {2: (0.436, 0.07), 3: (4.75, 0.35), 4: (0.525, 0.08)}
_SCALE: Final = 6  # of the floor's pattern, among the surroundings
_FARTHEST: Final = 15.0  # m, where the floor ends


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackConfig:
    """What packed tracks hold: attributes of a look by their number of values, and frames of a latent one.

    `distance` (m) is that of an object of depth 0, `tan_half_view` the tangent of half the angle that the
    picture's shorter side sees. `hidden_size` is what a position is told, in numbers, and `depth` how
    many layers find that out.
    """

    look_sizes: tuple[int, ...]
    frames_per_latent: int
    max_objects: int = 4
    hidden_size: int = 160
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
    x = (torch.arange(width) + 0.5 - width / 2) * step
    y = ((torch.arange(height) + 0.5 - height / 2) * step)[:, None]
    boxes = unpack(packed, config).boxes[..., [0, -1], :, None, None]  # b t o e 5 1 1: first and last frame
    centre_x, centre_y, wide, high, _ = boxes.unbind(4)
    near = ((x - centre_x).abs() < wide / 2 + step) & ((y - centre_y).abs() < high / 2 + step)
    return (near & (wide > 0)).any(3).any(2)[:, None].float()


class TrackEncoder(nn.Module):
    """What is seen along the line of sight of every latent position, as far as tracks can tell.

    A small network is asked of each object what it looks like from there, how much of the view it fills, and
    what light it takes or gives; another one what the background is. What is nearer covers what is farther.
    """

    def __init__(self, config: TrackConfig) -> None:
        super().__init__()
        self.config = config
        size = config.hidden_size
        in_a_frame = 4 + 2 + 3 + 12 + 6 + 3 + 2 + 2 + 1
        object_features = config.frames_per_latent * in_a_frame + config.look_channels
        background_features = 2 * (4 * 5 + 2 + 3 + 3) + SURROUNDINGS_SIZE
        self.object_in = nn.Linear(object_features, size)
        mids = [nn.Linear(size, size) for _ in range(config.depth)]
        self.object_mids = nn.ModuleList(mids)
        self.look = nn.Linear(size, size)
        self.light = nn.Linear(size, size)
        self.cover = nn.Linear(size, 1)
        self.background_in = nn.Linear(background_features, size)
        self.background_mid = nn.Linear(size, size)
        self.background = nn.Linear(size, size)
        # What tracks say must be as loud as the noise from the first step on, or it is not listened to:
        # features have a mean square of 0.8, SiLU of unit noise has one of 0.36 and gets some bias here.
        layers = [self.object_in, self.background_in, self.background_mid, self.background]
        powers = [0.8, 0.6, 0.45, 0.45]
        layers += [self.look, self.cover, self.light, *mids]
        powers += [1.0, 1.0, 4.0, *[1.0] * config.depth]  # light comes from everywhere: let it be quieter
        for layer, power in zip(layers, powers, strict=True):
            nn.init.normal_(layer.weight, std=(power * layer.in_features) ** -0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, packed: Tensor, height: int, width: int) -> Tensor:
        """Packed tracks (b c t o) for latent frames of so many positions → (b t h w d)."""
        tracks, config = unpack(packed, self.config), self.config
        sight = lines_of_sight(height, width, packed)
        slopes = sight * config.tan_half_view
        seen = View.of(tracks.cameras, slopes)
        x = self._object_features(tracks, seen, sight, 2 / min(height, width))
        x = functional.silu(self.object_in(x))  # b t h w o d
        for layer in self.object_mids:
            x = x + functional.silu(layer(functional.rms_norm(x, x.shape[-1:], None, 1e-6)))
        x = functional.rms_norm(x, x.shape[-1:], None, 1e-6)
        present = tracks.present[:, :, None, None]
        cover = present * torch.sigmoid(self.cover(x)[..., 0].float())
        depth = tracks.boxes[:, :, :, -1, 4]
        # Whether object j is before object k, as a soft step of a few per cent of the distance.
        before = torch.sigmoid(40 * (depth[..., :, None] - depth[..., None, :]))  # b t k j
        before = before * (1 - torch.eye(before.shape[-1], device=before.device))
        in_view = cover * (1 - cover[..., None, :] * before[:, :, None, None]).prod(-1)  # b t h w k
        told = (in_view[..., None] * self.look(x) + present[..., None] * self.light(x)).sum(-2)
        ends = tracks.cameras[:, :, [0, -1]]
        fine = View.of(ends, lines_of_sight(2 * height, 2 * width, packed) * config.tan_half_view)
        around = _background_features(tracks, View.of(ends, slopes), fine)
        behind = functional.silu(self.background_in(around))
        behind = self.background(functional.silu(self.background_mid(behind)))
        known = tracks.known[:, :, None, None]
        out: Tensor = told + (known * (1 - cover).prod(-1))[..., None] * behind
        return out

    def training_flops(self, num_positions: int) -> float:
        """Floating-point operations of a forward and backward pass over so many latent positions."""
        size, objects = self.config.hidden_size, self.config.max_objects
        each = self.object_in.in_features + (2 + self.config.depth) * size
        return 6.0 * num_positions * size * (objects * each + self.background_in.in_features + 2 * size)

    def _object_features(self, tracks: UnpackedTracks, view: "View", sight: Tensor, step: float) -> Tensor:
        """How each object lies to each line of sight (b t h w o features), in each of the frames."""
        config = self.config
        boxes = tracks.boxes[:, :, None, None]  # b t 1 1 o f 5
        offset = boxes[..., :2] - sight[None, None, :, :, None, None]  # b t h w o f 2
        size = boxes[..., 2:4]
        # Edges in positions: exact close by, only their side far away.
        edges = torch.tanh(torch.cat([offset - size / 2, offset + size / 2], -1) / (1.5 * step))
        poses = tracks.poses[:, :, None, None]
        own, across = poses[..., 5:8], poses[..., 8:11]
        depth = config.distance * poses[..., 4:5].exp()
        metres = config.tan_half_view * depth  # in half a picture, where the object is
        radius = (size.mean(-1, keepdim=True) / 2 * metres).clamp_min(0.05)
        # Where the line of sight passes the object's middle, in the object's own frame.
        passing = -offset * (metres / radius) * poses.new_tensor([1.0, -1.0])  # right, up
        frame = (own, across, torch.linalg.cross(own, across))
        local = torch.stack([(passing * axis[..., :2]).sum(-1) for axis in frame], -1)
        to_shadow, to_foot, lift = view.on_the_floor(boxes[..., :2] * metres, depth[..., 0])
        waves = torch.cat([math.pi / 2 * local.clamp(-2, 2), math.pi * local.clamp(-2, 2)], -1)
        everywhere = local.shape[:-1]
        features = torch.cat(
            [
                2 * torch.tanh(offset / (size + 0.5 * step) / 2),
                2 * torch.tanh(local / 2),
                waves.sin(),
                waves.cos(),
                poses[..., 5:].expand(*everywhere, -1),
                torch.cat([size, poses[..., 4:5]], -1).expand(*everywhere, -1),
                2 * torch.tanh(to_shadow / (2 * radius)),
                2 * torch.tanh(to_foot / (2 * radius)),
                (lift[..., None] / radius / 4).clamp(-1, 2).expand(*everywhere, -1),
            ],
            -1,
        )
        looks = tracks.looks[:, :, None, None].expand(*everywhere[:-1], -1)
        return torch.cat([edges.flatten(-2), features.flatten(-2), looks], -1)


def lines_of_sight(height: int, width: int, like: Tensor) -> Tensor:
    """The middles (h w 2) of the cells of a picture, as boxes are measured."""
    step = 2 / min(height, width)
    across = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5 - width / 2) * step
    down = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5 - height / 2) * step
    return torch.stack([across.expand(height, width), down[:, None].expand(height, width)], -1)


def _background_features(tracks: UnpackedTracks, view: "View", fine: "View") -> Tensor:
    """What of floor and room lies behind everything (b t h w features), in the first and last frame.

    The floor's own coordinates, in units of its pattern, come from four points of each position, `fine`.
    """
    scale = tracks.surroundings[:, :, None, None, None, _SCALE, None]
    phase = math.pi * scale * fine.in_the_world()  # b t 2h 2w e 2
    waves = torch.cat([phase.sin(), phase.cos(), phase.sin().prod(-1, keepdim=True)], -1)
    waves = rearrange(
        waves * fine.sees_floor[..., None], "b t (h p) (w q) e n -> b t h w (e p q n)", p=2, q=2
    )
    there, far = view.sees_floor, view.floor.norm(dim=-1) / 5
    everywhere = waves.shape[:4]
    rest = [
        view.camera[..., :3].flatten(-2),
        view.camera[..., 5:].flatten(-2),
        tracks.surroundings[:, :, None, None],
    ]
    return torch.cat([waves, there, there * far, *(part.expand(*everywhere, -1) for part in rest)], -1)


@dataclass(frozen=True, slots=True)
class View:
    """Where lines of sight (h w) of cameras (b t e) meet the floor, in metres to the right and ahead from
    the point below the camera: floor (b t h w e 2), where sees_floor (b t h w e) is 1.

    `camera` (b t 1 1 e 8) is as in a setting.
    """

    floor: Tensor
    sees_floor: Tensor
    camera: Tensor

    @classmethod
    def of(cls, cameras: Tensor, slopes: Tensor) -> "View":
        """The view of cameras (b t e 8) along lines with slopes (h w 2) to the right and down."""
        camera = cameras[:, :, None, None]
        sin, cos = camera[..., 2].sin(), camera[..., 2].cos()
        right, down = slopes[..., 0, None], slopes[..., 1, None]
        fall = sin + cos * down
        height = camera[..., 4] + camera[..., 3] * sin
        length = (height / fall.clamp_min(0.02)).clamp(max=_FARTHEST)
        floor = torch.stack([length * right, length * (cos - sin * down)], -1)
        return cls(floor, (fall > 0.02).to(fall.dtype), camera)

    def in_the_world(self) -> Tensor:
        """The points of the floor (b t h w e 2) in the world's axes."""
        sin, cos = self.camera[..., 0], self.camera[..., 1]
        right = self.floor[..., 0]
        ahead = self.floor[..., 1] - self.camera[..., 3] * self.camera[..., 2].cos()
        return torch.stack([ahead * cos + right * sin, ahead * sin - right * cos], -1)

    def on_the_floor(self, across: Tensor, depth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From shadows and feet of objects to the floor in sight (b t h w o e 2), and the objects' height.

        Their middles lie `across` (b t 1 1 o e 2) metres to the right and down, and as far as `depth`
        (b t 1 1 o e).
        """
        camera = self.camera[:, :, :, :, None]  # b t 1 1 1 e 8
        sin, cos = camera[..., 2].sin(), camera[..., 2].cos()
        right, down = across.unbind(-1)
        lift = camera[..., 4] + camera[..., 3] * sin - sin * depth - cos * down
        foot = torch.stack([right, cos * depth - sin * down], -1)
        shadow = foot - camera[..., 5:7] / camera[..., 7:].clamp_min(0.2) * lift[..., None]
        floor, there = self.floor[..., None, :, :], self.sees_floor[..., None, :, None]
        return there * (floor - shadow), there * (floor - foot), lift
