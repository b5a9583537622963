"""T5, the text encoder of LTX-Video: through transformers, with the conventions of diffusers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import torch

from tenku.errors import UserError
from tenku.text.encoder import TextConditioning
from tenku.text.tokenizer import Tokens
from tenku.text.umt5 import from_folder, load_tokenizer

_LENGTH: Final = 128  # tokens that every text is cut or filled up to


class T5Encoder:
    """Prompts → TextConditioning of 128 tokens, whose mask hides those that are no text.

    Tokens of a text do see those that fill it up, as in diffusers, though the makers of LTX-Video hide them.
    The network runs in the type of its weights, whatever autocast says.
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
        """The encoder in a folder in transformers' layout, and the tokenizer in another. Without a `dtype`
        weights keep that of their file."""
        weights, tokenizer = Path(weights), Path(tokenizer)
        for path in (weights, tokenizer):
            if not path.is_dir():
                raise UserError(
                    f"there is no folder {str(path)!r}; give the text encoder's weights and its tokenizer."
                )
        network = from_folder(weights, dtype, "T5EncoderModel")
        return cls(network.to(device).eval().requires_grad_(False), load_tokenizer(tokenizer))

    def tokenize(self, prompts: Sequence[str]) -> list[Tokens]:
        """Tokens of each prompt; every word is known, and what is too long is not read."""
        each = (self.tokenizer(prompt).input_ids for prompt in prompts)
        return [Tokens(tuple(ids[:_LENGTH]), num_unread=max(0, len(ids) - _LENGTH)) for ids in each]

    @torch.no_grad()
    def encode(self, prompts: Sequence[str], length: int | None = None) -> TextConditioning:
        """Conditioning (b 128 d) of a batch of prompts, or (b length d)."""
        given = self.tokenizer(
            list(prompts),
            padding="max_length",
            max_length=length or _LENGTH,
            truncation=True,
            return_tensors="pt",
        )
        ids, mask = (given[name].to(self.network.device) for name in ("input_ids", "attention_mask"))
        with torch.autocast(ids.device.type, enabled=False):
            states = self.network(ids).last_hidden_state
        return TextConditioning(states, mask.bool())
