"""Safetensors files, whole, in shards or damaged; and what only says that it is one."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tenku.checkpoint.weights import INDEX_ENDING, Weights, read_json
from tenku.errors import UserError

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}
INDEX = f"model{INDEX_ENDING}"


class Trap:
    """A pickle that leaves a mark if anybody opens it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    return tmp_path / "model.safetensors"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    names = {name: f"model-{number}-of-2.safetensors" for number, name in enumerate(TENSORS, start=1)}
    for name, file in names.items():
        save_file({name: TENSORS[name]}, tmp_path / file)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return tmp_path


def refusal(place: Path) -> str:
    with pytest.raises(UserError) as caught:
        Weights.of(place)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def assert_same(weights: Weights) -> None:
    assert set(weights) == set(TENSORS)
    assert len(weights) == len(TENSORS)
    for name, tensor in TENSORS.items():
        assert name in weights
        assert weights.shape(name) == tuple(tensor.shape)
        assert weights[name].dtype == tensor.dtype
        assert torch.equal(weights[name], tensor)
    assert weights.num_bytes() == 6 * 4 + 4 * 2


def test_a_file_and_its_folder(whole: Path) -> None:
    assert_same(Weights.of(whole))
    assert_same(Weights.of(whole.parent))
    assert "c" not in Weights.of(whole)


def test_shards(sharded: Path) -> None:
    weights = Weights.of(sharded)
    assert_same(weights)
    assert [path.name for path in weights.files] == [f"model-{n}-of-2.safetensors" for n in (1, 2)]


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float32])
def test_tensors_in_memory_of_their_own_perhaps_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype | None
) -> None:
    """Read in pieces that do not divide them."""
    monkeypatch.setattr("tenku.checkpoint.weights._READ_AT_ONCE", 44)
    tensors = {"a": torch.randn(7, 5), "b": torch.randn(3).bfloat16(), "c": torch.tensor(2.5)}
    save_file(tensors, tmp_path / "m.safetensors")
    weights = Weights.of(tmp_path)
    private = weights.private(dtype)
    assert set(private) == set(tensors)
    for name, tensor in tensors.items():
        assert private[name].dtype == (dtype or tensor.dtype)
        assert torch.equal(private[name], tensor.to(dtype or tensor.dtype))
        assert private[name].data_ptr() != private[name].data_ptr()


@pytest.mark.parametrize("wrapping", ["model.diffusion_model.", "diffusion_model."])
def test_names_that_a_tool_has_wrapped(tmp_path: Path, wrapping: str) -> None:
    save_file({wrapping + name: tensor for name, tensor in TENSORS.items()}, tmp_path / "m.safetensors")
    assert_same(Weights.of(tmp_path))


def test_a_wrapping_that_only_some_have_stays(tmp_path: Path) -> None:
    save_file({"diffusion_model.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "m.safetensors")
    assert set(Weights.of(tmp_path)) == {"diffusion_model.a", "b"}


@pytest.mark.parametrize("kept", [0, 4, 30, 0.5, -1])
def test_a_file_that_was_cut_off(whole: Path, kept: float) -> None:
    content = whole.read_bytes()
    whole.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])
    assert "is no whole safetensors file" in refusal(whole)


def test_a_file_whose_header_lies(whole: Path) -> None:
    content = whole.read_bytes()
    whole.write_bytes(content.replace(b'"shape":[2,3]', b'"shape":[9,3]'))
    assert "is no whole safetensors file" in refusal(whole)


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth", "model.ckpt", "pytorch_model.bin"])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, name: str, protocol: int) -> None:
    mark = tmp_path / "mark"
    (tmp_path / name).write_bytes(pickle.dumps(Trap(mark), protocol))
    place = tmp_path / name
    disguised = name.endswith(".safetensors") and protocol == 0  # mere text, as any file
    assert ("no whole safetensors file" if disguised else "is a pickle") in refusal(place)
    if not name.endswith(".safetensors"):
        assert "is a pickle" in refusal(tmp_path)
    assert not mark.exists()


def test_a_file_of_torch_save_is_a_pickle(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "model.safetensors")
    assert "is a pickle" in refusal(tmp_path / "model.safetensors")


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / "model-2-of-2.safetensors").unlink()
    assert "1 of 2 files" in refusal(sharded)
    assert "model-2-of-2.safetensors" in refusal(sharded)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "sub/model.safetensors"])
def test_an_index_does_not_lead_out_of_its_folder(sharded: Path, name: str) -> None:
    (sharded / INDEX).write_text(json.dumps({"weight_map": {"b": name}}))
    assert "names files outside its folder" in refusal(sharded)


@pytest.mark.parametrize("index", ["{", "[]", "{}", '{"weight_map": {"b": 3}}', '{"weight_map": []}'])
def test_an_index_that_is_none(sharded: Path, index: str) -> None:
    (sharded / INDEX).write_text(index)
    assert INDEX in refusal(sharded)


def test_a_tensor_in_two_shards(sharded: Path) -> None:
    save_file(TENSORS, sharded / "model-1-of-2.safetensors")
    assert "repeats the tensor 'b'" in refusal(sharded)


def test_several_files_without_an_index(sharded: Path) -> None:
    (sharded / INDEX).unlink()
    assert "2 safetensors files and no index" in refusal(sharded)


def test_a_place_with_nothing(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "model.safetensors"):
        assert f"there are no weights in {place}" in refusal(place)


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"', "\udcff"])
def test_a_configuration_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"config\.json"):
        read_json(tmp_path / "config.json")
