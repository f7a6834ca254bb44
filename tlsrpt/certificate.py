"""Certificates as senders judge them: names, dates, keys, and every fault rather than the first."""

from __future__ import annotations

import base64
import binascii
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from tlsrpt.published import Face

_LONGEST = 4_096  # characters of one text
_LARGEST = 96 << 10  # bytes of DER
_NAMES = 1_000  # SAN entries that are kept
_SHOWN = 5  # names in a sentence
_TEXT = Annotated[str, Field(max_length=_LONGEST)]

# X509_V_ERR_… of OpenSSL.
NOT_YET_VALID, EXPIRED, SELF_SIGNED, PURPOSE = 9, 10, 18, 26
CODES = {
    2: "an issuer cannot be found",
    3: "a revocation list is missing",
    7: "a signature in the chain is wrong",
    18: "self-signed",
    19: "the chain ends at a root that senders do not trust",
    20: "its issuer was not sent and is none that senders trust",
    21: "nothing that senders trust has signed it",
    22: "the chain is too long",
    23: "revoked",
    24: "signed by a certificate that is no authority",
    25: "the chain is longer than an authority allows",
    26: "not made for servers",
    27: "the root is not trusted for this",
    28: "the root is rejected for this",
    47: "outside the names that its authority may sign",
    79: "signed by a certificate that is no authority",
}


class Certificate(BaseModel):
    """A certificate. `der` is the truth; the other fields are read from it and never believed from outside."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    der: Annotated[str, Field(max_length=_LARGEST * 4 // 3)]  # base64
    subject: _TEXT = ""
    issuer: _TEXT = ""
    serial: _TEXT = ""  # hexadecimal
    names: tuple[_TEXT, ...] = ()  # SAN dNSName entries, lower-case
    common_name: _TEXT = ""  # never used to match
    not_before: datetime | None = None  # UTC, without tzinfo
    not_after: datetime | None = None
    key: _TEXT = ""  # "RSA 2048", "EC secp256r1", "Ed25519"
    signature: _TEXT = ""  # hash of the signature, such as "sha256"
    sha256: _TEXT = ""  # of the certificate, hexadecimal
    unreadable: _TEXT = ""  # why it cannot be read, if it cannot

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: Any) -> Any:  # noqa: ANN401 - whatever came
        if isinstance(given, dict) and isinstance(given.get("der"), str):
            return {"der": given["der"], **_fields(given["der"])}
        return given

    @property
    def self_issued(self) -> bool:
        """Return whether it names itself as its issuer."""
        return self.subject == self.issuer


def read(der: bytes) -> Certificate:
    """Return a certificate from its DER bytes; one that cannot be read says so itself.

    What goes beyond the bound is cut off, which leaves nothing that can be read.
    """
    return Certificate(der=base64.b64encode(der[:_LARGEST]).decode("ascii"))


def parsed(der: str) -> x509.Certificate:
    """Return a certificate in base64 as its library has it. Raises ValueError."""
    try:
        with warnings.catch_warnings():  # a serial that is not positive is odd, and nothing for the terminal
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return x509.load_der_x509_certificate(base64.b64decode(der, validate=True))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    except x509.InvalidVersion as error:  # the library derives it, and the next one below, from Exception itself
        raise ValueError(str(error)) from error


@lru_cache(maxsize=1024)
def _fields(der: str) -> Mapping[str, object]:
    """Return what stands in a certificate. One is seen again at every look, so it is kept for a while."""
    try:
        found = parsed(der)
        return {
            "subject": found.subject.rfc4514_string()[:_LONGEST],
            "issuer": found.issuer.rfc4514_string()[:_LONGEST],
            "serial": f"{_serial(found):x}"[:_LONGEST],
            "names": _names(found),
            "common_name": _common_name(found),
            "not_before": found.not_valid_before_utc.replace(tzinfo=None),
            "not_after": found.not_valid_after_utc.replace(tzinfo=None),
            "key": _key(found),
            "signature": _signature(found),
            "sha256": found.fingerprint(hashes.SHA256()).hex(),
        }
    except (
        ValueError,
        TypeError,
        OverflowError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        return {"unreadable": str(error)[:_LONGEST] or type(error).__name__}


def _serial(certificate: x509.Certificate) -> int:
    with warnings.catch_warnings():  # as in `parsed`
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return certificate.serial_number


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower()[:_LONGEST] for name in found.value.get_values_for_type(x509.DNSName)[:_NAMES])


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value)[:_LONGEST] if found else ""


# Diffie-Hellman (PKCS #3, X9.42): to read such a key, the library looks for minutes whether its numbers are prime.
_NEVER_READ = {"1.2.840.113549.1.3.1", "1.2.840.10046.2.1"}


def public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Return the key of a certificate. Raises UnsupportedAlgorithm or ValueError if there is none to be used."""
    if certificate.public_key_algorithm_oid.dotted_string in _NEVER_READ:
        raise UnsupportedAlgorithm("Diffie-Hellman")
    return certificate.public_key()


