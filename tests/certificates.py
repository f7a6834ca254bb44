"""Certificates and TLS servers of every sort that a look may meet, made when asked for.

Keys are made once a process. Dates are far from any day on which a test may run.
"""

from __future__ import annotations

import ssl
import warnings
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Versions = Literal["", "1.2", "old", "all"]

BEGIN, END = datetime(2000, 1, 1), datetime(3000, 1, 1)

KINDS = (
    "good",
    "wildcard",
    "intermediate",
    "no-aki",
    "expired",
    "not-yet-valid",
    "wrong-name",
    "common-name-only",
    "no-names",
    "partial-wildcard",
    "self-signed",
    "untrusted",
    "missing-intermediate",
    "expired-intermediate",
    "wrong-purpose",
    "weak-key",
    "weak-curve",
    "sha1-signature",
    "huge",
    "many-faults",
)


class Authority:
    """A certificate authority, trusted by whoever is given its file."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.pem: bytes = self.ca.cert_pem.bytes()
        self.certificate = x509.load_pem_x509_certificate(self.pem)
        key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key: Key = key

    def write(self, path: Path) -> str:
        """Write a CA file and return its path as text."""
        path.write_bytes(self.pem)
        return str(path)


class Shown(NamedTuple):
    """What a server shows, leaf first, and the key of the leaf."""

    chain: tuple[x509.Certificate, ...]
    key: Key


def server_context(kind: str, name: str, authority: Authority, versions: Versions = "") -> ssl.SSLContext:
    """Return a server's end of TLS that shows a certificate of this kind for a name.

    `versions` is "" for TLS 1.2 and 1.3, "1.2" for that alone, "old" for 1.0 and 1.1, "all" for each.
    The kind "sni-dependent" is "good" to whoever asks for a name, "self-signed" to others.
    """
    if kind == "sni-dependent":
        good = server_context("good", name, authority, versions)
        context = server_context("self-signed", name, authority, versions)

        def choose(connection: ssl.SSLObject, asked: str | None, _: ssl.SSLContext) -> None:
            if asked is not None:
                connection.context = good

        context.sni_callback = choose
        return context
    return serving(shown(kind, name, authority), versions)


def serving(what: Shown, versions: Versions = "") -> ssl.SSLContext:
    """Return a server's end of TLS that shows this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # before the certificate: it may be a weak one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is asked for
        low, high = {
            "": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
            "1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
            "old": (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1),
            "all": (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3),
        }[versions]
        context.minimum_version, context.maximum_version = low, high
    key = what.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificates = [certificate.public_bytes(serialization.Encoding.PEM) for certificate in what.chain]
    with TemporaryDirectory() as directory:
        path = Path(directory, "chain.pem")
        path.write_bytes(b"".join((key, *certificates)))
        context.load_cert_chain(path)
    return context


def shown(kind: str, name: str, authority: Authority) -> Shown:  # noqa: C901, PLR0912 - a table of kinds
    """Return a chain of one of KINDS for a name."""
    root = Issuer(authority.certificate, authority.key)
    first, _, parent = name.partition(".")
    match kind:
        case "good":
            return Shown((root.issue(name),), _key())
        case "wildcard":
            return Shown((root.issue(f"*.{parent}"),), _key())
        case "partial-wildcard":
            return Shown((root.issue(f"{first[0]}*.{parent}"),), _key())
        case "wrong-name":
            return Shown((root.issue("elsewhere.example"),), _key())
        case "common-name-only":
            return Shown((root.issue(common_name=name),), _key())
        case "no-names":
            return Shown((root.issue(),), _key())
        case "no-aki":
            return Shown((root.issue(name, aki=False),), _key())
        case "expired":
            return Shown((root.issue(name, end=datetime(2001, 1, 1)),), _key())
        case "not-yet-valid":
            return Shown((root.issue(name, begin=datetime(2900, 1, 1)),), _key())
        case "wrong-purpose":
            return Shown((root.issue(name, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),), _key())
        case "huge":
            return Shown((root.issue(name, *(f"host-{i:05}.{'x' * 60}.example" for i in range(1_000))),), _key())
        case "self-signed":
            return Shown((issue(None, _key(), name),), _key())
        case "untrusted":
            other = Authority()
            return Shown((Issuer(other.certificate, other.key).issue(name), other.certificate), _key())
        case "many-faults":
            other = Authority()
            leaf = Issuer(other.certificate, other.key).issue("elsewhere.example", end=datetime(2001, 1, 1))
            return Shown((leaf, other.certificate), _key())
        case "intermediate":
            between = root.intermediate()
            return Shown((between.issue(name), between.certificate), _key())
        case "missing-intermediate":
            return Shown((root.intermediate().issue(name),), _key())
        case "expired-intermediate":
            between = root.intermediate(end=datetime(2001, 1, 1))
            return Shown((between.issue(name), between.certificate), _key())
        case "weak-key":
            return Shown((issue(root, _rsa(1_024), name),), _rsa(1_024))
        case "weak-curve":
            return Shown((issue(root, _weak_curve(), name),), _weak_curve())
        case "sha1-signature":
            between = root.intermediate(_rsa(2_048))
            return Shown((_with_sha1(between.issue(name), _rsa(2_048)), between.certificate), _key())
    raise ValueError(kind)


class Issuer(NamedTuple):
    """A certificate that signs others, and its key."""

    certificate: x509.Certificate
    key: Key

    def issue(
        self,
        *names: str,
        common_name: str = "",
        begin: datetime = BEGIN,
        end: datetime = END,
        aki: bool = True,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> x509.Certificate:
        """Return a certificate for the key that every server uses."""
        return issue(self, _key(), *names, common_name=common_name, begin=begin, end=end, aki=aki, purpose=purpose)

    def intermediate(self, key: Key | None = None, end: datetime = END) -> Issuer:
        """Return an intermediate authority."""
        key = key or _key("intermediate")
        return Issuer(issue(self, key, common_name="Intermediate", end=end, authority=True), key)


def issue(
    issuer: Issuer | None,
    key: Key,
    *names: str,
    common_name: str = "",
    begin: datetime = BEGIN,
    end: datetime = END,
    aki: bool = True,
    authority: bool = False,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> x509.Certificate:
    """Return a certificate for a key, signed by the key itself if there is no issuer."""
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test")]
    if common_name:
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.certificate.subject if issuer else x509.Name(subject))
        .public_key(key.public_key())
        .not_valid_before(begin)
        .not_valid_after(end)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if issuer and aki:
        signer = issuer.key.public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    if names:
        san = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(san, critical=False)
    return builder.sign(issuer.key if issuer else key, hashes.SHA256())


def _with_sha1(certificate: x509.Certificate, signer: rsa.RSAPrivateKey) -> x509.Certificate:
    """Return it signed with SHA-1, which cryptography does not do of its own accord."""
    sha256 = bytes.fromhex("2a864886f70d01010b")  # sha256WithRSAEncryption, as long as the other
    sha1 = bytes.fromhex("2a864886f70d010105")
    signed = certificate.tbs_certificate_bytes.replace(sha256, sha1)
    signature = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    der = certificate.public_bytes(serialization.Encoding.DER).replace(sha256, sha1)
    return x509.load_der_x509_certificate(der.replace(certificate.signature, signature))


@cache
def _key(_purpose: str = "server") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _weak_curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP192R1())


@cache
def _rsa(size: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, size)
