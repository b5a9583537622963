import pytest
import torch
from torch import Tensor

from tenku.denoiser import TrackConfig
from tenku.timeline import Tracks
from tenku.timeline.tracks import plan_latents, tracks_of_plan

CONFIG = TrackConfig(look_sizes=(3, 2), frames_per_latent=4)


def some_tracks(num_frames: int = 9) -> Tracks:
    """Two clips of three objects, of which the second clip lacks the second."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.randn(2, num_frames, 3, 5, generator=generator)
    boxes[..., 2:4] = boxes[..., 2:4].abs() + 0.1
    looks = torch.zeros(2, 3, 5)
    looks[0, :, [2, 3]] = 1
    looks[1, 0, [0, 4]] = 1
    looks[1, 2, [1, 4]] = 1
    present = torch.tensor([[1.0, 1, 1], [1, 0, 1]])
    return Tracks(boxes * present[:, None, :, None], looks, present)


def same(one: Tracks, two: Tracks) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in ((one.boxes, two.boxes), (one.looks, two.looks), (one.present, two.present))
    )


@pytest.mark.parametrize("num_frames", [1, 5, 9, 33])
def test_a_plan_of_tracks_is_those_tracks(num_frames: int) -> None:
    tracks = some_tracks(num_frames)
    latents = plan_latents(tracks.packed(4), CONFIG)
    assert latents.shape == (2, CONFIG.channels, 1 + (num_frames - 1) // 4, 3, 1)
    assert same(tracks_of_plan(latents, CONFIG), tracks)


def test_a_latent_frame_has_the_boxes_of_its_frames() -> None:
    tracks = some_tracks()
    packed = tracks.packed(4)
    assert packed.shape == (2, CONFIG.channels, 3, 3)
    boxes = packed[:, 6:].unflatten(1, (4, 5))  # b f n t o
    for frame in range(4):
        assert torch.equal(boxes[:, frame, :, 0], tracks.boxes[:, 0].mT)  # the first frame stands alone
        assert torch.equal(boxes[:, frame, :, 1], tracks.boxes[:, 1 + frame].mT)
        assert torch.equal(boxes[:, frame, :, 2], tracks.boxes[:, 5 + frame].mT)
    for t in range(3):
        assert torch.equal(packed[:, 0, t], tracks.present)
        assert torch.equal(packed[:, 1:6, t], tracks.looks.mT)


def test_what_is_not_there_packs_to_nothing() -> None:
    tracks = some_tracks()
    stray = Tracks(torch.ones_like(tracks.boxes), torch.ones_like(tracks.looks), tracks.present)
    packed = stray.packed(4)
    assert not packed[1, :, :, 1].any()
    assert packed[1, :, :, 0].all()


def test_a_noisy_plan_still_says_what_there_is() -> None:
    tracks = some_tracks(33)
    latents = plan_latents(tracks.packed(4), CONFIG)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    found = tracks_of_plan(latents + 0.1 * noise, CONFIG)
    assert torch.equal(found.looks, tracks.looks)
    assert torch.equal(found.present, tracks.present)
    assert (found.boxes - tracks.boxes).abs().max() < 0.6
    assert not found.boxes[1, :, 1].any()
    # Four columns tell of the first frame, one of each other.
    error = (found.boxes - tracks.boxes)[:, :, 0].square().mean((0, 2)).sqrt()
    assert error[0] < 0.1


@pytest.mark.parametrize(("sure", "there"), [(0.45, False), (0.55, True)])
def test_an_object_is_there_or_not(sure: float, there: bool) -> None:
    tracks = some_tracks()
    latents = plan_latents(tracks.packed(4), CONFIG)
    latents[:, 0] *= sure
    found = tracks_of_plan(latents, CONFIG)
    assert same(found, tracks) == there
    if not there:
        assert not any(part.any() for part in (found.present, found.boxes, found.looks))


def test_mirrored_twice_is_the_same() -> None:
    tracks = some_tracks()
    assert same(tracks.mirrored().mirrored(), tracks)
    assert torch.equal(tracks.mirrored().boxes[..., 0], -tracks.boxes[..., 0])
    assert torch.equal(tracks.mirrored().boxes[..., 1:], tracks.boxes[..., 1:])


@pytest.mark.parametrize(("aspect", "wide", "tall"), [(1.0, 1, 1), (1.6, 1.6, 1), (0.5, 1, 2)])
def test_places_are_spread_along_the_longer_side(aspect: float, wide: float, tall: float) -> None:
    tracks = some_tracks()
    spread = tracks.spread(aspect)
    assert torch.allclose(spread.boxes[..., 0], wide * tracks.boxes[..., 0])
    assert torch.allclose(spread.boxes[..., 1], tall * tracks.boxes[..., 1])
    assert torch.equal(spread.boxes[..., 2:], tracks.boxes[..., 2:])
    assert torch.equal(spread.looks, tracks.looks)
    assert torch.equal(spread.present, tracks.present)


@pytest.mark.parametrize(
    ("boxes", "looks", "present"),
    [
        (torch.zeros(2, 5, 3, 4), torch.zeros(2, 3, 5), torch.zeros(2, 3)),
        (torch.zeros(2, 5, 3, 5), torch.zeros(2, 4, 5), torch.zeros(2, 3)),
        (torch.zeros(2, 5, 3, 5), torch.zeros(2, 3, 5), torch.zeros(1, 3)),
    ],
)
def test_what_does_not_belong_together(boxes: Tensor, looks: Tensor, present: Tensor) -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        Tracks(boxes, looks, present)


def test_what_is_in_another_shot_is_not_there() -> None:
    tracks = some_tracks(9)
    boxes = tracks.boxes.clone()
    boxes[0, 5:, 1] = 0  # the second object leaves with a cut on frame 5, where a latent frame begins
    packed = Tracks(boxes, tracks.looks, tracks.present).packed(4)
    assert packed[0, 0, :, 1].tolist() == [1, 1, 0]
    assert not packed[0, :, 2, 1].any()