def _key(certificate: x509.Certificate) -> str:
    if certificate.public_key_algorithm_oid.dotted_string in _NEVER_READ:
        return "DH"
    key = public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519"
    return "Ed448" if isinstance(key, ed448.Ed448PublicKey) else type(key).__name__


def _signature(certificate: x509.Certificate) -> str:
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown"
    return found.name if found else ""


# --------------------------------------------------------------------------------------------------------
# Names.


def matches(names: Iterable[str], host: str) -> bool:
    """Return whether one of the SAN dNSNames is for this host (RFC 8461 section 4.2, RFC 6125 section 6.4).

    A wildcard counts as the whole first label only, and stands for exactly one label.
    """
    host = host.removesuffix(".").lower()
    _, _, parent = host.partition(".")
    wanted = {host, f"*.{parent}"} if "." in parent else {host}
    return not wanted.isdisjoint(name.removesuffix(".").lower() for name in names)


def _matches_partly(names: Iterable[str], host: str) -> bool:
    """Return whether a name such as "mx*.example.com" would be for this host, as few senders have it."""
    first, _, parent = host.removesuffix(".").lower().partition(".")
    for name in names:
        label, _, rest = name.removesuffix(".").lower().partition(".")
        start, star, end = label.partition("*")
        if star and label != "*" and rest == parent and first.startswith(start) and first.endswith(end):
            return True
    return False


# --------------------------------------------------------------------------------------------------------
# Faults.


class CertificateFault(NamedTuple):
    """Something for which senders refuse a certificate, or some of them do."""

    name: str  # "certificate-expired"
    detail: str  # what was seen


def faults(face: Face, host: str, now: datetime) -> list[CertificateFault]:
    """Return everything that is wrong with what a server shows for `host`, as of `now` (UTC, no tzinfo).

    Trust is what OpenSSL said at the time of the look; names and dates are judged here, as its first
    objection would hide the others, and a stored look is judged as of another day.
    """
    if not face.chain:
        return [CertificateFault("certificate-none", "no certificate was shown")]
    leaf = face.chain[0]
    if leaf.unreadable:
        return [CertificateFault("certificate-unreadable", leaf.unreadable[:200])]
    return [*_dates(leaf, now), *_name_faults(leaf, host), *_trust(face), *_strength(leaf), *_dates_above(face, now)]


def _dates(leaf: Certificate, now: datetime) -> list[CertificateFault]:
    if leaf.not_after is not None and leaf.not_after < now:
        return [CertificateFault("certificate-expired", f"expired {moment(leaf.not_after)}")]
    if leaf.not_before is not None and leaf.not_before > now:
        return [CertificateFault("certificate-not-yet-valid", f"valid from {moment(leaf.not_before)} only")]
    return []


