"""What if: a draft policy against the MXs of now, those that reports name, and the certificates they show.

Nothing is published or asked here. Reports carry no successes by MX, so nothing is said of how many sessions a
draft would hit: an MX that it leaves out is named, and so is who met it, and that is all that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from tlsrpt import history
from tlsrpt.advice import ADVICE
from tlsrpt.cause import BLOCKING
from tlsrpt.certificate import listed, moment
from tlsrpt.enforce.evidence import FRESH, Evidence, policies_in
from tlsrpt.enforce.hosts import MxHost, against, is_host, mx_hosts, words
from tlsrpt.enforce.live_criteria import JUDGES
from tlsrpt.enforce.planning import LADDER
from tlsrpt.enforce.recurring import Series, series
from tlsrpt.findings import TESTING_MOST, Finding, criteria
from tlsrpt.mta_sts import LINTS, MAX_AGE, Policy, canonical, host, matches, parse_policy, policy_text
from tlsrpt.published import Check, FetchFacts, MxFacts, MxTlsFacts
from tlsrpt.publishing import fresh_id
from tlsrpt.record import quoted

OUTCOMES = ("FAIL", "UNKNOWN", "WARN", "PASS")  # the worst first: it is that of the whole

_SHORT = 3_600  # seconds of max_age below which Stalwart makes something else of it
_DAY = 86_400
_NO_COUNT = "reports name no MX in successes, so nobody can tell how many sessions that would hit"
_FEW, _MOST = 3, 50  # of one sort that are told in a line, and as points

# What says nothing about how the policy is served, but what it says or when it was changed.
_OF_THE_FILE = frozenset(name for name in LINTS if name.startswith("policy-"))


class Point(NamedTuple):
    """One thing that was tried."""

    state: str  # one of OUTCOMES
    what: str
    detail: str
    remedy: str = ""


class WhatIf(NamedTuple):
    """What would come of a draft."""

    outcome: str  # the worst of the points
    points: tuple[Point, ...]  # the worst first
    policy: Policy | None  # as strict senders read it; None: they reject the file
    differs: tuple[str, ...]  # what changes against the policy served now, and what that brings, a sentence each


def draft(
    evidence: Evidence,
    *,
    mode: str | None = None,
    max_age: int | None = None,
    add: Iterable[str] = (),
    drop: Iterable[str] = (),
) -> Policy:
    """Return the policy served now with some edits: patterns are taken out first, then added.

    Raises ValueError if none is served, if it has no such pattern, or if the result is no valid policy.
    """
    served = evidence.served
    if served is None:
        domain = evidence.policy_domain
        raise ValueError(f"no policy of {domain} was seen that could be edited: `tlsrpt setup {domain}` writes one")
    wanted = dict.fromkeys(map(host, drop))
    if missing := [pattern for pattern in wanted if pattern not in served.mx]:
        raise ValueError(
            f"{listed([quoted(one) for one in missing])} is not in the policy, which has {listed(sorted(served.mx))}"
        )
    kept = (pattern for pattern in sorted(served.mx) if pattern not in wanted)
    age = served.max_age if max_age is None else max_age
    made = Policy(
        served.mode if mode is None else mode,
        evidence.parameters.max_age_testing if age is None else age,
        tuple(dict.fromkeys((*kept, *map(host, add)))),
    )
    try:
        policy_text(made)
    except ValueError as error:
        raise ValueError(f"the draft is no valid policy: {error}") from error
    return made


def what_if(evidence: Evidence, body: str) -> WhatIf:
    """Return what would come of a policy file, by everything known at the moment of the evidence."""
    policy, _ = parse_policy(body)
    points = list(_grammar(evidence, body))
    if policy is not None:
        trial = _Trial(evidence, policy)
        points += [point for part in _PARTS for point in part(trial)]
    points.sort(key=lambda point: OUTCOMES.index(point.state))
    fails = points[0].state == "FAIL"
    differs = tuple(_differs(evidence, policy, fails=fails)) if policy is not None else ()
    return WhatIf(points[0].state, tuple(points), policy, differs)


class _Trial:
    """A draft beside what it is tried on."""

    def __init__(self, evidence: Evidence, policy: Policy) -> None:
        self.evidence = evidence
        self.policy = policy
        self.domain = evidence.policy_domain
        self.enforces = policy.mode == "enforce"
        self.withdraws = policy.mode == "none"
        # What would hold mail back in enforce is told of in testing, where it is delivered all the same.
        self.bad = "FAIL" if self.enforces else "WARN"
        self.mx: MxFacts | None = evidence.newest_mx(evidence.fresh)
        self.known = mx_hosts(evidence)
        self.in_dns = [] if self.mx is None else [one for one in self.known if one.in_dns]
        self.ask = f"`tlsrpt check {self.domain}` looks now."

    def covers(self, name: str) -> bool:
        """Return whether the draft covers a host."""
        return any(matches(name, pattern) for pattern in self.policy.mx)

    def is_covered_now(self, name: str) -> bool:
        """Return whether the policy served now does."""
        served = self.evidence.served
        return served is not None and any(matches(name, pattern) for pattern in served.mx)


# --------------------------------------------------------------------------------------------------------
# The file.


def _grammar(evidence: Evidence, body: str) -> Iterator[Point]:
    """Yield what the strictest senders have against a file; its max_age and wildcards have points of their own."""
    policy, lints = parse_policy(body)
    own = ("policy-max-age-", "policy-mx-wildcard", "policy-none-without-mx") if policy is not None else ()
    for name, message in lints:
        advice = ADVICE[name]
        if advice.level == "note" or (own and name.startswith(own)):
            continue
        state = "FAIL" if advice.level == "fail" else "WARN"
        yield Point(state, "policy file", message, advice.remedy.replace("{domain}", evidence.policy_domain))
    if policy is not None:
        yield Point("PASS", "policy file", f"strictly valid: {_said(policy)}")


def _said(policy: Policy) -> str:
    number = len(policy.mx)
    return f"mode {policy.mode}, {number} mx line{'' if number == 1 else 's'}, max_age {policy.max_age:,} s"


# --------------------------------------------------------------------------------------------------------
# MXs.


def _covering(trial: _Trial) -> Iterator[Point]:
    """Yield which MXs of DNS the draft covers, and which not."""
    if trial.withdraws:
        return
    mx, domain = trial.mx, trial.domain
    if trial.evidence.takes_no_mail:
        yield Point("WARN", "MXs of DNS", f"{domain} takes no mail: a policy is of no use")
        return
    if mx is None:
        yield Point("UNKNOWN", "MXs of DNS", _not_looked(trial), trial.ask)
        return
    if mx.dropped:
        yield Point("UNKNOWN", "MXs of DNS", f"{mx.dropped:,} more than are looked at", "Compare these by hand.")
    for one in trial.in_dns:
        if not trial.covers(one.host):
            yield _uncovered(trial, one)
    covered = [one.host for one in trial.in_dns if trial.covers(one.host)]
    if covered:
        yield Point("PASS", "MXs of DNS", f"{listed(covered)}: covered")


def _not_looked(trial: _Trial) -> str:
    """Return that DNS was not looked at of late, and what an older look would say."""
    told = f"not looked at within {FRESH.days * 24} h"
    lacking = [one.host for one in trial.known if one.in_dns and not trial.covers(one.host)]
    return f"{told}; of those seen last, {listed(lacking)} would not be covered" if lacking else told


def _uncovered(trial: _Trial, one: MxHost) -> Point:
    """Return that an MX of DNS is not covered."""
    then = (
        "enforce lets no sender deliver there"
        if trial.enforces
        else "in testing mail is delivered all the same, and reports tell of it; it has to be mended before enforce"
    )
    newly = f", though the policy of now does; {_NO_COUNT}" if trial.is_covered_now(one.host) else ""
    named = f"; {_named(one)}" if one.organizations else ""
    detail = f"an MX in DNS that no pattern covers{_almost(trial.policy.mx, one.host)}{newly}{named}; {then}"
    return Point(trial.bad, one.host, detail, f"Add mx: {one.host}, or take the MX record out of DNS first.")


def _named(one: MxHost) -> str:
    return f"named in failures by {listed(one.organizations)}, last about {one.last_day}"


def _almost(patterns: Iterable[str], name: str) -> str:
    """Return words about a wildcard that almost covers a host, "" if there is none."""
    for pattern in patterns:
        parent = pattern.removeprefix("*.")
        if pattern.startswith("*.") and (name == parent or name.endswith(f".{parent}")):
            return f" ({pattern} stands for exactly one label before {parent})"
    return ""


def _patterns(trial: _Trial) -> Iterator[Point]:
    """Yield patterns that cover nothing, or more than one host."""
    if trial.withdraws:
        return
    for pattern in dict.fromkeys(trial.policy.mx):
        mine = [one.host for one in trial.in_dns if matches(one.host, pattern)]
        if pattern.startswith("*."):
            covers = f"; of the MXs in DNS it covers {listed(mine)}" if trial.in_dns else ""
            detail = f"a wildcard stands for exactly one label, and lets in every host of that level{covers}"
            remedy = (
                f"Write one line for each: {', '.join(f'mx: {name}' for name in mine[:3]) or 'each MX by its name'}."
            )
            yield Point("WARN", f"mx: {pattern}", detail, remedy)
        if not mine and trial.mx is not None and not trial.mx.dropped:
            yield _unused(trial, pattern)


def _unused(trial: _Trial, pattern: str) -> Point:
    """Return that a pattern covers no MX, and worse if only reports know what it covers."""
    named = [one for one in trial.known if matches(one.host, pattern)]
    never = [one.host for one in named if one.seen_in_dns is None]
    if never:
        detail = (
            f"covers no MX of DNS; reports name {listed(never)}, which was never seen as one: whoever led these"
            " senders there would be let in"
        )
        return Point("WARN", f"mx: {pattern}", detail, "Take it out, unless you know that host as one of yours.")
    reports = f", though reports name {listed([one.host for one in named])}" if named else ""
    remedy = "Take it out, unless an MX of that name is on its way: the policy comes first, its MX record after."
    return Point("WARN", f"mx: {pattern}", f"covers no MX of DNS{reports}", remedy)


def _told(trial: _Trial) -> Iterator[Point]:
    """Yield MX names that reports of the window tell, that are not known to be in DNS and that the draft leaves out."""
    if trial.withdraws:
        return
    there = {one.host for one in trial.in_dns}
    found = [one for one in trial.known if one.organizations and one.host not in there and not trial.covers(one.host)]
    for one in found[:_MOST]:
        newly = ", though the policy of now does" if trial.is_covered_now(one.host) else ""
        detail = f"{_named(one)}; the draft does not cover it{newly}, and {_where(trial, one)}; {_NO_COUNT}"
        if trial.mx is None or one.in_dns is None:
            yield Point("UNKNOWN", one.host, detail, trial.ask)
        else:
            remedy = "Nothing if no mail is to come there: senders that still meet it use old DNS, or another's."
            yield Point("WARN", one.host, detail, remedy)
    if len(found) > _MOST:
        detail = f"{len(found) - _MOST:,} more names in reports that the draft does not cover"
        yield Point("WARN", "MXs in reports", detail, "`tlsrpt ready` lists every MX with what is known of it.")


def _where(trial: _Trial, one: MxHost) -> str:
    """Return whether a name is or was an MX, as far as looks tell."""
    if trial.mx is None:
        return "whether it is an MX was not looked at of late"
    if one.seen_in_dns is not None:
        return f"it is no MX any more: looks found it as one until {one.seen_in_dns}"
    since = trial.evidence.history_since
    return f"it was never seen as an MX{f', in looks since {since.date()}' if since else ''}"


# --------------------------------------------------------------------------------------------------------
# TLS of the MXs.


def _tls(trial: _Trial) -> Iterator[Point]:
    """Yield how TLS at each MX stands, by the newest look of the last day."""
    if trial.withdraws or trial.evidence.takes_no_mail:
        return
    good = []
    hosts = trial.in_dns or [one for one in trial.known if one.in_dns]
    for one in hosts:
        what = f"TLS of {one.host}"
        if one.looked == "FAIL":
            yield from (_against(trial, what, finding) for finding in against(trial.evidence, one.host)[:_FEW])
        elif one.looked == "UNKNOWN":
            yield Point("UNKNOWN", what, f"not looked at, or not reached, within {FRESH.days * 24} h", trial.ask)
        elif one.note:
            yield Point("WARN", what, f"good, but looked at {one.note}", "Look with the usual settings.")
        else:
            good.append(one.host)
    if not hosts:
        yield Point("UNKNOWN", "TLS of the MXs", "which MXs there are is not known", trial.ask)
    if good:
        yield Point("PASS", "TLS of the MXs", f"{listed(good)}: STARTTLS and certificate good at the newest look")
    if good and len(good) == len(hosts):
        # What is more than the newest look: one that failed of late, old TLS beside, a second place with little mail.
        more = JUDGES["C05"](trial.evidence)
        if more.state != "PASS" and (trial.enforces or more.state == "WARN"):
            yield Point(more.state, "TLS of the MXs", more.reason, more.remedy)


def _against(trial: _Trial, what: str, finding: Finding) -> Point:
    """Return what a look has against an MX; no policy mends it."""
    why = " The certificate has to fit the name of the MX." if finding.name.startswith("certificate-") else ""
    return Point(trial.bad, what, words(finding), f"No change of the policy mends that.{why} {finding.remedy}")


def _ending(trial: _Trial) -> Iterator[Point]:
    """Yield the certificates that end while senders may still enforce what they fetched now."""
    if not trial.enforces:
        return
    now, policy_host = trial.evidence.now, f"mta-sts.{trial.domain}"
    end = now + timedelta(seconds=min(trial.policy.max_age, MAX_AGE))
    found = sorted((at, name) for name, at in _ends(trial.evidence).items() if now < at < end)
    if of_mx := [f"{name} {moment(at)}" for at, name in found if name != policy_host]:
        more = f" and {len(of_mx) - _FEW} more" if len(of_mx) > _FEW else ""
        detail = f"{', '.join(of_mx[:_FEW])}{more}: a policy fetched now outlives the certificate"
        remedy = (
            "See that each is renewed and loaded in time: from that moment on mail waits, whatever the policy says."
        )
        yield Point("WARN", "certificates that end within max_age", detail, remedy)
    if of_host := [moment(at) for at, name in found if name == policy_host]:
        detail = f"{policy_host} {of_host[0]}: from then on no sender could fetch a change, a way back neither"
        yield Point("WARN", "policy host ends within max_age", detail, "See that it is renewed and loaded in time.")


def _ends(evidence: Evidence) -> Mapping[str, datetime]:
    """Return when the first certificate of each host's chain ends, by the newest fresh look that saw one."""
    found: dict[str, datetime] = {}
    for look in evidence.fresh:
        mine: dict[str, datetime] = {}
        for name, ends in _shown(look):
            mine[name] = min(mine.get(name, ends), ends)
        found = mine | found
    return found


