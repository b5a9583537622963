"""Tracks as pictures to look at: a filled outline for every object, the farthest first."""

import numpy as np
from torch import Tensor

from tenku.data.tracks import LOOK_SIZES
from tenku.media import Frames, Video
from tenku.timeline import Tracks
from tenku.worlds.render import COLOUR_SRGB
from tenku.worlds.vocabulary import COLOURS, SHAPES

_SIDE = 96
_BACKGROUND = 225
_SPHERE = SHAPES.index("sphere")


def draw_tracks(tracks: Tracks) -> list[Video]:
    """A square video for each row: ellipses for spheres, boxes for all else, in their colours."""
    first, second, *_ = LOOK_SIZES
    colours = tracks.looks[..., :first].argmax(-1)
    shapes = tracks.looks[..., first : first + second].argmax(-1)
    return [
        Video(frames=_draw(boxes, there, colour, shape), fps=16)
        for boxes, there, colour, shape in zip(tracks.boxes, tracks.present, colours, shapes, strict=True)
    ]


def _draw(boxes: Tensor, there: Tensor, colours: Tensor, shapes: Tensor) -> Frames:
    """Frames (t h w 3) of boxes (t o 5)."""
    frames = np.full((len(boxes), _SIDE, _SIDE, 3), _BACKGROUND, np.uint8)
    down, across = np.mgrid[-1 : 1 : _SIDE * 1j, -1 : 1 : _SIDE * 1j]
    for frame, places in zip(frames, boxes.cpu().numpy(), strict=True):
        for i in np.argsort(-places[:, 4]):
            x, y, width, height, _ = places[i]
            if there[i] == 0 or min(width, height) <= 0:
                continue
            u, v = (across - x) / (width / 2), (down - y) / (height / 2)
            inside = u**2 + v**2 < 1 if shapes[i] == _SPHERE else np.maximum(abs(u), abs(v)) < 1
            frame[inside] = np.round(255 * np.array(COLOUR_SRGB[COLOURS[int(colours[i])]]))
    return frames
