"""Whose fault a failure is: histories that differ in one thing and are told apart, or left undetermined."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import pytest
from histories import (
    ANCHORS,
    GOOGLE,
    HERON,
    MICROSOFT,
    OSIER,
    Repair,
    changed,
    counted,
    fails,
    history,
    stored,
)

from queries import readiness
from tlsrpt.enforce.evidence import Covered, Place
from tlsrpt.enforce.fault import FAULTS, disagreements, fault
from tlsrpt.published import MxFacts, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from histories import History

    from tlsrpt.enforce.evidence import Evidence
    from tlsrpt.enforce.fault import Fault
    from tlsrpt.store import Store

EXPIRED, MISMATCH, UNTRUSTED = "certificate-expired", "certificate-host-mismatch", "certificate-not-trusted"
NO_STARTTLS, FETCH, BARE = "starttls-not-supported", "sts-policy-fetch-error", "validation-failure"
UNLISTED = "mx-not-in-policy"
MOX, STALWART = "mtasts-policy-mx-mismatch", "MX not authorized by policy."
THREE, TWO = ("mx1", "mx2", "mx3"), ("mx1", "mx2")
EVIL = ("version: STSv1", "mode: testing", "mx: mx.elsewhere.example", "max_age: 86400")


class Case(NamedTuple):
    """A history with one series, whose fault it is, and words of a fact."""

    name: str
    fault: str
    says: str
    history: History
    place: Place

    def __str__(self) -> str:
        return f"{self.name}: {self.fault}"


def known(found: History) -> Evidence:
    return readiness.evidence(stored(found), found.domain, found.now)


def of(evidence: Evidence, place: Place) -> Fault:
    rows = [row for row in evidence.failures if (row.cause, row.mx_key) == place]
    sts = [row for row in rows if row.policy_type == "sts"]
    assert rows
    return fault(evidence, place, sts or rows)


def at(mx: str, cause: str = EXPIRED) -> Place:
    return Place(cause, f"{mx}.example.com")


def expired(*orgs: str, ago: int = 3, **more: object) -> History:
    """Return a history in which organizations tell of an expired certificate at mx2."""
    return history(failures=[fails(org, ago, 1, EXPIRED) for org in orgs or (OSIER,)], **more)


def told(org: str = GOOGLE, result_type: str = BARE, mx: str = "mx2", reason: str = "", **more: object) -> History:
    """Return a history in which one organization tells something of three days ago."""
    return history(failures=[fails(org, 3, 1, result_type, mx, reason)], **more)


def both(result_type: str, other: str = HERON, **more: object) -> History:
    """Return a history in which two organizations tell the same of one day."""
    return history(failures=[fails(org, 3, 1, result_type) for org in (OSIER, other)], **more)


def added(org: str = GOOGLE, reason: str = "", mx: str = "mx3", **more: object) -> History:
    """Return a history in which mx3 was added to DNS alone, and an MX is told not to be in the policy."""
    return told(org, BARE, mx, reason, **more).but(mx=THREE, policy_mx=TWO)


ALONE = told(OSIER, NO_STARTTLS)
APART = history(failures=[fails(OSIER, 9), fails(OSIER, 3)])

CASES = [
    # An expired certificate
    Case("expired, told by two", "ours", "2 organizations", expired(OSIER, HERON), at("mx2")),
    Case("expired, told by a small one alone, good before and after", "sender", "clock", expired(), at("mx2")),
    Case("the same without any look", "undetermined", "look again", expired(looks=()), at("mx2")),
    Case("the same with a look afterwards only", "undetermined", "all the time", expired(looks=(0,)), at("mx2")),
    Case("the same by a large one", "undetermined", "seldom wrong", expired(GOOGLE), at("mx2")),
    Case("the same, and nobody else had sessions", "undetermined", "nobody else", expired(orgs=(OSIER,)), at("mx2")),
    Case("the same, renewed about that day", "undetermined", "all the time", expired().since(2, left=60), at("mx2")),
    Case(
        "the same, our look of then found it though today's is good", "ours", "found it as well",
        expired().since(5, mx2="expired").since(1, mx2="good"), at("mx2"),
    ),
    Case(
        "the same, our look found one that expired later", "undetermined", "something else",
        expired(ago=6, looks=(16, 2)).since(15, mx2="expired"), at("mx2"),
    ),
    Case(
        "the same, and a sender that sees no policy tells it too", "ours", "2 organizations",
        expired(OSIER, HERON, sees={HERON: "no-policy-found"}), at("mx2"),
    ),
    Case(
        "the same, and another tells of another name there", "undetermined", f"google.com told of {MISMATCH} there",
        history(failures=[fails(OSIER, 3, 1, EXPIRED), fails(GOOGLE, 3, 1)]), at("mx2"),
    ),
    Case(
        "the same, and another tells of another name elsewhere", "sender", "clock",
        history(failures=[fails(OSIER, 3, 1, EXPIRED), fails(GOOGLE, 3, 1, mx="mx1")]), at("mx2"),
    ),
    Case(
        "the same, it ended with a repair that a look agrees with", "ours", "repair",
        expired(repairs=[Repair(EXPIRED, "mx2", 2)]), at("mx2"),
    ),
    Case(
        "the same, looked at with an authority of one's own", "undetermined", "look again",
        expired(settings=Settings(ca_file="own.pem")), at("mx2"),
    ),
    # Other certificates
    Case("not trusted, by a small one", "sender", "authorities", told(OSIER, UNTRUSTED), at("mx2", UNTRUSTED)),
    Case("not trusted, by a large one", "undetermined", "seldom wrong", told(GOOGLE, UNTRUSTED), at("mx2", UNTRUSTED)),
    Case("not trusted, by two, one of them large", "ours", "2 organizations", both(
        UNTRUSTED, GOOGLE), at("mx2", UNTRUSTED)),
    Case("not trusted, by two small ones, good before and after, and fine at large ones", "undetermined", "may be old",
        both(UNTRUSTED), at("mx2", UNTRUSTED)),
    Case("the same, and no large one had sessions", "ours", "2 organizations", both(UNTRUSTED, orgs=(OSIER, HERON)),
        at("mx2", UNTRUSTED)),
    Case("another name, by two small ones, and fine at large ones", "undetermined", "Postfix", both(MISMATCH),
        at("mx2", MISMATCH)),
    Case("the same, and nobody looked", "ours", "2 organizations", both(MISMATCH, looks=()), at("mx2", MISMATCH)),
    Case(
        "not trusted, and our look finds the intermediate missing", "ours", "its issuer was not sent",
        told(OSIER, UNTRUSTED, mx2="missing-intermediate"), at("mx2", UNTRUSTED),
    ),
    Case(
        "another name, by one", "undetermined", "a machine of a pool", told(OSIER, MISMATCH), at("mx2", MISMATCH),
    ),
    Case(
        "another name, and our look finds it", "ours", "found it as well",
        told(OSIER, MISMATCH, mx2="wrong-name"), at("mx2", MISMATCH),
    ),
    Case(
        "another name, and our look finds a wildcard in part of a label", "ours", "part of a label",
        told(OSIER, MISMATCH, mx2="partial-wildcard"), at("mx2", MISMATCH),
    ),
    Case(
        "another name, and our look finds no STARTTLS", "undetermined", "something else",
        told(OSIER, MISMATCH, mx2="starttls-not-offered"), at("mx2", MISMATCH),
    ),
    Case(
        "Stalwart's handwriting", "sender", "Stalwart calls every certificate fault",
        told(OSIER, UNTRUSTED, reason="invalid peer certificate: UnknownIssuer"), at("mx2", UNTRUSTED),
    ),
    Case(
        "Stalwart's word for an expired one", "sender", "clock",
        told(OSIER, UNTRUSTED, reason="invalid peer certificate: Expired"), at("mx2"),
    ),
    Case(
        "another name on two days, and our look finds it on one of them", "ours", "found it as well",
        APART.since(10, mx2="wrong-name").since(7, mx2="good"), at("mx2", MISMATCH),
    ),
    Case(
        "the same, and our look finds it in between only", "undetermined", "a machine of a pool",
        APART.but(failures=[fails(OSIER, 14), fails(OSIER, 3)]).since(10, mx2="wrong-name").since(7, mx2="good"),
        at("mx2", MISMATCH),
    ),
    # STARTTLS
    Case("no STARTTLS from one network", "undetermined", "seriously", ALONE, at("mx2", NO_STARTTLS)),
    Case("no STARTTLS from two", "ours", "2 organizations", history(
        failures=[fails(OSIER, 3, 1, NO_STARTTLS), fails(GOOGLE, 5, 1, NO_STARTTLS)]), at("mx2", NO_STARTTLS)),
    Case(
        "no STARTTLS from one network and from ours", "ours", "found it as well",
        ALONE.but(mx2="starttls-not-offered"), at("mx2", NO_STARTTLS),
    ),
    # What the sender does not explain
    Case("bare, Microsoft alone", "undetermined", "Microsoft was seen", told(MICROSOFT), at("mx2", "unexplained")),
    Case("bare, two of them", "undetermined", "no sender says", history(
        failures=[fails(GOOGLE, 3, 1, BARE), fails(MICROSOFT, 3, 1, BARE)]), at("mx2", "unexplained")),
    Case(
        "bare, and our look finds the wrong name", "ours", "what may be it",
        told(MICROSOFT, mx2="wrong-name"), at("mx2", "unexplained"),
    ),
    Case("a word of its own, by two", "undetermined", "of their own", history(
        failures=[fails(OSIER, 3, 1, "tls-odd"), fails(HERON, 3, 1, "tls-odd")]), at("mx2", "tls-odd")),
    Case(
        "no common cipher, by two", "undetermined", "too old", history(
            failures=[fails(OSIER, 3, 1, BARE, "mx2", "no shared cipher"),
                      fails(HERON, 3, 1, BARE, "mx2", "no shared cipher")]), at("mx2", "tls-negotiation"),
    ),
    Case(
        "no common cipher, and ours is too old for everybody", "ours", "TLS 1.2",
        told(OSIER, reason="no shared cipher", mx2="tls-too-old"), at("mx2", "tls-negotiation"),
    ),
    Case(
        "a timeout", "transient", "tries again",
        told(OSIER, reason="io-timeout-during-handshake"), at("mx2", "transient"),
    ),
    Case("timeouts of two on two days", "transient", "several days", history(
        failures=[fails(OSIER, 3, 1, BARE, "mx2", "i/o timeout"), fails(HERON, 5, 1, BARE, "mx2", "i/o timeout")]),
        at("mx2", "transient")),
    # The policy
    Case("fetch error at one, fine at others", "undetermined", "does not refute", told(
        MICROSOFT, FETCH, ""), Place(FETCH, "*")),
    Case("fetch error at two", "ours", "2 organizations", history(
        failures=[fails(MICROSOFT, 3, 1, FETCH, ""), fails(OSIER, 3, 1, FETCH, "")]), Place(FETCH, "*")),
    Case(
        "fetch error at one, and our look got status 404 on that day", "ours", "status",
        told(MICROSOFT, FETCH, "").since(3, policy_host="http-status").since(2, policy_host="good"), Place(FETCH, "*"),
    ),
    Case(
        "invalid for one, though strictly valid", "undetermined", "stricter",
        told(OSIER, "sts-policy-invalid", ""), Place("sts-policy-invalid", "*"),
    ),
    Case(
        "invalid for one, and known to be refused by some", "ours", "KumoMTA", told(
            OSIER, "sts-policy-invalid", "",
            body="version: STSv1\nmode: testing\nmode: testing\nmx: mx1.@\nmx: mx2.@\nmax_age: 86400\n"),
        Place("sts-policy-invalid", "*"),
    ),
    Case(
        "certificate of the policy host, and our look finds another fault", "undetermined", "something else", told(
            OSIER, "sts-webpki-invalid", "", body="\ufeffversion: STSv1\nmode: testing\nmx: mx1.@\nmax_age: 86400\n"),
        Place("sts-webpki-invalid", "*"),
    ),
    Case(
        "certificate of the policy host, and our look finds it", "ours", "found it as well",
        told(OSIER, "sts-webpki-invalid", "", policy_host="wrong-name"), Place("sts-webpki-invalid", "*"),
    ),
    # An MX that the policy does not cover
    Case(
        "MX in DNS and not in the policy", "ours", "does not cover it", added(), at("mx3", UNLISTED),
    ),
    Case("MX never in DNS", "undetermined", "tampered", told(mx="mx9"), at("mx9", UNLISTED)),
    Case("MX never in DNS, told by two", "undetermined", "tell the same", history(
        failures=[fails(GOOGLE, 3, 1, BARE, "mx9"), fails(OSIER, 3, 1, BARE, "mx9")]), at("mx9", UNLISTED)),
    Case(
        "MX not in DNS, which has more than are looked at", "undetermined", "not all of it",
        told(mx="mx9", facts={"@": changed(dropped=5)}), at("mx9", UNLISTED),
    ),
    Case(
        "MX in DNS, and nobody looked", "undetermined", "not looked at",
        added(looks=()), at("mx3", UNLISTED),
    ),
    Case(
        "MX in DNS, and looks began later", "undetermined", "not looked at",
        added(looks=(0,)), at("mx3", UNLISTED),
    ),
    Case(
        "MX in DNS, covered since, and the sender had the earlier policy", "ours", "before caches",
        added().since(2, policy_mx=THREE, id="b"), at("mx3", UNLISTED),
    ),
    Case(
        "the same, and the sender had it longer than any cache may", "undetermined", "longer than any cache",
        added(OSIER, behind={OSIER: 8}).since(10, policy_mx=THREE, id="b"), at("mx3", UNLISTED),
    ),
    Case(
        "MX that left DNS long before", "undetermined", "was an MX on 2026-05-09",
        added().since(10, mx=TWO), at("mx3", UNLISTED),
    ),
    Case(
        "MX that left DNS on the day before", "ours", "the policy does not cover it",
        added().since(4, mx=TWO), at("mx3", UNLISTED),
    ),
    Case(
        "the sender quotes a policy that covers the MX", "sender", "quotes covers",
        told(OSIER, mx="mx2", reason=MOX), at("mx2", UNLISTED),
    ),
    Case(
        "mox's handwriting", "ours", "mox adds such rows", added(OSIER, MOX),
        at("mx3", UNLISTED),
    ),
    Case(
        "Stalwart's handwriting", "ours", "Stalwart refuses", added(OSIER, STALWART),
        at("mx3", UNLISTED),
    ),
    Case(
        "the sender had a policy of nobody known", "undetermined", "never seen to be published", history(
            others=[counted("sts", 3, OSIER, rows=(fails(OSIER, 3, 1, BARE),), lines=EVIL)]), at("mx2", UNLISTED),
    ),
    Case(
        "no MX named, and DNS has one that the policy lacks", "ours", "mx3.example.com",
        added(OSIER, STALWART, mx=""), Place(UNLISTED, "*"),
    ),
    Case(
        "no MX named, and the policy has all of them", "undetermined", "does not name",
        told(OSIER, mx="", reason=STALWART), Place(UNLISTED, "*"),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Yield one store with every case, each about a domain of its own: a store for each takes far longer."""
    with closing(stored(*(case.history.but(domain=of_case(number)) for number, case in enumerate(CASES)))) as found:
        yield found


