"""Wan's transformers in both layouts, against diffusers' own, and their names and shapes at true size."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel, WanVACETransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from safetensors.torch import load_file, save_file
from torch import Tensor

from tenku.checkpoint import load_denoiser, wan
from tenku.checkpoint.open_weights import find_denoiser
from tenku.checkpoint.weights import Weights, read_json
from tenku.denoiser import Denoiser
from tenku.errors import UserError
from tenku.evaluation.random_models import PUBLISHED, original_facts, write_original_layout

FAMILIES = tuple(PUBLISHED)
PICTURED = ("wan-2.1-i2v-14b", "wan-2.1-flf2v-14b")
CLOSE = 2e-6
Published = Callable[[str], Path]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def kind_of(config: dict[str, Any]) -> Any:
    return WanVACETransformer3DModel if "vace_layers" in config else WanTransformer3DModel


def reference(folder: Path) -> Any:
    config = read_json(folder / "config.json")
    network = kind_of(config).from_config(config).eval()
    network.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return network


@pytest.fixture(params=FAMILIES)
def transformer(request: pytest.FixtureRequest, published_model: Published) -> Path:
    return published_model(request.param) / "transformer"


@pytest.fixture
def original(transformer: Path, tmp_path: Path) -> Path:
    write_original_layout(transformer, tmp_path / "original")
    return tmp_path / "original"


def inputs(denoiser: Denoiser) -> dict[str, Tensor | None]:
    config = denoiser.config
    text = gaussian(2, 512, config.text_size)
    text[0, 9:], text[1, 20:] = 0, 0
    places, beside = config.picture_places or 257, config.condition_channels or config.control_channels
    return {
        "latents": gaussian(2, config.latent_channels, 3, 6, 4),
        "text": text,
        "picture": gaussian(2, places, config.picture_size) if config.picture_size else None,
        "conditions": gaussian(2, beside, 3, 6, 4) if beside else None,
    }


@torch.no_grad()
def ask(denoiser: Denoiser, sigma: Tensor, given: dict[str, Any]) -> Tensor:
    text = denoiser.read(given["text"], None, given["picture"])
    velocity: Tensor = denoiser(given["latents"], sigma, text, conditions=given["conditions"])
    return velocity


@torch.no_grad()
def ask_reference(network: Any, timestep: Tensor, given: dict[str, Any]) -> Tensor:
    latents, picture = given["latents"], given["picture"]
    more = {}
    if getattr(network.config, "vace_in_channels", None):
        more["control_hidden_states"] = given["conditions"]
    elif given["conditions"] is not None:
        latents = torch.cat([latents, given["conditions"]], 1)
    if network.config.pos_embed_seq_len is not None:  # a first and a last picture, one after the other
        picture = picture.reshape(-1, picture.shape[1] // 2, picture.shape[2])
    velocity: Tensor = network(latents, timestep, given["text"], picture, return_dict=False, **more)[0]
    return velocity


def renamed_by_diffusers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What diffusers calls tensors of the makers' layout; it forgets about the places of two pictures."""
    places = {"img_emb.emb_pos": "condition_embedder.image_embedder.pos_embed"}
    renamed = convert_wan_transformer_to_diffusers(dict(tensors))
    return {places.get(name, name): tensor for name, tensor in renamed.items()}


def test_the_velocity_is_diffusers(transformer: Path) -> None:
    denoiser = load_denoiser(transformer)
    assert isinstance(denoiser, Denoiser)
    given, sigma = inputs(denoiser), torch.tensor([0.7, 0.2])
    expected = ask_reference(reference(transformer), 1000 * sigma, given)
    assert relative(ask(denoiser, sigma, given), expected) < CLOSE


def test_the_makers_layout_gives_the_same_numbers(transformer: Path, original: Path) -> None:
    ours, theirs = load_denoiser(transformer), load_denoiser(original)
    assert isinstance(ours, Denoiser)
    assert isinstance(theirs, Denoiser)
    assert ours.config == theirs.config
    given, sigma = inputs(ours), torch.tensor([0.7, 0.2])
    assert relative(ask(theirs, sigma, given), ask(ours, sigma, given)) < CLOSE


