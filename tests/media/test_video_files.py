import errno
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from tenku.errors import UserError
from tenku.media import (
    Frame,
    Video,
    VideoWriter,
    encode_video,
    read_picture,
    read_video,
    replacing,
    write_picture,
    write_video,
)
from tenku.worlds import simulate_clip

COLOURS = np.array(
    [
        [200, 30, 30],
        [30, 60, 200],
        [40, 160, 60],
        [230, 200, 40],
        [120, 40, 160],
        [20, 180, 190],
        [240, 130, 30],
        [128, 128, 128],
        [255, 255, 255],
        [0, 0, 0],
    ],
    np.uint8,
)


def plain_frames(colours: np.ndarray = COLOURS, size: int = 64) -> np.ndarray:
    return np.broadcast_to(colours[:, None, None], (len(colours), size, size, 3)).copy()


@pytest.fixture
def video() -> Video:
    """A soft-edged ball that crosses a soft background."""
    y, x = np.mgrid[:64, :96]
    frames = []
    for t in range(12):
        ball = 1 / (1 + np.exp(np.hypot(x - 20 - 5 * t, y - 32) - 12))[..., None]
        floor = np.stack([150 + 0.5 * y, 160 + 0.3 * x, 180 - 0.4 * y], -1)
        frames.append(ball * [200, 40, 30] + (1 - ball) * floor)
    return Video(np.stack(frames).round().astype(np.uint8), fps=16)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


def test_a_written_video_reads_back_the_same(tmp_path: Path, video: Video) -> None:
    write_video(tmp_path / "a.mp4", video)
    again = read_video(tmp_path / "a.mp4")
    assert (again.num_frames, again.height, again.width, again.fps) == (12, 64, 96, 16)
    assert again.seconds == 0.75
    assert psnr(again.frames, video.frames) > 38


def test_simulated_clips_stay_sharp(tmp_path: Path) -> None:
    """What is lost is mostly the colour resolution of 4:2:0, the price of playing everywhere."""
    decibels = []
    for seed in range(4):
        frames = simulate_clip(seed, num_frames=9).frames
        write_video(tmp_path / "a.mp4", frames, fps=16)
        decibels.append(psnr(read_video(tmp_path / "a.mp4").frames, frames))
    assert np.mean(decibels) > 36


@pytest.mark.parametrize("fps", [1, 7.5, 12, 16, 24000 / 1001, 30, 60])
def test_the_frame_rate_survives(tmp_path: Path, video: Video, fps: float) -> None:
    write_video(tmp_path / "a.mp4", video, fps=fps)
    assert read_video(tmp_path / "a.mp4").fps == pytest.approx(fps, rel=1e-3)


def test_one_frame_is_a_video_too(tmp_path: Path, video: Video) -> None:
    write_video(tmp_path / "a.mp4", video.frames[:1], fps=16)
    assert read_video(tmp_path / "a.mp4").num_frames == 1


def test_colours_come_back(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", Video(plain_frames(), fps=4))
    middle = read_video(tmp_path / "a.mp4").frames[:, 32, 32].astype(int)
    assert np.abs(middle - COLOURS).max() <= 3


def test_stored_numbers_are_bt709_and_say_so(tmp_path: Path) -> None:
    """Reading back cannot tell a wrong matrix used twice, so compare with the standard's own numbers."""
    write_video(tmp_path / "a.mp4", Video(plain_frames(), fps=4))
    red, green, blue = COLOURS.T / 255
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = np.stack(
        [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748], -1
    )
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    stored = [[np.asarray(plane)[20 * plane.line_size + 20] for plane in frame.planes] for frame in frames]
    assert np.abs(np.array(stored, float) - expected).max() <= 2
    for frame in frames:
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)


def test_the_file_plays_everywhere_and_starts_at_once(tmp_path: Path, video: Video) -> None:
    write_video(tmp_path / "a.mp4", video)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.profile) == ("h264", "yuv420p", "High")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_frames_can_be_written_as_they_come(tmp_path: Path, video: Video) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=16) as writer:
        for frame in video.frames:
            writer.append(frame)
        assert not (tmp_path / "a.mp4").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert read_video(tmp_path / "a.mp4").num_frames == video.num_frames


def test_the_same_frames_give_the_same_bytes(video: Video) -> None:
    assert len({encode_video(video, crf=10, pixel_format="yuv444p") for _ in range(20)}) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_the_frames_break_off(
    tmp_path: Path, video: Video, error: type[BaseException]
) -> None:
    def frames() -> Iterator[Frame]:
        yield from video.frames[:5]
        raise error

    with pytest.raises(error):
        write_video(tmp_path / "a.mp4", frames(), fps=16)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_survives_a_failure(tmp_path: Path, video: Video) -> None:
    write_video(tmp_path / "a.mp4", video)
    before = (tmp_path / "a.mp4").read_bytes()
    with pytest.raises(UserError, match="at least one frame"):
        write_video(tmp_path / "a.mp4", iter([]), fps=16)
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.mp4", lambda path, frames: write_video(path, Video(frames, fps=16))),
        ("a.png", lambda path, frames: write_picture(path, frames[0])),
        ("a.jpg", lambda path, frames: write_picture(path, frames[0])),
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, name: str, write: Callable[[Path, np.ndarray], None]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*; free some space or choose another place"):
            write(tmp_path / name, noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a tiny disk")
    try:
        noise = np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), np.uint8)
        with pytest.raises(UserError, match="no space left on device"):
            write_video(disk / "a.mp4", Video(noise, fps=16))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_odd_sizes_are_refused_with_a_size_that_works(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"127x96 .* for example 128x96"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 96, 127, 3), np.uint8), fps=16)
    assert list(tmp_path.iterdir()) == []


def test_all_frames_have_one_size(tmp_path: Path) -> None:
    frames = [np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64, 3), np.uint8)]
    with pytest.raises(UserError, match="all frames"):
        write_video(tmp_path / "a.mp4", frames, fps=16)


@pytest.mark.parametrize(
    ("frames", "fps", "sentence"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), 16, "uint8"),
        (np.zeros((2, 8, 8), np.uint8), 16, "shape"),
        (np.zeros((0, 8, 8, 3), np.uint8), 16, "shape"),
        (np.zeros((2, 8, 8, 3), np.uint8), 0, "frames per second"),
        (np.zeros((2, 8, 8, 3), np.uint8), float("nan"), "frames per second"),
    ],
)
def test_what_is_no_video(frames: np.ndarray, fps: float, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Video(frames, fps)


@pytest.mark.parametrize("name", ["a.avi", "a", "a.png"])
def test_other_kinds_of_files_are_refused(tmp_path: Path, video: Video, name: str) -> None:
    with pytest.raises(UserError, match=r"end its name with \.mp4"):
        write_video(tmp_path / name, video)


def test_png_is_exact_and_jpeg_close(tmp_path: Path, video: Video) -> None:
    picture = video.frames[0][:63, :95]
    for name in ("a.png", "a.jpg"):
        write_picture(tmp_path / name, picture)
    assert np.array_equal(read_picture(tmp_path / "a.png"), picture)
    assert psnr(read_picture(tmp_path / "a.jpg"), picture) > 38


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all" * 100)
    with pytest.raises(UserError, match="not a video"):
        read_video(tmp_path / "a.mp4")


def test_replacing_keeps_other_errors_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "a"):
        (tmp_path / "elsewhere").open()
    assert caught.value.errno == errno.ENOENT
    assert list(tmp_path.iterdir()) == []
