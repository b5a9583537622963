"""Video and picture files, written so that they play everywhere."""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self, TypeAlias

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from tenku.errors import UserError
from tenku.media.atomic import replacing
from tenku.media.video import Frame, Video, check_fps

VIDEO_SUFFIXES: Final = (".mp4",)
PICTURE_SUFFIXES: Final = (".png", ".jpg", ".jpeg")

# What is done to a file once all is in it and before it appears under its name.
Finish: TypeAlias = Callable[[Path], None]

# yuv420p plays everywhere; yuv444p keeps colour edges sharp and is for data that we read again.
PixelFormat: TypeAlias = Literal["yuv420p", "yuv444p"]

# Small videos are looked at enlarged, so they need more bits per pixel than the usual crf 18–23.
_DEFAULT_CRF = 12

# 0.4 dB on simulated clips over the default of swscale, whose chroma path rounds coarsely.
SHARP_CHROMA: Final = (
    Interpolation.LANCZOS
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)


class VideoWriter:
    """An H.264 MP4 that grows frame by frame; the file appears under its name only when the block succeeds.

    >>> with VideoWriter("ball.mp4", fps=16) as writer:
    ...     for frame in frames:  # (h w 3) uint8
    ...         writer.append(frame)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: float,
        crf: int = _DEFAULT_CRF,
        pixel_format: PixelFormat = "yuv420p",
        finish: Finish | None = None,
    ) -> None:
        check_fps(fps)
        if Path(path).suffix.lower() not in VIDEO_SUFFIXES:
            raise UserError(f"{str(path)!r} cannot be written as a video; end its name with .mp4.")
        self._path = Path(path)
        self._encoding = (fps, crf, pixel_format)
        self._finish = finish
        self._cleanup = ExitStack()
        self._encoder: _Encoder | None = None

    def __enter__(self) -> Self:
        partial = self._cleanup.enter_context(replacing(self._path))
        self._cleanup.enter_context(_finished(partial, self._finish))
        fps, crf, pixel_format = self._encoding
        self._encoder = _Encoder(str(partial), fps=fps, crf=crf, pixel_format=pixel_format, faststart=True)
        self._cleanup.push(self._encoder.__exit__)
        return self

    def append(self, frame: Frame) -> None:
        """Add one frame (h w 3); all frames of a file have one size."""
        if self._encoder is None:
            raise RuntimeError("a VideoWriter takes frames only inside its `with` block")
        self._encoder.append(frame)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._encoder = None
        self._cleanup.__exit__(kind, error, traceback)


def write_video(
    path: str | Path, video: Video | Iterable[Frame], *, fps: float | None = None, crf: int = _DEFAULT_CRF
) -> None:
    """Write an H.264 MP4 from a `Video`, or from frames as they come (then `fps` is needed)."""
    frames, fps = _frames_and_fps(video, fps)
    with VideoWriter(path, fps=fps, crf=crf) as writer:
        for frame in frames:
            writer.append(frame)


def encode_video(video: Video, *, crf: int, pixel_format: PixelFormat) -> bytes:
    """The bytes of an MP4: the same bytes for the same frames, on one thread."""
    file = io.BytesIO()
    with _Encoder(
        file, fps=video.fps, crf=crf, pixel_format=pixel_format, faststart=False, num_threads=1
    ) as encoder:
        for frame in video.frames:
            encoder.append(frame)
    return file.getvalue()


def write_picture(path: str | Path, picture: Frame, *, finish: Finish | None = None) -> None:
    """Write one frame (h w 3) as PNG or JPEG, by the suffix of `path`."""
    data = encode_picture(picture, Path(path).suffix)
    with replacing(path) as partial, _finished(partial, finish):
        partial.write_bytes(data)


def encode_picture(picture: Frame, suffix: str) -> bytes:
    """The bytes of a PNG or JPEG file; `suffix` is .png, .jpg or .jpeg."""
    if suffix.lower() not in PICTURE_SUFFIXES:
        raise UserError(f"pictures end in {', '.join(PICTURE_SUFFIXES)}, not in {suffix!r}.")
    is_png = suffix.lower() == ".png"
    context = av.VideoCodecContext.create("png" if is_png else "mjpeg", "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base = "rgb24" if is_png else "yuvj444p", Fraction(1)
    context.options = {} if is_png else {"qmin": "2", "qmax": "2"}
    context.thread_count = 1
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@contextmanager
def _finished(partial: Path, finish: Finish | None) -> Iterator[None]:
    yield
    if finish is not None:
        finish(partial)


class _Encoder:
    """One H.264 stream in an MP4 container."""

    def __init__(
        self,
        file: str | IO[bytes],
        *,
        fps: float,
        crf: int,
        pixel_format: PixelFormat,
        faststart: bool,
        num_threads: int = 0,
    ) -> None:
        self._fps = Fraction(fps).limit_denominator(1001)
        self._pixel_format = pixel_format
        # x264 gave the same frames other bytes and pixels now and then (1 to 100 of 150 times, by clip); with
        # cpu-independent it never did (0 of 1,500), and is no slower.
        self._options = {"crf": str(crf), "preset": "medium", "x264-params": "cpu-independent=1"}
        self._num_threads = num_threads
        self._converter = VideoReformatter()  # one for all frames: a new one starts threads of its own
        self._container = av.open(
            file, "w", format="mp4", options={"movflags": "+faststart"} if faststart else {}
        )
        self._stream: av.VideoStream | None = None

    def __enter__(self) -> Self:
        return self

    def append(self, frame: Frame) -> None:
        if self._stream is None:
            self._stream = self._open_stream(frame)
        stream = self._stream
        if frame.shape != (stream.height, stream.width, 3) or frame.dtype != np.uint8:
            raise UserError(
                f"all frames of this video must be uint8 of shape {(stream.height, stream.width, 3)}, "
                f"not {frame.dtype} of shape {frame.shape}."
            )
        picture = self._converter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format=self._pixel_format,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=SHARP_CHROMA,
            threads=1,
        )
        self._container.mux(stream.encode(picture))

    def _open_stream(self, frame: Frame) -> av.VideoStream:
        if frame.ndim != 3 or frame.shape[-1] != 3:
            raise UserError(f"a frame must have shape (h, w, 3), not {frame.shape}.")
        height, width = frame.shape[:2]
        if self._pixel_format == "yuv420p" and (height % 2 or width % 2):
            raise UserError(
                f"a video of {width}x{height} would not play everywhere; "
                f"make both sides even, for example {width + width % 2}x{height + height % 2}."
            )
        stream = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        stream.width, stream.height, stream.pix_fmt = width, height, self._pixel_format
        stream.thread_count = self._num_threads
        context = stream.codec_context
        # Tagged and converted alike: a player that trusts the tags shows the colours that were meant.
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.color_range = ColorRange.MPEG
        return stream

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            with suppress(Exception):  # the first error is the one to tell
                self._container.close()
            return
        try:
            if self._stream is None:
                raise UserError("a video needs at least one frame.")
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()


def _frames_and_fps(video: Video | Iterable[Frame], fps: float | None) -> tuple[Iterable[Frame], float]:
    if isinstance(video, Video):
        return video.frames, video.fps if fps is None else fps
    if fps is None:
        raise UserError("frames alone do not say how fast they play; give fps as well.")
    return video, fps
