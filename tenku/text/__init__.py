"""Prompt → TextConditioning."""

from tenku.text.encoder import TextConditioning, TextEncoder, TextEncoderConfig
from tenku.text.tokenizer import Tokenizer, Tokens, normalise
from tenku.text.umt5 import Umt5Encoder

__all__ = [
    "TextConditioning",
    "TextEncoder",
    "TextEncoderConfig",
    "Tokenizer",
    "Tokens",
    "Umt5Encoder",
    "normalise",
]
