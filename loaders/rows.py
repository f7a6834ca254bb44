"""Reports as rows of the store: the facts, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from tlsrpt.cause import evaluate
from tlsrpt.parse import canonical
from tlsrpt.reporters import organization
from tlsrpt.store import Rows, Store

if TYPE_CHECKING:
    from tlsrpt.report import Report

# From least to most; what is told twice is believed once, at the better of the two.
TRUST = ("unverified", "unchecked", "signed", "known", "vouched")


def better(one: str, other: str) -> str:
    """Return the higher of two trusts."""
    return max(one, other, key=TRUST.index)


class Incoming(NamedTuple):
    """A report on its way into the store."""

    report: Report
    document: bytes  # its JSON
    key: int  # keyed hash of submitter, report_id, start and end
    content_hash: int  # of `document`
    trust: str
    received: datetime | None
    excluded: str | None
    delivery: int  # place of its delivery in the batch


_REPORTS = (
    "report", "day", "first_day", "last_day", "start_datetime", "end_datetime", "organization", "organization_name",
    "submitter", "contact_info", "report_id", "report_key", "content_hash", "trust", "superseded", "excluded",
    "received_at", "delivery", "defects",
)  # fmt: skip
_POLICIES = (
    "report", "policy", "day", "policy_domain", "organization", "trust", "superseded", "policy_type", "policy_string",
    "mx_host", "canonical", "mode", "max_age", "total_successful_session_count", "total_failure_session_count",
    "would_block", "unclassified", "evaluated",
)  # fmt: skip
_FAILURES = (
    "report", "policy", "day", "policy_domain", "organization", "trust", "superseded", "policy_type", "result_type",
    "result_type_raw", "cause", "impact", "mx_key", "failed_session_count", "sending_mta_ip", "receiving_mx_hostname",
    "receiving_mx_helo", "receiving_ip", "additional_information", "failure_reason_code",
)  # fmt: skip
_DEFECTS = ("report", "place", "message")


def facts(store: Store, numbered: Iterable[tuple[int, Incoming]]) -> list[Rows]:
    """Return the rows of reports under the numbers given, for the tables reports, policies, failures, defects.

    Deliveries keep their place in the batch; the caller raises them to their numbers.
    """
    reports: list[tuple[Any, ...]] = []
    policies: list[tuple[Any, ...]] = []
    failures: list[tuple[Any, ...]] = []
    defects: list[tuple[Any, ...]] = []
    for number, incoming in numbered:
        report, trust = incoming.report, incoming.trust
        day, name = _day(report.day), organization(report.submitter)
        reports.append((
            number, day, _day(report.first_day), _day(report.last_day), _time(report.start_datetime),
            _time(report.end_datetime), name, report.organization_name, report.submitter, report.contact_info,
            report.report_id, incoming.key, incoming.content_hash, trust, False, incoming.excluded,
            _time(incoming.received), incoming.delivery, len(report.defects),
        ))  # fmt: skip
        for place, policy in enumerate(report.policies):
            said = evaluate(policy)
            shared = (number, place, day, policy.policy_domain, name, trust, False, policy.policy_type)
            policies.append((
                *shared, policy.policy_string, policy.mx_host,
                canonical(policy.policy_type, policy.policy_string, policy.mx_host), policy.mode, policy.max_age,
                policy.total_successful_session_count, policy.total_failure_session_count,
                said.would_block, said.unclassified, said.evaluated,
            ))  # fmt: skip
            for row, (cause, impact) in zip(policy.failure_details, said.causes, strict=True):
                (
                    result_type, raw, sending_ip, mx, helo, receiving_ip, count, information, reason
                ) = row  # fmt: skip
                failures.append((
                    *shared, result_type, raw, cause, impact, mx or (f"ip:{receiving_ip}" if receiving_ip else "*"),
                    count, sending_ip, mx, helo, receiving_ip, information, reason,
                ))  # fmt: skip
        if report.defects:
            defects += [(number, where, message) for where, message in report.defects]
    # Day order is what keeps questions about a period quick.
    by_day = itemgetter(1)
    return [
        _rows(store, "reports", _REPORTS, sorted(reports, key=by_day)),
        _rows(store, "policies", _POLICIES, sorted(policies, key=itemgetter(2))),
        _rows(store, "failures", _FAILURES, sorted(failures, key=itemgetter(2))),
        _rows(store, "defects", _DEFECTS, defects),
    ]


def _rows(store: Store, table: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Rows:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return Rows(store, table, dict(zip(names, columns, strict=True)))


@lru_cache(maxsize=4096)
def _day(day: date) -> str:
    return day.isoformat()


@lru_cache(maxsize=4096)
def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(" ") if moment else None


def time_text(moment: datetime | None) -> str | None:
    """Return a time as the store takes it."""
    return _time(moment)
