"""What two processes do in test_parallel.py: one clip shared out in every way, against one process alone."""

import copy
import sys
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from tenku.denoiser import Denoiser, DenoiserConfig, NoiseExperts
from tenku.denoiser.parallel import share_tokens, share_weights
from tenku.errors import UserError

OPEN = DenoiserConfig(
    latent_channels=4,
    text_size=12,
    hidden_size=48,
    depth=2,
    num_heads=2,
    mlp="plain",
    bias=True,
    norm="layer",
    joint_norm=True,
    token_shift=False,
    time_layers=2,
    text_mlp=True,
    final_table=True,
    picture_size=10,
    control_channels=6,
    control_layers=(1,),
)


def network(seed: int) -> Denoiser:
    torch.manual_seed(seed)
    made = Denoiser(OPEN).requires_grad_(False)
    for parameter in made.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def check(found: torch.Tensor, wanted: torch.Tensor, what: str) -> None:
    error = float((found - wanted).norm() / wanted.norm())
    assert error < 1e-5, f"{what}: {error}"
    print(f"{what} {error:.1e}", file=sys.stderr)


@torch.no_grad()
def main() -> None:
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    alone = NoiseExperts(network(0), network(1), 0.5)
    torch.manual_seed(2)
    latents, text, picture = torch.randn(2, 4, 3, 6, 10), torch.randn(2, 7, 12), torch.randn(2, 5, 10)
    text[:, 4:], told = 0, torch.randn(2, 6, 3, 6, 10)
    levels = {"alike": torch.tensor([0.7]), "by clip": torch.tensor([0.3, 0.2]), "by frame": torch.rand(2, 3)}
    for name, level in levels.items():
        wanted = alone(latents, level, alone.read(text, None, picture), conditions=told)
        for way in ("ulysses", "ring", "weights", "ulysses and weights"):
            if way == "ulysses" and OPEN.num_heads % mesh.size():
                continue
            shared = copy.deepcopy(alone)
            if way != "weights":
                share_tokens(shared, mesh, "ring" if way == "ring" or mesh.size() > 2 else "ulysses")
            if "weights" in way:
                share_weights(shared, mesh)
                assert sum(p.to_local().numel() for p in shared.parameters()) < 0.6 * sum(
                    p.numel() for p in alone.parameters()
                )
            found = shared(latents, level, shared.read(text, None, picture), conditions=told)
            check(found, wanted, f"{way}, levels {name}")
    refused = {
        "neighbours": lambda: share_tokens(Denoiser(DenoiserConfig(hidden_size=48)), mesh),
        "heads": lambda: share_tokens(network(0) if mesh.size() > 2 else odd(), mesh),
    }
    for words, attempt in refused.items():
        with pytest.raises(UserError, match=words):
            attempt()
    dist.destroy_process_group()


def odd() -> Denoiser:
    return Denoiser(replace(OPEN, num_heads=3))


main()
