"""The questions: what may be added up and what never, and that every file is a question that runs."""

from __future__ import annotations

import inspect
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from reports import document, policy, row
from shelf import ask, filled, mail, put

import queries
from queries import (
    EVERYTHING,
    Scope,
    decisions,
    deliveries,
    domains,
    failures,
    mailboxes,
    policies,
    published,
    readiness,
    reporters,
    reports,
    senders,
)
from tlsrpt.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports import Document

SQL = sorted(entry.name.removesuffix(".sql") for entry in (files("queries") / "sql").iterdir())
MODULES = (
    domains, failures, reports, policies, deliveries, published, readiness, decisions, mailboxes, reporters, senders,
)  # fmt: skip

# Questions that take a Scope, and the rows they give.
SCOPED: list[Callable[..., list[Any]]] = [
    domains.overview, domains.days, failures.series, failures.series_days, failures.evidence, failures.by_cause,
    failures.by_result_type, failures.by_mx, failures.by_organization, failures.by_sending_ip, failures.by_day,
    failures.fingerprints, reports.newest, policies.as_seen, policies.spans, failures.places, senders.overview,
]  # fmt: skip


def day(number: int) -> str:
    return f"2026-03-{number:02}"


def week() -> list[Document]:
    """Return a week of two organizations, two domains, and failures at two MXs."""
    expired = [row("certificate-expired", 3, receiving_mx_hostname="mx2.example.com", receiving_ip="203.0.113.2")]
    found = []
    for number in range(1, 8):
        found.append(
            document(
                policy(successful=100, failed=3 if number > 4 else 0, rows=expired if number > 4 else []),
                day=day(number),
                contact_info="tls@google.com",
                report_id=f"g{number}",
            )
        )
        found.append(
            document(
                policy(
                    domain="example.net",
                    successful=5,
                    policy_string=["version: STSv1", "mode: enforce", "mx: a.example"],
                ),
                policy("tlsa", "example.net", successful=5, failed=1, rows=[row("tlsa-invalid", 1)]),
                day=day(number),
                contact_info="tls@microsoft.com",
                report_id=f"m{number}",
            )
        )
    return found


@pytest.fixture(scope="module")
def store() -> Store:
    return filled(*week())


@pytest.mark.parametrize("name", SQL)
def test_every_question_runs_on_the_schema_of_today(name: str, store: Store) -> None:
    given = dict.fromkeys(queries.parameters(queries.sql(name))) | {
        key: value
        for key, value in {"limit": 1, "offset": 0, "failing": False, "trusted": False}.items()
        if key in queries.parameters(queries.sql(name))
    }
    with store.reading() as connection:
        connection.execute(f"EXPLAIN {queries.sql(name)}", given).fetchall()


@pytest.mark.parametrize("name", SQL)
def test_every_question_keeps_to_the_portable_rules(name: str) -> None:
    text = queries.sql(name)
    assert text.startswith("-- ")
    upper = text.upper()
    for phrase in ("GROUP BY ALL", "ORDER BY ALL", "ARG_MAX", "ARG_MIN", "QUANTILE", "DAYOFWEEK", "MACRO", "QUALIFY"):
        assert phrase not in upper, phrase
    assert "ORDER BY" in upper or name in {
        "domains_totals", "domains_bounds", "domains_held", "failures_summary", "reports_count", "reports_one",
        "reports_document", "deliveries_content",
    }  # fmt: skip


def test_every_question_file_is_asked_by_a_function() -> None:
    asked = "".join(inspect.getsource(module) for module in MODULES)
    assert [name for name in SQL if f'"{name}"' not in asked] == []


@pytest.mark.parametrize("question", SCOPED, ids=lambda question: f"{question.__module__}.{question.__name__}")
def test_a_row_has_as_many_values_as_its_type_names(question: Callable[..., list[Any]], store: Store) -> None:
    found = question(store)
    assert found
    assert all(len(one) == len(type(one)._fields) for one in found)


@pytest.mark.parametrize("question", SCOPED, ids=lambda question: f"{question.__module__}.{question.__name__}")
@pytest.mark.parametrize(
    "scope",
    [
        Scope(since=date(2031, 1, 1)),
        Scope(until=date(2001, 1, 1)),
        Scope(policy_domain="x'; DROP TABLE reports; --"),
        Scope(organization="nobody"),
        Scope(policy_type="%"),
    ],
    ids=["since", "until", "domain", "organization", "type"],
)
def test_a_scope_without_anything_gives_nothing(question: Callable[..., list[Any]], scope: Scope, store: Store) -> None:
    assert question(store, scope) == []
    assert reports.count(store) == 14


