"""The next step of a domain: what to publish, in which order, what to watch, and the way back with its times.

A step is offered when it is due and not before. Nothing is published by this program.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt import history, mta_sts
from tlsrpt.cause import BLOCKING
from tlsrpt.certificate import moment
from tlsrpt.enforce import drift
from tlsrpt.enforce.criteria import BY_NAME
from tlsrpt.enforce.hosts import mx_hosts
from tlsrpt.enforce.live_criteria import was_bad
from tlsrpt.enforce.recurring import series
from tlsrpt.published import FetchFacts, MxTlsFacts
from tlsrpt.publishing import Step, fresh_id, txt

if TYPE_CHECKING:
    from tlsrpt.enforce.evidence import Evidence, Holder
    from tlsrpt.enforce.verdict import Judgement

# Values of max_age from the first enforce on; stop anywhere. The RFC wishes for weeks or more.
LADDER = (86_400, 604_800, 2_592_000, 7_776_000, 31_536_000)
SENSIBLE_END = 2_592_000

_WATCHED = ("C01", "C02", "C04", "C05", "C06", "C24", "C27", "C28", "C30")  # that have to hold while a step lasts
_LEAST, _MOST = timedelta(days=14), timedelta(days=45)  # that a rung has to stand
_AVAILABLE = 0.995  # of the time, the policy host
_ENFORCED = 0.9  # of the sessions, under the new policy, within _SEEN settled days
_SEEN = 3
_DROP = 0.5  # of the sessions of a large sender, against a week before
_REGULAR, _OF = 5, 7  # days with reports of the days before, from which on a silent sender is one
_SHORT_ENFORCE = 86_400


class Times(NamedTuple):
    """When senders notice a change made at one moment: UTC, without tzinfo."""

    expected: datetime  # those that look at the record for each delivery: its TTL
    typical: datetime  # those that refresh once a day
    worst: datetime  # those that keep what they have for as long as it lasts


class Sees(NamedTuple):
    """Which policy an organization works from, and when it is expected to see a change made now."""

    organization: str
    day: date  # of its newest report that tells
    mode: str
    max_age: int | None  # seconds
    kind: str  # a key of drift.CLASSES
    expected: datetime  # as in Times
    typical: datetime
    latest: datetime
    canonical: str


class Need(NamedTuple):
    """One thing that a step waits for."""

    state: str  # "PASS", "FAIL" or "UNKNOWN"
    what: str
    reason: str


class Mistake(NamedTuple):
    """A mistake that guides warn of, found at this domain."""

    name: str
    detail: str
    remedy: str


class Way(NamedTuple):
    """A way to another policy: what to publish in which order, and when senders notice."""

    title: str
    policy: str  # the file, with CRLF
    record: str  # the TXT record in zone-file form
    steps: tuple[Step, ...]
    times: Times


class Plan(NamedTuple):
    """The next step."""

    policy_domain: str
    verdict: str
    step: str  # "set up", "mend", "wait", "acknowledge", "switch", "watch", "raise", "go back", "remove" or "none"
    due: bool
    headline: str
    needs: tuple[Need, ...]  # what it waits for, or what it rests on
    way: Way | None  # what to publish, if it is due
    watch: tuple[Need, ...]  # after the switch
    mistakes: tuple[Mistake, ...]
    rollback: Way | None
    removal: Way | None
    holders: tuple[Sees, ...]


def plan(judgement: Judgement, max_age: int | None = None) -> Plan:
    """Return the next step of a domain; `max_age` asks for a certain one.

    Raises ValueError if max_age is none that a policy can have.
    """
    if max_age is not None and not 0 < max_age < mta_sts.MAX_AGE:
        raise ValueError(f"max_age {max_age:,}: not between 1 and {mta_sts.MAX_AGE - 1:,}")
    evidence = judgement.evidence
    step, due, headline, needs, way = _step(judgement, max_age)
    return Plan(
        evidence.policy_domain,
        judgement.verdict,
        step,
        due,
        headline,
        tuple(needs),
        way,
        tuple(watch(judgement)) if evidence.mode == "enforce" else (),
        tuple(mistakes(judgement, way)),
        back(evidence, way) if _is_seen(evidence) else None,
        removal(evidence) if _is_seen(evidence) else None,
        tuple(holders(evidence)),
    )


def _is_seen(evidence: Evidence) -> bool:
    """Return whether a policy was seen by a look: what senders quote is theirs to write, and is never republished."""
    return evidence.history_since is not None and evidence.served is not None


_Next = tuple[str, bool, str, Sequence[Need], Way | None]


def _step(judgement: Judgement, max_age: int | None) -> _Next:
    evidence = judgement.evidence
    domain = evidence.policy_domain
    if judgement.verdict == "N_A":
        return "none", False, "The domain takes no mail: there is nothing to plan.", (), None
    if evidence.history_since is None and evidence.sts:
        words = f"Not due: nobody looked at the domain yet. `tlsrpt check {quote(domain)}`, or p on the screen."
        return "wait", False, words, _needs(judgement), None
    if evidence.served is None:
        words = f"No policy was seen yet: `tlsrpt setup {quote(domain)}` says what to publish first."
        return "set up", True, words, (), None
    mode = evidence.mode
    if mode == "enforce":
        return _in_force(judgement, max_age)
    if mode == "none":
        until = _all_expired(evidence, evidence.now)
        words = (
            f"The policy is withdrawn. Record and host may go once every cache has run out, {moment(until)};"
            " or publish mode: testing with a new id to begin again."
        )
        return "remove", evidence.now >= until, words, (), None
    return _in_testing(judgement, max_age)


def _needs(judgement: Judgement) -> list[Need]:
    """Return what stands in the way; a remedy that several share is told once."""
    found: list[Need] = []
    told: set[str] = set()
    for one in judgement.in_the_way:
        if one.is_blocking or (one.is_warning and one.acknowledged is None):
            words = (one.reason, "" if one.remedy in told else one.remedy)
            told.add(one.remedy)
            found.append(Need(one.state, f"{one.name} {one.criterion.title}", ". ".join(filter(None, words))))
    return found


def _in_testing(judgement: Judgement, max_age: int | None) -> _Next:
    evidence = judgement.evidence
    domain, served = evidence.policy_domain, evidence.served
    assert served is not None
    needs = _needs(judgement)
    if judgement.verdict == "NOT_READY":
        first = judgement.in_the_way[0]
        return "mend", False, f"Not due: stay in testing and mend first. {first.remedy}", needs, None
    if judgement.verdict == "INSUFFICIENT_EVIDENCE":
        first = judgement.in_the_way[0]
        return "wait", False, f"Not due: too little is known. {first.remedy}", needs, None
    if judgement.verdict == "READY_WITH_WARNINGS" and needs:
        command = f"`tlsrpt acknowledge {quote(domain)} CRITERION --reason TEXT`"
        words = f"Not due before somebody accepts the warnings: {command}."
        return "acknowledge", False, words, needs, None
    first_age = evidence.parameters.max_age_enforce_first
    wanted = min(first_age, LADDER[1]) if max_age is None else max_age
    conditions = [*_ladder_first(wanted, first_age), *_planned(evidence, wanted)]
    missed = [one for one in conditions if one.state != "PASS"]
    if missed:
        return "wait", False, f"Not due: {missed[0].reason}", conditions, None
    way = _way(evidence, f"Switch {domain} to enforce", mta_sts.Policy("enforce", wanted, _mx(served)), "")
    words = f"Due: switch to enforce with max_age {wanted:,}, the MXs unchanged."
    return "switch", True, words, conditions, way


def _mx(served: drift.Told) -> tuple[str, ...]:
    return tuple(sorted(served.mx))


def _ladder_first(wanted: int, most: int) -> Iterator[Need]:
    fine = wanted <= most
    reason = f"max_age {wanted:,}; the first one in enforce is {most:,} at most, then it is raised step by step"
    yield Need("PASS" if fine else "FAIL", "first max_age", reason)


def _planned(evidence: Evidence, max_age: int) -> Iterator[Need]:
    """Yield whether a change of MX, provider or authority falls within the life of a policy published now."""
    given = evidence.by_answer.get("C42")
    what = "no change within max_age"
    end = evidence.now + timedelta(seconds=max_age)
    if given is not None and given.on_day is not None and given.on_day >= evidence.now.date():
        inside = datetime.combine(given.on_day, time()) <= end
        words = f"a change is planned on {given.on_day}: {given.note or 'see C42'}"
        reason = f"{words}; it falls within max_age, which lasts until {end.date()}" if inside else words
        yield Need("FAIL" if inside else "PASS", what, reason)
    elif given is not None and not given.answer and given.on_day is None:
        command = f"tlsrpt answer {quote(evidence.policy_domain)} C42 no --on DAY"
        yield Need("UNKNOWN", what, f"C42 was answered no, but not when: `{command}`")
    else:
        past = given is not None and given.on_day is not None
        yield Need("PASS", what, f"the change of {given.on_day} is past" if given and past else "none was told")


# In force


def _in_force(judgement: Judgement, max_age: int | None) -> _Next:
    evidence = judgement.evidence
    served = evidence.served
    assert served is not None
    domain = evidence.policy_domain
    if judgement.verdict == "IN_FORCE_FAILING":
        triggers = list(back_triggers(judgement))
        hit = [one for one in triggers if one.state == "FAIL"]
        first = judgement.in_the_way[0]
        if hit and not _is_mendable(evidence):
            words = f"Go back to testing unless it is mended within hours: {hit[0].reason}"
            return "go back", True, words, triggers, back(evidence)
        words = (
            "Mend it now: mail is being held back, and a repaired server takes effect at the next try, sooner than"
            f" any change of the policy. {first.remedy}"
        )
        return "mend", True, words, [*_needs(judgement), *triggers], None
    now_age = served.max_age or 0
    above = [rung for rung in LADDER if rung > now_age]
    if max_age is not None and max_age < now_age:
        down = mta_sts.Policy("enforce", max_age, _mx(served))
        words = f"Due: lower max_age to {max_age:,}; caches hold the old one until {_latest(evidence, now_age)}."
        return "raise", True, words, (), _way(evidence, f"Lower max_age of {domain}", down, "")
    if not above or (max_age is None and now_age >= SENSIBLE_END):
        return "watch", False, f"In force with max_age {now_age:,}: nothing to raise. Keep watching.", (), None
    wanted = above[0] if max_age is None else max_age
    needs = list(_raise_needs(judgement, wanted, above[0]))
    missed = [one for one in needs if one.state != "PASS"]
    if missed:
        words = f"In force. max_age {wanted:,} is not due: {missed[0].what}: {missed[0].reason}"
        return "watch", False, words, needs, None
    policy = mta_sts.Policy("enforce", wanted, _mx(served))
    words = f"Due: raise max_age from {now_age:,} to {wanted:,}."
    return "raise", True, words, needs, _way(evidence, f"Raise max_age of {domain}", policy, "")


def _latest(evidence: Evidence, max_age: int) -> str:
    return moment(evidence.now + timedelta(seconds=max_age))


def _step_since(evidence: Evidence) -> datetime:
    return evidence.published.spans[-1].since


def enforced_since(evidence: Evidence) -> datetime | None:
    """Return the first look that found the policy in enforce, without another mode since; None if it is not."""
    since = None
    for span in reversed(evidence.published.spans):
        says = drift.told(span.canonical)
        if says is None or says.mode != "enforce":
            break
        since = span.since
    return since


def _raise_needs(judgement: Judgement, wanted: int, next_rung: int) -> Iterator[Need]:
    """Yield everything that has to hold before max_age is raised."""
    evidence = judgement.evidence
    served = evidence.served
    assert served is not None
    fine = wanted <= next_rung
    yield Need("PASS" if fine else "FAIL", "one rung at a time", f"after {served.max_age:,} comes {next_rung:,}")
    yield from _planned(evidence, wanted)
    since = _step_since(evidence)
    least = min(max(_LEAST, timedelta(seconds=served.max_age or 0)), _MOST)
    ends = since + least
    stood = evidence.now >= ends
    yield Need(
        "PASS" if stood else "UNKNOWN",
        "long enough on this rung",
        f"since {since.date()}, {least.days} days asked for{'' if stood else f': until {ends.date()}'}",
    )
    for name in _WATCHED:
        one = judgement.state(name)
        well = one.state in {"PASS", "N-A"}
        yield Need("PASS" if well else one.state, f"{name} {BY_NAME[name].title}", one.reason)
    bad = [
        row
        for row in evidence.past
        if row.last_seen >= since and (was_bad(evidence, row, "C02") or was_bad(evidence, row, "C05"))
    ]
    told = (
        f"{bad[-1].observation.subject} was failing at {moment(bad[-1].last_seen)}" if bad else "no look found a fault"
    )
    yield Need("FAIL" if bad else "PASS", "good at every look since", told)
    yield from _renewals(evidence)
    share = _availability(evidence, since)
    yield Need(
        "PASS" if share >= _AVAILABLE else "FAIL",
        "policy host there",
        f"{share:.2%} of the time, {_AVAILABLE:.1%} asked for",
    )
    rehearsed = judgement.state("C40")
    yield Need("PASS" if rehearsed.state == "PASS" else "UNKNOWN", "C40 way back rehearsed", rehearsed.reason)


def _renewals(evidence: Evidence) -> Iterator[Need]:
    since = enforced_since(evidence)
    renewed = {
        change.subject.partition(" ")[0]
        for change in history.changes(evidence.past)
        if change.what == "certificate renewed" and since is not None and change.at >= since
    }
    lacking = [host for host in (*evidence.mx_hosts, f"mta-sts.{evidence.policy_domain}") if host not in renewed]
    reason = f"none seen yet of {', '.join(lacking)}" if lacking else "seen on every MX and the policy host"
    yield Need("UNKNOWN" if lacking else "PASS", "a renewal in enforce", reason)


def _availability(evidence: Evidence, since: datetime) -> float:
    """Return the share of the time in which the policy was there; between a bad look and good ones it was not."""
    whole = (evidence.now - since).total_seconds()
    if whole <= 0:
        return 0.0
    subjects: dict[tuple[str, str], list[tuple[datetime, datetime, bool]]] = defaultdict(list)
    for row in evidence.past:
        facts = row.observation.facts
        if isinstance(facts, FetchFacts) and row.last_seen >= since:
            key = row.vantage, row.observation.subject
            subjects[key].append((row.first_seen, row.last_seen, facts.outcome == "fetched"))
    lost = 0.0
    for rows in subjects.values():
        rows.sort()
        gone = 0.0
        for at, (first, last, good) in enumerate(rows):
            if not good:
                begin = max(rows[at - 1][1] if at else first, since)
                end = rows[at + 1][0] if at + 1 < len(rows) else last
                gone += (end - begin).total_seconds()
        lost = max(lost, gone)
    return max(0.0, 1 - lost / whole) if subjects else 0.0


# After the switch


def watch(judgement: Judgement) -> Iterator[Need]:
    """Yield what to watch while the policy is in force, and how it stands."""
    evidence = judgement.evidence
    since = enforced_since(evidence)
    if since is None:
        return
    switched = since.date()
    days = [evidence.settled - timedelta(days=ago) for ago in range(_SEEN)]
    rows = [row for row in evidence.sts if row.day in days and row.day > switched]
    total = sum(row.successful + row.failed for row in rows)
    mine = sum(
        row.successful + row.failed for row in rows if (says := drift.told(row.canonical)) and says.mode == "enforce"
    )
    early = (evidence.settled - switched).days < _SEEN
    if not total:
        yield Need("UNKNOWN", "senders see enforce", f"no settled report after the switch of {switched} yet")
    else:
        state = "PASS" if mine >= _ENFORCED * total else "UNKNOWN" if early else "FAIL"
        reason = f"{mine / total:.0%} of the sessions under mode enforce, {_ENFORCED:.0%} asked for after {_SEEN} days"
        yield Need(state, "senders see enforce", reason)
    yield from _first_days(evidence, switched)
    new = [row for row in evidence.blocking if row.day > switched]
    before = {(row.cause, row.mx_key) for row in evidence.blocking if row.day <= switched}
    for one in series(evidence, new):
        known = "as before the switch" if tuple(one.place) in before else "new since the switch"
        names = ", ".join(one.organizations)
        reason = f"{one.sessions:,} sessions at {names}, {known}{_beside(evidence, one.days[0])}"
        yield Need("FAIL" if one.status == "open" else "UNKNOWN", f"{one.place.cause} at {one.place.mx_key}", reason)
    if not new:
        yield Need("PASS", "no failure since the switch", f"nothing that blocks since {switched}")
    yield from _silent(evidence)


def _first_days(evidence: Evidence, switched: date) -> Iterator[Need]:
    """Yield on which day each organization reported under enforce first."""
    first: dict[str, date] = {}
    there: set[str] = set()
    for row in evidence.sts:
        there.add(row.organization)
        says = drift.told(row.canonical)
        if row.day >= switched and says is not None and says.mode == "enforce":
            first[row.organization] = min(first.get(row.organization, row.day), row.day)
    for name in sorted(there):
        told = f"first under enforce on {first[name]}" if name in first else "not under enforce yet"
        yield Need("PASS" if name in first else "UNKNOWN", name, told)


def _beside(evidence: Evidence, day: date) -> str:
    """Return what changed at the domain about the time that a failure began, "" if nothing did."""
    near = [
        change
        for change in history.changes(evidence.past)
        if abs((change.at.date() - day).days) <= 1
        and change.kind in {"mx", "mx-tls", "policy"}
        and change.what != "first seen"
    ]
    return f"; beside it: {near[0].subject} {near[0].what} ({near[0].at.date()})" if near else ""


def _silent(evidence: Evidence) -> Iterator[Need]:
    """Yield large senders that reported regularly and are silent now."""
    lately = {evidence.settled - timedelta(days=ago) for ago in range(_SEEN)}
    before = {evidence.settled - timedelta(days=ago) for ago in range(_SEEN, _SEEN + _OF)}
    for anchor in evidence.parameters.anchor_orgs:
        days = {row.day for row in evidence.sessions if row.organization == anchor}
        if len(days & before) >= _REGULAR and not days & lately:
            yield Need("UNKNOWN", anchor, f"no report for {_SEEN} settled days, though it reported regularly")


def back_triggers(judgement: Judgement) -> Iterator[Need]:
    """Yield what speaks for going back to testing, each with how it stands."""
    evidence = judgement.evidence
    hosts = [one for one in mx_hosts(evidence) if one.in_dns]
    failing = [one.host for one in hosts if one.looked == "FAIL"]
    every = bool(hosts) and len(failing) == len(hosts)
    yield Need("FAIL" if every else "PASS", "every MX fails", f"{len(failing)} of {len(hosts)} MXs fail")
    since = enforced_since(evidence)
    switched = since.date() if since else evidence.settled
    bad = []
    for one in series(evidence, (row for row in evidence.blocking if row.day > switched)):
        large = set(one.organizations) & set(evidence.parameters.anchor_orgs)
        if one.status == "open" and len(one.days) >= 2 and (large or len(one.organizations) >= 2):
            bad.append(
                f"{one.place.cause} at {one.place.mx_key} on {len(one.days)} days at {', '.join(one.organizations)}"
            )
    yield Need(
        "FAIL" if bad else "PASS", "failures since the switch", bad[0] if bad else "none at a large or at two senders"
    )
    drops = list(_drops(evidence))
    yield Need("FAIL" if drops else "PASS", "volume of large senders", drops[0] if drops else "no drop to be seen")
    yield Need("UNKNOWN", "an MX has to change at once", "only you know; then, if the policy cannot be extended first")
    yield Need("UNKNOWN", "partners complain", "only you know; two organizations whose bounces name MTA-STS are enough")


def _drops(evidence: Evidence) -> Iterator[str]:
    for anchor in evidence.parameters.anchor_orgs:
        counted: dict[date, int] = defaultdict(int)
        for row in evidence.sts:
            if row.organization == anchor:
                counted[row.day] += row.successful + row.failed
        now, before = counted.get(evidence.settled), counted.get(evidence.settled - timedelta(days=7))
        if now is not None and before and now < (1 - _DROP) * before:
            yield f"{anchor}: {now:,} sessions on {evidence.settled}, {before:,} a week before"


def _is_mendable(evidence: Evidence) -> bool:
    """Return whether what fails is mended at a server, or by one more line in the policy, within hours."""
    causes = {row.cause for row in evidence.blocking if row.day >= evidence.recent_since and row.impact in BLOCKING}
    return causes <= {
        "certificate-expired", "certificate-host-mismatch", "certificate-not-trusted", "starttls-not-supported",
        "mx-not-in-policy",
    }  # fmt: skip


# Ways


def _way(evidence: Evidence, title: str, policy: mta_sts.Policy, suffix: str) -> Way:
    domain = evidence.policy_domain
    record = txt(f"_mta-sts.{domain}", mta_sts.record_text(_new_id(evidence, suffix)))
    body = mta_sts.policy_text(policy)
    host = f"mta-sts.{domain}"
    steps = (
        Step("Freeze changes of MX, certificates and DNS until the watch is over", "", (), ""),
        Step(
            "Put the policy on every web server first",
            "",
            (f"At https://{host}/.well-known/mta-sts.txt. While the old id stands, no sender that has it looks.",),
            body.replace("\r\n", "\n"),
        ),
        Step(
            "See that every address serves it",
            "",
            ("Go on only if C02 passes.",),
            f"tlsrpt check {quote(domain)} --fresh\n",
        ),
        Step(
            "Then publish the record with its new id",
            "",
            ("The other way round, senders would keep the old policy under the new id.",),
            record,
        ),
        Step(
            "See that every name server of the zone has it",
            "",
            (),
            f"for ns in $(dig +short NS {quote(domain)}); do"
            f' dig +short TXT {quote(f"_mta-sts.{domain}")} "@$ns"; done\n',
        ),
        Step("Watch", "", _what_to_watch(policy), f"tlsrpt ready {quote(domain)}\n"),
    )
    return Way(title, body, record, steps, times(evidence, evidence.now))


def _what_to_watch(policy: mta_sts.Policy) -> tuple[str, ...]:
    if policy.mode != "enforce":
        return ("Senders follow at the times below; keep the policy host up, it is how they learn of it.",)
    return (
        "Every 15 minutes the policy, every hour record and MXs, every 6 hours each MX: `tlsrpt check` from cron.",
        "Every day the reports: nine in ten sessions should be under enforce after 3 settled days.",
        "Reports lag 12 to 36 hours: alarms of checks and complaints of partners come first.",
        f"After {_LEAST.days} days `tlsrpt plan` tells whether max_age may be raised; until then stay on this rung.",
    )


def _new_id(evidence: Evidence, suffix: str) -> str:
    """Return an id that never stood in the record (RFC 8461 section 3.1)."""
    used = {version.id for version in history.versions(evidence.past)}
    at = evidence.now
    while (found := f"{fresh_id(at)}{suffix}") in used:
        at += timedelta(seconds=1)
    return found


def back(evidence: Evidence, after: Way | None = None) -> Way | None:
    """Return the way back to testing, None if no MX is known; `after` is a way to enforce that may be gone by then."""
    patterns = _patterns(evidence)
    if not patterns:
        return None
    policy = mta_sts.Policy("testing", evidence.parameters.max_age_testing, patterns)
    way = _way(evidence, f"Take {evidence.policy_domain} back to testing", policy, "back")
    planned = mta_sts.parse_policy(after.policy)[0] if after is not None else None
    if planned is not None and planned.mode == "enforce":
        kept = evidence.now + timedelta(seconds=planned.max_age)
        way = way._replace(times=way.times._replace(worst=max(way.times.worst, kept)))
    return way._replace(steps=way.steps[1:])


def _patterns(evidence: Evidence) -> tuple[str, ...]:
    """Return the MXs of the policy that is served; if it has none, those in DNS that a policy can hold."""
    served = evidence.served
    mx = _mx(served) if served is not None else ()
    return mx or tuple(host for host in evidence.mx_hosts if mta_sts.is_mx(host))


def removal(evidence: Evidence) -> Way:
    """Return the way to no policy at all (RFC 8461 section 8.3)."""
    policy = mta_sts.Policy("none", _SHORT_ENFORCE, _patterns(evidence))
    way = _way(evidence, f"Remove MTA-STS from {evidence.policy_domain}", policy, "none")
    gone = max(_all_expired(evidence, evidence.now), evidence.now + timedelta(seconds=_SHORT_ENFORCE))
    last = Step(
        f"Take down record and host, not before {moment(gone)}",
        "",
        ("Until then a sender may hold a policy that was served once; without the host it would not learn of this.",),
        "",
    )
    return way._replace(steps=(*way.steps[:-1], last), times=way.times._replace(worst=gone))


# Times


def times(evidence: Evidence, at: datetime) -> Times:
    """Return when senders notice a change made at a moment (RFC 8461 sections 3.3 and 5.1).

    The worst is the longest that any policy in enforce may be kept: the one of now from that moment on, an
    earlier one from when it was last served.
    """
    ends = [
        _kept(span, at)
        for span in evidence.published.spans
        if (says := drift.told(span.canonical)) and says.mode == "enforce"
    ]
    expected = at + timedelta(seconds=evidence.ttl)
    typical = at + timedelta(hours=24)
    return Times(expected, typical, max([typical, *ends]))


def _kept(span: drift.Span, at: datetime) -> datetime:
    says = drift.told(span.canonical)
    age = min((says.max_age if says else None) or 0, mta_sts.MAX_AGE)
    return min(span.superseded_at or at, at) + timedelta(seconds=age)


def _all_expired(evidence: Evidence, at: datetime) -> datetime:
    spans = [span for span in evidence.published.spans if (says := drift.told(span.canonical)) and says.mode != "none"]
    return max([at, *(_kept(span, at) for span in spans)])


def holders(evidence: Evidence) -> Iterator[Sees]:
    """Yield which policy each organization works from, most sessions first, and when it sees a change made now."""
    noticed = times(evidence, evidence.now)
    for row in evidence.holders:
        says = drift.told(row.canonical)
        if says is None:
            continue
        yield Sees(
            row.organization,
            row.day,
            says.mode,
            says.max_age,
            evidence.kind(row),
            noticed.expected,
            noticed.typical,
            max(noticed.typical, _held(evidence, row, says.max_age or 0)),
            row.canonical,
        )


def _held(evidence: Evidence, row: Holder, max_age: int) -> datetime:
    """Return until when an organization may keep the policy it has: from its last chance to fetch it."""
    age = timedelta(seconds=min(max_age, mta_sts.MAX_AGE))
    over = [span.superseded_at for span in evidence.published.spans if span.canonical == row.canonical]
    last = over[-1] if over and over[-1] is not None else evidence.now
    return last + age


# Mistakes


def mistakes(judgement: Judgement, way: Way | None = None) -> Iterator[Mistake]:
    """Yield the mistakes that guides warn of, as far as this domain makes them or is about to."""
    evidence = judgement.evidence
    served = evidence.served
    domain = evidence.policy_domain
    wanted = mta_sts.parse_policy(way.policy)[0] if way is not None else None
    mode = evidence.mode
    age = served.max_age if served else None
    if mode == "enforce" and judgement.state("C07").state == "FAIL":
        yield _mistake(judgement, "enforce-without-tlsrpt", "C07")
    if mode == "testing" and age is not None and age > LADDER[1]:
        words = f"Lower it to {evidence.parameters.max_age_testing:,} until the mode is enforce, with a new id."
        yield Mistake("max-age-long-in-testing", f"max_age {age:,} s while testing", words)
    keeps = wanted.max_age if wanted and wanted.mode == "enforce" else age if mode == "enforce" else None
    if keeps is not None and keeps < _SHORT_ENFORCE:
        words = "Raise it to 604,800, with a new id: so short, few senders have it when an attack begins."
        yield Mistake("max-age-short-in-enforce", f"max_age {keeps:,} s in enforce", words)
    for name, criterion in (("mx-missing", "C04"), ("id-not-changed", "C09"), ("certificate-ending", "C06")):
        state = judgement.state(criterion).state
        if state == "FAIL" or (criterion == "C06" and state == "WARN"):
            yield _mistake(judgement, name, criterion)
    if keeps is not None:
        end = evidence.now + timedelta(seconds=keeps)
        for host, until in _ends(evidence):
            if evidence.now < until < end:
                detail = f"the certificate of {host} ends {moment(until)}, within max_age"
                remedy = f"See that it is renewed in time and looked at again: `tlsrpt check {quote(domain)}`."
                yield Mistake("certificate-ends-within-max-age", detail, remedy)


def _mistake(judgement: Judgement, name: str, criterion: str) -> Mistake:
    state = judgement.state(criterion)
    return Mistake(name, state.reason, state.remedy)


def _ends(evidence: Evidence) -> Iterable[tuple[str, datetime]]:
    """Return when the leaf of each host ends, by the newest fresh look, first to end first."""
    found: dict[str, datetime] = {}
    for look in evidence.fresh[:1]:
        for seen, facts in look.all(MxTlsFacts):
            for face in facts.faces:
                if face.chain and (end := face.chain[0].not_after) is not None:
                    found[seen.host] = min(found.get(seen.host, end), end)
    return sorted(found.items(), key=lambda item: item[1])
