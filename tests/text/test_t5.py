"""T5 against diffusers' own pipeline, with a small random network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LTXPipeline
from torch import Tensor
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from tenku.errors import UserError
from tenku.evaluation.random_models import letters
from tenku.text import T5Encoder

PROMPTS = ["a red ball falls", "", "a" * 300]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    made: PreTrainedTokenizerFast = letters()
    return made


@pytest.fixture(scope="module")
def network(tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    torch.manual_seed(0)
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_heads": 4}
    network = T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), feed_forward_proj="gated-gelu", **shape)
    ).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def folder(
    network: T5EncoderModel, tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("t5")
    network.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    return folder


def load(folder: Path, **options: Any) -> T5Encoder:
    return T5Encoder.from_pretrained(folder / "text_encoder", folder / "tokenizer", **options)


@pytest.mark.parametrize("length", [None, 7, 256])
def test_embeddings_and_masks_are_those_of_diffusers(
    network: T5EncoderModel, tokenizer: PreTrainedTokenizerFast, folder: Path, length: int | None
) -> None:
    peer = LTXPipeline(tokenizer=tokenizer, text_encoder=network, vae=None, scheduler=None, transformer=None)
    expected, mask = peer._get_t5_prompt_embeds(PROMPTS, max_sequence_length=length or 128)
    found = load(folder).encode(PROMPTS, length)
    assert found.tokens.shape == (3, length or 128, 32)
    assert torch.allclose(found.tokens, expected, atol=1e-5)
    assert torch.equal(found.mask, mask)
    assert found.mask[1].sum() == 1  # an empty text ends, too


def test_autocast_changes_nothing(folder: Path) -> None:
    encoder = load(folder)
    plain = encoder.encode(PROMPTS[:1]).tokens
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encoder.encode(PROMPTS[:1]).tokens, plain)


def test_a_type_may_be_asked_for(folder: Path) -> None:
    tokens: list[Tensor] = [load(folder, dtype=kind).encode(["a"]).tokens for kind in (None, torch.bfloat16)]
    assert [each.dtype for each in tokens] == [torch.float32, torch.bfloat16]


def test_tokens_that_are_not_read_are_counted(folder: Path) -> None:
    short, long = load(folder).tokenize([PROMPTS[0], PROMPTS[2]])
    assert short.num_unread == 0
    assert (len(long.ids), long.num_unread) == (128, len(PROMPTS[2]) + 2 - 128)


def test_places_that_hold_nothing(folder: Path, tmp_path: Path) -> None:
    for weights, tokenizer, sentence in (
        (tmp_path / "none", folder / "tokenizer", "there is no folder"),
        (tmp_path, folder / "tokenizer", r"no \.safetensors files"),
        (folder / "text_encoder", tmp_path, "the tokenizer in .* cannot be read"),
    ):
        with pytest.raises(UserError, match=sentence):
            T5Encoder.from_pretrained(weights, tokenizer)