def test_an_empty_store_answers_everything() -> None:
    empty = Store.memory()
    for question in SCOPED:
        assert question(empty) == []
    assert domains.totals(empty).reports == 0
    assert domains.totals(empty).first_day is None
    assert reports.one(empty, 1) is None
    assert deliveries.refused(empty) == []
    assert deliveries.outcomes(empty) == []
    assert published.newest(empty, "example.com") is None
    assert published.seen(empty, "example.com") == []
    assert published.checked(empty) == []


# What may be added up.


def test_domains_stand_worst_first_with_sessions_by_policy_type(store: Store) -> None:
    worst, other = domains.overview(store)
    assert worst.policy_domain == "example.com"
    assert (worst.sts_successful, worst.sts_failed, worst.would_block) == (700, 9, 9)
    assert worst.failure_rate == pytest.approx(9 / 709)
    assert (worst.mode, worst.max_age) == ("testing", 86400)
    assert (worst.organizations, worst.reports) == (1, 7)
    assert (worst.first_day, worst.last_day) == (date(2026, 3, 1), date(2026, 3, 7))
    assert (other.sts_successful, other.tlsa_successful, other.tlsa_failed) == (35, 35, 7)
    assert (other.sts_failed, other.would_block, other.failure_rate) == (0, 0, 0.0)
    assert other.mode == "enforce"


def test_a_domain_without_sts_sessions_has_no_failure_rate() -> None:
    [domain] = domains.overview(filled(document(policy("no-policy-found", successful=3, failed=1))))
    assert domain.failure_rate is None
    assert (domain.no_policy_successful, domain.no_policy_failed) == (3, 1)


def test_the_mode_is_that_of_the_newest_policy_seen() -> None:
    enforce = ["version: STSv1", "mode: enforce", "mx: mx1.example.com", "max_age: 604800"]
    later = document(policy(policy_string=enforce), day=day(9))
    [domain] = domains.overview(filled(later, document(policy(), day=day(8)), document(policy("tlsa"), day=day(10))))
    assert (domain.mode, domain.max_age) == ("enforce", 604800)


