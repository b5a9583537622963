"""One clip on many devices: each process works on a share of its tokens, and may keep a share of the weights.

All processes call the denoiser with the same arguments and get the same velocity. Between them tokens only
meet in self-attention: there either each process attends for some heads over all tokens (Ulysses: Jacobs et
al., arXiv 2309.14509), or keys and values go round while every process keeps its queries (ring: Liu et al.,
arXiv 2310.01889).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch
import torch.distributed as dist
from einops import rearrange
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from tenku.denoiser.experts import NoiseExperts
from tenku.denoiser.transformer import Denoiser
from tenku.errors import UserError

Method: TypeAlias = Literal["ulysses", "ring"]


@dataclass(frozen=True, slots=True)
class TokenShares:
    """The processes that share out tokens, those of a mesh of one dimension, and how they attend."""

    mesh: DeviceMesh
    method: Method = "ulysses"
    _group: dist.ProcessGroup = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_group", self.mesh.get_group())

    def own(self, part: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """This process's share (b 1 1 n …) of something for all tokens (b t h w …), t, h and w perhaps 1."""
        if part.shape[1:4] == (1, 1, 1):
            return part
        _, h, w = grid
        number = self._numbers(grid)
        t_index, h_index, w_index = number // (h * w), number // w % h, number % w
        index = [
            place if size > 1 else torch.zeros_like(place)
            for place, size in zip((t_index, h_index, w_index), part.shape[1:4], strict=True)
        ]
        return part[:, index[0], index[1], index[2]][:, None, None]

    def own_rows(self, table: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """This process's share of the rows of a table (n …)."""
        return table[self._numbers(grid).to(table.device)]

    def joined(self, part: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """Everybody's shares (b 1 1 n d) put together again: (b t h w d)."""
        sizes = self._sizes(grid[0] * grid[1] * grid[2])
        mine = part.new_zeros(len(part), max(sizes), part.shape[-1])
        mine[:, : part.shape[3]] = part.flatten(1, 3)
        everybody = [torch.empty_like(mine) for _ in sizes]
        dist.all_gather(everybody, mine, group=self._group)
        whole = [found[:, :size] for found, size in zip(everybody, sizes, strict=True)]
        t, h, w = grid
        return rearrange(torch.cat(whole, 1), "b (t h w) d -> b t h w d", t=t, h=h, w=w)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention of this process's queries (b h n d) to the keys and values of all."""
        return (self._ulysses if self.method == "ulysses" else self._ring)(query, key, value)

    def _ulysses(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        tokens = self._lengths(query)
        some_heads = self._exchanged(torch.stack([query, key, value]), tokens, to_heads=True)
        y = torch.nn.functional.scaled_dot_product_attention(*some_heads)
        return self._exchanged(y[None], tokens, to_heads=False)[0]

    def _exchanged(self, part: Tensor, tokens: Sequence[int], *, to_heads: bool) -> Tensor:
        """(k b h n d) of all heads and own tokens → own heads and all tokens, or back."""
        me, size = self.mesh.get_local_rank(), len(tokens)
        if to_heads:
            sent, shape = list(part.chunk(size, 2)), list(part.shape)
            shape[2] //= size
            shapes = [[*shape[:3], length, shape[4]] for length in tokens]
        else:
            sent = list(torch.split(part, list(tokens), 3))
            shapes = [[*part.shape[:3], tokens[me], part.shape[4]] for _ in tokens]
        lengths = [torch.Size(shape).numel() for shape in shapes]
        received = part.new_empty(sum(lengths))
        dist.all_to_all_single(
            received,
            torch.cat([piece.flatten() for piece in sent]),
            lengths,
            [piece.numel() for piece in sent],
            group=self._group,
        )
        pieces = [
            piece.view(shape) for piece, shape in zip(torch.split(received, lengths), shapes, strict=True)
        ]
        return torch.cat(pieces, 3 if to_heads else 2)

    def _ring(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        tokens, me = self._lengths(query), self.mesh.get_local_rank()
        there = torch.stack([key, value])
        total, scores = _attended(query, key, value)
        total = total.float()
        for step in range(1, len(tokens)):
            there = self._from_before(there, tokens[(me - step) % len(tokens)])
            found, scores_there = _attended(query, *there)
            both = torch.logaddexp(scores, scores_there)
            total = total * (scores - both).exp()[..., None] + found * (scores_there - both).exp()[..., None]
            scores = both
        return total.to(query.dtype)

    def _from_before(self, part: Tensor, length: int) -> Tensor:
        """Send a part (k b h n d) to the next process and get that of the one before."""
        ranks = dist.get_process_group_ranks(self._group)
        me = self.mesh.get_local_rank()
        received = part.new_empty(*part.shape[:3], length, part.shape[4])
        for wish in dist.batch_isend_irecv(
            [
                dist.P2POp(dist.isend, part.contiguous(), ranks[(me + 1) % len(ranks)], group=self._group),
                dist.P2POp(dist.irecv, received, ranks[me - 1], group=self._group),
            ]
        ):
            wish.wait()
        return received

    def _lengths(self, query: Tensor) -> list[int]:
        """Tokens of each process: shares differ by one at most, the longer ones first."""
        mine = torch.tensor(query.shape[2], device=query.device)
        found = [torch.empty_like(mine) for _ in range(self.mesh.size())]
        dist.all_gather(found, mine, group=self._group)
        return [int(each) for each in found]

    def _sizes(self, number: int) -> list[int]:
        share, more = divmod(number, self.mesh.size())
        return [share + (rank < more) for rank in range(self.mesh.size())]

    def _numbers(self, grid: tuple[int, int, int]) -> Tensor:
        sizes, me = self._sizes(grid[0] * grid[1] * grid[2]), self.mesh.get_local_rank()
        return torch.arange(sum(sizes[:me]), sum(sizes[: me + 1]))


def _attended(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Attention, and the logarithm of the sum of what it weighed by (b h n)."""
    if query.device.type == "cpu":
        on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        y, scores = on_cpu(query, key, value, 0.0, False)
    else:
        y, scores = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)[:2]
    return y, scores


def share_tokens(
    denoiser: Denoiser | NoiseExperts, mesh: DeviceMesh, method: Method = "ulysses"
) -> TokenShares:
    """Let the processes of a mesh share out the tokens of a denoiser, which each of them has loaded.

    A `UserError` if it looks at neighbouring tokens outside attention, or its heads cannot be shared out.
    """
    shares = TokenShares(mesh, method)
    for expert in _experts(denoiser):
        config = expert.config
        if config.token_shift or config.refiner_depth or config.tracks is not None:
            raise UserError(
                "this denoiser looks at neighbours outside attention, so its tokens cannot be shared out; "
                "run it on one device."
            )
        if method == "ulysses" and config.num_heads % mesh.size():
            raise UserError(
                f"{config.num_heads} heads cannot be shared out among {mesh.size()} processes; take a number "
                "that divides them, or the ring method."
            )
        expert.shares = shares
        for block in expert.each_block:
            block.attention.attend = shares.attend
    return shares


def share_weights(denoiser: Denoiser | NoiseExperts, mesh: DeviceMesh) -> None:
    """Let each process of a mesh keep a share of the weights, which come together block by block (FSDP2)."""
    for expert in _experts(denoiser):
        for block in expert.each_block:
            # Texts are read before the blocks run, so what reads them is a unit of its own.
            fully_shard(block.cross_attention, mesh=mesh)
            register_fsdp_forward_method(block.cross_attention, "read")
            register_fsdp_forward_method(block.cross_attention, "read_picture")
            fully_shard(block, mesh=mesh)
        fully_shard(expert, mesh=mesh)
        register_fsdp_forward_method(expert, "read")
        register_fsdp_forward_method(expert, "denoise")


def _experts(denoiser: Denoiser | NoiseExperts) -> tuple[Denoiser, ...]:
    return (denoiser.high, denoiser.low) if isinstance(denoiser, NoiseExperts) else (denoiser,)
