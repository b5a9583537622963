"""What somebody asks for: one request for the command line, the HTTP body and the Python call."""

import math
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tenku.errors import UserError

KEPT_SUFFIX: Final = ".tenku"  # of a generation that is kept with its request
SIZE_STEP: Final = 16  # pixels a side of one token: 8 from the VAE, 2 from the denoiser's patches
MAX_PROMPT_LENGTH: Final = 2_000
MIN_SIDE: Final = 32
MAX_SIDE: Final = 512  # of the embedded model
LARGEST_SIDE: Final = 4_096  # of any
MAX_SECONDS: Final = 3_600.0
MAX_FPS: Final = 60.0
MAX_STEPS: Final = 1_000
MAX_GUIDANCE_SCALE: Final = 100.0
MAX_SEED: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationRequest:
    """Everything that decides what is generated; the same request gives the same frames.

    One frame is a picture. `None` leaves a choice to the model. `guidance_scale_2` is that of the second of
    two experts, which takes over at low noise; as `guidance_scale` if only that is given. With a
    `reuse_tolerance` steps are left out in which the video is expected to change by a smaller share than
    that.
    """

    prompt: str
    negative_prompt: str = ""
    num_frames: int = 32
    height: int = 128
    width: int = 128
    fps: float = 16.0
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    guidance_scale_2: float | None = None
    reuse_tolerance: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_text(self.prompt, "prompt")
        if self.negative_prompt:
            _check_text(self.negative_prompt, "negative prompt")
        _check_fps(self.fps)
        check_size(self.width, self.height, max_side=LARGEST_SIDE)
        _check_length(self.num_frames, self.fps)
        if self.num_inference_steps is not None and not 1 <= self.num_inference_steps <= MAX_STEPS:
            raise UserError(
                f"{self.num_inference_steps} steps cannot be taken; choose between 1 and {MAX_STEPS}."
            )
        for scale in (self.guidance_scale, self.guidance_scale_2):
            if scale is not None and not 0 <= scale <= MAX_GUIDANCE_SCALE:
                raise UserError(
                    f"a guidance scale of {scale:g} makes no video; "
                    f"choose between 0 and {MAX_GUIDANCE_SCALE:g} (1 is no guidance)."
                )
        if not 0 <= self.reuse_tolerance <= 1:
            raise UserError(
                f"a tolerance of {self.reuse_tolerance:g} cannot be kept to; choose from 0 (every step is "
                "taken) to 1, for example 0.05."
            )
        if not 0 <= self.seed <= MAX_SEED:
            raise UserError(f"seed {self.seed} is out of range; choose a whole number from 0 to {MAX_SEED}.")

    @property
    def seconds(self) -> float:
        """How long the video plays."""
        return self.num_frames / self.fps


def frames_in(seconds: float, fps: float) -> int:
    """How many frames play in `seconds`, at least one."""
    _check_fps(fps)
    if not (math.isfinite(seconds) and seconds > 0):
        raise UserError(
            f"a video cannot last {seconds:g} seconds; choose more than 0, up to {MAX_SECONDS:g}."
        )
    if seconds > MAX_SECONDS:
        raise UserError(f"{seconds:g} seconds are too long; choose at most {MAX_SECONDS:g}.")
    if seconds * fps < 0.5:
        raise UserError(
            f"{seconds:g} seconds are shorter than one frame at {fps:g} frames per second; "
            f"choose at least {1 / fps:g}."
        )
    return max(1, round(seconds * fps))


def check_kept_name(path: str | Path) -> None:
    """Refuse a name under which no generation can be kept."""
    if Path(path).suffix.lower() != KEPT_SUFFIX:
        raise UserError(f"{str(path)!r} cannot be kept; end its name with {KEPT_SUFFIX}.")


def padded_num_frames(num_frames: int, temporal_compression: int) -> int:
    """The smallest length of at least `num_frames` that a causal VAE makes: one frame, then whole groups."""
    return 1 + temporal_compression * math.ceil((num_frames - 1) / temporal_compression)


def _check_text(text: str, name: str) -> None:
    if not text.strip():
        raise UserError(f"the {name} is empty; say what should be seen, for example 'a red ball falls'.")
    if len(text) > MAX_PROMPT_LENGTH:
        raise UserError(
            f"the {name} has {len(text):,} characters; shorten it to at most {MAX_PROMPT_LENGTH:,}."
        )
    for position, character in enumerate(text, start=1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\n\r":
            raise UserError(
                f"the {name} has a control character ({ascii(character)[1:-1]}) at position {position}; "
                "remove it."
            )
    if not any(character.isalpha() for character in text):
        raise UserError(f"the {name} has no words; say what should be seen, for example 'a red ball falls'.")


def _check_fps(fps: float) -> None:
    if not (math.isfinite(fps) and 1 <= fps <= MAX_FPS):
        raise UserError(f"{fps:g} frames per second cannot be generated; choose between 1 and {MAX_FPS:g}.")


def check_size(width: int, height: int, step: int = SIZE_STEP, max_side: int = MAX_SIDE) -> None:
    """Refuse a size whose sides are no multiples of `step` from the smallest to `max_side`."""
    low = -(-MIN_SIDE // step) * step
    nearest = [min(max_side, max(low, round(side / step) * step)) for side in (width, height)]
    if nearest != [width, height]:
        raise UserError(
            f"a size of {width}x{height} cannot be generated: each side must be a multiple of {step} "
            f"between {low} and {max_side} pixels; the nearest is {nearest[0]}x{nearest[1]}."
        )


def _check_length(num_frames: int, fps: float) -> None:
    if num_frames < 1:
        raise UserError(f"a video cannot have {num_frames} frames; choose at least 1.")
    if num_frames > MAX_SECONDS * fps:
        raise UserError(
            f"{num_frames} frames at {fps:g} frames per second last {num_frames / fps:g} seconds; "
            f"choose at most {MAX_SECONDS:g} seconds."
        )
