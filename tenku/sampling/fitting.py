"""Tracks fitted to latents: analysis by synthesis, with the drafter as what synthesises."""

import torch
from torch import Tensor

from tenku.denoiser import CAMERA_SIZE, NUM_FLOORS, SURROUNDINGS_SIZE, TYPICAL_CAMERA, Drafter, TrackConfig

_PULL = 0.002  # back to what was read, per squared step: what the draft does not show stays as it was
_SURROUNDINGS_STEP = 0.3  # of surroundings and other cameras' numbers, to those of poses


def fit_tracks(
    drafter: Drafter, packed: Tensor, latents: Tensor, num_steps: int, step_size: float = 0.05
) -> Tensor:
    """Packed tracks (1 c t o) moved so that their draft comes nearest to normalised latents (1 c t h w).

    What things look like stays. Poses move frame by frame, cameras too, surroundings for all frames alike.
    """
    config = drafter.config
    sizes = _steps(packed, config)
    with torch.inference_mode(False), torch.enable_grad():
        start, target, sizes = packed.clone(), latents.clone(), sizes.clone()
        moves = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([moves], lr=step_size, betas=(0.8, 0.95))
        for step in range(num_steps):
            for group in optimizer.param_groups:
                group["lr"] = step_size * (1 - step / num_steps)
            draft = drafter(start + _together(moves * sizes, config), *target.shape[3:])
            loss = (draft.mean - target).square().mean() + _PULL * (moves * (sizes > 0)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (start + _together(moves * sizes, config)).detach()


def _steps(packed: Tensor, config: TrackConfig) -> Tensor:
    """How far each number (1 c t o) moves at a time: nowhere where nothing is, or a choice was made."""
    sizes = torch.zeros_like(packed)
    sizes[:, 1 + config.look_channels :, :, :-1] = (packed[:, :1, :, :-1] > 0).to(packed.dtype)
    first_camera = 1 + SURROUNDINGS_SIZE
    sizes[:, 1 + NUM_FLOORS :, :, -1] = _SURROUNDINGS_STEP
    sizes[:, first_camera:, :, -1] = 1
    for number, (_, width) in TYPICAL_CAMERA.items():
        sizes[:, first_camera + number :: CAMERA_SIZE, :, -1] = width
    return sizes


def _together(moves: Tensor, config: TrackConfig) -> Tensor:
    """The same with surroundings that move alike in all frames."""
    around = moves[:, : 1 + SURROUNDINGS_SIZE, :, -1:].mean(2, keepdim=True)
    setting = torch.cat(
        [around.expand(-1, -1, moves.shape[2], -1), moves[:, 1 + SURROUNDINGS_SIZE :, :, -1:]], 1
    )
    return torch.cat([moves[..., :-1], setting], -1)
