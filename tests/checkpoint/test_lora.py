"""LoRA files in all namings against diffusers and peft, mixed, and taken out again."""

import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tenku.checkpoint import Lora, Model, OneLevel, applied, check_loras, load_denoiser, merge_loras
from tenku.denoiser import Denoiser, NoiseExperts
from tenku.errors import UserError

if TYPE_CHECKING:
    from diffusers import WanPipeline, WanTransformer3DModel

DEPTH, WIDTH = 2, 48
TOLERANCE = 1e-5
# Layers of a block by their original name, that of diffusers, and what they turn into what.
LAYERS = {
    "self_attn.q": ("attn1.to_q", (48, 48)),
    "self_attn.k": ("attn1.to_k", (48, 48)),
    "self_attn.v": ("attn1.to_v", (48, 48)),
    "self_attn.o": ("attn1.to_out.0", (48, 48)),
    "cross_attn.q": ("attn2.to_q", (48, 48)),
    "cross_attn.k": ("attn2.to_k", (48, 48)),
    "cross_attn.v": ("attn2.to_v", (48, 48)),
    "cross_attn.o": ("attn2.to_out.0", (48, 48)),
    "ffn.0": ("ffn.net.0.proj", (96, 48)),
    "ffn.2": ("ffn.net.2", (48, 96)),
}
ENDS = {
    "text_embedding.0": ("condition_embedder.text_embedder.linear_1", (48, 32)),
    "text_embedding.2": ("condition_embedder.text_embedder.linear_2", (48, 48)),
    "time_embedding.0": ("condition_embedder.time_embedder.linear_1", (48, 256)),
    "time_embedding.2": ("condition_embedder.time_embedder.linear_2", (48, 48)),
    "time_projection.1": ("condition_embedder.time_proj", (288, 48)),
    "head.head": ("proj_out", (64, 48)),
}
IN_BLOCKS = {
    f"blocks.{n}.{own}": (f"blocks.{n}.{to}", s) for n in range(DEPTH) for own, (to, s) in LAYERS.items()
}


def published(place: Path, seed: int, **changed: Any) -> "WanTransformer3DModel":
    """A small transformer of diffusers, kept in a folder."""
    from diffusers import WanTransformer3DModel

    torch.manual_seed(seed)
    values = {
        "num_attention_heads": 2,
        "attention_head_dim": WIDTH // 2,
        "num_layers": DEPTH,
        "ffn_dim": 96,
        "text_dim": 32,
        "in_channels": 16,
        "out_channels": 16,
    }
    transformer = WanTransformer3DModel(**{**values, **changed}).eval().requires_grad_(False)
    for parameter in transformer.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    transformer.save_pretrained(place)
    return transformer


@dataclass(frozen=True)
class Both:
    """The same network twice."""

    theirs: "WanPipeline"
    ours: Denoiser
    place: Path


@pytest.fixture
def both(tmp_path: Path) -> Both:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import FlowMatchEulerDiscreteScheduler, WanPipeline

        transformer = published(tmp_path / "wan", 0)
        pipeline = WanPipeline(None, None, None, FlowMatchEulerDiscreteScheduler(), transformer)
    return Both(pipeline, only(load_denoiser(tmp_path / "wan")), tmp_path)


@pytest.fixture
def experts(tmp_path: Path) -> NoiseExperts:
    (tmp_path / "a14b").mkdir()
    (tmp_path / "a14b" / "model_index.json").write_text("{}")
    for seed, name in enumerate(("transformer", "transformer_2")):
        published(tmp_path / "a14b" / name, seed)
    found = load_denoiser(tmp_path / "a14b")
    assert isinstance(found, NoiseExperts)
    return found


def only(denoiser: Denoiser | NoiseExperts) -> Denoiser:
    assert isinstance(denoiser, Denoiser)
    return denoiser


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 16, 3, 8, 6, generator=generator)
    return latents, torch.tensor([0.7]), torch.randn(1, 5, 32, generator=generator)


@torch.no_grad()
def their_velocity(both: Both) -> Tensor:
    latents, sigma, text = inputs()
    found: Tensor = both.theirs.transformer(latents, 1000 * sigma, text, return_dict=False)[0]
    return found


