from dataclasses import replace

import pytest
import torch

from tenku.denoiser import TrackConfig
from tenku.timeline import Footage
from tenku.timeline.describing import described, named
from tenku.worlds.captions import unknown_words
from tenku.worlds.vocabulary import COLOURS, MATERIALS, SHAPES, SIZES

WORDS: tuple[tuple[str, ...], ...] = (COLOURS, SHAPES, MATERIALS, SIZES)
LOOK_SIZES = tuple(map(len, WORDS))
CONFIG = TrackConfig(look_sizes=LOOK_SIZES, frames_per_latent=4)


def look(*words: str) -> torch.Tensor:
    """What is called by a colour, a shape, a material and a size."""
    parts = [torch.eye(len(names))[names.index(word)] for names, word in zip(WORDS, words, strict=True)]
    return torch.cat(parts)


def clip(*things: torch.Tensor | None, length: int = 3) -> Footage:
    tracks = torch.zeros(1, CONFIG.channels, length, CONFIG.max_objects + 1)
    for row, thing in enumerate(things):
        if thing is not None:
            tracks[0, 0, :, row] = 1
            tracks[0, 1 : 1 + CONFIG.look_channels, :, row] = thing[:, None]
    tracks[:, 0, :, -1] = 1
    return Footage(torch.zeros(1, 2, length, 4, 4), tracks, (), 16.0, track_config=CONFIG)


BALL = look("red", "sphere", "rubber", "small")
CUBE = look("orange", "cube", "metal", "large")
RING = look("grey", "ring", "wood", "small")


@pytest.mark.parametrize(
    ("things", "sentence"),
    [
        ((), "an empty floor"),
        ((BALL,), "a small red rubber ball"),
        ((None, CUBE), "a large orange metal cube"),
        ((BALL, None, CUBE), "a small red rubber ball and a large orange metal cube"),
        (
            (CUBE, RING, BALL),
            "a large orange metal cube, a small grey wood ring and a small red rubber ball",
        ),
    ],
)
def test_what_there_is_is_said(things: tuple[torch.Tensor | None, ...], sentence: str) -> None:
    assert described(clip(*things)) == sentence


def test_every_look_has_a_name_of_words_that_captions_have() -> None:
    names = {
        named(look(colour, shape, material, size), LOOK_SIZES)
        for colour in COLOURS
        for shape in SHAPES
        for material in MATERIALS
        for size in SIZES
    }
    assert len(names) == len(COLOURS) * len(SHAPES) * len(MATERIALS) * len(SIZES)
    assert unknown_words(" ".join(sorted(names)) + " and an empty floor") == []


def test_what_comes_later_is_said_too() -> None:
    footage = clip(BALL, CUBE)
    assert footage.tracks is not None
    footage.tracks[..., :2, 1] = 0
    assert described(footage) == "a small red rubber ball and a large orange metal cube"


def test_of_what_is_not_known_nothing_is_said() -> None:
    footage = clip(BALL)
    assert described(replace(footage, tracks=None)) == "an empty floor"
    assert described(replace(footage, tracks=None, track_config=None)) == "an empty floor"


def test_looks_of_another_world_have_no_names() -> None:
    config = TrackConfig(look_sizes=(3, 2), frames_per_latent=4)
    tracks = torch.ones(1, config.channels, 3, 5)
    footage = Footage(torch.zeros(1, 2, 3, 4, 4), tracks, (), 16.0, track_config=config)
    assert described(footage) == "an empty floor"
    assert named(torch.ones(5), (3, 2)) == ""
    assert named(BALL, LOOK_SIZES[::-1]) == ""
