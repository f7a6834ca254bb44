"""Blast radius: what enforce would have held back, in histories that differ in one thing."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from histories import (
    DAY,
    DOMAIN,
    GOOGLE,
    HERON,
    MICROSOFT,
    OSIER,
    Forged,
    Repair,
    counted,
    fails,
    history,
    stored,
)
from reports import changed, document, policy, row
from shelf import put

from queries import readiness
from tlsrpt.enforce.blast import blast, other

if TYPE_CHECKING:
    from collections.abc import Iterator

    from histories import History

    from tlsrpt.enforce.blast import Damage
    from tlsrpt.store import Store

EXPIRED, MISMATCH, FETCH, BARE = (
    "certificate-expired",
    "certificate-host-mismatch",
    "sts-policy-fetch-error",
    "validation-failure",
)
MOX = "mtasts-policy-mx-mismatch"
THREE, TWO = ("mx1", "mx2", "mx3"), ("mx1", "mx2")
ONCE = fails(OSIER, 3, 2)  # sessions of one day, at mx2
REPAIRED = (Repair(MISMATCH, "mx2", 2),)


class Case(NamedTuple):
    """A history, and what of it enforce would have held back."""

    name: str
    sessions: int
    mended: int
    statuses: tuple[str, ...]  # of the damages
    history: History
    days: int | None = None


def sts(*rows: object, failed: int | None = None, successful: int = 10, **more: object) -> History:
    """Return a history with one more entry under MTA-STS, of one organization on one day."""
    return history(others=[counted("sts", successful, OSIER, rows=rows, failed=failed)], **more)


def under(policy_type: str, *rows: object, **more: Any) -> History:
    """Return a history with one more entry under a policy type."""
    return history(others=[counted(policy_type, 10, OSIER, rows=rows, **more)])


def one(result_type: str, mx: str = "mx2", sessions: int = 1, reason: str = "") -> object:
    return fails(OSIER, 3, sessions, result_type, mx, reason)


def listed_late(**more: object) -> History:
    """Return a history in which mx3 stood in DNS alone when a sender met it."""
    return history(failures=[fails(OSIER, 3, 2, BARE, "mx3")], **more).but(mx=THREE, policy_mx=TWO)


TWICE = (one(EXPIRED, "mx1"), one(MISMATCH))  # one session in two rows
GONE = history(failures=[fails(OSIER, 12, 2, EXPIRED, "mx3")], mx=THREE)

CASES = [
    Case("nothing failed", 0, 0, (), history()),
    Case("two sessions of another name", 2, 0, ("open",), history(failures=[ONCE])),
    # What enforce does not touch
    Case("two under DANE", 0, 0, (), under("tlsa", ONCE)),
    Case("two of a sender that sees no policy", 0, 0, (), under("no-policy-found", ONCE)),
    Case("two that could not fetch the policy", 0, 0, (), sts(one(FETCH, "", 2))),
    Case("two that timed out", 0, 0, (), sts(one(BARE, "mx2", 2, "i/o timeout"))),
    Case("two that nothing explains count, for safety", 2, 0, ("open",), sts(one(BARE, "mx2", 2))),
    Case("two without details do not", 0, 0, (), sts(failed=2)),
    # Summaries and details
    Case("more in the details than in the summary", 2, 0, ("open",), sts(one(EXPIRED, "mx2", 9), failed=2)),
    Case("one session in two rows", 1, 0, ("open", "open"), sts(*TWICE, failed=1)),
    Case("mox's rows without a total", 4, 0, ("open",), sts(one(BARE, "mx3", 4, MOX), failed=0)),
    # Repairs
    Case("repaired, and a look agrees", 2, 2, ("closed",), history(failures=[ONCE], repairs=REPAIRED)),
    Case(
        "repaired, and nobody looked since", 2, 0, ("waiting",),
        history(failures=[ONCE], repairs=REPAIRED, looks=range(16, 2, -1)),
    ),
    Case(
        "repaired, and the look since finds it still", 2, 0, ("waiting",),
        history(failures=[ONCE], repairs=REPAIRED, mx2="wrong-name"),
    ),
    Case(
        "repaired, and told again of a later day", 4, 0, ("open",),
        history(failures=[ONCE, ONCE._replace(ago=6)], repairs=[Repair(MISMATCH, "mx2", 5)]),
    ),
    Case(
        "repaired, and told again of the day of the repair only", 4, 4, ("closed",),
        history(failures=[ONCE, ONCE._replace(ago=6)], repairs=[Repair(MISMATCH, "mx2", 3)]),
    ),
    Case(
        "one session in two rows, of which one is repaired", 1, 0, ("open", "closed"),
        sts(*TWICE, failed=1, repairs=[Repair(EXPIRED, "mx1", 2)]),
    ),
    Case(
        "one session in two rows, both repaired", 1, 1, ("closed", "closed"),
        sts(*TWICE, failed=1, repairs=[Repair(EXPIRED, "mx1", 2), Repair(MISMATCH, "mx2", 2)]),
    ),
    Case(
        "two sessions in two rows, of which one is repaired", 2, 1, ("open", "closed"),
        sts(*TWICE, failed=2, repairs=[Repair(EXPIRED, "mx1", 2)]),
    ),
    # The policy
    Case("an MX that the policy lacks", 2, 0, ("open",), listed_late()),
    Case("an MX that the policy lacked", 2, 2, ("mended",), listed_late().since(2, policy_mx=THREE, id="b")),
    Case("an MX that is none any more", 2, 2, ("historical",), GONE.since(10, mx=TWO, id="b")),
    Case("an MX that is one still", 2, 0, ("open",), GONE),
    # Who and when
    Case("of two days, one within", 2, 0, ("open",), history(failures=[ONCE, fails(OSIER, 12, 1)]), days=7),
    Case("of two days, both within", 3, 0, ("open",), history(failures=[ONCE, fails(OSIER, 12, 1)]), days=13),
    Case("a mail that anybody may have sent", 0, 0, (), history(forged=[Forged(3, failed=5)])),
    Case("a report that replaced another", 2, 0, ("open",), history(failures=[fails(GOOGLE, 15, 2)], revised=1)),
]  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Yield one store with every case, each about a domain of its own: a store for each takes far longer."""
    with closing(stored(*(case.history.but(domain=of_case(number)) for number, case in enumerate(CASES)))) as found:
        yield found