def of_case(number: int) -> str:
    return f"case{number}.example"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_a_failure_is_told_to_be(number: int, store: Store) -> None:
    case, domain = CASES[number], of_case(number)
    evidence = readiness.evidence(store, domain, case.history.now)
    found = of(evidence, case.place._replace(mx_key=case.place.mx_key.replace("example.com", domain)))
    assert found.fault == case.fault, found
    assert any(case.says.replace("example.com", domain) in fact for fact in found.facts), found


def test_every_fault_is_told_of_some_case_and_each_says_why() -> None:
    assert {case.fault for case in CASES} == set(FAULTS)


# What DANE senders tell

SIGNED = {"tlsa": TWO}


@pytest.mark.parametrize(
    ("secure", "others", "expected"), [(True, 5, "sender"), (None, 5, "undetermined"), (True, 0, "undetermined")]
)
def test_dnssec_is_the_senders_only_if_it_validates_here_and_elsewhere(
    *, secure: bool | None, others: int, expected: str
) -> None:
    rows = (fails(OSIER, 3, 1, "dnssec-invalid", "mx1"),)
    more = [counted("tlsa", 0, OSIER, rows=rows), counted("tlsa", others, GOOGLE, lines=("3 1 1 ab",))]
    evidence = known(history(others=more, secure=secure, **SIGNED))
    assert of(evidence, at("mx1", "dnssec-invalid")).fault == expected