def _dates_above(face: Face, now: datetime) -> list[CertificateFault]:
    """Return what is out of date above the leaf, if OpenSSL went through it: servers send what nobody needs.

    OpenSSL counts along the path that it built, which is not always the order of sending, and may end in a
    certificate that was not sent.
    """
    if not any(fault.depth and fault.code in {EXPIRED, NOT_YET_VALID} for fault in face.faults):
        return []
    found = []
    for certificate in face.chain[1:]:
        if certificate.not_after is not None and certificate.not_after < now:
            words = f"{_subject(certificate)} expired {moment(certificate.not_after)}"
            found.append(CertificateFault("certificate-intermediate-expired", words))
        elif certificate.not_before is not None and certificate.not_before > now:
            words = f"{_subject(certificate)} is valid from {moment(certificate.not_before)} only"
            found.append(CertificateFault("certificate-not-trusted", words))
    return found or [CertificateFault("certificate-not-trusted", "an authority above the leaf is out of date")]


def _name_faults(leaf: Certificate, host: str) -> list[CertificateFault]:
    if matches(leaf.names, host):
        return []
    if _matches_partly(leaf.names, host):
        return [CertificateFault("certificate-partial-wildcard", f"it is for {listed(leaf.names)}")]
    if matches([leaf.common_name], host):
        return [CertificateFault("certificate-common-name-only", f"CN {leaf.common_name}, SAN {listed(leaf.names)}")]
    if not leaf.names:
        return [CertificateFault("certificate-no-names", f"no host name in SAN; CN {leaf.common_name or 'none'}")]
    return [CertificateFault("certificate-name-mismatch", f"it is for {listed(leaf.names)}")]


def _trust(face: Face) -> list[CertificateFault]:
    leaf, last = face.chain[0], face.chain[-1]
    codes = {fault.code for fault in face.faults} - {EXPIRED, NOT_YET_VALID}
    found = []
    if PURPOSE in codes:
        found.append(CertificateFault("certificate-wrong-purpose", "it is not made for servers"))
    codes.discard(PURPOSE)
    if SELF_SIGNED in codes:
        found.append(CertificateFault("certificate-self-signed", f"issued by itself, {_subject(leaf)}"))
    elif codes:
        code = min(codes)
        words = CODES.get(code, f"OpenSSL's code {code}")
        found.append(CertificateFault("certificate-not-trusted", f"issued by {leaf.issuer[:100]}; {words}"))
        if codes & {2, 20, 21} and not last.self_issued:
            words = f"the chain ends at {_subject(last)}; {last.issuer[:100]} was not sent"
            found.append(CertificateFault("certificate-chain-incomplete", words))
    return found


def _strength(leaf: Certificate) -> list[CertificateFault]:
    found = []
    kind, _, size = leaf.key.partition(" ")
    if (kind in {"RSA", "DSA"} and int(size) < 2_048) or leaf.key in {"EC secp192r1", "EC sect163k1", "EC sect163r2"}:
        found.append(CertificateFault("certificate-weak-key", leaf.key))
    if leaf.signature in {"md5", "sha1"} and not leaf.self_issued:
        found.append(CertificateFault("certificate-weak-signature", f"signed with {leaf.signature}"))
    return found


def expiry(certificate: Certificate, now: datetime) -> Literal["expired", "fail", "warn", "ok"]:
    """Return how near the end of a certificate is, measured by its own lifetime.

    "warn" below 14 days or a third of its life, whichever is less, "fail" below 3 days or a tenth.
    """
    if certificate.not_after is None or certificate.not_before is None:
        return "ok"
    left = certificate.not_after - now
    life = certificate.not_after - certificate.not_before
    if left < timedelta(0):
        return "expired"
    if left < min(timedelta(days=3), life / 10):
        return "fail"
    return "warn" if left < min(timedelta(days=14), life / 3) else "ok"


# --------------------------------------------------------------------------------------------------------
# Words.


def moment(when: datetime) -> str:
    """Return a time in words: "2026-11-18 06:12 UTC"."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def listed(names: Sequence[str]) -> str:
    """Return names in a row, the first few of many."""
    if not names:
        return "none"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _subject(certificate: Certificate) -> str:
    return certificate.common_name[:100] or certificate.subject[:100] or "a certificate without a name"
