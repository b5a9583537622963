"""Content credentials: C2PA manifests, signed and put into finished files."""

import hashlib
import io
import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import c2pa  # type: ignore[import-untyped]

from tenku.errors import UserError
from tenku.media import replacing
from tenku.provenance.identity import Identity, signing_identity
from tenku.provenance.origin import Origin, Parent

_HEAD: Final = 16  # bytes that tell what a file is
_SETTINGS: Final = {
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
_OTHER_MEDIA: Final = {".tenku": "application/x-tenku"}


def sign(path: str | Path, origin: Origin, *, title: str | None = None, home: Path | None = None) -> None:
    """Put signed credentials into a finished MP4, PNG, JPEG or WebP; it is replaced as a whole or left."""
    path = Path(path)
    with path.open("rb") as unsigned, replacing(path) as partial, partial.open("w+b") as signed:
        _sign(unsigned, signed, origin, path.name if title is None else title, home)


def sign_bytes(data: bytes, origin: Origin, *, title: str, home: Path | None = None) -> bytes:
    """The bytes of an MP4, PNG, JPEG or WebP file with signed credentials in them."""
    signed = io.BytesIO()
    _sign(io.BytesIO(data), signed, origin, title, home)
    return signed.getvalue()


def media_type(head: bytes) -> str | None:
    """What begins with these bytes, if credentials can be put into it."""
    match head:
        case _ if head[4:8] == b"ftyp":
            return "video/mp4"
        case _ if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return "image/png"
        case _ if head.startswith(b"\xff\xd8\xff"):
            return "image/jpeg"
        case _ if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "image/webp"
        case _:
            return None


def media_type_of(file: IO[bytes]) -> str | None:
    """The same of an open file, which is left at its start."""
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    return media_type(head)


def _sign(source: IO[bytes], target: IO[bytes], origin: Origin, title: str, home: Path | None) -> None:
    kind = media_type_of(source)
    if kind is None:
        raise UserError(f"{title} is no MP4, PNG, JPEG or WebP, so it cannot be signed; write one of those.")
    identity = signing_identity(home)
    try:
        with ExitStack() as stack:
            context = stack.enter_context(c2pa.Context.from_dict(_SETTINGS))
            builder = stack.enter_context(c2pa.Builder(origin.manifest(title, kind), context=context))
            for parent, label, relationship in origin.parent_labels():
                _add_parent(builder, parent, label, relationship)
            builder.sign(stack.enter_context(_signer(identity)), kind, source, target)
    except c2pa.C2paError as error:
        raise UserError(
            f"{title} could not be signed ({error}); if the certificate is at fault, name another by "
            "TENKU_CERTIFICATE and TENKU_CERTIFICATE_KEY, or leave both out."
        ) from error


def _signer(identity: Identity) -> c2pa.Signer:
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None))


def _add_parent(builder: c2pa.Builder, parent: Parent, label: str, relationship: str) -> None:
    """A parent with the credentials that it has; one that cannot be read any more is only named."""
    told: dict[str, Any] = {
        "title": parent.name,
        "relationship": relationship,
        "label": label,
        "instance_id": label,
    }
    try:
        with _opened(parent) as file:
            kind = media_type_of(file)
            if kind is None:
                kind = _OTHER_MEDIA.get(Path(parent.name).suffix.lower(), "application/octet-stream")
                told["metadata"] = {"org.tenku.sha256": _sha256(file)}
            builder.add_ingredient(json.dumps(told), kind, file)
    except (OSError, c2pa.C2paError):
        builder.add_ingredient(json.dumps(told), "application/octet-stream", io.BytesIO())


def _opened(parent: Parent) -> IO[bytes]:
    return io.BytesIO(parent.source) if isinstance(parent.source, bytes) else parent.source.open("rb")


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    return digest