@pytest.mark.parametrize(("orgs", "expected"), [((OSIER,), "undetermined"), ((OSIER, HERON), "ours")])
def test_records_that_do_not_match_are_ours_by_two(orgs: tuple[str, ...], expected: str) -> None:
    more = [counted("tlsa", 0, org, rows=(fails(org, 3, 1, "tlsa-invalid", "mx1"),)) for org in orgs]
    assert of(known(history(others=more, **SIGNED)), at("mx1", "tlsa-invalid")).fault == expected


def test_a_partner_that_insists_on_dane_is_nobodys_fault_however_many_there_are() -> None:
    more = [counted("tlsa", 0, org, rows=(fails(org, 3, 1, "dane-required", "mx1"),)) for org in (OSIER, HERON)]
    found = of(known(history(others=more)), at("mx1", "dane-required"))
    assert found.fault == "undetermined"
    assert "agree on DANE" in found.facts[0]


def test_a_domain_without_mx_records_is_its_own_mx() -> None:
    evidence = known(told(mx="example.com", facts={"@": MxFacts(status="none")}))
    found = of(evidence, Place(UNLISTED, "example.com"))
    assert found.fault == "ours"
    assert "example.com was an MX in DNS" in found.facts[0]


# One place under two names


def test_an_mx_and_its_address_are_one_place() -> None:
    evidence = known(expired(OSIER, HERON))
    address = next(
        seen.address for seen in evidence.looks[0].observations if seen.subject.startswith("mx2.example.com [")
    )
    moved = [
        row._replace(mx_key=f"ip:{address}") if row.organization == HERON else row for row in evidence.failures
    ]  # fmt: skip
    assert of(replace(evidence, failures=moved), at("mx2")).fault == "ours"
    strange = [row._replace(mx_key="ip:192.0.2.99") if row.organization == HERON else row for row in evidence.failures]
    assert of(replace(evidence, failures=strange), at("mx2")).fault == "sender"


