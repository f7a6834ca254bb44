"""The criteria that a look at the domain answers: records, policy, MXs, certificates, DANE.

A state rests on the newest look that can tell and that is not older than a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING

from tlsrpt import history
from tlsrpt.advice import ADVICE
from tlsrpt.certificate import moment
from tlsrpt.enforce import drift
from tlsrpt.enforce.criteria import Fact, Found
from tlsrpt.enforce.evidence import FRESH, Evidence, policies_in
from tlsrpt.findings import Finding, criteria, judge
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    FetchFacts,
    HostFacts,
    MxFacts,
    MxTlsFacts,
    Observation,
    TlsaFacts,
    TxtFacts,
    subject,
)

if TYPE_CHECKING:
    from tlsrpt.published import Seen

Looked = Callable[[Evidence, Check], Found]

_STATE = {"fail": "FAIL", "unreached": "UNKNOWN", "warn": "WARN"}
_CHANGED = timedelta(days=7)
_LINES = 8  # of what was seen of one thing
_TWO = 2  # places to look from, for a domain with little mail


def _looked(judge: Looked, *kinds: str, everywhere: bool = False) -> Callable[[Evidence], Found]:
    """Return the criterion as the newest fresh look answers it that can tell, with what that look saw of `kinds`.

    `everywhere`: what fails as seen from one place fails, whatever others see, until that place sees otherwise
    or a later fix is recorded: senders are in many places.
    """

    def found(evidence: Evidence) -> Found:
        answers = [(judge(evidence, look), look) for look in evidence.fresh]
        if not answers:
            return _not_looked(evidence)
        answer, look = next(((one, by) for one, by in answers if one.state != "UNKNOWN"), answers[0])
        if everywhere and answer.state != "FAIL":
            newest = {by.vantage: (one, by) for one, by in reversed(answers)}
            failing = (pair for pair in newest.values() if pair[0].state == "FAIL" and not _is_fixed(evidence, *pair))
            worse, seen_by = next(failing, (answer, look))
            if worse is not answer:
                other = f"{worse.reason}, as seen from {seen_by.vantage}; not from {look.vantage}"
                answer, look = worse._replace(reason=other), seen_by
        remedy = answer.remedy or ("" if answer.state in {"PASS", "N-A"} else _look_again(evidence))
        return answer._replace(facts=answer.facts + tuple(_seen(look, kinds)), remedy=remedy)

    return found


def _is_fixed(evidence: Evidence, found: Found, look: Check) -> bool:
    """Return whether a repair of every host that a look found failing was recorded after it."""
    failing = {fact.about.partition(" ")[0] for fact in found.facts if fact.detail.startswith("fail: ")}
    later = {fix.mx_key for fix in evidence.fixes if fix.fixed_at > look.checked_at}
    return bool(failing) and ("" in later or failing <= later)


def _seen(look: Check, kinds: Sequence[str]) -> Iterator[Fact]:
    """Yield what a look saw of some kinds, a line each."""
    day = look.checked_at.date()
    for one in look.observations:
        if one.kind in kinds:
            told = [line for line in history.lines(one.facts) if not line.startswith("chain ")]
            yield Fact(day, one.subject, "; ".join(told[:_LINES]))


def _look_again(evidence: Evidence) -> str:
    return f"Look again (p), or `tlsrpt check {quote(evidence.policy_domain)}`; from another network if need be."


def _not_looked(evidence: Evidence) -> Found:
    remedy = f"Look now (p), or `tlsrpt check {quote(evidence.policy_domain)}`."
    if not evidence.looks:
        return Found("UNKNOWN", "never looked at", remedy)
    hours = int((evidence.now - evidence.looks[0].checked_at).total_seconds() // 3600)
    age = f"{hours} h" if hours < 48 else f"{hours // 24:,} days"
    return Found("UNKNOWN", f"last look {age} ago, limit {FRESH.days * 24} h", remedy)


def _by_findings(
    evidence: Evidence, look: Check, criterion: str, well: str, *, without: frozenset[str] = frozenset()
) -> Found:
    """Return the state that the findings of a look make; `well` says what is so without any."""
    domain = evidence.policy_domain
    mine = [
        one
        for one in evidence.findings(look)
        if criterion in criteria(one, domain) and one.name not in without
    ]  # fmt: skip
    return _stated(mine, look.checked_at.date(), well)


def _stated(findings: Sequence[Finding], day: date, well: str) -> Found:
    facts = tuple(_fact(one, day) for one in findings)
    counted = [one for one in findings if one.level in _STATE]
    if not counted:
        return Found("PASS", well, facts=facts)
    first = counted[0]  # worst first
    more = f" (and {len(counted) - 1} more)" if len(counted) > 1 else ""
    return Found(
        _STATE[first.level],
        f"{first.subject}: {ADVICE[first.name].title}{_because(first.detail)}{more}",
        first.remedy,
        facts,
        tuple(sorted({f"{one.name} {one.subject}" for one in counted})),
    )


def _fact(finding: Finding, day: date) -> Fact:
    return Fact(day, finding.subject, f"{finding.level}: {finding.name}{_because(finding.detail)}")


def _because(detail: str) -> str:
    return f": {detail}" if detail else ""


def _steady(evidence: Evidence, found: Found, criterion: str) -> Found:
    """Return PASS as WARN if a look of the recent days found bad what is good now, and no fix tells why."""
    if found.state != "PASS":
        return found
    since = evidence.recent_since
    bad = [row for row in evidence.past if row.last_seen.date() >= since and was_bad(evidence, row, criterion)]
    if not bad:
        return found
    facts = tuple(
        Fact(row.last_seen.date(), row.observation.subject, f"failing from {moment(row.first_seen)} on") for row in bad
    )
    subjects = sorted({row.observation.subject for row in bad})
    last = max(row.last_seen for row in bad)
    return Found(
        "WARN",
        f"good now, but {', '.join(subjects[:2])} was failing at {moment(last)}",
        "Find out why; if it was repaired, record it with `tlsrpt fix`, else look more often: it may come back.",
        found.facts + facts,
        tuple(sorted(f"{row.observation.subject} {row.last_seen}" for row in bad)),
    )


def was_bad(evidence: Evidence, row: Seen, criterion: str) -> bool:
    """Return whether what was seen once counted against a criterion, and no fix of it was recorded later."""
    seen, facts = row.observation, row.observation.facts
    if not isinstance(facts, MxTlsFacts if criterion == "C05" else FetchFacts):
        return False
    alone = Check(
        policy_domain=evidence.policy_domain,
        checked_at=row.last_seen,
        vantage=row.vantage,
        settings=row.settings,
        observations=(seen, *_its_host(seen)),
    )
    found = judge(alone)
    if not any(one.level == "fail" and criterion in criteria(one, evidence.policy_domain) for one in found):
        return False
    places = {seen.host, ""} if criterion == "C05" else {"*", "", seen.host}
    return not any(fix.mx_key in places and fix.fixed_at >= row.last_seen for fix in evidence.fixes)


def _its_host(seen: Observation) -> Iterator[Observation]:
    """Yield the host of a policy, without which nothing is said about how it is served."""
    if isinstance(seen.facts, FetchFacts):
        found = Answer(status="found")
        yield Observation(subject=seen.host, facts=HostFacts(a=found, aaaa=found, addresses=(seen.address,)))


def _usual(evidence: Evidence, look: Check, found: Found) -> Found:
    """Return PASS as WARN if the look was made with other settings than senders have."""
    odd = next((one for one in evidence.findings(look) if one.name == "non-standard"), None)
    if odd is None or found.state != "PASS":
        return found
    reason = f"good, but looked at with other settings than senders have: {odd.detail}"
    return found._replace(state="WARN", reason=reason, remedy=odd.remedy, basis=(f"non-standard {odd.detail}",))


def _young(evidence: Evidence) -> Found | None:
    """Return that the looks do not reach back far enough, None if they do."""
    since = evidence.history_since
    if since is not None and evidence.now - since >= FRESH:
        return None
    return Found(
        "UNKNOWN",
        f"looked at since {moment(since) if since else 'never'} only; {FRESH.days * 24} h are asked for",
        f"Look again tomorrow: `tlsrpt check {quote(evidence.policy_domain)}`, best from cron.",
    )


def record(evidence: Evidence, look: Check) -> Found:
    """C01: the record that announces the policy."""
    name = f"_mta-sts.{evidence.policy_domain}"
    facts = next((facts for _, facts in look.all(TxtFacts) if facts.kind == "mta-sts-record"), None)
    if facts is None:
        return Found("UNKNOWN", f"{name} was not looked at")
    texts = ", ".join(facts.records[:2])
    found = _by_findings(evidence, look, "C01", f"{name}: {texts}", without=frozenset({"mta-sts-record-ttl"}))
    most = evidence.parameters.txt_ttl_max
    ttl = next((seen.measures.ttl for seen, one in look.all(TxtFacts) if one is facts), None)
    if found.state == "PASS" and ttl is not None and ttl > most:
        remedy = ADVICE["mta-sts-record-ttl"].remedy.replace("{domain}", evidence.policy_domain)
        return Found("WARN", f"{name}: TTL {ttl:,} s, more than {most:,} s", remedy, found.facts, ("ttl",))
    return found


def fetch(evidence: Evidence, look: Check) -> Found:
    """C02: the policy as it is served."""
    fetched = [seen for seen, facts in look.all(FetchFacts) if facts.outcome == "fetched"]
    seconds = max((seen.measures.seconds or 0 for seen in fetched), default=0)
    addresses = f"{len(fetched)} address{'es' if len(fetched) != 1 else ''}"
    found = _by_findings(evidence, look, "C02", f"served by {addresses}, {seconds:.1f} s at most")
    if found.state in {"PASS", "WARN"} and not policies_in(look):
        return Found("UNKNOWN", "no policy was fetched in this look", facts=found.facts)
    return _usual(evidence, look, _steady(evidence, found, "C02"))


def mode(evidence: Evidence, look: Check) -> Found:
    """C03: testing, and an id for one policy only."""
    served = [told for text in policies_in(look) if (told := drift.told(text))]
    modes = {told.mode for told in served}
    domain = evidence.policy_domain
    if evidence.mode == "enforce":
        return Found("N-A", "the policy is in enforce already")
    if not served:
        unseen = fetch(evidence, look).state == "UNKNOWN"
        reason = "the policy was not reached from here" if unseen else "there is no policy"
        return Found("UNKNOWN" if unseen else "FAIL", reason, f"`tlsrpt setup {quote(domain)}` writes what is missing.")
    if "none" in modes:
        return Found(
            "FAIL", "mode none: the policy is withdrawn", "Publish mode: testing with a new id to begin again."
        )
    two = frozenset({"id-reused", "policy-changed-id-kept"})
    twice = [one for one in evidence.findings(look) if one.name in two]
    if twice:
        return _stated(twice, look.checked_at.date(), "")
    return _young(evidence) or Found("PASS", f"mode {', '.join(sorted(modes))}, one policy under its id")


def covered(evidence: Evidence, look: Check) -> Found:
    """C04: every MX in the policy."""
    mx = look.one(MxFacts, evidence.policy_domain)
    hosts = evidence.mx_hosts
    if evidence.takes_no_mail:
        return Found("N-A", "the domain takes no mail")
    if mx is None:
        return Found("UNKNOWN", "the MX records were not looked at")
    found = _by_findings(evidence, look, "C04", f"{', '.join(hosts)}: each covered")
    if found.state in {"FAIL", "UNKNOWN"}:
        return found
    if not policies_in(look):
        return Found("UNKNOWN", "no policy to compare the MXs with", "See C02.", found.facts)
    sets = _mx_sets(evidence)
    if len(sets) > 1:
        told = tuple(Fact(day, ", ".join(sorted(one)) or "none", "MX set seen") for one, day in sets.items())
        reason = f"the MX names changed within {_CHANGED.days} days"
        if found.state == "WARN":
            reason = f"{reason}; {found.reason}"
        remedy = found.remedy or "Wait until a week has passed, and see that no MX comes and goes."
        changed = tuple(sorted(f"mx {', '.join(sorted(one))}" for one in sets))
        return Found("WARN", reason, remedy, found.facts + told, (*found.basis, *changed))
    return found


def _mx_sets(evidence: Evidence) -> Mapping[frozenset[str], date]:
    """Return the MX sets that looks of the last week found, each with its last day."""
    found: dict[frozenset[str], date] = {}
    for row in evidence.past:
        facts = row.observation.facts
        if isinstance(facts, MxFacts) and facts.status == "found" and evidence.now - row.last_seen <= _CHANGED:
            hosts = frozenset(one.host for one in facts.hosts)
            found[hosts] = max(found.get(hosts, row.last_seen.date()), row.last_seen.date())
    return found


def tls(evidence: Evidence, look: Check) -> Found:
    """C05: TLS at every address of every MX."""
    seen = [found for found, facts in look.all(MxTlsFacts) if facts.outcome == "starttls"]
    hosts = {found.host for found in seen}
    good = f"{len(seen)} address{'es' if len(seen) != 1 else ''} of {', '.join(sorted(hosts))}: all good"
    found = _by_findings(evidence, look, "C05", good)
    if found.state in {"FAIL", "UNKNOWN"}:
        return found
    missed = [host for host in evidence.mx_hosts if host not in hosts] + list(_not_contacted(evidence, look))
    if missed or not seen:
        return Found("UNKNOWN", f"not looked at: {', '.join(missed) or 'any MX'}", facts=found.facts)
    return _usual(evidence, look, _steady(evidence, found, "C05"))


def _not_contacted(evidence: Evidence, look: Check) -> Iterator[str]:
    """Yield the addresses of MXs that a look knows and says nothing of."""
    seen = {found.subject for found, _ in look.all(MxTlsFacts)}
    for host in evidence.mx_hosts:
        facts = look.one(HostFacts, host)
        there = [subject(host, address) for address in facts.addresses] if facts is not None else []
        yield from (one for one in there if one not in seen)


def every_place(evidence: Evidence) -> Found:
    """C05 over all looks; a domain with little mail is to be seen from two places."""
    found = _looked(tls, "mx-tls", everywhere=True)(evidence)
    if found.state not in {"PASS", "WARN"} or not evidence.is_low_volume:
        return found
    places = {look.vantage for look in evidence.fresh if tls(evidence, look).state in {"PASS", "WARN"}}
    if len(places) >= _TWO:
        return found._replace(reason=f"{found.reason}, seen from {', '.join(sorted(places))}")
    return Found(
        "UNKNOWN",
        f"so little mail that a second place has to see it too; seen from {', '.join(places)} alone",
        f"Run `tlsrpt check {quote(evidence.policy_domain)} --format json` on another machine and load the file here.",
        found.facts,
    )


def lasting(evidence: Evidence, look: Check) -> Found:
    """C06: how long certificates last."""
    ends = [
        (end, found.host)
        for found, face in _faces(look)
        for one in face.chain
        if (end := one.not_after) is not None and not one.self_issued
    ]
    first = f"{min(ends)[1]} ends first, {moment(min(ends)[0])}" if ends else "no certificate was seen"
    found = _by_findings(evidence, look, "C06", first)
    if found.state == "FAIL":
        return found
    named = {seen.host for seen, _ in _faces(look)}
    unseen = [host for host in (*evidence.mx_hosts, f"mta-sts.{evidence.policy_domain}") if host not in named]
    unseen += [
        seen.subject for seen, facts in look.all(MxTlsFacts) if not facts.faces and facts.outcome != "starttls"
    ]  # fmt: skip
    if unseen or not ends:
        return Found("UNKNOWN", f"no certificate seen of {', '.join(unseen) or 'any host'}", facts=found.facts)
    return _usual(evidence, look, found)


def _faces(look: Check) -> Iterator[tuple[Observation, Face]]:
    """Yield what servers showed, with names sent."""
    for found, facts in look.all(MxTlsFacts):
        yield from ((found, face) for face in facts.faces)
    for found, fetched in look.all(FetchFacts):
        if fetched.face is not None:
            yield found, fetched.face


def reports_asked_for(evidence: Evidence, look: Check) -> Found:
    """C07: the record that asks for reports, and whether they come."""
    facts = next((facts for _, facts in look.all(TxtFacts) if facts.kind == "tlsrpt-record"), None)
    if facts is None:
        return Found("UNKNOWN", "the TLSRPT record was not looked at")
    found = _by_findings(evidence, look, "C07", ", ".join(facts.records[:2]))
    if found.state != "PASS":
        return found
    since = evidence.settled - timedelta(days=2)
    if any(since <= day for day in evidence.reported_days):
        return found
    return Found(
        "WARN",
        f"no report about {since} to {evidence.settled}",
        "See that the destination of rua takes mail and that what comes is loaded: `tlsrpt load`.",
        found.facts,
        ("no report of late",),
    )


def max_age(evidence: Evidence, look: Check) -> Found:
    """C08: how long senders keep the policy."""
    served = [told for text in policies_in(look) if (told := drift.told(text)) and told.max_age is not None]
    ages = sorted({told.max_age for told in served if told.max_age is not None})
    found = _by_findings(evidence, look, "C08", f"max_age {', '.join(f'{age:,}' for age in ages)} s")
    if found.state == "FAIL":
        return found
    if not ages:
        return Found("UNKNOWN", "no policy to read it from", "See C02.", found.facts)
    return found


def ids(evidence: Evidence, look: Check) -> Found:
    """C09: a new id for each change."""
    found = _by_findings(evidence, look, "C09", "each change that was seen has an id of its own")
    if found.state == "WARN" and (until := _held_under_id(evidence)) is not None and until > evidence.now:
        reason = f"{found.reason}; senders may have the earlier policy under it until {moment(until)}"
        return found._replace(state="FAIL", reason=reason, basis=())
    if found.state == "FAIL":
        return found
    return _young(evidence) or found


def _held_under_id(evidence: Evidence) -> datetime | None:
    """Return until when senders may hold an earlier policy under the id of now, which came before its policy."""
    versions = history.versions(evidence.past)
    early = [fault for fault in history.id_faults(versions) if fault.name == "id-first" and fault.over is None]
    if not early:
        return None
    fault = early[-1]
    ages = [
        told.max_age or 0
        for version in versions
        if version.id == fault.id and version.until <= fault.since and (told := drift.told(version.policy))
    ]
    return fault.since + timedelta(seconds=max(ages, default=0))


def dane(evidence: Evidence, look: Check) -> Found:
    """C10: TLSA records and what they are for."""
    there = [facts for _, facts in look.all(TlsaFacts) if facts.status == "found"]
    found = _by_findings(evidence, look, "C10", f"{len(there)} of {len(evidence.mx_hosts)} MXs, each matching")
    if found.state == "PASS" and not there:
        return Found("N-A", "no TLSA records")
    if found.state == "PASS" and any(facts.secure is None for facts in there):
        remedy = ADVICE["tlsa-unverified"].remedy
        return Found("UNKNOWN", "no resolver here that validates DNSSEC", remedy, found.facts, ("no validation",))
    return found


JUDGES: Mapping[str, Callable[[Evidence], Found]] = {
    "C01": _looked(record, "mta-sts-record"),
    "C02": _looked(fetch, "policy", everywhere=True),
    "C03": _looked(mode, "policy", "mta-sts-record"),
    "C04": _looked(covered, "mx", "policy"),
    "C05": every_place,
    "C06": _looked(lasting, "mx-tls", "policy", everywhere=True),
    "C07": _looked(reports_asked_for, "tlsrpt-record"),
    "C08": _looked(max_age, "policy"),
    "C09": _looked(ids, "mta-sts-record", "policy"),
    "C10": _looked(dane, "tlsa"),
}
