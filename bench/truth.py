"""What may be said of a domain on a day of its history: worked out from what is known, not from what was loaded.

This is written down a second time on purpose, in other words than the program's and from nothing of it: what
has to be READY, what must not be, and what no evidence can show. Where the thresholds of the decision leave
room (a day more or less, sessions of an earlier policy), it asks for READY only under the strictest reading
and forbids a verdict only under the most lenient one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from bench.histories import ANCHORS, FOREIGN_MX, NEVER, Fault, History, Policy, Report, Row, Tally

# The thresholds that the decision starts with.
OBSERVED, RECENT = 14, 7  # settled days
SETTLES = 2  # days: of the days up to this one, the last that is not settled at its end (36 hours)
ACTIVE_OBSERVED, ACTIVE_RECENT, GAP = 10, 5, 3
SESSIONS, ORGS = 300, 3
TARGET, FAILS, ALPHA = 0.01, 0.005, 0.05
BURST, BURST_SHARE = 5, 0.05

# What a failure means, if it is none that enforce makes of its own accord.
_FETCH = {"fetch", "webpki"}
_OTHER = {"timeout", "tlsa", *_FETCH}


class Standing(NamedTuple):
    """What is so on a day, and what may be said of it."""

    wrong: bool  # enforce would hurt, or something is broken already, and it is still there
    # The strongest evidence of it: "hard" if it has to be NOT_READY; "soft" if once may be chance; "fresh" in
    # reports of days that are not settled; "faded" if it is older than the windows; "hidden" if there is none.
    shown: str
    reason: str  # why it may be NOT_READY; "" if there is no reason
    not_ready_yet: str  # why it must not be READY; "" if it may be
    not_even_warned: str  # why it must not be READY_WITH_WARNINGS either; "" if it may be
    has_to_be: tuple[str, ...]  # the verdicts of which one has to be given; none: any other rule decides
    naive: str  # the verdict of "no failures for 7 days"


class _Entry(NamedTuple):
    """A tally that counts."""

    day: int
    org: str
    tells: bool
    tally: Tally
    blocking: tuple[Row, ...]
    blocked: int  # sessions that enforce would have kept from delivering
    evaluated: int  # sessions in which the policy was there and applied


@cache
def _entry(day: int, org: str, tells: bool, tally: Tally) -> _Entry:  # noqa: FBT001 - fields of it
    blocking = tuple(row for row in tally.rows if row.cause not in _OTHER)
    block, failed = _sum(blocking), tally.failed
    blocked = min(block, failed) if failed else block
    unavailable = _sum(row for row in tally.rows if row.cause in _FETCH)
    evaluated = tally.good + max(failed - min(failed, unavailable), blocked)
    return _Entry(day, org, tells, tally, blocking, blocked, evaluated if tally.policy_type == "sts" else 0)


def standing(history: History, day: int) -> Standing:
    """Return what is so at the end of a day."""
    return _Day(history, day).standing()


class _Day:
    """The end of one day of a history."""

    def __init__(self, history: History, day: int) -> None:
        self.world = history.world
        self.day = day
        self.looks = [look for look in self.world.looks if look.at < day + 1]
        self.fresh_looks = [look for look in self.looks if look.at >= day]
        arrived = [report for report in history.reports if report.arrives < day + 1]
        self.naive = self._naive([(report.day, report.tallies) for report in arrived])
        # Of two versions the one that came last counts; what anybody may have mailed counts for nothing.
        counted: dict[tuple[str, int], Report] = {}
        versions = set()
        for one in arrived:
            if not one.forged:
                counted[one.sender.domain, one.day] = one
                versions.add((one.sender.domain, one.day, one.tallies))
        self.entries = [
            _entry(one.day, one.sender.domain, one.sender.tells_policy, tally)
            for one in counted.values()
            for tally in one.tallies
        ]
        self.replaced = (len(versions) - len(counted)) / max(1, len(versions))
        seen = [policy for policy in self.world.policies if any(policy.since <= look.at for look in self.looks)]
        self.policy: Policy = (seen or self.world.policies)[-1]

    def standing(self) -> Standing:
        present = [fault for fault in self.world.faults if fault.first <= self.day <= fault.last]
        hard, soft = self._hard(strict=True), self._soft()
        reason = hard or self._hard(strict=False)
        early, too_early = self._early(), self._too_early()
        has_to_be: tuple[str, ...] = ()
        if not present and not reason and not early and not self._short_of_ready():
            # Whether file or id changed first is not known to one look a day: that may be a warning.
            changed = len([one for one in self.world.policies if one.since < self.day + 1]) > 1
            has_to_be = ("READY", "READY_WITH_WARNINGS") if changed else ("READY",)
        return Standing(
            wrong=bool(present),
            shown=self._shown(present, hard, soft),
            reason=reason,
            not_ready_yet=hard or soft or early,
            not_even_warned=hard or too_early,
            has_to_be=has_to_be,
            naive=self.naive,
        )

    def _naive(self, arrived: list[tuple[int, tuple[Tally, ...]]]) -> str:
        failing = any(
            tally.failed or tally.rows for day, tallies in arrived if day > self.day - RECENT for tally in tallies
        )
        return "NOT_READY" if failing else "READY"

    # Windows

    def _within(self, days: int, *, strict: bool) -> list[_Entry]:
        """Return what counts of the last so many settled days; if not strict, around them as well."""
        if strict:
            last = self.day - SETTLES
            return [entry for entry in self.entries if last - days < entry.day <= last]
        return [entry for entry in self.entries if self.day - SETTLES - days - 1 < entry.day]

    def _open(self, entries: list[_Entry]) -> list[_Entry]:
        """Return the same without the failures that the operator says are mended, from before that."""
        repair = self.world.repair
        if repair is None or self.day < repair.at:
            return entries
        found = []
        for entry in entries:
            over = [row for row in entry.tally.rows if (row.cause, row.mx) == (repair.cause, repair.mx)]
            if over and entry.day <= repair.at:
                rows = tuple(row for row in entry.tally.rows if row not in over)
                failed = max(0, entry.tally.failed - _sum(over))
                tally = entry.tally._replace(rows=rows, failed=failed)
                found.append(_entry(entry.day, entry.org, entry.tells, tally))
            else:
                found.append(entry)
        return found

    def _current(self, entries: Iterable[_Entry]) -> list[_Entry]:
        return [one for one in _sts(entries) if one.tally.mx == self.policy.mx and one.tells]

    # Evidence against

    def _shown(self, present: list[Fault], hard: str, soft: str) -> str:
        if not present:
            return ""
        if hard or soft:
            return "hard" if hard else "soft"
        causes = {(fault.cause, fault.mx) for fault in present}
        rows = [
            entry.day
            for entry in self.entries
            for row in entry.tally.rows
            if any(row.cause == cause and row.mx in {mx, "*"} for cause, mx in causes)
        ]
        if any(day > self.day - SETTLES for day in rows):
            return "fresh"
        looked = any(fault.is_seen(look) for look in self.looks for fault in present)
        return "faded" if rows or looked else "hidden"

    def _hard(self, *, strict: bool) -> str:
        """Return why a domain must be NOT_READY; if not strict, why it may be."""
        recent = self._within(RECENT, strict=strict)
        recent = self._open(recent) if strict else recent
        rows = [(entry, row) for entry in _sts(recent) for row in entry.blocking]
        if strict:
            rows = [(entry, row) for entry, row in rows if self._in_dns(row.mx)]
        of_dane = [(entry, row) for entry in recent for row in entry.tally.rows if row.cause == "tlsa"]
        fetches = [(entry, row) for entry in recent for row in entry.tally.rows if row.cause == "fetch"]
        failing = self._recurring(fetches, bursts=not strict)
        anchored = failing & set(ANCHORS)
        checks: tuple[tuple[Callable[[], object], str], ...] = (
            (lambda: self._look_fails(strict=strict), "the last look finds it broken"),
            (lambda: self._ends_within(3 if strict else 4), "a certificate ends within three days"),
            (lambda: self._recurring(rows, bursts=True), "failures that would block recur"),
            (lambda: self._recurring(of_dane, bursts=True), "DANE failures recur"),
            (lambda: anchored or len(failing) > 1, "the policy cannot be fetched, again and again"),
            (
                lambda: any(row.cause == "webpki" for entry in recent for row in entry.tally.rows),
                "certificate of the policy host",
            ),
            (lambda: not strict and self._between(), "the last look fell between a new policy and its new id"),
            (lambda: self._drifts(strict=strict), "a sender has a policy that it should not have"),
            (lambda: self._rate_fails(strict=strict), "the rate is above what fails"),
            (lambda: self._organizations_fail(strict=strict), "an organization fails too often"),
        )
        return next((words for check, words in checks if check()), "")

    def _in_dns(self, mx: str) -> bool:
        """Return whether rows about an MX still speak of today: not if it has been out of DNS for a week."""
        days = [fault.days for fault in self.world.faults if fault.cause == "unlisted" and fault.mx == mx]
        return not days or any(self.day - 6 <= day <= self.day for one in days for day in one)

    def _look_fails(self, *, strict: bool) -> bool:
        """Return whether a look shows a fault: one of today, or if not strict whichever was the last."""
        looks = self.fresh_looks if strict else self.looks[-2:]
        return any(fault.is_seen(look) and fault.sort != "dane" for look in looks for fault in self.world.faults)

    def _looked_bad(self, days: int, *, mended: bool) -> bool:
        """Return whether a look of the last days shows a fault: one that is still there, or any."""
        return any(
            look.at >= self.day + 1 - days and fault.is_seen(look)
            for look in self.looks
            for fault in self.world.faults
            if mended or fault.first <= self.day <= fault.last
        )

    def _ends_within(self, days: int) -> bool:
        """Return whether a certificate that nobody renews is seen to end within so many days."""
        return any(
            self.world.renewals.get(fault.mx) == NEVER and fault.first - (self.day + 1) < days
            for fault in self.world.faults
        )

    @staticmethod
    def _recurring(rows: list[tuple[_Entry, Row]], *, bursts: bool) -> set[str]:
        """Return the organizations at which a failure is more than chance."""
        alone: dict[tuple[str, str, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        together: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        evaluated: dict[tuple[str, int], int] = defaultdict(int)
        for entry in {id(entry): entry for entry, _ in rows}.values():
            evaluated[entry.org, entry.day] += entry.evaluated or entry.tally.good + entry.tally.failed
        for entry, row in rows:
            alone[entry.org, row.cause, row.mx][entry.day] += row.sessions
            together[row.cause, row.mx].append((entry.org, row.sessions))
        found = {org for (org, _, _), days in alone.items() if len(days) > 1}
        for parts in together.values():
            orgs = {org for org, _ in parts}
            if len(orgs) > 1 and sum(sessions for _, sessions in parts) > 1:
                found |= orgs
        if bursts:
            found |= {
                org
                for (org, _, _), days in alone.items()
                for day, sessions in days.items()
                if sessions >= BURST and sessions >= BURST_SHARE * evaluated[org, day]
            }
        return found

    def _drifts(self, *, strict: bool) -> bool:
        """Return whether senders have a policy that was never served, or one that no cache may have any more."""
        entries = [one for one in _sts(self._within(3, strict=strict)) if one.tells]
        if any(entry.tally.mx == FOREIGN_MX for entry in entries):
            return True
        policies = list(pairwise(self.world.policies))
        # One that was over before the first look was served all the same, but nobody here can know.
        unseen = {older.mx for older, newer in policies if not any(look.at < newer.since for look in self.looks)}
        if not strict and any(one.tally.mx in unseen for one in entries):
            return True
        over = [
            (older.mx, newer.since + self.world.max_age / 86_400 + (3 if strict else 0)) for older, newer in policies
        ]
        stale = [one for one in entries if any(one.tally.mx == mx and one.day > until for mx, until in over)]
        share = sum(one.evaluated for one in stale) / max(1, sum(one.evaluated for one in entries))
        return share > (0.1 if strict else 0.02)

    def _between(self) -> bool:
        """Return whether the last look from somewhere fell between a new policy and its new id."""
        last = {look.vantage: look.at for look in self.looks}
        return any(policy.since <= at < policy.announced for policy in self.world.policies for at in last.values())

    def _rate_fails(self, *, strict: bool) -> bool:
        """Return whether the rate of blocked sessions is above what fails, for certain."""
        if strict:
            return all(_is_above(*rate) for rate in self._rates())
        return any(_is_above(*rate) for rate in (*self._rates(), *map(self._rate, self._windows())))

    def _windows(self) -> list[list[_Entry]]:
        """Return what counts of the observed days: settled ones, with those that are not, and with one more."""
        around = self._within(OBSERVED, strict=False)
        begin = self.day - SETTLES - OBSERVED
        return [self._within(OBSERVED, strict=True), [one for one in around if one.day > begin], around]

    def _standing_rows(self) -> list[list[_Entry]]:
        """Return each reading of the window without rows that speak of what is no longer there."""
        opened = [self._open(window) for window in self._windows()]
        return [[one for one in window if all(self._in_dns(row.mx) for row in one.blocking)] for window in opened]

    def _rates(self) -> list[tuple[int, int]]:
        """Return the rate in each reading of the window, with and without senders that do not tell their policy."""
        windows = self._standing_rows()
        return [
            self._rate(one for one in window if one.tells or not telling) for window in windows for telling in (0, 1)
        ]

    @staticmethod
    def _rate(entries: Iterable[_Entry]) -> tuple[int, int]:
        sts = _sts(entries)
        return sum(entry.blocked for entry in sts), sum(entry.evaluated for entry in sts)

    def _organizations_fail(self, *, strict: bool) -> bool:
        bad = self._bad_organizations(strict=strict)
        return bool(bad & set(ANCHORS)) or len(bad) > 1

    def _bad_organizations(self, *, strict: bool) -> set[str]:
        """Return the organizations at which too much fails, in each reading of the window; if not strict, in any."""
        if strict:
            return set.intersection(*map(self._bad, self._standing_rows()))
        return set.union(*map(self._bad, [*self._standing_rows(), *self._windows()]))

    @staticmethod
    def _bad(entries: Iterable[_Entry]) -> set[str]:
        evaluated: dict[str, int] = defaultdict(int)
        blocked: dict[str, int] = defaultdict(int)
        for entry in _sts(entries):
            evaluated[entry.org] += entry.evaluated
            blocked[entry.org] += entry.blocked
        return {org for org, of in evaluated.items() if of >= 20 and blocked[org] > 0.05 * of}

    def _soft(self) -> str:
        """Return what keeps a domain from READY, though once may be chance."""
        recent = self._open(self._within(RECENT, strict=True))
        if any(self._in_dns(row.mx) for entry in _sts(recent) for row in entry.blocking):
            return "a failure that would block"
        if any(row.cause in {"tlsa", *_FETCH} for entry in recent for row in entry.tally.rows):
            return "a failure of DANE or of the policy host"
        if self._bad_organizations(strict=True):
            return "an organization fails often"
        if any(fault.sort == "dane" and self.day in fault.days for fault in self.world.faults) and self.fresh_looks:
            return "the last look finds TLSA records that do not match"
        if self._looked_bad(RECENT, mended=False):
            return "a look of this week found it broken"
        if self._ends_within(14):
            return "a certificate ends within two weeks"
        if all(blocked and _at_most(blocked, of, TARGET) > ALPHA for blocked, of in self._rates()):
            return "the rate is not surely low"
        return ""

    # Evidence that is missing

    def _start(self) -> int:
        """Return the day from which on the policy of today is known to be served."""
        looked = [int(look.at) for look in self.looks if look.at >= self.policy.since]
        reported = [entry.day for entry in self._current(self.entries)]
        return min((*looked, *reported), default=self.day)

    def _early(self) -> str:
        """Return what is missing for READY however the thresholds are read."""
        observed, recent = self._within(OBSERVED, strict=False), self._within(RECENT, strict=False)
        orgs = _orgs(observed)
        checks = (
            (self._unseen(), "no look of today that saw every MX"),
            (self.day + 1 < self._start() + OBSERVED, "not long enough in testing"),
            (len(_days(observed)) < ACTIVE_OBSERVED, "too few days with sessions"),
            (len(_days(recent)) < ACTIVE_RECENT, "too few days with sessions lately"),
            (len(orgs) < ORGS or not orgs.issuperset(ANCHORS), "too few organizations"),
            (sum(entry.evaluated for entry in observed) < SESSIONS - 1, "too few sessions"),
            (self._longest_gap(begun=True) > GAP, "days without any report"),
            (self._mended_lately(RECENT + SETTLES - 1), "too few days since the repair"),
            (self._blind() > 0.25, "too many sessions of senders that see no policy"),
        )
        return next((words for missing, words in checks if missing), "")

    def _too_early(self) -> str:
        """Return what is missing even for READY_WITH_WARNINGS."""
        observed, recent = self._within(OBSERVED, strict=False), self._within(RECENT, strict=False)
        # A domain that never gets there is judged as a small one: after four weeks, from two places.
        small = self.day + 1 >= self._start() + 2 * OBSERVED and len({look.vantage for look in self.fresh_looks}) > 1
        checks = (
            (self._unseen(), "no look of today that saw every MX"),
            (self.day + 1 < self._start() + RECENT, "not long enough in testing"),
            (len(_days(recent)) < ACTIVE_RECENT, "too few days with sessions lately"),
            (len(_orgs(observed)) < 2, "fewer than two organizations"),
            (sum(entry.evaluated for entry in observed) < 100 and not small, "fewer than 100 sessions"),
        )
        return next((words for missing, words in checks if missing), "")

    def _unseen(self) -> bool:
        hidden = any(
            fault.look == "nothing" and int(look.at) in fault.days
            for look in self.fresh_looks
            for fault in self.world.faults
        )
        return not self.fresh_looks or hidden or bool(self.world.blind_to_mx)

    def _mended_lately(self, days: int) -> bool:
        repair = self.world.repair
        return repair is not None and int(repair.at) <= self.day < int(repair.at) + days

    def _blind(self) -> float:
        """Return the share of sessions of senders that never saw a policy."""
        observed = [one for one in self._within(OBSERVED, strict=True) if one.tally.policy_type != "tlsa"]
        seeing = {entry.org for entry in self.entries if entry.tally.policy_type == "sts"}
        sessions = [(entry.org in seeing, entry.tally.good + entry.tally.failed) for entry in observed]
        return sum(count for sees, count in sessions if not sees) / max(1, sum(count for _, count in sessions))

    def _short_of_ready(self) -> str:
        """Return what is missing for READY under the strictest reading of the thresholds."""
        counted = self._current(self._within(OBSERVED, strict=True))
        observed = self._current(self._open(counted))
        recent = [entry for entry in observed if entry.day > self.day - SETTLES - RECENT]
        around = self._open(self._within(RECENT, strict=False))
        last = [one for one in recent if one.day > self.day - SETTLES - 3]
        everything = _sts(self._within(3, strict=True))
        # Where days are silent, the newest three that are not may be meant.
        lately = _sts(self._within(RECENT, strict=True))
        spoken = sorted(_days(lately), reverse=True)[:3]
        orgs, evaluated = _orgs(observed), sum(entry.evaluated for entry in observed)
        blocked = sum(entry.blocked for entry in observed)
        of_orgs = {(one.org, one.day): False for one in counted if one.evaluated}
        of_orgs |= {(one.org, one.day): True for one in counted if one.blocked}
        largest = max((sum(one.evaluated for one in observed if one.org == org) for org in orgs), default=0)
        transient = [row.sessions for one in observed for row in one.tally.rows if row.cause == "timeout"]
        moves = [at for host in self.world.hosts for at in (host.since, host.until)]
        moves += [policy.since for policy in self.world.policies]
        checks = (
            (self.day < self._start() + OBSERVED + SETTLES - 1, "days"),
            (len(_days(observed)) < ACTIVE_OBSERVED or len(_days(recent)) < ACTIVE_RECENT, "active days"),
            (self._longest_gap() > GAP, "a gap"),
            (len(orgs) < ORGS or not orgs.issuperset(ANCHORS), "organizations"),
            (evaluated < SESSIONS, "sessions"),
            (self._soft() or self._looked_bad(RECENT + SETTLES, mended=True), "soft evidence"),
            (self._mended_lately(RECENT + SETTLES), "days since the repair"),
            (any(row.cause != "timeout" for one in around for row in one.tally.rows), "rows"),
            (_at_most(blocked, evaluated, TARGET) > ALPHA, "the rate"),
            (_at_most(sum(of_orgs.values()), len(of_orgs), 0.1) > ALPHA, "the rate of days"),
            (self._bad_organizations(strict=False), "an organization"),
            (largest > 0.9 * evaluated, "one organization alone"),
            (sum(transient) > 0.005 * min(evaluated, sum(one.evaluated for one in recent)), "transient failures"),
            (self._blind() > 0.15, "blind senders"),
            (not last, "a report of late"),
            (_share(last, everything) < 0.95, "drift"),
            (_share(recent, lately, spoken) < 0.95, "drift on the days with sessions"),
            (self.replaced > 0.04, "revised reports"),
            (any(self.day - 9 < at < self.day + 1 for at in moves), "an MX that changed"),
        )
        return next((words for short, words in checks if short), "")

    def _longest_gap(self, *, begun: bool = False) -> int:
        """Return the most settled days in a row without a report; if `begun`, after the first report only."""
        days = _days(self._within(OBSERVED, strict=True), evaluated=False)
        first = self.day - SETTLES - OBSERVED + 1
        longest = run = 0
        for day in range(min(days, default=first) if begun else first, self.day - SETTLES + 1):
            run = 0 if day in days else run + 1
            longest = max(longest, run)
        return longest


def _sts(entries: Iterable[_Entry]) -> list[_Entry]:
    return [entry for entry in entries if entry.tally.policy_type == "sts"]


def _share(some: Iterable[_Entry], every: Iterable[_Entry], days: Iterable[int] | None = None) -> float:
    """Return which share of evaluated sessions some entries have, on these days if they are given."""
    among = None if days is None else set(days)
    mine, whole = (
        sum(one.evaluated for one in entries if among is None or one.day in among) for entries in (some, every)
    )
    return mine / whole if whole else 1.0


def _sum(rows: Iterable[Row]) -> int:
    return sum(row.sessions for row in rows)


def _days(entries: Iterable[_Entry], *, evaluated: bool = True) -> set[int]:
    return {entry.day for entry in entries if entry.evaluated or not evaluated}


def _orgs(entries: Iterable[_Entry]) -> set[str]:
    return {entry.org for entry in entries if entry.evaluated}


def _is_above(blocked: int, of: int) -> bool:
    return blocked > 0 and _at_least(blocked, of, FAILS) < ALPHA


@cache
def _at_most(found: int, of: int, rate: float) -> float:
    """Return how likely it is to find so few or fewer, if this is the rate."""
    logs = (
        math.lgamma(of + 1) - math.lgamma(one + 1) - math.lgamma(of - one + 1)
        + one * math.log(rate) + (of - one) * math.log1p(-rate)
        for one in range(found + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _at_least(found: int, of: int, rate: float) -> float:
    return 1 - _at_most(found - 1, of, rate)
