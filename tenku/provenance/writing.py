"""Files as they leave: marked while they are written, signed before they appear."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tenku.media import Frame, VideoWriter, write_picture
from tenku.provenance.identity import signing_identity
from tenku.provenance.origin import Origin
from tenku.provenance.signing import sign
from tenku.provenance.watermark import Marker


@contextmanager
def signed_video(
    path: str | Path, *, fps: float, origin: Origin, home: Path | None = None
) -> Iterator[Callable[[Frame], None]]:
    """Yield what takes frames (h w 3); the MP4 appears, marked and signed, when the block succeeds.

    >>> with signed_video("ball.mp4", fps=16, origin=Origin(model="embedded", seed=0)) as append:
    ...     for frame in frames:
    ...         append(frame)
    """
    signing_identity(home)  # what is wrong with it is told before the work
    marker = Marker(origin.watermark)
    with VideoWriter(path, fps=fps, finish=_signing(path, origin, home)) as writer:
        yield lambda frame: writer.append(marker(frame))


def write_signed_picture(
    path: str | Path, picture: Frame, *, origin: Origin, home: Path | None = None
) -> None:
    """Write one frame (h w 3) as PNG or JPEG, marked and signed."""
    marked = Marker(origin.watermark)(picture)
    write_picture(path, marked, finish=_signing(path, origin, home))


def _signing(path: str | Path, origin: Origin, home: Path | None) -> Callable[[Path], None]:
    return lambda partial: sign(partial, origin, title=Path(path).name, home=home)