@torch.no_grad()
def our_velocity(denoiser: Denoiser | NoiseExperts | OneLevel) -> Tensor:
    found: Tensor = denoiser(*inputs())
    return found


def distance(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()


def weights(denoiser: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in denoiser.state_dict().items()}


def pairs(
    shapes: dict[str, tuple[str, tuple[int, int]]], seed: int, *ranks: int
) -> dict[str, tuple[Tensor, Tensor]]:
    """Matrices (up, down) for the layers, of ranks that take turns."""
    generator = torch.Generator().manual_seed(seed)

    def one(rank: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        up, down = (torch.randn(size, generator=generator) for size in ((shape[0], rank), (rank, shape[1])))
        return 0.3 * up / rank**0.5, down / shape[1] ** 0.5

    return {layer: one(ranks[n % len(ranks)], shape) for n, (layer, (_, shape)) in enumerate(shapes.items())}


def with_names(
    matrices: dict[str, tuple[Tensor, Tensor]], layer: Callable[[str], str], up: str, down: str
) -> dict[str, Tensor]:
    tensors = {}
    for name, (first, second) in matrices.items():
        tensors[f"{layer(name)}.{up}.weight"] = first.clone()
        tensors[f"{layer(name)}.{down}.weight"] = second.clone()
    return tensors


def to_diffusers(layer: str) -> str:
    return {**IN_BLOCKS, **ENDS}[layer][0]


def named_as(naming: str, seed: int) -> dict[str, Tensor]:
    """A file of random changes in one of the namings."""
    if naming == "diffusers":
        matrices = pairs({**IN_BLOCKS, **ENDS}, seed, 2, 4, 3)
        return with_names(matrices, lambda name: f"transformer.{to_diffusers(name)}", "lora_B", "lora_A")
    if naming == "original":
        matrices = pairs({**IN_BLOCKS, **ENDS}, seed, 4)
        return with_names(matrices, lambda name: f"diffusion_model.{name}", "lora_B", "lora_A")
    generator = torch.Generator().manual_seed(seed)
    if naming == "original, with alpha and biases":
        matrices = pairs(IN_BLOCKS, seed, 2, 4)
        tensors = with_names(matrices, lambda name: f"diffusion_model.{name}", "lora_up", "lora_down")
        for n, (name, (up, _)) in enumerate(matrices.items()):
            tensors[f"diffusion_model.{name}.alpha"] = torch.tensor(1.0 + n % 3)
            tensors[f"diffusion_model.{name}.diff_b"] = 0.1 * torch.randn(len(up), generator=generator)
        return tensors
    matrices = pairs(IN_BLOCKS, seed, 2, 4)
    tensors = with_names(matrices, lambda name: f"lora_unet_{name.replace('.', '_')}", "lora_up", "lora_down")
    for n, name in enumerate(matrices):
        tensors[f"lora_unet_{name.replace('.', '_')}.alpha"] = torch.tensor(1.0 + n % 3)
    return tensors


NAMINGS = ("diffusers", "original", "original, with alpha and biases", "Kohya")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What peft and diffusers warn about is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("naming", NAMINGS)
def test_a_lora_does_what_it_does_in_diffusers(both: Both, naming: str) -> None:
    save_file(named_as(naming, 3), both.place / "one.safetensors")
    plain = our_velocity(both.ours)
    both.theirs.load_lora_weights(both.place / "one.safetensors", adapter_name="one")
    both.theirs.set_adapters(["one"], [0.8])
    with applied(both.ours, [Lora(path=both.place / "one.safetensors", weight=0.8)]):
        changed = our_velocity(both.ours)
    assert distance(changed, their_velocity(both)) < TOLERANCE
    assert distance(changed, plain) > 0.03


def test_several_are_mixed_as_in_diffusers(both: Both) -> None:
    mixed = {}
    for n, naming in enumerate(NAMINGS):
        save_file(named_as(naming, n), both.place / f"{n}.safetensors")
        both.theirs.load_lora_weights(
            both.place / f"{n}.safetensors", adapter_name=f"file {n}".replace(" ", "_")
        )
        mixed[f"file_{n}"] = 0.4 + 0.3 * n
    both.theirs.set_adapters(list(mixed), list(mixed.values()))
    loras = [Lora(path=both.place / f"{n}.safetensors", weight=w) for n, w in enumerate(mixed.values())]
    with applied(both.ours, loras):
        assert distance(our_velocity(both.ours), their_velocity(both)) < TOLERANCE


def test_weights_are_the_same_tensors_afterwards(both: Both) -> None:
    save_file(named_as("diffusers", 3), both.place / "one.safetensors")
    before, tensors = weights(both.ours), dict(both.ours.named_parameters())
    plain = our_velocity(both.ours)
    on_disk = next((both.place / "wan").glob("*.safetensors")).read_bytes()
    with applied(both.ours, [Lora(path=both.place / "one.safetensors")]):
        inside = dict(both.ours.named_parameters())
        assert sum(inside[name] is not tensor for name, tensor in tensors.items()) == 20
        for name, tensor in tensors.items():  # not written to
            assert torch.equal(tensor, before[name])
    for name, parameter in both.ours.named_parameters():
        assert parameter is tensors[name]
        assert torch.equal(parameter, before[name])
    assert torch.equal(our_velocity(both.ours), plain)
    assert next((both.place / "wan").glob("*.safetensors")).read_bytes() == on_disk


def test_blocks_may_lie_in_each_other(both: Both) -> None:
    for n in range(2):
        save_file(named_as("diffusers", n), both.place / f"{n}.safetensors")
    first, second = (Lora(path=both.place / f"{n}.safetensors") for n in range(2))
    with applied(both.ours, [first, second]):
        together = our_velocity(both.ours)
    with applied(both.ours, [first]):
        alone = our_velocity(both.ours)
        with applied(both.ours, [second]):
            assert distance(our_velocity(both.ours), together) < 1e-6
        assert torch.equal(our_velocity(both.ours), alone)


def test_they_are_taken_out_when_the_block_fails(both: Both) -> None:
    save_file(named_as("diffusers", 3), both.place / "one.safetensors")
    before = weights(both.ours)
    with pytest.raises(KeyboardInterrupt), applied(both.ours, [Lora(path=both.place / "one.safetensors")]):
        raise KeyboardInterrupt
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(both.ours).items())


def test_nothing_has_changed_when_merging_fails(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(named_as("diffusers", 3), both.place / "one.safetensors")
    before = weights(both.ours)
    real, calls = torch.Tensor.narrow, iter(range(8))

    def failing(*arguments: Any) -> Tensor:
        if next(calls, None) is None:
            raise MemoryError
        return real(*arguments)

    monkeypatch.setattr(torch.Tensor, "narrow", failing)
    with pytest.raises(MemoryError):
        merge_loras(both.ours, [Lora(path=both.place / "one.safetensors")])
    monkeypatch.undo()
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(both.ours).items())


def test_a_few_step_file_changes_all_that_it_names(both: Both) -> None:
    """Names as in the files of lightx2v: whole differences of norms, biases and tables of modulation too."""
    state = both.theirs.transformer.state_dict()
    generator = torch.Generator().manual_seed(5)
    tensors = {}

    def differ(name: str, theirs: str) -> None:
        difference = 0.1 * torch.randn(state[theirs].shape, generator=generator)
        tensors[f"diffusion_model.{name}"] = difference
        state[theirs] = state[theirs] + 0.5 * difference

    for n in range(DEPTH):
        block = f"blocks.{n}"
        differ(f"{block}.diff_m", f"{block}.scale_shift_table")
        differ(f"{block}.norm3.diff", f"{block}.norm2.weight")
        differ(f"{block}.norm3.diff_b", f"{block}.norm2.bias")
        for own, theirs in (("self_attn", "attn1"), ("cross_attn", "attn2")):
            for norm in ("norm_q", "norm_k"):
                differ(f"{block}.{own}.{norm}.diff", f"{block}.{theirs}.{norm}.weight")
            for layer in "qkv":
                differ(f"{block}.{own}.{layer}.diff_b", f"{block}.{theirs}.to_{layer}.bias")
    differ("head.diff_m", "scale_shift_table")
    differ("head.head.diff", "proj_out.weight")
    differ("head.head.diff_b", "proj_out.bias")
    differ("patch_embedding.diff_b", "patch_embedding.bias")
    up, down = (
        torch.randn(WIDTH, 2, 1, 1, 1, generator=generator),
        torch.randn(2, 16, 1, 2, 2, generator=generator),
    )
    tensors["diffusion_model.patch_embedding.lora_up.weight"] = up / 10
    tensors["diffusion_model.patch_embedding.lora_down.weight"] = down / 10
    product = torch.einsum("orxyz,rcpqs->ocpqs", up, down) / 100
    state["patch_embedding.weight"] = state["patch_embedding.weight"] + 0.5 * product
    save_file(tensors, both.place / "few.safetensors")
    both.theirs.transformer.load_state_dict(state)
    with applied(both.ours, [Lora(path=both.place / "few.safetensors", weight=0.5)]):
        assert distance(our_velocity(both.ours), their_velocity(both)) < TOLERANCE


@pytest.mark.parametrize("by_root", [False, True])
def test_strength_is_what_peft_says_of_it(both: Both, by_root: bool) -> None:
    matrices = pairs(IN_BLOCKS, 3, 4)
    tensors = with_names(matrices, lambda name: f"transformer.{to_diffusers(name)}", "lora_B", "lora_A")
    said = {
        "r": 4,
        "lora_alpha": 6,
        "alpha_pattern": {"blocks.1.attn1.to_v": 2},
        "target_modules": [to_diffusers(name) for name in matrices],
        "use_rslora": by_root,
    }
    kept = json.dumps({f"transformer.{name}": value for name, value in said.items()})
    save_file(tensors, both.place / "one.safetensors", {"lora_adapter_metadata": kept})
    both.theirs.load_lora_weights(both.place / "one.safetensors", adapter_name="one")
    with applied(both.ours, [Lora(path=both.place / "one.safetensors")]):
        changed = our_velocity(both.ours)
    assert distance(changed, their_velocity(both)) < TOLERANCE

    (both.place / "peft").mkdir()  # as peft itself keeps it
    plain = with_names(matrices, lambda name: f"base_model.model.{to_diffusers(name)}", "lora_B", "lora_A")
    save_file(plain, both.place / "peft" / "adapter_model.safetensors")
    (both.place / "peft" / "adapter_config.json").write_text(json.dumps(said))
    with applied(both.ours, [Lora(path=both.place / "peft")]):
        assert torch.equal(our_velocity(both.ours), changed)


@pytest.mark.parametrize(
    ("prefix", "down", "up"),
    [
        ("", "lora_A.default", "lora_B.default"),
        ("transformer.", "lora.down", "lora.up"),
        ("pipe.dit.", "lora_A", "lora_B"),
        ("base_model.model.diffusion_model.", "lora_A", "lora_B"),
        ("lora_unet_", "lora_down", "lora_up"),
    ],
)
def test_names_may_be_mixtures(both: Both, prefix: str, down: str, up: str) -> None:
    matrices = pairs(IN_BLOCKS, 3, 4)
    save_file(with_names(matrices, str, "lora_B", "lora_A"), both.place / "one.safetensors")
    save_file(with_names(matrices, prefix.__add__, up, down), both.place / "two.safetensors")
    found = []
    for name in ("one", "two"):
        with applied(both.ours, [Lora(path=both.place / f"{name}.safetensors")]):
            found.append(our_velocity(both.ours))
    assert torch.equal(found[0], found[1])


def test_a_lora_of_another_family_is_read_as_well(tmp_path: Path) -> None:
    from diffusers import LTXVideoTransformer3DModel

    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=24,
        cross_attention_dim=48,
        num_layers=2,
        caption_channels=32,
    )
    transformer.save_pretrained(tmp_path / "ltx")
    block = {"attn1.to_q": (48, 48), "attn2.to_v": (48, 48), "ff.net.0.proj": (192, 48)}
    shapes = {
        f"transformer_blocks.{n}.{layer}": (layer, shape) for n in (0, 1) for layer, shape in block.items()
    }
    tensors = with_names(pairs(shapes, 1, 2, 3), "transformer.".__add__, "lora_B", "lora_A")
    save_file(tensors, tmp_path / "one.safetensors")
    transformer.load_lora_adapter(tensors, prefix="transformer")
    transformer.fuse_lora(lora_scale=0.6)
    transformer.unload_lora()
    transformer.save_pretrained(tmp_path / "fused")
    denoiser, fused = only(load_denoiser(tmp_path / "ltx")), only(load_denoiser(tmp_path / "fused"))
    with applied(denoiser, [Lora(path=tmp_path / "one.safetensors", weight=0.6)]):
        for name, parameter in denoiser.named_parameters():
            torch.testing.assert_close(parameter, fused.get_parameter(name), msg=name)

    for layer, sentence in (
        (
            "blocks.0.self_attn.q",
            "is for Wan (it changes 'blocks.0.self_attn.q'), and this model is LTX-Video",
        ),
        ("transformer_blocks.27.attn1.to_q", "is for 28 blocks or more, and this model has 2"),
    ):
        save_file(pair(layer), tmp_path / "other.safetensors")
        with pytest.raises(UserError) as error:
            merge_loras(denoiser, [Lora(path=tmp_path / "other.safetensors")])
        assert sentence in str(error.value)