def _shown(look: Check) -> Iterator[tuple[str, datetime]]:
    faces = [(seen.host, face) for seen, facts in look.all(MxTlsFacts) for face in facts.faces]
    faces += [(seen.host, facts.face) for seen, facts in look.all(FetchFacts) if facts.face is not None]
    for name, face in faces:
        for one in face.chain:
            if one.not_after is not None and not one.self_issued:
                yield name, one.not_after


# --------------------------------------------------------------------------------------------------------
# The rest of the policy.


def _age(trial: _Trial) -> Iterator[Point]:
    """Yield what is to be said of max_age."""
    wrong = list(_wrong_age(trial))
    yield from wrong
    if not wrong:
        yield Point("PASS", "max_age", f"{trial.policy.max_age:,} s")


def _wrong_age(trial: _Trial) -> Iterator[Point]:
    age, asked = trial.policy.max_age, trial.evidence.parameters
    if name := _odd_age(age):
        advice = ADVICE[name]
        yield Point(
            "FAIL" if advice.level == "fail" else "WARN", "max_age", f"{age:,} s: {advice.title}", advice.remedy
        )
    elif age > TESTING_MOST and not trial.enforces:
        detail = f"{age:,} s in mode {trial.policy.mode}: so long caches hold to it, and to its mistakes"
        yield Point("WARN", "max_age", detail, f"{asked.max_age_testing:,} is enough until the mode is enforce.")
    if trial.enforces and age >= _SHORT:
        yield from _enforced_age(trial, age)


