"""What is carried from known latents to those that are painted, along the draft of both."""

import math

import pytest
import torch
from torch import Tensor

from tenku.denoiser import Draft
from tenku.pipeline.painting import _SAME, _moved_along, _untold
from tenku.timeline import Timeline

SHAPE = (1, 3, 5, 4, 6)  # b c t h w
FREE = 1.0


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draft_of(mean: Tensor) -> Draft:
    return Draft(torch.zeros(1, 5, 4, 6, 2), mean, torch.ones_like(mean), torch.ones(1, 3, 1, 1, 1))


def canvas(*known: int, floor: float = FREE) -> Timeline:
    """Some latents, known in some of their frames."""
    floors = torch.full((1, 5, 1, 1), floor)
    floors[:, list(known)] = 0
    return Timeline(gaussian(*SHAPE, seed=1), floors, ())


def still(seed: int = 2) -> Tensor:
    """The mean (b c t h w) of a draft in which nothing happens."""
    return gaussian(1, 3, 1, 4, 6, seed=seed).expand(SHAPE).clone()


def changing(after: int, change: float) -> Tensor:
    """One that changes by so much, squared, between a frame and the next, in all but the first column."""
    mean = still()
    mean[:, :, after + 1 :, :, 1:] += math.sqrt(change)
    return mean


@pytest.mark.parametrize("known", range(5))
def test_what_a_draft_does_not_tell_is_carried_both_ways_to_where_nothing_happens(known: int) -> None:
    timeline, mean = canvas(known), still()
    told, grain = _untold(timeline, draft_of(mean)), (timeline.latents - mean)[:, :, known]
    assert grain.std() > 0.5
    for t in range(5):
        if t == known:
            assert not told[:, :, t].any()
        else:
            assert torch.allclose(told[:, :, t], grain, atol=1e-5)


def test_between_two_known_frames_both_are_carried() -> None:
    timeline, mean = canvas(0, 4), still()
    told, grain = _untold(timeline, draft_of(mean)), timeline.latents - mean
    assert not told[:, :, [0, 4]].any()
    both = (grain[:, :, [0]] + grain[:, :, [4]]) / 2
    assert torch.allclose(told[:, :, 1:4], both.expand(-1, -1, 3, -1, -1), atol=1e-5)


def test_the_last_that_is_known_is_carried_on() -> None:
    timeline, mean = canvas(0, 1, 2), still()
    told = _untold(timeline, draft_of(mean))
    grain = (timeline.latents - mean)[:, :, 2]
    assert torch.allclose(told[:, :, 3], grain, atol=1e-5)
    assert torch.allclose(told[:, :, 4], grain, atol=1e-5)
    assert not told[:, :, :3].any()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("change", [0.01, 0.1, 0.3])
def test_where_the_draft_changes_it_fades(change: float, backwards: bool) -> None:
    timeline = canvas(4 if backwards else 0)
    mean = changing(2, change)
    told = _untold(timeline, draft_of(mean))
    grain = (timeline.latents - mean)[:, :, 4 if backwards else 0]
    near, far = ((3,), (0, 1, 2)) if backwards else ((1, 2), (3, 4))
    for t in near:
        assert torch.allclose(told[:, :, t], grain, atol=1e-5)
    for t in far:
        assert torch.allclose(told[:, :, t, :, 0], grain[..., 0], atol=1e-5)  # where it does not change
        assert torch.allclose(told[:, :, t, :, 1:], math.exp(-change / _SAME) * grain[..., 1:], atol=1e-4)


def test_it_fades_with_every_change() -> None:
    timeline, mean = canvas(0), still()
    mean += math.sqrt(0.05) * torch.arange(5).view(1, 1, 5, 1, 1)
    told, grain = _untold(timeline, draft_of(mean)), (timeline.latents - mean)[:, :, 0]
    for t in range(1, 5):
        assert torch.allclose(told[:, :, t], math.exp(-t * 0.05 / _SAME) * grain, atol=1e-4)


def test_of_what_was_somewhere_else_nothing_is_left() -> None:
    told = _untold(canvas(0), draft_of(changing(1, 9.0)))
    assert told[:, :, 1].abs().max() > 1
    assert told[:, :, 2:, :, 1:].abs().max() < 1e-4


