"""Video and picture files, read into memory."""

from pathlib import Path
from typing import IO

import av
import numpy as np

from tenku.errors import UserError
from tenku.media.video import Frame, Video
from tenku.media.writing import SHARP_CHROMA


def read_video(source: str | Path | IO[bytes]) -> Video:
    """Every frame of a video, from its path or an open file. A picture file is a video of one frame."""
    name = str(source) if isinstance(source, str | Path) else "this file"
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r") as container:
            if not container.streams.video:
                raise UserError(f"{name} holds no video; give a video or picture file.")
            rate = container.streams.video[0].average_rate
            frames = [
                frame.reformat(format="rgb24", interpolation=SHARP_CHROMA).to_ndarray()
                for frame in container.decode(video=0)
            ]
    except av.error.InvalidDataError as error:
        raise UserError(f"{name} is not a video that can be read; give an MP4 or a picture.") from error
    if not frames:
        raise UserError(f"{name} holds no frames; give a video or picture file.")
    return Video(np.stack(frames).astype(np.uint8), fps=float(rate) if rate else 1.0)


def read_picture(path: str | Path) -> Frame:
    """The first frame (h w 3) of a picture or video file."""
    picture: Frame = read_video(path).frames[0]
    return picture
