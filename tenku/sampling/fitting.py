"""Tracks fitted to latents: analysis by synthesis, with the drafter as what synthesises."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor

from tenku.denoiser import CAMERA_SIZE, NUM_FLOORS, TYPICAL_CAMERA, Drafter, TrackConfig

_PULL = 0.002  # back to what was read, per squared step: what the draft does not show stays as it was
_SURROUNDINGS_STEP = 0.3  # of surroundings and other cameras' numbers, to those of poses


def fit_tracks(
    drafter: Drafter,
    packed: Tensor,
    latents: Tensor,
    num_steps: int,
    *,
    times: Sequence[int] | None = None,
    step_size: float = 0.05,
    half_precision: bool = False,
) -> Tensor:
    """Packed tracks (1 c t o) moved so that their draft comes nearest to normalised latents (1 c t h w).

    What things look like stays. Poses move frame by frame, surroundings for all frames alike, and cameras so
    that they go on gliding; `times` says which latent frames these are, if not all of a clip from the first.
    """
    config = drafter.config
    sizes, line = _steps(packed, config), _line(packed, times, config)
    with torch.inference_mode(False), torch.enable_grad():
        start, target, sizes, line = packed.clone(), latents.clone(), sizes.clone(), line.clone()
        moves = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([moves], lr=step_size, betas=(0.8, 0.95))
        for step in range(num_steps):
            for group in optimizer.param_groups:
                group["lr"] = step_size * (1 - step / num_steps)
            with torch.autocast("cpu", torch.bfloat16, enabled=half_precision):
                draft = drafter(start + _together(moves * sizes, line, config), *target.shape[3:])
            loss = (draft.mean - target).square().mean() + _PULL * (moves * (sizes > 0)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        moved: Tensor = (start + _together(moves * sizes, line, config)).detach()
        return moved


def _steps(packed: Tensor, config: TrackConfig) -> Tensor:
    """How far each number (1 c t o) moves at a time: nowhere where nothing is, or a choice was made."""
    sizes = torch.zeros_like(packed)
    sizes[:, config.poses, :, :-1] = (packed[:, :1, :, :-1] > 0).to(packed.dtype)
    sizes[:, 1 + NUM_FLOORS : config.around.stop, :, -1] = _SURROUNDINGS_STEP
    sizes[:, config.cameras, :, -1] = 1
    for number, (_, width) in TYPICAL_CAMERA.items():
        sizes[:, config.cameras.start + number : config.cameras.stop : CAMERA_SIZE, :, -1] = width
    return sizes


def _line(packed: Tensor, times: Sequence[int] | None, config: TrackConfig) -> Tensor:
    """The projection (f f) of values in the frames of packed tracks to straight lines in time."""
    frames, t = config.frames_per_latent, packed.shape[2]
    starts = torch.tensor(list(range(t) if times is None else times), dtype=packed.dtype)
    time = (starts[:, None] * frames + torch.arange(frames)).flatten()
    if times is None or times[0] == 0:
        time[:frames] = frames - 1  # the first latent frame stands for one frame
    basis = torch.stack([torch.ones_like(time), time - time.mean()], 1)
    line: Tensor = basis @ torch.linalg.pinv(basis)
    return line


def _together(moves: Tensor, line: Tensor, config: TrackConfig) -> Tensor:
    """The same with surroundings that move alike in all frames, and cameras along a line (f f)."""
    t, f = moves.shape[2], config.frames_per_latent
    around = moves[:, config.around, :, -1:].mean(2, keepdim=True).expand(-1, -1, t, -1)
    cameras = rearrange(moves[:, config.cameras, :, -1], "b (f n) t -> b n (t f)", f=f) @ line
    cameras = rearrange(cameras, "b n (t f) -> b (f n) t 1", f=f)
    setting = torch.cat([around, cameras, moves[:, config.cameras.stop :, :, -1:]], 1)
    return torch.cat([moves[..., :-1], setting], -1)