def test_diffusers_renames_the_makers_layout_as_tenku_does(transformer: Path, original: Path) -> None:
    theirs = load_file(original / "diffusion_pytorch_model.safetensors")
    renamed = renamed_by_diffusers(theirs)
    expected = load_file(transformer / "diffusion_pytorch_model.safetensors")
    assert renamed.keys() == expected.keys()
    assert all(torch.equal(renamed[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("name", ["wan-2.1-t2v-1.3b", "wan-2.2-ti2v-5b"])
def test_a_level_for_each_token(published_model: Published, name: str) -> None:
    folder = published_model(name) / "transformer"
    denoiser = load_denoiser(folder)
    assert isinstance(denoiser, Denoiser)
    given = inputs(denoiser)
    tokens = torch.rand(2, 3, 3, 2, generator=torch.Generator().manual_seed(0))
    sigma = tokens.repeat_interleave(2, 2).repeat_interleave(2, 3)
    expected = ask_reference(reference(folder), 1000 * tokens.flatten(1), given)
    assert relative(ask(denoiser, sigma, given), expected) < CLOSE


def test_a_mask_hides_tokens_of_text(published_model: Published) -> None:
    denoiser = load_denoiser(published_model("wan-2.1-t2v-1.3b") / "transformer")
    latents, text, sigma = gaussian(1, 16, 3, 6, 4), gaussian(1, 9, 32), torch.tensor([0.5])
    mask = torch.arange(9)[None] < 6
    with torch.no_grad():
        shorter, hidden = denoiser(latents, sigma, text[:, :6]), denoiser(latents, sigma, text, mask)
    assert relative(hidden, shorter) < CLOSE


@pytest.mark.parametrize("name", FAMILIES)
def test_every_tensor_of_a_published_model_has_its_place(name: str) -> None:
    """At true sizes, without their numbers: names and shapes in both layouts, and every one of ours."""
    values = dict(PUBLISHED[name].denoiser)
    with torch.device("meta"):
        network = kind_of(values)(**values)
    published = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    config = wan.wan_config(values, name, published)
    with torch.device("meta"):
        ours = Denoiser(config).state_dict()
    for layout in wan.LAYOUTS:
        pieces = wan.wan_pieces(config, layout)
        assert pieces.keys() == ours.keys()
        wanted = {piece.name: piece.shape for parts in pieces.values() for piece in parts}
        assert len(wanted) == sum(map(len, pieces.values()))  # none is used twice
        theirs = {key: torch.empty(shape, device="meta") for key, shape in wanted.items()}
        if layout == "original":
            assert wan.layout_of(wanted) == "original"
            assert wan.wan_config(original_facts(values), name, wanted) == config
            theirs = renamed_by_diffusers(theirs)
        assert {key: tuple(tensor.shape) for key, tensor in theirs.items()} == published
        for key, parts in pieces.items():
            moved = [piece.taken({piece.name: torch.empty(piece.shape, device="meta")}) for piece in parts]
            assert torch.cat(moved).shape == ours[key].shape


def test_a_number_of_weights_as_it_is_published() -> None:
    expected = {"wan-2.1-t2v-1.3b": 1.42e9, "wan-2.1-t2v-14b": 14.29e9, "wan-2.2-ti2v-5b": 5.0e9}
    for name, number in expected.items():
        with torch.device("meta"):
            denoiser = Denoiser(wan.wan_config(PUBLISHED[name].denoiser, name, ()))
        assert sum(p.numel() for p in denoiser.parameters()) == pytest.approx(number, rel=0.01)


@pytest.mark.parametrize("layout", wan.LAYOUTS)
@pytest.mark.parametrize("name", FAMILIES)
def test_shapes_tell_the_configuration(tmp_path: Path, name: str, layout: wan.Layout) -> None:
    """Of a single file, at true widths, two blocks deep; the numbers are never made."""
    values = dict(PUBLISHED[name].shallow(2).denoiser)
    if "vace_layers" in values:
        values["vace_layers"] = [0]  # they lie at regular distances
    with torch.device("meta"):
        network = kind_of(values)(**values)
    config = wan.wan_config(values, name, network.state_dict())
    pieces = wan.wan_pieces(config, layout)
    sizes = {piece.name: piece.shape for parts in pieces.values() for piece in parts}
    _write_hollow(
        tmp_path / "model.safetensors", {f"model.diffusion_model.{key}": s for key, s in sizes.items()}
    )
    found = find_denoiser(tmp_path / "model.safetensors")
    assert found.config == config
    assert found.weights.num_bytes() == 2 * sum(torch.Size(shape).numel() for shape in sizes.values())


def _write_hollow(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """A bfloat16 safetensors file of zeros that the file system does not keep."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * torch.Size(shape).numel()
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def test_a_width_that_is_no_number_of_heads(published_model: Published, tmp_path: Path) -> None:
    place = tmp_path / "small.safetensors"
    shutil.copy(
        published_model("wan-2.1-t2v-1.3b") / "transformer/diffusion_pytorch_model.safetensors", place
    )
    with pytest.raises(UserError, match=r"48 wide, .* give it in a folder with its config.json"):
        find_denoiser(place)


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"num_experts": 8}, "has the field 'num_experts', which no Wan model"),
    "VACE": ({"vace_layers": [0], "vace_in_channels": 96}, "lacks 'vace_blocks.0."),
    "VACE of more blocks": ({"vace_layers": [0, 2], "vace_in_channels": 96}, "do not lie among 2 blocks"),
    "VACE without channels": ({"vace_layers": [0]}, "does not describe a Wan model"),
    "another norm": ({"eps": 1e-5}, "says eps 1e-05; of Wan models tenku knows only 1e-06"),
    "no norm": ({"cross_attn_norm": False}, "says cross_attn_norm False"),
    "depth in words": ({"num_layers": "two"}, "does not describe a Wan model"),
    "too deep": ({"num_layers": 3}, "lacks 'blocks.2."),
    "too shallow": ({"num_layers": 1}, "has 'blocks.1."),
    "too wide": ({"ffn_dim": 100}, "has the shape"),
    "an odd number of heads": ({"num_attention_heads": 5, "attention_head_dim": 7}, "has the shape|describe"),
    "a picture that is not looked at": ({"image_dim": 1280}, "lacks '"),
}


@pytest.mark.parametrize(("change", "sentence"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_a_configuration_that_does_not_fit(
    published_model: Published, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    folder = tmp_path / "transformer"
    shutil.copytree(published_model("wan-2.1-t2v-1.3b") / "transformer", folder)
    config = {**read_json(folder / "config.json"), **change}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=sentence) as caught:
        find_denoiser(folder)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["num_layers", "in_channels", "ffn_dim", "num_attention_heads"])
def test_a_configuration_that_says_too_little(
    published_model: Published, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "transformer"
    shutil.copytree(published_model("wan-2.1-t2v-1.3b") / "transformer", folder)
    config = read_json(folder / "config.json")
    del config[missing]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="does not describe a Wan model"):
        find_denoiser(folder)


@torch.no_grad()
def test_vace_has_to_be_told_and_listens(published_model: Published) -> None:
    denoiser = load_denoiser(published_model("wan-2.1-vace-1.3b") / "transformer")
    assert isinstance(denoiser, Denoiser)
    given, sigma = inputs(denoiser), torch.tensor([0.7])
    said = [ask(denoiser, sigma, {**given, "conditions": given["conditions"] * factor}) for factor in (0, 1)]
    assert relative(*said) > 0.01
    with pytest.raises(ValueError, match="it has to be told"):
        ask(denoiser, sigma, {**given, "conditions": None})


def test_a_file_of_something_else(tmp_path: Path) -> None:
    save_file(
        {"patch_embedding.weight": torch.ones(4, 4, 1, 2, 2), "x": torch.ones(1)}, tmp_path / "m.safetensors"
    )
    with pytest.raises(UserError, match="is no video model that tenku knows"):
        find_denoiser(tmp_path / "m.safetensors")
    assert wan.layout_of(Weights.of(tmp_path)) is None
