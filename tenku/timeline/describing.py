"""What is seen in footage, said as plainly as a prompt can say it."""

import torch
from torch import Tensor

from tenku.denoiser import unpack
from tenku.timeline.footage import Footage
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

_NOTHING = "an empty floor"
_NAMES = {"sphere": "ball"}


def described(footage: Footage) -> str:
    """The objects of footage, one after the other; "an empty floor" where none is known."""
    config = footage.track_config
    words = (COLOURS, SHAPES, MATERIALS, SIZES)
    if footage.tracks is None or config is None or config.look_sizes != tuple(map(len, words)):
        return _NOTHING
    tracks = unpack(footage.tracks, config)
    there = tracks.present[0].amax(0)  # o
    looks = tracks.looks[0].amax(0)  # o looks
    things = [
        _thing(look, config.look_sizes) for look, is_there in zip(looks, there, strict=True) if is_there
    ]
    if not things:
        return _NOTHING
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def _thing(look: Tensor, sizes: tuple[int, ...]) -> str:
    classes = [int(part.argmax()) for part in torch.split(look, list(sizes))]
    colour, shape, material, size = (
        words[index] for words, index in zip((COLOURS, SHAPES, MATERIALS, SIZES), classes, strict=True)
    )
    article = "an" if size[0] in "aeiou" else "a"
    return f"{article} {size} {colour} {material} {_NAMES.get(shape, shape)}"
