"""Questions about policy domains: how each one stands."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from queries import EVERYTHING, Known, Part, Scope, part_of, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tlsrpt.store import Store


class Domain(NamedTuple):
    """One policy domain over a period. Sessions of different policy types overlap; never add them up."""

    policy_domain: str
    mode: str | None  # mode of the newest sts policy that a sender saw; None if none was seen
    max_age: int | None  # seconds, of the same policy
    sts_successful: int  # sessions
    sts_failed: int
    would_block: int  # sts sessions that enforce would have kept from delivering
    unclassified: int  # sts failures that no failure-details row explains
    failure_rate: float | None  # sts_failed / (sts_successful + sts_failed); None without sts sessions
    tlsa_successful: int
    tlsa_failed: int
    no_policy_successful: int  # of no-policy-found and of policy types that the RFC does not know
    no_policy_failed: int
    organizations: int  # reporting organizations
    reports: int
    first_day: date
    last_day: date  # UTC day of the newest report


class Day(NamedTuple):
    """One domain on one UTC day. A day without a row is a day without a report, which is not a clean day."""

    policy_domain: str
    day: date
    reports: int
    sts_successful: int
    sts_failed: int
    would_block: int
    failed: int  # the largest of the failed sessions of the policy types: a bound that adds up nothing
    tlsa_successful: int
    tlsa_failed: int


class Bounds(NamedTuple):
    """The UTC days between which there are reports."""

    first_day: date | None
    last_day: date | None


def overview(store: Store, scope: Scope = EVERYTHING) -> list[Domain]:
    """Return every policy domain, those with most would-block sessions first, then by failed sessions."""
    return rows(store, "domains_overview", Domain, scope)


def overview_part(
    store: Store, scope: Scope, part: Part, verdicts: Mapping[str, tuple[int, str]]
) -> tuple[list[Domain], int]:
    """Return a part of them, in that order or another, and how many have its words.

    The order is a field of Domain, or `queries.KNOWN`: by the place of the verdict on a domain, which is found among
    the words too.
    """
    return part_of(store, "domains_overview", Domain, part, scope, known=Known("policy_domain", verdicts))


def held(store: Store, scope: Scope = EVERYTHING) -> list[str]:
    """Return the domains in mode enforce that had sessions blocked, most of them first."""
    return [row.policy_domain for row in rows(store, "domains_held", _Name, scope)]


def silent(store: Store, scope: Scope = EVERYTHING, *, watched: Sequence[str] = ()) -> list[str]:
    """Return the domains that are known or watched and have no report in the days of a scope, by name."""
    return [row.policy_domain for row in rows(store, "domains_silent", _Name, scope, watched=list(watched))]


def days(store: Store, scope: Scope = EVERYTHING, *, names: Sequence[str] | None = None) -> list[Day]:
    """Return what each domain, or some, had on each UTC day with a report, oldest first: the series of a sparkline."""
    return rows(store, "domains_days", Day, scope, names=names)


def bounds(store: Store, scope: Scope = EVERYTHING) -> Bounds:
    """Return the first and the last day with a report; of a scope only its days and domain are heeded."""
    return rows(store, "domains_bounds", Bounds, scope)[0]


class Totals(NamedTuple):
    """Everything at a glance."""

    domains: int
    organizations: int
    reports: int
    first_day: date | None
    last_day: date | None
    sts_successful: int
    sts_failed: int
    would_block: int
    tlsa_failed: int
    no_policy_failed: int
    claims: int  # reports that no verdict rests on: nobody answers for their sender
    defective: int  # reports with something that was read past
    refused: int  # deliveries refused, whatever the scope
    skipped: int  # deliveries that were no TLS reports, whatever the scope


class _Name(NamedTuple):
    policy_domain: str


def names(store: Store, scope: Scope = EVERYTHING) -> list[str]:
    """Return every domain that a report or a look is about, by name."""
    return [row.policy_domain for row in rows(store, "domains_names", _Name, scope)]


def totals(store: Store, scope: Scope = EVERYTHING) -> Totals:
    """Return the totals of a scope."""
    return rows(store, "domains_totals", Totals, scope)[0]
