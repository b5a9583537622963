"""Frames of bytes ↔ the values in [−1, 1] that the autoencoder sees."""

import numpy as np
import torch
from torch import Tensor

from tenku.media import Frames


def from_pixels(frames: Frames) -> Tensor:
    """Frames (… t h w 3) of bytes → values (… 3 t h w) in [−1, 1]; the frames are copied."""
    return torch.as_tensor(np.array(frames)).movedim(-1, -4).float() / 127.5 - 1


def to_pixels(video: Tensor) -> Frames:
    """Values (3 t h w) → frames (t h w 3) of bytes; what lies outside [−1, 1] is clipped."""
    pixels = ((video.float().permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255)
    frames: Frames = pixels.to(torch.uint8).contiguous().cpu().numpy()
    return frames
