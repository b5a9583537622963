"""Whether what is made goes on from what is known: frames that stay, those that follow, a loop's seam."""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tenku.evaluation.autoencoder import psnr
from tenku.media import Frames
from tenku.timeline import Timeline

_BLOCK: Final = 8  # pixels a side
_REACH: Final = 6  # pixels
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


# --- what is known -----------------------------------------------------------------------------------------


def known_frames(timeline: Timeline, frames_per_latent: int) -> npt.NDArray[np.int64]:
    """The frames of a timeline that stand for known latents, and those in which its joints end."""
    held = (timeline.noise_floor[0] == 0).flatten(1).all(1)
    known = torch.cat([held[:1], held[1:].repeat_interleave(frames_per_latent)])
    known[[frames_per_latent * joint for joint in timeline.joints]] = True
    return known.nonzero()[:, 0].numpy()


def known_latents_changed(timeline: Timeline, made: Tensor) -> float:
    """The largest difference between a timeline's known latents (1 c t h w) and the same in what was made."""
    held = (timeline.noise_floor == 0)[:, None]
    return float(((made - timeline.latents).abs() * held).max())


def known_psnr_lost(
    made: Frames, true: Frames, round_trip: Frames, known: npt.NDArray[np.int64], offset: int
) -> float:
    """By how many dB known frames of what was made are farther from the true ones than their round trip is.

    True frames stand `offset` frames later in what was made.
    """
    known = known[(known >= offset) & (known < offset + len(true))]
    ours, theirs, truth = (
        torch.from_numpy(frames) for frames in (made[known], round_trip[known - offset], true[known - offset])
    )
    return psnr(truth, theirs) - psnr(truth, ours)


# --- what follows ------------------------------------------------------------------------------------------


def continuation(made: Frames, true: Frames, split: int) -> float:
    """How badly the first new frame follows from the last known one, as a multiple of the true next frame.

    Both videos are of one length and alike before the frame `split`.
    """
    ours = motion_compensated_difference(made[split - 1], made[split])
    return ours / max(motion_compensated_difference(true[split - 1], true[split]), 1e-3)


def motion_compensated_difference(before: Frames, after: Frames) -> float:
    """Mean absolute difference in luma between the blocks of a frame (h w 3) and their best match in the one
    before, among whole steps of up to six pixels each way."""
    old, new = (frame.astype(np.float32) @ _LUMA for frame in (before, after))
    height, width = (side // _BLOCK * _BLOCK for side in new.shape)
    new = new[:height, :width]
    wide = np.pad(old, _REACH, mode="edge")
    best = np.full((height // _BLOCK, width // _BLOCK), np.inf, np.float32)
    for down in range(2 * _REACH + 1):
        for across in range(2 * _REACH + 1):
            away = np.abs(new - wide[down : down + height, across : across + width])
            blocks = away.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).mean((1, 3))
            np.minimum(best, blocks, out=best)
    return float(best.mean())


def loop_seam(frames: Frames) -> float:
    """The step from a loop's last frame to its first, as a multiple of the mean step between neighbours."""
    values = frames.astype(np.float32)
    steps = np.abs(np.diff(values, axis=0)).mean()
    return float(np.abs(values[0] - values[-1]).mean() / max(steps, 1e-6))
