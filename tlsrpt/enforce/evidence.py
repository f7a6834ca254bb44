"""Everything known about one domain at one moment: what the criteria of `enforce` are worked out from.

Rows come from the store as they are; what is derived from them here is plain arithmetic and never asks
anybody. Reports stand here only if their origin is trusted; the others are claims, kept apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import NamedTuple

from tlsrpt import history
from tlsrpt.cause import BLOCKING, DANE_CAUSES, POLICY_CAUSES
from tlsrpt.enforce import drift
from tlsrpt.enforce.parameters import LOW_VOLUME_DAYS, Parameters
from tlsrpt.findings import Finding, criteria, judge
from tlsrpt.mta_sts import MODES, canonical, parse_policy
from tlsrpt.published import Check, FetchFacts, MxFacts, MxTlsFacts, Seen, TlsaFacts, TxtFacts

FRESH = timedelta(hours=24)  # how old a look may be that a verdict rests on
GONE = timedelta(days=7)  # after which an MX that is in neither DNS nor policy is history


class Sessions(NamedTuple):
    """What one organization counted on one UTC day under one policy. Policy types are never added up."""

    policy_domain: str
    organization: str
    day: date
    policy_type: str
    canonical: str
    reports: int
    successful: int
    failed: int
    would_block: int
    unclassified: int
    evaluated: int


class Failure(NamedTuple):
    """Failed sessions of one cause at one place in one policy element, and what that element counts in all."""

    policy_domain: str
    report: int
    policy: int
    day: date
    organization: str
    policy_type: str
    result_type: str
    cause: str
    impact: str
    mx_key: str
    reason: str | None
    sessions: int
    canonical: str
    successful: int
    failed: int
    would_block: int
    evaluated: int


class PolicySpan(NamedTuple):
    """A policy as senders saw it: from when to when, over the whole store."""

    policy_domain: str
    canonical: str
    first_day: date
    last_day: date


class Covered(NamedTuple):
    """The days that a report of several days is about; its counts stay with `day`."""

    policy_domain: str
    organization: str
    day: date
    canonical: str
    evaluated: int
    first_day: date
    last_day: date

    @property
    def days(self) -> list[date]:
        """Return the days, oldest first."""
        return [self.first_day + timedelta(days=ago) for ago in range((self.last_day - self.first_day).days + 1)]


class Holder(NamedTuple):
    """The policy that an organization worked from in its newest report that tells one."""

    policy_domain: str
    organization: str
    day: date
    canonical: str
    sessions: int


class Claim(NamedTuple):
    """What reports say whose origin nobody answers for: shown, and never counted."""

    trust: str
    organization: str  # as they call themselves
    reports: int
    sessions: int
    failed: int
    would_block: int


class ReportCounts(NamedTuple):
    """How many reports about a domain there are, and how many of them were of no use."""

    policy_domain: str
    reports: int  # trusted ones, superseded and excluded ones among them
    superseded: int
    excluded: int
    refused: int  # entries that could not be read
    trusted_sessions: int
    sessions: int  # of all reports, claims too


class PoorReport(NamedTuple):
    """A trusted report that was replaced or is kept out of decisions, or an entry of one that was refused."""

    policy_domain: str
    report: int
    day: date
    organization: str
    why: str


class Fix(NamedTuple):
    """A repair that the operator says was made."""

    fix: int
    policy_domain: str
    cause: str
    mx_key: str
    fixed_at: datetime  # UTC, without tzinfo
    note: str
    name: str  # who says so
    recorded_at: datetime


class Acknowledgement(NamedTuple):
    """A warning that the operator accepts."""

    acknowledgement: int
    policy_domain: str
    criterion: str
    basis: str  # hash of what the warning rested on
    reason: str
    name: str
    recorded_at: datetime
    expires_at: datetime


class Answer(NamedTuple):
    """What the operator answers to a question that no report and no look can tell."""

    policy_domain: str
    criterion: str
    answer: bool
    note: str
    name: str
    on_day: date | None  # of a change that is planned
    recorded_at: datetime
    number: int = 0


class Place(NamedTuple):
    """A failure series over all organizations."""

    cause: str
    mx_key: str


class Fingerprint(NamedTuple):
    """A failure series as one organization sees it."""

    organization: str
    cause: str
    mx_key: str


class Rate(NamedTuple):
    """Sessions that say something about the policy served now."""

    blocked: int
    evaluated: int
    unclassified: int


@dataclass(frozen=True)
class Evidence:
    """What is known about `policy_domain` at `now` (UTC, without tzinfo)."""

    policy_domain: str
    now: datetime
    parameters: Parameters
    looks: Sequence[Check] = ()  # the newest from each place with each set of settings, newest first
    past: Sequence[Seen] = ()
    sessions: Sequence[Sessions] = ()
    failures: Sequence[Failure] = ()
    covered: Sequence[Covered] = ()
    policies: Sequence[PolicySpan] = ()
    holders: Sequence[Holder] = ()
    reports: ReportCounts | None = None
    poor: Sequence[PoorReport] = ()
    claims: Sequence[Claim] = ()
    fixes: Sequence[Fix] = ()
    acknowledgements: Sequence[Acknowledgement] = ()
    answers: Sequence[Answer] = ()

    # Days

    @cached_property
    def settled(self) -> date:
        """Return the last UTC day about which no more reports are to be expected."""
        return last_settled(self.now, self.parameters.settle_lag_h)

    @cached_property
    def recent_since(self) -> date:
        """Return the first of the recent settled days."""
        return self.settled - timedelta(days=self.parameters.recent_days - 1)

    @cached_property
    def obs_days(self) -> int:
        """Return how many settled days the window of the rate has: more for a domain with little mail."""
        return max(self.parameters.obs_days, LOW_VOLUME_DAYS) if self.is_low_volume else self.parameters.obs_days

    @cached_property
    def obs_since(self) -> date:
        """Return the first settled day of the window."""
        return self.settled - timedelta(days=self.obs_days - 1)

    @cached_property
    def is_low_volume(self) -> bool:
        """Return whether so many sessions as are asked for did not come in four weeks of testing."""
        began = self.testing_since
        if began is None or (self.settled - began).days + 1 < LOW_VOLUME_DAYS:
            return False
        since = self.settled - timedelta(days=LOW_VOLUME_DAYS - 1)
        return sum(row.evaluated for row in self.evaluated if row.day >= since) < self.parameters.min_sessions

    # What is published

    @cached_property
    def fresh(self) -> list[Check]:
        """Return the looks that a verdict may rest on, newest first."""
        return [look for look in self.looks if self.now - look.checked_at <= FRESH]

    @cached_property
    def _findings(self) -> dict[int, list[Finding]]:
        return {id(look): judge(look, self.past, self.now) for look in self.looks}

    def findings(self, look: Check) -> list[Finding]:
        """Return what one of the looks means now."""
        return self._findings[id(look)]

    @cached_property
    def ttl(self) -> int:
        """Return the seconds that caches may keep the record of the policy, as seen last, else the most allowed."""
        name = f"_mta-sts.{self.policy_domain}"
        seen = (
            found.measures.ttl
            for look in self.looks
            for found, facts in look.all(TxtFacts)
            if found.subject == name and facts.status == "found"
        )
        return max(next((ttl for ttl in seen if ttl is not None), 0), self.parameters.txt_ttl_max)

    @cached_property
    def published(self) -> drift.Published:
        """Return which policies were served when; without any look, the one that senders saw last."""
        found = drift.published(self.past, self.ttl)
        first = found.first_look
        if first is not None:
            early = (one.canonical for one in self.policies if datetime.combine(one.first_day, time()) <= first)
            return found._replace(early=frozenset(early))
        if not self.policies:
            return found
        newest = max(self.policies, key=lambda one: (one.last_day, one.first_day, one.canonical))
        since, until = (datetime.combine(day, time()) for day in (newest.first_day, newest.last_day))
        return found._replace(spans=(drift.Span(newest.canonical, since, until, None),))

    @cached_property
    def history_since(self) -> datetime | None:
        """Return when the domain was looked at first."""
        return self.published.first_look

    @cached_property
    def served(self) -> drift.Told | None:
        """Return what the policy says that was seen last."""
        return drift.told(self.published.current)

    @cached_property
    def mx(self) -> MxFacts | None:
        """Return the MX records as seen by the newest look that got an answer."""
        return self.newest_mx(self.looks)

    def newest_mx(self, looks: Iterable[Check]) -> MxFacts | None:
        """Return the MX records as the first of these looks saw them that got an answer."""
        found = (look.one(MxFacts, self.policy_domain) for look in looks)
        return next((facts for facts in found if facts is not None and facts.status not in {"failed", "bogus"}), None)

    @cached_property
    def mx_hosts(self) -> tuple[str, ...]:
        """Return the names of the MXs, the domain itself if it has no MX record; () if nobody looked."""
        if self.mx is None:
            return ()
        hosts = tuple(dict.fromkeys(one.host for one in self.mx.hosts if one.host))
        return hosts or (() if self.mx.hosts else (self.policy_domain,))

    @cached_property
    def takes_no_mail(self) -> bool:
        """Return whether every look of late shows that the domain receives no mail, and no report denies it.

        Without one of late, the newest look is asked, and the reports of the recent days.
        """
        if not self.fresh and any(row.day >= self.recent_since for row in self.sessions):
            return False
        told = [look for look in self.fresh or self.looks[:1] if self.newest_mx([look]) is not None]
        return bool(told) and all(
            any(finding.name in {"mx-null", "mx-none"} for finding in self.findings(look)) for look in told
        )

    @cached_property
    def mode(self) -> str | None:
        """Return the mode in force: of a look of late, else as senders saw it last, else of an older look."""
        lately = self.settled - timedelta(days=2)
        told = next((look.checked_at.date() for look in self.looks if policies_in(look)), None)
        if told is None or told < lately:
            seen: dict[str, int] = defaultdict(int)
            for row in self.sts:
                says = drift.told(row.canonical) if row.day >= lately else None
                if says is not None and says.mode in MODES:
                    seen[says.mode] += row.successful + row.failed + 1
            if seen:
                return max(seen, key=lambda mode: (seen[mode], mode))
        if self.served is None or (self.served.mode == "enforce" and self._is_forgotten):
            return None
        return self.served.mode

    @cached_property
    def _is_forgotten(self) -> bool:
        """Return whether the newest look found no policy, and no cache can hold the last one in enforce any more."""
        newest = self.looks[0] if self.looks else None
        if newest is None or policies_in(newest):
            return False
        return history.enforced_until(self.past, self.now) is None

    @cached_property
    def is_rolled_back(self) -> bool:
        """Return whether the policy was in enforce with the same MXs right before its time in testing."""
        now = self.served
        told = (drift.told(span.canonical) for span in reversed(self.published.spans))
        before = next((says for says in told if says is not None and says.mode != "testing"), None)
        return now is not None and before is not None and before.mode == "enforce" and before.mx == now.mx

    # Reports

    def kind(self, row: Sessions | Failure | PolicySpan | Holder) -> str:
        """Return what the policy of a row is: a key of `drift.CLASSES`."""
        day = row.last_day if isinstance(row, PolicySpan) else row.day
        return self._kind(row.canonical, day)

    def meaning(self, kind: str) -> str:
        """Return what a policy of a kind, a key of `drift.CLASSES`, is: in words."""
        if kind == "current" and self.history_since is None:
            return "what senders saw last; nobody looked at the domain"
        return drift.CLASSES[kind]

    def _kind(self, canonical: str, day: date) -> str:
        known = self._kinds.get((canonical, day))
        if known is None:
            known = self._kinds[canonical, day] = drift.classify(canonical, day, self.published)
        return known

    @cached_property
    def _kinds(self) -> dict[tuple[str, date], str]:
        return {}

    @cached_property
    def sts(self) -> list[Sessions]:
        """Return the sessions under an MTA-STS policy."""
        return [row for row in self.sessions if row.policy_type == "sts" and row.policy_domain == self.policy_domain]

    @cached_property
    def evaluated(self) -> list[Sessions]:
        """Return those that say something about the policy served now."""
        return [
            row
            for row in self.sts
            if row.evaluated and drift.counts(self.kind(row), row.canonical, self.published)
        ]  # fmt: skip

    @cached_property
    def active_days(self) -> dict[date, int]:
        """Return the settled days with evaluated sessions, and how many each had.

        A day that only a report of several days covers is one too; its sessions are counted on another day.
        """
        found: dict[date, int] = defaultdict(int)
        for row in self.evaluated:
            found[row.day] += row.evaluated
        for one in self.covered:
            if one.evaluated and drift.counts(self._kind(one.canonical, one.day), one.canonical, self.published):
                for day in one.days:
                    found[day] += 0
        return {day: number for day, number in sorted(found.items()) if day <= self.settled}

    @cached_property
    def reported_days(self) -> set[date]:
        """Return the days with any report, whatever it counts."""
        found = {row.day for row in self.sessions if row.policy_domain == self.policy_domain}
        return found.union(*(one.days for one in self.covered))

    @cached_property
    def window(self) -> list[Sessions]:
        """Return the evaluated sessions of the window of the rate."""
        return [row for row in self.evaluated if row.day >= self.obs_since]

    @cached_property
    def testing_since(self) -> date | None:
        """Return the first day of testing with the MX set of now, by looks or by reports, whichever is earlier.

        A look or a report of another MX set, or of another mode, in between begins it anew. None: not in testing.
        """
        now = self.served
        if now is None or now.mode != "testing":
            return None
        begun: datetime | None = None
        before: drift.Span | None = None
        for span in reversed(self.published.spans):
            if not _is_testing_with(span.canonical, now.mx):
                before = span
                break
            begun = span.since
        assert begun is not None  # the span of now at least
        return self._reported_since(now.mx, begun.date(), before)

    def _reported_since(self, mx: frozenset[str], begun: date, before: drift.Span | None) -> date:
        """Return the first day of reports of the same policy, if no other one came between it and the looks."""
        same = [seen.first_day for seen in self.policies if _is_testing_with(seen.canonical, mx)]
        first = min(same, default=begun)
        if first >= begun:
            return begun
        if before is not None:
            return max(first, min(begun, before.until.date() + timedelta(days=1)))
        for other in self.policies:  # what came up after it was another policy in between, unless looks saw none
            is_other = drift.told(other.canonical) is not None and not _is_testing_with(other.canonical, mx)
            if is_other and first < other.first_day < begun:
                first = other.last_day + timedelta(days=1)
        return min(begun, first)

    # Failures

    def is_mended(self, row: Failure) -> bool:
        """Return whether the policy of then did not cover an MX, and the one of now does."""
        says = drift.told(row.canonical)
        return (
            row.cause == "mx-not-in-policy"
            and says is not None
            and not drift.covers(row.canonical, row.mx_key)
            and self.history_since is not None
            and drift.covers(self.published.current, row.mx_key)
        )

    @cached_property
    def blocking(self) -> list[Failure]:
        """Return the failures that enforce would turn into mail held back, but for what is mended by the policy."""
        return [
            row
            for row in self.failures
            if row.policy_type == "sts"
            and row.policy_domain == self.policy_domain
            and row.impact in BLOCKING
            and not self.is_mended(row)
        ]

    @cached_property
    def failures_at(self) -> Mapping[str, Sequence[Failure]]:
        """Return the failures at each place, none for another."""
        found: dict[str, list[Failure]] = defaultdict(list)
        for row in self.failures:
            found[row.mx_key].append(row)
        return found

    @cached_property
    def telling_of(self) -> Mapping[tuple[str, date], set[str]]:
        """Return who told of each cause on each day, nobody for another."""
        found: dict[tuple[str, date], set[str]] = defaultdict(set)
        for row in self.failures:
            found[row.cause, row.day].add(row.organization)
        return found

    def fix(self, place: Place) -> Fix | None:
        """Return the newest repair that was recorded for a series, None without one."""
        fitting = (fix for fix in self.fixes if fix.cause == place.cause and fix.mx_key in {place.mx_key, ""})
        return max(fitting, key=lambda fix: fix.fixed_at, default=None)

    @cached_property
    def _last_days(self) -> dict[Fingerprint, date]:
        found: dict[Fingerprint, date] = {}
        for row in self.failures:
            key = fingerprint(row)
            found[key] = max(found.get(key, row.day), row.day)
        return found

    def status(self, key: Fingerprint) -> str:
        """Return how a series stands: "open", "waiting" for a look after its fix, "closed" or "historical".

        The day of a fix counts neither for nor against it: a daily report cannot tell before from after.
        """
        place = Place(key.cause, key.mx_key)
        last = self._last_days.get(key)
        if last is not None and self._is_history(place, last):
            return "historical"
        fix = self.fix(place)
        if fix is None or (last is not None and last > fix.fixed_at.date()):
            return "open"
        return "closed" if self.passed_since(place, fix.fixed_at) else "waiting"

    def _is_history(self, place: Place, last: date) -> bool:
        """Return whether an MX is in neither DNS nor policy for a week, and nobody has failed there since."""
        host = place.mx_key
        if self.mx is None or self.mx.dropped or host == "*" or host.startswith("ip:"):
            return False
        if host in self.mx_hosts or drift.covers(self.published.current, host) or last >= self.recent_since:
            return False
        present = [
            row.last_seen
            for row in self.past
            if isinstance(facts := row.observation.facts, MxFacts)
            and any(one.host == host for one in facts.hosts)
        ]  # fmt: skip
        absent_since = max(present, default=self.history_since)
        return absent_since is not None and self.looks[0].checked_at - absent_since >= GONE

    def passed_since(self, place: Place, after: datetime) -> bool:
        """Return whether the newest looks after a time, at least one, find the cause gone at its place."""
        later = [look for look in self.looks if look.checked_at > after and look.settings.as_senders]
        verdicts = [found for look in later if (found := self.passes(look, place)) is not None]
        return bool(verdicts) and all(verdicts)

    def passes(self, look: Check, place: Place) -> bool | None:
        """Return whether a look finds a cause gone at its place, None if it cannot tell."""
        cause, mx_key = place
        findings = self.findings(look)
        mx = look.one(MxFacts, self.policy_domain)
        hosts = {one.host for one in mx.hosts} if mx is not None and mx.status == "found" else None
        named = mx_key != "*" and not mx_key.startswith("ip:")
        whole = mx is not None and not mx.dropped
        if named and whole and hosts is not None and mx_key not in hosts and mx_key != self.policy_domain:
            return True  # nobody is sent there any more
        served = policies_in(look)
        if cause == "mx-not-in-policy":
            # A report that names no MX may mean any of them.
            wanted = {mx_key} if named else hosts
            return (
                all(drift.covers(text, host) for text in served for host in wanted or ()) if served and hosts else None
            )
        if cause in POLICY_CAUSES:
            levels = [one.level for one in findings if "C02" in criteria(one, self.policy_domain)]
            return _state(levels) if served or levels else None
        return self._passes_tls(look, cause, mx_key, findings)

    def _passes_tls(self, look: Check, cause: str, mx_key: str, findings: Sequence[Finding]) -> bool | None:
        def here(subject: str) -> bool:
            host, _, address = subject.removeprefix("_25._tcp.").partition(" ")
            if mx_key == "*":
                return True
            return address.strip("[]") == mx_key[3:] if mx_key.startswith("ip:") else host == mx_key

        if cause in DANE_CAUSES:
            wanted = "C10"
            # Without validation nobody can tell what DANE senders see.
            seen = any(here(found.subject) and facts.secure for found, facts in look.all(TlsaFacts))
        else:
            wanted = "C05"
            seen = any(here(found.subject) and facts.outcome == "starttls" for found, facts in look.all(MxTlsFacts))
        levels = [one.level for one in findings if here(one.subject) and wanted in criteria(one, self.policy_domain)]
        return _state(levels) if seen or levels else None

    # Rates

    def rate(self, rows: Iterable[Sessions]) -> Rate:
        """Return what some evaluated rows add up to, without the failures of series that are closed."""
        rows = list(rows)
        blocked = sum(row.would_block for row in rows)
        evaluated = sum(row.evaluated for row in rows)
        unclassified = sum(row.unclassified for row in rows)
        keys = {(row.organization, row.day, row.canonical) for row in rows}
        for key, less_blocked, less_evaluated in self._left_out:
            if key in keys:
                blocked -= less_blocked
                evaluated -= less_evaluated
        return Rate(blocked, evaluated, unclassified)

    @cached_property
    def _left_out(self) -> list[tuple[tuple[str, date, str], int, int]]:
        """Return what each policy element with failures of closed series counts less without them."""
        elements: dict[tuple[int, int], list[Failure]] = defaultdict(list)
        for row in self.failures:
            if row.policy_type == "sts" and row.policy_domain == self.policy_domain:
                elements[row.report, row.policy].append(row)
        found = []
        for rows in elements.values():
            over = [row for row in rows if row.impact in BLOCKING and self.is_over(row)]
            if over:
                first = rows[0]
                blocked, evaluated = _without(rows, over)
                key = (first.organization, first.day, first.canonical)
                found.append((key, first.would_block - blocked, first.evaluated - evaluated))
        return found

    def is_over(self, row: Failure) -> bool:
        """Return whether a failure is none of the policy and the servers of now."""
        return self.is_mended(row) or self.status(fingerprint(row)) in {"closed", "historical"}

    @cached_property
    def by_answer(self) -> Mapping[str, Answer]:
        """Return the newest answer to each question."""
        return {one.criterion: one for one in sorted(self.answers, key=lambda one: (one.recorded_at, one.number))}


def _is_testing_with(canonical: str, mx: frozenset[str]) -> bool:
    says = drift.told(canonical)
    return says is not None and says.mode == "testing" and says.mx == mx


def last_settled(now: datetime, lag_hours: int) -> date:
    """Return the last UTC day that ended at least so many hours ago."""
    return (now - timedelta(hours=lag_hours)).date() - timedelta(days=1)


def fingerprint(row: Failure) -> Fingerprint:
    """Return the series that a failure belongs to."""
    return Fingerprint(row.organization, row.cause, row.mx_key)


def _without(rows: Sequence[Failure], over: Sequence[Failure]) -> tuple[int, int]:
    """Return blocked and evaluated sessions of a policy element without some of its rows.

    The same arithmetic as in `tlsrpt.cause.evaluate`, over what is left.
    """
    first = rows[0]
    less = sum(row.sessions for row in over)
    blocking = sum(row.sessions for row in rows if row.impact in BLOCKING) - less
    unavailable = sum(row.sessions for row in rows if row.cause in POLICY_CAUSES)
    # A session may stand in several rows: as many may have failed still as the rows that are left tell of.
    unexplained = max(0, first.failed - sum(row.sessions for row in rows))
    failed = min(first.failed, sum(row.sessions for row in rows) - less + unexplained)
    # Without failures in the summary the rows are believed; with some, it bounds them.
    blocked = blocking if not first.failed else min(blocking, failed)
    evaluated = first.successful + max(failed - min(failed, unavailable), blocked)
    return min(blocked, evaluated), evaluated


def _state(levels: Iterable[str]) -> bool | None:
    found = set(levels)
    if "fail" in found:
        return False
    return None if "unreached" in found else True


def policies_in(look: Check) -> list[str]:
    """Return the policies that a look found, in canonical form, each once."""
    bodies = (body for _, facts in look.all(FetchFacts) if facts.outcome == "fetched" for body in facts.bodies)
    parsed = (parse_policy(body)[0] for body in bodies)
    return list(dict.fromkeys(canonical(policy) for policy in parsed if policy is not None))