def _odd_age(age: int) -> str:
    """Return the lint of a max_age that senders read differently, "" if they do not."""
    if age >= MAX_AGE:
        return "policy-max-age-exact-year" if age == MAX_AGE else "policy-max-age-over"
    if age >= _SHORT:
        return ""
    return "policy-max-age-short" if age else "policy-max-age-zero"


def _enforced_age(trial: _Trial, age: int) -> Iterator[Point]:
    evidence = trial.evidence
    served = evidence.served
    if age < _DAY:
        detail = f"{age:,} s in enforce: few senders have the policy when an attack begins"
        yield Point("WARN", "max_age", detail, f"Use {LADDER[0]:,} or {LADDER[1]:,} to begin with.")
    if evidence.mode != "enforce":
        most = evidence.parameters.max_age_enforce_first
        if age > most:
            detail = f"{age:,} s at once: the first in enforce is {most:,} at most"
            yield Point("WARN", "max_age", detail, "Begin with that, and raise it step by step: `tlsrpt plan`.")
    elif served is not None and served.max_age is not None and age > served.max_age:
        above = next((rung for rung in LADDER if rung > served.max_age), LADDER[-1])
        if age > above:
            detail = f"{age:,} s after {served.max_age:,}: more than one step"
            yield Point("WARN", "max_age", detail, f"Next comes {above:,}, once `tlsrpt plan` says that it is due.")
    given = evidence.by_answer.get("C42")
    end = evidence.now + timedelta(seconds=age)
    if given is not None and given.on_day is not None and evidence.now.date() <= given.on_day <= end.date():
        note = f" ({given.note})" if given.note else ""
        detail = f"a change is planned on {given.on_day}{note}, and caches may hold this policy until {end.date()}"
        yield Point("WARN", "max_age", detail, "Choose one that runs out before, or wait until the change is made.")


