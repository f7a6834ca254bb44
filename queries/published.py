"""Questions about what domains publish, as it was seen."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from queries import EVERYTHING, Scope, rows
from tlsrpt.check_file import read_facts, read_settings
from tlsrpt.published import Check, Measures, Observation, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tlsrpt.store import Store


class Checked(NamedTuple):
    """The newest look at a domain."""

    policy_domain: str
    checked_at: datetime  # UTC, without tzinfo
    vantage: str
    checks: int  # looks in all, from everywhere


class _Found(NamedTuple):
    policy_domain: str
    vantage: str
    settings: str
    checked_at: datetime
    kind: str | None
    subject: str
    facts: str
    ttl: int | None
    seconds: float | None
    banner: str


class _Kept(NamedTuple):
    subject: str
    facts: str
    ttl: int | None
    seconds: float | None
    banner: str
    first_seen: datetime
    last_seen: datetime
    vantage: str
    settings: str


def newest(store: Store, policy_domain: str, *, at: datetime | None = None, vantage: str | None = None) -> Check | None:
    """Return the newest look at a domain, at or before a time, None if there is none.

    Its measures are those of the last look that found the same, which may be a later one.
    """
    scope = Scope(policy_domain=policy_domain)
    found = rows(store, "published_newest", _Found, scope, at=at, vantage=vantage)
    return _check(found) if found else None


def places(store: Store, policy_domain: str, *, at: datetime | None = None) -> list[Check]:
    """Return the newest look at a domain from each place with each set of settings, newest first."""
    found = rows(store, "published_places", _Found, Scope(policy_domain=policy_domain), at=at)
    return [_check(list(look)) for _, look in groupby(found, key=lambda row: row[:4])]


def _check(found: Sequence[_Found]) -> Check:
    head = found[0]
    return Check(
        policy_domain=head.policy_domain,
        checked_at=head.checked_at,
        vantage=head.vantage,
        settings=read_settings(head.settings),
        observations=tuple(_observation(row) for row in found if row.kind is not None),
    )


def seen(store: Store, policy_domain: str, *, at: datetime | None = None) -> list[Seen]:
    """Return everything ever seen of a domain, up to a time, oldest first."""
    found = rows(store, "published_seen", _Kept, Scope(policy_domain=policy_domain), at=at)
    return [
        Seen(_observation(row), row.first_seen, row.last_seen, row.vantage, read_settings(row.settings))
        for row in found
    ]


def checked(
    store: Store, scope: Scope = EVERYTHING, *, at: datetime | None = None, names: Sequence[str] | None = None
) -> list[Checked]:
    """Return when the domains of a scope, or some of them, were looked at last, up to a time, by name."""
    return rows(store, "published_checked", Checked, scope, at=at, names=names)


def _observation(row: _Found | _Kept) -> Observation:
    measures = Measures(ttl=row.ttl, seconds=row.seconds, banner=row.banner)
    return Observation(subject=row.subject, facts=read_facts(row.facts), measures=measures)