def of_case(number: int) -> str:
    return f"case{number}.example"


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_enforce_would_have_held_back(number: int, store: Store) -> None:
    case = CASES[number]
    found = blast(readiness.evidence(store, of_case(number), case.history.now), case.days)
    assert (found.sessions, found.mended) == (case.sessions, case.mended)
    assert tuple(damage.status for damage in found.damages) == case.statuses


def of(found: History, days: int | None = None) -> list[Damage]:
    evidence = readiness.evidence(stored(found), DOMAIN, found.now)
    return [*blast(evidence, days).damages, *other(evidence, days)]


def test_organizations_and_days_are_told_and_evaluated_sessions_beside() -> None:
    failures = [fails(GOOGLE, 3, 4), fails(MICROSOFT, 3, 1), fails(MICROSOFT, 5, 1, EXPIRED)]
    found = history(failures=failures)
    told = blast(readiness.evidence(stored(found), DOMAIN, found.now))
    assert (told.sessions, told.evaluated, told.days, told.organizations) == (6, 1_200, 2, (GOOGLE, MICROSOFT))
    first, second = told.damages
    assert (first.cause, first.mx_key, first.sessions, first.days) == (MISMATCH, "mx2.example.com", 5, 1)
    assert (first.organizations, first.recurring) == ((GOOGLE, MICROSOFT), True)
    assert (second.cause, second.sessions, second.recurring) == (EXPIRED, 1, False)
    assert (second.first_day, second.last_day) == (date(2026, 5, 15), date(2026, 5, 15))


def test_the_window_is_that_of_the_rate_and_goes_on_to_today() -> None:
    told = blast(readiness.evidence(stored(history()), DOMAIN, history().now))
    assert (told.since, told.until) == (date(2026, 5, 5), DAY)
    assert blast(readiness.evidence(stored(history()), DOMAIN, history().now), 1).since == DAY


def test_details_never_raise_what_a_series_comes_to() -> None:
    assert [damage.sessions for damage in of(sts(one(EXPIRED, "mx2", 9), failed=2))] == [2]
    assert [damage.sessions for damage in of(sts(one(BARE, "mx3", 4, MOX), failed=0))] == [4]


def test_failures_without_details_stand_beside_and_are_added_to_nothing() -> None:
    found = sts(one(EXPIRED), failed=5)
    told = blast(readiness.evidence(stored(found), DOMAIN, found.now))
    assert (told.sessions, told.unclassified) == (1, 4)


def test_a_report_that_is_kept_out_of_decisions_is_not_in_it() -> None:
    store = stored(history())
    found = document(policy(failed=7, rows=[row(count=7)]), day="2026-05-10", contact_info=f"tls@{HERON}")
    put(store, changed("date-range.end-datetime", "2026-05-19T23:59:59Z", found))
    assert blast(readiness.evidence(store, DOMAIN, history().now)).sessions == 0
    put(store, found | {"report-id": "another"})
    assert blast(readiness.evidence(store, DOMAIN, history().now)).sessions == 7


# What enforce does not touch


def test_what_enforce_does_not_touch_is_told_apart_by_policy_type_and_impact() -> None:
    rows = (fails(OSIER, 3, 2, EXPIRED),)
    others = [counted("tlsa", 5, OSIER, rows=rows), counted("no-policy-found", 5, OSIER, rows=rows)]
    failures = [fails(OSIER, 3, 1, EXPIRED), fails(OSIER, 5, 1, FETCH, "")]
    found = of(history(failures=failures, others=others))
    told = {(damage.cause, damage.policy_type, damage.impact, damage.sessions) for damage in found}
    assert told == {
        (EXPIRED, "sts", "would-block", 1),
        (FETCH, "sts", "none", 1),
        (EXPIRED, "tlsa", "dane", 2),
        (EXPIRED, "no-policy-found", "projected", 2),
    }


@pytest.mark.parametrize(("policy_type", "expected"), [("tlsa", 1), ("no-policy-found", 0)])
def test_under_the_name_of_an_mx_only_dane_is_about_this_domain(policy_type: str, expected: int) -> None:
    found = of(under(policy_type, one("tlsa-invalid" if expected else EXPIRED, "mx1"), policy_domain="mx1.@"))
    assert len(found) == expected


def test_what_cannot_be_told_is_open_unclear_and_of_nobodys_fault() -> None:
    [damage] = of(history(failures=[fails(MICROSOFT, 3, 1, BARE)]))
    assert (damage.status, damage.impact, damage.fault.fault) == ("open", "unclear", "undetermined")
