"""Certificates for tests, good and bad in every way that servers know, made when they are asked for."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_LONG_AGO = dt.timedelta(days=400)
_JUST_NOW = dt.timedelta(days=2)
_AGO, _AHEAD = dt.timedelta(days=30), dt.timedelta(days=60)

# What an authority's key is for; the standard library asks for it from Python 3.13 on.
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@cache
def _key(name: str) -> Key:
    """Return a key, the same for the same name."""
    return rsa.generate_private_key(65_537, 1_024) if name == "weak" else ec.generate_private_key(ec.SECP256R1())


class Issuer(NamedTuple):
    """Who signs."""

    certificate: x509.Certificate
    key: Key


class Shown(NamedTuple):
    """What a server shows: the leaf first."""

    key: Key
    chain: tuple[x509.Certificate, ...]


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _made(
    subject: str,
    key: Key,
    issuer: Issuer | None,
    *,
    names: tuple[str, ...] = (),
    ends: dt.timedelta = _AHEAD,
    begins: dt.timedelta = -_AGO,
    authority: bool = False,
    key_ids: bool = True,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer.certificate.subject if issuer else _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
    if authority:
        builder = builder.add_extension(_SIGNS, critical=True)
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    if key_ids:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if issuer:
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
            builder = builder.add_extension(own, critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


class Authority:
    """A certificate authority that the program is told to trust."""

    def __init__(self, name: str = "Test Root") -> None:
        key = _key(name)
        self.root = Issuer(_made(name, key, None, authority=True, ends=dt.timedelta(days=3_000)), key)

    @property
    def pem(self) -> bytes:
        """The root, as a file of authorities has it."""
        return _pem(self.root.certificate)

    def write(self, folder: Path) -> str:
        """Write the root into a folder and return the path of the file."""
        path = folder / "authority.pem"
        path.write_bytes(self.pem)
        return str(path)

    def intermediate(self, *, expired: bool = False) -> Issuer:
        """Return an authority below the root."""
        key = _key("intermediate")
        ends = -dt.timedelta(days=1) if expired else dt.timedelta(days=1_000)
        return Issuer(_made("Test Intermediate", key, self.root, authority=True, begins=-_LONG_AGO, ends=ends), key)

    def context(self, *names: str) -> ssl.SSLContext:
        """Return a server's side of TLS with one good certificate for all names."""
        key = _key("leaf")
        return _context(Shown(key, (_made(names[0], key, self.root, names=names),)))


def _leaf(kind: str, name: str, parent: str) -> dict[str, Any]:
    """Return in what the leaf of a kind differs from a good one."""
    many = (name, *(f"host{number}.{parent}" for number in range(3_000)))
    differing: dict[str, dict[str, Any]] = {
        "wildcard": {"names": (f"*.{parent}",)},
        "partial-wildcard": {"names": (f"{name[0]}*.{parent}",)},
        "expired": {"begins": -_LONG_AGO, "ends": -_JUST_NOW},
        "not-yet-valid": {"begins": _JUST_NOW},
        "wrong-name": {"subject": "elsewhere.example", "names": ("elsewhere.example",)},
        "common-name-only": {"names": ()},
        "no-aki": {"key_ids": False},
        "huge": {"names": many if kind == "huge" else ()},
        "many-faults": {
            "subject": "elsewhere.example",
            "names": ("elsewhere.example",),
            "begins": -_LONG_AGO,
            "ends": -_JUST_NOW,
        },
    }
    return {"subject": name, "names": (name,)} | differing.get(kind, {})


def shown(kind: str, name: str, authority: Authority) -> Shown:
    """Return what a server of a kind shows for a name."""
    key = _key("weak" if kind == "weak-key" else "leaf")
    issuer: Issuer | None = authority.root
    sent: tuple[x509.Certificate, ...] = ()
    if kind in {"untrusted", "many-faults"}:
        issuer = Authority("Unknown Root").root
        sent = (issuer.certificate,)
    elif kind == "self-signed":
        issuer = None
    elif kind.endswith("intermediate"):
        issuer = authority.intermediate(expired=kind.startswith("expired"))
        sent = () if kind.startswith("missing") else (issuer.certificate,)
    return Shown(key, (_made(key=key, issuer=issuer, **_leaf(kind, name, name.partition(".")[2])), *sent))


def server_context(kind: str, name: str, authority: Authority) -> ssl.SSLContext:
    """Return a server's side of TLS of a kind for a name.

    Beside the kinds of certificates: "tls10" and "tls12" speak no other version; "sni" shows a self-signed
    certificate to whoever names nobody.
    """
    context = _context(shown(kind, name, authority))
    if kind == "weak-key":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    if kind in {"tls10", "tls12"}:
        version = ssl.TLSVersion.TLSv1_2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if kind == "tls10":
                version = ssl.TLSVersion.TLSv1
                context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
    if kind == "sni":
        other = _context(shown("self-signed", "localhost", authority))
        named = context

        def choose(connection: ssl.SSLObject, asked: str | None, _: ssl.SSLContext) -> None:
            if asked:
                connection.context = named

        other.sni_callback = choose
        return other
    return context


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def pem(shown: Shown) -> bytes:
    """Return what a server shows, and its key, as one file of a server's configuration."""
    key = shown.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key + b"".join(map(_pem, shown.chain))


def _context(shown: Shown) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if isinstance(shown.key, rsa.RSAPrivateKey):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem(shown))
        file.flush()
        context.load_cert_chain(file.name)
    return context
