"""Questions about failures: what fails, where, since when, and who says so.

Failed sessions come from failure-details rows; sessions that a summary counts and no row explains are
shown under the cause "unclassified". Rows of different policy types are never added up: a breakdown has
a row per policy type, a series takes the largest.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal, NamedTuple

from queries import EVERYTHING, WHOLE, Part, Scope, part_of, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsrpt.store import Store

Property = Literal["cause", "result_type", "mx", "organization", "sending_ip", "day"]


class Series(NamedTuple):
    """One cause at one place of one domain, over all organizations that report it."""

    policy_domain: str
    cause: str
    mx_key: str  # host name of the MX, "ip:…" without one, "*" for failures before any MX was contacted
    impact: str  # "would-block", "unclear", "projected", "dane" or "none"; see tlsrpt.cause
    failed_session_count: int
    organizations: int
    days: int  # distinct UTC days with such failures
    first_day: date  # in the whole store up to the end of the period, so that an old series shows its age
    last_day: date
    organization_names: str  # the organizations, most failures first, joined by ", "


class Summary(NamedTuple):
    """How many series there are."""

    series: int
    blocking: int  # of these, those that enforce would block, "unclear" included
    last_day: date | None  # of a failure


class Total(NamedTuple):
    """Failed sessions of one policy type."""

    policy_type: str
    failed_session_count: int
    would_block: int  # of these, sessions that enforce would have blocked, "unclear" included


class Breakdown(NamedTuple):
    """Failed sessions by one property and policy type."""

    key: str
    policy_type: str
    failed_session_count: int
    would_block: int  # of these, sessions that enforce would have blocked, "unclear" included
    organizations: int
    domains: int
    days: int
    first_day: date
    last_day: date


class Fingerprint(NamedTuple):
    """A failure series as one organization sees it: (policy_domain, organization, cause, mx_key)."""

    policy_domain: str
    organization: str
    cause: str
    mx_key: str
    impact: str
    failed_session_count: int
    days: int
    first_day: date  # in the whole store up to the end of the period
    last_day: date


class Evidence(NamedTuple):
    """Failures of one report that belong to a series."""

    report: int  # number of the report in this store
    day: date
    organization: str
    policy_type: str
    result_type: str
    failure_reason_code: str | None
    failed_session_count: int
    sending_mta_ips: int  # distinct addresses
    sending_mta_ip: str | None  # one of them
    receiving_ip: str | None  # one of them
    receiving_mx_hostname: str | None


class FailureDay(NamedTuple):
    """Failed sessions of one series on one UTC day."""

    policy_domain: str
    cause: str
    mx_key: str
    day: date
    failed_session_count: int


class PlaceSessions(NamedTuple):
    """Failed sessions of one cause at one place."""

    cause: str
    mx_key: str
    impact: str
    failed_session_count: int  # of what one organization tells by several policy types, the most


def places(store: Store, scope: Scope = EVERYTHING, *, limit: int = 200) -> list[PlaceSessions]:
    """Return failed sessions by cause and MX of the days of a scope, most first."""
    return rows(store, "failures_places", PlaceSessions, scope, limit=limit)


def series(store: Store, scope: Scope = EVERYTHING) -> list[Series]:
    """Return the failure series of a scope: what enforce would block first, then most sessions."""
    return series_part(store, scope, WHOLE)[0]


def series_part(store: Store, scope: Scope, part: Part, *, began: date | None = None) -> tuple[list[Series], int]:
    """Return a part of the failure series of a scope, in that order or another, and how many have its words.

    Words are looked for in impact, cause, MX, domain, last day and organizations. The order is a field of Series, but
    not the last one. With `began` only series count that began on that UTC day or later.
    """
    return part_of(store, "failures_series", Series, part, scope, began=began)


def summary(store: Store, scope: Scope = EVERYTHING) -> Summary:
    """Return how many failure series a scope has."""
    return rows(store, "failures_summary", Summary, scope)[0]


def totals(store: Store, scope: Scope = EVERYTHING) -> list[Total]:
    """Return the failed sessions of a scope by policy type."""
    return rows(store, "failures_totals", Total, scope)


def series_days(store: Store, scope: Scope = EVERYTHING, *, mxs: Sequence[str] | None = None) -> list[FailureDay]:
    """Return the days of each series, or of those at some MXs, oldest first."""
    return rows(store, "failures_series_days", FailureDay, scope, mxs=mxs)


def evidence(store: Store, scope: Scope = EVERYTHING) -> list[Evidence]:
    """Return the reports behind the failures of a scope, newest day first."""
    return rows(store, "failures_evidence", Evidence, scope)


def breakdown(store: Store, by: Property, scope: Scope, part: Part) -> tuple[list[Breakdown], int]:
    """Return a part of the failed sessions by one property, and how many rows have its words.

    The order is a field of Breakdown, else that of the function for this property.
    """
    return part_of(store, f"failures_by_{by}", Breakdown, part, scope)


def by_cause(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by cause, most first."""
    return rows(store, "failures_by_cause", Breakdown, scope)


def by_result_type(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by result type as the senders named it, most first."""
    return rows(store, "failures_by_result_type", Breakdown, scope)


def by_mx(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by MX, most first."""
    return rows(store, "failures_by_mx", Breakdown, scope)


def by_organization(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by reporting organization, most first."""
    return rows(store, "failures_by_organization", Breakdown, scope)


def by_sending_ip(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by the sender's address, most first."""
    return rows(store, "failures_by_sending_ip", Breakdown, scope)


def by_day(store: Store, scope: Scope = EVERYTHING) -> list[Breakdown]:
    """Return failed sessions by UTC day, newest first; `key` is the day as YYYY-MM-DD."""
    return rows(store, "failures_by_day", Breakdown, scope)


def fingerprints(store: Store, scope: Scope = EVERYTHING) -> list[Fingerprint]:
    """Return failure series per organization, most sessions first."""
    return rows(store, "failures_fingerprints", Fingerprint, scope)
