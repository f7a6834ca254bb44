"""What would come of a draft policy: pairs that differ in one thing and come out otherwise."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from histories import (
    BEGAN,
    DOMAIN,
    GOOGLE,
    NOW,
    ORGS,
    OSIER,
    Repair,
    changed,
    fails,
    history,
    servfail,
    stored,
    txt,
)

from queries import readiness
from tlsrpt.enforce.evidence import Answer, Evidence
from tlsrpt.enforce.parameters import parameters
from tlsrpt.enforce.what_if import OUTCOMES, WhatIf, draft, what_if
from tlsrpt.mta_sts import Policy, policy_text
from tlsrpt.published import Mx, MxFacts, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from histories import History

    from tlsrpt.enforce.what_if import Point
    from tlsrpt.store import Store

EXPIRED, MISMATCH, BARE = "certificate-expired", "certificate-host-mismatch", "validation-failure"
MX1, MX2, MX3, MX9 = (f"{name}.@" for name in ("mx1", "mx2", "mx3", "mx9"))  # "@" stands for the domain
THREE = ("mx1", "mx2", "mx3")
BLIND = dict.fromkeys(ORGS, "no-policy-found")
YESTERDAY = range(BEGAN, 1, -1)  # looks, the newest of which is of the day before yesterday
WEEK, MONTH, QUARTER, YEAR = 604_800, 2_592_000, 7_776_000, 31_536_000


def body(mode: str = "enforce", *mx: str, max_age: int = WEEK) -> str:
    """Return a file; "@" stands for the domain."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {one}" for one in mx or (MX1, MX2)), f"max_age: {max_age}"]
    return "".join(f"{line}\r\n" for line in lines)


class Case(NamedTuple):
    """A draft, how it comes out, and a point: its state, what it is about and words of it."""

    name: str
    outcome: str
    point: tuple[str, str, str]
    draft: str
    known: History = history()

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


TESTING, ENFORCE = body("testing", max_age=86_400), body()
IN_FORCE = history(mode="enforce", max_age=WEEK, left=80)
ADDED = history(mx=THREE, policy_mx=("mx1", "mx2"))  # mx3 stands in DNS alone
UNLISTED = fails(GOOGLE, 3, 1, BARE, "mx3")
STRANGE = history(failures=[fails(GOOGLE, 3, 1, BARE, "mx9"), fails(OSIER, 5, 1, BARE, "mx9")])
GONE = history(mx=THREE, failures=[fails(GOOGLE, 12, 1, EXPIRED, "mx3")]).since(10, mx=("mx1", "mx2"), id="b")
AGAIN = history(failures=[fails(GOOGLE, 3, 2), fails(GOOGLE, 5, 1)])
NO_RUA = history(facts={"_smtp._tls.@": txt("tlsrpt-record")})
RUA_FAILED = history(facts={"_smtp._tls.@": servfail})

