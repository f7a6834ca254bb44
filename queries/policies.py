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


def as_seen(store: Store, scope: Scope = EVERYTHING) -> list[SeenPolicy]:
    """Return the policies that organizations saw, newest first; text that differs only in form is one."""
    return rows(store, "policies_as_seen", SeenPolicy, scope)
