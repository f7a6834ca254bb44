"""A check as something to read: what is published, a state word before each thing, and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.advice import ADVICE, LEVELS
from tlsrpt.mta_sts import directives, matches
from tlsrpt.published import Check, FetchFacts, HostFacts, MxFacts, MxTlsFacts, TlsaFacts, TxtFacts
from tui.said import Said
from tui.text import idn
from tui.words import ago, count, lasting, left, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from tlsrpt.findings import Finding
    from tlsrpt.history import Change
    from tlsrpt.published import Answer, Face, Settings

WORDS = {"fail": "FAIL", "unreached": "unreached", "warn": "warn", "note": "note", "ok": "ok", "-": "-"}
STYLES = {"fail": "bad", "unreached": "warn", "warn": "warn", "ok": "good", "-": "dim"}
STATUS = {"fail": 5, "unreached": 4}  # exit status of the worst finding

_DIFF = {"+": "code", "-": ""}
_SHOWN = 3  # records of a kind; the findings tell of more
_ORGANIZATION = re.compile(r"(?:^|,)\s*O=((?:[^,\\]|\\.)+)")
_COMMON_NAME = re.compile(r"(?:^|,)\s*CN=((?:[^,\\]|\\.)+)")


class Judged(NamedTuple):
    """A check and what it means at a certain time."""

    check: Check
    findings: Sequence[Finding]
    now: datetime


class Thing(NamedTuple):
    """One published thing: how it stands, and what was seen."""

    level: str  # one of WORDS
    what: str
    seen: str


class Advice(NamedTuple):
    """One finding, for all addresses of a host that share it."""

    level: str
    name: str
    subject: str
    title: str
    detail: str
    remedy: str


# What it comes to


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level of some findings, "ok" if nothing has to be done."""
    found = {finding.level for finding in findings}
    return next((level for level in LEVELS if level in found and level != "note"), "ok")


def standing(findings: Sequence[Finding]) -> str:
    """Return in one line what the findings come to."""
    advised = [advice.level for advice in advices(findings)]
    number = {level: advised.count(level) for level in LEVELS}
    warned = f"; {count(number['warn'], 'warning')}" if number["warn"] else ""
    unseen = f"; {number['unreached']:,} could not be looked at" if number["unreached"] else ""
    level = worst(findings)
    if level == "fail":
        return f"FAIL: {count(number['fail'], 'finding')} to mend before enforce{unseen}{warned}"
    if level == "unreached":
        return f"unreached: {number['unreached']:,} could not be looked at; nothing that was seen would fail{warned}"
    return f"{level}: nothing seen here would fail under enforce{warned}"


def advices(findings: Iterable[Finding]) -> list[Advice]:
    """Return findings in their order, those of several addresses of one host as one if they say the same."""
    shared: dict[tuple[str, str, str, str, str], list[str]] = {}
    for finding in findings:
        host, _, address = finding.subject.partition(" ")
        key = finding.level, finding.name, host, finding.detail, finding.remedy
        addresses = shared.setdefault(key, [])
        if address:
            addresses.append(address)
    return [
        Advice(level, name, " ".join([idn(host), *addresses]), ADVICE[name].title, detail, remedy)
        for (level, name, host, detail, remedy), addresses in shared.items()
    ]


# What is published


def things(judged: Judged) -> list[Thing]:
    """Return every published thing in reading order: records, policy, MX, DANE, each address."""
    return list(_Things(judged).all())