def test_half_precision_is_rounded_once(both: Both) -> None:
    """What several add is summed in float32."""
    half = only(load_denoiser(both.place / "wan", dtype=torch.bfloat16))
    exact = only(load_denoiser(both.place / "wan"))
    exact.load_state_dict(half.state_dict())
    matrices = pairs(IN_BLOCKS, 3, 4)
    save_file(with_names(matrices, str, "lora_B", "lora_A"), both.place / "one.safetensors")
    loras = [Lora(path=both.place / "one.safetensors", weight=weight) for weight in (9.0, -8.99)]
    with applied(half, loras), applied(exact, loras):
        for name, parameter in half.named_parameters():
            wanted = exact.get_parameter(name)
            assert parameter.dtype == torch.bfloat16
            assert ((parameter - wanted).abs() <= 2**-8 * wanted.abs()).all()


def test_experts_have_their_own(experts: NoiseExperts, tmp_path: Path) -> None:
    save_file(named_as("Kohya", 3), tmp_path / "one.safetensors")
    save_file(named_as("original", 4), tmp_path / "two.safetensors")
    before = weights(experts)

    def touched(*loras: Lora, denoiser: NoiseExperts | OneLevel = experts) -> set[str]:
        with applied(denoiser, loras):
            return {
                name.split(".")[0]
                for name, now in weights(experts).items()
                if not torch.equal(now, before[name])
            }

    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert touched(Lora(path=one)) == {"high", "low"}
    assert touched(Lora(path=one), denoiser=OneLevel(experts)) == {"high", "low"}
    assert touched(Lora(path=one, expert="high")) == {"high"}
    assert touched(Lora(path=one, expert="low", weight=0.5)) == {"low"}
    assert touched(Lora(path=one, expert="high"), Lora(path=two, expert="low")) == {"high", "low"}

    layers = pairs(IN_BLOCKS, 5, 2)
    told_apart = {
        **with_names(layers, lambda name: f"transformer.{name}", "lora_B", "lora_A"),
        **with_names(
            {"blocks.0.ffn.0": layers["blocks.0.ffn.0"]}, "transformer_2.".__add__, "lora_B", "lora_A"
        ),
    }
    save_file(told_apart, tmp_path / "both.safetensors")
    with applied(experts, [Lora(path=tmp_path / "both.safetensors")]):
        changed = {name for name, now in weights(experts).items() if not torch.equal(now, before[name])}
    assert {name for name in changed if name.startswith("low.")} == {"low.blocks.0.mlp.up.weight"}
    assert "high.blocks.1.attention.qkv.weight" in changed


