"""Characters: what is seen in a short clip, carried into other videos in words.

The model has no picture of a subject to go by; it plans objects of a colour, shape, material and size, and
those are what its reader sees in a clip. So a character keeps these four, and nothing else of how it looks.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from tenku.denoiser import unpack
from tenku.errors import UserError
from tenku.pipeline import VideoPipeline
from tenku.timeline import Footage, named


def described_character(pipeline: VideoPipeline, clip: Path) -> str:
    """The main object of a clip in words, for example "a small red rubber ball"."""
    found = main_object(pipeline.footage_of(clip))
    if not found:
        raise UserError("nothing that the model knows is seen in a character's clip; give a clearer one.")
    return found


def main_object(footage: Footage) -> str:
    """The object that is largest for most of a clip, in words; empty if there is none."""
    config = footage.track_config
    if footage.tracks is None or config is None:
        return ""
    tracks = unpack(footage.tracks, config)
    present = tracks.present[0]  # t o
    areas = tracks.boxes[0, ..., -1, 2:4].clamp_min(0).prod(-1)  # t o
    seen = (present * areas).mean(0)
    order = seen.argsort(descending=True).tolist()
    looks = tracks.looks[0].mean(0)  # o c
    words = (named(looks[row], config.look_sizes) for row in order if present[:, row].amax() > 0.5)
    return next((word for word in words if word), "")


def with_characters(prompt: str, told: Sequence[tuple[str, str]]) -> str:
    """A prompt in which characters go by what they look like: in place of their names, or said at the end."""
    for name, description in told:
        spelled = re.compile(rf"(?:\b(?:the|a|an)\s+)?{_word(name)}", re.IGNORECASE)
        prompt, number = spelled.subn(lambda _, words=description: words, prompt)  # type: ignore[misc]
        if not number:
            prompt = f"{prompt.rstrip('. ')}. There is {description}."
    return prompt


def _word(name: str) -> str:
    """A name as it stands between other letters in languages that put spaces between words."""
    edges = (r"\b" if name[0].isascii() else "", r"\b" if name[-1].isascii() else "")
    return f"{edges[0]}{re.escape(name)}{edges[1]}"
