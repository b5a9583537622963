"""Video as a value, and as files: read and write video and picture files."""

from tenku.media.atomic import remove_unfinished, replacing
from tenku.media.conforming import conform, conform_mask, nearest_size
from tenku.media.contact_sheet import contact_sheet
from tenku.media.reading import read_conformed, read_mask, read_picture, read_video
from tenku.media.video import Frame, Frames, Video
from tenku.media.writing import (
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    VideoWriter,
    encode_picture,
    encode_video,
    write_picture,
    write_video,
)

__all__ = [
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Frame",
    "Frames",
    "Video",
    "VideoWriter",
    "conform",
    "conform_mask",
    "contact_sheet",
    "encode_picture",
    "encode_video",
    "nearest_size",
    "read_conformed",
    "read_mask",
    "read_picture",
    "read_video",
    "remove_unfinished",
    "replacing",
    "write_picture",
    "write_video",
]