def test_layers_for_a_pictures_tokens_are_left_out_where_the_picture_is_in_the_channels(
    tmp_path: Path,
) -> None:
    """Files for Wan 2.1's image → video are used with Wan 2.2's, and some for 2.2 bring the same layers."""
    published(tmp_path / "wan22", 0, in_channels=36)
    denoiser = only(load_denoiser(tmp_path / "wan22"))
    matrices = pairs(IN_BLOCKS, 3, 2)
    plain = with_names(matrices, str, "lora_up", "lora_down")
    picture = {
        f"blocks.0.cross_attn.{kind}": matrices["blocks.0.cross_attn.k"] for kind in ("k_img", "v_img")
    }
    more = with_names({**picture, "img_emb.proj.1": matrices["blocks.0.ffn.0"]}, str, "lora_up", "lora_down")
    more |= {f"blocks.{n}.cross_attn.norm_k_img.diff": torch.randn(WIDTH) for n in range(DEPTH)}
    save_file(plain, tmp_path / "plain.safetensors")
    save_file({**plain, **more}, tmp_path / "pictured.safetensors")
    found = []
    for name in ("plain", "pictured"):
        with applied(denoiser, [Lora(path=tmp_path / f"{name}.safetensors")]):
            found.append(weights(denoiser))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_lora_for_text_to_video_leaves_what_is_beside_the_latents(tmp_path: Path) -> None:
    """Few-step files change the input too, which has more channels where a picture comes in by them."""
    published(tmp_path / "wan22", 0, in_channels=36)
    denoiser = only(load_denoiser(tmp_path / "wan22"))
    before = weights(denoiser)["patch_in.weight"].view(WIDTH, 2, 2, 36)
    difference = torch.randn(WIDTH, 16, 1, 2, 2)
    save_file({"patch_embedding.diff": difference}, tmp_path / "one.safetensors")
    with applied(denoiser, [Lora(path=tmp_path / "one.safetensors")]):
        after = weights(denoiser)["patch_in.weight"].view(WIDTH, 2, 2, 36)
    assert torch.equal(after[..., 16:], before[..., 16:])
    assert torch.equal(after[..., :16], before[..., :16] + difference[:, :, 0].permute(0, 2, 3, 1))


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape)


