"""Cases that a verdict, a plan or an acceptance once got wrong, each held to what is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
import shelf
from click.testing import CliRunner
from histories import (
    DOMAIN,
    GOOGLE,
    MICROSOFT,
    NOW,
    SECOND,
    Desk,
    Element,
    Forged,
    Repair,
    Site,
    counted,
    fails,
    history,
    judged,
    look,
    policy_lines,
    servfail,
    stored,
)
from reports import document, policy

from loaders import observations
from queries import decisions, readiness
from tlsrpt.check_file import checks_json
from tlsrpt.enforce import drift
from tlsrpt.enforce.evidence import Acknowledgement, Answer, Fix, fingerprint
from tlsrpt.enforce.planning import plan
from tlsrpt.enforce.verdict import basis, judge
from tlsrpt.published import Mx, MxFacts, Settings
from tlsrpt.store import Store
from tui import judging
from tui.cli import program

if TYPE_CHECKING:
    from pathlib import Path

    from histories import History

    from tlsrpt.enforce.verdict import Judgement, State

TEST_SET_UP = Settings(smtp_port=2_525, https_port=8_443, ca_file="/tmp/ca.pem")
MISMATCH = {"result_type": "validation-failure", "reason": "mtasts-policy-mx-mismatch"}


def state(found: History, name: str) -> str:
    return judged(found).state(name).state


def accepted(was: Judgement, name: str, now: Judgement) -> State:
    """Return a criterion as it stands now for who accepted its warning as it was."""
    one = was.state(name)
    assert one.is_warning, one
    given = Acknowledgement(
        1, DOMAIN, name, basis(one.criterion, one.found), "we know", "me", NOW, NOW + timedelta(days=14)
    )
    return judge(replace(now.evidence, acknowledgements=(given,))).state(name)


# What looks tell


def test_a_policy_host_that_failed_of_late_is_a_warning_until_its_fix_is_recorded() -> None:
    failed = history().since(3, policy_host="http-status").since(2, policy_host="good")
    assert state(failed, "C02") == "WARN"
    assert state(failed.but(repairs=[Repair("sts-policy-fetch-error", "*", 2)]), "C02") == "PASS"
    assert state(history().since(3, policy_host="timeout").since(2, policy_host="good"), "C02") == "PASS"


def test_an_address_that_no_connection_was_made_to_is_unknown() -> None:
    both = history(second={"mx2": "good"})
    assert state(both, "C05") == "PASS"
    one = both.but(facts={f"mx2.@ [{SECOND}]": None})
    assert judged(one).state("C05").reason == f"not looked at: mx2.{DOMAIN} [{SECOND}]"


@pytest.mark.parametrize(
    ("seen", "then"),
    [(Site(mode="enforce"), "IN_FORCE"), (Site(mx=("mx9",)), "C20"), (Site(mx=()), "N_A")],
    ids=["enforce", "other MX", "no mail"],
)
def test_a_look_at_a_test_set_up_says_nothing_beside_one_as_senders_look(seen: Site, then: str, tmp_path: Path) -> None:
    odd = look(seen, DOMAIN, NOW - timedelta(hours=1), settings=TEST_SET_UP)
    desk = Desk(tmp_path).load(history())
    (tmp_path / "odd.json").write_text(checks_json([odd]))
    desk.done("load", str(tmp_path / "odd.json"))
    assert desk.ready().verdict == "READY", then
    alone = Desk(tmp_path / "alone")
    alone.folder.mkdir()
    alone.done("load", str(tmp_path / "odd.json"))
    assert alone.ready().verdict != "READY"


def test_a_policy_like_no_policy_keeps_nobody_from_a_verdict() -> None:
    body = "mode=x max_age=\u00b2 mx=a"
    assert drift.told(body) == drift.Told("x", None, frozenset({"a"}))
    assert drift.told(f"mode=testing max_age={'9' * 5_000} mx=a") == drift.Told("testing", None, frozenset({"a"}))
    odd = history(body=body).since(5, id="2").since(3, body="", id="2")
    assert judged(odd).state("C09").state == "WARN"


# What reports tell


def test_a_fix_of_an_mx_that_no_report_named_closes_when_every_mx_is_covered() -> None:
    unnamed = history(failures=[fails(ago=10, sessions=8, mx="", **MISMATCH)])
    fixed = unnamed.but(repairs=[Repair("mx-not-in-policy", "*", 9)])
    assert judged(unnamed).state("C25").found.facts[0].sessions == 1_200
    assert judged(fixed).verdict == "READY"
    uncovered = judged(fixed.but(policy_mx=("mx1",)))
    assert uncovered.evidence.status(fingerprint(uncovered.evidence.blocking[0])) == "waiting"


def test_a_session_in_two_rows_fails_still_when_one_of_them_is_mended() -> None:
    rows = (fails(sessions=100, mx="mx1", result_type="certificate-expired"), fails(sessions=100))
    twice = Element(GOOGLE, 10, "sts", 100, rows, failed=100)
    found = judged(history(others=[twice], repairs=[Repair("certificate-expired", "mx1", 9)]))
    assert found.evidence.rate(found.evidence.window).blocked == 100
    assert found.state("C25").state == "FAIL"
    repairs = [Repair("certificate-expired", "mx1", 9), Repair(fails().result_type, "mx2", 9)]
    mended = judged(history(others=[twice], repairs=repairs))
    assert mended.evidence.rate(mended.evidence.window) == (0, 1_300, 0)


@pytest.mark.parametrize(("others", "found"), [(100_000, "WARN"), (20, "FAIL")])
def test_a_burst_under_dane_is_a_share_of_the_sessions_under_dane(others: int, found: str) -> None:
    rows = (fails(sessions=5, result_type="tlsa-invalid"),)
    assert state(history(others=[counted("tlsa", others, rows=rows)]), "C30") == found


def test_organizations_with_blanks_in_their_names_are_several() -> None:
    orgs = (GOOGLE, MICROSOFT, "acme gmbh", "acme inc")
    failing = [fails(org, ago, result_type="sts-policy-fetch-error", mx="") for org in orgs[2:] for ago in (3, 5)]
    assert "acme gmbh, acme inc" in judged(history(orgs=orgs, failures=failing)).state("C28").reason


def test_claims_are_those_that_had_come_by_then() -> None:
    store = stored(history(forged=[Forged(12, failed=50)]))  # each comes on the morning after its day

    def claimed(now: datetime) -> int:
        return sum(one.reports for one in readiness.judge(store, DOMAIN, now).evidence.claims)

    assert claimed(NOW) == 12
    # Of the day two days ago the mail came yesterday at ten.
    assert claimed(NOW - timedelta(days=1, hours=3)) == 11


def test_a_moment_has_the_reports_that_counted_then_whatever_came_later() -> None:
    day = NOW - timedelta(days=5)

    def mailed(sessions: int, ago: float) -> bytes:
        entry = policy("sts", DOMAIN, sessions, 0, [], policy_string=policy_lines(Site()))
        report = document(entry, day=f"{day:%Y-%m-%d}", organization_name=GOOGLE, report_id="1@google.com")
        received = format_datetime((NOW - timedelta(days=ago)).replace(tzinfo=UTC))
        return shelf.mail(report, received=received, Message_ID=f"<{sessions}.{ago}@google.com>")

    store = stored(history(sessions=0, days=()))

    def reported(ago: float) -> tuple[int, int, int]:
        evidence = readiness.judge(store, DOMAIN, NOW - timedelta(days=ago)).evidence
        counts = evidence.reports
        return sum(row.successful for row in evidence.sessions), len(evidence.policies), counts.reports if counts else 0

    for comes in (mailed(100, 4), mailed(100, 1), mailed(200, 0.5)):  # a report, the same again, and its correction
        shelf.put(store, comes, vouch=True)
        assert reported(4.5) == (0, 0, 0)
        assert [reported(ago) for ago in (3, 0.75)] == [(100, 1, 1)] * 2
    assert reported(0) == (200, 1, 2)


# What is accepted


def test_an_accepted_failure_is_not_the_same_on_another_day() -> None:
    first = judged(history(failures=[fails(ago=7)]))
    assert accepted(first, "C24", first).acknowledged
    assert not accepted(first, "C24", judged(history(failures=[fails(ago=3)]))).acknowledged
    two = judged(history(failures=[fails(ago=8), fails(MICROSOFT, 3, mx="mx1")]))
    assert accepted(two, "C24", judged(history(failures=[fails(MICROSOFT, 3, mx="mx1")]))).acknowledged


def test_an_accepted_rate_does_not_cover_more_failures() -> None:
    few = judged(history(sessions=250))
    assert accepted(few, "C25", few).acknowledged
    worse = judged(history(sessions=250, failures=[fails(ago=9)]))
    assert worse.state("C25").state == "WARN"
    assert not accepted(few, "C25", worse).acknowledged


def test_an_accepted_short_time_in_testing_is_of_those_mxs_alone() -> None:
    short = judged(history().since(11, policy_mx=("mx1", "mx2", "mx3")))
    other = judged(history().since(10, policy_mx=("mx1", "mx2", "mx4")))
    assert accepted(short, "C20", short).acknowledged
    assert not accepted(short, "C20", other).acknowledged


def test_an_accepted_change_of_mx_is_not_the_next_one() -> None:
    policy = ("*.@",)
    one = judged(history(policy_mx=policy, mx=("mx1",)).since(4, mx=("mx1", "mx2")))
    next_one = judged(history(policy_mx=policy, mx=("mx1",)).since(4, mx=("mx1", "mx2")).since(1, mx=("mx1", "mx3")))
    assert accepted(one, "C04", one).acknowledged
    assert not accepted(one, "C04", next_one).acknowledged


def test_an_accepted_fault_of_an_mx_that_comes_again_is_another() -> None:
    once = history().since(5, mx2="untrusted").since(4, mx2="good")
    again = once.since(2, mx2="untrusted").since(1, mx2="good")
    assert accepted(judged(once), "C05", judged(once)).acknowledged
    assert not accepted(judged(once), "C05", judged(again)).acknowledged


# Plans and commands


def test_a_withdrawn_policy_of_unknown_mx_has_a_plan_without_a_way_back() -> None:
    none = history(body="version: STSv1\nmode: none\nmax_age: 86400\n", facts={"@": servfail})
    found = plan(judged(none))
    assert (found.step, found.rollback) == ("remove", None)
    assert found.removal is not None
    assert "mx:" not in found.removal.policy
    odd = none.but(mx=("mx1", "_mx2"), facts={})
    assert plan(judged(odd)).rollback is not None
    assert "_mx2" not in plan(judged(odd)).rollback.policy  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("on", "step", "words"),
    [
        (None, "wait", "C42 was answered no, but not when"),
        (NOW.date() + timedelta(days=3), "wait", "it falls within max_age"),
        (NOW.date() - timedelta(days=9), "switch", "is past"),
    ],
)
def test_a_change_that_is_planned_for_nobody_knows_when_is_waited_for(on: date | None, step: str, words: str) -> None:
    given = Answer(DOMAIN, "C42", answer=False, note="", name="", on_day=on, recorded_at=NOW)
    found = plan(judge(replace(judged(history()).evidence, answers=(given,))))
    assert found.step == step
    assert any(words in need.reason for need in found.needs)


def test_words_of_strangers_are_one_word_of_a_command() -> None:
    hostile = "$(id);x"
    store = stored(history(domain="a.example", sessions=0, days=()))
    found = readiness.judge(store, hostile, NOW)
    for one in found.states:
        assert f"tlsrpt check {hostile}" not in one.remedy
        assert f"answer {hostile}" not in one.remedy
    cause = "odd`id`"
    told = judged(history(failures=[fails(ago=ago, result_type=cause) for ago in (3, 5)]))
    assert f"tlsrpt explain '{cause}'" in told.state("C24").remedy


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_moment_without_room_around_it_is_refused(day: str) -> None:
    done = CliRunner().invoke(program, ["--as-of", day, "ready", DOMAIN])
    assert done.exit_code == 2
    assert "not within the years" in done.output


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("MX2.Example.COM.", "mx2.example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("[2001:0DB8::1]", "ip:2001:db8::1"),
        ("ip:198.51.100.9", "ip:198.51.100.9"),
        ("*", "*"),
        ("", ""),
    ],
)
def test_a_fix_names_an_mx_as_failures_do(given: str, kept: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.done("fix", DOMAIN, "--cause", "certificate-expired", "--mx", given)
    [fix] = decisions.fixes(Store.open(desk.database))
    assert fix.mx_key == kept


def test_a_time_that_is_none_in_utc_is_refused() -> None:
    words = (DOMAIN, "certificate-expired", "", "0001-01-01T00:00+14:00", "", "")
    _, why = judging.decided(Store.memory, "fix", words, NOW)
    assert "not a day or a time" in why


# What one place alone says, and what was long ago


def test_a_null_mx_that_one_place_sees_is_denied_by_another_of_the_same_day() -> None:
    null = {"@": MxFacts(status="found", hosts=(Mx(preference=0, host=""),))}
    alone = judged(history(facts=null, sessions=0))
    assert alone.verdict == "N_A"
    store = stored(history())
    observations.record(store, [look(Site(facts=null), DOMAIN, NOW - timedelta(hours=1), "elsewhere")])
    found = readiness.judge(store, DOMAIN, NOW)
    assert found.verdict == "READY_WITH_WARNINGS"
    assert "the MX names changed" in found.state("C04").reason


def test_an_mx_that_fails_as_seen_from_one_place_fails_until_that_place_sees_otherwise_or_a_fix_is_recorded() -> None:
    good = judged(history()).evidence
    elsewhere = look(Site(mx2="wrong-name"), DOMAIN, NOW - timedelta(hours=12), "elsewhere")
    mixed = replace(good, looks=(*good.looks, elsewhere))
    found = judge(mixed).state("C05")
    assert (found.state, "as seen from elsewhere" in found.reason) == ("FAIL", True)
    mended = Fix(
        1, DOMAIN, "certificate-host-mismatch", "mx2.example.com", NOW - timedelta(hours=8), "", "me",
        NOW - timedelta(hours=8),
    )  # fmt: skip
    assert judge(replace(mixed, fixes=(mended,))).state("C05").state == "PASS"


def test_a_policy_that_was_withdrawn_so_long_ago_that_no_cache_has_it_is_not_in_force() -> None:
    gone = {"policy_host": "http-status"}
    lately = history(mode="enforce", max_age=604_800, looks=range(30, -1, -1)).since(3, **gone)
    long_ago = history(mode="enforce", max_age=604_800, looks=range(30, -1, -1), sessions=0).since(20, **gone)
    assert judged(lately).verdict == "IN_FORCE_FAILING"
    assert judged(long_ago).verdict == "NOT_READY"


def test_after_a_way_back_with_the_same_mxs_a_week_in_testing_is_enough() -> None:
    back = history(mode="enforce", looks=range(30, -1, -1)).since(10, mode="testing", id="B")
    moved = history(mode="enforce", looks=range(30, -1, -1)).since(10, mode="testing", id="B", mx=("mx1", "mx3"))
    assert state(back, "C20") == "PASS"
    assert state(moved, "C20") == "WARN"


def test_a_policy_that_senders_had_before_the_first_look_is_no_attack() -> None:
    told = history(looks=(5, 4, 3, 2, 1, 0), max_age=604_800, behind={}).but(
        others=[
            Element(GOOGLE, ago, "sts", 40, lines=tuple(policy_lines(Site(mx=("old1", "old2"), max_age=604_800))))
            for ago in (9, 8, 4)
        ]
    )
    assert state(told, "C27") != "FAIL"


def test_a_fix_of_no_cause_is_refused_with_what_may_be_meant(tmp_path: Path) -> None:
    desk = Desk(tmp_path).load(history(failures=[fails()]))
    ended = desk.run("fix", DOMAIN, "--cause", "certificate-expired", "--mx", "mx9.example.com")
    assert "so far" in ended.err  # it is recorded all the same: reports come late
    ended = desk.run("fix", DOMAIN, "--cause", "certificate-expird", "--mx", "mx2.example.com")
    assert ended.status == 2
    assert "is it certificate-expired" in ended.err
