"""Blast radius: which sessions `enforce` would have held back in the last days, and what of it is mended.

Summaries bound it and details never raise it. What senders count as successes names no MX, so nobody can tell
how much of that mail another MX would have taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.cause import BLOCKING
from tlsrpt.enforce.fault import Fault, Looks, fault
from tlsrpt.enforce.recurring import Series, series

if TYPE_CHECKING:
    from tlsrpt.enforce.evidence import Evidence, Failure

# How a series stands, what needs doing first.
STATUSES = ("open", "waiting", "closed", "mended", "historical")
_LEFT = frozenset({"open", "waiting"})


class Damage(NamedTuple):
    """One cause at one place."""

    cause: str
    mx_key: str
    sessions: int  # of its details, bounded by the summary of each; one session may stand under two causes
    organizations: tuple[str, ...]
    days: int
    first_day: date
    last_day: date
    recurring: bool
    status: str  # "open", "waiting" for a look after its fix, "closed", "historical" or "mended" by the policy
    fault: Fault
    rows: tuple[Failure, ...]
    impact: str = ""  # of tlsrpt.cause.Cause; "projected" is what enforce would hold back once the sender sees it
    policy_type: str = ""


class Blast(NamedTuple):
    """What enforce would have held back, over some days up to now."""

    since: date
    until: date
    sessions: int  # as the summaries bound them
    mended: int  # of these, sessions of what is mended, or happened at what is no MX any more
    evaluated: int  # sessions that a policy was applied to
    organizations: tuple[str, ...]
    days: int  # on which anything would have been held back
    damages: tuple[Damage, ...]  # what is open first, then most sessions
    unclassified: int = 0  # failed sessions beside these that no detail explains: some of them may be more of it


def blast(evidence: Evidence, days: int | None = None) -> Blast:
    """Return the damage over so many days up to today, over the window of the rate if None."""
    since, until = _period(evidence, days)
    rows = [row for row in _within(evidence, since, until) if _blocks(evidence, row)]
    held = [row for row in evidence.sts if since <= row.day <= until]
    looks = Looks(evidence)
    mended = [row for row in rows if evidence.is_mended(row)]
    found = [_damage(evidence, one, looks) for one in series(evidence, _less(rows, mended))]
    found += [_damage(evidence, one, looks, "mended") for one in series(evidence, mended)]
    return Blast(
        since,
        until,
        sum(row.would_block for row in held),
        _mended(rows, (row for one in found if one.status in _LEFT for row in one.rows)),
        sum(row.evaluated for row in held),
        tuple(sorted({row.organization for row in held if row.would_block})),
        len({row.day for row in held if row.would_block}),
        _ordered(found),
        sum(row.unclassified for row in held),
    )


def other(evidence: Evidence, days: int | None = None) -> list[Damage]:
    """Return what fails without having been evaluated under the policy: transient, policy, DANE and projected.

    Each policy type by itself, as one session may stand under two. Of a domain of its own that an MX is, only
    what DANE senders tell is about mail to this one (RFC 8460 section 1.1).
    """
    rows: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for row in _within(evidence, *_period(evidence, days)):
        mine = row.policy_domain == evidence.policy_domain or row.impact == "dane"
        if mine and not (row.policy_type == "sts" and row.impact in BLOCKING):
            rows[row.policy_type, row.impact].append(row)
    looks = Looks(evidence)
    found = [_damage(evidence, one, looks) for mine in rows.values() for one in series(evidence, mine)]
    return list(_ordered(found))


def _period(evidence: Evidence, days: int | None) -> tuple[date, date]:
    until = evidence.now.date()
    return evidence.obs_since if days is None else until - timedelta(days=days - 1), until


def _within(evidence: Evidence, since: date, until: date) -> list[Failure]:
    return [row for row in evidence.failures if since <= row.day <= until]


def _blocks(evidence: Evidence, row: Failure) -> bool:
    """Return whether a failure is one that enforce would turn into mail held back."""
    return row.policy_type == "sts" and row.policy_domain == evidence.policy_domain and row.impact in BLOCKING


def _less(rows: Iterable[Failure], those: Collection[Failure]) -> list[Failure]:
    left_out = set(those)
    return [row for row in rows if row not in left_out]


def _ordered(found: Iterable[Damage]) -> tuple[Damage, ...]:
    return tuple(sorted(found, key=lambda one: (STATUSES.index(one.status), -one.sessions, one.cause, one.mx_key)))


def _elements(rows: Iterable[Failure]) -> Mapping[tuple[int, int], list[Failure]]:
    """Return failures by the policy element of a report that they stand in."""
    found: dict[tuple[int, int], list[Failure]] = defaultdict(list)
    for row in rows:
        found[row.report, row.policy].append(row)
    return found


def _mended(rows: Iterable[Failure], left: Iterable[Failure]) -> int:
    """Return how many sessions would not be held back any more, if only some failures are left.

    By element: where details count a session twice, it is held back as long as one of them stands.
    """
    still = _elements(left)
    gone = 0
    for key, mine in _elements(rows).items():
        blocked = mine[0].would_block
        gone += blocked - min(blocked, sum(row.sessions for row in still.get(key, ())))
    return gone


def _sessions(rows: Sequence[Failure]) -> int:
    """Return the sessions of details, in each element at most what its summary, or its policy, says."""
    counted = 0
    for mine in _elements(rows).values():
        told = sum(row.sessions for row in mine)
        first = mine[0]
        most = first.would_block if first.policy_type == "sts" and first.impact in BLOCKING else first.failed
        # mox adds rows without counting a failure: then there is nothing that bounds them.
        counted += min(told, most) if most else told
    return counted


def _damage(evidence: Evidence, one: Series, looks: Looks, status: str = "") -> Damage:
    return Damage(
        *one.place,
        _sessions(one.rows),
        one.organizations,
        len(one.days),
        one.days[0],
        one.days[-1],
        bool(one.recurring),
        status or one.status,
        fault(evidence, one.place, one.rows, looks),
        one.rows,
        one.rows[0].impact,
        one.rows[0].policy_type,
    )
