"""Questions about senders: who reports about a domain, on which days, and from which policy they work."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from queries import EVERYTHING, Scope, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsrpt.store import Store

MOST = 1_000  # organizations that are told


class Sender(NamedTuple):
    """One reporting organization over a period. Sessions of different policy types overlap; never add them up."""

    organization: str
    trust: str  # of its reports; two of them, joined by ", ", if they differ
    reports: int
    days: int  # distinct UTC days with a report
    first_day: date
    last_day: date
    sts_successful: int  # sessions
    sts_failed: int
    would_block: int  # sts sessions that enforce would have kept from delivering
    tlsa_successful: int
    tlsa_failed: int
    organizations: int  # that the scope has, those beyond the limit too


class Day(NamedTuple):
    """One organization on one UTC day. A day without a row is a day without a report, which is not a clean day."""

    organization: str
    day: date
    would_block: int
    failed: int  # the largest of the failed sessions of the policy types: a bound that adds up nothing


class Span(NamedTuple):
    """The days that a report of several days is about."""

    organization: str
    first_day: date
    last_day: date


class Held(NamedTuple):
    """A policy that an organization worked from on the newest day on which it told one."""

    organization: str
    day: date
    canonical: str
    sessions: int


def overview(store: Store, scope: Scope = EVERYTHING, *, limit: int = MOST) -> list[Sender]:
    """Return the organizations that report, those with most days first."""
    return rows(store, "senders_overview", Sender, scope, limit=limit)


def days(store: Store, scope: Scope = EVERYTHING, *, organizations: Sequence[str] | None = None) -> list[Day]:
    """Return the days on which each of these organizations reported, oldest first; None stands for all of them."""
    return rows(store, "senders_days", Day, scope, organizations=_listed(organizations))


def spans(store: Store, scope: Scope = EVERYTHING, *, organizations: Sequence[str] | None = None) -> list[Span]:
    """Return the days that reports of several days cover."""
    return rows(store, "senders_spans", Span, scope, organizations=_listed(organizations))


def policies(store: Store, scope: Scope = EVERYTHING, *, organizations: Sequence[str] | None = None) -> list[Held]:
    """Return from which policy each organization works; of several on one day, that of most sessions first."""
    return rows(store, "senders_policies", Held, scope, organizations=_listed(organizations))


def _listed(organizations: Sequence[str] | None) -> list[str] | None:
    return None if organizations is None else list(organizations)
