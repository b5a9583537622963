"""CLIP as Wan looks through it: transformers' numbers, and memory only while it looks."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPVisionModel

from tenku.checkpoint import load_open_model, open_on_demand
from tenku.checkpoint.picture_encoder import PictureEncoder
from tenku.errors import UserError

I2V = "wan-2.1-i2v-14b"
Published = Callable[[str], Path]


@pytest.fixture
def folder(published_model: Published, tmp_path: Path) -> Path:
    """The encoder and its processor, to be spoilt."""
    for part in ("image_encoder", "image_processor"):
        shutil.copytree(published_model(I2V) / part, tmp_path / part)
    return tmp_path


def encoder_in(folder: Path) -> PictureEncoder:
    return PictureEncoder.from_pretrained(folder / "image_encoder", folder / "image_processor")


def test_tokens_are_those_before_the_last_layer(folder: Path) -> None:
    """Of a picture that is no square, in bytes; two pictures come one after the other."""
    encoder = encoder_in(folder)
    pictures = [np.random.default_rng(seed).integers(0, 256, (48, 80, 3), np.uint8) for seed in (0, 1)]
    given = [torch.from_numpy(picture).movedim(-1, 0) / 127.5 - 1 for picture in pictures]
    network = CLIPVisionModel.from_pretrained(str(folder / "image_encoder")).eval()
    pixels = encoder.processor(pictures, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        states = network(pixels, output_hidden_states=True).hidden_states
    found = encoder.encode(given)
    assert found.shape == (1, 2 * 257, 40)
    assert torch.allclose(found[0].unflatten(0, (2, 257)), states[-2], atol=1e-6)
    assert torch.equal(encoder.encode(given[:1]), found[:, :257])


def test_it_is_in_memory_only_while_it_looks(folder: Path) -> None:
    encoder = encoder_in(folder)
    seen = []
    encoder.network.network.register_forward_hook(lambda *_: seen.append(encoder.network.is_here))
    for _ in range(2):
        encoder.encode([torch.zeros(3, 32, 32)])
        assert not encoder.network.is_here
    assert seen == [True, True]


@pytest.mark.parametrize("missing", ["image_encoder", "image_processor"])
@pytest.mark.parametrize("load", [load_open_model, lambda place: open_on_demand(place, dtype=torch.float32)])
def test_weights_that_look_at_pictures_need_it(
    published_model: Published, tmp_path: Path, missing: str, load: Callable[[Path], object]
) -> None:
    place = tmp_path / "model"
    place.mkdir()
    for part in published_model(I2V).iterdir():
        if part.name != missing:
            (place / part.name).symlink_to(part)
    with pytest.raises(UserError, match="put image_encoder/ and image_processor/"):
        load(place)


def test_what_is_damaged_is_one_sentence(folder: Path) -> None:
    weights = folder / "image_encoder" / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 8)
    with pytest.raises(UserError, match="is no whole safetensors file"):
        encoder_in(folder)
    config = folder / "image_encoder" / "config.json"
    config.write_text('{"model_type": "clip_vision_model", "hidden_size": 7}')
    with pytest.raises(UserError, match=r"\.$"):
        encoder_in(folder)
