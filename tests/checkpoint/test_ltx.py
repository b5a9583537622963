"""LTX-Video in both layouts against diffusers' own networks, and names and shapes at true size."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from diffusers.loaders.single_file_utils import (
    convert_ltx_transformer_checkpoint_to_diffusers,
    convert_ltx_vae_checkpoint_to_diffusers,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from tenku.checkpoint import (
    is_open,
    load_denoiser,
    load_open_model,
    load_text_encoder,
    load_vae,
    ltx,
    ltx_vae,
    sampling_of,
)
from tenku.checkpoint.open_weights import find_denoiser
from tenku.checkpoint.weights import VAE, Weights, read_json
from tenku.denoiser import Denoiser
from tenku.errors import UserError
from tenku.evaluation.random_ltx import LTX_PUBLISHED
from tenku.text import T5Encoder
from tenku.vae import LtxAutoencoder, LtxAutoencoderConfig, ltx_0_9, ltx_0_9_1, ltx_0_9_5

WEIGHTS = "diffusion_pytorch_model.safetensors"
V0_9, V0_9_1, V0_9_5, V0_9_7 = LTX_PUBLISHED
DENOISER = "model.diffusion_model."
EXTRAS = {  # statistics in the makers' files that nothing asks for
    "per_channel_statistics.channel": torch.arange(16.0),
    "per_channel_statistics.mean-of-stds": torch.ones(16),
    "per_channel_statistics.mean-of-stds_over_std-of-means": torch.ones(16),
}
CLOSE = 2e-6
Published = Callable[[str], Path]
Tensors = dict[str, Tensor]


def relative(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


def renamed(theirs: dict[str, str], ours: dict[str, str]) -> dict[str, str]:
    """Names of diffusers' layout → those of the makers', by what both are called here."""
    back = {name: there for there, name in ours.items()}
    return {there: back[name] for there, name in theirs.items()}


def original_vae(tensors: Tensors, config: LtxAutoencoderConfig) -> Tensors:
    """Of an autoencoder in diffusers' layout, in that of its makers."""
    names = renamed(ltx_vae.diffusers_names(config), ltx_vae.original_names(config))
    names |= {f"latents_{kind}": f"per_channel_statistics.{kind}-of-means" for kind in ("mean", "std")}
    return {names[name]: tensor for name, tensor in tensors.items()} | EXTRAS


def original_denoiser(folder: Path) -> Tensors:
    config = ltx.ltx_config(read_json(folder / "config.json"), "", ())
    theirs, ours = (
        {piece.name: (name, index) for name, parts in pieces.items() for index, piece in enumerate(parts)}
        for pieces in (ltx.ltx_pieces(config, layout) for layout in ("diffusers", "original"))
    )
    back = {place: name for name, place in ours.items()}
    return {back[theirs[name]]: tensor for name, tensor in load_file(folder / WEIGHTS).items()}


def single_file(folder: Path, out: Path) -> Path:
    """A model as its makers publish it, beside its text encoder and its tokenizer."""
    config = ltx_vae.config_from_diffusers(read_json(folder / "vae" / "config.json"))
    autoencoder = original_vae(load_file(folder / "vae" / WEIGHTS), config)
    tensors = {DENOISER + name: tensor for name, tensor in original_denoiser(folder / "transformer").items()}
    tensors |= {VAE + name: tensor.contiguous() for name, tensor in autoencoder.items()}
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(folder / part, out / part)
    save_file(tensors, out / "ltx-video.safetensors")
    return out / "ltx-video.safetensors"


def ask(denoiser: Any, sigma: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 16, 3, 4, 5, generator=generator)
    text = torch.randn(2, 20, 32, generator=generator)
    mask = torch.arange(20)[None] < torch.tensor([[9], [20]])
    with torch.no_grad():
        if isinstance(denoiser, Denoiser):
            return denoiser(latents, sigma, text, mask)
        packed = latents.flatten(2).transpose(1, 2)
        velocity: Tensor = denoiser(
            packed,
            text,
            1000 * sigma if sigma.ndim == 1 else 1000 * sigma.flatten(1),
            mask.float(),
            num_frames=3,
            height=4,
            width=5,
            rope_interpolation_scale=(8 / 25, 32, 32),
            return_dict=False,
        )[0]
        return velocity.transpose(1, 2).unflatten(2, (3, 4, 5))


