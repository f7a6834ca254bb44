"""The answers of the command line: which question, and which fields of its rows a table shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from queries import Scope, deliveries, domains, failures, policies, reports
from tui.plain import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tlsrpt.store import Store

_BREAKDOWN = (
    "key",
    "policy_type",
    "failed_session_count",
    "would_block",
    "organizations",
    "days",
    "last_day",
)


class Question(NamedTuple):
    """A question, the fields of its rows, and those that a table shows."""

    ask: Callable[[Store, Scope], Sequence[Any]]
    fields: tuple[str, ...]
    columns: tuple[str, ...]


FAILURES: dict[str, Question] = {
    "series": Question(
        failures.series,
        failures.Series._fields,
        (
            "impact",
            "cause",
            "mx_key",
            "policy_domain",
            "failed_session_count",
            "organizations",
            "days",
            "last_day",
        ),
    ),
    "cause": Question(failures.by_cause, failures.Breakdown._fields, _BREAKDOWN),
    "result-type": Question(failures.by_result_type, failures.Breakdown._fields, _BREAKDOWN),
    "mx": Question(failures.by_mx, failures.Breakdown._fields, _BREAKDOWN),
    "organization": Question(failures.by_organization, failures.Breakdown._fields, _BREAKDOWN),
    "sending-ip": Question(failures.by_sending_ip, failures.Breakdown._fields, _BREAKDOWN),
    "day": Question(failures.by_day, failures.Breakdown._fields, _BREAKDOWN),
    "fingerprint": Question(
        failures.fingerprints,
        failures.Fingerprint._fields,
        (
            "impact",
            "cause",
            "mx_key",
            "policy_domain",
            "organization",
            "failed_session_count",
            "days",
            "last_day",
        ),
    ),
}

DOMAINS = Question(
    domains.overview,
    domains.Domain._fields,
    (
        "policy_domain",
        "mode",
        "sts_successful",
        "sts_failed",
        "would_block",
        "failure_rate",
        "organizations",
        "last_day",
    ),
)

POLICIES = Question(
    policies.as_seen,
    policies.SeenPolicy._fields,
    (
        "policy_domain",
        "policy_type",
        "canonical",
        "organization",
        "first_day",
        "last_day",
        "successful",
        "failed",
    ),
)

REPORT_COLUMNS = (
    "report",
    "day",
    "organization",
    "policy_domains",
    "sts_successful",
    "sts_failed",
    "tlsa_failed",
    "no_policy_successful",
    "defects",
    "trust",
)


def ask(question: Question, store: Store, scopes: Sequence[Scope]) -> Table:
    """Return the answer over each of the scopes; of several, each row says whose it is."""
    several = len(scopes) > 1 and "policy_domain" not in question.fields
    found: list[dict[str, object]] = []
    with store.reading():
        for scope in scopes:
            whose: dict[str, object] = {"policy_domain": scope.policy_domain} if several else {}
            found += [whose | row._asdict() for row in question.ask(store, scope)]
    first = ("policy_domain",) if several else ()
    return Table(found, first + question.fields, first + question.columns)


def newest_reports(limit: int) -> Question:
    """Return the question for the newest so many reports."""

    def newest(store: Store, scope: Scope) -> Sequence[reports.ReportRow]:
        return reports.newest(store, scope, limit=limit)

    return Question(newest, reports.ReportRow._fields, REPORT_COLUMNS)


def _refused(store: Store, scope: Scope) -> Sequence[deliveries.RefusedRow]:
    del scope  # what could not be read has no domain and no day
    return deliveries.refused(store)


REFUSED = Question(_refused, deliveries.RefusedRow._fields, ("reason", "source", "name", "size", "loaded_at"))
