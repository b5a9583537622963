"""Tasks in a user's words: seconds become latent frames, and what cannot be is one sentence."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tenku.errors import UserError
from tenku.timeline import (
    Footage,
    GenerationRequest,
    PromptSpan,
    Scene,
    Task,
    animate,
    blend,
    edit,
    extend,
    fill,
    loop,
    remix,
    storyboard,
    text_to_video,
)
from tenku.timeline.tasks import said_of, scene_lengths, storyboard_request


def clip(
    length: int = 5, fps: float = 16.0, size: tuple[int, int] = (4, 6), prompt: str = "a ball"
) -> Footage:
    """So many latent frames of 48 by 32 pixels; five are 17 frames."""
    latents = torch.randn(1, 2, length, *size, generator=torch.Generator().manual_seed(length))
    return Footage(latents, None, (PromptSpan(prompt, 0, length),) if prompt else (), fps)


def floors(task: Task) -> list[float]:
    return task.timeline.noise_floor[0, :, 0, 0].tolist()


def frames_of(latent: int) -> range:
    """The frames that a latent frame stands for."""
    return range(1) if latent == 0 else range(4 * latent - 3, 4 * latent + 1)


# What every task has in common


def test_a_task_asks_for_what_its_clip_is() -> None:
    task = extend(clip(fps=12.0), "it goes on", after=1.0, seed=7, num_inference_steps=3, guidance_scale=2.0)
    assert task.request == GenerationRequest(
        prompt="it goes on", num_frames=29, height=32, width=48, fps=12.0, seed=7, num_inference_steps=3,
        guidance_scale=2.0,
    )  # fmt: skip


def test_what_was_said_is_said_again_unless_something_else_is() -> None:
    two = replace(clip(), prompts=(PromptSpan("b", 3, 5), PromptSpan("a", 0, 3)))
    for footage, said in ((two, "b"), (clip(), "a ball"), (clip(prompt=""), "an empty floor")):
        assert said_of(footage) == said
        tasks = [
            extend(footage, after=1),
            fill(footage, start=0.2, stop=0.5),
            loop(footage),
            animate(footage),
            blend(clip(prompt="x"), footage, seconds=0.5),
        ]
        assert [task.request.prompt for task in tasks] == [said] * 5
    assert extend(two, "c", after=1).request.prompt == "c"


@pytest.mark.parametrize("prompt", ["a\x00b", "123", "x" * 2001])
def test_prompts_are_checked(prompt: str) -> None:
    for build in (
        lambda: extend(clip(), prompt, after=1),
        lambda: fill(clip(), prompt, start=0.2, stop=0.5),
        lambda: loop(clip(), prompt),
        lambda: animate(clip(), prompt),
        lambda: remix(clip(), prompt),
        lambda: edit(clip(), prompt, mask=np.ones((4, 6), bool)),
        lambda: storyboard_request([Scene(prompt, 1)], height=32, width=48, fps=16),
    ):
        with pytest.raises(UserError, match="the prompt"):
            build()
    for build in (lambda: remix(clip(), ""), lambda: edit(clip(), " ", mask=np.ones((4, 6), bool))):
        with pytest.raises(UserError, match="the prompt is empty"):
            build()


@pytest.mark.parametrize("more", [{"seed": -1}, {"num_inference_steps": 0}, {"guidance_scale": math.nan}])
def test_how_it_is_sampled_is_checked(more: dict[str, float]) -> None:
    with pytest.raises(UserError, match="choose"):
        remix(clip(), "a ball", **more)  # type: ignore[arg-type]


# From a picture


@pytest.mark.parametrize(("seconds", "frames", "length"), [(2.0, 32, 9), (0.3, 5, 2), (0.0625, 1, 1)])
def test_a_picture_moves_for_so_long(seconds: float, frames: int, length: int) -> None:
    task = animate(clip(3), "it moves", seconds=seconds)
    assert task.request.num_frames == frames
    assert floors(task) == [0.0] + [1.0] * (length - 1)
    assert torch.equal(task.timeline.latents[:, :, 0], clip(3).latents[:, :, 0])


def test_a_picture_ends_it() -> None:
    task = animate(clip(1), "it moves", seconds=0.5, last=clip(2))
    assert floors(task) == [0, 1, 0]
    assert torch.equal(task.timeline.latents[:, :, 2], clip(2).latents[:, :, 0])


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 4000, 0.01])
def test_a_picture_cannot_move_for_so_long(seconds: float) -> None:
    with pytest.raises(UserError, match=r"choose .*\.$"):
        animate(clip(1), "it moves", seconds=seconds)


def test_two_pictures_need_something_between() -> None:
    with pytest.raises(UserError, match=r"0\.3 seconds are too short .*; take 1\.$"):
        animate(clip(1), "it moves", seconds=0.3, last=clip(1))
    with pytest.raises(UserError, match=r"must have one size, not 48x32 and 32x48; read the second"):
        animate(clip(1), "it moves", last=clip(1, size=(6, 4)))


# Going on


@pytest.mark.parametrize(
    ("before", "after", "earlier", "later"),
    [(0, 1, 0, 4), (1, 0, 4, 0), (0.5, 0.26, 2, 2), (0, 0.25, 0, 1), (0, 1e-3, 0, 1), (0.7, 0, 3, 0)],
)
def test_seconds_are_added_in_whole_latent_frames(
    before: float, after: float, earlier: int, later: int
) -> None:
    task = extend(clip(), "it goes on", before=before, after=after)
    assert floors(task) == [1.0] * (earlier + bool(earlier)) + [0.0] * (5 - bool(earlier)) + [1.0] * later
    assert task.request.num_frames == 17 + 4 * (earlier + later)
    assert 0 <= 4 * earlier / 16 - before < 0.25
    assert 0 <= 4 * later / 16 - after < 0.25


@pytest.mark.parametrize("seconds", [-0.1, math.nan, math.inf, -math.inf])
def test_no_such_time_can_be_added(seconds: float) -> None:
    for side in ("before", "after"):
        with pytest.raises(UserError, match=r"cannot be extended by .* seconds; say how many to add\.$"):
            extend(clip(), "it goes on", **{side: seconds})  # type: ignore[arg-type]


def test_something_must_be_added() -> None:
    with pytest.raises(UserError, match=r"nothing is to be added; say for how many seconds"):
        extend(clip(), "it goes on")


def test_a_clip_cannot_go_on_for_more_than_an_hour() -> None:
    with pytest.raises(UserError, match="choose at most 3600 seconds"):
        extend(clip(), "it goes on", after=3601)
    with pytest.raises(UserError, match="choose at most 3600 seconds"):
        loop(clip(), "back", seconds=3601)


@pytest.mark.parametrize("task", [lambda: extend(clip(), after=1e12), lambda: loop(clip(), seconds=1e12)])
def test_times_for_which_there_is_no_memory(task: object) -> None:
    with pytest.raises(UserError, match="choose at most"):
        task()  # type: ignore[operator]


# Gaps


def test_a_gap_frees_its_frames_and_none_far_away() -> None:
    """Every frame in it, and no other than those that share their latent frame with one."""
    footage = clip(5)
    for first in range(17):
        for last in range(first, 17):
            if first == 16 and last == 16:
                continue
            task = fill(footage, "between", start=first / 16, stop=(last + 1) / 16)
            free = {t for t, floor in enumerate(floors(task)) if floor == 1}
            assert set(floors(task)) <= {0.0, 1.0}
            assert free == {t for t in range(5) if set(frames_of(t)) & set(range(first, last + 1))}
            assert task.request.num_frames == 17


def test_any_seconds_of_a_gap_become_its_frames() -> None:
    """Seconds lie between frames: those on screen in the gap for half their time or more are freed."""
    footage = clip(9, fps=30.0)
    for start in np.linspace(0, 0.9, 46):
        for length in (0.02, 0.1, 0.17):
            stop = float(start) + length
            free = [t for t, f in enumerate(floors(fill(footage, "b", start=float(start), stop=stop))) if f]
            inside = [n for n in range(33) if start <= n / 30 and (n + 1) / 30 <= stop]
            assert free == list(range(free[0], free[-1] + 1))
            for frame in inside:
                assert any(frame in frames_of(t) for t in free)
            for t in free:  # no group of frames away
                assert frames_of(t)[-1] + 1 >= start * 30 - 0.5
                assert frames_of(t)[0] <= stop * 30 + 0.5


def test_a_gap_may_reach_both_ends() -> None:
    seconds = clip().seconds
    assert floors(fill(clip(), "all", start=0, stop=seconds)) == [1] * 5
    assert floors(fill(clip(), "start", start=0, stop=0.0625)) == [1, 0, 0, 0, 0]
    assert floors(fill(clip(), "end", start=seconds - 0.0625, stop=seconds)) == [0, 0, 0, 0, 1]


def test_a_gap_may_be_less_than_the_last_frame() -> None:
    seconds = clip().seconds
    assert floors(fill(clip(), "end", start=seconds - 0.02, stop=seconds)) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (-0.1, 0.5),
        (0.5, 0.5),
        (0.6, 0.5),
        (0.5, 1.07),
        (2, 3),
        (math.nan, 0.5),
        (0.1, math.nan),
        (0, math.inf),
    ],
)
def test_gaps_that_lie_outside(start: float, stop: float) -> None:
    with pytest.raises(UserError, match=r"a gap from .* to .* seconds does not lie in a clip of 1\.06 sec"):
        fill(clip(), "between", start=start, stop=stop)


# Loops


def test_a_clip_comes_back() -> None:
    task = loop(clip(), "back", seconds=0.6)
    assert floors(task) == [0] * 5 + [1] * 3 + [0, 0]
    assert task.request.num_frames == 4 * (5 - 1 + 3)  # its first frame is not shown again
    assert loop(clip(), "back", seconds=1e-9).request.num_frames == 20


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_clip_cannot_come_back_in_no_time(seconds: float) -> None:
    with pytest.raises(UserError, match=r"cannot come back in .* seconds; give it 1\.$"):
        loop(clip(), "back", seconds=seconds)


# Blends


def test_clips_blend_over_so_many_seconds() -> None:
    task = blend(clip(5), clip(6), seconds=0.5)
    assert task.timeline.num_latent_frames == 9
    assert [floor > 0 for floor in floors(task)] == [t in (3, 4) for t in range(9)]
    assert task.request.num_frames == 33
    assert blend(clip(5), clip(6), seconds=1.25).timeline.num_latent_frames == 6


@pytest.mark.parametrize("seconds", [1.26, 2, 1e12])
def test_clips_that_are_too_short_to_blend(seconds: float) -> None:
    for first, second in ((clip(5), clip(6)), (clip(6), clip(5))):
        with pytest.raises(UserError, match=r"the shorter clip has 1\.06 seconds .*; take fewer\.$"):
            blend(first, second, seconds=seconds)


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_clips_cannot_blend_in_no_time(seconds: float) -> None:
    with pytest.raises(UserError, match=r"cannot blend over .* seconds; give them 1\.$"):
        blend(clip(), clip(), seconds=seconds)


def test_clips_of_two_sizes_do_not_blend() -> None:
    with pytest.raises(UserError, match=r"one size, not 48x32 and 48x48; read the second at the size of the"):
        blend(clip(), clip(size=(6, 6)))


# Changes


@pytest.mark.parametrize("strength", [-0.1, 1.1, 2, math.nan, math.inf])
def test_no_such_strength(strength: float) -> None:
    with pytest.raises(UserError, match=r"a strength of .* makes no sense; choose from 0"):
        remix(clip(), "else", strength=strength)
    with pytest.raises(UserError, match=r"a strength of .* makes no sense; choose from 0"):
        edit(clip(), "else", mask=np.ones((4, 6), bool), strength=strength)


def test_a_remix_is_as_long_as_its_clip() -> None:
    task = remix(clip(), "else", strength=0.25)
    assert floors(task) == [0.25] * 5
    assert task.request.num_frames == 17
    assert torch.equal(task.timeline.latents, clip().latents)


@pytest.mark.parametrize("scale", [1, 8, 10])
def test_a_mask_of_any_resolution_marks_positions(scale: int) -> None:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2] = mask[0, 5] = True
    task = edit(clip(), "else", mask=mask.repeat(scale, 0).repeat(scale, 1), strength=0.5)
    assert torch.equal(task.timeline.noise_floor, 0.5 * torch.from_numpy(mask).float().expand(1, 5, 4, 6))


def test_a_position_of_which_any_part_is_marked_may_change() -> None:
    mask = np.zeros((32, 48), bool)
    mask[8, 16] = True
    task = edit(clip(), "else", mask=mask)
    assert task.timeline.noise_floor[0, 0].nonzero().tolist() == [[1, 2]]


@pytest.mark.parametrize("shape", [(0, 6), (4, 0), (4, 6, 3), (24,)])
def test_a_mask_is_a_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="mask"):
        edit(clip(), "else", mask=np.ones(shape, bool))


# Storyboards


@pytest.mark.parametrize(
    ("seconds", "lengths"),
    [([1.0], [5]), ([1.0, 1.0], [5, 4]), ([2.0, 2.0, 2.0], [9, 8, 8]), ([0.3, 0.3, 0.3, 0.3], [2, 1, 1, 2])],
)
def test_scenes_end_where_they_should(seconds: list[float], lengths: list[int]) -> None:
    """Rounding does not add up."""
    found = scene_lengths([Scene("a ball", each) for each in seconds], 16)
    assert found == lengths
    for number in range(1, len(seconds) + 1):
        frames = 1 + 4 * (sum(found[:number]) - 1)
        assert abs(frames - 16 * sum(seconds[:number])) <= 3


def test_a_storyboard_is_as_long_as_its_scenes() -> None:
    scenes = [Scene("a ball", 1), Scene("a cube", 0.5, clip(3)), Scene("a ring", 1, dissolve=0.3)]
    request = storyboard_request(scenes, height=32, width=48, fps=16, seed=3)
    assert (request.num_frames, request.seed, request.prompt) == (41, 3, "a ball a cube a ring")
    task = storyboard(scenes, request, text_to_video("all", (1, 2, 11, 4, 6)))
    assert task.timeline.cuts == (5, 7)
    assert task.timeline.dissolves == (0, 2)
    assert [(span.prompt, span.start) for span in task.timeline.prompts] == [
        ("a ball", 0),
        ("a cube", 5),
        ("a ring", 7),
    ]
    assert torch.equal(task.timeline.latents[:, :, 5:7], clip(3).latents[:, :, :2])


def test_long_storyboards_may_be_asked_for() -> None:
    scenes = [Scene("a ball " * 200, 1)] * 10
    assert len(storyboard_request(scenes, height=32, width=48, fps=16).prompt) <= 2000


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_a_scene_cannot_last_so_long(seconds: float) -> None:
    with pytest.raises(UserError, match=r"a shot cannot last .* seconds; give it 2\.$"):
        scene_lengths([Scene("a ball", 1), Scene("a ball", seconds)], 16)


def test_scenes_that_are_none() -> None:
    with pytest.raises(UserError, match=r"at least one shot\.$"):
        scene_lengths([], 16)
    with pytest.raises(UserError, match=r"shorter than 0\.25 seconds; make it longer\.$"):
        scene_lengths([Scene("a ball", 1), Scene("a ball", 0.01)], 16)
    with pytest.raises(UserError, match="choose at most 3600 seconds"):
        storyboard_request([Scene("a ball", 3601)], height=32, width=48, fps=16)


@pytest.mark.parametrize("dissolve", [-0.1, 1.1, math.nan, math.inf])
def test_a_scene_cannot_dissolve_for_so_long(dissolve: float) -> None:
    scenes = [Scene("a ball", 1), Scene("a cube", 1, dissolve=dissolve)]
    request = storyboard_request(scenes, height=32, width=48, fps=16)
    with pytest.raises(UserError, match=r"a dissolve of .* seconds does not fit into a shot of 1\.$"):
        storyboard(scenes, request, text_to_video("all", (1, 2, 9, 4, 6)))


def test_a_scene_opens_at_the_size_of_the_storyboard() -> None:
    scenes = [Scene("a ball", 1, clip(1, size=(6, 6)))]
    request = storyboard_request(scenes, height=32, width=48, fps=16)
    with pytest.raises(UserError, match="cannot open with a clip of 48x48"):
        storyboard(scenes, request, text_to_video("all", (1, 2, 5, 4, 6)))
