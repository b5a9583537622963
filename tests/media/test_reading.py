import io
import struct
import wave
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from tenku.errors import UserError
from tenku.media import (
    Frame,
    Video,
    conform,
    encode_picture,
    encode_video,
    read_conformed,
    read_mask,
    read_picture,
    read_video,
    reading,
    write_picture,
    write_video,
)

RED, GREEN, BLUE, WHITE = [220, 30, 30], [30, 180, 60], [30, 60, 200], [255, 255, 255]

TURNS: dict[str, tuple[int, bool, Callable[[np.ndarray], np.ndarray]]] = {
    "as it is": (0, False, lambda p: p),
    "90": (90, False, lambda p: np.rot90(p)),
    "180": (180, False, lambda p: np.rot90(p, 2)),
    "270": (270, False, lambda p: np.rot90(p, 3)),
    "mirrored": (0, True, lambda p: p[:, ::-1]),
    "90 mirrored": (90, True, lambda p: np.rot90(p)[:, ::-1]),
    "180 mirrored": (180, True, lambda p: np.rot90(p, 2)[:, ::-1]),
    "270 mirrored": (270, True, lambda p: np.rot90(p, 3)[:, ::-1]),
}


def quarters(height: int = 32, width: int = 64) -> Frame:
    """Four colours, so that every turn looks different."""
    picture = np.empty((height, width, 3), np.uint8)
    for rows, columns, colour in ((0, 0, RED), (0, 1, GREEN), (1, 0, BLUE), (1, 1, WHITE)):
        part = np.s_[rows * height // 2 : (rows + 1) * height // 2, columns * width // 2 :]
        picture[part] = colour
    return picture


def shades(num_frames: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Frames that tell by their shade which they are."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = (20 + 200 * np.arange(num_frames) // max(1, num_frames - 1))[:, None, None, None]
    return frames


def which(video: Video, frames: np.ndarray) -> list[int]:
    """Which of `frames` each frame of the video is."""
    seen, known = (part.mean((1, 2, 3)) for part in (video.frames, frames))
    distance = np.abs(seen[:, None] - known)
    assert distance.min(1).max() < 3
    return distance.argmin(1).tolist()


def write(
    path: Path,
    frames: Sequence[np.ndarray | av.VideoFrame],
    times: Sequence[int] | None = None,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv444p",
    rate: int = 1000,
    prepare: Callable[[av.VideoStream], None] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A file whose frames appear at `times` over `rate` seconds; the last time is the end."""
    if times is None:
        times = range(len(frames) + 1)
    lengths = dict(zip(times[:-1], np.diff(times).tolist(), strict=True))
    packets: list[av.Packet] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.pix_fmt = pixel_format
        stream.codec_context.time_base = stream.time_base = Fraction(1, rate)
        if prepare is not None:
            prepare(stream)
        for frame, start, end in zip(frames, times[:-1], times[1:], strict=True):
            if isinstance(frame, np.ndarray):
                form = "rgba" if frame.shape[-1] == 4 else "rgb24"
                frame = av.VideoFrame.from_ndarray(frame, format=form).reformat(format=pixel_format)
            if start == times[0]:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.duration, frame.time_base = start, end - start, Fraction(1, rate)
            packets += stream.encode(frame)
        for packet in [*packets, *stream.encode(None)]:
            if packet.pts is not None:
                packet.duration = lengths[packet.pts]
            container.mux(packet)
    return path


def stored(planes: Sequence[int], pixel_format: str, size: tuple[int, int] = (32, 32)) -> av.VideoFrame:
    """A frame of one colour, given by the numbers that are stored."""
    frame = av.VideoFrame(size[1], size[0], pixel_format)
    kind = np.dtype(np.uint16 if "10" in pixel_format else np.uint8)
    for plane, value in zip(frame.planes, planes, strict=True):
        plane.update(np.full((plane.height, plane.line_size // kind.itemsize), value, kind).tobytes())
    return frame


def png(width: int, height: int, *, chunks: bytes = b"") -> bytes:
    rows = zlib.compress(bytes((width + 1) * min(height, 9000)), 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(orientation: int) -> bytes:
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def photo(picture: Frame, orientation: int) -> bytes:
    data, tags = encode_picture(picture, ".jpg"), b"Exif\0\0" + exif(orientation)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(tags) + 2) + tags + data[2:]


# --- upright ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", TURNS)
def test_clips_are_turned_upright(tmp_path: Path, turn: str) -> None:
    degrees, mirrored, expected = TURNS[turn]
    path = write(
        tmp_path / "a.mp4",
        [quarters()] * 3,
        rate=10,
        options={"crf": "1"},
        prepare=lambda stream: stream.set_display_rotation(degrees, hflip=mirrored),
    )
    upright = expected(quarters())
    video = read_video(path)
    assert video.frames.shape == (3, *upright.shape)
    assert np.abs(video.frames[1].astype(int) - upright).mean() < 3
    small = read_conformed(path, fps=10, height=upright.shape[0] // 2, width=upright.shape[1] // 2)
    assert np.abs(small.frames[1].astype(int) - upright[1::2, 1::2]).mean() < 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation: int) -> None:
    turn = ["as it is", "mirrored", "180", "180 mirrored", "270 mirrored", "270", "90 mirrored", "90"]
    if orientation in (
        5,
        7,
    ):  # "mirrored, then turned" of the standard is "turned, then mirrored" the other way
        turn[4], turn[6] = "270 mirrored", "90 mirrored"
    upright = TURNS[turn[orientation - 1]][2](quarters())
    picture = read_video(io.BytesIO(photo(quarters(), orientation))).frames[0]
    assert picture.shape == upright.shape
    assert np.abs(picture.astype(int) - upright).mean() < 3


def test_a_png_with_exif_is_turned_upright() -> None:
    data = png(6, 4, chunks=png_chunk(b"eXIf", exif(6)))
    assert read_video(io.BytesIO(data)).frames.shape == (1, 6, 4, 3)


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    def widen(stream: av.VideoStream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)

    path = write(tmp_path / "a.mp4", [quarters()] * 2, rate=10, prepare=widen, options={"crf": "1"})
    frames = read_video(path).frames
    assert frames.shape == (2, 32, 96, 3)
    assert np.abs(frames[0, 8, [40, 56]].astype(int) - [RED, GREEN]).max() < 8
    assert read_conformed(path, fps=10, height=32, width=96).frames.shape == (2, 32, 96, 3)


# --- colours ---------------------------------------------------------------------------------------------


def bt(numbers: Sequence[float], red: float, blue: float) -> np.ndarray:
    """R'G'B' of limited-range 8-bit Y'CbCr by the standards' own weights of red and blue."""
    luma, cb, cr = (numbers[0] - 16) / 219, (numbers[1] - 128) / 224, (numbers[2] - 128) / 224
    r, b = luma + cr * 2 * (1 - red), luma + cb * 2 * (1 - blue)
    return 255 * np.array([r, (luma - red * r - blue * b) / (1 - red - blue), b])


@pytest.mark.parametrize(
    ("tag", "size", "weights"),
    [
        (1, (32, 32), (0.2126, 0.0722)),
        (5, (32, 32), (0.299, 0.114)),
        (6, (32, 32), (0.299, 0.114)),
        (9, (32, 32), (0.2627, 0.0593)),
        (2, (32, 32), (0.299, 0.114)),  # what does not say: small ones as television was, large ones as it is
        (2, (720, 736), (0.2126, 0.0722)),
    ],
)
def test_the_matrix_is_the_one_that_is_tagged(
    tmp_path: Path, tag: int, size: tuple[int, int], weights: tuple[float, float]
) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.colorspace = tag

    numbers = (120, 100, 170)
    frame = stored(numbers, "yuv444p", size)
    path = write(tmp_path / "a.mp4", [frame], rate=10, prepare=prepare, options={"crf": "1"})
    assert np.abs(read_picture(path)[9, 9] - bt(numbers, *weights)).max() < 3


@pytest.mark.parametrize(("full", "white"), [(False, 235), (True, 255)])
def test_full_and_limited_range(tmp_path: Path, full: bool, white: int) -> None:
    def prepare(stream: av.VideoStream) -> None:
        stream.codec_context.color_range = 2 if full else 1

    frames = [stored((luma, 128, 128), "yuv420p") for luma in (white, 100)]
    path = write(
        tmp_path / "a.mp4",
        frames,
        rate=10,
        pixel_format="yuv420p",
        prepare=prepare,
        options={"crf": "1"},
    )
    greys = read_video(path).frames[:, 9, 9]
    assert np.abs(greys[0].astype(int) - 255).max() <= 1
    assert np.abs(greys[1] - (100 if full else (100 - 16) / 219 * 255)).max() < 2


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.mkv",
        [stored((4 * luma, 512, 512), "yuv420p10le") for luma in (16, 120, 235)],
        rate=10,
        codec="ffv1",
        pixel_format="yuv420p10le",
    )
    greys = read_video(path).frames[:, 9, 9, 1]
    assert np.abs(greys - np.array([0, (120 - 16) / 219 * 255, 255])).max() <= 1


@pytest.mark.parametrize(
    ("transfer", "code", "read"),
    [
        (ColorTrc.ARIB_STD_B67, 721, read_video),
        (ColorTrc.SMPTE2084, 572, lambda path: read_conformed(path, fps=10, height=16, width=16)),
    ],
)
def test_the_white_of_hdr_is_white(
    tmp_path: Path, transfer: ColorTrc, code: int, read: Callable[[Path], Video]
) -> None:
    """The standard (ITU-R BT.2408) puts white paper at 75 % of HLG and at 58 % of PQ."""

    def prepare(stream: av.VideoStream) -> None:
        context = stream.codec_context
        context.colorspace, context.color_range = 9, 1
        context.color_primaries, context.color_trc = ColorPrimaries.BT2020, transfer

    path = write(
        tmp_path / "a.mkv",
        [stored((code, 512, 512), "yuv420p10le")] * 2,
        rate=10,
        codec="ffv1",
        pixel_format="yuv420p10le",
        prepare=prepare,
    )
    assert np.abs(read(path).frames[1, 9, 9].astype(int) - 255).max() <= 5


@pytest.mark.parametrize("depth", ["gray", "gray16be", "rgb48be"])
def test_grey_and_deep_pictures(depth: str) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    context = av.VideoCodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 256, 1, depth, Fraction(1)
    frame = av.VideoFrame.from_ndarray(ramp, format="rgb24").reformat(format=depth, dst_color_range=2)
    data = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    assert np.abs(read_video(io.BytesIO(data)).frames[0].astype(int) - ramp).max() <= 1


# --- see-through pictures --------------------------------------------------------------------------------


def see_through() -> np.ndarray:
    """Left opaque red, in the middle half of it, right nothing (whose hidden colour is black)."""
    picture = np.zeros((32, 48, 4), np.uint8)
    picture[:, :16], picture[:, 16:32] = [*RED, 255], [*RED, 128]
    return picture


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "tolerance"),
    [("a.png", "png", "rgba", 1), ("a.webp", "libwebp", "yuva420p", 6), ("a.gif", "gif", "bgra", 1)],
)
def test_see_through_pictures_lie_on_white(
    tmp_path: Path, name: str, codec: str, pixel_format: str, tolerance: int
) -> None:
    if name == "a.gif":  # which has one colour that is clear, and no half clear ones
        (tmp_path / name).write_bytes(gif([[0, 1, 2]], [7]))
        assert read_picture(tmp_path / name).tolist() == [[RED, GREEN, WHITE]]
        return
    write(tmp_path / name, [see_through()], rate=1, codec=codec, pixel_format=pixel_format)
    half = np.array(RED) * 128 / 255 + 127
    for picture in (
        read_picture(tmp_path / name),
        read_conformed(tmp_path / name, fps=16, height=32, width=48).frames[0],
    ):
        for column, colour in ((8, RED), (24, half), (40, WHITE)):
            assert np.abs(picture[16, column] - colour).max() <= tolerance