def test_who_tells_the_same_cause_elsewhere_is_no_witness_against_the_sender() -> None:
    failures = [fails(OSIER, 3, 1, EXPIRED), *(fails(org, 3, 1, EXPIRED, "mx1") for org in (*ANCHORS, HERON))]
    found = of(known(history(failures=failures)), at("mx2"))
    assert found.fault == "undetermined"
    assert any("nobody else" in fact for fact in found.facts)


@pytest.mark.parametrize(
    ("cause", "kind", "expected"),
    [(NO_STARTTLS, "starttls-not-offered", "undetermined"), (MISMATCH, "wrong-name", "ours")],
)
def test_what_something_on_the_way_can_bring_about_needs_places_that_agree(
    cause: str, kind: str, expected: str
) -> None:
    desk = known(told(OSIER, cause, mx2=kind, vantages=("desk",)))
    assert of(desk, at("mx2", cause)).fault == "ours"
    server = known(told(OSIER, cause, vantages=("server",)))
    two = replace(desk, past=[*desk.past, *server.past], looks=[*desk.looks, *server.looks])
    assert of(two, at("mx2", cause)).fault == expected


@pytest.mark.parametrize(("first", "expected"), [(date(2026, 5, 17), "undetermined"), (date(2026, 5, 11), "ours")])
def test_a_report_of_several_days_may_be_about_any_of_them(first: date, expected: str) -> None:
    evidence = known(told(OSIER, MISMATCH).since(9, mx2="wrong-name").since(8, mx2="good"))
    [row] = evidence.failures
    whole = Covered(row.policy_domain, OSIER, row.day, row.canonical, row.evaluated, first, row.day)
    assert of(replace(evidence, covered=[whole]), at("mx2", MISMATCH)).fault == expected


