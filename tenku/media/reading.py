"""Video and picture files, decoded to what they are meant to look like."""

import io
import math
import os
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import IO, Final, Literal, TypeAlias, cast

import av
import av.filter
import numpy as np
import numpy.typing as npt
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter

from tenku.errors import UserError
from tenku.media.conforming import (
    SMOOTH,
    check_target,
    covering,
    cut,
    first_instant,
    fitted,
    frames_on_screen,
    instants,
    overhangs_far,
    scaled,
)
from tenku.media.video import Frame, Frames, Video
from tenku.media.writing import SHARP_CHROMA

MAX_SIDE: Final = 8192
_MAX_BYTES = 2 * 2**30

_WAY_OUT = "give a picture or video file"

# A file may name others (playlists do), and FFmpeg would open them, even over the network.
# Decoders refuse pictures so large that memory would run out before we see their size.
_OPEN_OPTIONS = {"protocol_whitelist": "none", "max_pixels": str(4 * MAX_SIDE**2)}

# Irregular clips get one of these rates, the nearest to their average.
_USUAL_RATES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24000 / 1001, 24, 25, 30000 / 1001, 30)
_USUAL_FAST_RATES = (48, 50, 60000 / 1001, 60, 90, 120, 240)

# Numbers of the standards that define them (ITU-T H.273).
_MATRICES = {1, 4, 5, 6, 7, 9}  # those that swscale can undo
_HDR_TRANSFERS = {16, 18}  # PQ, HLG
_WIDE_PRIMARIES = {9, 11, 12}  # BT.2020, DCI-P3, Display P3
_EXIF_SIDE_DATA = 31

_THREADED_AREA = 1280 * 720

_Turn: TypeAlias = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]


def read_video(source: str | Path | IO[bytes], *, max_frames: int | None = None) -> Video:
    """The first `max_frames` frames, or all, of a video or picture file: a picture is a video of one frame.

    They are upright, in sRGB, and lie on white where they are see-through. If the rate is not steady, it
    becomes the usual one nearest to its average, and each frame is the one on screen at its instant. What is
    broken or cut off is left out, as long as there is a frame at all.
    """
    _check_max_frames(max_frames)
    frames: list[Frame] = []
    starts: list[float] = []
    seconds = 0.0
    with _opened(source) as footage:
        for shown in islice(footage.shown, max_frames):
            size = frames[0].shape[:2] if frames else None
            picture = footage.picture(shown.frame, size)
            expected = min(footage.num_frames, max_frames or footage.num_frames)
            footage.check_memory(max(len(frames) + 1, expected), *picture.shape[:2])
            frames.append(picture)
            starts.append(shown.start)
            seconds = shown.start + shown.seconds
        fps, picks = _steadied(starts, seconds, footage.rate)
        footage.check_memory(len(picks), *frames[0].shape[:2])
        return Video(_stacked(frames, picks[:max_frames]), fps)


def read_conformed(
    source: str | Path | IO[bytes], *, fps: float, height: int, width: int, max_frames: int | None = None
) -> Video:
    """What `conform` makes of a file, made while it is decoded: only the result is kept in memory."""
    check_target(fps, height, width)
    _check_max_frames(max_frames)
    frames: list[Frame] = []
    picks: list[int] = []
    with _opened(source) as footage:

        def show(shown: _Shown, until: int) -> None:
            count = min(until, max_frames or until) - len(picks)
            if count > 0:
                footage.check_memory(len(picks) + count, height, width)
                frames.append(footage.picture(shown.frame, (height, width)))
                picks.extend([len(frames) - 1] * count)

        held = next(footage.shown)
        is_picture = True
        for shown in footage.shown:
            is_picture = False
            show(held, first_instant(shown.start, fps))
            held = shown
            if len(picks) == max_frames:
                break
        else:
            num_frames = 1 if is_picture else instants(held.start + held.seconds, fps)
            show(held, num_frames)
            del picks[num_frames:]
        return Video(_stacked(frames, picks), fps)


def read_picture(path: str | Path) -> Frame:
    """The first frame (h w 3) of a picture or video file."""
    picture: Frame = read_video(path, max_frames=1).frames[0]
    return picture