def gif(frames: Sequence[Sequence[int]], delays: Sequence[int]) -> bytes:
    """A GIF of one row; its colours are red, green, clear, blue, and each frame replaces the one before."""
    palette = bytes([*RED, *GREEN, 0, 0, 0, *BLUE])
    width = len(frames[0])
    data = b"GIF89a" + struct.pack("<HHBBB", width, 1, 0x91, 0, 0) + palette
    for row, delay in zip(frames, delays, strict=True):
        data += b"\x21\xf9\x04" + struct.pack("<BHBB", 0b1001, delay, 2, 0)
        codes = [4, *(code for colour in row for code in (colour, 4))][:-1]  # LZW that forgets at once
        bits = "".join(f"{code:03b}" for code in reversed([*codes, 5]))
        packed = int(bits, 2).to_bytes((len(bits) + 7) // 8, "little")
        data += b"\x2c" + struct.pack("<HHHHB", 0, 0, width, 1, 0) + b"\x02" + bytes([len(packed)]) + packed
        data += b"\0"
    return data + b"\x3b"


# --- time ------------------------------------------------------------------------------------------------


def test_an_animated_gif_is_a_clip_with_its_durations(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif([[0] * 4, [1] * 4, [2] * 4, [3] * 4], [10, 20, 10, 40]))
    video = read_conformed(tmp_path / "a.gif", fps=10, height=4, width=4)
    colours = [[RED, GREEN, WHITE, BLUE].index(frame[2, 2].tolist()) for frame in video.frames]
    assert colours == [0, 1, 1, 2, 3, 3, 3, 3]
    steady = read_video(tmp_path / "a.gif")
    assert (steady.fps, steady.num_frames) == (5, 4)


def test_the_jitter_of_a_gif_is_no_varying_rate(tmp_path: Path) -> None:
    """A GIF counts in hundredths, so 15 frames a second are 7, 7 and 6 of them."""
    (tmp_path / "a.gif").write_bytes(gif([[i % 4] * 4 for i in range(9)], [7, 7, 6] * 3))
    video = read_video(tmp_path / "a.gif")
    assert video.fps == pytest.approx(15, rel=0.01)
    colours = [[RED, GREEN, WHITE, BLUE].index(frame[0, 2].tolist()) for frame in video.frames]
    assert colours == [i % 4 for i in range(9)]


@pytest.mark.parametrize("name", ["a.apng", "a.png"])
def test_an_animated_png_is_a_clip(tmp_path: Path, name: str) -> None:
    frames = shades(4)
    path = write(
        tmp_path / "b.apng", list(frames), [0, 10, 20, 50, 80], codec="apng", pixel_format="rgba", rate=100
    )
    path.rename(tmp_path / name)
    video = read_conformed(tmp_path / name, fps=10, height=32, width=32)
    assert which(video, frames) == [0, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("lossless", ["0", "1"])
def test_an_animated_webp_is_a_clip(tmp_path: Path, lossless: str) -> None:
    frames = np.zeros((5, 40, 48, 4), np.uint8)
    for t in range(5):
        frames[t, 4 + 4 * t : 16 + 4 * t, 8:30] = [*RED, 255]
        frames[t, :6, 40:] = [30, 60, 200, 128]
    path = write(
        tmp_path / "a.webp",
        list(frames),
        [0, 100, 200, 400, 500, 600],
        codec="libwebp_anim",
        pixel_format="bgra",
        options={"lossless": lossless, "quality": "100"},
    )
    video = read_conformed(path, fps=10, height=40, width=48)
    expected = reading._over_white(frames.reshape(-1, 48, 4)).reshape(5, 40, 48, 3)
    assert video.num_frames == 6  # libwebp lets the last stay for as long as the others do on average
    for frame, index in zip(video.frames, [0, 1, 2, 2, 3, 4], strict=True):
        assert np.abs(frame.astype(int) - expected[index]).mean() < (0.1 if lossless == "1" else 6)
    assert read_video(path).frames.shape == (5, 40, 48, 3)
    cut = path.read_bytes()[:-30]
    assert read_video(io.BytesIO(cut)).num_frames < 5


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_varying_rate_becomes_steady(tmp_path: Path, name: str) -> None:
    """A quick start, a still, a quick end: what is on screen at each instant is what was."""
    times = [*range(0, 300, 50), 1000, 1050, 1100, 1150, 1200]
    frames = shades(len(times) - 1)
    path = write(tmp_path / name, list(frames), times, options={"crf": "1"})
    video = read_video(path)
    assert video.fps == 8  # 10 frames in 1.2 seconds
    assert video.seconds == pytest.approx(1.2, abs=0.5 / 8)
    instants = np.arange(video.num_frames) * 1000 / 8
    assert which(video, frames) == (np.searchsorted(times, instants, "right") - 1).tolist()
    fast = read_conformed(path, fps=20, height=32, width=32)
    instants = np.arange(24) * 50
    assert which(fast, frames) == (np.searchsorted(times, instants, "right") - 1).tolist()


@pytest.mark.parametrize("fps", [12, 24000 / 1001, 30, 60])
def test_a_rounded_steady_rate_stays_frame_for_frame(tmp_path: Path, fps: float) -> None:
    """Matroska counts in milliseconds, so that no two frames of a film last equally long."""
    frames = shades(40)
    times = [round(1000 * index / fps) for index in range(41)]
    path = write(tmp_path / "a.mkv", list(frames), times, options={"crf": "1"})
    video = read_video(path)
    assert video.fps == pytest.approx(fps, rel=1e-3)
    assert which(video, frames) == list(range(40))
    assert which(read_conformed(path, fps=fps / 2, height=32, width=32), frames) == list(range(0, 40, 2))


def test_a_clip_that_starts_late_starts_at_once(tmp_path: Path) -> None:
    frames = shades(4)
    path = write(tmp_path / "a.mkv", list(frames), [5000, 5100, 5200, 5300, 5400])
    assert which(read_conformed(path, fps=20, height=32, width=32), frames) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_last_frame_that_flashes_by_adds_nothing(tmp_path: Path) -> None:
    frames = shades(3)
    path = write(tmp_path / "a.mkv", list(frames), [0, 250, 505, 520])
    assert which(read_conformed(path, fps=10, height=32, width=32), frames) == [0, 0, 0, 1, 1]


def test_only_so_many_frames(tmp_path: Path) -> None:
    frames = shades(20)
    write_video(tmp_path / "a.mp4", frames, fps=10)
    assert which(read_video(tmp_path / "a.mp4", max_frames=7), frames) == list(range(7))
    video = read_conformed(tmp_path / "a.mp4", fps=20, height=32, width=32, max_frames=7)
    assert which(video, frames) == [0, 0, 1, 1, 2, 2, 3]
    assert read_conformed(tmp_path / "a.mp4", fps=10, height=32, width=32, max_frames=99).num_frames == 20
    for read in (
        read_video,
        lambda path, max_frames: read_conformed(path, fps=1, height=1, width=1, max_frames=0),
    ):
        with pytest.raises(UserError, match="at least 1"):
            read(tmp_path / "a.mp4", max_frames=0)


@pytest.mark.parametrize(("fps", "height", "width"), [(8, 24, 24), (25, 16, 48), (16, 80, 40), (3, 7, 500)])
def test_conforming_while_decoding_is_conforming(tmp_path: Path, fps: float, height: int, width: int) -> None:
    rows, columns = np.mgrid[:48, :64]
    frames = np.stack([np.stack([4 * rows, 3 * columns, rows + columns + 9 * t], -1) for t in range(11)])
    write_video(tmp_path / "a.mp4", frames.astype(np.uint8), fps=12)
    streamed = read_conformed(tmp_path / "a.mp4", fps=fps, height=height, width=width)
    whole = conform(read_video(tmp_path / "a.mp4"), fps=fps, height=height, width=width)
    assert streamed.frames.shape == whole.frames.shape
    assert np.abs(streamed.frames.astype(int) - whole.frames).mean() < 2.5


def test_a_picture_stays_a_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", quarters())
    assert read_conformed(tmp_path / "a.png", fps=24, height=16, width=32).frames.shape == (1, 16, 32, 3)


def test_a_photo_that_drags_another_along_is_one_picture() -> None:
    preview = encode_picture(quarters(16, 32), ".jpg")
    assert read_video(io.BytesIO(photo(quarters(), 1) + preview)).frames.shape == (1, 32, 64, 3)


# --- what cannot be read ---------------------------------------------------------------------------------


def sound() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(8000))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"not a picture at all\n" * 50, "not a video"),
        (np.random.default_rng(0).bytes(5000), "not a video"),
        (b"ffconcat version 1.0\nfile b.mp4\n", "not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nb.mp4\n#EXT-X-ENDLIST\n", "not a video"),
        (sound(), "holds no video"),
        (encode_picture(np.full((64, 64, 3), 9, np.uint8), ".png")[:60], "no frame"),
        (encode_video(Video(shades(9), 9), crf=9, pixel_format="yuv420p")[:-500], "is damaged"),
    ],
    ids=["empty", "text", "noise", "list", "playlist", "sound", "cut picture", "cut index"],
)
@pytest.mark.parametrize(
    "read", [read_video, read_mask, lambda path: read_conformed(path, fps=9, height=9, width=9)]
)
def test_what_is_no_video_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    sentence: str,
    read: Callable[[Path], object],
) -> None:
    monkeypatch.chdir(tmp_path)  # where the lists below would find their files
    write_video(tmp_path / "b.mp4", shades(3), fps=9)
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(UserError, match=sentence) as caught:
        read(tmp_path / "a.txt")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    for path, sentence in (
        (tmp_path, "is a directory"),
        (tmp_path / "missing.mp4", "there is no file .*missing"),
        ("http://127.0.0.1:9/a.mp4", "there is no file"),
        ("a\0b.mp4", "no name of a file"),
        ("/dev/null", "not a regular file"),
    ):
        with pytest.raises(UserError, match=sentence):
            read_video(path)
    with pytest.raises(UserError, match="not a video"):
        read_video(io.BytesIO(b""))


