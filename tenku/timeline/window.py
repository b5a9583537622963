"""A window slides along the timeline: what is made in one go, and what it looks back and ahead at."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tenku.timeline.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Window:
    """Latent frames start ≤ t < stop of one shot and one prompt, made with those from `history` on before
    them, and those before `horizon` after them, in view."""

    prompt: str
    history: int
    start: int
    stop: int
    horizon: int


def windows(timeline: Timeline, size: int, overlap: int) -> Iterator[Window]:
    """Windows in order, of at most `size` latent frames in view, up to `overlap` of them looked back at."""
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit into windows of {size} latent frames")
    total = timeline.num_latent_frames
    shots = [0, *timeline.cuts, total]
    for first, end in pairwise(shots):
        for prompt, start, stop in _spans(timeline, first, end):
            while start < stop:
                history = max(first, start - overlap)
                reach = min(stop, history + size)
                yield Window(prompt, history, start, reach, min(end, history + size))
                start = reach


def _spans(timeline: Timeline, first: int, end: int) -> Iterator[tuple[str, int, int]]:
    """What is said of which part of a shot; where nothing is said, what was said last, or comes next."""
    edges = {first, end}
    for span in timeline.prompts:
        edges |= {edge for edge in (span.start, span.stop) if first < edge < end}
    said = [
        (next((s.prompt for s in timeline.prompts if s.start <= start < s.stop), None), start, stop)
        for start, stop in pairwise(sorted(edges))
    ]
    last = next((prompt for prompt, _, _ in said if prompt is not None), "")
    joined: list[tuple[str, int, int]] = []
    for prompt, start, stop in said:
        last = last if prompt is None else prompt
        if joined and joined[-1][0] == last:
            joined[-1] = (last, joined[-1][1], stop)
        else:
            joined.append((last, start, stop))
    yield from joined
