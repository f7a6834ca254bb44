"""The enforce decision as questions: the evidence about one domain, or about all, and the verdict on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from queries import Scope, decisions, published, rows
from tlsrpt.enforce import verdict
from tlsrpt.enforce.evidence import (
    Acknowledgement,
    Answer,
    Claim,
    Covered,
    Evidence,
    Failure,
    Fix,
    Holder,
    PolicySpan,
    PoorReport,
    ReportCounts,
    Sessions,
    last_settled,
)
from tlsrpt.enforce.parameters import LOW_VOLUME_DAYS, Parameters
from tlsrpt.enforce.parameters import parameters as usual
from tlsrpt.published import Check, MxFacts, Seen

if TYPE_CHECKING:
    from tlsrpt.enforce.verdict import Judgement
    from tlsrpt.store import Store

CLAIMS = 50  # organizations of claims that are told
PART = 500  # domains whose evidence is in memory at a time

USUAL = usual()


class _Domain(NamedTuple):
    policy_domain: str


class _Period(NamedTuple):
    """The days that evidence is about, and the moment of the question."""

    since: date
    until: date
    at: datetime
    late: list[int]  # reports that count now and did not then
    kept: list[int]  # those that something replaced since


class _Version(NamedTuple):
    report: int
    counted: bool


def domains(store: Store, now: datetime) -> list[str]:
    """Return the domains that there is a verdict on at a moment (UTC, without tzinfo), by name."""
    found = rows(store, "readiness_domains", _Domain, Scope(until=now.date()), at=now)
    return [row.policy_domain for row in found]


def judge(
    store: Store, policy_domain: str, now: datetime, parameters: Parameters = USUAL, *, days: int = 0
) -> Judgement:
    """Return the verdict on a domain at a moment (UTC, without tzinfo), from the store alone.

    The evidence reaches back at least so many days. Raises StoreError.
    """
    return verdict.judge(evidence(store, policy_domain, now, parameters, days=days))


def evidence(
    store: Store, policy_domain: str, now: datetime, parameters: Parameters = USUAL, *, days: int = 0
) -> Evidence:
    """Return everything known about one domain at a moment."""
    with store.reading():
        period = _period(store, now, parameters, days)
        looks = _as_senders(published.places(store, policy_domain, at=now))
        names = [policy_domain, *_mx_hosts(looks, policy_domain)]
        mine = Scope(policy_domain=policy_domain, since=period.since, until=period.until)
        claims = rows(store, "readiness_claims", Claim, mine, at=now, limit=CLAIMS)
        return replace(
            _looked(store, policy_domain, parameters, period, looks),
            # What DANE senders tell stands under the name of the MX (RFC 8460 section 1.1).
            failures=_of(store, "readiness_failures", Failure, period, names),
            covered=_of(store, "readiness_spans", Covered, period, names[:1]),
            policies=_of(store, "readiness_policies", PolicySpan, period, names[:1]),
            holders=_of(store, "readiness_holders", Holder, period, names[:1]),
            reports=next(iter(_of(store, "readiness_reports", ReportCounts, period, names[:1])), None),
            poor=_of(store, "readiness_poor", PoorReport, period, names[:1]),
            claims=claims,
            acknowledgements=decisions.acknowledgements(store, mine, at=now),
            answers=decisions.answers(store, mine, at=now),
        )


def looked(
    store: Store,
    policy_domain: str,
    now: datetime,
    parameters: Parameters = USUAL,
    *,
    days: int,
    failing: bool = False,
    policies: Sequence[PolicySpan] = (),
) -> Evidence:
    """Return what looks and the operator tell of a domain, and what reports counted in so many settled days.

    No verdict comes of this: failures are asked for only if they are wanted, and the whole history of what
    senders saw is left out, but for `policies`.
    """
    with store.reading():
        period = _since(store, now, last_settled(now, parameters.settle_lag_h) - timedelta(days=days - 1))
        looks = _as_senders(published.places(store, policy_domain, at=now))
        names = [policy_domain, *_mx_hosts(looks, policy_domain)]
        return replace(
            _looked(store, policy_domain, parameters, period, looks),
            failures=_of(store, "readiness_failures", Failure, period, names) if failing else (),
            policies=policies,
        )


def _looked(
    store: Store, policy_domain: str, parameters: Parameters, period: _Period, looks: Sequence[Check]
) -> Evidence:
    """Return what looks tell of a domain, what was repaired, and what reports count in a period."""
    return Evidence(
        policy_domain=policy_domain,
        now=period.at,
        parameters=parameters,
        looks=looks,
        past=_as_senders(published.seen(store, policy_domain, at=period.at)),
        sessions=_of(store, "readiness_sessions", Sessions, period, [policy_domain]),
        fixes=decisions.fixes(store, Scope(policy_domain=policy_domain), at=period.at),
    )


def board(
    store: Store,
    now: datetime,
    parameters: Parameters = USUAL,
    *,
    more: Iterable[str] = (),
) -> list[Judgement]:
    """Return the verdict on every domain, worst first; `more` names some that nothing may be known of."""
    found = [one for part in parts(store, now, parameters, more=more) for one in part]
    order = verdict.VERDICTS.index
    return sorted(found, key=lambda one: (order(one.verdict), one.evidence.policy_domain))


def parts(
    store: Store,
    now: datetime,
    parameters: Parameters = USUAL,
    *,
    first: Sequence[str] = (),
    more: Iterable[str] = (),
) -> Iterator[list[Judgement]]:
    """Yield the verdicts on every domain, some at a time, those of `first` first.

    The store is let go of in between: thousands of domains take seconds, and others want to write meanwhile.
    """
    with store.reading():
        known = set(domains(store, now))
        names = [*(name for name in first if name in known), *sorted({*known, *more} - set(first))]
        period = _period(store, now, parameters, 0)
        looked = {one.policy_domain for one in published.checked(store, at=now)}
        said = _Said(
            _grouped(decisions.fixes(store, at=now)),
            _grouped(decisions.acknowledgements(store, at=now)),
            _grouped(decisions.answers(store, at=now)),
        )
    for at in range(0, len(names), PART):
        with store.reading():
            yield _part(store, names[at : at + PART], period, parameters, looked, said)


class _Said(NamedTuple):
    """What the operator said, by domain."""

    fixes: Mapping[str, list[Fix]]
    acknowledgements: Mapping[str, list[Acknowledgement]]
    answers: Mapping[str, list[Answer]]


def _part(
    store: Store, names: Sequence[str], period: _Period, parameters: Parameters, looked: AbstractSet[str], said: _Said
) -> list[Judgement]:
    looks = {name: _as_senders(published.places(store, name, at=period.at)) for name in names if name in looked}
    hosts = {name: [name, *_mx_hosts(looks.get(name, ()), name)] for name in names}
    sessions = _grouped(_among(store, "readiness_sessions", Sessions, period, names))
    everywhere = dict.fromkeys(host for mine in hosts.values() for host in mine)
    failures = _grouped(_among(store, "readiness_failures", Failure, period, everywhere))
    covered = _grouped(_among(store, "readiness_spans", Covered, period, names))
    policies = _grouped(_among(store, "readiness_policies", PolicySpan, period, names))
    counts = _grouped(_among(store, "readiness_reports", ReportCounts, period, names))
    return [
        verdict.judge(
            Evidence(
                policy_domain=name,
                now=period.at,
                parameters=parameters,
                looks=looks.get(name, ()),
                past=_as_senders(published.seen(store, name, at=period.at)) if name in looks else (),
                sessions=sessions[name],
                failures=[row for host in hosts[name] for row in failures[host]],
                covered=covered[name],
                policies=policies[name],
                reports=next(iter(counts[name]), None),
                fixes=said.fixes[name],
                acknowledgements=said.acknowledgements[name],
                answers=said.answers[name],
            )
        )
        for name in names
    ]


Looked = TypeVar("Looked", Check, Seen)


def _as_senders(found: list[Looked]) -> list[Looked]:
    """Return what was looked at as senders do; a test set-up says something only of a domain without such a look."""
    return [one for one in found if one.settings.as_senders] or found


def _period(store: Store, now: datetime, parameters: Parameters, days: int) -> _Period:
    window = max(parameters.obs_days, LOW_VOLUME_DAYS, days)
    return _since(store, now, last_settled(now, parameters.settle_lag_h) - timedelta(days=window - 1))


def _since(store: Store, now: datetime, since: date) -> _Period:
    versions = rows(store, "readiness_versions", _Version, Scope(since=since, until=now.date()), at=now)
    late = [one.report for one in versions if not one.counted]
    kept = [one.report for one in versions if one.counted]
    return _Period(since, now.date(), now, late, kept)


def _more(period: _Period, names: list[str] | None) -> dict[str, object]:
    return {"at": period.at, "late": period.late, "kept": period.kept, "policy_domains": names}


def _mx_hosts(looks: Sequence[Check], policy_domain: str) -> list[str]:
    """Return the MX names that the newest looks found, beside the domain itself."""
    found = (facts for look in looks for _, facts in look.all(MxFacts))
    return [host for host in dict.fromkeys(one.host for facts in found for one in facts.hosts) if host != policy_domain]


Row = TypeVar("Row", Sessions, Failure, Covered, PolicySpan, Holder, ReportCounts, PoorReport)


def _of(store: Store, name: str, row: type[Row], period: _Period, names: Iterable[str]) -> list[Row]:
    return [
        found
        for one in names
        for found in rows(
            store, name, row, Scope(policy_domain=one, since=period.since, until=period.until), **_more(period, None)
        )
    ]


def _among(store: Store, name: str, row: type[Row], period: _Period, names: Iterable[str]) -> list[Row]:
    return rows(store, name, row, Scope(since=period.since, until=period.until), **_more(period, list(names)))


Named = TypeVar("Named")


def _grouped(found: Iterable[Named]) -> Mapping[str, list[Named]]:
    groups: dict[str, list[Named]] = defaultdict(list)
    for row in found:
        groups[row.policy_domain].append(row)  # type: ignore[attr-defined]
    return groups