def read_mask(path: str | Path) -> npt.NDArray[np.bool_]:
    """What a picture marks (h w): its opaque pixels if any are see-through, else its bright ones."""
    with _opened(path) as footage:
        shown = list(islice(footage.shown, 2))
        if len(shown) > 1:
            raise UserError(f"{footage.name} is a clip, and a mask is one picture; give a PNG or JPEG.")
        pixels = footage.pixels(shown[0].frame)
        marked: npt.NDArray[np.bool_] = pixels[..., 3] >= 128
        if (pixels[..., 3] == 255).all():
            marked = pixels[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32) >= 127.5
        if not marked.any():
            raise UserError(f"the mask {footage.name} marks nothing; paint white what may change.")
    return marked


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded frame, when it appears, counted from the first, and for how long it stays."""

    frame: av.VideoFrame
    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Footage:
    """The frames of a file in the order in which they are shown; there is at least one."""

    name: str
    shown: Iterator[_Shown]
    rate: float | None = None  # as the file tells it
    num_frames: int = 0  # as the file tells it
    pixel_aspect: float = 1.0
    _reformatter: VideoReformatter = field(default_factory=VideoReformatter)

    def picture(self, frame: av.VideoFrame, size: tuple[int, int] | None = None) -> Frame:
        """A frame (h w 3) as it is meant to be seen, fitted into `size`."""
        self._check_sides(frame)
        swaps_sides, turn = _turning(frame)
        whole = self._whole(frame)
        height, width = size_seen = whole[::-1] if swaps_sides else whole
        if _has_alpha(frame) or (size is not None and overhangs_far(height, width, *size)):
            pixels = scaled(_over_white(self._converted(frame, "rgba", None)), *whole)
            return fitted(turn(pixels), *size) if size is not None else np.ascontiguousarray(turn(pixels))
        if size is None:
            size = size_seen
        target = covering(height, width, *size)
        pixels = turn(self._converted(frame, "rgb24", target[::-1] if swaps_sides else target))
        return np.ascontiguousarray(cut(pixels, *size))

    def pixels(self, frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """A frame (h w 4), upright, with how opaque it is."""
        self._check_sides(frame)
        return _turning(frame)[1](self._converted(frame, "rgba", self._whole(frame)))

    def check_memory(self, num_frames: int, height: int, width: int) -> None:
        """Refuse frames that would not fit into memory."""
        room = _MAX_BYTES // (height * width * 3)
        if num_frames > room:
            raise UserError(
                f"{self.name} would fill more than {_MAX_BYTES / 2**30:g} GiB of memory; "
                f"cut it to at most {room} frames of {width}x{height}, or make it smaller."
            )

    def _check_sides(self, frame: av.VideoFrame) -> None:
        _check_sides(self.name, frame.width, frame.height)

    def _whole(self, frame: av.VideoFrame) -> tuple[int, int]:
        """The (height, width) of a stored frame once its pixels are square; no side shrinks."""
        if self.pixel_aspect >= 1:
            return frame.height, min(round(frame.width * self.pixel_aspect), MAX_SIDE)
        return min(round(frame.height / self.pixel_aspect), MAX_SIDE), frame.width

    def _converted(
        self, frame: av.VideoFrame, pixel_format: Literal["rgb24", "rgba"], size: tuple[int, int] | None
    ) -> npt.NDArray[np.uint8]:
        """A stored frame (h w c) in sRGB."""
        height, width = size or (frame.height, frame.width)
        is_scaled = (height, width) != (frame.height, frame.width)
        matrix: Colorspace | None = None
        if not frame.format.is_rgb and frame.colorspace not in _MATRICES:
            is_large = min(frame.height, frame.width) >= 720
            matrix = Colorspace.ITU709 if is_large else Colorspace.ITU601
        colours: dict[str, int] = {}
        if frame.color_trc in _HDR_TRANSFERS or frame.color_primaries in _WIDE_PRIMARIES:
            colours["dst_color_primaries"] = ColorPrimaries.BT709
        if frame.color_trc in _HDR_TRANSFERS:
            colours["dst_color_trc"] = ColorTrc.IEC61966_2_1
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixel_format,
            src_colorspace=matrix,
            interpolation=SMOOTH if is_scaled else SHARP_CHROMA,
            **colours,
        )
        return converted.to_ndarray().astype(np.uint8, copy=False)


class _Nameless(io.BufferedReader):
    """An open file of which FFmpeg judges the content only: by its name a text would be a picture of text."""

    name = ""


@contextmanager
def _opened(source: str | Path | IO[bytes]) -> Iterator[_Footage]:
    """The footage of a file; whatever is wrong with the file, in here or in the block, is a `UserError`."""
    name = repr(str(source)) if isinstance(source, str | Path) else "this file"
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_file(source)) if isinstance(source, str | Path) else source
            animation = _animated_webp(file)
            footage = _webp_footage(name, animation) if animation else _footage(name, file, stack)
            yield footage
        except av.error.FFmpegError as error:
            raise UserError(
                f"{name} is not a video or picture that can be read; give an MP4, GIF, PNG or JPEG."
            ) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(f"{name} cannot be read: {reason}; {_WAY_OUT}.") from error


def _file(path: str | Path) -> IO[bytes]:
    """Open a regular file that is not empty."""
    name = repr(str(path))
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"there is no file {name}; check how it is spelled.") from error
    except ValueError as error:
        raise UserError(f"{name} is no name of a file; check how it is spelled.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{name} is a directory; {_WAY_OUT} in it.")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{name} is not a regular file; {_WAY_OUT}.")
    if status.st_size == 0:
        raise UserError(f"{name} is empty; {_WAY_OUT}.")
    return _Nameless(io.FileIO(path))


def _footage(name: str, file: IO[bytes], stack: ExitStack) -> _Footage:
    container = stack.enter_context(av.open(file, "r", options=_OPEN_OPTIONS, metadata_errors="replace"))
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        raise UserError(f"{name} holds no video; {_WAY_OUT}.")
    if stream.disposition & Disposition.dependent:
        raise UserError(f"{name} is a picture in tiles, as phones store them; save it as a PNG or JPEG.")
    context = stream.codec_context
    if context is None:
        raise UserError(
            f"{name} is damaged, or stored in a way that cannot be decoded here; convert it to an MP4."
        )
    _check_sides(name, context.width, context.height)
    context.options = {"max_pixels": _OPEN_OPTIONS["max_pixels"]}
    if context.width * context.height >= _THREADED_AREA:
        stream.thread_type = "AUTO"
    rate = float(stream.average_rate) if stream.average_rate else None
    frames = _decoded(container, stream)
    if container.format.name == "mjpeg" or container.format.name.endswith("_pipe"):
        frames = islice(frames, 1)  # a photo may drag along others: a preview, a map of highlights
    aspect = float(stream.sample_aspect_ratio or 1)
    return _Footage(
        name,
        _at_least_one(name, _timed(frames, rate)),
        rate,
        stream.frames,
        aspect if 0.1 < aspect < 10 and not 1 / 1.02 < aspect < 1.02 else 1.0,
    )


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Every frame that can be decoded, also after what is broken."""
    packets = container.demux(stream)
    is_open = True
    while is_open:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            packet, is_open = None, False
        frames: list[av.VideoFrame] = []
        with suppress(av.error.FFmpegError):
            frames = stream.decode(packet)
        yield from (frame for frame in frames if not frame.is_corrupt)


