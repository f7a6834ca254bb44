"""DANE: TLSA records against what a server shows (RFC 6698, RFC 7671, RFC 7672)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsrpt.certificate import Certificate, matches, parsed, public_key

if TYPE_CHECKING:
    from tlsrpt.published import Face, Tlsa

_TRUST_ANCHOR, _END_ENTITY = 2, 3  # usages; 0 and 1 are unusable for SMTP (RFC 7672 section 3.1.3)


class Dane(NamedTuple):
    """How the TLSA records of a host stand against what it shows at one address."""

    usable: int  # records that a sender can use
    matching: int  # of these, those that are met


def verdict(records: Sequence[Tlsa], face: Face, host: str, now: datetime) -> Dane:
    """Return how many records are usable, and met as of `now` (UTC, without tzinfo).

    For usage 3 only the match with the leaf counts; for usage 2 the authority has to be in the chain as sent
    and to vouch for the leaf, all below it have to be in date, and the leaf for `host` (RFC 7671 sections 5.1
    and 5.2).
    """
    usable = [record for record in records if is_usable(record)]
    return Dane(len(usable), sum(_is_met(record, face, host, now) for record in usable))


def is_usable(record: Tlsa) -> bool:
    """Return whether a sender can use a record at all."""
    return (
        record.usage in {_TRUST_ANCHOR, _END_ENTITY} and record.selector in {0, 1} and record.matching_type in {0, 1, 2}
    )


def _is_met(record: Tlsa, face: Face, host: str, now: datetime) -> bool:
    if not face.chain:
        return False
    leaf = face.chain[0]
    if record.usage == _END_ENTITY:
        return _data(leaf, record) == record.data
    met = any(_data(certificate, record) == record.data for certificate in _vouching(leaf, face.chain[1:], now))
    return met and matches(leaf.names, host)


def _vouching(leaf: Certificate, above: Sequence[Certificate], now: datetime) -> list[Certificate]:
    """Return the certificates that signed the leaf, or one that did: a server may send any others along.

    What is not in date is believed if the record names it, as OpenSSL has it, and leads no further.
    """
    reached, found = [leaf], []
    for signed in reached:  # grows while it is gone through, by each certificate once
        if _is_in_date(signed, now):
            signers = [one for one in above if one not in found and _is_signed(signed, one)]
            found += signers
            reached += signers
    return found


def _is_in_date(certificate: Certificate, now: datetime) -> bool:
    begins, ends = certificate.not_before, certificate.not_after
    return begins is not None and ends is not None and begins <= now <= ends


def _is_signed(certificate: Certificate, signer: Certificate) -> bool:
    try:
        issuer = parsed(signer.der)
        public_key(issuer)  # which is read below, whatever it is
        parsed(certificate.der).verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _data(certificate: Certificate, record: Tlsa) -> str | None:
    """Return what a record has to say to be met by a certificate, None if that cannot be told."""
    try:
        found = parsed(certificate.der)
        whole = (
            found.public_bytes(Encoding.DER)
            if record.selector == 0
            else public_key(found).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if record.matching_type == 0:
        return whole.hex()
    return hashlib.new("sha256" if record.matching_type == 1 else "sha512", whole).hexdigest()