@pytest.mark.parametrize("sigma", [torch.tensor([0.7, 0.2]), torch.rand(2, 3, 4, 5)], ids=["clip", "tokens"])
def test_the_velocity_is_diffusers(ltx_model: Published, sigma: Tensor) -> None:
    folder = ltx_model(V0_9) / "transformer"
    peer = LTXVideoTransformer3DModel.from_pretrained(str(folder)).eval()
    assert relative(ask(load_denoiser(folder), sigma), ask(peer, sigma)) < CLOSE


@pytest.mark.parametrize("name", [V0_9, V0_9_7])
def test_every_tensor_of_a_published_transformer_has_its_place(name: str) -> None:
    """At true sizes, without their numbers: names and shapes in both layouts, and every one of ours."""
    values = dict(LTX_PUBLISHED[name].denoiser)
    with torch.device("meta"):
        network = LTXVideoTransformer3DModel(**values)
    published = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    config = ltx.ltx_config(values, name, published)
    with torch.device("meta"):
        ours = Denoiser(config).state_dict()
    for layout in ltx.LAYOUTS:
        pieces = ltx.ltx_pieces(config, layout)
        assert pieces.keys() == ours.keys()
        wanted = {piece.name: piece.shape for parts in pieces.values() for piece in parts}
        assert len(wanted) == sum(map(len, pieces.values()))  # none is used twice
        assert ltx.layout_of(wanted) == layout
        theirs = {key: torch.empty(shape, device="meta") for key, shape in wanted.items()}
        if layout == "original":
            wrapped = {DENOISER + key: tensor for key, tensor in theirs.items()}
            theirs = convert_ltx_transformer_checkpoint_to_diffusers(wrapped)
        assert {key: tuple(tensor.shape) for key, tensor in theirs.items()} == published
        for key, parts in pieces.items():
            moved = [piece.taken({piece.name: torch.empty(piece.shape, device="meta")}) for piece in parts]
            assert torch.cat(moved).shape == ours[key].shape


def test_a_number_of_weights_as_it_is_published() -> None:
    for name, number in {V0_9: 1.92e9, V0_9_7: 13.0e9}.items():
        with torch.device("meta"):
            denoiser = Denoiser(ltx.ltx_config(LTX_PUBLISHED[name].denoiser, name, ()))
        assert sum(p.numel() for p in denoiser.parameters()) == pytest.approx(number, rel=0.01)


def hollow_vae(name: str) -> Tensors:
    with torch.device("meta"):
        return dict(AutoencoderKLLTXVideo(**LTX_PUBLISHED[name].vae).state_dict())


VAES = {V0_9: ltx_0_9(), V0_9_1: ltx_0_9_1(), V0_9_5: ltx_0_9_5()}


@pytest.mark.parametrize("name", VAES)
def test_every_tensor_of_a_published_autoencoder_has_its_place(name: str) -> None:
    """At true sizes, in both layouts; the makers' is told apart by a number in each tensor."""
    config, published = VAES[name], hollow_vae(name)
    original = original_vae(published, config)
    for tensors in (published, original):
        found = ltx_vae.from_published(tensors, config)
        assert {key: tuple(tensor.shape) for key, tensor in found.items()} == ltx_vae.tensor_shapes(config)
        assert ltx_vae.is_ltx_vae(tensors)
        assert ltx_vae.config_of(tensors) == config
    assert ltx_vae.config_from_diffusers(LTX_PUBLISHED[name].vae) == config
    converted = convert_ltx_vae_checkpoint_to_diffusers(
        {VAE + key: tensor for key, tensor in original.items()}
    )
    assert converted.keys() == published.keys()
    names = renamed(ltx_vae.diffusers_names(config), ltx_vae.original_names(config))
    assert all(converted[there] is original[here] for there, here in names.items())