def _reports(trial: _Trial) -> Iterator[Point]:
    """Yield whether anybody would tell what fails."""
    if trial.withdraws:
        return
    found = JUDGES["C07"](trial.evidence)
    name = "enforce without a TLSRPT record" if trial.enforces else "testing without a TLSRPT record"
    if found.state == "FAIL":
        detail = f"{found.reason}: nobody would tell you that mail is held back"
        if not trial.enforces:
            detail = f"{found.reason}: testing shows nothing to somebody who gets no reports"
        yield Point(trial.bad, name, detail, found.remedy)
    else:
        yield Point(found.state, "TLSRPT record", found.reason, found.remedy)


def _serving(trial: _Trial) -> Iterator[Point]:
    """Yield what keeps senders from fetching whatever is served: then nobody notices the draft, nor a way back."""
    domain = trial.domain
    look = next((look for look in trial.evidence.fresh if list(look.all(FetchFacts))), None)
    if look is None:
        return
    wrong = [
        one
        for one in trial.evidence.findings(look)
        if one.level == "fail" and one.name not in _OF_THE_FILE and criteria(one, domain) & {"C01", "C02"}
    ]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        detail = f"{words(wrong[0])}{more}: senders would not get to see the draft"
        yield Point("WARN", "policy host and record", detail, wrong[0].remedy)


