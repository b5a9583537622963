"""Tracks: what moves where, before anything is painted. They are sampled from a prompt, or drawn by hand."""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn.functional import one_hot

from tenku.denoiser import BOX_SIZE, TrackConfig


@dataclass(frozen=True, slots=True)
class Tracks:
    """Boxes (b f o 5) of objects in frames, what each looks like (b o looks), and which are there (b o).

    Boxes are as `worlds.tracks` defines them: x, y, width, height in halves of the picture's shorter side
    from its middle, and log depth. Looks are one-hot by attribute, one attribute after the other. Objects
    that are not there are zero.
    """

    boxes: Tensor
    looks: Tensor
    present: Tensor

    def __post_init__(self) -> None:
        b, _, o, size = self.boxes.shape
        if size != BOX_SIZE or self.looks.shape[:2] != (b, o) or self.present.shape != (b, o):
            raise ValueError(
                f"boxes {tuple(self.boxes.shape)}, looks {tuple(self.looks.shape)} and present "
                f"{tuple(self.present.shape)} do not belong together"
            )

    def packed(self, temporal_compression: int) -> Tensor:
        """One column a latent frame, (b c t o), as the denoiser takes them; the first frame stands alone."""
        first = repeat(self.boxes[:, :1], "b 1 o n -> b (f n) 1 o", f=temporal_compression)
        rest = rearrange(self.boxes[:, 1:], "b (t f) o n -> b (f n) t o", f=temporal_compression)
        boxes = torch.cat([first, rest], 2)
        t = boxes.shape[2]
        in_time = boxes[:, -BOX_SIZE:][:, 2:3] > 0  # has a width in the last frame: not in another shot
        present = in_time * self.present.to(boxes.dtype)[:, None, None]
        looks = repeat(self.looks.to(boxes.dtype), "b o c -> b c t o", t=t)
        return torch.cat([present, looks, boxes], 1) * present

    def mirrored(self) -> "Tracks":
        """The same seen in a mirror."""
        flip = torch.tensor([-1.0, 1, 1, 1, 1], dtype=self.boxes.dtype)
        return Tracks(self.boxes * flip, self.looks, self.present)

    def spread(self, aspect: float) -> "Tracks":
        """Laid out in a picture of another shape: places move apart along its longer side, sizes stay."""
        wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
        stretch = torch.tensor([wide, tall, 1.0, 1.0, 1.0], dtype=self.boxes.dtype)
        return Tracks(self.boxes * stretch, self.looks, self.present)


# Numbers that decide what there is are twice as large as places, so that sampling settles them first.
_EMPHASIS = 2.0


def plan_latents(packed: Tensor, config: TrackConfig) -> Tensor:
    """Packed tracks (b c t o) as a planner's latents (b c t o 1): a picture with an object a row."""
    return (packed * _emphasis(config)[:, None, None])[..., None]


def tracks_of_plan(latents: Tensor, config: TrackConfig) -> Tracks:
    """The tracks nearest to a planner's latents: an object is there or not, each attribute has one value."""
    packed = latents[..., 0] / _emphasis(config)[:, None, None]
    box_channels = config.frames_per_latent * BOX_SIZE
    present, looks, boxes = torch.split(packed, [1, config.look_channels, box_channels], dim=1)
    there = (present.mean((1, 2)) > 0.5).to(packed.dtype)  # b o
    likely = looks.mean(2).transpose(1, 2)  # b o looks
    attributes = torch.split(likely, list(config.look_sizes), dim=-1)
    chosen = torch.cat([one_hot(part.argmax(-1), part.shape[-1]) for part in attributes], -1).to(packed.dtype)
    boxes = rearrange(boxes, "b (f n) t o -> b t f o n", n=BOX_SIZE)
    frames = torch.cat([boxes[:, 0].mean(1, keepdim=True), boxes[:, 1:].flatten(1, 2)], 1)
    return Tracks(frames * there[:, None, :, None], chosen * there[..., None], there)


def _emphasis(config: TrackConfig) -> Tensor:
    emphasis = torch.full((config.channels,), _EMPHASIS)
    emphasis[1 + config.look_channels :] = 1.0
    return emphasis
