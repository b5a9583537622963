import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from tenku.timeline import PromptSpan, Timeline, Window, endless, text_to_video, windows


def blank(
    length: int,
    prompts: Sequence[PromptSpan] = (),
    cuts: Sequence[int] = (),
    dissolves: Sequence[int] = (),
) -> Timeline:
    timeline = text_to_video("a", (1, 1, length, 1, 1))
    return replace(timeline, prompts=tuple(prompts), cuts=tuple(cuts), dissolves=tuple(dissolves))


def at_random(seed: int) -> tuple[Timeline, int, int]:
    """A timeline with prompts over some of it, perhaps side by side, and shots; a size and an overlap."""
    dice = random.Random(seed)
    length = dice.randint(1, 60)
    edges = sorted(dice.sample(range(length + 1), min(length + 1, 2 * dice.randint(0, 4))))
    prompts = [
        PromptSpan(dice.choice("abc"), start, stop)
        for start, stop in zip(edges[::2], edges[1::2], strict=False)
    ]
    cuts = sorted(dice.sample(range(1, length), min(length - 1, dice.randint(0, 4))))
    size = dice.randint(1, 20)
    return blank(length, prompts, cuts), size, dice.randrange(size)


EVERY = [at_random(seed) for seed in range(300)]


def shot_of(timeline: Timeline, frame: int) -> tuple[int, int]:
    edges = [0, *timeline.cuts, timeline.num_latent_frames]
    return max(e for e in edges if e <= frame), min(e for e in edges if e > frame)


def test_windows_of_one_prompt_slide_along() -> None:
    timeline = blank(33, [PromptSpan("a", 0, 33)])
    assert list(windows(timeline, 17, 5)) == [
        Window("a", 0, 0, 17, 17, 33),
        Window("a", 12, 17, 29, 29, 33),
        Window("a", 24, 29, 33, 33, 33),
    ]


def test_what_fits_into_one_window_is_made_at_once() -> None:
    for length in (1, 16, 17):
        assert list(windows(blank(length), 17, 5)) == [Window("", 0, 0, length, length, length)]


def test_every_latent_frame_is_made_once_and_in_order() -> None:
    for timeline, size, overlap in EVERY:
        made = [t for w in windows(timeline, size, overlap) for t in range(w.start, w.stop)]
        assert made == list(range(timeline.num_latent_frames))


def test_no_more_is_in_view_than_a_window_holds() -> None:
    for timeline, size, overlap in EVERY:
        for window in windows(timeline, size, overlap):
            assert window.history <= window.start < window.stop <= window.horizon <= window.history + size


def test_nobody_looks_over_a_cut() -> None:
    for timeline, size, overlap in EVERY:
        for window in windows(timeline, size, overlap):
            first, end = shot_of(timeline, window.start)
            assert first <= window.history
            assert window.horizon <= end == window.end


def test_as_much_is_looked_back_at_as_there_is() -> None:
    """Less only where the prompt changes."""
    for timeline, size, overlap in EVERY:
        for window in windows(timeline, size, overlap):
            first, _ = shot_of(timeline, window.start)
            most = min(overlap, 2) if window.fresh else overlap
            assert window.start - window.history == min(most, window.start - first)


def test_a_window_goes_on_as_far_as_it_can() -> None:
    for timeline, size, overlap in EVERY:
        every = list(windows(timeline, size, overlap))
        for window, following in pairwise(every):
            ends_here = following.start in timeline.cuts or following.prompt != window.prompt
            assert ends_here or window.stop == window.history + size


def test_prompts_change_where_it_is_said() -> None:
    for timeline, size, overlap in EVERY:
        for window in windows(timeline, size, overlap):
            for t in range(window.start, window.stop):
                said = [span.prompt for span in timeline.prompts if span.start <= t < span.stop]
                assert said in ([], [window.prompt])


def test_where_nothing_is_said_goes_on_what_was_said_last_or_comes_next() -> None:
    timeline = blank(20, [PromptSpan("a", 3, 6), PromptSpan("b", 10, 12)])
    found = [(w.prompt, w.start, w.stop) for w in windows(timeline, 20, 5)]
    assert found == [("a", 0, 10), ("b", 10, 20)]


def test_a_prompt_said_twice_is_one() -> None:
    timeline = blank(20, [PromptSpan("a", 0, 10), PromptSpan("a", 10, 20)])
    assert list(windows(timeline, 20, 5)) == [Window("a", 0, 0, 20, 20, 20)]


def test_only_what_says_something_new_is_fresh() -> None:
    prompts = [PromptSpan("a", 0, 8), PromptSpan("b", 8, 20), PromptSpan("c", 20, 30)]
    found = list(windows(blank(30, prompts, [20]), 8, 4))
    assert [(w.start, w.history, w.fresh) for w in found] == [
        (0, 0, False),
        (8, 6, True),
        (14, 10, False),
        (18, 14, False),
        (20, 20, False),  # a new shot has nothing to look back at
        (28, 24, False),
    ]


def test_plans_look_ahead_of_what_is_made() -> None:
    timeline = blank(30, [PromptSpan("a", 0, 4), PromptSpan("b", 4, 30)])
    assert next(windows(timeline, 17, 5)) == Window("a", 0, 0, 4, 17, 30)


def test_a_shot_that_dissolves_is_made_beyond_its_end() -> None:
    prompts = [PromptSpan("a", 0, 6), PromptSpan("b", 6, 12)]
    found = list(windows(blank(12, prompts, [6], [3]), 17, 5))
    assert found == [Window("a", 0, 0, 9, 9, 6), Window("b", 6, 6, 12, 12, 12)]
    found = list(windows(blank(12, prompts, [6], [3]), 5, 2))  # in windows: over the end, and all behind it
    assert [(w.prompt, w.history, w.start, w.stop, w.end) for w in found] == [
        ("a", 0, 0, 5, 6),
        ("a", 3, 5, 8, 6),
        ("a", 6, 8, 9, 6),
        ("b", 6, 6, 11, 12),
        ("b", 9, 11, 12, 12),
    ]


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_an_overlap_that_leaves_no_room(overlap: int) -> None:
    with pytest.raises(ValueError, match=f"overlap of {overlap} does not fit into windows of 4"):
        list(windows(blank(8), 4, overlap))


def test_an_endless_window_follows_what_is_said() -> None:
    said = iter(["a", "a", "b", "b"])
    asked: list[str] = []

    def next_prompt() -> str:
        asked.append(next(said))
        return asked[-1]

    slide = endless(next_prompt, 17, 5, 8)
    assert asked == []  # nobody is asked before it is time
    assert next(slide) == Window("a", 0, 0, 8, 17, 8)
    assert asked == ["a"]
    assert list(islice(slide, 3)) == [
        Window("a", 3, 8, 16, 20, 16),
        Window("b", 14, 16, 24, 31, 24, fresh=True),
        Window("b", 19, 24, 32, 36, 32),
    ]
