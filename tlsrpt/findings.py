"""What the facts of a check mean, and what to do about it.

Nothing here looks at anything: it works from observations, and so as well on those of last year or of
another machine. `tlsrpt.advice` has each finding's level, title and remedy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

from tlsrpt import dane, history, mta_sts, record
from tlsrpt.advice import ADVICE, LEVELS
from tlsrpt.certificate import CertificateFault, expiry, faults, moment
from tlsrpt.published import (
    Answer,
    Check,
    Face,
    FetchFacts,
    HostFacts,
    MxFacts,
    MxTlsFacts,
    Observation,
    Seen,
    Settings,
    TlsaFacts,
    TxtFacts,
)

TTL_MOST = 3_600  # seconds, of the record that announces a policy
TESTING_MOST = 604_800  # seconds, of max_age while testing
SLOW = 2.0  # seconds for the policy: the least that a known sender waits
_GRACE = timedelta(hours=2)  # between a new policy and its new id

# No connection came about: that says something about the way, and nothing about the server.
_NO_CONNECTION = frozenset({"refused", "unreachable", "timeout"})

_FETCH = {
    "redirect": "policy-redirect",
    "http-status": "policy-http-status",
    "too-large": "policy-too-large",
    "bad-answer": "policy-bad-answer",
    "closed": "policy-closed",
    "tls-failed": "policy-tls-failed",
    "refused": "policy-refused",
    "timeout": "policy-timeout",
    "unreachable": "policy-address-unreached",
}
_SMTP = {
    "refused": "mx-unreached",
    "unreachable": "mx-unreached",
    "timeout": "mx-unreached",
    "silent": "mx-silent",
    "closed": "mx-turned-away",
    "banner-refused": "mx-turned-away",
    "ehlo-refused": "mx-turned-away",
    "starttls-not-offered": "starttls-not-offered",
    "starttls-refused": "starttls-refused",
    "plaintext-after-starttls": "starttls-plaintext-after",
    "bad-answer": "mx-bad-answer",
    "tls-failed": "tls-failed",
    "tls-too-old": "tls-too-old",
}
_ID = {"id-first": "id-changed-first", "id-reused": "id-reused", "id-only": "id-changed-alone"}


class Finding(NamedTuple):
    """One thing that is so, and what to do about it."""

    level: str  # one of `tlsrpt.advice.LEVELS`
    name: str  # a key of `tlsrpt.advice.ADVICE`
    subject: str  # what it is about: a name, or a host and an address as in observations
    detail: str  # what was seen
    remedy: str


def judge(check: Check, past: Sequence[Seen] = (), now: datetime | None = None) -> list[Finding]:
    """Return what a check means as of `now` (UTC, no tzinfo; the time of the check if None), worst first.

    `past` is everything seen of the domain before and with this check; ids and caches are judged from it.
    """
    found = dict.fromkeys(_Judge(check, past, now or check.checked_at).all())
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


# What a name in DNS is asked for.
_ASKED_FOR = (("_mta-sts.", "C01"), ("_smtp._tls.", "C07"), ("mta-sts.", "C02"), ("_25._tcp.", "C10"))
_ENDED = frozenset({"certificate-expired", "certificate-ended-since"})


def criteria(finding: Finding, policy_domain: str) -> frozenset[str]:
    """Return the criteria that a finding counts for; an expired certificate is one that senders refuse as well."""
    name = finding.name
    own = {ADVICE[name].criterion} - {""}
    if name.removeprefix("policy-host-") in _ENDED:
        own.add("C02" if name.startswith("policy-host-") else "C05")
    if name in {"dns-failed", "dns-bogus"}:
        other = "C04" if finding.subject == policy_domain else "C05"
        starts = (of for start, of in _ASKED_FOR if finding.subject == f"{start}{policy_domain}")
        own.add("C10" if finding.subject.startswith("_25._tcp.") else next(starts, other))
    return frozenset(own)


class _Judge:
    """The judgement of one check."""

    def __init__(self, check: Check, past: Sequence[Seen], now: datetime) -> None:
        self._check = check
        self._domain = check.policy_domain
        self._policy_host = f"mta-sts.{self._domain}"
        self._past = past
        self._now = now

    def all(self) -> Iterator[Finding]:
        """Yield every finding, in reading order."""
        yield from self._settings()
        mx = self._check.one(MxFacts, self._domain)
        if mx is not None and mx.hosts and not any(host.host for host in mx.hosts):
            yield self._find("mx-null", self._domain, "MX 0 .")
            return
        yield from self._tlsrpt()
        yield from self._mta_sts()
        yield from self._policy()
        yield from self._history()
        if mx is not None:
            yield from self._mx(mx)
        yield from self._mx_tls()
        yield from self._dane()

    def _find(self, name: str, subject: str, detail: str) -> Finding:
        advice = ADVICE[name]
        host, _, address = subject.partition(" ")
        # A name may be anything that DNS can carry; it goes in as it is, and is made safe when it is shown.
        remedy = advice.remedy
        for place, value in (("{domain}", self._domain), ("{host}", host), ("{address}", address.strip("[]"))):
            remedy = remedy.replace(place, value)
        return Finding(advice.level, name, subject, detail, remedy)

    def _lints(self, lints: Iterable[record.Lint], subject: str) -> Iterator[Finding]:
        for name, message in lints:
            yield self._find(name, subject, message)

    def _dns(self, answer: Answer, subject: str) -> Iterator[Finding]:
        """Yield that an answer is missing for a reason that is not the domain's wish."""
        if answer.status == "failed":
            yield self._find("dns-failed", subject, answer.reason or "no answer")
        elif answer.status == "bogus":
            yield self._find("dns-bogus", subject, answer.reason or "an answer comes only without validation")

    def _settings(self) -> Iterator[Finding]:
        usual, own = Settings(), self._check.settings
        fields = ("smtp_port", "https_port", "ca_file", "allow_private_addresses")
        odd = [
            field if getattr(own, field) is True else f"{field} {getattr(own, field)}"
            for field in fields
            if getattr(own, field) != getattr(usual, field)
        ]
        if odd:
            yield self._find("non-standard", self._domain, ", ".join(odd))

    # Records

    def _txt(self, kind: str) -> tuple[Observation, TxtFacts] | None:
        return next(((seen, facts) for seen, facts in self._check.all(TxtFacts) if facts.kind == kind), None)

    def _tlsrpt(self) -> Iterator[Finding]:
        if (found := self._txt("tlsrpt-record")) is None:
            return
        seen, facts = found
        yield from self._dns(facts, seen.subject)
        if facts.status not in {"failed", "bogus"}:
            _, lints = record.parse(facts.records)
            yield from self._lints(lints, seen.subject)

    @cached_property
    def _record(self) -> mta_sts.Record | None:
        found = self._txt("mta-sts-record")
        return mta_sts.parse_record(found[1].records)[0] if found else None

    def _mta_sts(self) -> Iterator[Finding]:
        if (found := self._txt("mta-sts-record")) is None:
            return
        seen, facts = found
        yield from self._dns(facts, seen.subject)
        if facts.status in {"failed", "bogus"}:
            return
        _, lints = mta_sts.parse_record(facts.records)
        yield from self._lints(lints, seen.subject)
        ttl = seen.measures.ttl
        if facts.status == "found" and ttl is not None and ttl > TTL_MOST:
            yield self._find("mta-sts-record-ttl", seen.subject, f"TTL {ttl:,} s")
        if facts.cnames and facts.status == "found":
            yield self._find("record-delegated", seen.subject, f"CNAME {', '.join(facts.cnames[:3])}")
            host = self._check.one(HostFacts, self._policy_host)
            if host is not None and host.addresses and not (host.a.cnames or host.aaaa.cnames):
                yield self._find("delegation-partial", seen.subject, f"{self._policy_host} is not a CNAME")
        if self._record is None and facts.status != "failed" and self._policies:
            yield self._find("policy-unannounced", seen.subject, f"{self._policy_host} serves one")

    # The policy

    @cached_property
    def _fetches(self) -> list[tuple[Observation, FetchFacts]]:
        return list(self._check.all(FetchFacts))

    @cached_property
    def _bodies(self) -> list[str]:
        return list(dict.fromkeys(body for _, facts in self._fetches for body in facts.bodies))

    @cached_property
    def _policies(self) -> list[mta_sts.Policy]:
        parsed = (mta_sts.parse_policy(body)[0] for body in self._bodies)
        return [policy for policy in parsed if policy is not None]

    def _policy(self) -> Iterator[Finding]:
        host = self._check.one(HostFacts, self._policy_host)
        if host is None:
            return
        yield from self._addresses(host, self._policy_host, "policy-host-none")
        reached = [facts for _, facts in self._fetches if not _is_unreached(facts)]
        if self._fetches and not reached:
            why = dict.fromkeys(f"{seen.address} {facts.reason or facts.outcome}" for seen, facts in self._fetches)
            yield self._find("policy-host-unreached", self._policy_host, "; ".join(why))
        for seen, facts in self._fetches:
            if reached:
                yield from self._fetch(seen, facts)
            if facts.face is not None:
                yield from self._certificate(facts.face, seen, "policy-host-")
        if len({facts.bodies for _, facts in self._fetches if facts.outcome == "fetched"}) > 1:
            yield self._find("policy-differs", self._policy_host, _who_serves_what(self._fetches))
        for body in self._bodies:
            yield from self._body(body)

    def _addresses(self, host: HostFacts, name: str, none: str) -> Iterator[Finding]:
        """Yield what is wrong with the addresses of a host; `none` names that it has none."""
        for answer in (host.a, host.aaaa):
            yield from self._dns(answer, name)
        if not host.addresses and {host.a.status, host.aaaa.status} <= {"found", "none", "no-name"}:
            yield self._find(none, name, "no such name" if host.a.status == "no-name" else "no A and no AAAA record")
        for address in host.refused:
            yield self._find("address-refused", f"{name} [{address}]", f"{address} is no public address")
        if host.dropped:
            yield self._find("not-all-looked-at", name, f"{host.dropped:,} more addresses")

    def _fetch(self, seen: Observation, facts: FetchFacts) -> Iterator[Finding]:
        if facts.outcome != "fetched":
            detail = facts.reason or facts.outcome
            if facts.outcome == "redirect":
                detail = f"{facts.status or 'redirect'} to {facts.location or 'nowhere'}"
            yield self._find(_FETCH.get(facts.outcome, "policy-bad-answer"), seen.subject, detail)
            return
        if facts.content_type.partition(";")[0].strip().lower() != "text/plain":
            yield self._find("policy-media-type", seen.subject, facts.content_type or "no Content-Type")
        if len(facts.bodies) > 1:
            yield self._find("policy-tries-differ", seen.subject, f"{len(facts.bodies)} different ones")
        if (seconds := seen.measures.seconds) is not None and seconds >= SLOW:
            yield self._find("policy-slow", seen.subject, f"{seconds:.1f} s")

    def _body(self, body: str) -> Iterator[Finding]:
        policy, lints = mta_sts.parse_policy(body)
        yield from self._lints(lints, self._policy_host)
        if policy is None:
            return
        if policy.mode in {"none", "enforce"}:
            yield self._find(f"policy-mode-{policy.mode}", self._policy_host, f"mode {policy.mode}")
        elif policy.max_age > TESTING_MOST:
            yield self._find("policy-max-age-long", self._policy_host, f"max_age {policy.max_age:,} s in testing")

    # What came before

    def _history(self) -> Iterator[Finding]:
        name = f"_mta-sts.{self._domain}"
        current = self._record.id if self._record else None
        # What was put right since is history and no finding.
        found = [
            fault
            for fault in history.id_faults(history.versions(self._past))
            if fault.over is None and fault.id == current
        ]
        for fault in found[-1:]:  # the last one has taken the place of those before
            since = f"id {fault.id} since {moment(fault.since)}"
            if fault.name == "id-kept":
                lately = self._check.checked_at - fault.since < _GRACE  # as of the look: it knows no more
                changed = "policy-changed-lately" if lately else "policy-changed-id-kept"
                yield self._find(changed, name, f"{since} with another policy than before")
            else:
                yield self._find(_ID[fault.name], name, since)
        until = history.enforced_until(self._past, self._now)
        enforcing = self._record is not None and any(policy.mode == "enforce" for policy in self._policies)
        if until is not None and not enforcing and self._was_seen:
            yield self._find("caches-still-enforce", name, f"until {moment(until)}, from the last look that found it")

    @cached_property
    def _was_seen(self) -> bool:
        """Return whether record and policy were seen, or seen to be missing: not reaching them is no withdrawal."""
        looked = self._txt("mta-sts-record")
        if looked is None or looked[1].status in {"failed", "bogus"}:
            return False
        host = self._check.one(HostFacts, self._policy_host)
        if self._record is None or self._policies or host is None:
            return True
        unanswered = bool({host.a.status, host.aaaa.status} & {"failed", "bogus"})
        return not unanswered and (not self._fetches or not all(_is_unreached(facts) for _, facts in self._fetches))

    # MX

    def _mx(self, mx: MxFacts) -> Iterator[Finding]:
        yield from self._dns(mx, self._domain)
        if mx.status in {"failed", "bogus"}:
            return
        if mx.status == "no-name":
            yield self._find("domain-none", self._domain, "NXDOMAIN")
            return
        if mx.dropped:
            yield self._find("not-all-looked-at", self._domain, f"{mx.dropped:,} more MX records")
        hosts = [host.host for host in mx.hosts if host.host]
        if not hosts:
            own = self._check.one(HostFacts, self._domain)
            if own is not None and not own.addresses and {own.a.status, own.aaaa.status} & {"failed", "bogus"}:
                yield from self._addresses(own, self._domain, "mx-none")
                return
            if own is None or not own.addresses:
                yield self._find("mx-none", self._domain, "no MX, A or AAAA record")
                return
            yield self._find("mx-implicit", self._domain, "no MX record")
            hosts = [self._domain]
        for host in dict.fromkeys(hosts):
            yield from self._mx_host(host)
        yield from self._covered(hosts)

    def _mx_host(self, name: str) -> Iterator[Finding]:
        if name.startswith("[") or name.replace(".", "").isdigit() or ":" in name:
            yield self._find("mx-address-literal", name, f"MX {name}")
            return
        host = self._check.one(HostFacts, name)
        if host is None:
            return
        yield from self._addresses(host, name, "mx-no-address")
        if cnames := host.a.cnames or host.aaaa.cnames:
            yield self._find("mx-cname", name, f"CNAME {cnames[-1]}")

    def _covered(self, hosts: Sequence[str]) -> Iterator[Finding]:
        for policy in self._policies:
            if policy.mode == "none":
                continue
            for host in hosts:
                if not any(mta_sts.matches(host, pattern) for pattern in policy.mx):
                    yield self._find("mx-not-in-policy", host, _uncovered(host, policy.mx))
            for pattern in dict.fromkeys(policy.mx):
                if not any(mta_sts.matches(host, pattern) for host in hosts):
                    yield self._find("policy-mx-unused", self._policy_host, f"mx: {pattern}")

    # TLS of the MXs

    def _mx_tls(self) -> Iterator[Finding]:
        looks = list(self._check.all(MxTlsFacts))
        if looks and all(facts.outcome in _NO_CONNECTION for _, facts in looks):
            why = ", ".join(dict.fromkeys(facts.reason or facts.outcome for _, facts in looks))
            yield self._find("port-25-blocked", self._domain, f"{_number(len(looks), 'address', 'addresses')}: {why}")
            return
        for seen, facts in looks:
            yield from self._address(seen, facts)

    def _address(self, seen: Observation, facts: MxTlsFacts) -> Iterator[Finding]:
        if facts.outcome != "starttls":
            name = _SMTP.get(facts.outcome, "mx-bad-answer")
            yield self._find(name, seen.subject, facts.reason or facts.outcome)
        for face in facts.faces:
            yield from self._certificate(face, seen, "")
        if facts.outcome == "starttls" and facts.failures:
            lost = [ADVICE[_SMTP.get(one, "mx-bad-answer")].level for one in facts.failures]
            name = "mx-unsteady" if "fail" in lost else "mx-silent"
            yield self._find(name, seen.subject, f"some of the tries: {', '.join(dict.fromkeys(facts.failures))}")
        if (chains := len({tuple(one.der for one in face.chain) for face in facts.faces})) > 1:
            yield self._find("mx-pool-differs", seen.subject, f"{chains} different ones")
        if facts.without_sni is not None or facts.without_sni_outcome:
            leaf = facts.without_sni.chain[0] if facts.without_sni and facts.without_sni.chain else None
            detail = f"CN {leaf.common_name or 'none'}" if leaf else facts.without_sni_outcome or "none"
            yield self._find("certificate-without-sni", seen.subject, detail)
        if facts.old_version and facts.outcome != "tls-too-old":
            yield self._find("tls-old-version", seen.subject, facts.old_version)

    def _certificate(self, face: Face, seen: Observation, prefix: str) -> Iterator[Finding]:
        """Yield everything wrong with what was shown, and what ends soon."""
        wrong = faults(face, seen.host, self._check.checked_at)
        for fault in [*wrong, *self._ending(face)]:
            yield self._find(f"{prefix}{fault.name}", seen.subject, fault.detail)

    def _ending(self, face: Face) -> Iterator[CertificateFault]:
        for certificate in face.chain:
            state = expiry(certificate, self._now)
            if state == "ok" or certificate.self_issued or certificate.not_after is None:
                continue
            if state == "expired":
                # Whether it was renewed in time is not known from a look before that.
                if certificate.not_after >= self._check.checked_at:
                    ended = f"it was to end {moment(certificate.not_after)}, after this look"
                    yield CertificateFault("certificate-ended-since", ended)
            else:
                left = certificate.not_after - self._now
                whose = "" if certificate is face.chain[0] else f"{certificate.common_name[:100]}: "
                ends = f"{whose}ends {moment(certificate.not_after)}, in {left.days} d {left.seconds // 3600} h"
                yield CertificateFault("certificate-ends-now" if state == "fail" else "certificate-ends-soon", ends)

    # DANE

    def _dane(self) -> Iterator[Finding]:
        published = list(self._check.all(TlsaFacts))
        signed = [seen for seen, facts in published if facts.status == "found" and facts.secure]
        for seen, facts in published:
            yield from self._dns(facts, seen.subject)
            if facts.status == "found":
                yield from self._tlsa(seen, facts)
        without = [
            seen.subject.removeprefix("_25._tcp.")
            for seen, facts in published
            if seen not in signed and facts.status not in {"failed", "bogus"}
        ]
        if signed and without:
            yield self._find("tlsa-some-mx", self._domain, f"none for {', '.join(without)}")

    def _tlsa(self, seen: Observation, facts: TlsaFacts) -> Iterator[Finding]:
        records = ", ".join(f"{one.usage} {one.selector} {one.matching_type}" for one in facts.records[:5])
        if not facts.secure:
            yield self._find("tlsa-unverified" if facts.secure is None else "tlsa-unsigned", seen.subject, records)
            return
        if not any(map(dane.is_usable, facts.records)):
            yield self._find("tlsa-unusable", seen.subject, records)
            return
        host = seen.subject.removeprefix("_25._tcp.")
        for look, shown in self._check.all(MxTlsFacts):
            if look.host == host and any(
                not dane.verdict(facts.records, face, host, self._check.checked_at).matching for face in shown.faces
            ):
                yield self._find("tlsa-mismatch", look.subject, f"{records} at _25._tcp.{host}")