def test_the_nearer_side_counts_more_where_the_other_has_changed() -> None:
    timeline, mean = canvas(0, 4), changing(2, 0.1)
    told, grain = _untold(timeline, draft_of(mean)), timeline.latents - mean
    one, other, faded = grain[:, :, 0, :, 1:], grain[:, :, 4, :, 1:], math.exp(-1)
    for t, nearer, farther in ((1, one, other), (2, one, other), (3, other, one)):
        both = (nearer + faded**2 * farther) / (1 + faded)
        assert torch.allclose(told[:, :, t, :, 1:], both, atol=1e-4)


def test_positions_are_known_one_by_one() -> None:
    """As under a mask: what is known at a place is carried to the same place alone."""
    timeline, mean = canvas(), still()
    floor = torch.ones(1, 5, 4, 6)
    floor[:, :, :, :2], floor[:, 2, :, 2] = 0, 0
    timeline = Timeline(timeline.latents, floor, ())
    told, grain = _untold(timeline, draft_of(mean)), timeline.latents - mean
    assert not told[..., :2].any()
    assert not told[..., 3:].any()
    assert not told[:, :, 2, :, 2].any()
    for t in (0, 1, 3, 4):
        assert torch.allclose(told[:, :, t, :, 2], grain[:, :, 2, :, 2], atol=1e-5)


@pytest.mark.parametrize("floor", [FREE, 0.5, 0.01])
def test_with_nothing_known_nothing_is_added(floor: float) -> None:
    """What may change a little is not known."""
    assert not _untold(canvas(floor=floor), draft_of(still())).any()


def test_what_may_change_a_little_is_not_carried_to_what_is_free() -> None:
    floors = torch.tensor([0.5, 1.0, 1.0, 0.01, 1.0]).view(1, 5, 1, 1)
    assert not _untold(Timeline(gaussian(*SHAPE), floors, ()), draft_of(still())).any()


def test_where_all_is_known_nothing_is_added() -> None:
    assert not _untold(canvas(*range(5)), draft_of(changing(1, 0.2))).any()


def test_clips_are_carried_one_by_one() -> None:
    one, other = canvas(1), canvas(3)
    mean = changing(2, 0.1)
    both = Timeline(
        torch.cat([one.latents, other.latents]), torch.cat([one.noise_floor, other.noise_floor]), ()
    )
    told = _untold(both, draft_of(torch.cat([mean, mean])))
    for clip, alone in enumerate((one, other)):
        assert torch.allclose(told[clip : clip + 1], _untold(alone, draft_of(mean)), atol=1e-6)


# What may change a little


@pytest.mark.parametrize("whole_frames", [True, False])
def test_latents_that_may_change_a_little_move_along_with_their_tracks(whole_frames: bool) -> None:
    floors = torch.tensor([0.0, 0.01, 0.5, 0.99, 1.0]).view(1, 5, 1, 1)
    timeline = Timeline(gaussian(*SHAPE), floors if whole_frames else floors.repeat(1, 1, 4, 6), ())
    before, after = draft_of(gaussian(*SHAPE, seed=3)), draft_of(gaussian(*SHAPE, seed=4))
    moved = _moved_along(timeline, before, after)
    assert torch.equal(moved.latents[:, :, [0, 4]], timeline.latents[:, :, [0, 4]])
    along = timeline.latents + after.mean - before.mean
    assert torch.allclose(moved.latents[:, :, 1:4], along[:, :, 1:4], atol=1e-5)
    assert moved.noise_floor is timeline.noise_floor


def test_places_move_along_one_by_one() -> None:
    floor = torch.ones(1, 5, 4, 6)
    floor[..., :3], floor[..., 3] = 0, 0.4
    timeline = Timeline(gaussian(*SHAPE), floor, ())
    before, after = draft_of(gaussian(*SHAPE, seed=3)), draft_of(gaussian(*SHAPE, seed=4))
    moves = _moved_along(timeline, before, after).latents - timeline.latents
    assert moves.abs().amax((0, 1, 2, 3)).bool().tolist() == [column == 3 for column in range(6)]


def test_what_is_drafted_as_before_stays_as_it_is() -> None:
    timeline, draft = canvas(floor=0.5), draft_of(gaussian(*SHAPE, seed=3))
    assert torch.equal(_moved_along(timeline, draft, draft).latents, timeline.latents)


def test_nothing_moves_along_what_is_no_draft() -> None:
    after = draft_of(gaussian(*SHAPE, seed=4))
    timeline = canvas(floor=0.5)
    assert _moved_along(timeline, gaussian(*SHAPE), after) is timeline
    for floor in (0.0, 1.0):
        timeline = canvas(floor=floor)
        assert torch.equal(_moved_along(timeline, draft_of(still()), after).latents, timeline.latents)
