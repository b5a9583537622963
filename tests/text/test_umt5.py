"""umT5 against diffusers' own pipeline, with a small random network and a tokenizer of words."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from tenku.errors import UserError
from tenku.text import Umt5Encoder
from tenku.text.umt5 import cleaned, from_original

WORDS = ("a", "red", "ball", "falls", "the", "cone", "&", "spins", "“", "”", "é")
PROMPTS = ["a red ball falls", "", "  the <b>\n cone &amp;amp; the\tball ", "a " * 700]
DEFAULTS = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4}


def word_tokenizer() -> PreTrainedTokenizerFast:
    """Ends each text with </s>, as T5's does."""
    vocabulary = {word: index for index, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.fixture(scope="module")
def network() -> UMT5EncoderModel:
    torch.manual_seed(0)
    network = UMT5EncoderModel(UMT5Config(vocab_size=len(WORDS) + 3, **DEFAULTS)).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def folder(network: UMT5EncoderModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both parts in diffusers' layout; the weights in several shards."""
    folder = tmp_path_factory.mktemp("umt5")
    network.save_pretrained(folder / "text_encoder", max_shard_size="20KB")
    word_tokenizer().save_pretrained(folder / "tokenizer")
    assert len(list((folder / "text_encoder").glob("*.safetensors"))) > 1
    return folder


def load(folder: Path, **options: Any) -> Umt5Encoder:
    return Umt5Encoder.from_pretrained(folder / "text_encoder", folder / "tokenizer", **options)


def peer(network: UMT5EncoderModel, prompts: list[str], length: int) -> Tensor:
    pipeline = WanPipeline(
        tokenizer=word_tokenizer(), text_encoder=network, vae=None, scheduler=None, transformer=None
    )
    embeddings: Tensor = pipeline._get_t5_prompt_embeds(prompts, max_sequence_length=length)
    return embeddings


@pytest.mark.parametrize("prompts", [PROMPTS, PROMPTS[:1], PROMPTS[1:2]], ids=["all", "short", "empty"])
def test_embeddings_are_those_of_diffusers(
    network: UMT5EncoderModel, folder: Path, prompts: list[str]
) -> None:
    expected = peer(network, prompts, 512)
    found = load(folder).encode(prompts)
    assert found.tokens.shape == (len(prompts), 512, 32)
    assert torch.allclose(found.tokens, expected, atol=1e-5)
    assert found.mask.all()
    assert torch.equal(found.tokens == 0, expected == 0)


def test_another_length(network: UMT5EncoderModel, folder: Path) -> None:
    found = load(folder).encode(PROMPTS, length=7)
    assert torch.allclose(found.tokens, peer(network, PROMPTS, 7), atol=1e-5)


def test_autocast_changes_nothing(folder: Path) -> None:
    encoder = load(folder)
    plain = encoder.encode(PROMPTS[:1]).tokens
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder.encode(PROMPTS[:1]).tokens, plain)


def test_a_type_may_be_asked_for(folder: Path) -> None:
    assert load(folder).encode(["a"]).tokens.dtype == torch.float32
    assert load(folder, dtype=torch.bfloat16).encode(["a"]).tokens.dtype == torch.bfloat16


def test_tokens_that_are_not_read_are_counted(folder: Path) -> None:
    short, long = load(folder).tokenize(["a red ball", "a " * 700])
    assert (len(short.ids), short.num_unread) == (4, 0)
    assert (len(long.ids), long.num_unread) == (512, 189)


@pytest.mark.parametrize(
    ("prompt", "clean"),
    [
        ("  a\n\tred  ball ", "a red ball"),
        ("&amp;lt;b&amp;gt; é", "<b> é"),
        ("a　red ball", "a red ball"),
        ("sÃ©ance", "séance"),
        ("“a”", '"a"'),
    ],
)
def test_prompts_are_cleaned(prompt: str, clean: str) -> None:
    assert cleaned(prompt) == clean


def test_cleaning_without_ftfy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert cleaned(" sÃ©ance &amp;  a ") == "sÃ©ance & a"


def originally_named(network: UMT5EncoderModel) -> dict[str, Tensor]:
    """The network as Wan's own code lays it out, spelt out here once more."""
    tensors = {"token_embedding.weight": network.shared.weight}
    for index, block in enumerate(network.encoder.block):
        attention, mlp = block.layer[0], block.layer[1]
        inside = {
            "norm1": attention.layer_norm,
            "attn.q": attention.SelfAttention.q,
            "attn.k": attention.SelfAttention.k,
            "attn.v": attention.SelfAttention.v,
            "attn.o": attention.SelfAttention.o,
            "pos_embedding.embedding": attention.SelfAttention.relative_attention_bias,
            "norm2": mlp.layer_norm,
            "ffn.gate.0": mlp.DenseReluDense.wi_0,
            "ffn.fc1": mlp.DenseReluDense.wi_1,
            "ffn.fc2": mlp.DenseReluDense.wo,
        }
        tensors |= {f"blocks.{index}.{name}.weight": layer.weight for name, layer in inside.items()}
    tensors["norm.weight"] = network.encoder.final_layer_norm.weight
    return {name: tensor.clone() for name, tensor in tensors.items()}


def test_the_original_layout(network: UMT5EncoderModel, folder: Path, tmp_path: Path) -> None:
    save_file(originally_named(network), tmp_path / "umt5.safetensors")
    encoder = Umt5Encoder.from_pretrained(tmp_path / "umt5.safetensors", folder / "tokenizer")
    assert torch.equal(encoder.encode(PROMPTS).tokens, load(folder).encode(PROMPTS).tokens)


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [("norm.weight", "final_layer_norm"), ("blocks.1.attn.q.weight", "SelfAttention.q"), ("token", "token")],
)
def test_an_original_file_that_is_not_whole(
    network: UMT5EncoderModel, folder: Path, tmp_path: Path, lost: str, sentence: str
) -> None:
    tensors = {name: t for name, t in originally_named(network).items() if not name.startswith(lost)}
    save_file(tensors, tmp_path / "umt5.safetensors")
    with pytest.raises(UserError, match=f"no whole umT5 encoder.*{sentence}"):
        Umt5Encoder.from_pretrained(tmp_path / "umt5.safetensors", folder / "tokenizer")


