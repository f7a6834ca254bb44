"""What changed between looks, which policies stood under which ids, and how long senders enforce them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loaders.observations import record
from queries import published
from tlsrpt.certificate import read
from tlsrpt.history import IdFault, Version, changes, enforced_until, id_faults, lines, versions
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    Fault,
    FetchFacts,
    HostFacts,
    Mx,
    MxFacts,
    MxTlsFacts,
    Observation,
    Tlsa,
    TlsaFacts,
    TxtFacts,
)
from tlsrpt.store import Store

if TYPE_CHECKING:
    from tlsrpt.certificate import Certificate
    from tlsrpt.history import Change
    from tlsrpt.published import Facts, Seen

NOON = datetime(2026, 3, 10, 12)
ADDRESS = "mx1.example.com [192.0.2.1]"
Look = Mapping[str, "Facts"]


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


def past(*looks: Look, vantage: str = "desk") -> list[Seen]:
    """Return what the store tells of looks that were made each hour."""
    store = Store.memory()
    for hour, found in enumerate(looks):
        observations = tuple(Observation(subject=subject, facts=facts) for subject, facts in found.items())
        check = Check(policy_domain="example.com", checked_at=at(hour), vantage=vantage, observations=observations)
        record(store, [check])
    seen = published.seen(store, "example.com")
    store.close()
    return seen


def told(found: list[Change]) -> list[tuple[int, str, str]]:
    """Return the hour, subject and words of each change."""
    return [((change.at - NOON) // timedelta(hours=1), change.subject, change.what) for change in found]


def sts(policy_id: str = "a") -> TxtFacts:
    return TxtFacts(kind="mta-sts-record", status="found", records=(f"v=STSv1; id={policy_id}",))


def policy(mode: str = "testing", max_age: int = 86_400, mx: str = "mx1.example.com") -> FetchFacts:
    body = f"version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: {max_age}\n"
    return FetchFacts(outcome="fetched", status=200, content_type="text/plain", bodies=(body,))


def mxs(*hosts: str) -> MxFacts:
    found = tuple(Mx(preference=10 * (place + 1), host=host) for place, host in enumerate(hosts))
    return MxFacts(status="found", hosts=found)


@cache
def certificate(days: int = 90, name: str = "mx1.example.com", serial: int = 1) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(common, common, key.public_key(), serial, NOON, NOON + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return read(made.public_bytes(serialization.Encoding.DER))


def tls(*chain: Certificate, version: str = "TLSv1.3") -> MxTlsFacts:
    return MxTlsFacts(outcome="starttls", faces=(Face(version=version, cipher="AES", chain=chain),))


def silent(outcome: str = "timeout") -> MxTlsFacts:
    return MxTlsFacts(outcome=outcome, reason="no answer in 20 s")


# Facts in words.


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (sts(), ("v=STSv1; id=a",)),
        (TxtFacts(kind="mta-sts-record", status="no-name", secure=True), ("no such name", "signed and valid")),
        (TxtFacts(kind="mta-sts-record", status="failed", reason="SERVFAIL"), ("failed: SERVFAIL",)),
        (
            MxFacts(status="found", hosts=(Mx(preference=0, host=""),), dropped=2, cnames=("a.example",)),
            ("CNAME a.example", "0 .", "2 more, not looked at"),
        ),
        (
            TlsaFacts(status="found", secure=False, records=(Tlsa(usage=3, selector=1, matching_type=1, data="ab"),)),
            ("not signed", "3 1 1 ab"),
        ),
        (
            HostFacts(
                a=Answer(status="found"),
                aaaa=Answer(status="none"),
                addresses=("10.0.0.1", "192.0.2.1"),
                refused=("10.0.0.1",),
            ),
            ("AAAA: no such record", "10.0.0.1, not contacted", "192.0.2.1"),
        ),
        (
            FetchFacts(outcome="redirect", status=301, location="https://www.example.com/"),
            ("redirect", "HTTP status 301", "Location: https://www.example.com/"),
        ),
        (
            FetchFacts(outcome="fetched", status=200, content_type="text/plain", bodies=("a\r\nb\n", "c")),
            ("fetched", "HTTP status 200", "Content-Type: text/plain", "a", "b", "at another try:", "c"),
        ),
        (
            MxTlsFacts(
                outcome="timeout",
                reason="r",
                failures=("closed",),
                without_sni_outcome="tls-failed",
                old_version="TLSv1",
            ),
            ("timeout: r", "at another try: closed", "without SNI: tls-failed", "TLSv1 is offered as well"),
        ),
    ],
)  # fmt: skip
def test_facts_are_told_one_thing_a_line(facts: Facts, expected: tuple[str, ...]) -> None:
    assert lines(facts) == expected


def test_a_certificate_tells_what_a_renewal_keeps_apart_from_what_it_changes() -> None:
    face = Face(version="TLSv1.2", cipher="AES", chain=(certificate(), certificate(name="ca.example")), faults=(
        Fault(code=10, depth=0), Fault(code=18, depth=1), Fault(code=999, depth=1)))  # fmt: skip
    found = lines(MxTlsFacts(outcome="starttls", faces=(face,), without_sni=face))
    assert found[:2] == ("starttls", "TLSv1.2 AES")
    assert [line.partition(" ")[0] for line in found[2:8]] == ["leaf"] * 3 + ["chain"] * 3
    assert found[2].endswith(" for mx1.example.com")
    assert found[3].startswith("leaf issuer ")
    assert found[3].endswith(", EC secp256r1")
    assert found[4] == "leaf until 2026-06-08 12:00Z, serial 1"
    assert list(found[8:11]) == ["at depth 0: expired", "at depth 1: self-signed", "at depth 1: fault 999"]
    assert lines(tls(read(b"no certificate")))[2].startswith("leaf unreadable: ")


def test_however_much_a_server_says_few_lines_are_told() -> None:
    flood = FetchFacts(outcome="fetched", bodies=("\n" * 60_000,))
    assert lines(flood)[-1] == "and 59601 lines more"
    assert len(lines(flood)) == 401
    assert max(map(len, lines(FetchFacts(outcome="fetched", bodies=("x" * 60_000,))))) == 1_000
    other = FetchFacts(outcome="fetched", bodies=("a\nb\n" * 15_000,))
    [change, _] = changes(past({ADDRESS: flood}, {ADDRESS: other}))
    assert len(change.lines) == 201
    assert change.lines[-1].endswith(" lines more")


# Changes.


def test_the_first_look_is_one_change() -> None:
    found = past({"_mta-sts.example.com": sts(), "example.com": mxs("mx1.example.com"), ADDRESS: tls(certificate())})
    [change] = changes(found)
    assert change == (NOON, None, "", "", "desk", "first seen", ())
    assert changes([]) == []


def test_a_change_says_what_when_and_since_when_at_the_latest() -> None:
    same = {"example.com": mxs("mx1.example.com", "mx2.example.com")}
    found = past(same, same, {"example.com": mxs("mx1.example.com", "mx3.example.com")})
    [change, first] = changes(found)
    assert change[:6] == (at(2), at(1), "mx", "example.com", "desk", "MX set changed")
    assert change.lines == (" 10 mx1.example.com", "-20 mx2.example.com", "+20 mx3.example.com")
    assert first.what == "first seen"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (sts("a"), sts("b"), "id changed"),
        (sts("a"), TxtFacts(kind="mta-sts-record", status="none"), "record changed"),
        (sts("a"), TxtFacts(kind="mta-sts-record", status="found", records=("v=STSv1;id=a",)), "record changed"),
        (mxs("a.example"), MxFacts(status="found", hosts=mxs("a.example").hosts, secure=True), "answer changed"),
        (policy("testing"), policy("enforce"), "policy changed"),
        (policy(), FetchFacts(outcome="http-status", status=404), "fetched, now http-status"),
        (policy(), policy().model_copy(update={"content_type": "text/html"}), "answer changed"),
        (tls(certificate(90)), tls(certificate(180)), "certificate renewed"),
        (tls(certificate(90)), tls(certificate(30)), "certificate changed"),
        (tls(certificate(90)), tls(certificate(180, "other.example")), "certificate changed"),
        (tls(certificate()), tls(certificate(), certificate(name="ca.example")), "chain changed"),
        (tls(certificate()), tls(certificate(), version="TLSv1.2"), "TLS changed"),
        (tls(certificate()), MxTlsFacts(outcome="no-starttls"), "starttls, now no-starttls"),
        (tls(certificate()), tls(certificate()).model_copy(update={"old_version": "TLSv1"}), "answer changed"),
        (TlsaFacts(status="none"), TlsaFacts(status="bogus"), "answer changed"),
        (
            HostFacts(a=Answer(status="none"), aaaa=Answer(status="none")),
            HostFacts(a=Answer(status="found"), aaaa=Answer(status="none"), addresses=("192.0.2.1",)),
            "addresses changed",
        ),
    ],
)
def test_a_change_has_words_of_its_kind(before: Facts, after: Facts, expected: str) -> None:
    [change, _] = changes(past({ADDRESS: before}, {ADDRESS: after}))
    assert change.what == expected
    assert change.lines


def test_what_could_not_be_reached_and_is_then_the_same_has_not_changed() -> None:
    good = {ADDRESS: tls(certificate())}
    found = changes(past(good, {ADDRESS: silent()}, {ADDRESS: silent("refused")}, good))
    assert told(found) == [(3, ADDRESS, "reached"), (1, ADDRESS, "not reached"), (0, "", "first seen")]
    assert [change.lines for change in found] == [(), ("+timeout: no answer in 20 s",), ()]


def test_what_could_not_be_reached_and_is_then_another_is_compared_with_what_it_was() -> None:
    found = changes(past({ADDRESS: tls(certificate(90))}, {ADDRESS: silent()}, {ADDRESS: tls(certificate(180))}))
    assert told(found)[0] == (2, ADDRESS, "certificate renewed")
    assert [line[:11] for line in found[0].lines] == [" leaf issue", "-leaf until", "+leaf until"]


def test_what_was_never_reached_before_is_told_in_full() -> None:
    [change, _] = changes(past({"example.com": MxFacts(status="failed")}, {"example.com": mxs("mx1.example.com")}))
    assert (change.what, change.lines) == ("reached", ("+10 mx1.example.com",))


def test_things_come_go_and_come_back() -> None:
    one: Look = {"example.com": mxs("mx2.example.com")}
    two: Look = {"example.com": mxs("mx1.example.com"), ADDRESS: tls(certificate())}
    found = [change for change in changes(past(one, two, one, one, two)) if change.subject == ADDRESS]
    assert told(found) == [(4, ADDRESS, "back"), (2, ADDRESS, "gone"), (1, ADDRESS, "first seen")]
    assert [change.not_before for change in found] == [at(3), at(1), at(0)]
    assert [{line[0] for line in change.lines} for change in found] == [set(), {"-"}, {"+"}]


def test_what_was_gone_while_nothing_else_began_or_ended_is_back() -> None:
    other = {"a [192.0.2.1]": silent("no-starttls")}
    both = other | {ADDRESS: tls(certificate())}
    # The look in between left its mark on no row; that there are two equal rows tells that it was made.
    assert told(changes(past(both, other, both)))[0] == (2, ADDRESS, "back")
    assert told(changes(past(both, other, other | {ADDRESS: silent()})))[0] == (2, ADDRESS, "not reached")


def test_what_is_gone_at_the_last_look_is_gone() -> None:
    both: Look = {"example.com": mxs("mx1.example.com"), ADDRESS: tls(certificate())}
    assert told(changes(past(both, {"example.com": mxs("mx2.example.com")}))) == [
        (1, "example.com", "MX set changed"),
        (1, ADDRESS, "gone"),
        (0, "", "first seen"),
    ]


def test_places_are_compared_with_themselves_only() -> None:
    desk, rack = past({ADDRESS: tls(certificate(90))}), past({ADDRESS: tls(certificate(180))}, vantage="rack")
    assert [change.vantage for change in changes([*desk, *rack])] == ["desk", "rack"]


# Ids and policies.

FIRST, SECOND = (f"mode={mode} max_age=86400 mx=mx1.example.com" for mode in ("testing", "enforce"))


def stood(policy_id: str | None, found: Facts, *more: Facts) -> dict[str, Facts]:
    """Return a look that found this id and this policy, at each of several addresses."""
    look: dict[str, Facts] = {
        f"mta-sts.example.com [192.0.2.{place}]": facts for place, facts in enumerate((found, *more), 1)
    }
    look["_mta-sts.example.com"] = sts(policy_id) if policy_id else TxtFacts(kind="mta-sts-record", status="none")
    return look


def test_versions_are_pairs_of_id_and_policy_over_time() -> None:
    old, new = policy("testing"), policy("enforce")
    found = versions(past(stood(None, old), stood("a", old), stood("a", old), stood("a", new), stood("b", new)))
    assert found == [
        Version(None, FIRST, at(0), at(0)),
        Version("a", FIRST, at(1), at(2)),
        Version("a", SECOND, at(3), at(3)),
        Version("b", SECOND, at(4), at(4)),
    ]


def test_text_that_differs_only_in_form_is_one_version_and_no_policy_is_its_own_text() -> None:
    other = policy().model_copy(
        update={"bodies": ("version: STSv1\r\nmax_age: 86400\r\nmode: testing\r\nmx: MX1.example.com",)}
    )
    broken = policy().model_copy(update={"bodies": ("Mode: testing",)})
    found = versions(past(stood("a", policy()), stood("a", other), stood("a", broken)))
    assert [(version.policy, version.since) for version in found] == [(FIRST, at(0)), ("Mode: testing", at(2))]


def test_looks_that_could_not_tell_end_no_version() -> None:
    good = stood("a", policy())
    failed = good | {"_mta-sts.example.com": TxtFacts(kind="mta-sts-record", status="failed")}
    found = versions(past(good, failed, stood("a", FetchFacts(outcome="timeout")), good))
    assert found == [Version("a", FIRST, at(0), at(3))]


def test_addresses_that_differ_are_versions_side_by_side() -> None:
    old, new = policy("testing"), policy("enforce")
    found = versions(past(stood("a", old, old), stood("a", new, old), stood("a", new, new)))
    assert found == [Version("a", FIRST, at(0), at(1)), Version("a", SECOND, at(1), at(2))]


def faults(*looks: Look) -> list[IdFault]:
    return id_faults(versions(past(*looks)))


def test_a_policy_that_changed_under_its_id_is_a_fault_until_the_id_changes() -> None:
    old, new = policy("testing"), policy("enforce")
    assert faults(stood("a", old), stood("a", new)) == [IdFault("id-kept", "a", at(1), None)]
    assert faults(stood("a", old), stood("a", new), stood("b", new)) == [IdFault("id-kept", "a", at(1), at(2))]


def test_addresses_that_go_on_to_differ_are_no_change_under_an_id() -> None:
    old, new = policy("testing"), policy("enforce")
    assert faults(stood("a", old, new), stood("a", old, new)) == []
    # One after the other, as they are brought up to date: that is a change.
    assert faults(stood("a", old, old), stood("a", new, old), stood("a", new, new)) == [
        IdFault("id-kept", "a", at(1), None)
    ]


def test_an_id_that_changed_before_the_policy_is_told_apart() -> None:
    old, new = policy("testing"), policy("enforce")
    found = faults(stood("a", old), stood("b", old), stood("b", new))
    assert found[-1] == IdFault("id-first", "b", at(2), None)


def test_an_id_that_comes_back_for_another_policy_is_a_fault() -> None:
    old, new, newer = policy("testing"), policy("enforce"), policy("enforce", 604_800)
    assert faults(stood("a", old), stood("b", new), stood("a", newer)) == [IdFault("id-reused", "a", at(2), None)]


def test_an_id_that_changes_alone_is_told_and_one_that_follows_its_policy_is_not() -> None:
    old = policy()
    assert faults(stood("a", old), stood("b", old)) == [IdFault("id-only", "b", at(1), None)]
    assert faults(stood(None, old), stood("a", old)) == []
    assert faults(stood("a", old), stood("b", policy("enforce"))) == []
    assert faults() == []


# How long a policy is enforced.


def test_a_policy_is_enforced_for_its_age_after_it_was_last_seen() -> None:
    seen = past(stood("a", policy("enforce", 604_800)), stood("b", policy("testing")), {"example.com": mxs()})
    assert enforced_until(seen, at(2)) == NOON + timedelta(days=7)
    assert enforced_until(seen, NOON + timedelta(days=7)) is None
    assert enforced_until(past(stood("b", policy("testing"))), NOON) is None


def test_the_longest_of_all_policies_that_were_enforced_counts() -> None:
    seen = past(stood("a", policy("enforce", 31_536_000)), stood("b", policy("enforce", 86_400)))
    assert enforced_until(seen, at(1)) == NOON + timedelta(days=365)


def test_a_policy_that_no_sender_took_is_not_enforced() -> None:
    face = Face(version="TLSv1.3", cipher="AES", chain=(certificate(),), faults=(Fault(code=18, depth=0),))
    untrusted = policy("enforce").model_copy(update={"face": face})
    broken = policy("enforce").model_copy(update={"bodies": ("version: STSv1\nmode: enforce\nmax_age: 86400",)})
    assert enforced_until(past(stood("a", untrusted), stood("a", broken)), at(1)) is None