def _is_unreached(facts: FetchFacts) -> bool:
    # Nothing on the way refuses port 443 as many networks block port 25: that is the server's own word.
    return facts.outcome in _NO_CONNECTION - {"refused"} and facts.face is None


def _who_serves_what(fetches: Sequence[tuple[Observation, FetchFacts]]) -> str:
    """Return which addresses serve the same policy."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for seen, facts in fetches:
        if facts.outcome == "fetched":
            groups.setdefault(facts.bodies, []).append(seen.address)
    return "; ".join(f"{', '.join(addresses)}: {_line(bodies)}" for bodies, addresses in groups.items())


def _line(bodies: Sequence[str]) -> str:
    says = mta_sts.directives(bodies[0].splitlines()) if bodies else mta_sts.directives(())
    return f"mode {says.mode or '?'}, max_age {'?' if says.max_age is None else says.max_age}, {len(says.mx)} mx"


def _uncovered(host: str, patterns: Sequence[str]) -> str:
    """Return why no pattern covers a host, for wildcards that almost do."""
    for pattern in patterns:
        parent = pattern.removeprefix("*.")
        if pattern.startswith("*.") and (host == parent or host.endswith(f".{parent}")):
            labels = host.removesuffix(parent).count(".")
            return f"{pattern} stands for one label before {parent}; {host} has {labels or 'none'}"
    return f"the policy has {', '.join(patterns[:5])}{' and more' if len(patterns) > 5 else ''}"


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
