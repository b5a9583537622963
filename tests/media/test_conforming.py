import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import Video, conform, conform_mask, nearest_size


def counting(num_frames: int, fps: float, height: int = 16, width: int = 16) -> Video:
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[:] = np.arange(num_frames)[:, None, None, None]
    return Video(frames, fps)


@pytest.mark.parametrize(
    ("fps", "to_fps", "expected"),
    [
        (30, 15, [0, 2, 4, 6, 8]),
        (15, 30, [i // 2 for i in range(20)]),
        (24, 16, [0, 1, 3, 4, 6, 7, 9]),
        (10, 10, list(range(10))),
        (24000 / 1001, 24, list(range(10))),
        (10, 1, [0]),
        (100, 1, [0]),
    ],
)
def test_each_frame_is_the_one_on_screen_at_its_instant(
    fps: float, to_fps: float, expected: list[int]
) -> None:
    video = conform(counting(10, fps), fps=to_fps, height=16, width=16)
    assert video.fps == to_fps
    assert video.frames[:, 0, 0, 0].tolist() == expected


@pytest.mark.parametrize("num_frames", [2, 3, 17, 49, 100])
@pytest.mark.parametrize("fps", [7.5, 16, 24000 / 1001, 60])
@pytest.mark.parametrize("to_fps", [8, 16, 25])
def test_the_length_stays(num_frames: int, fps: float, to_fps: float) -> None:
    video = counting(num_frames, fps, 1, 1)
    other = conform(video, fps=to_fps, height=1, width=1)
    assert abs(other.seconds - video.seconds) <= 0.5 / to_fps + 1e-9 or other.num_frames == 1


def test_a_picture_stays_a_picture() -> None:
    assert conform(counting(1, fps=1), fps=16, height=8, width=8).num_frames == 1


def test_the_same_size_is_left_alone() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 18, 26, 3), np.uint8)
    assert np.array_equal(conform(Video(noise, 9), fps=9, height=18, width=26).frames, noise)


def columns(height: int, width: int) -> Video:
    """Red tells the column, green the row, each from 0 to 255 over the picture."""
    frames = np.zeros((1, height, width, 3), np.uint8)
    frames[..., 0] = (np.arange(width) + 0.5) / width * 255
    frames[..., 1] = ((np.arange(height) + 0.5) / height * 255)[:, None]
    return Video(frames, 1)


@pytest.mark.parametrize(
    ("size", "to_size", "share"),
    [
        ((90, 160), (64, 64), (1, 9 / 16)),
        ((160, 90), (64, 64), (9 / 16, 1)),
        ((64, 64), (45, 80), (9 / 16, 1)),
        ((100, 150), (200, 200), (1, 2 / 3)),
        ((20, 2000), (64, 64), (1, 0.01)),
        ((2000, 20), (30, 60), (0.005, 1)),
    ],
)
def test_the_overhang_is_cut_evenly(
    size: tuple[int, int], to_size: tuple[int, int], share: tuple[float, float]
) -> None:
    frame = conform(columns(*size), fps=1, height=to_size[0], width=to_size[1]).frames[0].astype(float)
    assert frame.shape[:2] == to_size
    for axis, channel in ((1, 0), (0, 1)):
        seen = frame[..., channel].mean(1 - axis)
        count = to_size[axis]
        places = 0.5 + share[1 - channel] * ((np.arange(count) + 0.5) / count - 0.5)
        assert np.abs(seen - 255 * places)[2:-2].max() < 5


@pytest.mark.parametrize("size", [(400, 404), (404, 400), (1000, 1019)])
def test_nearly_equal_shapes_are_only_scaled(size: tuple[int, int]) -> None:
    frame = conform(columns(*size), fps=1, height=200, width=200).frames[0].astype(int)
    assert frame[100, [0, -1], 0].tolist() == pytest.approx([0.6, 254.4], abs=1.5)
    assert frame[[0, -1], 100, 1].tolist() == pytest.approx([0.6, 254.4], abs=1.5)


def test_shrinking_averages() -> None:
    """Stripes finer than the new pixels become grey; they do not flicker as coarser stripes."""
    frames = np.zeros((1, 96, 96, 3), np.uint8)
    frames[:, :, ::2] = 255
    small = conform(Video(frames, 1), fps=1, height=28, width=28).frames[0, 3:-3, 3:-3]
    assert np.abs(small.astype(int) - 127.5).max() < 8


def test_masks_are_averaged_by_area() -> None:
    mask = np.zeros((8, 12), bool)
    mask[:4, :5] = True
    assert conform_mask(mask, 2, 3).tolist() == [[1, 0.25, 0], [0, 0, 0]]
    assert conform_mask(mask, 8, 12).tolist() == mask.astype(float).tolist()


def test_masks_are_cut_as_clips_are() -> None:
    rng = np.random.default_rng(0)
    for height, width, rows, cols in [
        (90, 160, 32, 32),
        (50, 33, 24, 40),
        (40, 40, 64, 80),
        (9, 300, 16, 16),
    ]:
        mask = np.kron(rng.random((5, 5)) > 0.5, np.ones((height // 5 + 1, width // 5 + 1), bool))[
            :height, :width
        ]
        picture = np.repeat(mask[None, ..., None], 3, -1).astype(np.uint8) * 255
        shares = conform_mask(mask, rows, cols)
        assert shares.shape == (rows, cols)
        assert shares.min() >= 0
        assert shares.max() <= 1
        seen = conform(Video(picture, 1), fps=1, height=rows, width=cols).frames[0, ..., 0] / 255
        assert np.abs(seen - shares).mean() < 0.05


def test_mask_shares_add_up() -> None:
    mask = np.random.default_rng(0).random((37, 53)) > 0.7
    assert conform_mask(mask, 37 // 2, 53 // 2).mean() == pytest.approx(mask.mean(), abs=1e-6)


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (96, 176)),
        (1080, 1920, (176, 96)),
        (500, 500, (128, 128)),
        (4000, 100, (64, 256)),
        (640, 480, (112, 144)),
    ],
)
def test_the_nearest_size(width: int, height: int, expected: tuple[int, int]) -> None:
    size = nearest_size(width, height, step=16, area=128 * 128, min_side=64, max_side=256)
    assert size == expected


def test_the_nearest_size_keeps_the_area() -> None:
    for width in range(100, 2000, 90):
        rows, cols = nearest_size(width, 700, step=16, area=192 * 192, min_side=64, max_side=512)
        assert rows % 16 == cols % 16 == 0
        assert 1 / 1.25 <= rows * cols / 192**2 <= 1.25
        assert abs(np.log(cols / rows * 700 / width)) < 0.09


def test_one_size_is_enough() -> None:
    assert nearest_size(1920, 1080, step=16, area=9000, min_side=64, max_side=64) == (64, 64)


def test_what_cannot_be_conformed() -> None:
    with pytest.raises(UserError, match="at least 1x1"):
        conform(counting(2, 9), fps=9, height=0, width=9)
    with pytest.raises(UserError, match="frames per second"):
        conform(counting(2, 9), fps=0, height=9, width=9)
    with pytest.raises(UserError, match="wider range"):
        nearest_size(9, 9, step=16, area=99, min_side=17, max_side=31)
