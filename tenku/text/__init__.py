"""Prompt → TextConditioning."""

from tenku.text.encoder import TextConditioning, TextEncoder, TextEncoderConfig
from tenku.text.tokenizer import Tokenizer, Tokens, normalise

__all__ = ["TextConditioning", "TextEncoder", "TextEncoderConfig", "Tokenizer", "Tokens", "normalise"]
