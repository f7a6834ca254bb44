"""Questions about reports: the list, and one of them whole."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from queries import EVERYTHING, Part, Scope, part_of, rows

if TYPE_CHECKING:
    from tlsrpt.store import Store


class ReportRow(NamedTuple):
    """One report in a list. A count is None where the report has no policy of that type."""

    report: int  # number of the report in this store
    day: date
    organization: str
    policy_domains: str  # joined by ", "
    sts_successful: int | None
    sts_failed: int | None
    tlsa_successful: int | None
    tlsa_failed: int | None
    no_policy_successful: int | None
    no_policy_failed: int | None
    defects: int
    trust: str  # "vouched", "known", "signed", "unchecked" or "unverified"
    superseded: bool  # a newer report with the same identity took its place; not counted anywhere
    report_id: str


class Head(NamedTuple):
    """One report, without its policies."""

    report: int
    organization_name: str | None
    organization: str
    submitter: str
    contact_info: str | None
    report_id: str
    start_datetime: datetime  # UTC
    end_datetime: datetime  # UTC, exclusive
    day: date
    first_day: date
    last_day: date
    trust: str
    superseded: bool
    excluded: str | None  # why it is kept out of decisions, if it is
    signer: str | None  # domain whose signature it is believed for


class PolicyRow(NamedTuple):
    """One policy of one report."""

    policy: int  # place in the report, from 0
    policy_type: str
    policy_domain: str
    policy_string: list[str]
    mx_host: list[str]
    mode: str | None
    max_age: int | None  # seconds
    total_successful_session_count: int
    total_failure_session_count: int
    would_block: int
    unclassified: int


class DetailRow(NamedTuple):
    """One failure-details row of one report."""

    policy: int
    result_type: str
    result_type_raw: str | None
    cause: str
    impact: str
    sending_mta_ip: str | None
    receiving_mx_hostname: str | None
    receiving_mx_helo: str | None
    receiving_ip: str | None
    failed_session_count: int
    additional_information: str | None
    failure_reason_code: str | None


class DefectRow(NamedTuple):
    """Something in one report that was read past."""

    where: str
    message: str


class DeliveryRow(NamedTuple):
    """One way by which a report came."""

    source: str
    name: str
    outcome: str  # "loaded", "duplicate"
    loaded_at: datetime  # UTC
    received_at: datetime | None  # UTC
    sender: str | None  # domain of From
    message_id: str | None
    authentication: str | None  # "pass", "expired", "fail", "none", "temporary-error", "not-checked", "vouched"
    authentication_reason: str | None
    signer: str | None  # domain whose signature is valid
    address: str | None  # of From


class OneReport(NamedTuple):
    """One report whole."""

    head: Head
    policies: list[PolicyRow]
    details: list[DetailRow]
    defects: list[DefectRow]
    deliveries: list[DeliveryRow]
    document: bytes  # JSON as received


def newest(store: Store, scope: Scope = EVERYTHING, *, limit: int | None = 1000, offset: int = 0) -> list[ReportRow]:
    """Return reports, newest day first, `limit` of them from `offset` on; superseded ones are marked."""
    if _looks_inside(scope):
        return part_of(store, "reports_listed", ReportRow, Part(first=offset, limit=limit), scope)[0]
    return rows(store, "reports_newest", ReportRow, scope, limit=limit, offset=offset)


def listed(store: Store, scope: Scope, part: Part) -> tuple[list[ReportRow], int]:
    """Return a part of the list of reports, newest first or in another order, and how many have its words.

    Words are looked for in what tells reports apart: day, organization, domain, trust, id, "superseded" and
    "defects". The order is a field of ReportRow. Newest first and without words it costs little, at any place.
    """
    if part.words or part.order or _looks_inside(scope):
        return part_of(store, "reports_listed", ReportRow, part, scope)
    return newest(store, scope, limit=part.limit, offset=part.first), count(store, scope)


def count(store: Store, scope: Scope = EVERYTHING) -> int:
    """Return how many reports a scope has."""
    if _looks_inside(scope):
        return listed(store, scope, Part(limit=1))[1]
    return rows(store, "reports_count", Count, scope)[0].reports


def _looks_inside(scope: Scope) -> bool:
    """Return whether a scope asks for more than a table of reports tells; that costs a look at every policy."""
    return scope != Scope(since=scope.since, until=scope.until, organization=scope.organization)


class Count(NamedTuple):
    """A number of reports."""

    reports: int


def one(store: Store, report: int) -> OneReport | None:
    """Return the report with this number whole, or None if there is none."""
    head = rows(store, "reports_one", Head, report=report)
    if not head:
        return None
    return OneReport(
        head[0],
        rows(store, "reports_policies", PolicyRow, report=report),
        rows(store, "reports_details", DetailRow, report=report),
        rows(store, "reports_defects", DefectRow, report=report),
        rows(store, "reports_deliveries", DeliveryRow, report=report),
        b"".join(kept.content for kept in rows(store, "reports_document", Content, report=report)),
    )


class Content(NamedTuple):
    """Bytes as received."""

    content: bytes