def pair(layer: str, out: int = WIDTH, size: int = WIDTH, rank: int = 2) -> dict[str, Tensor]:
    return {f"{layer}.lora_B.weight": zeros(out, rank), f"{layer}.lora_A.weight": zeros(rank, size)}


Q = "blocks.0.self_attn.q"
MISFITS: dict[str, tuple[dict[str, Tensor], str]] = {
    "another size": (
        pair(Q, 5120, 5120),
        "is for Wan 14B, and this model is a Wan 48 wide; give a LoRA for its size.",
    ),
    "another size, the attention not first": (
        {**pair("blocks.0.ffn.0", 13824, 5120), **pair(Q, 5120, 5120)},
        "is for Wan 14B",
    ),
    "more blocks": (pair("blocks.39.self_attn.q"), "is for 40 blocks or more, and this model has 2"),
    "more blocks, in Kohya's way": (pair("lora_unet_blocks_39_ffn_0"), "is for 40 blocks or more"),
    "another width of the text": (
        pair("text_embedding.0", WIDTH, 4096),
        "changes 'text_embedding.0.weight' as one of (48, 4096), which is (48, 32) in this model",
    ),
    "image → video": (
        {**pair(Q), **pair("blocks.0.cross_attn.k_img"), "blocks.0.cross_attn.norm_k_img.diff": zeros(48)},
        "is for image → video (it changes 'blocks.0.cross_attn.k_img' and 1 other)",
    ),
    "Flux": (pair("lora_unet_double_blocks_0_img_attn_qkv"), "is for HunyuanVideo or Flux"),
    "LTX-Video": (pair("transformer.transformer_blocks.0.attn1.to_q"), "is for LTX-Video, CogVideoX"),
    "Stable Diffusion": (
        pair("lora_unet_down_blocks_0_attentions_0_proj_in"),
        "is for Stable Diffusion (it changes 'down_blocks_0_attentions_0_proj_in')",
    ),
    "a text encoder beside it": ({**pair(Q), **pair("lora_te_layers_0_q")}, "is for a text encoder"),
    "an unknown layer": (
        {**pair(Q), **pair("blocks.0.self_attn.gate")},
        "changes 'blocks.0.self_attn.gate' that no Wan model of this kind has",
    ),
    "channels that are not there": (
        {**pair(Q), "patch_embedding.diff": zeros(48, 36, 1, 2, 2)},
        "'patch_embedding.weight' as one of (48, 36, 1, 2, 2), which is (48, 16, 1, 2, 2) in this model",
    ),
    "no pair": (
        {f"{Q}.lora_A.weight": zeros(2, 48)},
        "has no whole pair of matrices for 'blocks.0.self_attn.q'",
    ),
    "a strength alone": ({f"{Q}.alpha": zeros(1)}, "has no whole pair of matrices"),
    "a pair that does not fit": (
        {f"{Q}.lora_B.weight": zeros(48, 3), f"{Q}.lora_A.weight": zeros(2, 48)},
        "do not fit each other ((48, 3) and (2, 48))",
    ),
    "no rank": (pair(Q, rank=0), "do not fit each other"),
    "no number": (
        {**pair(Q), f"{Q}.alpha": torch.tensor(float("nan"))},
        "has no number as 'blocks.0.self_attn.q.alpha'",
    ),
    "twice": ({**pair(Q), **pair(f"diffusion_model.{Q}")}, "has both"),
    "a model": ({f"{Q}.weight": zeros(48, 48)}, "is no LoRA: it has whole tensors"),
    "something beside it": (
        {**pair(Q), f"{Q}.weight": zeros(2)},
        "has 'blocks.0.self_attn.q.weight' beside its LoRA",
    ),
    "nothing": ({}, "is empty"),
    "DoRA": ({**pair(Q), f"{Q}.dora_scale": zeros(48)}, "is a DoRA ('blocks.0.self_attn.q.dora_scale')"),
    "LoKr": ({f"{Q}.lokr_w1": zeros(2, 2), f"{Q}.lokr_w2": zeros(24, 24)}, "is a LoKr"),
    "two experts": (
        {**pair(f"transformer.{Q}"), **pair(f"transformer_2.{Q}")},
        "is for two experts, and this model has none",
    ),
}


