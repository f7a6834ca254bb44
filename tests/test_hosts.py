"""What is known of each MX: from DNS, the policy, a look, and from whom in failures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from histories import DOMAIN, GOOGLE, NOW, OSIER, changed, counted, fails, history, servfail, stored, when

from queries import readiness
from tlsrpt.enforce.hosts import LastLook, MxHost, last_looks, mx_hosts
from tlsrpt.published import Settings

if TYPE_CHECKING:
    from histories import History

EXPIRED = "certificate-expired"
MX1, MX2, MX3, MX9 = (f"{name}.example.com" for name in ("mx1", "mx2", "mx3", "mx9"))


def hosts(found: History) -> dict[str, MxHost]:
    return {one.host: one for one in mx_hosts(readiness.evidence(stored(found), DOMAIN, found.now))}


def test_an_mx_that_no_report_names_has_the_look_as_its_only_evidence() -> None:
    found = hosts(history(failures=[fails(GOOGLE, 3, 2), fails(OSIER, 5, 1)]))
    assert list(found) == [MX1, MX2]
    assert found[MX1].evidence == "a look finds it good"
    assert found[MX2].evidence == "a look finds it good; named in failures by google.com, osier.example"
    assert (found[MX2].failed, found[MX2].last_day) == (3, date(2026, 5, 17))
    alone = hosts(history(looks=range(16, 1, -1)))
    assert alone[MX1].evidence == "none: no report names it, look at it (p)"


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        ("good", "PASS", "a look finds it good"),
        ("wrong-name", "FAIL", "a look finds it failing: mx2.example.com [198.51.100.75]: name in the CN only"),
        ("starttls-not-offered", "FAIL", "STARTTLS not offered"),
        ("timeout", "UNKNOWN", "none: no report names it"),
    ],
)
def test_the_newest_look_that_can_tell_says_how_tls_stands(kind: str, expected: str, words: str) -> None:
    found = hosts(history(mx2=kind))[MX2]
    assert found.looked == expected
    assert words in found.evidence
    assert hosts(history(mx2=kind))[MX1].looked == "PASS"


def test_a_look_with_other_settings_says_so() -> None:
    found = hosts(history(settings=Settings(smtp_port=2525)))[MX1]
    assert (found.looked, found.note) == ("PASS", "with other settings than senders have, smtp_port 2525")


def test_what_is_named_in_failures_and_not_looked_at_of_late_is_to_be_looked_at() -> None:
    found = hosts(history(failures=[fails(GOOGLE, 3, 1)], looks=range(16, 1, -1)))[MX2]
    assert found.evidence == "not looked at within a day (p); named in failures by google.com"


def test_dns_policy_and_the_days_in_dns_are_told_of_names_that_reports_know() -> None:
    site = history(failures=[fails(GOOGLE, 3, 1, EXPIRED, "mx3"), fails(GOOGLE, 5, 1, EXPIRED, "mx9")])
    found = hosts(site.but(mx=("mx1", "mx2", "mx3")).since(2, mx=("mx1", "mx2"), id="b"))
    assert list(found) == [MX1, MX2, MX3, MX9]
    told = {name: (one.in_dns, one.in_policy, one.seen_in_dns) for name, one in found.items()}
    today = date(2026, 5, 20)
    assert told == {
        MX1: (True, True, today),
        MX2: (True, True, today),
        MX3: (False, False, date(2026, 5, 17)),
        MX9: (False, False, None),
    }


def test_without_an_answer_of_dns_nothing_is_said_of_it() -> None:
    found = hosts(history(failures=[fails(GOOGLE, 3, 1)], facts={"@": servfail}))
    assert {name: one.in_dns for name, one in found.items()} == {MX2: None}


@pytest.mark.parametrize(("dropped", "expected"), [(0, False), (5, None)])
def test_a_name_may_be_among_those_that_were_not_looked_at(dropped: int, *, expected: bool | None) -> None:
    site = history(failures=[fails(GOOGLE, 3, 1, EXPIRED, "mx9")], facts={"@": changed(dropped=dropped)})
    assert hosts(site)[MX9].in_dns is expected


def test_sessions_of_two_policy_types_are_not_added_up() -> None:
    rows = (fails(GOOGLE, 3, 3, EXPIRED),)
    site = history(failures=[fails(GOOGLE, 3, 2, EXPIRED)], others=[counted("tlsa", 5, rows=rows)])
    assert hosts(site)[MX2].failed == 3


def test_what_was_told_before_the_window_names_nobody() -> None:
    found = history(failures=[fails(GOOGLE, 3, 1)])
    evidence = readiness.evidence(stored(found), DOMAIN, found.now)
    old = [row._replace(day=date(2026, 5, 4)) for row in evidence.failures]
    assert [one.organizations for one in mx_hosts(replace(evidence, failures=old))] == [(), ()]


def test_the_last_look_has_its_moment_and_the_certificate_that_ends_first() -> None:
    found = history(mx2="expired", looks=range(16, 2, -1))
    looks = last_looks(readiness.evidence(stored(found), DOMAIN, found.now))
    assert looks[MX1] == LastLook(when(3), NOW + timedelta(days=31))
    assert looks[MX2] == LastLook(when(3), NOW - timedelta(days=3.25))


def test_a_look_that_saw_no_certificate_is_a_look_still() -> None:
    found = history(mx2="timeout")
    assert last_looks(readiness.evidence(stored(found), DOMAIN, found.now))[MX2] == LastLook(when(0), None)


def test_what_a_look_alone_tells_of_the_mxs_is_the_same_as_with_the_whole_history() -> None:
    found = history(failures=[fails(GOOGLE, 3, 2), fails(OSIER, 5, 1)])
    store = stored(found)
    alone = readiness.looked(store, DOMAIN, found.now, days=28, failing=True)
    assert mx_hosts(alone) == mx_hosts(readiness.evidence(store, DOMAIN, found.now))
