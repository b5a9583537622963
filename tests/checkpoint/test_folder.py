import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tenku.checkpoint import Model, SamplingDefaults, load_model, save_model
from tenku.denoiser import Denoiser, NoiseExperts, TrackReader, TrackReaderConfig
from tenku.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Model) -> Path:
    save_model(tmp_path / "model", tiny_model)
    return tmp_path / "model"


def networks(model: Model) -> list[torch.nn.Module]:
    planner = [] if model.planner is None else [model.planner]
    return [model.vae, model.text_encoder, *planner, model.denoiser]


def test_a_model_comes_back_as_it_was(tmp_path: Path, tiny_model: Model) -> None:
    facts = {"recipe": {"name": "测试", "steps": 3}}
    sampling = SamplingDefaults(num_inference_steps=7, guidance_interval=(0.2, 0.9))
    saved = replace(tiny_model, sampling=sampling, training=facts)
    save_model(tmp_path / "new" / "model", saved)
    assert sorted(os.listdir(tmp_path / "new" / "model")) == ["config.json", "model.safetensors"]
    loaded = load_model(tmp_path / "new" / "model")
    assert loaded.sampling == sampling
    assert loaded.training == facts
    for before, after in zip(networks(saved), networks(loaded), strict=True):
        assert before.config == after.config
        assert not after.training
        weights = dict(after.named_parameters())
        for name, parameter in before.named_parameters():
            assert weights[name].dtype == torch.float32
            assert not weights[name].requires_grad
            assert torch.equal(weights[name], parameter)


def test_a_model_that_does_not_plan_comes_back_as_it_was(tmp_path: Path, planless_model: Model) -> None:
    save_model(tmp_path, planless_model)
    loaded = load_model(tmp_path)
    assert loaded.planner is None
    assert loaded.denoiser.config == planless_model.denoiser.config
    assert loaded.denoiser.config.tracks is None


def test_a_configuration_need_not_say_what_is_usual(tmp_path: Path, planless_model: Model) -> None:
    save_model(tmp_path, planless_model)

    def shorten(config: dict[str, Any]) -> None:
        del config["planner"], config["sampling"]["planner_steps"]
        del config["denoiser"]["tracks"], config["denoiser"]["named_rows"], config["denoiser"]["draft_depth"]

    change_config(shorten)(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.planner is None
    assert loaded.denoiser.config == planless_model.denoiser.config
    assert loaded.sampling == planless_model.sampling.__class__(num_inference_steps=2)


def test_only_large_tensors_are_rounded(tmp_path: Path, tiny_model: Model) -> None:
    save_model(tmp_path, tiny_model, dtype=torch.bfloat16)
    before, after = tiny_model.denoiser.state_dict(), load_model(tmp_path).denoiser.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_two_experts_come_back_as_two(tmp_path: Path, tiny_model: Model) -> None:
    high = tiny_model.denoiser
    assert isinstance(high, Denoiser)
    low = Denoiser(replace(tiny_model.denoiser.config, depth=1))
    saved = replace(tiny_model, denoiser=NoiseExperts(high, low, 0.6))
    save_model(tmp_path, saved, torch.float32)
    loaded = load_model(tmp_path).denoiser
    assert isinstance(loaded, NoiseExperts)
    assert loaded.boundary == 0.6
    assert loaded.low.config == low.config
    assert all(
        torch.equal(value, saved.denoiser.state_dict()[name]) for name, value in loaded.state_dict().items()
    )


def test_others_may_read_it(folder: Path) -> None:
    """safetensors by itself writes files that only their owner may read."""
    modes = {(folder / name).stat().st_mode & 0o777 for name in os.listdir(folder)}
    (folder / "new").touch()
    assert modes == {(folder / "new").stat().st_mode & 0o777}


def test_the_folder_of_a_run_stands_for_its_model(folder: Path) -> None:
    assert load_model(folder.parent).sampling == load_model(folder).sampling


def test_saving_again_replaces(folder: Path, tiny_model: Model) -> None:
    with torch.no_grad():
        tiny_model.denoiser.patch_in.weight.fill_(3.0)
    save_model(folder, tiny_model)
    assert (load_model(folder).denoiser.patch_in.weight == 3.0).all()
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors"]


def change_config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        change(config)
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    return spoil


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "there is no model"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "there is no model"),
    "truncated weights": (truncate, "cannot be read"),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), "cannot be read"),
    "a pickle by another name": (
        lambda folder: (folder / "model.safetensors").write_bytes(pickle.dumps({"vae.x": [1.0]})),
        "cannot be read",
    ),
    "a checkpoint of torch by another name": (
        lambda folder: torch.save({"vae.x": torch.ones(2)}, folder / "model.safetensors"),
        "cannot be read",
    ),
    "configuration that is no JSON": (
        lambda folder: (folder / "config.json").write_text("{"),
        "cannot be read",
    ),
    "configuration that is no text": (
        lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"),
        "cannot be read",
    ),
    "configuration that is a list": (lambda folder: (folder / "config.json").write_text("[]"), "format None"),
    "another format": (change_config(lambda c: c.update(format=99)), "format 99, this tenku reads 4"),
    "the format of tracks without a setting": (
        change_config(lambda c: c.update(format=1)),
        "format 1, this tenku reads 4",
    ),
    "an unknown field": (change_config(lambda c: c["vae"].update(colour=1)), "argument 'colour'"),
    "a missing part": (change_config(lambda c: c.pop("denoiser")), "'denoiser'"),
    "a part that is none": (change_config(lambda c: c.update(denoiser=[1])), "does not fit"),
    "another size": (change_config(lambda c: c["denoiser"].update(hidden_size=64)), "size mismatch"),
    "a planner without weights": (
        change_config(lambda c: c["planner"].update(depth=2)),
        "Missing key",
    ),
    "a refiner without weights": (
        change_config(lambda c: c["denoiser"].update(refiner_depth=2)),
        "Missing key",
    ),
    "tracks of another size": (
        change_config(lambda c: c["denoiser"]["tracks"].update(look_sizes=[9, 9])),
        "size mismatch",
    ),
    "weights that the configuration does not know": (
        change_config(lambda c: c["denoiser"].update(tracks=None)),
        "Unexpected key",
    ),
    "another depth": (change_config(lambda c: c["denoiser"].update(depth=3)), "Missing key"),
    "a size that makes no sense": (change_config(lambda c: c["denoiser"].update(num_heads=5)), "even number"),
}


@pytest.mark.parametrize(("spoil", "sentence"), SPOILED.values(), ids=SPOILED.keys())
def test_what_is_no_model_is_said_in_a_sentence(
    folder: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    spoil(folder)
    with pytest.raises(UserError) as raised:
        load_model(folder)
    told = str(raised.value)
    assert sentence in told
    assert str(folder) in told
    assert told.endswith(".")
    assert "\n" not in told


def test_a_place_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no model in '.*nowhere'.*tenku train"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be read"):
        load_model(tmp_path / "file")


def test_a_model_keeps_its_reader(tiny_model: Model, tmp_path: Path) -> None:
    config = tiny_model.denoiser.config.tracks
    assert config is not None
    reader = TrackReader(
        TrackReaderConfig(tracks=config, latent_channels=4, hidden_size=16, num_heads=2, frame_depth=1)
    )
    save_model(tmp_path, replace(tiny_model, reader=reader.eval()), torch.float32)
    loaded = load_model(tmp_path).reader
    assert loaded is not None
    latents = torch.randn(1, 4, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.read(latents), reader.read(latents))
    save_model(tmp_path, tiny_model)
    assert load_model(tmp_path).reader is None