def test_days_without_a_report_have_no_row(store: Store) -> None:
    found = domains.days(store, Scope(policy_domain="example.com"))
    assert [one.day.day for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [one.would_block for one in found] == [0, 0, 0, 0, 3, 3, 3]
    assert len(domains.days(filled(document(day=day(1)), document(day=day(5))))) == 2


def test_failures_of_the_day_add_up_nothing_over_policy_types() -> None:
    both = document(policy(failed=4, rows=[row(count=4)]), policy("tlsa", failed=3, rows=[row(count=3)]))
    [one] = domains.days(filled(both))
    assert one.failed == 4
    [series] = failures.series(filled(both))
    assert series.failed_session_count == 4
    assert sorted((one.policy_type, one.failed_session_count) for one in failures.by_cause(filled(both))) == [
        ("sts", 4),
        ("tlsa", 3),
    ]


def test_details_never_raise_totals() -> None:
    store = filled(document(policy(failed=1, rows=[row(count=50)])))
    [domain] = domains.overview(store)
    assert (domain.sts_failed, domain.would_block) == (1, 1)
    assert domains.totals(store).sts_failed == 1


def test_failures_without_details_are_unclassified_in_every_breakdown() -> None:
    store = filled(document(policy(failed=5)))
    [series] = failures.series(store)
    assert (series.cause, series.mx_key, series.impact, series.failed_session_count) == (
        "unclassified", "*", "unknown", 5,
    )  # fmt: skip
    for breakdown in (failures.by_cause, failures.by_mx, failures.by_organization, failures.by_day):
        assert [(one.failed_session_count, one.would_block) for one in breakdown(store)] == [(5, 0)]
    [domain] = domains.overview(store)
    assert (domain.unclassified, domain.would_block) == (5, 0)


def test_superseded_reports_count_nowhere_and_are_listed() -> None:
    old = mail(document(policy(failed=9, rows=[row(count=9)])))
    new = mail(document(policy()), received="Fri, 20 Mar 2026 10:00:00 +0000")
    store = filled(old, new)
    assert failures.series(store) == []
    assert domains.totals(store).reports == 1
    assert len(reports.newest(store)) == 2


def test_no_number_a_stranger_sends_is_too_large_to_add_up() -> None:
    most = 2**53 - 1
    flood = document(
        *[policy(successful=most, failed=most, rows=[row(count=most), row(count=most)]) for _ in range(900)]
    )
    store = filled(flood, document(*[policy(successful=most, failed=most)] * 900, day=day(11)))
    for question in SCOPED:
        assert question(store)
    assert domains.totals(store).sts_successful == 1_800 * most


# Series and fingerprints.


def test_a_series_joins_organizations_and_a_fingerprint_tells_them_apart() -> None:
    told = (("google.com", 1, 5), ("google.com", 3, 5), ("mail.ru", 3, 2), ("corp.mail.ru", 4, 1))
    found = [
        document(policy(failed=count, rows=[row(count=count)]), day=day(number), contact_info=f"tls@{name}")
        for name, number, count in told
    ]
    store = filled(*found)
    [series] = failures.series(store)
    assert series.failed_session_count == 13
    assert (series.organizations, series.organization_names, series.days) == (2, "google.com, mail.ru", 3)
    assert [(one.organization, one.failed_session_count) for one in failures.fingerprints(store)] == [
        ("google.com", 10),
        ("mail.ru", 3),
    ]


def test_first_and_last_day_are_of_the_whole_store_and_sessions_of_the_period(store: Store) -> None:
    [series] = failures.series(store, Scope(since=date(2026, 3, 6), policy_domain="example.com"))
    assert series.failed_session_count == 6
    assert series.days == 2
    assert (series.first_day, series.last_day) == (date(2026, 3, 5), date(2026, 3, 7))
    [print_] = failures.fingerprints(store, Scope(until=date(2026, 3, 5), policy_domain="example.com"))
    assert (print_.failed_session_count, print_.days, print_.last_day.day) == (3, 1, 5)


def test_what_enforce_would_block_stands_first(store: Store) -> None:
    assert [one.impact for one in failures.series(store)] == ["would-block", "dane"]


def test_the_evidence_names_the_reports_behind_a_series(store: Store) -> None:
    scope = Scope(policy_domain="example.com", cause="certificate-expired", mx="mx2.example.com")
    found = failures.evidence(store, scope)
    assert [one.day.day for one in found] == [7, 6, 5]
    assert {one.organization for one in found} == {"google.com"}
    assert (found[0].sending_mta_ips, found[0].sending_mta_ip, found[0].receiving_ip) == (1, "192.0.2.1", "203.0.113.2")
    one = reports.one(store, found[0].report)
    assert one is not None
    assert one.head.day.day == 7


@pytest.mark.parametrize(
    ("scope", "sessions"),
    [
        (EVERYTHING, 16),
        (Scope(policy_type="tlsa"), 7),
        (Scope(result_type="certificate-expired"), 9),
        (Scope(cause="tlsa-invalid"), 7),
        (Scope(mx="mx2.example.com"), 9),
        (Scope(organization="google.com"), 9),
        (Scope(since=date(2026, 3, 7), until=date(2026, 3, 7)), 4),
        (Scope(policy_domain="example.net"), 7),
    ],
    ids=range(8),
)
def test_each_filter_of_a_scope_narrows_every_breakdown_alike(scope: Scope, sessions: int, store: Store) -> None:
    for breakdown in (failures.by_cause, failures.by_result_type, failures.by_mx, failures.by_organization,
                      failures.by_sending_ip, failures.by_day):  # fmt: skip
        assert sum(one.failed_session_count for one in breakdown(store, scope)) == sessions
    assert sum(one.failed_session_count for one in failures.series(store, scope)) == sessions
    assert sum(one.failed_session_count for one in failures.fingerprints(store, scope)) == sessions
    assert sum(one.failed_session_count for one in failures.evidence(store, scope)) == sessions
    assert sum(one.failed_session_count for one in failures.series_days(store, scope)) == sessions


# Reports.


def test_reports_are_listed_newest_first_a_page_at_a_time(store: Store) -> None:
    everything = reports.newest(store)
    assert [one.day for one in everything] == sorted((one.day for one in everything), reverse=True)
    pages = [reports.newest(store, limit=5, offset=offset) for offset in (0, 5, 10)]
    assert [one for page in pages for one in page] == everything
    assert reports.count(store) == len(everything) == 14


def test_a_report_row_has_counts_only_for_the_types_it_has(store: Store) -> None:
    first = next(one for one in reports.newest(store) if one.organization == "microsoft.com")
    assert (first.sts_successful, first.sts_failed) == (5, 0)
    assert (first.tlsa_successful, first.tlsa_failed) == (5, 1)
    assert first.no_policy_successful is None
    assert first.policy_domains == "example.net"


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (Scope(failing=True), 10),
        (Scope(failing=True, policy_domain="example.com"), 3),
        (Scope(cause="certificate-expired"), 3),
        (Scope(mx="mx2.example.com", since=date(2026, 3, 7)), 1),
        (Scope(organization="google.com"), 7),
        (Scope(policy_type="tlsa"), 7),
    ],
    ids=range(6),
)
def test_the_count_of_reports_is_that_of_the_list(scope: Scope, count: int, store: Store) -> None:
    assert reports.count(store, scope) == len(reports.newest(store, scope)) == count


