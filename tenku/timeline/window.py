"""A window slides along the timeline: what is made in one go, and what it looks back and ahead at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tenku.timeline.timeline import Timeline

# Looked back at where the prompt changes: with more in view, what is new would come too early to be seen.
_FRESH_OVERLAP = 2


@dataclass(frozen=True, slots=True)
class Window:
    """Latent frames start ≤ t < stop of one shot and one prompt, made with those from `history` on before
    them, and those before `horizon` after them, in view. From `end` on the next shot begins, into which this
    one may dissolve. A window is `fresh` if its prompt is another than that of the frames it looks back at:
    then something may come that was not there before."""

    prompt: str
    history: int
    start: int
    stop: int
    horizon: int
    end: int
    fresh: bool = False


def windows(timeline: Timeline, size: int, overlap: int) -> Iterator[Window]:
    """Windows in order, of at most `size` latent frames in view, up to `overlap` of them looked back at."""
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit into windows of {size} latent frames")
    total = timeline.num_latent_frames
    shots = [0, *timeline.cuts, total]
    fades = [*(timeline.dissolves or [0] * len(timeline.cuts)), 0]
    for first, end, fade in zip(shots, shots[1:], fades, strict=False):
        spans = _spans(timeline, first, end)
        prompt, last, _ = spans[-1]
        spans[-1] = (prompt, last, end + fade)
        for prompt, start, stop in spans:
            fresh = start > first  # spans next to each other say different things
            while start < stop:
                history = max(first, start - (min(overlap, _FRESH_OVERLAP) if fresh else overlap))
                reach = min(stop, history + size)
                yield Window(prompt, history, start, reach, min(end + fade, history + size), end, fresh)
                start, fresh = reach, False


def endless(next_prompt: Callable[[], str], size: int, overlap: int, step: int) -> Iterator[Window]:
    """Windows that add `step` latent frames each, for ever, as long as somebody says what comes next."""
    start, before, overlap = 0, "", max(0, min(overlap, size - step))
    while True:
        prompt = next_prompt()
        fresh = start > 0 and prompt != before
        history = max(0, start - (min(overlap, _FRESH_OVERLAP) if fresh else overlap))
        stop = start + step
        yield Window(prompt, history, start, stop, max(stop, history + size), stop, fresh)
        start, before = stop, prompt


def _spans(timeline: Timeline, first: int, end: int) -> list[tuple[str, int, int]]:
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
    return joined
