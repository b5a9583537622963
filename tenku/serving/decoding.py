"""Foreign files are opened here, in a process of its own that has little memory and little time.

`python -m tenku.serving.decoding KIND SOURCE TARGET` reads a clip, a picture or a mask and writes it again as
a file of our own making, or says what a file is by the certificates in TARGET; what it found is printed as
JSON. More arguments say who looks at it (`frame_check`) and which categories are let through, or in which
language a file is spoken of. Nobody else opens what a client has sent.
"""

import asyncio
import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from tenku.errors import UserError
from tenku.provenance.wording import Language, in_a_sentence
from tenku.serving.faults import ApiError
from tenku.serving.settings import Settings
from tenku.serving.sizes import NATIVE_FPS, shown_size

THUMBNAIL_FILE: Final = "thumbnail.webp"  # these two are written beside a clip
SHEET_FILE: Final = "spritesheet.jpg"
Kind: TypeAlias = Literal["clip", "picture", "mask"]

_CERTIFICATES: Final = ("TENKU_CERTIFICATE", "TENKU_CERTIFICATE_KEY", "TENKU_TRUST")
_SECONDS: Final = 60
_MEMORY: Final = 4 * 2**30
_LARGEST_FILE: Final = 2 * 2**30
_LONGEST: Final = 60.0  # seconds of a clip that are taken
_AREA: Final = 512 * 512


@dataclass(frozen=True, slots=True)
class Decoded:
    """What was in a file: its size as it is kept, and its frames at the model's rate."""

    width: int
    height: int
    num_frames: int


async def decode(settings: Settings, kind: Kind, source: Path, target: Path) -> Decoded:
    """Decode a foreign file into `target`: .mp4 for a clip, .png for the others; a fault if it cannot be."""
    policy = (settings.frame_check, *settings.allowed_categories)
    return Decoded(**await _confined(kind, source, target, *policy))


async def verified(source: Path, home: Path, language: Language = "en") -> dict[str, Any]:
    """What a file is: a verdict, a sentence that says why, what was signed, and the watermark."""
    facts = await _confined("verify", source, home, language)
    told = facts["credentials"]
    return {
        "verdict": facts["verdict"],
        "sentence": in_a_sentence(facts["details"], language),
        "manifest": told,
        "watermark": facts["watermark"],
    }


async def _confined(kind: str, source: Path, target: Path, *more: str) -> dict[str, Any]:
    """What the process says that opens a file; a fault if it cannot be read, or not within the limits."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tenku.serving.decoding", kind, str(source), str(target), *more),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )
    try:
        answer, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError as error:
        raise _unreadable(
            f"this file takes longer than {_SECONDS} seconds to read; make it smaller."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        facts: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        raise _unreadable(
            "this file cannot be read within the limits; send a smaller MP4, PNG or JPEG."
        ) from error
    if "error" in facts:
        sentence = facts["error"].replace(repr(str(source)), "this file")
        raise ApiError(400, sentence, code=facts.get("code", "unreadable_file"))
    return facts


def _unreadable(sentence: str) -> ApiError:
    return ApiError(400, sentence, code="unreadable_file")


def _environment() -> dict[str, str]:
    kept = ("PATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONPATH", "LANG", "TMPDIR", "HOME", *_CERTIFICATES)
    few = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {name: os.environ[name] for name in kept if name in os.environ} | few


def _confine() -> None:
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    if sys.platform == "linux":  # elsewhere address space is not what memory is measured by
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _decoded(kind: Kind, source: Path, target: Path, frame_check: str, *allowed: str) -> Decoded:
    from tenku.media import read_conformed, read_mask, read_picture, write_picture, write_video
    from tenku.serving.moderation import check_seen
    from tenku.serving.pictures import Moments, jpeg, thumbnail

    settings = Settings(home=target.parent, frame_check=frame_check, allowed_categories=allowed)
    with source.open("rb") as file:  # its content decides what it is, not its name
        if kind == "clip":
            height, width = read_picture(file).shape[:2]  # type: ignore[arg-type]
            width, height = shown_size(width, height, area=_AREA)
            file.seek(0)
            limit = int(_LONGEST * NATIVE_FPS)
            video = read_conformed(file, fps=NATIVE_FPS, height=height, width=width, max_frames=limit)
            write_video(target, video)
            moments = Moments(video.num_frames)
            for index, frame in enumerate(video.frames):
                moments.pass_by(index, frame)
            check_seen(settings, moments.frames())
            target.with_name(THUMBNAIL_FILE).write_bytes(thumbnail(video.frames[0]))
            target.with_name(SHEET_FILE).write_bytes(jpeg(moments.sheet()))
            return Decoded(width, height, video.num_frames)
        if kind == "mask":
            marked = read_mask(file)  # type: ignore[arg-type]
            picture = (marked[..., None] * 255).repeat(3, axis=2).astype("uint8")
        else:
            picture = read_picture(file)  # type: ignore[arg-type]
            check_seen(settings, picture[None])
        write_picture(target, picture)
        return Decoded(picture.shape[1], picture.shape[0], 1)


def _main(kind: Any, source: str, target: str, *more: str) -> None:
    _confine()
    answer: dict[str, Any]
    try:
        if kind == "verify":
            answer = _verdict(Path(source), Path(target), *more)
        else:
            answer = asdict(_decoded(kind, Path(source), Path(target), *more))
    except UserError as error:
        answer = {"error": str(error), "code": getattr(error, "code", "unreadable_file")}
    except MemoryError:
        answer = {"error": "this file needs too much memory to be read; make it smaller."}
    print(json.dumps(answer))


def _verdict(source: Path, home: Path, language: Any) -> dict[str, Any]:
    from tenku.provenance import verify

    return verify(source, home=home, language=language).facts()


if __name__ == "__main__":
    _main(*sys.argv[1:])
