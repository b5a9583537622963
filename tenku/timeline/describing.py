"""What is seen in footage, said as plainly as a prompt can say it."""

import torch
from torch import Tensor

from tenku.denoiser import unpack
from tenku.timeline.footage import Footage
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

_NOTHING = "an empty floor"
_WORDS = (COLOURS, SHAPES, MATERIALS, SIZES)
_NAMES = {"sphere": "ball"}


def described(footage: Footage) -> str:
    """The objects of footage, one after the other; "an empty floor" where none is known."""
    config = footage.track_config
    if footage.tracks is None or config is None:
        return _NOTHING
    tracks = unpack(footage.tracks, config)
    objects = zip(tracks.looks[0].amax(0), tracks.present[0].amax(0), strict=True)
    things = [name for look, there in objects if there and (name := named(look, config.look_sizes))]
    if not things:
        return _NOTHING
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"


def named(look: Tensor, sizes: tuple[int, ...]) -> str:
    """An object of a look (c), in words; nothing if looks are of another world than ours."""
    if sizes != tuple(map(len, _WORDS)):
        return ""
    classes = [int(part.argmax()) for part in torch.split(look, list(sizes))]
    colour, shape, material, size = (words[index] for words, index in zip(_WORDS, classes, strict=True))
    article = "an" if size[0] in "aeiou" else "a"
    return f"{article} {size} {colour} {material} {_NAMES.get(shape, shape)}"
