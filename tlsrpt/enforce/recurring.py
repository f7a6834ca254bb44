"""When a failure recurs: on several days, at several organizations, or in a burst."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.enforce.evidence import Evidence, Failure, Fingerprint, Place, fingerprint

if TYPE_CHECKING:
    from tlsrpt.enforce.parameters import Parameters


class Series(NamedTuple):
    """One cause at one place over some days."""

    place: Place
    rows: tuple[Failure, ...]
    recurring: tuple[str, ...]  # why it recurs, () if it does not
    statuses: Mapping[Fingerprint, str]  # of each organization: open, waiting, closed or historical

    @property
    def organizations(self) -> tuple[str, ...]:
        """Return who reports it, by name."""
        return tuple(sorted({row.organization for row in self.rows}))

    @property
    def days(self) -> tuple[date, ...]:
        """Return on which days, oldest first."""
        return tuple(sorted({row.day for row in self.rows}))

    @property
    def sessions(self) -> int:
        """Return how many sessions the details count; one session may stand in several of them."""
        return sum(row.sessions for row in self.rows)

    @property
    def status(self) -> str:
        """Return how it stands: open if it is so for anybody."""
        found = set(self.statuses.values())
        return next(one for one in ("open", "waiting", "closed", "historical") if one in found)


def series(evidence: Evidence, rows: Iterable[Failure]) -> list[Series]:
    """Return failures as series, most sessions first."""
    places: dict[Place, list[Failure]] = defaultdict(list)
    for row in rows:
        places[Place(row.cause, row.mx_key)].append(row)
    counted: dict[tuple[str, date], int] = defaultdict(int)
    for one in evidence.sts:
        counted[one.organization, one.day] += one.evaluated
    found = [
        Series(
            place,
            tuple(mine),
            _recurs(mine, counted, evidence.parameters),
            {key: evidence.status(key) for key in dict.fromkeys(map(fingerprint, mine))},
        )
        for place, mine in places.items()
    ]
    return sorted(found, key=lambda one: (-one.sessions, one.place))


def _recurs(
    rows: Sequence[Failure], counted: Mapping[tuple[str, date], int], parameters: Parameters
) -> tuple[str, ...]:
    """Return why failures of one place recur (the rule of docs/criteria.md), () if they do not.

    A burst is a share of the sessions under the same policy type: those of an `sts` policy are `counted`.
    """
    days: dict[str, set[date]] = defaultdict(set)
    on_day: dict[tuple[str, date, str], int] = defaultdict(int)
    for row in rows:
        days[row.organization].add(row.day)
        on_day[row.organization, row.day, row.policy_type] += row.sessions
    of_type: dict[tuple[str, date, str], int] = defaultdict(int)
    for row in {(row.report, row.policy): row for row in rows if row.policy_type != "sts"}.values():
        of_type[row.organization, row.day, row.policy_type] += row.successful + row.failed

    def share(organization: str, day: date, policy_type: str) -> float:
        whole = counted.get((organization, day), 0) if policy_type == "sts" else of_type[organization, day, policy_type]
        return on_day[organization, day, policy_type] / whole if whole else 1.0

    found = []
    if len(days) >= parameters.recur_orgs and sum(on_day.values()) >= 2:
        found.append(f"{len(days)} organizations")
    found += [
        f"{organization} on {len(seen)} days"
        for organization, seen in sorted(days.items())
        if len(seen) >= parameters.recur_days
    ]
    found += [
        f"{organization} {sessions:,} times on {day}"
        for (organization, day, policy_type), sessions in sorted(on_day.items())
        if sessions >= parameters.burst_min and share(organization, day, policy_type) >= parameters.burst_rate
    ]
    return tuple(found)
