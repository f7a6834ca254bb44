"""The criteria that reports answer: time, coverage, organizations, failures, rates, drift.

Only reports whose origin is trusted are looked at. A day without a report is no clean day.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from shlex import quote

from tlsrpt.cause import DANE_CAUSES, POLICY_CAUSES, RESULT_TYPES
from tlsrpt.enforce import drift
from tlsrpt.enforce.bounds import lower, upper
from tlsrpt.enforce.criteria import Fact, Found
from tlsrpt.enforce.evidence import Evidence, Failure, Sessions, fingerprint
from tlsrpt.enforce.recurring import Series, series

_FEW = 100  # sessions below which C23 cannot tell
_MISSED = 2  # by how much one of the measures of coverage may be missed for a warning
_DRIFT_DAYS = 3  # settled days with sessions that C27 looks at
_ORG_SESSIONS, _ORG_RATE = 20, 0.05  # of C26
_CLUSTER, _LARGEST = 0.1, 0.9  # of C25: bound over days of organizations, share of the largest one
_TRANSIENT, _UNCLASSIFIED, _UNCLASSIFIED_LESS = 0.01, 0.01, 0.001
_CURRENT, _CURRENT_LESS, _STALE, _ABSENT = 0.95, 0.8, 0.05, 0.5
_BLIND, _AUTHENTIC, _AUTHENTIC_LESS, _POOR, _POOR_MOST = 0.2, 0.9, 0.5, 0.05, 0.5
_NOT_BLOCKING = POLICY_CAUSES | DANE_CAUSES | {"transient", "unclassified"}
_KNOWN_CAUSES = RESULT_TYPES | {"mx-not-in-policy", "transient", "tls-negotiation", "unexplained", "unclassified"}
_REASONS = 2  # that a failure recurs, told in a line
_ROWS = 200  # facts of one state that are kept


def _failed(rows: Iterable[Failure]) -> tuple[Fact, ...]:
    """Return failures as facts, newest first."""
    found = sorted(rows, key=lambda row: (row.day, row.sessions), reverse=True)[:_ROWS]
    return tuple(
        Fact(row.day, row.organization, f"{row.cause} at {_place(row.mx_key)}{_reason(row)}", row.sessions, row.report)
        for row in found
    )


def _place(mx_key: str) -> str:
    return "no MX" if mx_key == "*" else mx_key.removeprefix("ip:")


def _reason(row: Failure) -> str:
    return f", {row.reason}" if row.reason else ""


def _per_organization(rows: Iterable[Sessions]) -> tuple[Fact, ...]:
    """Return sessions by organization as facts, most first."""
    counted: dict[str, list[Sessions]] = defaultdict(list)
    for row in rows:
        counted[row.organization].append(row)
    facts = [
        Fact(
            max(row.day for row in mine),
            organization,
            f"{len({row.day for row in mine})} days, {sum(row.would_block for row in mine):,} would block",
            sum(row.evaluated for row in mine),
        )
        for organization, mine in counted.items()
    ]
    return tuple(sorted(facts, key=lambda fact: (-(fact.sessions or 0), fact.about))[:_ROWS])


def _days(number: int) -> str:
    return f"{number:,} day{'' if number == 1 else 's'}"


def _sessions(number: int) -> str:
    return f"{number:,} session{'' if number == 1 else 's'}"


def _undetailed(number: int, evaluated: int) -> str:
    return f"{number:,} failure{'' if number == 1 else 's'} without details among {evaluated:,}"


def _loaded(evidence: Evidence) -> str:
    """Return what to do where reports are missing; where there are claims, these may be them."""
    if evidence.claims:
        return "Mail that nobody vouches for counts for nothing: `tlsrpt load --vouch PATH` if you trust it (C31)."
    return "See that every report is loaded."


def _told(one: Series) -> str:
    return f"{one.place.cause} at {_place(one.place.mx_key)}"


def _again(one: Series) -> str:
    """Return the first reasons why a series recurs."""
    more = len(one.recurring) - _REASONS
    return "; ".join(one.recurring[:_REASONS]) + (f"; {more} more such" if more > 0 else "")


def _basis(found: Iterable[Series]) -> tuple[str, ...]:
    return tuple(sorted(f"{org} {one.place.cause} {one.place.mx_key}" for one in found for org in one.organizations))


def time_in_testing(evidence: Evidence) -> Found:
    """C20: how long the policy has been in testing with these MXs."""
    asked = evidence.parameters
    if evidence.mode == "enforce":
        return Found("N-A", "the policy is in enforce already")
    began = evidence.testing_since
    facts = tuple(
        Fact(span.since.date(), "looks", f"{span.canonical}, until {span.until.date()}")
        for span in evidence.published.spans
    ) + tuple(Fact(seen.first_day, "reports", f"{seen.canonical}, until {seen.last_day}") for seen in evidence.policies)
    if began is None:
        return Found("UNKNOWN", "no policy in testing was seen", "See C02 and C03.", facts[:_ROWS])
    days = (evidence.settled - began).days + 1
    since = f"since {began}, {_days(max(0, days))} settled"
    # After a way back from enforce with the same MXs, a clean week is enough: the way was tried already.
    wanted = asked.recent_days if evidence.is_rolled_back else max(asked.obs_days, evidence.obs_days)
    remedy = f"Wait: {_days(wanted)} are reached when {began + timedelta(days=wanted - 1)} has settled."
    if days >= wanted:
        return Found("PASS", since, facts=facts[:_ROWS])
    if days >= asked.recent_days:
        return Found("WARN", f"{since} of {wanted}", remedy, facts[:_ROWS], (f"since {began}",))
    return Found("UNKNOWN", f"{since} of {wanted}", remedy, facts[:_ROWS])


def coverage(evidence: Evidence) -> Found:
    """C21: days with sessions, and gaps without any report."""
    asked = evidence.parameters
    active = evidence.active_days
    recent = sum(day >= evidence.recent_since for day in active)
    whole = sum(day >= evidence.obs_since for day in active)
    gap = _longest_gap(evidence)
    facts = tuple(Fact(day, "evaluated", "settled day", number) for day, number in reversed(active.items()))
    missed = {
        "recent": asked.min_active_days_recent - recent,
        "window": asked.min_active_days_obs - whole,
        "gap": gap - asked.max_gap_days,
    }
    short = {name: by for name, by in missed.items() if by > 0}
    reason = (
        f"sessions on {recent} of the last {_days(asked.recent_days)} and {whole} of {_days(evidence.obs_days)},"
        f" longest gap {gap}"
    )
    if not short:
        return Found("PASS", reason, facts=facts[:_ROWS])
    remedy = (
        f"Asked for: {asked.min_active_days_recent} and {asked.min_active_days_obs} days, gap at most"
        f" {asked.max_gap_days}. {_loaded(evidence)} Else wait."
    )
    state = "WARN" if len(short) == 1 and max(short.values()) <= _MISSED else "UNKNOWN"
    return Found(state, reason, remedy, facts[:_ROWS], tuple(short))


def _longest_gap(evidence: Evidence) -> int:
    longest = gap = 0
    for ago in range(evidence.obs_days):
        here = evidence.settled - timedelta(days=ago) in evidence.reported_days
        gap = 0 if here else gap + 1
        longest = max(longest, gap)
    return longest


def organizations(evidence: Evidence) -> Found:
    """C22: who reports, and whether large senders are among them."""
    asked = evidence.parameters
    there = {row.organization for row in evidence.window}
    missing = [anchor for anchor in asked.anchor_orgs if anchor not in there]
    anchors = len(asked.anchor_orgs) - len(missing)
    told = (
        f"{len(there)} organization{'' if len(there) == 1 else 's'}, {anchors} of {len(asked.anchor_orgs)} large ones"
    )
    facts = _per_organization(evidence.window)
    if len(there) < 2:
        return Found("UNKNOWN", told, "Wait for reports of others; see that the TLSRPT record is valid (C07).", facts)
    if len(there) >= asked.min_orgs and anchors >= asked.min_anchors:
        return Found("PASS", told, facts=facts)
    remedy = f"Nothing from {', '.join(missing)} in the window." if missing else ""
    lacking = f"{told}; {asked.min_orgs} and {asked.min_anchors} are asked for"
    return Found("WARN", lacking, remedy or "Wait for reports of others.", facts, tuple(missing) or ("few",))


def volume(evidence: Evidence) -> Found:
    """C23: how many sessions say something about the policy."""
    asked = evidence.parameters.min_sessions
    number = evidence.rate(evidence.window).evaluated
    told = f"{_sessions(number)} in {_days(evidence.obs_days)}"
    facts = _per_organization(evidence.window)
    if number >= asked:
        return Found("PASS", told, facts=facts)
    remedy = f"Wait for more. {_loaded(evidence)}"
    if number >= _FEW or evidence.is_low_volume:
        return Found("WARN", f"{told}, {asked:,} are asked for", remedy, facts, ("few sessions",))
    return Found("UNKNOWN", f"{told}, {asked:,} are asked for", remedy, facts)


def recurring(evidence: Evidence) -> Found:
    """C24: failures that would block in the recent days, and whether they come again."""
    asked = evidence.parameters
    rows = [row for row in evidence.blocking if row.day >= evidence.recent_since]
    found = series(evidence, rows)
    bad = [one for one in found if one.recurring and one.status == "open"]
    if bad:
        first = bad[0]
        more = f", and {len(bad) - 1} more series" if len(bad) > 1 else ""
        reason = f"{_told(first)}: {_sessions(first.sessions)}, recurring ({_again(first)}){more}"
        remedy = f"Mend it (`tlsrpt explain {quote(first.place.cause)}`), look again, then record it: `tlsrpt fix`."
        return Found("FAIL", reason, remedy, _failed(row for one in bad for row in one.rows), _basis(bad))
    waiting = [one for one in found if one.status == "waiting"]
    if waiting:
        first = waiting[0]
        remedy = f"Look now: `tlsrpt check {quote(evidence.policy_domain)}`. The fix counts once a look agrees with it."
        return Found("UNKNOWN", f"{_told(first)}: fixed, but no look since has seen it", remedy, _failed(first.rows))
    if (clean := _clean_since_fix(evidence)) is not None and clean < asked.recent_days:
        reason = f"{clean} of {_days(asked.recent_days)} settled since the last fix"
        return Found("UNKNOWN", reason, "Wait for reports about the days after the fix.", _failed(rows))
    active = sum(day >= evidence.recent_since for day in evidence.active_days)
    if active < asked.min_active_days_recent:
        reason = f"sessions on {active} of the last {_days(asked.recent_days)} only"
        return Found("UNKNOWN", reason, f"{asked.min_active_days_recent} are asked for: see C21.", _failed(rows))
    once = [one for one in found if one.status == "open"]
    if once:
        first = once[0]
        more = f", and {len(once) - 1} more" if len(once) > 1 else ""
        reason = f"{_told(first)}: {_sessions(first.sessions)}, not recurring{more}"
        basis = _events(row for one in once for row in one.rows)
        return Found("WARN", reason, "See who is at fault; wait whether it comes back.", _failed(rows), basis)
    passing = [row for row in evidence.failures if row.cause == "transient" and row.day >= evidence.recent_since]
    number = sum(row.sessions for row in passing)
    total = sum(row.evaluated for row in evidence.evaluated if row.day >= evidence.recent_since)
    if total and number > _TRANSIENT * total:
        reason = f"passing faults in {number:,} of {_sessions(total)}"
        remedy = "Look into load, limits and firewall of the MXs that they name."
        return Found("WARN", reason, remedy, _failed(passing), ("transient",))
    return Found("PASS", f"nothing that would block since {evidence.recent_since}", facts=_failed(rows))


def _clean_since_fix(evidence: Evidence) -> int | None:
    """Return the settled days after the newest repair of what enforce would block, None without one.

    Whoever records a repair says that it was broken until then, whether reports of it are in the window or not.
    """
    days = [fix.fixed_at.date() for fix in evidence.fixes if fix.cause not in _NOT_BLOCKING]
    return max(0, (evidence.settled - max(days)).days) if days else None


def rate(evidence: Evidence) -> Found:
    """C25: how large the rate of sessions that would block may be."""
    asked = evidence.parameters
    blocked, evaluated, unclassified = evidence.rate(evidence.window)
    low, high = lower(blocked, evaluated, asked.alpha), upper(blocked, evaluated, asked.alpha)
    cluster, units = _cluster(evidence)
    largest, share = _largest(evidence.window)
    told = (
        f"{blocked:,} of {evaluated:,} would block: {_percent(low)} to {_percent(high)}"
        f" at {1 - asked.alpha:.0%} one-sided"
    )
    facts = (
        Fact(None, "all sessions", f"lower bound {_percent(low)}, upper bound {_percent(high)}", evaluated),
        Fact(None, "organizations x days", f"{units:,} units, upper bound {_percent(cluster)}"),
        Fact(None, "largest organization", f"{largest or '-'} has {_percent(share)} of the sessions"),
        Fact(None, "read with care", "sessions come in clusters; only senders that report; nothing about unused MXs"),
        *_failed(row for row in evidence.blocking if row.day >= evidence.obs_since),
    )
    if low > asked.p_fail:
        remedy = "Mend what fails most (C24, blast radius); record the fix, so that older failures leave the rate."
        return Found("FAIL", f"{told}; more than {_percent(asked.p_fail)}", remedy, facts)
    if unclassified > _UNCLASSIFIED * evaluated and unclassified:
        remedy = "Ask the senders of these reports for details; the count is in C32."
        return Found("UNKNOWN", _undetailed(unclassified, evaluated), remedy, facts)
    if high <= asked.p_target:
        if cluster > _CLUSTER or share > _LARGEST:
            why = f"{units:,} days of organizations" if cluster > _CLUSTER else f"{_percent(share)} from {largest}"
            remedy = "Wait for more organizations and days."
            return Found("WARN", f"{told}; but only {why}", remedy, facts, ("few units", *_blocked(evidence)))
        return Found("PASS", told, facts=facts)
    remedy = "Wait for more sessions, or mend what fails."
    if high <= asked.p_warn or (evidence.is_low_volume and not blocked):
        basis = ("above target", *_blocked(evidence))
        return Found("WARN", f"{told}; {_percent(asked.p_target)} is asked for", remedy, facts, basis)
    return Found("UNKNOWN", f"{told}; too little to tell", remedy, facts)


def _blocked(evidence: Evidence) -> tuple[str, ...]:
    """Return what the rate is made of, each series with the days on which it failed."""
    rows = [row for row in evidence.blocking if row.day >= evidence.obs_since and not evidence.is_over(row)]
    return _events(rows)


def _events(rows: Iterable[Failure]) -> tuple[str, ...]:
    """Return failures as what a warning rests on: another day of the same is something new."""
    return tuple(sorted({f"{row.day} {row.organization} {row.cause} {row.mx_key}" for row in rows}))


def _cluster(evidence: Evidence) -> tuple[float, int]:
    """Return the upper bound of the rate over (organization, day), failing if anything would block, and their number.

    Sessions of one sender on one day fail or succeed together; so many independent looks there are.
    """
    units: dict[tuple[str, date], list[Sessions]] = defaultdict(list)
    for row in evidence.window:
        units[row.organization, row.day].append(row)
    bad = sum(evidence.rate(rows).blocked > 0 for rows in units.values())
    return upper(bad, len(units), evidence.parameters.alpha), len(units)


def _largest(rows: Iterable[Sessions]) -> tuple[str, float]:
    counted: dict[str, int] = defaultdict(int)
    for row in rows:
        counted[row.organization] += row.evaluated
    if not counted:
        return "", 0.0
    name = max(counted, key=lambda one: (counted[one], one))
    return name, counted[name] / sum(counted.values())


def _percent(share: float) -> str:
    return f"{share:.3%}" if 0 < share < 0.001 else f"{share:.2%}"


def by_organization(evidence: Evidence) -> Found:
    """C26: whether anyone alone fails often."""
    rows: dict[str, list[Sessions]] = defaultdict(list)
    for row in evidence.window:
        rows[row.organization].append(row)
    counted = {name: evidence.rate(mine) for name, mine in rows.items()}
    bad = sorted(
        name
        for name, (blocked, evaluated, _) in counted.items()
        if evaluated >= _ORG_SESSIONS and blocked > _ORG_RATE * evaluated
    )
    facts = _per_organization(evidence.window)
    if not bad:
        return Found("PASS", f"none of {len(counted)} fails in over {_ORG_RATE:.0%} of its sessions", facts=facts)
    told = ", ".join(f"{name} {counted[name].blocked:,} of {counted[name].evaluated:,}" for name in bad)
    large = len(bad) >= 2 or bad[0] in evidence.parameters.anchor_orgs
    command = f"tlsrpt failures {quote(evidence.policy_domain)} --organization {quote(bad[0])}"
    remedy = f"See what {bad[0]} fails on: `{command}`."
    return Found("FAIL" if large else "WARN", told, remedy, facts, tuple(bad))


def drifted(evidence: Evidence) -> Found:
    """C27: which policy senders had in the newest settled days with sessions."""
    days = sorted(
        {
            row.day
            for row in evidence.sts
            if evidence.recent_since <= row.day <= evidence.settled and row.successful + row.failed
        },
        reverse=True,
    )[:_DRIFT_DAYS]
    rows = [row for row in evidence.sts if days and row.day >= days[-1] and row.day <= evidence.settled]
    counted: dict[str, int] = defaultdict(int)
    facts: list[Fact] = []
    for row in sorted(rows, key=lambda row: (row.day, row.organization), reverse=True):
        number, kind = _weight(row), evidence.kind(row)
        counted[kind] += number
        facts.append(Fact(row.day, row.organization, f"{kind}: {row.canonical or 'not told'}", number))
    shown = tuple(facts[:_ROWS])
    total = sum(counted.values())
    if not total:
        return Found("UNKNOWN", "no sessions in the recent settled days", "Wait for reports.", shown)
    if evidence.history_since is None or not evidence.published.current:
        return Found("UNKNOWN", "what is published was never seen", _look(evidence), shown)
    shares = {kind: number / total for kind, number in counted.items()}
    told = ", ".join(f"{_percent(shares[kind])} {kind}" for kind in drift.CLASSES if kind in shares)
    if foreign := [row for row in rows if evidence.kind(row) == "foreign"]:
        remedy = "Look at once who answers for your DNS and policy host; if it was yours, look more often."
        names = ", ".join(sorted({row.organization for row in foreign}))
        reason = f"{names} had a policy that was never published: {foreign[0].canonical}"
        return Found("FAIL", reason, remedy, shown, tuple(sorted({row.canonical for row in foreign})))
    if shares.get("stale", 0) >= _STALE:
        remedy = "These senders do not see the new id: check C01, C09 and the policy host from outside."
        return Found("FAIL", f"{told}: an old policy longer than any cache may hold it", remedy, shown)
    if shares.get("absent", 0) > _ABSENT:
        return Found("UNKNOWN", f"{told}: most do not say which policy they had", "Ask these senders.", shown)
    if shares.get("current", 0) >= _CURRENT:
        return Found("PASS", told, facts=shown)
    remedy = "Wait until caches have run out; then look at the id (C09)."
    basis = [row.canonical for row in rows if evidence.kind(row) != "current"]
    if shares.get("current", 0) < _CURRENT_LESS:
        basis.append(f"less than {_CURRENT_LESS:.0%} current")
    return Found("WARN", f"{told}; {_CURRENT:.0%} is asked for", remedy, shown, tuple(sorted(set(basis))))


def _weight(row: Sessions) -> int:
    """Return the sessions of a row in which a policy was applied; a policy without any still weighs as one."""
    return max(row.evaluated, 1 if row.canonical else 0)


def _look(evidence: Evidence) -> str:
    return f"Look now: `tlsrpt check {quote(evidence.policy_domain)}`."


def available(evidence: Evidence) -> Found:
    """C28: whether senders got the policy."""
    rows = [
        row
        for row in evidence.failures
        if row.cause in POLICY_CAUSES
        and row.day >= evidence.recent_since
        and row.policy_domain == evidence.policy_domain
        and evidence.status(fingerprint(row)) in {"open", "waiting"}
    ]
    facts = _failed(rows)
    if not rows:
        return Found("PASS", f"everybody got it since {evidence.recent_since}")
    invalid = [row for row in rows if row.cause != "sts-policy-fetch-error"]
    if invalid:
        names = ", ".join(sorted({row.organization for row in invalid}))
        causes = ", ".join(sorted({row.cause for row in invalid}))
        remedy = f"Mend it (`tlsrpt explain {quote(invalid[0].cause)}`), then record it: `tlsrpt fix`."
        return Found("FAIL", f"{causes} at {names}", remedy, facts)
    found = series(evidence, rows)
    again = _recurring_at(found)
    names = ", ".join(sorted({row.organization for row in rows}))
    told = f"fetch errors at {names}, {_sessions(sum(row.sessions for row in rows))}"
    large = sorted(again & set(evidence.parameters.anchor_orgs))
    remedy = "Fetch it from outside, on every address, as `tlsrpt explain sts-policy-fetch-error` shows."
    if large or len(again) >= 2:
        return Found("FAIL", f"{told}, recurring at {', '.join(large or sorted(again))}", remedy, facts)
    basis = tuple(sorted({row.organization for row in rows}))
    return Found("WARN", f"{told}, {'recurring at one' if again else 'not recurring'}", remedy, facts, basis)


def _recurring_at(found: Sequence[Series]) -> set[str]:
    """Return the organizations at which a series recurs by itself, or all of one that recurs across them."""
    again: set[str] = set()
    for one in found:
        if any(reason.endswith(" organizations") for reason in one.recurring):
            again |= set(one.organizations)
        again |= {
            name
            for name in one.organizations
            if any(re.fullmatch(rf"{re.escape(name)} (on \d+ days|[\d,]+ times on \S+)", why) for why in one.recurring)
        }
    return again


def blind(evidence: Evidence) -> Found:
    """C29: senders that never saw a policy, and what failed there."""
    since = evidence.obs_since
    if evidence.history_since is not None and evidence.served is not None:
        since = max(since, evidence.history_since.date() + timedelta(days=2))
    mine = [row for row in evidence.sessions if row.policy_domain == evidence.policy_domain and row.day >= since]
    seeing = {row.organization for row in mine if row.policy_type == "sts"}
    theirs: dict[str, int] = defaultdict(int)
    for row in mine:
        if row.policy_type not in {"sts", "tlsa"} and row.organization not in seeing:
            theirs[row.organization] += row.successful + row.failed
    others = sum(row.successful + row.failed for row in mine if row.policy_type == "sts")
    number = sum(theirs.values())
    share = number / (number + others) if number + others else 0.0
    facts = tuple(Fact(None, name, "sees no policy", sessions) for name, sessions in sorted(theirs.items()))
    failing = [
        one
        for one in series(
            evidence,
            (
                row
                for row in evidence.failures
                if row.impact == "projected" and row.organization in theirs and row.day >= evidence.recent_since
            ),
        )
        if one.recurring and one.status in {"open", "waiting"}
    ]
    told = f"{_percent(share)} of the sessions from {len(theirs)} that see no policy" if theirs else "none known"
    if failing:
        reason = f"{told}; {_told(failing[0])} recurs there"
        remedy = f"Mend it before they see enforce: `tlsrpt explain {quote(failing[0].place.cause)}`."
        facts = _failed(row for one in failing for row in one.rows) + facts
        return Found("FAIL", reason, remedy, facts[:_ROWS], _basis(failing))
    if share >= _BLIND:
        remedy = "Nothing to mend: they will honour enforce unseen. See that C05 passes on every MX."
        return Found("WARN", told, remedy, facts[:_ROWS], tuple(sorted(theirs)))
    return Found("PASS", told, facts=facts[:_ROWS])


def under_dane(evidence: Evidence) -> Found:
    """C30: failures of senders that use DANE."""
    rows = [row for row in evidence.failures if row.impact == "dane" and row.day >= evidence.recent_since]
    found = [one for one in series(evidence, rows) if one.status in {"open", "waiting"}]
    facts = _failed(rows)
    if not found:
        return Found("PASS", f"none since {evidence.recent_since}", facts=facts)
    first = next((one for one in found if one.recurring), found[0])
    told = f"{_told(first)}: {_sessions(first.sessions)} at {', '.join(first.organizations)}"
    command = f"tlsrpt explain {quote(first.place.cause)}"
    remedy = f"Mail of these senders fails today, and enforce is not the cause: `{command}`."
    if any(one.recurring for one in found):
        return Found("FAIL", f"{told}, recurring; enforce is not the cause", remedy, facts, _basis(found))
    return Found("WARN", f"{told}, not recurring", remedy, facts, _events(row for one in found for row in one.rows))


def authentic(evidence: Evidence) -> Found:
    """C31: how much of what is reported somebody answers for."""
    counts = evidence.reports
    trusted, number = (counts.trusted_sessions, counts.sessions) if counts else (0, 0)
    facts = tuple(
        Fact(None, claim.organization or "(unknown)", f"{claim.trust}, {claim.reports:,} reports", claim.sessions)
        for claim in evidence.claims[:_ROWS]
    )
    if not number:
        return Found("UNKNOWN", "no sessions were reported", facts=facts)
    share = trusted / number
    told = f"{_percent(share)} of {_sessions(number)} from reports that are vouched for or signed"
    remedy = "Vouch for an archive that you trust: `tlsrpt load --vouch`. Claims count for nothing, either way."
    state = "PASS" if share >= _AUTHENTIC else "WARN" if share >= _AUTHENTIC_LESS else "UNKNOWN"
    return Found(state, told, "" if state == "PASS" else remedy, facts)


def explained(evidence: Evidence) -> Found:
    """C32: what no detail explains."""
    _, evaluated, unclassified = evidence.rate(evidence.window)
    odd = [
        row
        for row in evidence.failures
        if row.day >= evidence.obs_since
        and row.policy_domain == evidence.policy_domain
        and row.cause not in _KNOWN_CAUSES
    ]
    told = _undetailed(unclassified, evaluated)
    remedy = "Look at these reports, and ask their senders."
    if odd:
        names = ", ".join(sorted({row.cause for row in odd})[:3])
        reason = f"unknown result types: {names}; {told}"
        return Found("WARN", reason, remedy, _failed(odd), tuple(sorted({row.cause for row in odd})))
    without = tuple(
        Fact(row.day, row.organization, "failures without details", row.unclassified)
        for row in evidence.window
        if row.unclassified
    )
    if unclassified and unclassified >= _UNCLASSIFIED_LESS * evaluated:
        return Found("WARN", told, remedy, without[:_ROWS], ("unclassified",))
    return Found("PASS", told, facts=without[:_ROWS])


def quality(evidence: Evidence) -> Found:
    """C33: reports that were replaced or could not be used."""
    counts = evidence.reports
    if counts is None or not counts.reports:
        return Found("PASS", "no reports")
    bad = counts.superseded + counts.excluded + counts.refused
    told = (
        f"{counts.superseded:,} superseded, {counts.excluded:,} kept out of decisions, {counts.refused:,} refused"
        f" entries, of {counts.reports:,} reports"
    )
    facts = tuple(Fact(one.day, one.organization, one.why, None, one.report) for one in evidence.poor[:_ROWS])
    if bad < _POOR * (counts.reports + counts.refused):
        return Found("PASS", told, facts=facts)
    remedy = "See which ones: `tlsrpt reports`, `tlsrpt refused`."
    basis = ("many", *(("most",) if bad >= _POOR_MOST * (counts.reports + counts.refused) else ()))
    return Found("WARN", told, remedy, facts or (Fact(None, "reports", told),), basis)


JUDGES: Mapping[str, Callable[[Evidence], Found]] = {
    "C20": time_in_testing,
    "C21": coverage,
    "C22": organizations,
    "C23": volume,
    "C24": recurring,
    "C25": rate,
    "C26": by_organization,
    "C27": drifted,
    "C28": available,
    "C29": blind,
    "C30": under_dane,
    "C31": authentic,
    "C32": explained,
    "C33": quality,
}
