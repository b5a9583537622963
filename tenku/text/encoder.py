"""A small bilingual text encoder trained from scratch: words → tokens that the denoiser attends to."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from tenku.text.tokenizer import PADDING, Tokenizer, Tokens


@dataclass(frozen=True, slots=True)
class TextConditioning:
    """What the denoiser attends to: tokens (b n d) and a mask (b n), True where there is one."""

    tokens: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.tokens.shape[:2] != self.mask.shape:
            raise ValueError(f"tokens {tuple(self.tokens.shape)} and mask {tuple(self.mask.shape)} disagree")

    def __len__(self) -> int:
        return len(self.tokens)

    def first(self, count: int) -> "TextConditioning":
        """The first tokens only: of a `TextEncoder`, its registers."""
        return TextConditioning(self.tokens[:, :count], self.mask[:, :count])

    def repeated(self, count: int) -> "TextConditioning":
        """Each so many times, one after the other."""
        return TextConditioning(
            self.tokens.repeat_interleave(count, 0), self.mask.repeat_interleave(count, 0)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class TextEncoderConfig:
    """Shape and vocabulary of the encoder.

    `num_registers` learned tokens stand before the words and gather what the text says of each thing;
    training supervises them with the scene that the text describes.
    """

    vocabulary: tuple[str, ...]
    hidden_size: int = 256
    depth: int = 4
    num_heads: int = 4
    max_tokens: int = 128
    num_registers: int = 10

    def __post_init__(self) -> None:
        if self.num_registers < 1 or self.max_tokens < 1:
            raise ValueError(
                "num_registers and max_tokens must be at least 1: attention needs something to see"
            )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} must be a multiple of num_heads {self.num_heads}"
            )


class TextBlock(nn.Module):
    """Pre-norm attention and MLP over one text."""

    def __init__(self, size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.RMSNorm(size, eps=1e-6)
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.out = nn.Linear(size, size, bias=False)
        self.mlp_norm = nn.RMSNorm(size, eps=1e-6)
        self.up = nn.Linear(size, 4 * size, bias=False)
        self.down = nn.Linear(4 * size, size, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(b n d) and mask (b 1 1 n) → (b n d)."""
        query, key, value = rearrange(
            self.qkv(self.attention_norm(x)), "b n (k h d) -> k b h n d", k=3, h=self.num_heads
        )
        y = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        x = x + self.out(rearrange(y, "b h n d -> b n (h d)"))
        out: Tensor = x + self.down(functional.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))
        return out


class TextEncoder(nn.Module):
    """Prompts → TextConditioning.

    An empty prompt is a text like any other: the one that guidance leads away from.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = Tokenizer(config.vocabulary)
        size = config.hidden_size
        self.words = nn.Embedding(len(self.tokenizer), size)
        self.positions = nn.Parameter(torch.randn(config.max_tokens, size) * 0.02)
        self.registers = nn.Parameter(torch.randn(config.num_registers, size) * 0.5)
        self.blocks = nn.ModuleList(TextBlock(size, config.num_heads) for _ in range(config.depth))
        self.norm = nn.RMSNorm(size, eps=1e-6)
        nn.init.normal_(self.words.weight, std=0.5)

    def tokenize(self, prompts: Sequence[str]) -> list[Tokens]:
        """Tokens of each prompt, cut at the encoder's length."""
        return [self.tokenizer(prompt, self.config.max_tokens) for prompt in prompts]

    def encode(self, prompts: Sequence[str], length: int | None = None) -> TextConditioning:
        """Conditioning of a batch of prompts, of `length` words each if that is given."""
        conditioning: TextConditioning = self(*self.batch(self.tokenize(prompts), length))
        return conditioning

    def batch(self, tokens: Sequence[Tokens], length: int | None = None) -> tuple[Tensor, Tensor]:
        """Ids (b n) and the mask (b n) of real ones, padded to the longest, or padded or cut to `length`."""
        length = length or max([1, *(len(item.ids) for item in tokens)])
        rows = [[*item.ids[:length], *[PADDING] * (length - len(item.ids))] for item in tokens]
        ids = torch.tensor(rows, dtype=torch.long, device=self.words.weight.device)
        return ids, ids != PADDING

    def forward(self, ids: Tensor, mask: Tensor) -> TextConditioning:
        """Ids and mask (b n) → registers and words (b r+n d)."""
        words = self.words(ids) + self.positions[: ids.shape[1]]
        x = torch.cat([self.registers.expand(len(ids), -1, -1), words], 1)
        full_mask = functional.pad(mask, (self.config.num_registers, 0), value=True)
        for block in self.blocks:
            x = block(x, full_mask[:, None, None, :])
        return TextConditioning(self.norm(x), full_mask)
