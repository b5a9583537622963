"""Where published models lie, what their files say, and what is refused."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tenku.checkpoint import (
    OneLevel,
    OpenModel,
    is_open,
    load_denoiser,
    load_open_model,
    load_text_encoder,
    load_vae,
    sampling_of,
)
from tenku.checkpoint.places import local, parts_of
from tenku.checkpoint.weights import INDEX_ENDING, read_json
from tenku.denoiser import Denoiser, NoiseExperts
from tenku.errors import UserError
from tenku.evaluation.random_models import PUBLISHED, write_original_layout
from tenku.vae import WanAutoencoder

WEIGHTS = "diffusion_pytorch_model.safetensors"
T2V, TI2V = "wan-2.1-t2v-1.3b", "wan-2.2-ti2v-5b"
EXPERTS = ("wan-2.2-t2v-a14b", "wan-2.2-i2v-a14b")
Published = Callable[[str], Path]


@pytest.fixture
def copied(published_model: Published, tmp_path: Path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(published_model(name), tmp_path / "copy"))

    return copy


def as_made(folder: Path, out: Path) -> Path:
    """A model as its makers lay it out, but for the parts that they publish as pickles only."""
    experts = {"transformer": "high_noise_model", "transformer_2": "low_noise_model"}
    two = (folder / "transformer_2").exists()
    for part in ("transformer", "transformer_2") if two else ("transformer",):
        write_original_layout(folder / part, out / experts[part] if two else out)
    for part in ("vae", "text_encoder"):
        shutil.copytree(folder / part, out / part)
    shutil.copytree(folder / "tokenizer", out / "google" / "umt5-xxl")
    return out


def velocity(denoiser: torch.nn.Module) -> torch.Tensor:
    config: Any = denoiser.config
    generator = torch.Generator().manual_seed(0)
    shape = (1, config.latent_channels + config.condition_channels, 2, 4, 4)
    latents = torch.randn(shape, generator=generator)
    text = torch.randn(1, 512, config.text_size, generator=generator)
    own = config.latent_channels
    with torch.no_grad():
        found: torch.Tensor = denoiser(
            latents[:, :own],
            torch.tensor([0.5]),
            text,
            conditions=latents[:, own:] if config.condition_channels else None,
        )
    return found


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """But for the order in which sums are taken, which depends on where tensors lie in memory."""
    return torch.allclose(found, expected, atol=1e-5)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_whole_model(published_model: Published, name: str) -> None:
    model = load_open_model(published_model(name))
    experts, pictured = name in EXPERTS, "i2v" in name or "flf2v" in name
    denoiser = model.denoiser if name == TI2V else model.denoiser.denoiser
    assert isinstance(model.denoiser, Denoiser if name == TI2V else OneLevel)
    assert isinstance(denoiser, NoiseExperts if experts else Denoiser)
    assert (model.denoiser.config.condition_channels > 0) == (pictured and name != TI2V)
    assert model.vae.config.spatial_compression == (16 if name == TI2V else 8)
    assert model.sampling == sampling_of(published_model(name))
    assert (model.planner, model.reader) == (None, None)


@pytest.mark.parametrize("name", [T2V, TI2V, *EXPERTS])
def test_the_makers_layout(published_model: Published, tmp_path: Path, name: str) -> None:
    folder = published_model(name)
    made = as_made(folder, tmp_path / "made")
    assert is_open(made)
    theirs, ours = load_open_model(made), load_open_model(folder)
    assert type(theirs.denoiser) is type(ours.denoiser)
    assert same(velocity(load_denoiser(made)), velocity(load_denoiser(folder)))
    said, told = asdict(theirs.sampling), asdict(ours.sampling)
    assert {k: v for k, v in said.items() if k != "shift"} == {k: v for k, v in told.items() if k != "shift"}


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_take_over_where_their_makers_say(
    published_model: Published, tmp_path: Path, name: str
) -> None:
    boundary = PUBLISHED[name].boundary
    for place in (published_model(name), as_made(published_model(name), tmp_path / "made")):
        experts = load_denoiser(place)
        assert isinstance(experts, NoiseExperts)
        assert experts.boundary == boundary
        high, low = (load_denoiser(part) for part in parts_of(place).denoisers)
        assert same(velocity(experts.high), velocity(high))
        assert same(velocity(experts.low), velocity(low))
        assert not torch.allclose(velocity(high), velocity(low), atol=1e-2)


def test_a_single_file_beside_its_configuration(published_model: Published, tmp_path: Path) -> None:
    folder = published_model(T2V) / "transformer"
    tensors = load_file(folder / WEIGHTS)
    save_file({f"model.diffusion_model.{k}": t for k, t in tensors.items()}, tmp_path / "one.safetensors")
    shutil.copy(folder / "config.json", tmp_path)
    denoiser = load_denoiser(tmp_path / "one.safetensors")
    assert same(velocity(denoiser), velocity(load_denoiser(folder)))


def test_shards_of_a_denoiser(copied: Callable[[str], Path]) -> None:
    folder = copied(T2V) / "transformer"
    whole = velocity(load_denoiser(folder))
    tensors = load_file(folder / WEIGHTS)
    named = {name: f"model-{index % 3}.safetensors" for index, name in enumerate(tensors)}
    for file in set(named.values()):
        save_file({name: tensors[name] for name in named if named[name] == file}, folder / file)
    (folder / WEIGHTS).unlink()
    (folder / f"model{INDEX_ENDING}").write_text(json.dumps({"weight_map": named}))
    assert same(velocity(load_denoiser(folder)), whole)
    (folder / "model-1.safetensors").unlink()
    assert "1 of 3 files" in refusal(lambda: load_denoiser(folder))


def test_a_type_that_is_asked_for(published_model: Published) -> None:
    denoiser = load_denoiser(published_model(T2V), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in denoiser.parameters()} == {torch.bfloat16}
    assert not any(parameter.requires_grad for parameter in denoiser.parameters())
    plain = velocity(load_denoiser(published_model(T2V)))
    rounded = velocity(denoiser).float()
    assert 0 < (rounded - plain).norm() / plain.norm() < 0.03


def test_weights_are_called_as_the_embedded_ones_are(published_model: Published) -> None:
    for name in (T2V, TI2V):
        denoiser = load_denoiser(published_model(name))
        latents = torch.randn(2, denoiser.config.latent_channels, 3, 4, 6)
        text = torch.randn(2, 7, denoiser.config.text_size)
        mask = torch.tensor([[True] * 5 + [False] * 2, [True] * 7])
        for sigma in (torch.rand(2), torch.rand(2, 3), torch.rand(2, 3, 4, 6)):
            assert denoiser(latents, sigma, text, text_mask=mask).shape == latents.shape


def test_parts_by_themselves(published_model: Published) -> None:
    folder = published_model(TI2V)
    for place in (folder, folder / "vae"):
        vae = load_vae(place)
        assert isinstance(vae, WanAutoencoder)
        assert vae.config.latent_channels == 48
    text = load_text_encoder(folder).encode(["a red ball falls", ""])
    assert text.tokens.shape == (2, 512, 32)
    assert text.mask.all()
    assert not text.tokens[0, 20:].any()


def test_what_is_open(published_model: Published, tmp_path: Path) -> None:
    folder = published_model(T2V)
    assert is_open("Wan-AI/Wan2.2-TI2V-5B")
    assert is_open(folder)
    assert is_open(folder / "transformer")
    assert is_open(folder / "transformer" / WEIGHTS)
    assert not is_open(tmp_path)
    assert not is_open(tmp_path / "nowhere" / "at" / "all")


def test_how_each_model_wants_to_be_sampled(
    published_model: Published, copied: Callable[[str], Path]
) -> None:
    usual = {name: sampling_of(published_model(name)) for name in PUBLISHED}
    assert {s.solver for s in usual.values()} == {"unipc"}
    assert {s.guidance_interval for s in usual.values()} == {(0.0, 1.0)}
    t2v, ti2v, experts = usual[T2V], usual[TI2V], usual[EXPERTS[0]]
    assert (t2v.width, t2v.height, t2v.num_frames, t2v.fps) == (832, 480, 81, 16)
    assert (ti2v.width, ti2v.height, ti2v.num_frames, ti2v.fps) == (1280, 704, 121, 24)
    assert (experts.num_inference_steps, experts.guidance_scale) == (40, 4.0)
    assert usual[EXPERTS[1]].guidance_scale == 3.5
    assert (t2v.shift, ti2v.shift) == (PUBLISHED[T2V].shift, PUBLISHED[TI2V].shift)
    folder = copied(T2V)
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 7.0}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    assert (sampling_of(folder).solver, sampling_of(folder).shift) == ("euler", 7.0)


def _remove(part: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(folder / part)


def _write(path: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / path).write_bytes(content)

    return write


def _cut(path: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / path, (folder / path).stat().st_size // 2)


def _swap(folder: Path) -> None:
    shutil.copy(folder / "vae" / WEIGHTS, folder / "transformer" / WEIGHTS)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no autoencoder": (_remove("vae"), "lacks its autoencoder"),
    "no text encoder": (_remove("text_encoder"), "lacks its text encoder or its tokenizer"),
    "no tokenizer": (_remove("tokenizer"), "lacks its text encoder or its tokenizer"),
    "a cut denoiser": (_cut(f"transformer/{WEIGHTS}"), "is no whole safetensors file"),
    "a cut autoencoder": (_cut(f"vae/{WEIGHTS}"), "is no whole safetensors file"),
    "a cut text encoder": (_cut("text_encoder/model.safetensors"), "is no whole safetensors file"),
    "a pickled denoiser": (_write(f"transformer/{WEIGHTS}", pickle.dumps({})), "is a pickle"),
    "a pickled text encoder": (_write("text_encoder/model.safetensors", pickle.dumps({})), "is a pickle"),
    "an autoencoder as denoiser": (_swap, "is no video model that tenku knows"),
    "a configuration of words": (_write("transformer/config.json", b"wan"), "cannot be read"),
    "a list as configuration": (_write("transformer/config.json", b"[]"), "is no configuration"),
    "an index of words": (_write("model_index.json", b"wan"), "cannot be read"),
    "a strange autoencoder": (_write("vae/config.json", b'{"z_dim": 16, "depth": 3}'), "'depth'"),
    "a solver of words": (_write("scheduler/scheduler_config.json", b"unipc"), "cannot be read"),
    "a text encoder of words": (_write("text_encoder/config.json", b"{"), "the text encoder in "),
    "a tokenizer of words": (_write("tokenizer/tokenizer.json", b"{"), "the tokenizer in "),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_model_is_one_sentence(
    copied: Callable[[str], Path], damage: Callable[[Path], None], sentence: str
) -> None:
    folder = copied(T2V)
    damage(folder)
    assert sentence in refusal(lambda: load_open_model(folder))


def test_a_pickled_model_as_its_makers_publish_it(published_model: Published, tmp_path: Path) -> None:
    made = as_made(published_model(T2V), tmp_path / "made")
    tensors = load_file(made / WEIGHTS)
    (made / WEIGHTS).unlink()
    torch.save(tensors, made / "diffusion_pytorch_model.pth")
    assert "is a pickle" in refusal(lambda: load_denoiser(made))


@pytest.mark.parametrize("load", [load_denoiser, load_vae, load_text_encoder, load_open_model, sampling_of])
def test_a_place_with_nothing(tmp_path: Path, load: Callable[[Path], OpenModel]) -> None:
    if load is not sampling_of:
        refusal(lambda: load(tmp_path))
    assert "there is no model in" in refusal(lambda: load(tmp_path / "nowhere" / "x"))


def test_a_name_on_the_hub_without_a_connection(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    told = refusal(lambda: load_denoiser("Wan-AI/Wan2.2-TI2V-5B"))
    assert "'Wan-AI/Wan2.2-TI2V-5B' could not be fetched from the hub" in told


def test_a_name_on_the_hub_that_has_been_fetched_before(
    published_model: Published, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "models--Wan-AI--Small"
    shutil.copytree(published_model(T2V), kept / "snapshots" / "0" / "")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    expected = velocity(load_denoiser(published_model(T2V)))
    assert same(velocity(load_denoiser("Wan-AI/Small")), expected)


LTX_REPOSITORY = {
    "model_index.json": True,
    "README.md": False,
    "ltx-video-2b-v0.9.safetensors": False,
    "ltxv-13b-0.9.8-dev.safetensors": False,
    "transformer/config.json": True,
    "transformer/diffusion_pytorch_model-00001-of-00002.safetensors": True,
    "vae/diffusion_pytorch_model.safetensors": True,
    "tokenizer/spiece.model": True,
    "tokenizer/added_tokens.json": True,
    "scheduler/scheduler_config.json": True,
    "media/trailer.mp4": False,
}
MAKERS_REPOSITORY = {
    "config.json": True,
    "diffusion_pytorch_model.safetensors": True,
    "Wan2.1_VAE.pth": False,
    "google/umt5-xxl/spiece.model": True,
    "assets/logo.png": False,
}


@pytest.mark.parametrize("repository", [LTX_REPOSITORY, MAKERS_REPOSITORY])
def test_what_is_fetched_of_a_repository(
    repository: dict[str, bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In diffusers' layout nothing that lies beside the folders: there other models of a family may lie."""
    from huggingface_hub.utils import filter_repo_objects

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        for place in filter_repo_objects(repository, allow_patterns=allow_patterns):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).touch()
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert local("Somebody/Something") == tmp_path
    fetched = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert fetched == {name for name, wanted in repository.items() if wanted}


def test_both_experts_must_be_of_one_kind(copied: Callable[[str], Path], published_model: Published) -> None:
    folder = copied(EXPERTS[0])
    shutil.rmtree(folder / "transformer_2")
    shutil.copytree(published_model(TI2V) / "transformer", folder / "transformer_2")
    assert "has no two experts of one model" in refusal(lambda: load_denoiser(folder))


def test_a_boundary_that_is_none(copied: Callable[[str], Path]) -> None:
    folder = copied(EXPERTS[0])
    facts = {**read_json(folder / "model_index.json"), "boundary_ratio": 1.5}
    (folder / "model_index.json").write_text(json.dumps(facts))
    assert "must lie between 0 and 1, not at 1.5" in refusal(lambda: load_denoiser(folder))
