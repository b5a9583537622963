"""Every task as a timeline: what is known where, what may change, what is said when."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tenku.denoiser import POSE_SIZE, TrackConfig
from tenku.timeline import Footage, PromptSpan, Timeline, layouts, text_to_video

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=3)
LOOKS = ((1, 0, 0, 1, 0), (0, 1, 0, 1, 0), (0, 0, 1, 0, 1))


def packed(length: int, seed: int = 0, rows: tuple[int | None, ...] = (0, 1, None)) -> Tensor:
    """Tracks of objects near the middle, each in a row, that look as LOOKS says, or of none."""
    tracks = 0.1 * torch.randn(1, CONFIG.channels, length, 4, generator=torch.Generator().manual_seed(seed))
    for row, look in enumerate(rows):
        if look is None:
            tracks[..., row] = 0
        else:
            tracks[0, :6, :, row] = torch.tensor([1, *LOOKS[look]], dtype=torch.float)[:, None]
    tracks[:, 0, :, -1] = 1
    return tracks


def clip(length: int, seed: int = 0, **changed: object) -> Footage:
    latents = torch.randn(1, 2, length, 4, 6, generator=torch.Generator().manual_seed(seed))
    prompts = (PromptSpan(f"clip {seed}", 0, length),)
    footage = Footage(latents, packed(length, seed), prompts, 16.0, track_config=CONFIG)
    return replace(footage, **changed)  # type: ignore[arg-type]


def floors(timeline: Timeline) -> list[float]:
    """The floor of each latent frame, that of its tracks being the same."""
    assert timeline.noise_floor.shape[2:] == (1, 1)
    found = timeline.noise_floor[0, :, 0, 0]
    if timeline.track_floor is not None:
        assert torch.equal(timeline.track_floor, found[None, :, None].expand_as(timeline.track_floor))
    return found.tolist()


def made_room(timeline: Timeline, row: int) -> Timeline:
    """The same as if a row in which nothing is seen were known too: it is free everywhere."""
    assert timeline.track_floor is not None
    assert (timeline.track_floor[..., row] == 1).all()
    floor = timeline.track_floor.clone()
    floor[..., row] = floor[..., -1]
    return replace(timeline, track_floor=floor)


def is_there(timeline: Timeline, footage: Footage, at: int, skipped: int = 0) -> bool:
    """Whether all of a clip but its first latent frames lies on a timeline as if it began at a place."""
    assert timeline.tracks is not None
    assert footage.tracks is not None
    there = slice(at + skipped, at + footage.num_latent_frames)
    return (
        torch.equal(timeline.latents[:, :, there], footage.latents[:, :, skipped:])
        and torch.equal(timeline.tracks[:, :, there], footage.tracks[:, :, skipped:])
        and not timeline.noise_floor[:, there].any()
        and timeline.track_floor is not None
        and not timeline.track_floor[:, there].any()
    )


# What a timeline may be

LATENTS, FLOOR = torch.zeros(1, 2, 5, 4, 6), torch.ones(1, 5, 1, 1)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"tracks": torch.zeros(1, 50, 4, 4)}, "must be packed for 5 latent frames"),
        ({"tracks": torch.zeros(2, 50, 5, 4)}, "must be packed for 5 latent frames"),
        ({"tracks": torch.zeros(50, 5, 4)}, "must be packed for 5 latent frames"),
        ({"tracks": torch.zeros(1, 50, 5, 4)}, "need a floor for each of their rows"),
        ({"tracks": torch.zeros(1, 50, 5, 4), "track_floor": torch.ones(1, 5, 3)}, "need a floor for each"),
        ({"tracks": torch.zeros(1, 50, 5, 4), "track_floor": torch.full((1, 5, 4), 1.1)}, "between 0 .keep."),
        ({"tracks": torch.zeros(1, 50, 5, 4), "track_floor": torch.full((1, 5, 4), -0.1)}, "between 0"),
        ({"tracks": torch.zeros(1, 50, 5, 4), "track_floor": torch.full((1, 5, 4), torch.nan)}, "between 0"),
        ({"cuts": (0,)}, r"cuts \(0,\) do not lie in order inside a timeline of 5"),
        ({"cuts": (5,)}, "do not lie in order"),
        ({"cuts": (3, 2)}, "do not lie in order"),
        ({"cuts": (2, 2)}, "do not lie in order"),
        ({"cuts": (2,), "dissolves": (1, 1)}, "one dissolve, perhaps of 0 frames, for each cut"),
        ({"dissolves": (1,)}, "one dissolve"),
        ({"cuts": (2, 3), "dissolves": (2, 0)}, r"dissolves \(2, 0\) are longer than the shots"),
        ({"cuts": (2, 3), "dissolves": (0, 3)}, "are longer than the shots"),
        ({"cuts": (2,), "dissolves": (-1,)}, "are longer than the shots"),
    ],
)
def test_what_does_not_fit_together(more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Timeline(LATENTS, FLOOR, (), **more)  # type: ignore[arg-type]


def test_what_fits_together() -> None:
    tracks, floor = torch.zeros(1, 50, 5, 4), torch.rand(1, 5, 4)
    timeline = Timeline(LATENTS, FLOOR, (), tracks, floor, cuts=(1, 4), dissolves=(3, 1), joints=(2,))
    assert timeline.num_latent_frames == 5


# Pictures


def test_a_picture_is_the_first_frame() -> None:
    picture = clip(1)
    timeline = made_room(layouts.animated(picture, 4, "it moves"), 2)
    assert floors(timeline) == [0, 1, 1, 1]
    assert is_there(timeline, picture, 0)
    assert timeline.prompts == (PromptSpan("it moves", 0, 4),)
    assert (timeline.cuts, timeline.joints) == ((), ())


def test_a_picture_may_be_the_last() -> None:
    first, last = clip(1), clip(3, 1)
    timeline = made_room(layouts.animated(first, 4, "it moves", last), 2)
    assert floors(timeline) == [0, 1, 1, 0]
    assert is_there(timeline, first, 0)
    assert is_there(timeline, last.first(1), 3)
    assert timeline.joints == ()  # it stands still: there is no group of frames to end


def test_what_looks_alike_is_in_one_row() -> None:
    first = clip(1, tracks=packed(1, rows=(2, 0, 1)))
    last = clip(1, 1, tracks=packed(1, 1, rows=(0, 1, 2)))
    timeline = layouts.animated(first, 4, "it moves", last)
    assert timeline.tracks is not None
    assert last.tracks is not None
    assert torch.equal(timeline.tracks[0, 1:6, 3, :3].mT, torch.tensor([LOOKS[i] for i in (2, 0, 1)]).float())
    assert torch.equal(timeline.tracks[:, :, 3], last.tracks[:, :, 0, [2, 0, 1, 3]])


def test_what_looks_alike_is_in_one_row_wherever_it_is() -> None:
    """Two things of one kind each have changed places, and lie as the other one lay."""
    first, last = (packed(1, rows=rows) for rows in ((0, 1, None), (1, 0, None)))
    poses = slice(6, 6 + 4 * POSE_SIZE)
    axes = torch.tensor([[0.5, 0, 1, 1, 0, 1, 0, 0, 0, 1, 0], [-0.5, 0, 1, 1, 0, 0, 0, 1, 0, -1, 0]])
    first[0, poses, 0, :2] = last[0, poses, 0, :2] = axes.repeat(1, 4).mT
    timeline = layouts.animated(clip(1, tracks=first), 4, "a", clip(1, 1, tracks=last))
    assert timeline.tracks is not None
    assert torch.equal(timeline.tracks[0, :6, 3, :2], timeline.tracks[0, :6, 0, :2])


# More before, after and between


def test_a_clip_goes_on() -> None:
    footage = clip(3)
    timeline = layouts.extended(footage, 0, 2, "on")
    assert floors(timeline) == [0, 0, 0, 1, 1]
    assert is_there(timeline, footage, 0)
    assert timeline.prompts == (PromptSpan("clip 0", 0, 3), PromptSpan("on", 3, 5))
    assert timeline.joints == ()


def test_a_clip_sets_off_earlier() -> None:
    """Its first latent frame stood for one frame. That now ends a group, the others of which are new."""
    footage = clip(3)
    timeline = layouts.extended(footage, 2, 0, "before")
    assert floors(timeline) == [1, 1, 1, 0, 0]
    assert is_there(timeline, footage, 2, skipped=1)
    assert timeline.joints == (2,)
    assert torch.equal(timeline.latents[:, :, 2], footage.latents[:, :, 0])
    assert timeline.prompts == (PromptSpan("before", 0, 2), PromptSpan("clip 0", 2, 5))


def test_a_clip_grows_on_both_sides() -> None:
    footage = clip(4, cuts=(1, 3), prompts=(PromptSpan("a", 0, 1), PromptSpan("b", 1, 4)))
    timeline = layouts.extended(footage, 2, 1, "more")
    assert floors(timeline) == [1, 1, 1, 0, 0, 0, 1]
    said = [(span.prompt, span.start, span.stop) for span in timeline.prompts]
    assert said == [("more", 0, 2), ("a", 2, 3), ("b", 3, 6), ("more", 6, 7)]
    assert timeline.cuts == (3, 5)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 3), (3, 5), (0, 5)])
def test_a_gap_is_made_anew(start: int, stop: int) -> None:
    footage = clip(5, cuts=(2,))
    timeline = layouts.filled(footage, start, stop, "between")
    assert floors(timeline) == [float(start <= t < stop) for t in range(5)]
    assert torch.equal(timeline.latents, footage.latents)
    assert timeline.prompts == (PromptSpan("between", 0, 5),)
    assert (timeline.cuts, timeline.joints) == ((2,), ())


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (2, 2), (3, 2), (2, 6), (5, 6)])
def test_gaps_that_lie_outside(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=f"a gap from {start} to {stop} does not lie in a clip of 5"):
        layouts.filled(clip(5), start, stop, "between")


# Loops


def test_a_loop_comes_back_to_its_first_group() -> None:
    footage = clip(5)
    timeline = layouts.looped(footage, 3, "back")
    assert floors(timeline) == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert is_there(timeline, footage, 0)
    assert is_there(timeline, footage.first(3), 7, skipped=1)  # what comes after the seam is looked ahead at
    assert timeline.joints == ()
    assert timeline.first_frame == 1
    assert timeline.prompts == (PromptSpan("clip 0", 0, 5), PromptSpan("back", 5, 10))


@pytest.mark.parametrize("length", [2, 3])
def test_short_clips_loop_too(length: int) -> None:
    footage = clip(length)
    timeline = layouts.looped(footage, 1, "back")
    assert floors(timeline) == [0.0] * length + [1.0] + [0.0] * (length - 1)


def test_a_picture_loops_into_itself() -> None:
    timeline = layouts.looped(clip(1), 2, "back")
    assert floors(timeline) == [0, 1, 1]
    assert timeline.joints == (2,)
    assert timeline.first_frame == 0
    assert layouts.loop_frames(clip(1), 2) == 8  # the ninth frame is the picture again


@pytest.mark.parametrize(("length", "bridge"), [(2, 1), (5, 3), (9, 1)])
def test_a_loop_is_shown_up_to_the_frame_before_its_first_comes_again(length: int, bridge: int) -> None:
    footage = clip(length)
    timeline = layouts.looped(footage, bridge, "back")
    again = 1 + 4 * (length + bridge - 1)  # the first frame of the group that the loop began with
    assert timeline.first_frame + layouts.loop_frames(footage, bridge) == again


def test_a_loop_needs_a_bridge() -> None:
    with pytest.raises(ValueError, match="at least one latent frame"):
        layouts.looped(clip(3), 0, "back")


# Blends


def test_both_ends_of_a_blend_are_known() -> None:
    first, second = clip(6), clip(5, 1)
    timeline = layouts.blended(first, second, 3)
    assert timeline.num_latent_frames == 8
    assert is_there(timeline, first.first(3), 0)
    assert torch.equal(timeline.latents[:, :, 6:], second.latents[:, :, 3:])
    assert timeline.tracks is not None
    assert second.tracks is not None
    assert torch.equal(timeline.tracks[:, :, 6:], second.tracks[:, :, 3:])
    assert timeline.noise_floor.flatten().tolist()[6:] == [0, 0]
    said = [(span.prompt, span.start, span.stop) for span in timeline.prompts]
    assert said == [("clip 0", 0, 3), ("clip 1", 3, 8)]
    assert timeline.joints == ()


@pytest.mark.parametrize("overlap", [1, 2, 3, 8])
def test_floors_cross_between(overlap: int) -> None:
    first, second = clip(9), clip(9, 1)
    timeline = layouts.blended(first, second, overlap)
    between = timeline.noise_floor.flatten()[9 - overlap : 9]
    assert torch.allclose(between, between.flip(0))
    assert ((between > 0) & (between <= 1)).all()
    rising = between[: (overlap + 1) // 2]
    assert (rising.diff() > 0).all()  # freest in the middle
    assert not timeline.noise_floor.flatten()[: 9 - overlap].any()
    assert not timeline.noise_floor.flatten()[9:].any()


def test_one_clip_becomes_the_other() -> None:
    first, second = clip(9), clip(9, 1)
    timeline = layouts.blended(first, second, 5)
    ours, theirs = first.latents[:, :, 4:], second.latents[:, :, :5]
    shares = ((timeline.latents[:, :, 4:9] - ours) / (theirs - ours)).median(1).values.mean((0, 2, 3))
    assert shares[2] == pytest.approx(0.5, abs=1e-4)
    assert torch.allclose(shares + shares.flip(0), torch.ones(5), atol=1e-3)
    assert (shares.diff() > 0).all()
    assert 0 < shares[0] < 0.1  # sets off gently


def test_what_one_clip_lacks_fades_where_it_stands() -> None:
    both, one = clip(6, tracks=packed(6, rows=(0, 1, None))), clip(6, 1, tracks=packed(6, 1, (0, None, None)))
    poses = slice(6, 6 + 4 * POSE_SIZE)
    for first, second, sign in ((both, one, -1), (one, both, 1)):
        timeline = layouts.blended(first, second, 4)
        assert timeline.tracks is not None
        assert first.tracks is not None
        assert second.tracks is not None
        stays, fades, none = timeline.tracks[0, 0, :, :3].mT
        assert (stays == 1).all()
        assert not none.any()
        assert (sign * fades[1:7].diff() > 0).all()
        ours, theirs = first.tracks[0, poses, 2:], second.tracks[0, poses, :4]
        between = timeline.tracks[0, poses, 2:6]
        assert torch.allclose(between[..., 1], (ours if first is both else theirs)[..., 1])
        assert ((between - ours) * (between - theirs))[..., 0].max() <= 1e-6


def test_clips_that_lie_wholly_in_each_other() -> None:
    first, second = clip(3), clip(5, 1)
    timeline = layouts.blended(first, second, 3)
    assert timeline.num_latent_frames == 5
    assert torch.equal(timeline.latents[:, :, 3:], second.latents[:, :, 3:])
    assert timeline.prompts == (PromptSpan("clip 1", 0, 5),)


@pytest.mark.parametrize("overlap", [-1, 0, 4])
def test_clips_that_are_too_short_to_blend(overlap: int) -> None:
    with pytest.raises(ValueError, match=f"too short to overlap for {overlap}"):
        layouts.blended(clip(3), clip(5, 1), overlap)


def test_clips_of_two_sizes_do_not_blend() -> None:
    with pytest.raises(ValueError, match="of one size"):
        layouts.blended(clip(3), clip(3, latents=torch.zeros(1, 2, 3, 6, 6)), 1)


def test_a_blend_keeps_the_cuts_of_its_clips() -> None:
    """Or a window would look back over them."""
    timeline = layouts.blended(clip(6, cuts=(2,)), clip(6, 1, cuts=(4,)), 2)
    assert timeline.cuts == (2, 8)


def test_tracks_may_be_known_of_the_second_clip_alone() -> None:
    layouts.blended(clip(3, tracks=None), clip(3, 1), 1)


def test_tracks_may_be_known_of_the_first_clip_alone() -> None:
    timeline = layouts.blended(clip(4), clip(4, 1, tracks=None), 2)
    assert timeline.track_floor is not None
    assert timeline.track_floor[0, :, 0].tolist()[:2] == [0, 0]
    assert timeline.track_floor[0, :, 0].tolist()[4:] == [1, 1]


# Changes


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_a_remix_is_as_free_as_it_is_strong(strength: float) -> None:
    footage = clip(3, cuts=(1,))
    timeline = layouts.remixed(footage, strength, "else")
    assert floors(timeline) == pytest.approx([strength] * 3)
    assert torch.equal(timeline.latents, footage.latents)
    assert timeline.prompts == (PromptSpan("else", 0, 3),)
    assert timeline.cuts == (1,)


def mask() -> Tensor:
    """The left half of 4 by 6 positions, and a bit of another."""
    mask = torch.zeros(4, 6)
    mask[:, :3], mask[0, 5] = 1, 0.01
    return mask


def at(places: list[tuple[float, float] | None], length: int = 3) -> Tensor:
    """Tracks of objects at places that stay."""
    tracks = torch.zeros(1, CONFIG.channels, length, 4)
    for row, place in enumerate(places):
        if place is not None:
            tracks[:, 0, :, row] = 1
            tracks[:, 1 + CONFIG.look_channels :: POSE_SIZE, :, row] = place[0]
            tracks[:, 2 + CONFIG.look_channels :: POSE_SIZE, :, row] = place[1]
    tracks[:, 0, :, -1] = 1
    return tracks


def test_only_what_is_under_the_mask_may_change() -> None:
    footage = clip(3, tracks=at([(0.5, 0), None, None]))
    timeline = layouts.edited(footage, mask(), 0.7, "else")
    assert timeline.noise_floor.shape == (1, 3, 4, 6)
    assert torch.equal(timeline.noise_floor, 0.7 * (mask() > 0).float().expand(1, 3, 4, 6))
    assert torch.equal(timeline.latents, footage.latents)
    assert timeline.prompts == (PromptSpan("else", 0, 3),)


@pytest.mark.parametrize(
    ("place", "free"),
    [
        ((-1.4, 0.9), True),
        ((-0.1, 0.0), True),
        ((0.1, 0.0), False),
        ((1.4, -0.9), True),  # the bit at the right
        ((1.4, 0.9), False),
        ((-1.6, 0.0), False),  # outside the picture
    ],
)
def test_objects_under_the_mask_are_planned_anew(place: tuple[float, float], free: bool) -> None:
    """The picture is 3 halves of its shorter side wide, from −1.5 to 1.5."""
    timeline = layouts.edited(clip(3, tracks=at([(0.5, 0), place, None])), mask(), 0.7, "else")
    assert timeline.track_floor is not None
    expected = [0, 0.7 * free, 0.7, 0]  # others may come in the last row; the setting stays
    assert torch.allclose(timeline.track_floor, torch.tensor(expected).expand(1, 3, 4))


def test_objects_that_only_pass_under_the_mask_stay() -> None:
    tracks = at([(0.5, 0), None, None], length=5)
    passing = tracks.clone()
    passing[:, 1 + CONFIG.look_channels :: POSE_SIZE, :2, 0] = -0.5
    for known, free in ((tracks, 0), (passing, 0), (torch.cat([passing[:, :, :2]] * 2, 2), 1)):
        timeline = layouts.edited(clip(known.shape[2], tracks=known), mask(), 1.0, "else")
        assert timeline.track_floor is not None
        assert timeline.track_floor[0, 0, 0] == free


# Storyboards


def test_shots_follow_each_other() -> None:
    shots = [layouts.Shot(2, "a"), layouts.Shot(3, "b", dissolve=1), layouts.Shot(1, "c")]
    timeline = layouts.storyboard(shots, text_to_video("all", (1, 2, 6, 4, 6)))
    assert floors(timeline) == [1] * 6
    assert timeline.cuts == (2, 5)
    assert timeline.dissolves == (1, 0)
    said = [(span.prompt, span.start, span.stop) for span in timeline.prompts]
    assert said == [("a", 0, 2), ("b", 2, 5), ("c", 5, 6)]
    assert timeline.tracks is None


def test_shots_may_open_with_footage() -> None:
    picture, long = clip(1), clip(9, 1)
    shots = [layouts.Shot(2, "a"), layouts.Shot(3, "b", picture), layouts.Shot(2, "c", long)]
    timeline = layouts.storyboard(shots, text_to_video("all", (1, 2, 7, 4, 6)))
    assert floors(timeline) == [1, 1, 0, 1, 1, 0, 0]
    assert is_there(timeline, picture, 2)
    assert is_there(timeline, long.first(2), 5)
    assert (timeline.cuts, timeline.joints) == ((2, 5), ())


def test_shots_fill_their_timeline() -> None:
    with pytest.raises(ValueError, match="shots of 3 latent frames do not fill 4"):
        layouts.storyboard([layouts.Shot(3, "a")], text_to_video("all", (1, 2, 4, 4, 6)))


# All of them


def test_clips_are_not_written_over() -> None:
    first, second = clip(4), clip(4, 1)
    layouts.animated(first, 4, "a", second)
    layouts.extended(first, 1, 1, "a")
    layouts.filled(first, 1, 2, "a")
    layouts.looped(first, 1, "a")
    layouts.blended(first, second, 2)
    layouts.remixed(first, 0.5, "a")
    layouts.edited(first, mask(), 0.5, "a")
    for footage, seed in ((first, 0), (second, 1)):
        assert torch.equal(footage.latents, clip(4, seed).latents)
        assert footage.tracks is not None
        assert torch.equal(footage.tracks, packed(4, seed))


def test_where_no_tracks_are_known_none_are() -> None:
    bare = clip(4, tracks=None)
    for timeline in (
        layouts.animated(bare, 4, "a", bare),
        layouts.extended(bare, 1, 1, "a"),
        layouts.filled(bare, 1, 2, "a"),
        layouts.looped(bare, 1, "a"),
        layouts.blended(bare, bare, 2),
        layouts.remixed(bare, 0.5, "a"),
        layouts.edited(bare, mask(), 0.5, "a"),
    ):
        assert timeline.tracks is None
        assert timeline.track_floor is None