def test_unknown_tensors_are_named() -> None:
    with pytest.raises(UserError, match=r"'blocks\.0\.cross_attn\.q\.weight' is unknown"):
        from_original({"blocks.0.cross_attn.q.weight": torch.zeros(1)})


def test_a_pickle_is_refused_unopened(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "models_t5_umt5-xxl-enc-bf16.pth").write_bytes(b"never read")
    with pytest.raises(UserError, match=r"is a pickle.*text_encoder/"):
        Umt5Encoder.from_pretrained(tmp_path / "models_t5_umt5-xxl-enc-bf16.pth", folder / "tokenizer")


def test_places_that_hold_nothing(folder: Path, tmp_path: Path) -> None:
    for weights, tokenizer, sentence in (
        (tmp_path / "none", folder / "tokenizer", "there is no"),
        (tmp_path, folder / "tokenizer", r"no \.safetensors files"),
        (folder / "text_encoder", tmp_path, "the tokenizer in .* cannot be read"),
    ):
        with pytest.raises(UserError, match=sentence):
            Umt5Encoder.from_pretrained(weights, tokenizer)


def test_shards_that_are_lost_or_cut(folder: Path, tmp_path: Path) -> None:
    shards = sorted((folder / "text_encoder").glob("*"))
    for path in shards:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    first = next(path for path in shards if path.suffix == ".safetensors")
    tensors = load_file(first)
    tensors.pop(min(tensors))
    save_file(tensors, tmp_path / first.name)
    with pytest.raises(UserError, match="lacks tensor 'encoder"):
        Umt5Encoder.from_pretrained(tmp_path, folder / "tokenizer")
    (tmp_path / first.name).write_bytes(first.read_bytes()[:-9])
    with pytest.raises(UserError, match="cannot be read"):
        Umt5Encoder.from_pretrained(tmp_path, folder / "tokenizer")
    (tmp_path / first.name).unlink()
    with pytest.raises(UserError, match="cannot be read"):
        Umt5Encoder.from_pretrained(tmp_path, folder / "tokenizer")


def test_without_transformers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"tenku\[open-weights\]"):
        load(folder)