def test_a_configuration_as_the_first_model_has_it() -> None:
    """`vae/config.json` of Lightricks/LTX-Video, from before there were others."""
    facts = {
        "_class_name": "AutoencoderKLLTXVideo",
        "_diffusers_version": "0.32.0.dev0",
        "block_out_channels": [128, 256, 512, 512],
        "decoder_causal": False,
        "encoder_causal": True,
        "in_channels": 3,
        "latent_channels": 128,
        "layers_per_block": [4, 3, 3, 3, 4],
        "out_channels": 3,
        "patch_size": 4,
        "patch_size_t": 1,
        "resnet_norm_eps": 1e-06,
        "scaling_factor": 1.0,
        "spatio_temporal_scaling": [True, True, True, False],
    }
    assert ltx_vae.config_from_diffusers(facts) == ltx_0_9()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"attention": True}, "field 'attention' that tenku does not know"),
        ({"patch_size_t": 2}, "patch_size_t = 2 where tenku reads only 1"),
        ({"encoder_causal": False}, "encoder_causal = False"),
        ({"spatial_compression_ratio": 16}, "spatial_compression_ratio = 16 where tenku reads only 32"),
        ({"down_block_types": ["DownBlock"] * 4}, "makes no sense"),
        (
            {"downsample_type": ["wavelet"] * 4, "down_block_types": ["LTXVideo095DownBlock3D"] * 4},
            "no sense",
        ),
        ({"layers_per_block": [4, 3]}, "makes no sense"),
        ({"decoder_layers_per_block": []}, "makes no sense"),
        ({"latent_channels": "many"}, "makes no sense"),
        ({"decoder_spatio_temporal_scaling": [True] * 4}, "must grow as much as the encoder shrinks"),
    ],
)
def test_strange_autoencoders_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        ltx_vae.config_from_diffusers({**LTX_PUBLISHED[V0_9].vae, **wrong})
    assert str(caught.value).endswith(".")


def test_tensors_that_do_not_fit_are_named() -> None:
    tensors, config = hollow_vae(V0_9), ltx_0_9()
    name = "decoder.up_blocks.1.resnets.0.conv1.conv.bias"
    with pytest.raises(UserError, match=f"tensor '{name}' is missing"):
        ltx_vae.from_published({key: t for key, t in tensors.items() if key != name}, config)
    with pytest.raises(UserError, match="tensor 'latents_std' is missing"):
        ltx_vae.from_published({key: t for key, t in tensors.items() if key != "latents_std"}, config)
    with pytest.raises(UserError, match=r"tensor 'encoder\.extra' is unknown"):
        ltx_vae.from_published({**tensors, "encoder.extra": tensors[name]}, config)
    with pytest.raises(UserError, match=rf"{name}' has the shape \(3,\)"):
        ltx_vae.from_published({**tensors, name: torch.zeros(3)}, config)
    with pytest.raises(UserError, match=r"is unknown|is missing"):
        ltx_vae.from_published(tensors, ltx_0_9_1())


@pytest.mark.parametrize("name", [V0_9, V0_9_1])
def test_a_whole_model_in_diffusers_layout(ltx_model: Published, name: str) -> None:
    folder = ltx_model(name)
    model = load_open_model(folder)
    assert isinstance(model.denoiser, Denoiser)  # it knows a level for each token
    assert isinstance(model.vae, LtxAutoencoder)
    assert isinstance(model.text_encoder, T5Encoder)
    assert model.vae.config.time_conditioned == (name != V0_9)
    assert (model.vae.config.decode_timestep, model.vae.config.decode_noise_scale) == (0.05, 0.025)
    assert load_text_encoder(folder).encode(["a red ball"]).tokens.shape == (1, 128, 32)
    assert len(model.vae.config.latent_mean) == len(model.vae.config.latent_std) == 16


def test_a_later_model_is_refused_as_a_whole(ltx_model: Published) -> None:
    folder = ltx_model(V0_9_5)
    assert isinstance(load_vae(folder), LtxAutoencoder)
    with pytest.raises(UserError, match=r"is of LTX-Video 0\.9\.5 or later, .* give 0\.9 or 0\.9\.1\."):
        load_open_model(folder)


def test_how_it_wants_to_be_sampled(ltx_model: Published, tmp_path: Path) -> None:
    found = sampling_of(ltx_model(V0_9))
    assert (found.solver, found.num_inference_steps, found.guidance_scale) == ("euler", 50, 3.0)
    assert (found.width, found.height, found.num_frames, found.fps) == (704, 480, 161, 25.0)
    assert (found.token_shifts, found.least_sigma) == (((1024, 0.95), (4096, 2.05)), 0.1)
    folder = Path(shutil.copytree(ltx_model(V0_9), tmp_path / "copy"))
    solver = folder / "scheduler" / "scheduler_config.json"
    solver.write_text(json.dumps({**read_json(solver), "max_shift": 3.0, "shift_terminal": None}))
    assert sampling_of(folder).token_shifts == ((1024, 0.95), (4096, 3.0))
    assert sampling_of(folder).least_sigma == 0


