"""The files of one video while its frames come: scaled to what was asked for, marked, signed, stored."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from tenku.media import Frame
from tenku.media.conforming import fitted
from tenku.pipeline import GenerationRequest
from tenku.provenance import Origin, signed_video
from tenku.serving.credentials import marked, signed_picture
from tenku.serving.identifiers import new_id
from tenku.serving.moderation import check_seen
from tenku.serving.pictures import Moments, jpeg, thumbnail
from tenku.serving.progress import Progress
from tenku.serving.records import LATENTS, SPRITESHEET, THUMBNAIL, VIDEO, Record
from tenku.serving.settings import Settings
from tenku.serving.sizes import shown_frames
from tenku.serving.storage import Storage
from tenku.timeline import Footage, Kept, save_kept

_NAMES: Final = {
    VIDEO: "video.mp4",
    THUMBNAIL: "thumbnail.webp",
    SPRITESHEET: "spritesheet.jpg",
    LATENTS: "latents.tenku",
}


@dataclass(frozen=True, slots=True)
class Made:
    """Names of finished files by variant, and what is known of the video now."""

    files: dict[str, str]
    facts: dict[str, Any]


class Recording:
    """Takes the native frames of a job, one after the other; then `finish` or `drop` it."""

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        record: Record,
        progress: Progress,
        request: GenerationRequest,
        origin: Origin,
    ) -> None:
        self._settings = settings
        self._storage = storage
        self._record = record
        self._progress = progress
        self._request = request
        self._origin = origin
        self._shown = _shown(record, request)
        self._moments = Moments(len(self._shown))
        self._first: Frame | None = None
        self._num_native = 0
        self._num_shown = 0
        self._room, self._film = ExitStack(), ExitStack()
        self.workspace = self._room.enter_context(storage.workspace())
        try:
            target = self.workspace / _NAMES[VIDEO]
            film = signed_video(target, fps=record.fps, origin=origin, home=settings.home)
            self._append = self._film.enter_context(film)
        except BaseException:
            self._room.close()
            raise

    def append(self, frame: Frame) -> None:
        """Take the next frame (h w 3) that the model has made."""
        scaled: Frame | None = None
        while self._num_shown < len(self._shown) and self._shown[self._num_shown] == self._num_native:
            if scaled is None:
                scaled = fitted(frame, self._record.height, self._record.width)
            self._show(scaled)
        self._num_native += 1

    def finish(self, footage: Footage, autoencoder: str) -> Made:
        """Sign and store everything, the latents with the fingerprint of the autoencoder that they are of."""
        try:
            check_seen(self._settings, self._moments.frames())
            self._progress.begin("sign")
            self._film.close()
            assert self._first is not None  # a request has a frame
            self._write_picture(THUMBNAIL, thumbnail(marked(self._origin, self._first)))
            self._write_picture(SPRITESHEET, jpeg(marked(self._origin, self._moments.sheet())))
            save_kept(self.workspace / _NAMES[LATENTS], Kept(footage, self._request, autoencoder))
            return self._stored()
        except BaseException as error:
            self.drop(error)
            raise
        finally:
            self._room.close()

    def drop(self, error: BaseException) -> None:
        """Leave nothing of it."""
        self._film.__exit__(type(error), error, error.__traceback__)
        self._room.close()

    def _show(self, frame: Frame) -> None:
        index = self._num_shown
        self._first = frame if self._first is None else self._first
        self._moments.pass_by(index, frame)
        self._append(frame)
        self._num_shown += 1
        self._progress.on_frame(index, frame)

    def _write_picture(self, variant: str, encoded: bytes) -> None:
        name = _NAMES[variant]
        (self.workspace / name).write_bytes(signed_picture(self._settings, self._origin, encoded, name))

    def _stored(self) -> Made:
        folder = f"{self._record.folder}/{self._record.attempt}/{new_id('files')}"
        files = {variant: f"{folder}/{name}" for variant, name in _NAMES.items()}
        put = self._storage.put
        size = sum(put(self.workspace / _NAMES[variant], name) for variant, name in files.items())
        return Made(files, {"bytes": size, "num_frames": len(self._shown), "frames_done": len(self._shown)})


def _shown(record: Record, request: GenerationRequest) -> list[int]:
    """Which native frame is on screen in each frame that is shown."""
    seconds = request.num_frames / request.fps
    promised = record.num_frames
    if abs(seconds - record.seconds) * request.fps >= 1:
        promised = max(1, round(seconds * record.fps))
    return [min(index, request.num_frames - 1) for index in shown_frames(promised, record.fps)]
