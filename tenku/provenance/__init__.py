"""Where files come from: content credentials, an invisible watermark, and a verdict on any file."""

from tenku.provenance.changes import Changes, find_changes
from tenku.provenance.credentials import Credentials, UnreadableCredentials, read_credentials
from tenku.provenance.detecting import Detector, FoundMark
from tenku.provenance.identity import Identity, signing_identity
from tenku.provenance.origin import Origin, Parent
from tenku.provenance.signing import sign, sign_bytes
from tenku.provenance.verdict import Standing, Verdict, first_frames, verify
from tenku.provenance.watermark import Marker
from tenku.provenance.writing import signed_video, write_signed_picture

__all__ = [
    "Changes",
    "Credentials",
    "Detector",
    "FoundMark",
    "Identity",
    "Marker",
    "Origin",
    "Parent",
    "Standing",
    "UnreadableCredentials",
    "Verdict",
    "find_changes",
    "first_frames",
    "read_credentials",
    "sign",
    "sign_bytes",
    "signed_video",
    "signing_identity",
    "verify",
    "write_signed_picture",
]