def _switching(trial: _Trial) -> Iterator[Point]:
    """Yield that a switch to enforce brings what testing never saw."""
    evidence, served = trial.evidence, trial.evidence.served
    if not trial.enforces or evidence.mode == "enforce":
        return
    if evidence.mode != "testing" or served is None:
        detail = "no policy in testing was seen: nobody has tried what this one brings"
        yield Point("WARN", "enforce at once", detail, "Publish it with mode: testing first, and read the reports.")
    elif _mx(trial.policy) != served.mx:
        detail = "the MXs change together with the mode: what was reported in testing was about others"
        yield Point("WARN", "MXs and mode at once", detail, "Change the MXs in testing first, and switch unchanged.")


def _withdrawing(trial: _Trial) -> Iterator[Point]:
    """Yield how to withdraw a policy so that every sender takes notice."""
    if not trial.withdraws:
        return
    if not trial.policy.mx:
        remedy = ADVICE["policy-none-without-mx"].remedy
        yield Point("WARN", "mode none", "no mx lines: Stalwart rejects such a policy and keeps the old one", remedy)
    until = history.enforced_until(trial.evidence.past, trial.evidence.now)
    lasting = f"; some may enforce what they have until {moment(until)}" if until else ""
    detail = (
        f"senders act as without a policy once they have seen it{lasting}: till then keep policy host, record and"
        " every MX as the old policy wants it (RFC 8461 section 8.3)"
    )
    yield Point("PASS", "mode none", detail)


# --------------------------------------------------------------------------------------------------------
# What failed.


def _failures(trial: _Trial) -> Iterator[Point]:
    """Yield which failures of the window would end with the draft, and which it leaves as they are."""
    if trial.withdraws:
        return
    evidence = trial.evidence
    rows = [
        row
        for row in evidence.failures
        if row.policy_type == "sts"
        and row.policy_domain == evidence.policy_domain
        and row.impact in BLOCKING
        and row.day >= evidence.obs_since
    ]
    found = series(evidence, rows)
    yield from (_failure(trial, one) for one in found[:_MOST])
    if len(found) > _MOST:
        yield Point("WARN", "failures", f"{len(found) - _MOST:,} more series", "`tlsrpt ready` lists them all.")