@pytest.mark.parametrize(("tensors", "sentence"), MISFITS.values(), ids=MISFITS.keys())
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, tensors: dict[str, Tensor], sentence: str) -> None:
    published(tmp_path / "wan", 0)
    denoiser = only(load_denoiser(tmp_path / "wan"))
    before = dict(denoiser.named_parameters())
    save_file(named_as("original", 1), tmp_path / "good.safetensors")
    save_file(tensors, tmp_path / "bad.safetensors")
    loras = [Lora(path=tmp_path / f"{name}.safetensors") for name in ("good", "bad")]
    with pytest.raises(UserError) as merging:
        merge_loras(denoiser, loras)
    with pytest.raises(UserError) as checking:
        check_loras(tmp_path / "wan", loras)
    for error in (merging.value, checking.value):
        assert sentence in str(error)
        assert str(error).startswith(str(tmp_path / "bad.safetensors"))
        assert str(error).endswith(".")
    assert all(parameter is before[name] for name, parameter in denoiser.named_parameters())


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    published(tmp_path / "wan", 0)
    save_file(named_as("original", 1), tmp_path / "good.safetensors")
    whole = (tmp_path / "good.safetensors").read_bytes()
    (tmp_path / "short.safetensors").write_bytes(whole[:-100])
    torch.save(named_as("original", 1), tmp_path / "lora.pt")
    torch.save(named_as("original", 1), tmp_path / "renamed.safetensors")
    save_file(pair(Q), tmp_path / "said.safetensors", {"lora_adapter_metadata": "[1]"})
    for name, sentence in (
        ("short.safetensors", "is no whole safetensors file"),
        ("lora.pt", "is a pickle"),
        ("renamed.safetensors", "is a pickle"),
        ("nowhere.safetensors", "there"),
        ("said.safetensors", "makes no sense"),
    ):
        with pytest.raises(UserError, match=sentence):
            check_loras(tmp_path / "wan", [Lora(path=tmp_path / name)])


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 10.5, -1e9])
def test_absurd_weights_are_refused(weight: float) -> None:
    with pytest.raises(UserError, match="choose between -10 and 10"):
        Lora(path=Path("one.safetensors"), weight=weight)


def test_an_expert_needs_two(both: Both) -> None:
    save_file(named_as("original", 1), both.place / "one.safetensors")
    with pytest.raises(UserError, match="this model has no experts"):
        merge_loras(both.ours, [Lora(path=both.place / "one.safetensors", expert="low")])


def test_a_model_of_ours_is_refused(tmp_path: Path, tiny_model: Model) -> None:
    save_file(named_as("original", 1), tmp_path / "one.safetensors")
    loras = [Lora(path=tmp_path / "one.safetensors")]
    with pytest.raises(UserError, match="changes a published model"):
        merge_loras(tiny_model.denoiser, loras)
    with pytest.raises(UserError, match="'embedded' is none"):
        check_loras("embedded", loras)