def test_the_makers_single_file(ltx_model: Published, tmp_path: Path) -> None:
    """With its configuration beside it, since no published one is so small."""
    folder = ltx_model(V0_9_1)
    file = single_file(folder, tmp_path)
    shutil.copy(folder / "transformer" / "config.json", tmp_path)
    assert is_open(file)
    assert sampling_of(file) == sampling_of(folder)
    sigma = torch.tensor([0.7, 0.2])
    assert relative(ask(load_denoiser(file), sigma), ask(load_denoiser(folder), sigma)) < CLOSE
    assert isinstance(load_text_encoder(file), T5Encoder)


def test_an_autoencoder_in_the_makers_layout(ltx_model: Published) -> None:
    folder = ltx_model(V0_9_1) / "vae"
    config = ltx_vae.config_from_diffusers(read_json(folder / "config.json"))
    tensors = load_file(folder / WEIGHTS)
    theirs = ltx_vae.build_ltx_vae(original_vae(tensors, config), config)
    ours = load_vae(folder)
    assert theirs.config == ours.config
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())


def test_parts_of_a_single_file(tmp_path: Path) -> None:
    """Each is as if it lay there alone; that of the denoiser's file goes before one beside it."""
    parts = {"a": torch.ones(2), "b": torch.ones(3)}
    tensors = {DENOISER + "a": parts["a"], VAE + "b": parts["b"]}
    save_file(tensors, tmp_path / "both.safetensors")
    denoiser, vae = Weights.of(tmp_path), Weights.of(tmp_path, VAE)
    assert (set(denoiser), set(vae)) == ({"a"}, {"b"})
    assert (denoiser.num_bytes(), vae.num_bytes()) == (8, 12)
    assert torch.equal(vae["b"], parts["b"])
    assert torch.equal(vae.private()["b"], parts["b"])
    save_file(parts, tmp_path / "both.safetensors")
    assert set(Weights.of(tmp_path, VAE)) == {"a", "b"}


def test_a_single_file_of_true_shape(tmp_path: Path) -> None:
    """Its parts and their configurations are told by names and shapes; the numbers are never made."""
    shape = LTX_PUBLISHED[V0_9_1]
    config = ltx.ltx_config({**shape.denoiser, "num_layers": 2}, "", ())
    pieces = ltx.ltx_pieces(config, "original")
    sizes = {DENOISER + piece.name: piece.shape for parts in pieces.values() for piece in parts}
    vae = original_vae(hollow_vae(V0_9_1), ltx_0_9_1())
    sizes |= {VAE + name: tuple(tensor.shape) for name, tensor in vae.items()}
    _write_hollow(tmp_path / "ltx.safetensors", sizes)
    assert find_denoiser(tmp_path / "ltx.safetensors").config == config
    loaded = load_vae(tmp_path / "ltx.safetensors")
    assert isinstance(loaded, LtxAutoencoder)
    assert loaded.config.time_conditioned
    assert sampling_of(tmp_path / "ltx.safetensors").fps == 25
    with pytest.raises(UserError, match="lacks its text encoder or its tokenizer"):
        load_open_model(tmp_path / "ltx.safetensors")


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


BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"num_experts": 8}, "has the field 'num_experts', which no LTX-Video model"),
    "another norm": ({"norm_eps": 1e-5}, "says norm_eps 1e-05; of LTX-Video models tenku knows only 1e-06"),
    "patches in time": ({"patch_size_t": 2}, "says patch_size_t 2"),
    "depth in words": ({"num_layers": "two"}, "does not describe an? LTX-Video model"),
    "too deep": ({"num_layers": 3}, "lacks 'transformer_blocks.2."),
    "too shallow": ({"num_layers": 1}, "has 'transformer_blocks.1."),
    "too wide": ({"caption_channels": 64}, "has the shape"),
}


@pytest.mark.parametrize(("change", "sentence"), BAD_CONFIGS.values(), ids=BAD_CONFIGS.keys())
def test_a_configuration_that_does_not_fit(
    ltx_model: Published, tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    folder = Path(shutil.copytree(ltx_model(V0_9) / "transformer", tmp_path / "transformer"))
    config = {**read_json(folder / "config.json"), **change}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=sentence) as caught:
        find_denoiser(folder)
    assert str(caught.value).endswith(".")


def test_a_width_that_is_no_number_of_heads(ltx_model: Published, tmp_path: Path) -> None:
    shutil.copy(ltx_model(V0_9) / "transformer" / WEIGHTS, tmp_path / "small.safetensors")
    with pytest.raises(UserError, match=r"48 wide, .* give it in a folder with its config.json"):
        find_denoiser(tmp_path / "small.safetensors")
