"""What a reader makes of latents: chances of everything that packed tracks say."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tenku.denoiser import (
    CAMERA_SIZE,
    POSE_SIZE,
    SURROUNDINGS_SIZE,
    TYPICAL_CAMERA,
    TrackConfig,
    TrackReader,
    TrackReaderConfig,
    unpack,
)

Randomise = Callable[[nn.Module], nn.Module]
TRACKS = TrackConfig(look_sizes=(3, 2), frames_per_latent=4, max_objects=3, hidden_size=24)
CONFIG = TrackReaderConfig(
    tracks=TRACKS, latent_channels=4, hidden_size=32, num_heads=2, frame_depth=1, slot_depth=2
)
OBJECT, SETTING = 1 + 5 + 4 * POSE_SIZE, SURROUNDINGS_SIZE + 4 * CAMERA_SIZE


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def reader(randomised: Randomise) -> TrackReader:
    torch.manual_seed(0)
    reader = TrackReader(CONFIG)
    randomised(reader)
    return reader


def deaf(reader: TrackReader) -> TrackReader:
    """The same whose slots do not hear of each other."""
    for block in reader.slot_blocks:
        block.attention.out.weight.zero_()  # type: ignore[operator, union-attr]
    return reader


def heard(reader: TrackReader, latents: Tensor, changed: Tensor) -> Tensor:
    """How much what is said of each latent frame (t) changes."""
    pairs = zip(reader(latents), reader(changed), strict=True)
    return torch.stack([(one - other).abs().flatten(2).amax((0, 2)) for one, other in pairs]).amax(0)


@pytest.mark.parametrize(("t", "h", "w"), [(1, 2, 2), (1, 4, 8), (3, 8, 4), (5, 6, 10), (2, 16, 16)])
def test_any_length_and_even_size_is_read(reader: TrackReader, t: int, h: int, w: int) -> None:
    latents = gaussian(2, 4, t, h, w)
    objects, settings = reader(latents)
    assert objects.shape == (2, t, 3, OBJECT)
    assert settings.shape == (2, t, SETTING)
    read = reader.read(latents)
    assert read.shape == (2, TRACKS.channels, t, 4)
    assert read.isfinite().all()


def test_a_choice_is_read_as_chances(reader: TrackReader) -> None:
    with torch.no_grad():
        reader.object_out.weight *= 20
        reader.setting_out.weight *= 20
    found = unpack(reader.read(gaussian(2, 4, 3, 6, 8)), TRACKS)
    assert ((found.present >= 0) & (found.present <= 1)).all()
    assert found.present.min() < 0.2 < 0.8 < found.present.max()
    for part in (found.looks[..., :3], found.looks[..., 3:], found.surroundings[..., :3]):
        assert (part >= 0).all()
        assert torch.allclose(part.sum(-1), torch.ones(part.shape[:-1]), atol=1e-5)
        assert part.max() > 0.9
    assert torch.equal(found.known, torch.ones(2, 3))


def test_numbers_are_read_as_they_are(reader: TrackReader) -> None:
    latents = gaussian(2, 4, 3, 6, 8)
    (objects, settings), read = reader(latents), reader.read(latents)
    found = unpack(read, TRACKS)
    assert torch.equal(found.present, objects[..., 0].sigmoid())
    assert torch.equal(found.poses.flatten(3), objects[..., 6:])
    assert torch.equal(found.surroundings[..., 3:], settings[..., 3:13])
    assert torch.equal(found.cameras.flatten(2), settings[..., 13:])
    for rows, filled in ((read[..., :-1], OBJECT), (read[..., -1:], 1 + SETTING)):
        assert not rows[:, filled:].any()


def test_the_rows_of_other_worlds_are_as_long_as_they_must_be() -> None:
    """With hardly any looks the setting is the longer row."""
    tracks = TrackConfig(look_sizes=(), frames_per_latent=1, max_objects=1)
    read = TrackReader(replace(CONFIG, tracks=tracks)).read(gaussian(1, 4, 2, 4, 4))
    assert read.shape == (1, tracks.channels, 2, 2)
    assert not read[:, 1 + POSE_SIZE :, :, 0].any()


def test_a_new_reader_expects_nothing_but_a_typical_camera() -> None:
    found = unpack(TrackReader(CONFIG).read(gaussian(1, 4, 2, 4, 6)), TRACKS)
    assert (found.present == 0.5).all()
    assert not found.poses.any()
    middles = torch.zeros(CAMERA_SIZE)
    for number, (middle, _) in TYPICAL_CAMERA.items():
        middles[number] = middle
    assert torch.equal(found.cameras, middles.expand(1, 2, 4, -1))


def test_clips_are_read_one_by_one(reader: TrackReader) -> None:
    latents = gaussian(3, 4, 4, 6, 8)
    together = reader.read(latents)
    for clip in range(3):
        alone = reader.read(latents[clip : clip + 1])
        assert torch.allclose(together[clip : clip + 1], alone, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_slots_differ(reader: TrackReader) -> None:
    objects, _ = reader(gaussian(1, 4, 2, 6, 8))
    assert not torch.allclose(objects[:, :, 0], objects[:, :, 1], atol=1e-2)


def test_a_frame_is_told_of_its_own_latents_and_its_neighbours(reader: TrackReader) -> None:
    """Each block of frames reaches as far as the next latent frame."""
    latents = gaussian(2, 4, 7, 6, 8)
    changed = latents.clone()
    changed[:, :, 3] += 1
    told = heard(deaf(reader), latents, changed)
    assert not told[[0, 1, 5, 6]].any()
    assert (told[[2, 4]] > 1e-3).all()
    assert told[3] > told[[2, 4]].max()


def test_slots_hear_of_each_other_through_the_whole_clip(reader: TrackReader) -> None:
    latents = gaussian(2, 4, 7, 6, 8)
    changed = latents.clone()
    changed[:, :, 3] += 1
    assert (heard(reader, latents, changed) > 1e-4).all()


def test_time_has_a_direction(reader: TrackReader) -> None:
    latents = gaussian(1, 4, 5, 6, 8)
    (there, _), (back, _) = reader(latents), reader(latents.flip(2))
    assert not torch.allclose(there, back.flip(1), atol=1e-2)


@pytest.mark.parametrize("axis", [3, 4])
def test_it_matters_where_in_the_picture_something_lies(randomised: Randomise, axis: int) -> None:
    """Without blocks in which positions hear of each other, each still knows its own place."""
    torch.manual_seed(0)
    reader = randomised(TrackReader(replace(CONFIG, frame_depth=0)))
    latents = torch.zeros(1, 4, 1, 6, 8)
    latents[:, :, :, :2, :2] = 2
    one, other = (reader(values)[0] for values in (latents, latents.flip(axis)))
    assert not torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("slot", range(4))
def test_each_slot_speaks_of_its_own_row_and_the_last_of_the_setting(reader: TrackReader, slot: int) -> None:
    latents = gaussian(2, 4, 3, 6, 8)
    before = deaf(reader)(latents)
    reader.slots[slot] += gaussian(32, seed=1)
    objects, settings = ((one - other).abs() for one, other in zip(before, reader(latents), strict=True))
    changed = [*objects.amax((0, 1, 3)).tolist(), settings.max().item()]
    assert [change > 1e-2 for change in changed] == [row == slot for row in range(4)]


def test_the_same_place_looks_the_same_in_pictures_of_any_length(reader: TrackReader) -> None:
    """A frame between two like it is not told how long the clip is, but by its slots."""
    still = gaussian(1, 4, 1, 6, 8).expand(-1, -1, 9, -1, -1)
    deaf(reader)
    longer, shorter = (reader(still[:, :, :t])[0] for t in (9, 5))
    assert torch.allclose(longer[:, 1:4], shorter[:, 1:4], atol=1e-5)
    assert torch.allclose(longer[:, 1:2].expand_as(longer[:, 1:8]), longer[:, 1:8], atol=1e-5)


def test_half_precision_comes_out_in_full(reader: TrackReader) -> None:
    latents = gaussian(1, 4, 2, 4, 6)
    exact = reader.read(latents)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = reader.read(latents)
    assert rounded.dtype == torch.float32
    assert torch.allclose(rounded, exact, atol=0.1)


def test_everything_can_be_learned() -> None:
    torch.manual_seed(0)
    reader = TrackReader(CONFIG)
    with torch.no_grad():
        for name, parameter in reader.named_parameters():
            if name.endswith("out.weight"):
                parameter.normal_(std=0.1)
    objects, settings = reader(gaussian(2, 4, 3, 6, 8))
    (objects.square().sum() + settings.square().sum()).backward()
    for name, parameter in reader.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("frame_depth", "slot_depth"), [(0, 1), (1, 0), (2, 3)])
def test_the_price_is_known(frame_depth: int, slot_depth: int) -> None:
    config = replace(CONFIG, hidden_size=128, frame_depth=frame_depth, slot_depth=slot_depth)
    with FlopCounterMode(display=False) as counter:
        TrackReader(config)(gaussian(1, 4, 3, 16, 12))
    t, n, slots, d = 3, 8 * 6, 3 * 4, 128
    # On a processor the counter does not see attention.
    attention = frame_depth * t * 4 * n * n * d + slot_depth * 4 * (slots * slots + slots * n) * d
    expected = 3 * (counter.get_total_flops() + attention)
    assert TrackReader(config).training_flops((3, 16, 12)) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("hidden_size", "num_heads"), [(32, 3), (6, 2), (15, 5)])
def test_heads_that_do_not_fit_are_an_error(hidden_size: int, num_heads: int) -> None:
    with pytest.raises(ValueError, match=f"hidden_size {hidden_size} must be num_heads \\({num_heads}\\)"):
        replace(CONFIG, hidden_size=hidden_size, num_heads=num_heads)
