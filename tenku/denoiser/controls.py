"""Blocks beside those of a denoiser that are shown what is known of a video, and hint at it (VACE: Jiang et
al., arXiv 2503.07598)."""

import math
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor, nn

from tenku.denoiser.layers import fold


class Controls(nn.Module):
    """Channels of what is known → a hint for some of the denoiser's blocks, from a stream of its own."""

    def __init__(
        self, channels: int, size: int, patch_size: tuple[int, int, int], blocks: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.patch_in = nn.Linear(channels * math.prod(patch_size), size)
        self.start = nn.Linear(size, size)
        self.blocks = nn.ModuleList(blocks)
        self.outs = nn.ModuleList(nn.Linear(size, size) for _ in blocks)

    def tokens(self, conditions: Tensor) -> Tensor:
        """Channels (b c t h w) as tokens (b t h w d)."""
        seen = conditions.movedim(1, -1).to(self.patch_in.weight.dtype)
        out: Tensor = self.patch_in(fold(seen, self.patch_size))
        return out

    def hints(
        self, x: Tensor, tokens: Tensor, through: Sequence[Callable[[Tensor], Tensor]]
    ) -> Iterator[Tensor]:
        """What is added (b t h w d) after each of the denoiser's blocks that gets a hint, made when it is
        asked for; `through` are the blocks of this stream as they are called, and x is what the denoiser
        begins with."""
        stream = self.start(tokens) + x
        for block, out in zip(through, self.outs, strict=True):
            stream = block(stream)
            yield out(stream)