def test_a_cut_off_clip_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=10)
    data = (tmp_path / "a.mp4").read_bytes()
    video = read_video(io.BytesIO(data[: len(data) // 2]))
    assert 5 < video.num_frames < 20
    assert video.fps == 10
    whole = read_video(io.BytesIO(data))
    assert np.array_equal(video.frames[:5], whole.frames[:5])


def test_a_clip_with_a_broken_middle_is_read(tmp_path: Path) -> None:
    frames = shades(30)
    path = write(tmp_path / "a.mkv", list(frames), range(0, 3100, 100), codec="ffv1", pixel_format="bgr0")
    data = bytearray(path.read_bytes())
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for position, size in packets[10:13]:
        data[position + size // 2 : position + size + 20] = bytes(size - size // 2 + 20)
    video = read_conformed(io.BytesIO(bytes(data)), fps=10, height=32, width=32)
    assert video.frames[0].mean() < 25
    assert video.num_frames >= 10


@pytest.mark.parametrize(("width", "height"), [(8193, 2), (2, 8200), (30000, 30000)])
def test_huge_pictures_are_refused(width: int, height: int) -> None:
    data = png(width, height)
    with pytest.raises(UserError, match=r"8192 pixels a side|8192x8192"):
        read_video(io.BytesIO(data))


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MAX_BYTES", 10 * 32 * 32 * 3)
    write_video(tmp_path / "a.mp4", shades(20), fps=10)
    with pytest.raises(UserError, match=r"GiB of memory; cut it to at most 10 frames of 32x32"):
        read_video(tmp_path / "a.mp4")
    assert read_video(tmp_path / "a.mp4", max_frames=10).num_frames == 10
    assert read_conformed(tmp_path / "a.mp4", fps=10, height=16, width=16).num_frames == 20
    with pytest.raises(UserError, match="at most 40 frames of 16x16"):
        read_conformed(tmp_path / "a.mp4", fps=30, height=16, width=16)


# --- masks -----------------------------------------------------------------------------------------------


def test_bright_pixels_are_marked(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[1:3, 2:5], picture[4, 4] = 255, 100
    write_picture(tmp_path / "a.png", picture)
    mask = read_mask(tmp_path / "a.png")
    assert mask.dtype == bool
    assert np.array_equal(mask, picture[..., 0] == 255)


def test_opaque_pixels_are_marked(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 4), np.uint8)
    picture[2:4, 1:6, 3] = 255
    write(tmp_path / "a.png", [picture], rate=1, codec="png", pixel_format="rgba")
    assert np.array_equal(read_mask(tmp_path / "a.png"), picture[..., 3] == 255)


def test_an_opaque_picture_with_alpha_is_marked_by_its_brightness(tmp_path: Path) -> None:
    picture = np.zeros((6, 8, 4), np.uint8)
    picture[..., 3], picture[2:4, 1:6, :3] = 255, 255
    write(tmp_path / "a.png", [picture], rate=1, codec="png", pixel_format="rgba")
    assert np.array_equal(read_mask(tmp_path / "a.png"), picture[..., 0] == 255)


def test_masks_are_turned_upright(tmp_path: Path) -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :32] = 255
    (tmp_path / "a.jpg").write_bytes(photo(picture, 6))
    mask = read_mask(tmp_path / "a.jpg")
    assert mask.shape == (64, 32)
    assert mask[:32, 16:].mean() > 0.98
    assert mask.mean() == pytest.approx(0.25, abs=0.01)


def test_what_is_no_mask(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", shades(3), fps=9)
    with pytest.raises(UserError, match="is a clip"):
        read_mask(tmp_path / "a.mp4")
    write_picture(tmp_path / "a.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(UserError, match="marks nothing; paint white"):
        read_mask(tmp_path / "a.png")
