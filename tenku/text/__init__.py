"""Prompt → TextConditioning."""

from tenku.text.encoder import TextConditioning, TextEncoder, TextEncoderConfig
from tenku.text.t5 import T5Encoder
from tenku.text.tokenizer import Tokenizer, Tokens, normalise
from tenku.text.umt5 import Umt5Encoder, hollow_umt5, load_tokenizer, umt5_tensors

__all__ = [
    "T5Encoder",
    "TextConditioning",
    "TextEncoder",
    "TextEncoderConfig",
    "Tokenizer",
    "Tokens",
    "Umt5Encoder",
    "hollow_umt5",
    "load_tokenizer",
    "normalise",
    "umt5_tensors",
]
