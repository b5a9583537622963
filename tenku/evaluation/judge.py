"""The judge's eye: a small convolutional network that says of every cell of a frame what is there.

It is trained on simulated frames only, by `tenku train judge`, and reads colours, shapes and object centres
back from generated ones. Cells are 2×2 pixels; pictures are seen with 128 pixels along their shorter side.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from tenku.checkpoint import EMBEDDED
from tenku.denoiser import multiplies_bfloat16
from tenku.errors import UserError
from tenku.worlds.vocabulary import COLOURS, SHAPES

FORMAT: Final = 1
CELL: Final = 2  # pixels along a side of a cell
VIEW: Final = 128  # pixels along the shorter side of what the network sees
OFFSET_UNIT: Final = 16.0  # pixels; makes offsets numbers of about one


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeConfig:
    """Channels at 1/2, 1/4, and 1/8 and below of the picture's side."""

    widths: tuple[int, int, int] = (32, 64, 80)

    def __post_init__(self) -> None:
        if len(self.widths) != 3 or min(self.widths) < 1:
            raise ValueError(f"widths must be three positive numbers, not {self.widths}")


class Labels(NamedTuple):
    """What the judge says of every cell of n frames: the first three are logits.

    thing (n h w): an object rather than background; colour (n 8 h w); shape (n 6 h w); offset (n 2 h w):
    pixels right and down from the cell's first pixel to the middle of its object, which may be hidden or
    outside.
    """

    thing: Tensor
    colour: Tensor
    shape: Tensor
    offset: Tensor


class _Block(nn.Module):
    """norm → 3×3 → SiLU → 3×3 that starts at zero, beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_scale = nn.Parameter(torch.ones(width))
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1)
        y = functional.rms_norm(y, (x.shape[1],), self.norm_scale.to(x.dtype), 1e-6).permute(0, 3, 1, 2)
        z: Tensor = self.second(functional.silu(self.first(y)))
        return x + z


class Judge(nn.Module):
    """Frames (n 3 h w) in [−1, 1], sides multiples of 16 → Labels (h/2 w/2): a U-Net of 0.55 M weights."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.stem = nn.Conv2d(3 * CELL**2, fine, 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1)
            for a, b in ((fine, middle), (middle, coarse), (coarse, coarse))
        )
        self.blocks = nn.ModuleList(_Block(width) for width in (middle, coarse, coarse))
        self.up = nn.ModuleList(
            nn.Conv2d(a, b, 1) for a, b in ((coarse, coarse), (coarse, middle), (middle, fine))
        )
        self.merge = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for width in (coarse, middle, fine))
        self.head = nn.Conv2d(fine, 1 + len(COLOURS) + len(SHAPES) + 2, 1)

    def forward(self, frames: Tensor) -> Labels:
        """Label every cell."""
        x = functional.pixel_unshuffle(frames, CELL).contiguous(memory_format=torch.channels_last)
        x = functional.silu(self.stem(x))
        skips = []
        for down, block in zip(self.down, self.blocks, strict=True):
            skips.append(x)
            x = block(down(x))
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = functional.interpolate(up(functional.silu(x)), scale_factor=2.0, mode="nearest") + skip
            x = x + functional.silu(merge(x))
        y = self.head(x).float()
        thing, colour, shape, offset = y.split((1, len(COLOURS), len(SHAPES), 2), 1)
        return Labels(thing[:, 0], colour, shape, offset * OFFSET_UNIT)

    def look(self, frames: Tensor, batch: int = 16) -> Iterator[Labels]:
        """Labels of frames (t h w 3) of bytes at the judge's own size, some at a time."""
        for chunk in torch.split(frames, batch):
            pictures = chunk.permute(0, 3, 1, 2).float() / 127.5 - 1
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
                yield self(pictures)


def view_of(frames: Tensor) -> Tensor:
    """Frames (t h w 3) of bytes, scaled to about VIEW pixels along the shorter side, to fit the network."""
    height, width = frames.shape[1:3]
    scale = VIEW / min(height, width)
    size = [max(1, round(side * scale / 16)) * 16 for side in (height, width)]
    if size == [height, width]:
        return frames
    pictures = frames.permute(0, 3, 1, 2).float()
    pictures = functional.interpolate(
        pictures, size=size, mode="bilinear", antialias=True, align_corners=False
    )
    return pictures.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def save_judge(folder: Path, judge: Judge, training: dict[str, object] | None = None) -> None:
    """Write `judge.safetensors` (matrices in bfloat16) and `judge.json`, which comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.to(torch.bfloat16) if value.ndim > 1 else value.float()).contiguous().clone()
        for name, value in judge.state_dict().items()
    }
    partial = folder / "judge.safetensors.partial"
    save_file(tensors, partial)
    os.replace(partial, folder / "judge.safetensors")
    config = {"format": FORMAT, "judge": asdict(judge.config), "training": training or {}}
    partial = folder / "judge.json.partial"
    partial.write_text(json.dumps(config, indent=1) + "\n")
    os.replace(partial, folder / "judge.json")


def load_judge(folder: Path = EMBEDDED) -> Judge:
    """The judge in a folder; without one, the judge of this package."""
    try:
        config = json.loads((folder / "judge.json").read_text())
        tensors = load_file(folder / "judge.safetensors")
        judge = Judge(JudgeConfig(widths=tuple(config["judge"]["widths"])))
        judge.load_state_dict({name: value.float() for name, value in tensors.items()})
    except FileNotFoundError as error:
        raise UserError(
            f"there is no judge in {str(folder)!r}: `tenku train judge -o runs/judge` makes one."
        ) from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the judge in {str(folder)!r} cannot be read ({reason}); install tenku again or train one."
        ) from error
    judge.eval().requires_grad_(False)
    return judge.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