def _timed(frames: Iterable[av.VideoFrame], rate: float | None) -> Iterator[_Shown]:
    """Say when each frame appears; where the file does not, or runs backwards, it follows the one before."""
    origin = 0.0
    before: _Shown | None = None
    for frame in frames:
        time = float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base else None
        seconds = float((frame.duration or 0) * (frame.time_base or 0))
        if seconds <= 0:
            seconds = 1 / rate if rate else before.seconds if before else 1.0
        if before is None:
            origin = time or 0.0
            before = _Shown(frame, 0.0, seconds)
        else:
            start = time - origin if time is not None else -math.inf
            start = start if start > before.start else before.start + before.seconds
            before = _Shown(frame, start, seconds)
        yield before


def _at_least_one(name: str, shown: Iterator[_Shown]) -> Iterator[_Shown]:
    empty = True
    for one in shown:
        empty = False
        yield one
    if empty:
        raise UserError(
            f"{name} holds no frame that can be decoded, it may be damaged; "
            f"{_WAY_OUT} that plays elsewhere, of at most {MAX_SIDE}x{MAX_SIDE}."
        )


def _check_sides(name: str, width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise UserError(
            f"{name} is {width}x{height}, and at most {MAX_SIDE} pixels a side can be read; make it smaller."
        )


def _check_max_frames(max_frames: int | None) -> None:
    if max_frames is not None and max_frames < 1:
        raise UserError(f"{max_frames} frames cannot be read; choose at least 1.")


def _turning(frame: av.VideoFrame) -> tuple[bool, _Turn]:
    """Whether a stored frame lies on its side, and what sets it upright."""
    across, down_by_x, across_by_y, down = _display_matrix(frame)
    swaps_sides = abs(across) + abs(down) < abs(down_by_x) + abs(across_by_y)
    flip_x = across_by_y < 0 if swaps_sides else across < 0
    flip_y = down_by_x < 0 if swaps_sides else down < 0

    def turn(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        upright = pixels.swapaxes(0, 1) if swaps_sides else pixels
        return upright[:: -1 if flip_y else 1, :: -1 if flip_x else 1]

    return swaps_sides, turn


def _display_matrix(frame: av.VideoFrame) -> tuple[float, float, float, float]:
    """How x and y of a stored frame count across and down: (x across, x down, y across, y down)."""
    with suppress(ValueError):
        return _stored_matrix(frame)
    # PyAV fails on kinds of side data that it does not know, such as the EXIF of every photo.
    with suppress(ValueError, av.error.FFmpegError):
        return _stored_matrix(_without_exif(frame))
    angle = math.radians(frame.rotation)
    return math.cos(angle), -math.sin(angle), math.sin(angle), math.cos(angle)


def _stored_matrix(frame: av.VideoFrame) -> tuple[float, float, float, float]:
    side_data = cast("Mapping[str, bytes]", frame.side_data)
    if "DISPLAYMATRIX" not in side_data:
        return 1, 0, 0, 1
    matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32)
    return float(matrix[0]), float(matrix[1]), float(matrix[3]), float(matrix[4])


def _without_exif(frame: av.VideoFrame) -> av.VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    graph.link_nodes(
        source, graph.add("sidedata", f"mode=delete:type={_EXIF_SIDE_DATA}"), graph.add("buffersink")
    ).configure()
    graph.push(frame)
    copy = graph.pull()
    return copy if isinstance(copy, av.VideoFrame) else frame


def _has_alpha(frame: av.VideoFrame) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _over_white(pixels: npt.NDArray[np.uint8]) -> Frame:
    """Lay see-through pixels (h w 4) on white paper (h w 3)."""
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _steadied(starts: Sequence[float], seconds: float, told: float | None) -> tuple[float, Sequence[int]]:
    """A steady rate for frames that appear at `starts`, and which of them to show at it."""
    num_frames = len(starts)
    if num_frames == 1:
        return told or 1.0, [0]
    mean = (num_frames - 1) / starts[-1]
    usual = _usual_rate(mean)
    for rate in (told, usual, mean):
        if rate and rate <= 1000 and all(abs(start * rate - i) < 0.25 for i, start in enumerate(starts)):
            return rate, range(num_frames)
    fps = _usual_rate(num_frames / seconds)
    return fps, frames_on_screen(starts, seconds, fps)


def _usual_rate(rate: float) -> float:
    return min((*_USUAL_RATES, *_USUAL_FAST_RATES), key=lambda usual: abs(math.log(usual / rate)))


def _stacked(frames: list[Frame], picks: Sequence[int]) -> Frames:
    """The picked frames (t h w 3) in one array; `frames` is emptied on the way, so memory is not doubled."""
    stack = np.empty((len(picks), *frames[0].shape), np.uint8)
    frames.reverse()
    index = -1
    for place, pick in enumerate(picks):
        while index < pick:
            picture = frames.pop()
            index += 1
        stack[place] = picture
    return stack


def _animated_webp(file: IO[bytes]) -> bytes:
    """The whole of an animated WebP, which FFmpeg cannot read; nothing of any other file."""
    if not file.seekable():
        return b""
    place = file.tell()
    head = file.read(21)
    file.seek(place)
    is_animated = head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and head[20] & 2
    return file.read() if is_animated else b""


def _webp_footage(name: str, data: bytes) -> _Footage:
    width, height = (_uint24(data, place) + 1 for place in (24, 27))
    _check_sides(name, width, height)
    return _Footage(name, _at_least_one(name, _webp_frames(data, height, width)))


def _webp_frames(data: bytes, height: int, width: int) -> Iterator[_Shown]:
    """Decode the still pictures that an animated WebP is made of, and lay them over each other."""
    canvas = np.full((height, width, 3), 255, np.uint8)
    footage = _Footage("", iter(()))
    start = 0.0
    for kind, body in _riff_chunks(data, 12):
        if kind != b"ANMF":
            continue
        try:
            picture = _webp_still(body)
        except av.error.FFmpegError:
            return  # cut off here
        left, top = 2 * _uint24(body, 0), 2 * _uint24(body, 3)
        window = canvas[top : top + picture.height, left : left + picture.width]
        pixels = footage._converted(picture, "rgba", None)[: window.shape[0], : window.shape[1]]
        alpha = pixels[..., 3:].astype(np.uint16)
        below = 255 if body[15] & 2 else window
        window[:] = (pixels[..., :3] * alpha + below * (255 - alpha) + 127) // 255
        # As browsers do: what would flash by too fast to see stays for a tenth of a second.
        milliseconds = _uint24(body, 12)
        seconds = (milliseconds if milliseconds > 10 else 100) / 1000
        yield _Shown(av.VideoFrame.from_ndarray(canvas, format="rgb24"), start, seconds)
        start += seconds
        if body[15] & 1:
            window[:] = 255


def _webp_still(body: bytes) -> av.VideoFrame:
    """Decode one frame of an animated WebP, rewrapped as a file of its own."""
    if len(body) < 16:
        raise av.error.InvalidDataError(0, "cut off")
    head = struct.pack("<4sIB3x", b"VP8X", 10, 0x10) + body[6:12]
    packed = b"WEBP" + (head if body[16:20] == b"ALPH" else b"") + body[16:]
    file = struct.pack("<4sI", b"RIFF", len(packed)) + packed
    decoder = av.VideoCodecContext.create("webp", "r")
    return decoder.decode(av.Packet(file))[0]


def _riff_chunks(data: bytes, place: int) -> Iterator[tuple[bytes, bytes]]:
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, place)
        yield kind, data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _uint24(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")
