"""What is known about each MX: from DNS, from the policy, from a look, and from whom in reports.

Reports name an MX in failures only. An MX that nobody names may be fine or may never have been used: a look
is the only evidence about it (RFC 8461 section 8.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from tlsrpt.advice import ADVICE
from tlsrpt.enforce import drift
from tlsrpt.enforce.evidence import Evidence, Failure, Place
from tlsrpt.findings import Finding, criteria
from tlsrpt.published import Check, MxFacts, MxTlsFacts


class MxHost(NamedTuple):
    """One MX name."""

    host: str
    in_dns: bool | None  # None: DNS was not looked at, or it has more MXs than are looked at
    in_policy: bool | None  # None: no policy was seen
    looked: str  # "PASS", "FAIL" or "UNKNOWN" of the newest fresh look at its TLS
    organizations: tuple[str, ...]  # that named it in failures of the window
    failed: int  # sessions of these; of what one organization tells by several policy types, the most
    note: str = ""  # what the look has against it, or that it was made with other settings than senders have
    last_day: date | None = None  # on which it was named in failures
    seen_in_dns: date | None = None  # the last day on which a look found it among the MXs; None: never

    @property
    def evidence(self) -> str:
        """Return what the evidence about it is, in words."""
        named = f"named in failures by {', '.join(self.organizations)}" if self.organizations else ""
        looked = {"PASS": "a look finds it good", "FAIL": "a look finds it failing"}.get(self.looked, "")
        if looked and self.note:
            looked = f"{looked}: {self.note}"
        if named and not looked and self.in_dns is not False:
            looked = "not looked at within a day (p)"
        return "; ".join(filter(None, (looked, named))) or "none: no report names it, look at it (p)"


class LastLook(NamedTuple):
    """What the newest look at an MX saw of its TLS, however old it is."""

    at: datetime  # UTC, without tzinfo
    certificate_end: datetime | None  # of the leaf that ends first, over all addresses; None: none was seen


def last_looks(evidence: Evidence) -> Mapping[str, LastLook]:
    """Return the newest look at each MX that was looked at."""
    found: dict[str, LastLook] = {}
    for look in evidence.looks:
        ends: dict[str, list[datetime]] = {}
        for seen, facts in look.all(MxTlsFacts):
            leaves = (face.chain[0].not_after for face in facts.faces if face.chain)
            ends.setdefault(seen.host, []).extend(end for end in leaves if end is not None)
        for host, mine in ends.items():
            found.setdefault(host, LastLook(look.checked_at, min(mine, default=None)))
    return found


def mx_hosts(evidence: Evidence) -> list[MxHost]:
    """Return every MX name of DNS and of failures, those of DNS first, in their order."""
    named: dict[str, list[Failure]] = defaultdict(list)
    for row in evidence.failures:
        if row.day >= evidence.obs_since and is_host(row.mx_key):
            named[row.mx_key].append(row)
    days = _days_in_dns(evidence)
    return [
        _host(evidence, host, named.get(host, []), days.get(host))
        for host in dict.fromkeys((*evidence.mx_hosts, *sorted(named)))
    ]


def _host(evidence: Evidence, host: str, rows: Sequence[Failure], seen_in_dns: date | None) -> MxHost:
    looked, note = _looked(evidence, host)
    return MxHost(
        host,
        _is_in_dns(evidence, host),
        None if evidence.served is None else drift.covers(evidence.published.current, host),
        looked,
        tuple(sorted({row.organization for row in rows})),
        _sessions(rows),
        note,
        max((row.day for row in rows), default=None),
        seen_in_dns,
    )


def is_host(mx_key: str) -> bool:
    """Return whether a place is a named MX, rather than an address or nothing at all."""
    return mx_key != "*" and not mx_key.startswith("ip:")


def _sessions(rows: Iterable[Failure]) -> int:
    """Return how many sessions rows count; what stands under two policy types is the same session."""
    counted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        counted[row.organization][row.policy_type] += row.sessions
    return sum(max(by_type.values()) for by_type in counted.values())


def _is_in_dns(evidence: Evidence, host: str) -> bool | None:
    if evidence.mx is None:
        return None
    if host in evidence.mx_hosts:
        return True
    return None if evidence.mx.dropped else False


def _days_in_dns(evidence: Evidence) -> Mapping[str, date]:
    """Return on which day each name was seen last among the MXs."""
    found: dict[str, date] = {}
    seen = [(row.last_seen.date(), row.observation.facts) for row in evidence.past]
    seen += [(look.checked_at.date(), facts) for look in evidence.looks for _, facts in look.all(MxFacts)]
    for day, facts in seen:
        if isinstance(facts, MxFacts) and facts.status not in {"failed", "bogus"}:
            for host in [one.host for one in facts.hosts] or [evidence.policy_domain]:
                found[host] = max(found.get(host, day), day)
    return found


def _looked(evidence: Evidence, host: str) -> tuple[str, str]:
    """Return the state by the newest fresh look that can tell, and what is to be said of it."""
    look, passed = _telling(evidence, host)
    if look is None:
        return "UNKNOWN", ""
    if not passed:
        return "FAIL", next(map(words, against(evidence, host)), "")
    odd = next((one.detail for one in evidence.findings(look) if one.name == "non-standard"), "")
    return "PASS", f"with other settings than senders have, {odd}" if odd else ""


def against(evidence: Evidence, host: str) -> list[Finding]:
    """Return what the newest fresh look that can tell has against TLS at an MX, worst first."""
    look, _ = _telling(evidence, host)
    if look is None:
        return []
    return [
        one
        for one in evidence.findings(look)
        if one.level == "fail"
        and one.subject.partition(" ")[0] == host
        and "C05" in criteria(one, evidence.policy_domain)
    ]


def _telling(evidence: Evidence, host: str) -> tuple[Check | None, bool]:
    """Return the newest fresh look that can tell how TLS at an MX stands, and whether it is well."""
    if evidence.mx is not None and host not in evidence.mx_hosts:
        return None, False  # nobody looks at what is no MX
    place = Place("certificate-not-trusted", host)  # stands for everything that TLS at an MX is asked for
    told = ((look, evidence.passes(look, place)) for look in evidence.fresh)
    return next(((look, passed) for look, passed in told if passed is not None), (None, False))


def words(finding: Finding) -> str:
    """Return a finding in one line: where, what, and what was seen."""
    detail = f": {finding.detail}" if finding.detail else ""
    return f"{finding.subject}: {ADVICE[finding.name].title}{detail}"
