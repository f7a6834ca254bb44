"""TLSA records against what a server shows (RFC 7671, RFC 7672)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from certificates import Authority, shown
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tlsrpt import dane
from tlsrpt.certificate import Certificate, read
from tlsrpt.dane import Dane
from tlsrpt.published import Face, Tlsa

if TYPE_CHECKING:
    from cryptography import x509

HOST = "mx1.example.com"
NOW = datetime.now(UTC).replace(tzinfo=None)  # the builders make certificates for it
YEARS = timedelta(days=3_650)
AUTHORITY = Authority()


def face(kind: str) -> tuple[Face, tuple[x509.Certificate, ...]]:
    chain = shown(kind, HOST, AUTHORITY).chain
    return Face(version="TLSv1.3", cipher="", chain=tuple(read(one.public_bytes(Encoding.DER)) for one in chain)), chain


def tlsa(usage: int, selector: int, matching_type: int, certificate: x509.Certificate) -> Tlsa:
    whole = (
        certificate.public_bytes(Encoding.DER)
        if selector == 0
        else certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    data = {0: whole, 1: hashlib.sha256(whole).digest(), 2: hashlib.sha512(whole).digest()}.get(matching_type, whole)
    return Tlsa(usage=usage, selector=selector, matching_type=matching_type, data=data.hex())


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching_type", [0, 1, 2])
@pytest.mark.parametrize(("usage", "depth"), [(3, 0), (2, 1)])
def test_a_record_is_met_by_what_it_was_made_from(usage: int, depth: int, selector: int, matching_type: int) -> None:
    seen, chain = face("intermediate")
    record = tlsa(usage, selector, matching_type, chain[depth])
    assert dane.verdict([record], seen, HOST, NOW) == Dane(1, 1)
    assert dane.verdict([record], seen.model_copy(update={"chain": ()}), HOST, NOW) == Dane(1, 0)


@pytest.mark.parametrize(
    ("usage", "selector", "matching_type"), [(0, 1, 1), (1, 1, 1), (4, 1, 1), (255, 1, 1), (3, 2, 1), (3, 1, 3)]
)
def test_other_usages_selectors_and_matching_types_are_unusable(usage: int, selector: int, matching_type: int) -> None:
    seen, chain = face("good")
    assert dane.verdict([tlsa(usage, selector, matching_type, chain[0])], seen, HOST, NOW) == Dane(0, 0)


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid", "wrong-name", "self-signed", "many-faults"])
def test_for_an_end_entity_only_the_match_counts(kind: str) -> None:
    seen, chain = face(kind)
    assert dane.verdict([tlsa(3, 1, 1, chain[0])], seen, HOST, NOW) == Dane(1, 1)


def test_below_a_trust_anchor_names_and_dates_count() -> None:
    seen, chain = face("intermediate")
    record = tlsa(2, 1, 1, chain[1])
    assert dane.verdict([record], seen, HOST, NOW).matching == 1
    assert dane.verdict([record], seen, "mx2.example.com", NOW).matching == 0
    assert dane.verdict([record], seen, HOST, NOW + YEARS).matching == 0
    assert dane.verdict([record], seen, HOST, NOW - YEARS).matching == 0


def test_a_trust_anchor_has_to_be_sent() -> None:
    seen, _ = face("missing-intermediate")
    assert dane.verdict([tlsa(2, 0, 1, AUTHORITY.intermediate().certificate)], seen, HOST, NOW) == Dane(1, 0)


def test_a_trust_anchor_may_be_any_above_the_leaf_that_was_sent() -> None:
    seen, chain = face("intermediate")
    root = AUTHORITY.root.certificate
    added = seen.model_copy(update={"chain": (*seen.chain, read(root.public_bytes(Encoding.DER)))})
    assert dane.verdict([tlsa(2, 1, 1, root)], seen, HOST, NOW) == Dane(1, 0)
    assert dane.verdict([tlsa(2, 1, 1, root)], added, HOST, NOW) == Dane(1, 1)
    turned = added.model_copy(update={"chain": (added.chain[0], added.chain[2], added.chain[1])})
    assert dane.verdict([tlsa(2, 1, 1, root), tlsa(2, 0, 2, chain[1])], turned, HOST, NOW) == Dane(2, 2)


def test_a_leaf_is_no_trust_anchor_above_itself() -> None:
    seen, chain = face("intermediate")
    assert dane.verdict([tlsa(2, 1, 1, chain[0])], seen, HOST, NOW) == Dane(1, 0)


def test_a_trust_anchor_that_has_expired_is_one_still_but_none_below_it_may_have() -> None:
    # As `openssl s_client -dane_tlsa_rrdata` has it: 0 for the former, 10 for the latter.
    seen, chain = face("expired-intermediate")
    root = AUTHORITY.root.certificate
    added = seen.model_copy(update={"chain": (*seen.chain, read(root.public_bytes(Encoding.DER)))})
    assert dane.verdict([tlsa(2, 0, 1, chain[1])], added, HOST, NOW) == Dane(1, 1)
    assert dane.verdict([tlsa(2, 0, 1, root)], added, HOST, NOW) == Dane(1, 0)


def test_a_record_of_another_certificate_is_usable_and_not_met() -> None:
    seen, _ = face("good")
    _, others = face("self-signed")
    for matching_type in (0, 1, 2):
        assert dane.verdict([tlsa(3, 0, matching_type, others[0])], seen, HOST, NOW) == Dane(1, 0)


def test_records_are_counted_one_by_one() -> None:
    seen, chain = face("intermediate")
    records = [tlsa(3, 1, 1, chain[0]), tlsa(3, 1, 1, chain[1]), tlsa(2, 1, 1, chain[1]), tlsa(1, 1, 1, chain[0])]
    assert dane.verdict(records, seen, HOST, NOW) == Dane(3, 2)
    assert dane.verdict([], seen, HOST, NOW) == Dane(0, 0)


def test_a_certificate_that_cannot_be_read_meets_nothing() -> None:
    broken = Face(version="", cipher="", chain=(Certificate(der="!"), read(b"\x30\x03\x02\x01")))
    for usage in (2, 3):
        record = Tlsa(usage=usage, selector=0, matching_type=1, data=hashlib.sha256(b"").hexdigest())
        assert dane.verdict([record], broken, HOST, NOW) == Dane(1, 0)


def test_a_trust_anchor_that_did_not_sign_the_leaf_is_not_met() -> None:
    seen, _ = face("good")
    stranger = Authority("Stranger").root.certificate
    added = read(stranger.public_bytes(Encoding.DER))
    seen = seen.model_copy(update={"chain": (*seen.chain, added)})
    assert dane.verdict([tlsa(2, 0, 1, stranger)], seen, HOST, NOW) == Dane(1, 0)
