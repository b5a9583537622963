import pytest
import torch

from tenku.checkpoint import Model
from tenku.text import TextConditioning, TextEncoder, TextEncoderConfig


@pytest.fixture
def encoder(tiny_model: Model) -> TextEncoder:
    return tiny_model.text_encoder


def test_registers_come_before_the_words(encoder: TextEncoder) -> None:
    text = encoder.encode(["a red ball", ""])
    assert text.tokens.shape == (2, 10 + 3, 16)
    assert text.mask.tolist() == [[True] * 13, [True] * 10 + [False] * 3]
    assert len(text) == 2


def test_padding_changes_nothing(encoder: TextEncoder) -> None:
    prompts = ["a red ball falls", "ball", ""]
    together = encoder.encode(prompts)
    longer = encoder.encode(prompts, 9)
    assert longer.tokens.shape == (3, 19, 16)
    for row, prompt in enumerate(prompts):
        alone = encoder.encode([prompt])
        n = int(together.mask[row].sum())
        assert torch.allclose(together.tokens[row, :n], alone.tokens[0, :n], atol=1e-5)
        assert torch.allclose(longer.tokens[row, :n], alone.tokens[0, :n], atol=1e-5)
        assert torch.equal(longer.mask[row], torch.arange(19) < n)


def test_words_and_their_order_matter(encoder: TextEncoder) -> None:
    first, second, third = (encoder.encode([text]).tokens for text in ("red ball", "ball red", "red falls"))
    assert not torch.allclose(first[:, :10], second[:, :10], atol=1e-4)
    assert not torch.allclose(first[:, :10], third[:, :10], atol=1e-4)


def test_long_texts_are_cut(encoder: TextEncoder) -> None:
    assert encoder.encode(["ball " * 1000]).tokens.shape[1] == 10 + encoder.config.max_tokens
    cut = encoder.encode(["a red ball falls"], 2)
    assert torch.allclose(cut.tokens, encoder.encode(["a red"]).tokens, atol=1e-6)


def test_texts_are_repeated_one_after_the_other(encoder: TextEncoder) -> None:
    text = encoder.encode(["a red ball", "ball"])
    twice = text.repeated(2)
    assert torch.equal(twice.tokens, text.tokens[[0, 0, 1, 1]])
    assert torch.equal(twice.mask, text.mask[[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"hidden_size": 30}, "multiple of num_heads 4"), ({"num_registers": 0}, "at least 1")],
)
def test_configurations_that_make_no_sense(wrong: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TextEncoderConfig(vocabulary=("a",), **wrong)


def test_tokens_need_a_mask_of_their_length() -> None:
    with pytest.raises(ValueError, match="disagree"):
        TextConditioning(torch.zeros(1, 3, 4), torch.ones(1, 2, dtype=torch.bool))
