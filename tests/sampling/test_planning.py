"""A planner that knows but one plan shows what is made of that around known tracks."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tenku.denoiser import TrackConfig
from tenku.sampling import expected_looks, sample_tracks, unnamed
from tenku.sampling.planning import rows_of
from tenku.text import TextConditioning
from tenku.timeline import Known, Tracks
from tenku.timeline.plans import plan_latents

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=3)
LOOKS = ((1, 0, 0, 1, 0), (0, 1, 0, 1, 0), (0, 0, 1, 0, 1))
TEXT = TextConditioning(torch.zeros(1, 2, 4), torch.ones(1, 2, dtype=torch.bool))


class OnePlan(nn.Module):
    """The exact velocity to one plan (1 c t o 1), of which it makes as many latent frames as it is asked."""

    def __init__(self, plan: Tensor) -> None:
        super().__init__()
        self.plan = plan

    def read(self, *_: object) -> None:
        """It knows what it makes."""

    def forward(self, noisy: Tensor, level: Tensor, *_: object) -> Tensor:
        plan = self.plan[:, :, : noisy.shape[2]]
        return (noisy - plan) / level[:, None].clamp_min(1e-6)


def things(*rows: int | None, num_frames: int = 17, start: float = -0.5) -> Tracks:
    """Objects, each moving to the right at its own height, in rows."""
    poses = torch.zeros(1, num_frames, 3, 11)
    looks, present = torch.zeros(1, 3, 5), torch.zeros(1, 3)
    for row, thing in enumerate(rows):
        if thing is not None:
            poses[0, :, row, 0] = start + torch.arange(num_frames) / 32
            poses[0, :, row, 1] = 0.4 * (thing - 1)
            poses[0, :, row, 2:4], poses[0, :, row, 6], poses[0, :, row, 10] = 0.3, 1, 1
            looks[0, row], present[0, row] = torch.tensor(LOOKS[thing]), 1
    camera = torch.tensor([0.6, 0.8, 0.44, 4.7, 0.5, 0.5, -0.4, 0.75])
    settings = torch.cat([camera, torch.tensor([0, 1.0, 0]), torch.linspace(-1, 1, 10)])
    return Tracks(poses, looks, present, settings.repeat(1, num_frames, 1))


def planner(tracks: Tracks, *, continued: bool = False) -> OnePlan:
    return OnePlan(plan_latents(tracks.packed(CONFIG, continued=continued), CONFIG))


def noise(length: int = 5, number: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(number, CONFIG.channels, length, 4, 1, generator=generator)


def start_of(tracks: Tracks, latent_frames: int = 2, length: int = 5) -> Known:
    """The first latent frames are known, and nothing of the others."""
    packed, floor = tracks.packed(CONFIG), torch.ones(1, length, 4)
    floor[:, :latent_frames] = 0
    return Known(packed, floor)


def sampled(planner: nn.Module, known: Known | None, number: int = 2, **more: object) -> Tracks:
    texts = (TEXT.repeated(number),) * 2
    lead = int(more.get("lead", 0))  # type: ignore[call-overload]
    length = 5 + lead
    return sample_tracks(planner, *texts, CONFIG, noise(length, number), 6, 1.0, known, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_with_nothing_known_the_plan_comes_out(scale: float) -> None:
    plan = things(0, 1, 2)
    texts = (TEXT.repeated(2),) * 2
    found = sample_tracks(planner(plan), *texts, CONFIG, noise(), 6, scale)
    for index in range(2):
        one = found.one(index)
        assert torch.allclose(one.poses, plan.poses, atol=1e-3)
        assert torch.equal(one.looks, plan.looks)
        assert torch.allclose(one.settings, plan.settings, atol=1e-3)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (1, 2, 0)])
def test_what_comes_permuted_goes_on_as_the_plan_says_of_it(order: tuple[int, int, int]) -> None:
    """And stays in the rows in which it came."""
    plan, known = things(0, 1, 2), start_of(things(*order))
    found = sampled(planner(plan), known)
    expected = things(*order)
    for index in range(2):
        one = found.one(index)
        assert torch.equal(one.looks, expected.looks)
        assert torch.allclose(one.poses, expected.poses, atol=1e-3)
        assert torch.equal(one.packed(CONFIG)[:, 0], torch.ones(1, 5, 4))


@pytest.mark.parametrize("rows", [(2, None, None), (None, 2, None), (None, 1, 0)])
def test_what_is_missing_leaves_its_row_to_others(rows: tuple[int | None, ...]) -> None:
    known = start_of(things(*rows)).with_room()
    found = sampled(planner(things(0, 1, 2)), known).one(0)
    for row, thing in enumerate(rows):
        if thing is not None:
            assert found.looks[0, row].tolist() == list(LOOKS[thing])
            assert torch.allclose(found.poses[0, :, row, 1], torch.tensor(0.4 * (thing - 1)), atol=1e-3)
    assert sorted(found.looks[0].argmax(-1).tolist()) == [0, 1, 2]  # all that the plan says has come


def test_what_is_known_comes_out_identical() -> None:
    known = start_of(things(1, 2, 0, start=0.1), 3)
    found = sampled(planner(things(0, 1, 2)), known).packed(CONFIG)
    assert torch.allclose(found[:, :, :3], known.packed[:, :, :3].expand(2, -1, -1, -1), atol=1e-5)


def test_a_known_row_is_known_alone() -> None:
    known = Known(things(2, 0, 1, start=0.4).packed(CONFIG), torch.ones(1, 5, 4))
    known.floor[..., 1] = 0
    found = sampled(planner(things(0, 1, 2)), known).one(0)
    assert torch.allclose(found.poses[0, :, 1], things(2, 0, 1, start=0.4).poses[0, :, 1], atol=1e-4)
    assert torch.allclose(found.poses[0, :, [0, 2], 0], things(1, None, 2).poses[0, :, [0, 2], 0], atol=1e-3)


def test_frames_that_lead_in_are_left_out() -> None:
    """To a planner the first latent frame stands for one frame; what goes on has four in each."""
    plan = things(0, 1, 2, num_frames=21)  # one frame, then five groups
    for known in (None, Known(torch.zeros(1, CONFIG.channels, 5, 4), torch.ones(1, 5, 4))):
        found = sampled(planner(plan), known, continued=True, lead=1)
        assert found.poses.shape == (2, 20, 3, 11)
        assert torch.allclose(found.poses[0], plan.poses[0, 1:], atol=1e-3)


def test_tracks_that_go_on_have_whole_groups() -> None:
    whole = things(1, 0, 2, num_frames=20)
    packed = whole.packed(CONFIG, continued=True)
    floor = torch.ones(1, 5, 4)
    floor[:, :2] = 0
    plan = planner(things(0, 1, 2, num_frames=20), continued=True)
    found = sampled(plan, Known(packed, floor), continued=True).one(0)
    assert found.poses.shape[1] == 20
    assert torch.allclose(found.poses, whole.poses, atol=1e-3)


@pytest.mark.parametrize("lead", [0, 1])
def test_what_is_known_is_as_long_as_the_plan(lead: int) -> None:
    known = Known(torch.zeros(1, CONFIG.channels, 4, 4), torch.ones(1, 4, 4))
    with pytest.raises(ValueError, match="must be as long as what is planned"):
        sampled(planner(things(0, 1, 2, num_frames=21)), known, lead=lead)


# What is expected


def expected(tracks: Tracks) -> Tensor:
    return expected_looks(planner(tracks), TEXT.repeated(2), CONFIG, noise())


def test_what_a_planner_expects_is_what_it_plans() -> None:
    plan = things(0, None, 2)
    found = expected(plan)
    assert torch.allclose(found[0], torch.tensor([1.0, 0, 1, 1]), atol=1e-4)
    assert torch.allclose(found[1:6, :3], plan.looks[0].mT, atol=1e-4)
    assert torch.allclose(found[1:14, 3], plan.settings[0, 0, 8:], atol=1e-4)


@pytest.mark.parametrize(
    ("known", "plan", "rows"),
    [
        ((0, 1, 2), (0, 1, 2), [0, 1, 2, 3]),
        ((2, 0, 1), (0, 1, 2), [1, 2, 0, 3]),
        ((None, None, 1), (1, None, None), [2, 0, 1, 3]),
        ((None, None, None), (2, 1, 0), [0, 1, 2, 3]),  # nothing to match
    ],
)
def test_rows_are_matched_by_looks(
    known: tuple[int | None, ...], plan: tuple[int | None, ...], rows: list[int]
) -> None:
    found = rows_of(start_of(things(*known)), expected(things(*plan)), CONFIG)
    assert found[-1] == 3
    assert sorted(found) == [0, 1, 2, 3]
    for row, thing in enumerate(plan):
        if thing in known and thing is not None:
            assert known[found[row]] == thing
    if None not in known or set(known) == {None}:
        assert found == rows


def test_what_is_free_is_not_known() -> None:
    """Looks where the floor is 1 are left over from what was there."""
    known = start_of(things(2, None, 0), 2)
    known.packed[:, 1:6, 2:, 0] = torch.tensor(LOOKS[1]).float()[None, :, None]
    assert rows_of(known, expected(things(0, 1, 2)), CONFIG) == [2, 1, 0, 3]


@pytest.mark.parametrize(
    ("known", "plan", "silent"),
    [
        ((0, 1, 2), (0, 1, 2), []),
        ((1, 0, None), (0, 1, None), []),
        ((0, 1, None), (0, None, None), [1]),
        ((1, 0, None), (0, None, None), [0]),
        ((0, None, 2), (None, None, None), [0, 2]),
        ((None, None, None), (0, 1, 2), []),
    ],
)
def test_what_the_text_does_not_speak_of_is_found(
    known: tuple[int | None, ...], plan: tuple[int | None, ...], silent: list[int]
) -> None:
    assert sorted(unnamed(start_of(things(*known)), expected(things(*plan)), CONFIG)) == silent


def test_known_tracks_are_not_written_over() -> None:
    known = start_of(things(2, 0, 1))
    before = replace(known, packed=known.packed.clone(), floor=known.floor.clone())
    sampled(planner(things(0, 1, 2)), known)
    assert torch.equal(known.packed, before.packed)
    assert torch.equal(known.floor, before.floor)


def test_what_may_change_becomes_what_the_text_speaks_of() -> None:
    """A remix: nothing of it is named to the planner, and it takes the rows of what is."""
    config = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=2)
    packed = torch.zeros(1, config.channels, 2, 3)
    packed[:, [0, 1, 4], :, 0] = 1  # of the first colour and the first shape
    expected = torch.zeros(1 + config.look_channels, 3)
    expected[[0, 3, 5], 1] = 1  # spoken of, in the second row, is something else
    soft, firm = (Known(packed, torch.full((1, 2, 3), floor)) for floor in (0.5, 0.0))
    assert rows_of(soft, expected, config) == [1, 0, 2]
    assert unnamed(soft, expected, config) == []
    assert rows_of(firm, expected, config) == [0, 1, 2]
    assert unnamed(firm, expected, config) == [0]