# Side by side


def of_day(found: History, mx: str = "mx2.example.com") -> dict[str, str]:
    evidence = known(found)
    [one] = [one for one in disagreements(evidence, evidence.failures) if one.mx_key == mx]
    assert one.day == date(2026, 5, 17)
    return dict(one.told)


def test_who_fails_stands_beside_who_does_not_and_no_success_is_laid_at_an_mx() -> None:
    found = of_day(told(GOOGLE, MISMATCH))
    assert found[GOOGLE] == "certificate-host-mismatch 1"
    assert found[OSIER] == "12 succeeded, none failed (MX not told)"
    assert next(iter(found)) == GOOGLE


def test_who_failed_elsewhere_is_told_so() -> None:
    found = of_day(history(failures=[fails(GOOGLE, 3, 1), fails(OSIER, 3, 2, EXPIRED, "mx1")]))
    assert found[OSIER] == "10 succeeded (MX not told), 2 failed, none of them told of here"


@pytest.mark.parametrize(
    ("second", "expected"), [((EXPIRED, 1), 1), ((MISMATCH, 1), 0), ((MISMATCH, 2), 0)]
)  # fmt: skip
def test_reporters_disagree_by_what_they_tell_and_not_by_how_often(second: tuple[str, int], expected: int) -> None:
    result_type, number = second
    both = history(orgs=ANCHORS, failures=[fails(GOOGLE, 3, 1), fails(MICROSOFT, 3, number, result_type)])
    assert len(disagreements(known(both), known(both).failures)) == expected


def test_what_is_told_under_another_policy_type_is_not_compared() -> None:
    rows = (fails(OSIER, 3, 1, "tlsa-invalid", "mx1"),)
    alone = known(history(others=[counted("tlsa", 0, OSIER, rows=rows)]))
    assert disagreements(alone, alone.failures) == []
    more = [counted("tlsa", 0, OSIER, rows=rows), counted("tlsa", 7, GOOGLE, lines=("3 1 1 ab",))]
    both = known(history(others=more))
    [one] = disagreements(both, both.failures)
    assert one.told == ((OSIER, "tlsa-invalid 1"), (GOOGLE, "7 succeeded, none failed (MX not told)"))


def test_the_newest_day_comes_first() -> None:
    evidence = known(history(failures=[fails(GOOGLE, 5, 1), fails(GOOGLE, 3, 1)]))
    found = disagreements(evidence, evidence.failures)
    assert [one.day for one in found] == [date(2026, 5, 17), date(2026, 5, 15)]
