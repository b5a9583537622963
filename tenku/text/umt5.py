"""umT5, the text encoder of Wan: through transformers, with Wan's conventions."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import torch

from tenku.errors import UserError
from tenku.text.encoder import TextConditioning
from tenku.text.tokenizer import Tokens

_LENGTH: Final = 512  # tokens that every text is cut or filled up to


class Umt5Encoder:
    """Prompts → TextConditioning of 512 tokens, zeros where there is no text.

    Wan looks at all of them, so the mask hides none.
    """

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self.network, self.tokenizer = network, tokenizer

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path,
        tokenizer: str | Path,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> Self:
        """The encoder in a folder of weights, and the tokenizer in another."""
        try:
            from transformers import AutoTokenizer, UMT5EncoderModel
        except ImportError as error:
            raise UserError(
                "this model reads its prompts with transformers; `pip install 'tenku[open-weights]'`."
            ) from error
        network = UMT5EncoderModel.from_pretrained(str(weights), dtype=dtype or "auto")
        return cls(network.to(device).eval(), AutoTokenizer.from_pretrained(str(tokenizer)))

    def tokenize(self, prompts: Sequence[str]) -> list[Tokens]:
        """Tokens of each prompt; every word is known, and what is too long is not read."""
        found = []
        for prompt in prompts:
            ids = self.tokenizer(cleaned(prompt)).input_ids
            found.append(Tokens(tuple(ids[:_LENGTH]), num_unread=max(0, len(ids) - _LENGTH)))
        return found

    @torch.no_grad()
    def encode(self, prompts: Sequence[str], length: int | None = None) -> TextConditioning:
        """Conditioning (b 512 d) of a batch of prompts."""
        given = self.tokenizer(
            [cleaned(prompt) for prompt in prompts],
            padding="max_length",
            max_length=length or _LENGTH,
            truncation=True,
            return_tensors="pt",
        )
        ids, mask = (given[name].to(self.network.device) for name in ("input_ids", "attention_mask"))
        tokens = self.network(ids, attention_mask=mask).last_hidden_state
        tokens = tokens * mask[..., None]
        return TextConditioning(tokens, torch.ones_like(mask, dtype=torch.bool))


def cleaned(prompt: str) -> str:
    """A prompt as Wan was trained on it: mended letters, no HTML, single spaces."""
    try:
        import ftfy

        prompt = ftfy.fix_text(prompt)
    except ImportError:
        pass
    return " ".join(html.unescape(html.unescape(prompt)).split())