class _Things:
    """The things of one check, with the findings at hand."""

    def __init__(self, judged: Judged) -> None:
        self.check, _, self.now = judged
        self.domain = self.check.policy_domain
        self.levels: dict[str, list[Finding]] = {}
        for finding in judged.findings:
            self.levels.setdefault(finding.subject, []).append(finding)

    def all(self) -> Iterator[Thing]:
        yield self._record("TLSRPT record", f"_smtp._tls.{self.domain}")
        yield self._record("MTA-STS record", f"_mta-sts.{self.domain}")
        yield from self._policy(f"mta-sts.{self.domain}")
        yield from self._mx()
        yield from self._dane()
        yield from self._addresses()
        yield from self._not_contacted()

    def _level(self, *subjects: str, otherwise: str) -> str:
        """Return how something stands: by the findings about it, else by what was seen."""
        found = worst(finding for subject in subjects for finding in self.levels.get(subject, ()))
        return otherwise if found == "ok" else found

    def _record(self, what: str, name: str) -> Thing:
        facts = self.check.one(TxtFacts, name)
        level = self._level(name, otherwise=_answered(facts))
        if facts is None or facts.status != "found":
            return Thing(level, what, _without(facts, "no record"))
        more = [f"and {len(facts.records) - _SHOWN:,} more"] if len(facts.records) > _SHOWN else []
        return Thing(level, what, "  |  ".join([*facts.records[:_SHOWN], *more]))

    def _policy(self, host: str) -> Iterator[Thing]:
        """Yield each different policy and where it came from, then what kept it from coming."""
        fetched = [(seen, facts) for seen, facts in self.check.all(FetchFacts) if seen.host == host]
        bodies: dict[str, list[str]] = {}
        for seen, facts in fetched:
            for body in facts.bodies:
                bodies.setdefault(body, []).append(seen.subject)
        for body, subjects in bodies.items():
            says = directives(body.splitlines())
            patterns = ", ".join(says.mx) or "no mx"
            served = "" if len(bodies) == 1 == len(fetched) else f"; from {_addresses(subjects)}"
            words = f"{says.mode or 'no mode'}, max_age {lasting(says.max_age)}, mx {patterns}{served}"
            yield Thing(self._level(host, *subjects, otherwise="ok"), "Policy", words)
        for seen, facts in fetched:
            if facts.outcome != "fetched":
                level = self._level(host, seen.subject, otherwise="unreached")
                yield Thing(level, f"Policy at [{seen.address}]", _because(facts.outcome, facts.reason))
        if not fetched:
            there = self.check.one(HostFacts, host)
            if there is not None and there.addresses:
                level, words = "unreached", "no address of it was contacted"
            else:
                answer = None if there is None else there.a
                level, words = _answered(answer), _without(answer, "no address")
            yield Thing(self._level(host, otherwise=level), "Policy", f"{idn(host)}: {words}")

    def _mx(self) -> Iterator[Thing]:
        """Yield each MX and the pattern that covers it."""
        facts = self.check.one(MxFacts, self.domain)
        if facts is None or facts.status != "found":
            level = self._level(self.domain, otherwise=_answered(facts))
            none = f"no record; mail goes to {idn(self.domain)} itself, if it has an address"
            yield Thing(level, "MX", _without(facts, none))
            return
        policies = {body for _, facts in self.check.all(FetchFacts) for body in facts.bodies}
        patterns = [directives(body.splitlines()).mx for body in policies]
        for mx in facts.hosts:
            if not mx.host:
                yield Thing(self._level(self.domain, otherwise="ok"), "MX", "null MX: this domain takes no mail")
                continue
            covers = [next((one for one in found if matches(mx.host, one)), "") for found in patterns]
            covered = "" if not covers else f", covered by {covers[0]}" if all(covers) else ", covered by no mx pattern"
            yield Thing(self._level(mx.host, otherwise="ok"), "MX", f"{mx.preference} {idn(mx.host)}{covered}")

    def _dane(self) -> Iterator[Thing]:
        """Yield what hosts publish for DANE; those without anything share a line."""
        without = []
        for seen, facts in self.check.all(TlsaFacts):
            host = seen.host.removeprefix("_25._tcp.")
            level = self._level(seen.subject, otherwise=_answered(facts))
            if facts.status == "found":
                secure = {True: "validated by DNSSEC", False: "not signed", None: "DNSSEC not known"}[facts.secure]
                yield Thing(level, "DANE", f"{idn(host)}: {count(len(facts.records), 'TLSA record')}, {secure}")
            elif level == "-":
                without.append(idn(host))
            else:
                yield Thing(level, "DANE", f"{idn(host)}: {_without(facts, 'no TLSA record')}")
        if without:
            yield Thing("-", "DANE", f"no TLSA record for {', '.join(without)}")

    def _addresses(self) -> Iterator[Thing]:
        """Yield how TLS went at each address of each MX."""
        for seen, facts in self.check.all(MxTlsFacts):
            came = facts.outcome == "starttls"
            level = self._level(seen.subject, otherwise="ok" if came else "unreached")
            words = "; ".join(self._face(face) for face in facts.faces)
            if not came:
                words = _because(facts.outcome, facts.reason)
            elif facts.failures:
                words += f"; at other times {', '.join(facts.failures)}"
            if came:
                words = "; ".join([words, *self._wrong(seen.subject)])
            yield Thing(level, idn(seen.host) + f" [{seen.address}]", words)

    def _wrong(self, subject: str) -> list[str]:
        """Return what has to be mended at an address, by name; that it expired is said with its date."""
        found = (finding for finding in self.levels.get(subject, ()) if finding.level == "fail")
        return [name for finding in found if (name := finding.name) != "certificate-expired"]

    def _face(self, face: Face) -> str:
        if not face.chain:
            return f"{face.version}, no certificate"
        leaf = face.chain[0]
        if leaf.unreadable or leaf.not_after is None:
            return f"{face.version}, certificate not readable"
        return f"{face.version}, {issuer(leaf.issuer)}, {left(leaf.not_after, self.now)}"

    def _not_contacted(self) -> Iterator[Thing]:
        """Yield what was left out, so that nobody takes it for good."""
        for seen, facts in self.check.all(HostFacts):
            if facts.refused:
                listed = ", ".join(f"[{address}]" for address in facts.refused)
                level = self._level(seen.subject, otherwise="unreached")
                yield Thing(level, idn(seen.host), f"not contacted, no public address: {listed}")
            if facts.dropped:
                words = f"{count(facts.dropped, 'more address', 'more addresses')} not looked at"
                yield Thing("unreached", idn(seen.host), words)
            if not facts.addresses and seen.host != f"mta-sts.{self.domain}":
                level = self._level(seen.subject, otherwise=_answered(facts.a))
                yield Thing(level, idn(seen.host), _without(facts.a, "no address"))
        facts_of_mx = self.check.one(MxFacts, self.domain)
        if facts_of_mx is not None and facts_of_mx.dropped:
            yield Thing("unreached", "MX", f"{facts_of_mx.dropped:,} more not looked at")