def _failure(trial: _Trial, one: Series) -> Point:
    cause, mx_key = one.place
    where = "no named MX" if mx_key == "*" else mx_key.removeprefix("ip:")
    what = f"{cause} at {where}"
    told = f"told by {listed(one.organizations)} on {len(one.days)} day{'' if len(one.days) == 1 else 's'}"
    if cause == "mx-not-in-policy":
        if not is_host(mx_key):
            detail = f"{told} without the name of the MX: whether the draft covers it cannot be told"
            return Point("WARN", what, detail, "See that every MX that was ever used is covered.")
        if trial.covers(mx_key):
            already = "; the policy of now covers it already" if trial.is_covered_now(mx_key) else ""
            return Point("PASS", what, f"{told}: ends with the draft, which covers it{already}")
        return Point("WARN", what, f"{told}: stays, as the draft does not cover it")  # which has a point of its own
    if one.status in {"closed", "historical"}:
        over = "repaired" if one.status == "closed" else "at what is no MX any more"
        return Point("PASS", what, f"{told}: {over}; the draft changes nothing about it")
    if one.status == "waiting":
        detail = f"{told}: a repair is recorded that no look has seen yet; no change of the policy mends it"
        return Point("UNKNOWN", what, detail, trial.ask)
    again = one.recurring and one.days[-1] >= trial.evidence.recent_since
    state = trial.bad if again else "WARN"
    blocks = "would hold mail back" if trial.enforces else "would hold mail back in enforce"
    often = "comes again and again" if again else "did not recur of late"
    return Point(
        state, what, f"{told}, {often}: stays, whatever the policy says, and {blocks}", f"`tlsrpt explain {cause}`"
    )


_PARTS: Sequence[Callable[[_Trial], Iterator[Point]]] = (
    _covering,
    _patterns,
    _told,
    _tls,
    _ending,
    _age,
    _reports,
    _serving,
    _switching,
    _withdrawing,
    _failures,
)


# --------------------------------------------------------------------------------------------------------
# What changes.


def _mx(policy: Policy) -> frozenset[str]:
    return frozenset(map(host, policy.mx))


def _differs(evidence: Evidence, policy: Policy, *, fails: bool) -> Iterator[str]:
    """Yield what changes against the policy served now, and what that brings."""
    served = evidence.served
    again = f"Publish the file first, then a new id, such as {fresh_id(evidence.now)}: senders notice it by that alone."
    if fails:
        again = "It is not to be published as it is: mend first what fails."
    if served is None:
        yield "No policy was seen to be served: everything is new."
        yield again
        return
    if evidence.history_since is None:
        yield "The domain was never looked at: the policy that senders saw last stands for the one of now."
    elif not any(policies_in(look) for look in evidence.fresh):
        yield f"The policy served now was not looked at within {FRESH.days * 24} h: it may be another one."
    if canonical(policy) == evidence.published.current:
        yield "It says what the policy served now says: nothing changes, and the id stays."
        return
    if policy.mode != served.mode:
        yield f"The mode changes from {served.mode} to {policy.mode}."
    if policy.max_age != served.max_age:
        old = "?" if served.max_age is None else f"{served.max_age:,}"
        yield f"max_age changes from {old} to {policy.max_age:,} seconds."
    yield from _mx_differs(_mx(policy), served.mx, policy.mode)
    yield again
    if until := history.enforced_until(evidence.past, evidence.now):
        yield f"Senders that do not look for a new id may enforce what was served before until {moment(until)}."
    if policy.mode == "enforce" and evidence.mode != "enforce":
        yield f"Whether enough is known for enforce is another question: `tlsrpt ready {evidence.policy_domain}`."


def _mx_differs(new: frozenset[str], old: frozenset[str], mode: str) -> Iterator[str]:
    if new == old:
        yield "The MXs stay the same."
        return
    if added := sorted(new - old):
        yield f"Added: {listed(added)}."
    if dropped := sorted(old - new):
        yield f"Taken out: {listed(dropped)}."
    if mode == "testing":
        yield "As the MXs change, the time in testing begins anew, and sessions counted so far say nothing about it."