CASES = [
    Case("the switch as it should be", "PASS", ("PASS", "policy file", "strictly valid"), ENFORCE),
    Case("what is served already", "PASS", ("PASS", "MXs of DNS", "mx1.@, mx2.@: covered"), TESTING),
    # The file
    Case("a blank line", "FAIL", ("FAIL", "policy file", "blank"), ENFORCE.replace("mode", "\r\nmode", 1)),
    Case("a web page", "FAIL", ("FAIL", "policy file", "web page"), "<!doctype html><title>404</title>"),
    Case("enforce without MXs", "FAIL", ("FAIL", "policy file", "no mx"), ENFORCE.replace("mx: ", "mxs: ")),
    Case("an MX with a final dot", "FAIL", ("FAIL", "policy file", "ends in a dot"), body("enforce", MX1, f"{MX2}.")),
    Case("a field twice", "WARN", ("WARN", "policy file", "mode 2 times"), f"{ENFORCE}mode: testing\r\n"),
    # MXs of DNS
    Case(
        "an MX left out, in enforce", "FAIL",
        ("FAIL", "mx2.@", "the policy of now does; reports name no MX in successes"),
        body("enforce", MX1),
    ),
    Case(
        "an MX left out, in testing", "WARN", ("WARN", "mx2.@", "mail is delivered all the same"),
        body("testing", MX1, max_age=86_400),
    ),
    Case(
        "an MX left out, and nobody looked of late", "UNKNOWN", ("UNKNOWN", "MXs of DNS", "mx2.@ would not be covered"),
        body("enforce", MX1), history(looks=YESTERDAY),
    ),
    Case(
        "all covered, and nobody looked of late", "UNKNOWN", ("UNKNOWN", "MXs of DNS", "not looked at within 24 h"),
        ENFORCE, history(looks=YESTERDAY),
    ),
    Case(
        "all covered, and DNS fails", "UNKNOWN", ("UNKNOWN", "MXs of DNS", "not looked at"),
        ENFORCE, history(facts={"@": servfail}),
    ),
    Case(
        "more MXs than are looked at", "UNKNOWN", ("UNKNOWN", "MXs of DNS", "5 more"),
        ENFORCE, history(facts={"@": changed(dropped=5)}),
    ),
    Case(
        "a new MX left out", "FAIL", ("FAIL", "mx3.@", "named in failures by google.com, last about 2026-05-17"),
        ENFORCE, ADDED.but(failures=[UNLISTED]),
    ),
    Case(
        "a new MX added", "WARN", ("PASS", "mx-not-in-policy at mx3.@", "ends with the draft"),
        body("enforce", MX1, MX2, MX3), ADDED.but(failures=[UNLISTED]),
    ),
    Case(
        "the same, in testing first", "PASS", ("PASS", "mx-not-in-policy at mx3.@", "ends with the draft"),
        body("testing", MX1, MX2, MX3, max_age=86_400), ADDED.but(failures=[UNLISTED]),
    ),
    Case(
        "the MXs changed with the switch", "WARN", ("WARN", "MXs and mode at once", "about others"),
        body("enforce", MX1, MX2, MX3), ADDED,
    ),
    Case(
        "the MXs extended in force", "PASS", ("PASS", "MXs of DNS", "mx3.@: covered"),
        body("enforce", MX1, MX2, MX3), IN_FORCE.but(mx=THREE, policy_mx=("mx1", "mx2")),
    ),
    Case(
        "no mail comes", "WARN", ("WARN", "MXs of DNS", "takes no mail"),
        ENFORCE, history(facts={"@": MxFacts(status="found", hosts=(Mx(preference=0, host=""),))}),
    ),
    # Patterns
    Case("a wildcard", "WARN", ("WARN", "mx: *.@", "exactly one label"), body("testing", "*.@", max_age=86_400)),
    Case(
        "a wildcard of too few labels", "FAIL", ("FAIL", "mx1.eu.@", "*.@ stands for exactly one label"),
        body("enforce", "*.@"), history(mx=("mx1.eu.example.com",)),
    ),
    Case(
        "a pattern without MX", "WARN", ("WARN", "mx: mx3.@", "covers no MX of DNS"),
        body("testing", MX1, MX2, MX3, max_age=86_400),
    ),
    Case(
        "a pattern without MX that reports name", "WARN",
        ("WARN", "mx: mx9.@", "never seen as one: whoever led these senders there"),
        body("testing", MX1, MX2, MX9, max_age=86_400), STRANGE,
    ),
    # Names in reports
    Case(
        "a name that was never an MX", "WARN", ("WARN", "mx9.@", "never seen as an MX, in looks since 2026-05-04"),
        TESTING, STRANGE,
    ),
    Case(
        "who named it", "WARN", ("WARN", "mx9.@", "by google.com, osier.example, last about 2026-05-17"),
        TESTING, STRANGE,
    ),
    Case(
        "a name that was an MX once", "WARN", ("WARN", "mx3.@", "looks found it as one until 2026-05-09"),
        TESTING, GONE,
    ),
    Case(
        "a name, and nobody looked of late", "UNKNOWN", ("UNKNOWN", "mx9.@", "not looked at of late"),
        TESTING, STRANGE.but(looks=YESTERDAY),
    ),
    Case(
        "a name that the draft leaves out and the policy of now has", "WARN",
        ("WARN", "mx3.@", "though the policy of now does"),
        TESTING, GONE.since(9, policy_mx=THREE),
    ),
    # TLS
    Case(
        "a certificate for another name, in enforce", "FAIL", ("FAIL", "TLS of mx2.@", "name in the CN only"),
        ENFORCE, history(mx2="wrong-name"),
    ),
    Case(
        "a certificate for another name, in testing", "WARN", ("WARN", "TLS of mx2.@", "name in the CN only"),
        TESTING, history(mx2="wrong-name"),
    ),
    Case(
        "no STARTTLS", "FAIL", ("FAIL", "TLS of mx2.@", "STARTTLS not offered"),
        ENFORCE, history(mx2="starttls-not-offered"),
    ),
    Case(
        "an MX that was not reached", "UNKNOWN", ("UNKNOWN", "TLS of mx2.@", "not reached"),
        ENFORCE, history(mx2="timeout"),
    ),
    Case(
        "looked at with another port", "WARN", ("WARN", "TLS of mx2.@", "smtp_port 2525"),
        ENFORCE, history(settings=Settings(smtp_port=2525)),
    ),
    Case(
        "good now, and failing yesterday", "WARN", ("WARN", "TLS of the MXs", "was failing"),
        ENFORCE, history(mx2="wrong-name").since(1, mx2="good"),
    ),
    Case(
        "a certificate that ends within max_age", "WARN",
        ("WARN", "certificates that end within max_age", "mx1.@ 2026-05-25"),
        ENFORCE, history(left=5, life=12),
    ),
    Case("the same in testing", "PASS", ("PASS", "TLS of the MXs", "good"), TESTING, history(left=5, life=12)),
    Case(
        "the same with a shorter max_age", "PASS", ("PASS", "max_age", "86,400"),
        body(max_age=86_400), history(left=5, life=12),
    ),
    Case(
        "an authority that ends within max_age", "WARN",
        ("WARN", "certificates that end within max_age", "mx2.@ 2026-05-29"),
        body(max_age=WEEK + 259_200), history(mx2="intermediate-ends-soon", left=80),
    ),
    # max_age
    Case("0", "FAIL", ("FAIL", "max_age", "max_age is 0"), body(max_age=0)),
    Case("1", "WARN", ("WARN", "max_age", "below an hour"), body("testing", max_age=1)),
    Case("an hour in testing", "PASS", ("PASS", "max_age", "3,600"), body("testing", max_age=3_600)),
    Case("an hour in enforce", "WARN", ("WARN", "max_age", "when an attack begins"), body(max_age=3_600)),
    Case("a month in testing", "WARN", ("WARN", "max_age", "in mode testing"), body("testing", max_age=MONTH)),
    Case(
        "a month to begin enforce with", "WARN", ("WARN", "max_age", "the first in enforce is 604,800"),
        body(max_age=MONTH), history(left=80),
    ),
    Case("a month after a week", "PASS", ("PASS", "max_age", "2,592,000"), body(max_age=MONTH), IN_FORCE),
    Case("a quarter after a week", "WARN", ("WARN", "max_age", "more than one step"), body(max_age=QUARTER), IN_FORCE),
    Case(
        "a month after a day", "WARN", ("WARN", "max_age", "more than one step"),
        body(max_age=MONTH), IN_FORCE.but(max_age=86_400),
    ),
    Case("a week after a day", "PASS", ("PASS", "max_age", "604,800"), ENFORCE, IN_FORCE.but(max_age=86_400)),
    Case("back to a day", "PASS", ("PASS", "max_age", "86,400"), body(max_age=86_400), IN_FORCE),
    Case("the limit itself", "WARN", ("WARN", "max_age", "exactly at the limit"), body("testing", max_age=31_557_600)),
    Case("more than the limit", "WARN", ("WARN", "max_age", "beyond the limit"), body("testing", max_age=31_557_601)),
    # Reports
    Case(
        "enforce without a TLSRPT record", "FAIL", ("FAIL", "enforce without a TLSRPT record", "nobody would tell"),
        ENFORCE, NO_RUA,
    ),
    Case(
        "testing without a TLSRPT record", "WARN", ("WARN", "testing without a TLSRPT record", "shows nothing"),
        TESTING, NO_RUA,
    ),
    Case(
        "enforce, and DNS says nothing of the TLSRPT record", "UNKNOWN",
        ("UNKNOWN", "TLSRPT record", "DNS gave no answer"),
        ENFORCE, RUA_FAILED,
    ),
    Case(
        "withdrawn without a TLSRPT record", "PASS", ("PASS", "mode none", "as without a policy"),
        body("none", max_age=86_400), NO_RUA,
    ),
    # What failed
    Case(
        "a certificate that fails again and again, in enforce", "FAIL",
        ("FAIL", f"{MISMATCH} at mx2.@", "stays, whatever the policy says"),
        ENFORCE, AGAIN,
    ),
    Case(
        "the same in testing", "WARN", ("WARN", f"{MISMATCH} at mx2.@", "would hold mail back in enforce"),
        TESTING, AGAIN,
    ),
    Case(
        "the same once", "WARN", ("WARN", f"{MISMATCH} at mx2.@", "did not recur"),
        ENFORCE, history(failures=[fails(GOOGLE, 3, 2)]),
    ),
    Case(
        "the same, repaired", "PASS", ("PASS", f"{MISMATCH} at mx2.@", "repaired"),
        ENFORCE, AGAIN.but(repairs=[Repair(MISMATCH, "mx2", 2)]),
    ),
    Case(
        "the same, repaired, and nobody saw it", "UNKNOWN", ("UNKNOWN", f"{MISMATCH} at mx2.@", "no look has seen"),
        TESTING, AGAIN.but(repairs=[Repair(MISMATCH, "mx2", 0)]),
    ),
    Case(
        "an MX that was not named", "WARN", ("WARN", "mx-not-in-policy at no named MX", "cannot be told"),
        ENFORCE, history(failures=[fails(OSIER, 3, 1, BARE, "", "MX not authorized by policy.")]),
    ),
    # The way there and back
    Case(
        "enforce at once", "WARN", ("WARN", "enforce at once", "nobody has tried"),
        ENFORCE, history(policy_host="http-status", sees=BLIND),
    ),
    Case(
        "the policy host refuses", "WARN", ("WARN", "policy host and record", "status other than 200"),
        TESTING, history(policy_host="http-status"),
    ),
    Case(
        "withdrawn with its MXs", "PASS", ("PASS", "mode none", "2026-05-27 05:00 UTC: till then"),
        body("none", max_age=86_400), IN_FORCE,
    ),
    Case(
        "withdrawn without MXs", "WARN", ("WARN", "mode none", "Stalwart rejects"),
        "version: STSv1\nmode: none\nmax_age: 86400\n", IN_FORCE,
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """Yield one store with every case, each about a domain of its own: a store for each takes far longer."""
    with closing(stored(*(of_case(number) for number in range(len(CASES))))) as found:
        yield found


def of_case(number: int) -> History:
    domain = f"case{number}.example"
    found = CASES[number].known
    inside = tuple(name.replace(DOMAIN, domain) for name in found.site.mx)
    return found.but(domain=domain, mx=inside)


@pytest.mark.parametrize("number", range(len(CASES)), ids=map(str, CASES))
def test_a_draft_comes_out(number: int, store: Store) -> None:
    case, domain = CASES[number], of_case(number).domain
    found = what_if(readiness.evidence(store, domain, NOW), case.draft.replace("@", domain))
    state, what, words = (text.replace("@", domain) for text in case.point)
    told = [point for point in found.points if (point.state, point.what) == (state, what)]
    assert any(words in point.detail for point in told), found.points
    assert found.outcome == case.outcome, found.points
    assert [OUTCOMES.index(point.state) for point in found.points] == sorted(
        OUTCOMES.index(point.state) for point in found.points
    )


@cache
def ready() -> Evidence:
    return readiness.evidence(stored(history()), DOMAIN, NOW)


def known(found: History | None = None, **changes: Any) -> Evidence:
    return replace(ready() if found is None else readiness.evidence(stored(found), found.domain, found.now), **changes)


def test_what_is_wrong_with_a_server_says_that_no_policy_mends_it() -> None:
    for kind, words in (("wrong-name", "The certificate has to fit the name of the MX"), ("tls-too-old", "")):
        found = what_if(known(history(mx2=kind)), ENFORCE.replace("@", DOMAIN))
        [point] = [one for one in found.points if one.state == "FAIL"]
        assert point.remedy.startswith("No change of the policy mends that.")
        assert words in point.remedy


def test_no_number_of_sessions_is_laid_at_an_mx() -> None:
    evidence = known(ADDED.but(failures=[UNLISTED, fails(OSIER, 3, 2, EXPIRED)]))
    found = what_if(evidence, body("enforce", "mx1.example.com"))
    assert any("nobody can tell how many sessions" in point.detail for point in found.points)
    assert not any("session" in point.detail.replace("how many sessions", "") for point in found.points)


def test_a_planned_change_within_max_age_warns() -> None:
    def outcome(day: date) -> str:
        given = Answer(DOMAIN, "C42", answer=False, note="new provider", name="", on_day=day, recorded_at=NOW)
        return what_if(known(answers=[given]), ENFORCE.replace("@", DOMAIN)).outcome

    assert outcome(date(2026, 5, 27)) == "WARN"
    assert outcome(date(2026, 5, 28)) == "PASS"
    assert outcome(date(2026, 5, 19)) == "PASS"


def test_the_first_max_age_is_a_parameter() -> None:
    evidence = known(parameters=parameters(chosen={"max_age_enforce_first": 86_400}))
    points = what_if(evidence, ENFORCE.replace("@", DOMAIN)).points
    assert points[0] == (
        "WARN",
        "max_age",
        "604,800 s at once: the first in enforce is 86,400 at most",
        "Begin with that, and raise it step by step: `tlsrpt plan`.",
    )


def test_with_little_mail_enforce_waits_for_a_second_place() -> None:
    small = history(sessions=60, days=range(2, 30), looks=range(31, -1, -1))
    assert what_if(known(small), TESTING.replace("@", DOMAIN)).outcome == "PASS"
    found = what_if(known(small), ENFORCE.replace("@", DOMAIN))
    assert found.outcome == "UNKNOWN"
    assert "second place" in found.points[0].detail


def test_a_report_with_many_names_does_not_fill_the_page() -> None:
    evidence = known(history(failures=[fails(GOOGLE, 3, 1, EXPIRED, "mx9")]))
    [row] = evidence.failures
    many = [row._replace(mx_key=f"mx{number}.elsewhere.example") for number in range(500)]
    found = what_if(replace(evidence, failures=many), TESTING.replace("@", DOMAIN))
    assert len(found.points) < 120
    assert any("450 more" in point.detail for point in found.points)


# What changes


def differs(found: Evidence, text: str) -> str:
    return " ".join(what_if(found, text.replace("@", DOMAIN)).differs)


def test_the_same_policy_in_another_order_changes_nothing_and_needs_no_id() -> None:
    assert differs(known(), body("testing", MX2, MX1, max_age=86_400)) == (
        "It says what the policy served now says: nothing changes, and the id stays."
    )


def test_a_change_is_told_with_its_new_id_and_what_it_begins_anew() -> None:
    mode = differs(known(), ENFORCE)
    assert "from testing to enforce" in mode
    assert "from 86,400 to 604,800 seconds" in mode
    assert "The MXs stay the same" in mode
    assert "a new id, such as 20260520T120000" in mode
    assert "`tlsrpt ready example.com`" in mode
    mx = differs(known(), body("testing", MX1, MX3, max_age=86_400))
    assert "Added: mx3.example.com." in mx
    assert "Taken out: mx2.example.com." in mx
    assert "time in testing begins anew" in mx
    assert "begins anew" not in mode
    assert "begins anew" not in differs(known(), body("testing", max_age=WEEK))


def test_a_way_back_tells_until_when_caches_may_enforce() -> None:
    assert "until 2026-05-27 05:00 UTC" in differs(known(IN_FORCE), TESTING)
    assert "may enforce" not in differs(known(), ENFORCE)


def test_what_was_not_looked_at_of_late_may_be_another_policy() -> None:
    assert "may be another one" in differs(known(history(looks=YESTERDAY)), ENFORCE)
    assert "may be another one" not in differs(known(), ENFORCE)
    assert "senders saw last stands for" in differs(known(history(looks=())), TESTING)


def test_without_a_policy_everything_is_new() -> None:
    assert "everything is new" in differs(known(history(looks=(), sees=BLIND)), TESTING)


def test_a_file_that_is_no_policy_has_nothing_to_compare() -> None:
    found = what_if(known(), "mode: enforce")
    assert (found.policy, found.differs, found.outcome) == (None, (), "FAIL")


# Drafts


def test_a_draft_is_the_policy_served_now_with_edits() -> None:
    evidence = known()
    assert draft(evidence) == Policy("testing", 86_400, ("mx1.example.com", "mx2.example.com"))
    made = draft(evidence, mode="enforce", max_age=WEEK, add=["MX3.example.com."], drop=["mx1.example.com"])
    assert made == Policy("enforce", WEEK, ("mx2.example.com", "mx3.example.com"))
    assert what_if(evidence, policy_text(made)).policy == made
    assert draft(evidence, add=["mx1.example.com"]) == draft(evidence)


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"drop": ["mx7.example.com"]}, '"mx7.example.com" is not in the policy, which has mx1.example.com'),
        ({"drop": ["mx1.example.com", "mx2.example.com"]}, "no valid policy: no mx"),
        ({"add": ["mx.bücher.example"]}, "not in A-labels"),
        ({"add": ["mx3.example.com\r\nmode: none"]}, "no valid policy"),
        ({"mode": "Enforce"}, "no mode"),
        ({"max_age": -1}, "not 1 to 10 digits"),
        ({"max_age": 40_000_000}, "over 31557600"),
    ],
    ids=lambda given: given if isinstance(given, str) else None,
)
def test_a_draft_that_is_no_policy_is_refused_with_a_reason(edits: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        draft(known(), **edits)


def test_without_a_policy_there_is_nothing_to_edit() -> None:
    with pytest.raises(ValueError, match=r"`tlsrpt setup example\.com` writes one"):
        draft(known(history(looks=(), sees=BLIND)), mode="enforce")


def test_the_worst_point_is_the_outcome() -> None:
    def points(found: WhatIf) -> list[str]:
        return [point.state for point in found.points]

    both = what_if(known(history(mx1="wrong-name", mx2="timeout")), ENFORCE.replace("@", DOMAIN))
    assert (both.outcome, points(both)[:2]) == ("FAIL", ["FAIL", "UNKNOWN"])
    unknown: list[Point] = list(
        what_if(known(history(mx2="timeout")), body("enforce", "*.@").replace("@", DOMAIN)).points
    )
    assert [point.state for point in unknown][:2] == ["UNKNOWN", "WARN"]