def test_failing_keeps_only_domains_that_fail() -> None:
    names = ("example.com", "bad.example", "good.example")
    store = filled(
        *[document(policy(domain=name, failed=int(name == "bad.example")), report_id=name) for name in names]
    )
    assert [one.policy_domain for one in domains.overview(store, Scope(failing=True))] == ["bad.example"]


def test_totals_tell_what_waits_for_a_word() -> None:
    store = filled(
        mail(document()), document(policy(policy_domain="Upper.example"), report_id="b"), b'{"policies": 1}', b"hello"
    )
    totals = domains.totals(store)
    assert (totals.reports, totals.claims, totals.defective, totals.refused, totals.skipped) == (2, 1, 1, 1, 1)
    assert domains.totals(store, Scope(policy_domain="example.com")).reports == 1


def test_nested_questions_share_one_connection(store: Store) -> None:
    with store.reading() as outer, store.reading() as inner:
        assert outer is inner
    assert ask(store, "SELECT 1") == [(1,)]


# Senders


def test_senders_stand_with_their_days_and_with_sessions_by_policy_type(store: Store) -> None:
    found = {one.organization: one for one in senders.overview(store)}
    google, microsoft = found["google.com"], found["microsoft.com"]
    assert (google.days, google.sts_successful, google.sts_failed, google.would_block) == (7, 700, 9, 9)
    assert (microsoft.sts_successful, microsoft.tlsa_successful, microsoft.tlsa_failed) == (35, 35, 7)
    assert {one.organizations for one in senders.overview(store, limit=1)} == {2}


def test_reports_of_two_kinds_of_trust_are_told_as_both() -> None:
    there = filled(document(policy(), report_id="a"))
    put(there, mail(document(policy(), report_id="b")))
    assert [one.trust for one in senders.overview(there)] == ["unchecked, vouched"]


def test_the_days_of_senders_are_those_of_the_names_that_are_asked_for(store: Store) -> None:
    some = senders.days(store, organizations=["microsoft.com"])
    assert {one.organization for one in some} == {"microsoft.com"}
    assert [one.failed for one in some] == [1] * 7
    assert len(senders.days(store)) == 14
    assert senders.days(store, organizations=[]) == []


def test_a_report_of_several_days_covers_them_for_its_domain_alone() -> None:
    long = document(policy(), day=day(3))
    long["date-range"]["end-datetime"] = "2026-03-05T23:59:59Z"
    there = filled(long)
    [span] = senders.spans(there, Scope(policy_domain="example.com"))
    assert (span.first_day, span.last_day) == (date(2026, 3, 3), date(2026, 3, 5))
    assert senders.spans(there, Scope(policy_domain="example.net")) == []


def test_a_sender_holds_the_policy_of_its_newest_report_that_tells_one() -> None:
    told = ["version: STSv1", "mode: enforce", "mx: a.example", "max_age: 86400"]
    there = filled(
        document(policy(), day=day(1), report_id="a"),
        document(policy(policy_string=told), day=day(2), report_id="b"),
        document(policy(policy_string=[], mx_host=[]), day=day(3), report_id="c"),
    )
    [held] = senders.policies(there)
    assert (held.day, held.canonical) == (date(2026, 3, 2), "mode=enforce max_age=86400 mx=a.example")


def test_places_take_the_larger_of_two_policy_types() -> None:
    expired = [row("certificate-expired", 4, receiving_mx_hostname="mx.example.com")]
    there = filled(document(policy(failed=4, rows=expired), policy("tlsa", failed=4, rows=expired)))
    [place] = failures.places(there)
    assert place == ("certificate-expired", "mx.example.com", "would-block", 4)


def test_a_policy_has_one_span_over_all_who_saw_it_and_trusted_ones_apart() -> None:
    there = filled(*(document(policy(), day=day(n), contact_info=f"tls@o{n}.example") for n in range(1, 15)))
    put(there, mail(document(policy(), day=day(20), contact_info="tls@stranger.example")))
    [whole] = policies.spans(there)
    [trusted] = policies.spans(there, trusted=True)
    assert (whole.organizations, whole.last_day) == (15, date(2026, 3, 20))
    assert (trusted.organizations, trusted.last_day) == (14, date(2026, 3, 14))
    assert trusted.organization_names.count(",") == 11


def test_days_have_bounds(store: Store) -> None:
    assert domains.bounds(store) == (date(2026, 3, 1), date(2026, 3, 7))
    assert domains.bounds(store, Scope(policy_domain="nobody.example")) == (None, None)