def _answered(answer: Answer | None) -> str:
    """Return how an answer of DNS stands without a finding about it."""
    if answer is None:
        return "-"
    return {"found": "ok", "none": "-", "no-name": "-"}.get(answer.status, "unreached")


def _without(answer: Answer | None, none: str) -> str:
    """Return why there is nothing to see."""
    if answer is None:
        return "not looked at"
    if answer.status in {"found", "none", "no-name"}:
        return none
    said = "DNSSEC validation failed" if answer.status == "bogus" else "DNS gave no answer"
    return _because(said, answer.reason)


def _because(outcome: str, reason: str) -> str:
    return f"{outcome}: {reason}" if reason else outcome


def _addresses(subjects: Sequence[str]) -> str:
    """Return addresses, or their number if they are many."""
    if len(subjects) > _SHOWN:
        return f"{len(subjects):,} addresses"
    return ", ".join(subject.partition(" ")[2] for subject in subjects)


def issuer(name: str) -> str:
    """Return the organization in a distinguished name, else its common name, else all of it."""
    found = _ORGANIZATION.search(name) or _COMMON_NAME.search(name)
    return found[1].replace("\\", "") if found else name or "an issuer without a name"


def overrides(settings: Settings) -> str:
    """Return how it was looked, where that differs from the usual; a finding tells of the rest."""
    words = [
        f"resolver {', '.join(settings.resolver)}" if settings.resolver else "",
        "its AD flag believed" if settings.trust_ad else "",
        f"EHLO {settings.ehlo_name}" if settings.ehlo_name else "",
    ]
    return "; ".join(word for word in words if word)


# To read


def page(judged: Judged, hint: str = "") -> list[Said]:
    """Return the report of one check; `hint` says how to look again."""
    check, findings, now = judged
    age = ago(check.checked_at, now)
    said = [
        Said(idn(check.policy_domain), style="heading"),
        Said(standing(findings), style=STYLES[worst(findings)]),
        Said(f"seen {age} ({moment(check.checked_at)}) from {check.vantage}{f'; {hint}' if hint else ''}"),
    ]
    if overridden := overrides(check.settings):
        said.append(Said(overridden, style="dim"))
    said.append(Said(""))
    said += [
        Said(f"{thing.what}: {thing.seen}", WORDS[thing.level], _emphasis(thing.level)) for thing in things(judged)
    ]
    advised = advices(findings)
    if advised:
        said += [Said(""), Said("What to do", style="heading")]
        for advice in advised:
            said += [
                Said(f"{advice.subject}: {advice.name}", WORDS[advice.level], _emphasis(advice.level)),
                Said(f"{advice.title}: {advice.detail}" if advice.detail else advice.title, " "),
                Said(advice.remedy, " "),
            ]
    return said


def _emphasis(level: str) -> str:
    """Return the style of a line: only what needs a reader stands out."""
    return "" if level in {"ok", "note"} else STYLES[level]


def history(changes: Iterable[Change]) -> list[Said]:
    """Return changes as they come, each with what is gone and what is there now."""
    said = []
    for change in changes:
        since = f", between {moment(change.not_before)} and {moment(change.at)}" if change.not_before else ""
        about = _subject(change.subject) if change.subject else f"looked at from {change.vantage}"
        said.append(Said(f"{about}: {change.what}{since}", str(change.at.date()), "heading"))
        said += [Said(line, " ", _DIFF.get(line[:1], "dim")) for line in change.lines]
    return said


def _subject(subject: str) -> str:
    host, blank, address = subject.partition(" ")
    return f"{idn(host)}{blank}{address}"
