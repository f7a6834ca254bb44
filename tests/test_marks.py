"""What happened at a domain on which day, from looks, reports and recorded repairs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from histories import DAY, DOMAIN, GOOGLE, counted, history, stored

from queries import readiness
from tlsrpt.enforce.marks import Mark, differs, marks

if TYPE_CHECKING:
    from histories import History

OLD = "mode=testing max_age=86400 mx=mx1.example.com,mx2.example.com"


def happened(found: History, kind: str) -> list[Mark]:
    return [one for one in marks(readiness.evidence(stored(found), DOMAIN, found.now)) if one.kind == kind]


def ago(days: int) -> date:
    return DAY - timedelta(days=days)


def test_the_day_of_enforce_and_what_the_policy_changed_are_marked() -> None:
    found = history().since(5, mode="enforce", max_age=604_800, id="b")
    [policy] = happened(found, "policy")
    assert policy == (ago(5), "policy", "policy: mode testing, now enforce, max_age 86,400, now 604,800")
    [enforce] = happened(found, "enforce")
    assert enforce == (ago(5), "enforce", "in force: a look found mode enforce, max_age 604,800")
    assert happened(history(), "policy") == happened(history(), "enforce") == []


def test_a_policy_in_force_at_the_first_look_has_that_day() -> None:
    [enforce] = happened(history(mode="enforce"), "enforce")
    assert enforce.words == "in force: so the first look found it"


def test_senders_that_see_another_policy_first_are_marked_on_their_day() -> None:
    other = ("version: STSv1", "mode: enforce", "mx: mx.elsewhere.example", "max_age: 604800")
    found = history(others=[counted("sts", 3, GOOGLE, 3, lines=other)])
    [seen] = happened(found, "senders")
    assert seen.day == ago(3)
    assert seen.words.startswith("senders saw mode enforce, max_age 604,800, mx mx.elsewhere.example: never seen")


def test_without_any_look_senders_tell_when_enforce_began() -> None:
    found = history(looks=()).since(4, mode="enforce", id="b")
    [enforce] = happened(found, "enforce")
    assert enforce == (ago(3), "enforce", "in force: senders saw mode enforce; nobody looked at the domain")


def test_hosts_whose_certificates_change_alike_on_one_day_are_one_mark() -> None:
    found = happened(history(left=80), "certificate")
    [renewed] = [one for one in found if one.words.startswith("certificate renewed")]
    assert "mx1.example.com, mx2.example.com" in renewed.words


def test_another_set_of_mxs_is_marked() -> None:
    [mark] = happened(history().since(2, mx=("mx1", "mx3"), id="b"), "mx")
    assert mark == (ago(2), "mx", f"MX set changed: {DOMAIN}, after {ago(3)}")


def test_a_recorded_repair_is_marked_with_its_place() -> None:
    [fix] = happened(history(repairs=(("certificate-expired", "mx2", 2),)), "fix")
    assert fix == (ago(2), "fix", "repair recorded: certificate-expired at mx2.example.com")


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ("mode=enforce max_age=86400 mx=mx1.example.com,mx2.example.com", ["mode testing, now enforce"]),
        ("mode=testing max_age= mx=mx1.example.com,mx2.example.com", ["max_age 86,400, now ?"]),
        ("mode=testing max_age=86400 mx=mx2.example.com,mx3.example.com", ["mx -mx1.example.com +mx3.example.com"]),
        ("mode=none max_age=86400 mx=", ["mode testing, now none", "mx -mx1.example.com -mx2.example.com"]),
        ("nonsense", ["what it says cannot be compared"]),
    ],
)
def test_policies_differ_in_words(after: str, words: list[str]) -> None:
    assert differs(OLD, after) == words
