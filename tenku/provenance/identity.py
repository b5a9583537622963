"""Who signs: a certificate chain and its private key, given by the environment or made on first use."""

import contextlib
import datetime
import os
import secrets
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tenku.errors import UserError
from tenku.home import home_folder

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CHAIN_VARIABLE: Final = "TENKU_CERTIFICATE"
KEY_VARIABLE: Final = "TENKU_CERTIFICATE_KEY"
TRUST_VARIABLE: Final = "TENKU_TRUST"
_FOLDER: Final = "signing"  # under the home folder
_CHAIN_NAME: Final = "certificates.pem"
_KEY_NAME: Final = "key.pem"
# A clock that is wrong must not make a certificate that is not valid yet.
_VALID_FROM: Final = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
_VALID_UNTIL: Final = datetime.datetime(2055, 1, 1, tzinfo=datetime.UTC)
_CURVE_ALGORITHMS: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Certificates as PEM, the signing one first, its private key as PKCS#8 PEM, and C2PA's name of how it
    signs."""

    chain: bytes
    key: bytes
    algorithm: str


def signing_identity(home: Path | None = None) -> Identity:
    """That of TENKU_CERTIFICATE and TENKU_CERTIFICATE_KEY, or the development identity in the home folder,
    which is made if there is none."""
    return configured_identity() or _development_identity(home_folder() if home is None else home)


def configured_identity() -> Identity | None:
    """The identity that the environment names; a `UserError` if it cannot sign."""
    chain, key = os.environ.get(CHAIN_VARIABLE), os.environ.get(KEY_VARIABLE)
    if not chain and not key:
        return None
    if not chain or not key:
        given, missing = (CHAIN_VARIABLE, KEY_VARIABLE) if chain else (KEY_VARIABLE, CHAIN_VARIABLE)
        raise UserError(f"{given} is set and {missing} is not; set both, or neither.")
    return _checked(chain, _bytes_of(CHAIN_VARIABLE, chain), key, _bytes_of(KEY_VARIABLE, key))


def kept_identity(home: Path | None = None) -> Identity | None:
    """The development identity in the home folder, if one was made."""
    folder = (home_folder() if home is None else home) / _FOLDER
    try:
        chain, key = ((folder / name).read_bytes() for name in (_CHAIN_NAME, _KEY_NAME))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"the signing key in {folder} cannot be read ({error.strerror}); give yourself the right to, or "
            "set TENKU_HOME to another folder."
        ) from error
    return Identity(chain=chain, key=key, algorithm="es256")


def trusted_authorities() -> bytes:
    """Certificates of others whose signatures count as ours, as PEM, from the file that TENKU_TRUST names."""
    place = os.environ.get(TRUST_VARIABLE)
    if not place:
        return b""
    data = _bytes_of(TRUST_VARIABLE, place)
    _certificates(TRUST_VARIABLE, place, data)
    return data


def _development_identity(home: Path) -> Identity:
    identity = kept_identity(home)
    if identity is None:
        _make_development_identity(home)
        identity = kept_identity(home)
    if identity is None:
        raise UserError(f"{home / _FOLDER} lacks a file; remove that folder, and a new one is made.")
    return identity


def _make_development_identity(home: Path) -> None:
    """Make both files in a folder of their own, and rename that: of several processes one is first, and its
    files are everybody's."""
    unfinished = home / f".{_FOLDER}.{secrets.token_hex(4)}.partial"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.mkdir(mode=0o700)
        for name, data in zip((_CHAIN_NAME, _KEY_NAME), _made_development_identity(), strict=True):
            with open(os.open(unfinished / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # another process was first
            unfinished.rename(home / _FOLDER)
    except OSError as error:
        raise UserError(
            f"no signing key can be kept in {home} ({(error.strerror or str(error)).lower()}); "
            "set TENKU_HOME to a folder that can be written."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _made_development_identity() -> tuple[bytes, bytes]:
    """A chain and a key. The authority's own key is forgotten: it signs nothing else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = _name("tenku development authority")
    above = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = _certificate(
        authority_name,
        authority_key,
        authority_name,
        authority_key,
        [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (_usage(key_cert_sign=True, crl_sign=True), True),
            (above, False),
        ],
    )
    signer = _certificate(
        _name("tenku development"),
        key,
        authority_name,
        authority_key,
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(digital_signature=True), True),
            # What C2PA takes as the purpose of certificates that sign claims.
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(above), False),
        ],
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signer.public_bytes(pem) + authority.public_bytes(pem), private


def _certificate(
    name: "x509.Name",
    key: "ec.EllipticCurvePrivateKey",
    issuer: "x509.Name",
    issuer_key: "ec.EllipticCurvePrivateKey",
    extensions: "list[tuple[x509.ExtensionType, bool]]",
) -> "x509.Certificate":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common_name: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "tenku"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def serial_number(identity: Identity) -> int:
    """The serial number of its signing certificate."""
    return _certificates(CHAIN_VARIABLE, "", identity.chain)[0].serial_number


@lru_cache(maxsize=4)
def _checked(chain_place: str, chain: bytes, key_place: str, key: bytes) -> Identity:
    """An identity that can sign now."""
    certificate = _certificates(CHAIN_VARIABLE, chain_place, chain)[0]
    private = _private_key(key_place, key)
    if private.public_key() != certificate.public_key():
        raise UserError(
            f"the key in {key_place} is not that of the first certificate in {chain_place}; "
            "put the signing certificate first, and name its own key."
        )
    now = datetime.datetime.now(datetime.UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise UserError(
            f"the certificate in {chain_place} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d} only; name one that is valid now."
        )
    from cryptography.hazmat.primitives import serialization

    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(chain=chain, key=pem, algorithm=_algorithm(key_place, private))


def _private_key(place: str, data: bytes) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        return serialization.load_pem_private_key(data, None)
    except TypeError as error:
        raise UserError(
            f"the key in {place} is encrypted; name a file with the key in plain PEM that only you can read."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(
            f"{place} holds no private key as PEM; set {KEY_VARIABLE} to one that does."
        ) from error


def _algorithm(place: str, key: "PrivateKeyTypes") -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVE_ALGORITHMS:
            return _CURVE_ALGORITHMS[key.curve.name]
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
        case rsa.RSAPrivateKey() if key.key_size >= 2048:
            return "ps256"
        case _:
            raise UserError(
                f"C2PA cannot sign with the key in {place}; use one on the curve P-256, P-384 or P-521, an "
                "Ed25519 key, or RSA of 2048 bits or more."
            )


def _certificates(variable: str, place: str, data: bytes) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise UserError(
            f"{place} holds no certificates as PEM; set {variable} to a file that does."
        ) from error


def _bytes_of(variable: str, place: str) -> bytes:
    try:
        return Path(place).expanduser().read_bytes()
    except OSError as error:
        raise UserError(
            f"{variable} names {place}, which cannot be read ({(error.strerror or str(error)).lower()}); "
            "name a PEM file that can."
        ) from error
