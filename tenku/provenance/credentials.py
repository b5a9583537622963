"""Reading content credentials: what a file says of itself, who signed that, and whether it still holds."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import c2pa  # type: ignore[import-untyped]

from tenku.provenance.identity import (
    configured_identity,
    kept_identity,
    serial_number,
    trusted_authorities,
)
from tenku.provenance.origin import GENERATION, prompt_hash
from tenku.provenance.signing import media_type_of

_NOT_SIGNED: Final = ("claimSignature.mismatch", "claimSignature.missing", "claim.malformed", "claim.missing")
_MAX_MENDED_BYTES: Final = 2**29
_TRUSTED: Final = "signingCredential.trusted"
_SETTINGS: Final = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What a file's active manifest says, and how far that can be believed.

    `is_ours`: the certificate is ours, or one of those that TENKU_TRUST names. `is_signed`: its holder did
    sign this. `is_intact`: and nothing has changed since. `faults` are C2PA's codes.
    """

    is_ours: bool
    is_signed: bool
    is_intact: bool
    faults: tuple[str, ...]
    signer: str
    generator: str
    title: str
    actions: tuple[str, ...]
    parents: tuple[str, ...]
    generation: Mapping[str, Any]

    @property
    def watermark(self) -> int | None:
        """The mark that is said to be in the pictures."""
        try:
            return int(self.generation["watermark"], 16)
        except (KeyError, TypeError, ValueError):
            return None

    def is_of_prompt(self, prompt: str) -> bool:
        """Whether this is the prompt of which a hash was signed."""
        told = self.generation.get("prompt")
        if not isinstance(told, Mapping):
            return False
        return prompt_hash(prompt, str(told.get("salt"))) == told.get("hash")


@dataclass(frozen=True, slots=True)
class UnreadableCredentials:
    """A file has credentials or had them, and is too damaged for anybody to read what they say."""

    reason: str


def read_credentials(
    path: str | Path, home: Path | None = None
) -> Credentials | UnreadableCredentials | None:
    """The credentials of a file, or None if it has none; nothing is fetched over the network."""
    with Path(path).open("rb") as file:
        if media_type_of(file) is None:
            return None
        try:
            return _judged(file, home)
        except c2pa.C2paError as error:
            return _read_mended(file, home) or UnreadableCredentials(_reason(error))


def _read_mended(file: IO[bytes], home: Path | None) -> Credentials | None:
    """The credentials of an MP4 behind whose last whole box something was hung; that counts as a change."""
    data = _whole_boxes(file)
    if data is None:
        return None
    try:
        found = _judged(io.BytesIO(data), home)
    except c2pa.C2paError:
        return None
    if found is None:
        return None
    return replace(found, is_intact=False, faults=(*found.faults, "tenku.appended"))


def _judged(file: IO[bytes], home: Path | None) -> Credentials | None:
    """Read with our certificates as anchors, then, if it is not ours, with those that we trust."""
    own = [identity for identity in (configured_identity(), kept_identity(home)) if identity is not None]
    facts = _read(file, b"\n".join(identity.chain for identity in own))
    if facts is None:
        return None
    manifest, codes = facts
    serial = str(manifest.get("signature_info", {}).get("cert_serial_number"))
    is_ours = _TRUSTED in codes["success"] and serial in {str(serial_number(identity)) for identity in own}
    others = trusted_authorities()
    if not is_ours and others:
        again = _read(file, others)
        is_ours = again is not None and _TRUSTED in again[1]["success"]
    return _credentials(manifest, codes["failure"], is_ours)


def _read(file: IO[bytes], anchors: bytes) -> tuple[dict[str, Any], dict[str, list[str]]] | None:
    """The active manifest, and the codes of what is right and what is wrong with it."""
    settings: dict[str, Any] = {"verify": _SETTINGS}
    if anchors:
        settings["trust"] = {"trust_anchors": anchors.decode()}
    kind = media_type_of(file)
    with c2pa.Context.from_dict(settings) as context:
        reader = c2pa.Reader.try_create(kind, file, None, context)
        if reader is None:
            return None
        with reader:
            told = json.loads(reader.json())
    results = told.get("validation_results", {}).get("activeManifest", {})
    codes = {
        kind: [str(each.get("code")) for each in results.get(kind, ())] for kind in ("success", "failure")
    }
    return told["manifests"][told["active_manifest"]], codes


def _credentials(manifest: Mapping[str, Any], failures: Sequence[str], is_ours: bool) -> Credentials:
    faults = tuple(code for code in failures if code != "signingCredential.untrusted")
    signature = manifest.get("signature_info", {})
    generators = manifest.get("claim_generator_info") or [{}]
    return Credentials(
        is_ours=is_ours,
        is_signed=not any(fault in _NOT_SIGNED for fault in faults),
        is_intact=not faults,
        faults=faults,
        signer=str(signature.get("common_name") or signature.get("issuer") or "somebody without a name"),
        generator=" ".join(str(generators[0].get(key, "")) for key in ("name", "version")).strip(),
        title=str(manifest.get("title", "")),
        actions=tuple(_actions(manifest)),
        parents=tuple(str(each.get("title", "")) for each in manifest.get("ingredients", ())),
        generation=_data(manifest, GENERATION),
    )


def _actions(manifest: Mapping[str, Any]) -> Iterator[str]:
    for label in ("c2pa.actions.v2", "c2pa.actions"):
        for action in _data(manifest, label).get("actions", ()):
            yield str(action.get("description") or str(action.get("action", "")).removeprefix("c2pa."))


def _data(manifest: Mapping[str, Any], label: str) -> dict[str, Any]:
    for assertion in manifest.get("assertions", ()):
        if assertion.get("label") == label and isinstance(assertion.get("data"), dict):
            return dict(assertion["data"])
    return {}


def _reason(error: c2pa.C2paError) -> str:
    return str(error).split(":", 1)[-1].strip() or type(error).__name__


def _whole_boxes(file: IO[bytes]) -> bytes | None:
    """An MP4 up to the end of its last whole box; None if nothing hangs behind that, or it is no MP4."""
    file.seek(0)
    data = file.read(_MAX_MENDED_BYTES)
    end = 0
    while end + 8 <= len(data) and data[end + 4 : end + 8].isalnum():
        size = int.from_bytes(data[end : end + 4], "big")
        if size == 1:
            size = int.from_bytes(data[end + 8 : end + 16], "big")
        if size < 8 or end + size > len(data):
            break
        end += size
    return data[:end] if 0 < end < len(data) else None
