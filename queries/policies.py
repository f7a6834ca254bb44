"""Questions about policies as senders saw them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from queries import EVERYTHING, Scope, rows

if TYPE_CHECKING:
    from tlsrpt.store import Store


class SeenPolicy(NamedTuple):
    """A policy in canonical form, as one organization saw it."""

    policy_domain: str
    policy_type: str
    canonical: str  # sts: "mode=… max_age=… mx=a,b"; tlsa: sorted records; else ""
    organization: str
    first_day: date
    last_day: date
    reports: int
    successful: int  # sessions
    failed: int


class PolicySpan(NamedTuple):
    """A policy in canonical form for as long as organizations saw it."""

    policy_domain: str
    policy_type: str
    canonical: str
    first_day: date
    last_day: date
    organizations: int
    sessions: int
    organization_names: str  # those with most sessions first, at most 12, joined by ", "
    policies: int  # that the scope has, those beyond the limit too


def spans(store: Store, scope: Scope = EVERYTHING, *, trusted: bool = False, limit: int = 50) -> list[PolicySpan]:
    """Return the policies that organizations saw, or that trusted reports tell of, the last to be seen first."""
    return rows(store, "policies_spans", PolicySpan, scope, trusted=trusted, limit=limit)


def as_seen(store: Store, scope: Scope = EVERYTHING) -> list[SeenPolicy]:
    """Return the policies that organizations saw, newest first; text that differs only in form is one."""
    return rows(store, "policies_as_seen", SeenPolicy, scope)
