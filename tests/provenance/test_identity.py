"""Whose signature it is: made on first use, once, or given by the environment."""

import datetime
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tenku.errors import UserError
from tenku.media import Frames, write_picture
from tenku.provenance import Origin, Standing, sign, signing_identity, verify
from tenku.provenance.identity import (
    CHAIN_VARIABLE,
    KEY_VARIABLE,
    TRUST_VARIABLE,
    kept_identity,
    serial_number,
)

PEM = serialization.Encoding.PEM


def test_it_is_made_on_first_use_and_kept(home: Path) -> None:
    assert kept_identity() is None
    first = signing_identity()
    assert signing_identity() == first == kept_identity()
    assert [stat.S_IMODE(file.stat().st_mode) for file in (home / "signing").iterdir()] == [0o600, 0o600]
    assert stat.S_IMODE((home / "signing").stat().st_mode) == 0o700
    assert [entry.name for entry in home.iterdir()] == ["signing"]


def test_many_at_once_make_one(home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        identities = list(pool.map(lambda _: signing_identity(), range(16)))
    assert len({identity.key for identity in identities}) == 1
    assert [entry.name for entry in home.iterdir()] == ["signing"]


def test_another_home_has_another(tmp_path: Path) -> None:
    first, second = (signing_identity(tmp_path / name) for name in ("a", "b"))
    assert serial_number(first) != serial_number(second)


def issued(
    key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey", *, days: int = 365
) -> bytes:
    """A certificate for a key, with that of its authority."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Studio Authority")])
    usages = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    rest = dict.fromkeys((*usages, "encipher_only", "decipher_only"), False)
    chain = []
    for name, public, is_authority in (
        ("Studio", key.public_key(), False),
        ("", authority_key.public_key(), True),
    ):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]) if name else authority
        usage = x509.KeyUsage(
            digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority, **rest
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), True)
            .add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False
            )
        )
        if not is_authority:
            purpose = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(purpose, False)
        chain.append(builder.sign(authority_key, hashes.SHA256()).public_bytes(PEM))
    return b"".join(chain)


def written(
    folder: Path,
    chain: bytes,
    key: "ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey",
) -> tuple[str, str]:
    form = serialization.PrivateFormat.PKCS8
    if isinstance(key, ec.EllipticCurvePrivateKey):
        form = serialization.PrivateFormat.TraditionalOpenSSL  # as `openssl ecparam -genkey` writes it
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(key.private_bytes(PEM, form, serialization.NoEncryption()))
    return str(folder / "chain.pem"), str(folder / "key.pem")


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda: ec.generate_private_key(ec.SECP384R1()),
        lambda: ed25519.Ed25519PrivateKey.generate(),
        lambda: rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-256", "P-384", "Ed25519", "RSA"],
)
def test_a_real_certificate_signs(
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    clip: Frames,
    make: Callable[[], ec.EllipticCurvePrivateKey],
) -> None:
    key = make()
    chain, place = written(tmp_path, issued(key), key)
    monkeypatch.setenv(CHAIN_VARIABLE, chain)
    monkeypatch.setenv(KEY_VARIABLE, place)
    picture = tmp_path / "picture.png"
    write_picture(picture, clip[0])
    sign(picture, Origin(model="embedded", seed=0))
    verdict = verify(picture)
    assert verdict.standing is Standing.intact
    assert "signed by 'Studio'" in verdict.details[0]
    assert not home.exists()
    monkeypatch.delenv(CHAIN_VARIABLE)
    monkeypatch.delenv(KEY_VARIABLE)
    assert verify(picture).standing is Standing.foreign
    monkeypatch.setenv(TRUST_VARIABLE, chain)
    assert verify(picture).standing is Standing.intact


def broken_settings() -> dict[str, tuple[Callable[[Path], tuple[str | None, str | None]], str]]:
    curve = ec.generate_private_key(ec.SECP256R1())
    other = ec.generate_private_key(ec.SECP256R1())
    odd = ec.generate_private_key(ec.SECP256K1())

    def encrypted(folder: Path) -> tuple[str, str]:
        chain, key = written(folder, issued(curve), curve)
        locked = serialization.BestAvailableEncryption(b"x")
        Path(key).write_bytes(curve.private_bytes(PEM, serialization.PrivateFormat.PKCS8, locked))
        return chain, key

    def unreadable(folder: Path) -> tuple[str, str]:
        chain, key = written(folder, b"no certificate", curve)
        return chain, key

    return {
        "only a chain": (
            lambda f: (written(f, issued(curve), curve)[0], None),
            "TENKU_CERTIFICATE_KEY is not",
        ),
        "only a key": (lambda f: (None, written(f, issued(curve), curve)[1]), "TENKU_CERTIFICATE is not"),
        "no such file": (lambda f: (str(f / "gone.pem"), written(f, b"", curve)[1]), "no such file"),
        "a folder": (lambda f: (str(f), written(f, b"", curve)[1]), "is a directory"),
        "no certificate": (unreadable, "holds no certificates as PEM"),
        "another key": (lambda f: written(f, issued(curve), other), "is not that of the first certificate"),
        "an encrypted key": (encrypted, "is encrypted"),
        "no key": (lambda f: (written(f, issued(curve), curve)[0],) * 2, "holds no private key as PEM"),
        "out of date": (lambda f: written(f, issued(curve, days=-10), curve), "valid from"),
        "another curve": (lambda f: written(f, issued(odd), odd), "C2PA cannot sign with the key"),
    }


@pytest.mark.parametrize("case", list(broken_settings()))
def test_settings_that_cannot_sign(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    make, sentence = broken_settings()[case]
    chain, key = make(tmp_path)
    for variable, value in ((CHAIN_VARIABLE, chain), (KEY_VARIABLE, key)):
        if value is not None:
            monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=sentence):
        signing_identity()
    assert not home.exists()


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="set TENKU_HOME to a folder that can be written"):
        signing_identity(tmp_path / "file" / "home")


def test_a_key_that_was_lost(home: Path) -> None:
    signing_identity()
    (home / "signing" / "key.pem").unlink()
    with pytest.raises(UserError, match="remove that folder"):
        signing_identity()


def test_a_key_that_was_damaged(tmp_path: Path, home: Path, clip: Frames) -> None:
    signing_identity()
    (home / "signing" / "key.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nnonsense\n")
    picture = tmp_path / "picture.png"
    write_picture(picture, clip[0])
    before = picture.read_bytes()
    with pytest.raises(UserError, match="could not be signed"):
        sign(picture, Origin(model="embedded", seed=0))
    assert picture.read_bytes() == before
    assert not list(tmp_path.glob(".*.partial"))
