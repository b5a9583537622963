"""What the mark survives, what it costs, and that it is not seen where it is not."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Frames, Video, conform, encode_picture, encode_video, read_video
from tenku.media.conforming import scaled
from tenku.provenance import Detector, FoundMark, Marker
from tenku.provenance.layout import bits_of, code, mark_of
from tenku.worlds import simulate_clip

MARK = 0xC0FFEE


def marked(frames: Frames, mark: int = MARK) -> Frames:
    marker = Marker(mark)
    return np.stack([marker(frame) for frame in frames])


def found(frames: Frames) -> FoundMark | None:
    detector = Detector()
    for frame in frames:
        detector.add(frame)
    return detector.found()


def encoded(frames: Frames, crf: int) -> Frames:
    data = encode_video(Video(np.ascontiguousarray(frames), 16), crf=crf, pixel_format="yuv420p")
    return read_video(io.BytesIO(data)).frames


def resized(frames: Frames, height: int, width: int) -> Frames:
    return conform(Video(np.ascontiguousarray(frames), 16), fps=16, height=height, width=width).frames


@pytest.mark.parametrize("mark", [0, 1, MARK, 2**24 - 1])
def test_bits_say_which_mark_they_are_of(mark: int) -> None:
    bits = bits_of(mark)
    assert mark_of(bits) == mark
    bits[3] ^= True
    assert mark_of(bits) is None


def test_every_bit_has_as_many_chips_as_the_others() -> None:
    assert (np.abs(code()).sum(1) == 32).all()
    assert (np.abs(code()).sum(0) == 1).all()


@pytest.mark.parametrize(
    "act",
    [
        lambda frames: frames,
        lambda frames: encoded(encoded(frames, 12), 18),
        lambda frames: encoded(encoded(frames, 12), 23),
        lambda frames: encoded(encoded(frames, 12), 28),
        lambda frames: encoded(resized(frames, 64, 64), 23),
        lambda frames: np.stack([scaled(frame, 200, 300) for frame in frames]),
        lambda frames: encoded(frames[:, 6:-6, 6:-6], 23),
        lambda frames: encoded(resized(frames[:, 4:-8, 8:-4], 128, 128), 23),
        lambda frames: encoded(frames[5:12], 23),
        lambda frames: read_video(io.BytesIO(encode_picture(frames[0], ".jpg"))).frames,
    ],
    ids=[
        "as it is",
        "crf 18",
        "crf 23",
        "crf 28",
        "half",
        "stretched",
        "cropped",
        "cropped, resized",
        "cut",
        "JPEG",
    ],
)
def test_the_mark_is_read_after(clip: Frames, act: Callable[[Frames], Frames]) -> None:
    seen = found(act(marked(clip)))
    assert seen is not None
    assert seen.mark == MARK


def test_a_large_video_keeps_its_mark_at_the_worst_quality() -> None:
    frames = simulate_clip(3, num_frames=8, height=180, width=320).frames
    frames = np.repeat(np.repeat(frames, 2, 1), 2, 2)
    seen = found(encoded(marked(frames), 35))
    assert seen is not None
    assert seen.mark == MARK


def test_cropping_is_told(clip: Frames) -> None:
    seen = found(marked(clip)[:, 8:-16, 12:-4])
    assert seen is not None
    assert seen.rows == pytest.approx((8 / 128, 112 / 128), abs=0.015)
    assert seen.columns == pytest.approx((12 / 128, 124 / 128), abs=0.015)


def test_nothing_is_found_where_there_is_no_mark() -> None:
    for seed in range(5):
        assert found(simulate_clip(400 + seed, num_frames=1).frames) is None


def test_without_a_mark_bits_are_noise_of_known_spread() -> None:
    clearness = []
    for seed in range(60):
        detector = Detector()
        detector.add(simulate_clip(900 + seed, num_frames=1).frames[0])
        soft = detector.soft_bits()
        clearness.append(float(soft @ soft))
    assert np.mean(clearness) == pytest.approx(32, abs=4)
    assert np.std(clearness) == pytest.approx(8, abs=3)


def test_it_cannot_be_seen(clip: Frames) -> None:
    error = np.mean((marked(clip).astype(float) - clip) ** 2, axis=(1, 2, 3))
    assert (10 * np.log10(255**2 / error)).min() >= 42


def test_it_does_not_flicker(clip: Frames) -> None:
    still = np.repeat(clip[:1], 6, 0)
    assert np.abs(np.diff(marked(still).astype(int), axis=0)).max() <= 1


def test_the_same_frames_are_marked_the_same(clip: Frames) -> None:
    np.testing.assert_array_equal(marked(clip), marked(clip))


@pytest.mark.parametrize("value", [0, 3, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (2, 300), (16, 16), (33, 47)])
def test_any_frame_can_be_marked(size: tuple[int, int], value: int) -> None:
    frame = np.full((*size, 3), value, np.uint8)
    assert marked(frame[None]).shape == (1, *size, 3)


def test_any_frame_can_be_looked_at() -> None:
    for size in ((1, 1), (2, 300), (33, 47)):
        assert found(np.full((1, *size, 3), 90, np.uint8)) is None


def test_even_frames_of_one_colour_bear_the_mark() -> None:
    seen = found(marked(np.full((1, 64, 64, 3), 120, np.uint8)))
    assert seen is not None
    assert seen.mark == MARK


def test_noise_is_no_mark_and_can_bear_one() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 128, 128, 3), np.uint8)
    assert found(noise) is None
    assert marked(noise).shape == noise.shape


@pytest.mark.parametrize("mark", [-1, 2**24])
def test_a_mark_that_is_none(mark: int) -> None:
    with pytest.raises(UserError, match="choose a number from 0"):
        Marker(mark)


def test_marking_takes_less_than_a_millisecond_a_small_frame(clip: Frames) -> None:
    marker = Marker(MARK)
    marker(clip[0])
    fastest = 1.0
    for _ in range(5):
        start = time.process_time()
        for frame in clip:
            marker(frame)
        fastest = min(fastest, (time.process_time() - start) / len(clip))
    assert fastest < 1e-3
