"""Whose fault a failure is: ours, the sender's, a passing one, or not to be told; always with the facts.

Reports carry no successes by MX, so nothing here rests on any: that others succeeded says only that they met
some MX that worked. A look says how things stood when it was made; about days between two looks it says
something only if both agree. What is not shown by two organizations, by a look of the time or by what the
sender itself wrote stays undetermined: result types name causes, not culprits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from tlsrpt.advice import ADVICE
from tlsrpt.cause import DANE_CAUSES, POLICY_CAUSES, RESULT_TYPES, classify
from tlsrpt.certificate import listed, moment
from tlsrpt.enforce import drift
from tlsrpt.enforce.evidence import Evidence, Failure, Place, fingerprint, policies_in
from tlsrpt.enforce.hosts import is_host, words
from tlsrpt.findings import Finding, criteria, judge
from tlsrpt.mta_sts import FATAL
from tlsrpt.published import Check, HostFacts, MxFacts, MxTlsFacts, Seen, Settings, TlsaFacts
from tlsrpt.reporters import REPORTERS, peculiarities

FAULTS = {
    "ours": "for you to mend",
    "sender": "for the sender to mend",
    "transient": "a passing fault of the network",
    "undetermined": "not to be told from what is known",
}

_NEAR = timedelta(days=7)  # between failures and a look that found the same, for it to be about them
_CACHED = timedelta(days=2)  # that a resolver may hold an MX record
_TRIES = 20  # looks that are gone through for one that can tell
_FEW = 3  # facts of one sort that are told


# What one sender alone may have wrong on its side when everything here looked right before and after.
_ON_THEIR_SIDE = {
    "certificate-expired": "the clock of that sender may be wrong",
    "certificate-not-trusted": "the list of authorities of that sender may be old",
    "dnssec-invalid": "the resolver of that sender may be at fault",
}
# What one sender alone cannot settle, however good everything looks from here.
_UNSETTLED = {
    "starttls-not-supported": "something on the way from that sender may strip STARTTLS: take it seriously",
    "certificate-host-mismatch": "an address or a machine of a pool may differ for that sender",
    "sts-policy-fetch-error": "other networks may be kept from the policy host: one that works does not refute it",
    "sts-policy-invalid": "that sender may be stricter than others, or have met another machine",
    "sts-webpki-invalid": "an address or a machine of the policy host may differ for that sender",
    "tlsa-invalid": "that sender may have met another machine, or records from before a change",
}
# What several cannot settle either: each may mean something else by it.
_OPEN = {
    "unexplained": "no sender says what failed",
    "tls-negotiation": "either side may be too old, or too strict",
    "dane-required": "these senders and you have to agree on DANE",
}

# What several small senders may have wrong alike, if all looked right and a large one had nothing to say.
_SHARED = {
    "certificate-not-trusted": "the lists of authorities of these senders may be old",
    "certificate-host-mismatch": "older Postfix set-ups compare the certificate with the policy, not with the MX",
}
# What something between a look and the server can bring about.
_ON_THE_WAY = frozenset({"starttls-not-supported", "certificate-not-trusted"})

# Findings of a look that are what senders call so; of any other cause each fault of its sort may be it.
_SAME: Mapping[str, frozenset[str]] = {
    "starttls-not-supported": frozenset({"starttls-not-offered", "starttls-refused"}),
    "certificate-expired": frozenset({"certificate-expired", "certificate-intermediate-expired"}),
    "certificate-host-mismatch": frozenset({
        "certificate-name-mismatch", "certificate-common-name-only", "certificate-no-names",
        "certificate-partial-wildcard",
    }),
    # The umbrella of Stalwart, and of whoever stops at the first objection.
    "certificate-not-trusted": frozenset({
        "certificate-not-trusted", "certificate-self-signed", "certificate-chain-incomplete",
        "certificate-intermediate-expired", "certificate-wrong-purpose", "certificate-not-yet-valid",
        "certificate-unreadable", "certificate-none", "certificate-expired", "certificate-name-mismatch",
        "certificate-common-name-only", "certificate-no-names", "certificate-weak-key", "certificate-weak-signature",
    }),
    "tls-negotiation": frozenset({"tls-failed", "tls-too-old", "starttls-plaintext-after", "certificate-none"}),
    "transient": frozenset(),
    "sts-policy-invalid": FATAL | {
        "policy-media-type", "policy-differs", "policy-tries-differ", "policy-field-twice", "policy-max-age-over",
        "policy-max-age-zero", "policy-none-without-mx",
    },
    "sts-webpki-invalid": frozenset(
        {"policy-tls-failed", *(name for name in ADVICE if name.startswith("policy-host-certificate-"))}
    ),
    "tlsa-invalid": frozenset({"tlsa-mismatch"}),
    "dnssec-invalid": frozenset({"dns-bogus"}),
}  # fmt: skip
# Outcomes of single tries that are so, where other tries went well.
_AT_TIMES = {
    "starttls-not-supported": ("starttls-not-offered", "starttls-refused"),
    "tls-negotiation": ("tls-failed", "tls-too-old", "plaintext-after-starttls"),
}


class Fault(NamedTuple):
    """Whose fault it is, and why."""

    fault: str  # a key of FAULTS
    facts: tuple[str, ...]  # what it rests on, the decisive one first


class Disagreement(NamedTuple):
    """What organizations told about one MX on one day, side by side."""

    day: date
    mx_key: str
    told: tuple[tuple[str, str], ...]  # (organization, what it told), failing ones first


# --------------------------------------------------------------------------------------------------------
# Looks.


Moment = tuple[str, Settings, datetime]  # from where, with which settings, when


class Look(NamedTuple):
    """What a look found, judged as of its time."""

    check: Check
    findings: Sequence[Finding]
    told: str  # which one it is, in words


class Around(NamedTuple):
    """Looks from one place around a time."""

    before: Sequence[Moment]  # the nearest first
    within: Sequence[Moment]
    after: Sequence[Moment]  # the nearest first


class Named(NamedTuple):
    """The MXs, by looks from one place."""

    first_seen: datetime
    last_seen: datetime
    hosts: tuple[str, ...]  # the domain itself if it has no MX record
    is_whole: bool  # whether these are all
    since: datetime  # when they may have become so: the look before that found others
    until: datetime


def _named(rows: Iterable[Seen], policy_domain: str) -> Iterator[Named]:
    """Yield the MXs of rows, oldest first."""
    known = [
        (row.first_seen, row.last_seen, facts)
        for row in sorted(rows, key=lambda row: (row.first_seen, row.last_seen))
        if isinstance(facts := row.observation.facts, MxFacts) and facts.status not in {"failed", "bogus"}
    ]
    for at, (first, last, mx) in enumerate(known):
        since = known[at - 1][1] if at else first
        until = known[at + 1][0] if at + 1 < len(known) else last
        hosts = tuple(one.host for one in mx.hosts) or (policy_domain,)
        yield Named(first, last, hosts, not mx.dropped, min(since, first), max(until, last))


class Looks:
    """All looks at a domain with the settings of senders, put together again from what was seen from when to when.

    Between two moments at which something was seen to begin or to end, looks found the same.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._domain = evidence.policy_domain
        self._rows: dict[tuple[str, Settings], list[Seen]] = defaultdict(list)
        self._given: dict[Moment, Check] = {}
        self._judged: dict[Moment, Look] = {}
        moments: dict[tuple[str, Settings], set[datetime]] = defaultdict(set)
        for row in evidence.past:
            if row.settings.as_senders:
                self._rows[row.vantage, row.settings].append(row)
                moments[row.vantage, row.settings] |= {row.first_seen, row.last_seen}
        for look in evidence.looks:
            if look.settings.as_senders:
                self._given[look.vantage, look.settings, look.checked_at] = look
                moments[look.vantage, look.settings].add(look.checked_at)
        self._moments = {key: sorted(found) for key, found in moments.items()}
        self.mx = [list(_named(rows, self._domain)) for rows in self._of_mx(evidence)]

    def _of_mx(self, evidence: Evidence) -> Iterator[list[Seen]]:
        """Yield what was seen of MX records from each place; the newest looks may stand nowhere else."""
        for vantage, settings in self._moments:
            newest = [
                Seen(seen, look.checked_at, look.checked_at, vantage, settings)
                for look in evidence.looks
                if (look.vantage, look.settings) == (vantage, settings)
                for seen, _ in look.all(MxFacts)
            ]
            yield [*self._rows[vantage, settings], *newest]

    def around(self, begin: datetime, end: datetime) -> Iterator[Around]:
        """Yield the looks before, within and after a time, from each place."""
        for (vantage, settings), moments in self._moments.items():
            keys = [(vantage, settings, at) for at in moments]
            first, last = bisect_right(moments, begin), bisect_left(moments, end)
            yield Around(keys[:first][::-1], keys[first:last], keys[max(first, last) :])

    def at(self, key: Moment) -> Look:
        """Return the look of one moment; of one between two looks, what both found."""
        found = self._judged.get(key)
        if found is None:
            vantage, settings, at = key
            check = self._given.get(key) or self._again(vantage, settings, at)
            is_real = at in self._moments[vantage, settings]
            told = f"our own look of {moment(at)}" if is_real else f"our own looks before and after {moment(at)}"
            found = self._judged[key] = Look(check, judge(check), told)
        return found

    def _again(self, vantage: str, settings: Settings, at: datetime) -> Check:
        return Check(
            policy_domain=self._domain,
            checked_at=at,
            vantage=vantage,
            settings=settings,
            observations=tuple(
                row.observation for row in self._rows[vantage, settings] if row.first_seen <= at <= row.last_seen
            ),
        )


class _Seen(NamedTuple):
    """What our own looks say about one place around its failures, in words; "" for what they do not."""

    same: str = ""  # one of the time found the same
    differs: str = ""  # one of the time found something else wrong there
    stood: str = ""  # all was well before and after, and nothing was changed in between
    well: str = ""  # all was well at one of them, which settles nothing


def _seen(looks: Looks, place: Place, days: Sequence[date]) -> _Seen:
    """Return what looks say about a place around the days of failures."""
    found = [_seen_around(looks, place, run) for run in _runs(days)]
    same = next((one.same for one in found if one.same), "")
    differs = next((one.differs for one in found if one.differs), "")
    if same or differs:
        return _Seen(same, differs)
    if all(one.stood for one in found):
        return _Seen(stood=found[0].stood)
    return _Seen(well=next((one.well or one.stood for one in found if one.well or one.stood), ""))


def _seen_around(looks: Looks, place: Place, days: Sequence[date]) -> _Seen:
    """Return what looks from all places say about a place around days in a row."""
    found = [_seen_from(looks, around, place, _span(days)) for around in looks.around(*_span(days))]
    same, differs, stood, well = (next((one[at] for one in found if one[at]), "") for at in range(4))
    if same and stood and place.cause in _ON_THE_WAY:
        return _Seen(differs=f"{same}; but {stood}: something on the way may be at fault")
    return _Seen(same, differs, stood, well)


def _seen_from(looks: Looks, around: Around, place: Place, span: tuple[datetime, datetime]) -> _Seen:
    """Return what looks from one place say."""
    before, after = (_telling(looks, keys, place) for keys in (around.before, around.after))
    within = [looks.at(key) for key in around.within]
    same = differs = ""
    for look in (*within, *_near(looks, around, (before, after), span)):
        wrong = _wrong(look, place, {"fail"})
        if mine := _same(look, place, span[1]):
            how = "found it as well" if place.cause in _SAME else "found what may be it"
            same = same or f"{look.told} {how}: {words(mine[0])}"
        elif wrong:
            differs = differs or f"{look.told} found something else there: {words(wrong[0])}"
    if same or differs:
        return _Seen(same, differs)
    if before and after and _stood(before, after, place):
        span_of_looks = f"{moment(before.check.checked_at)} to {moment(after.check.checked_at)}"
        return _Seen(stood=f"our own looks from {span_of_looks} found nothing wrong there")
    good = [look for look in (after, before, *within) if look and _passes(look, place)]
    if not good:
        return _Seen()
    return _Seen(well=f"{good[0].told} found nothing wrong there, but none shows that it was so all the time")


def _runs(days: Sequence[date]) -> list[list[date]]:
    """Return days in order as runs without a gap."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] <= timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _span(days: Sequence[date]) -> tuple[datetime, datetime]:
    """Return the first and the last moment of days in order."""
    return datetime.combine(days[0], time()), datetime.combine(days[-1] + timedelta(days=1), time())


def _near(
    looks: Looks, around: Around, beside: Iterable[Look | None], span: tuple[datetime, datetime]
) -> Iterator[Look]:
    """Yield what did not change at all over the ends of some days, and the looks beside them that are near enough."""
    begin, end = span
    if around.before and (around.within or around.after):
        vantage, settings, _ = around.before[0]
        for at in (begin, end):
            yield looks.at((vantage, settings, at))
    for look in beside:
        if look and max(begin - look.check.checked_at, look.check.checked_at - end) <= _NEAR:
            yield look


def _telling(looks: Looks, keys: Sequence[Moment], place: Place) -> Look | None:
    """Return the nearest look that can tell how a place stood."""
    found = (looks.at(key) for key in keys[:_TRIES])
    return next((look for look in found if _passes(look, place) is not None), None)


def _criteria(cause: str) -> frozenset[str]:
    """Return for which criteria findings count that are of the sort that a cause is about."""
    if cause in POLICY_CAUSES:
        return frozenset({"C02", "C08"})
    return frozenset({"C10"}) if cause in DANE_CAUSES else frozenset({"C05"})


def _is_there(subject: str, mx_key: str) -> bool:
    """Return whether a look's subject is at the place of failures."""
    host, _, address = subject.removeprefix("_25._tcp.").partition(" ")
    if mx_key == "*":
        return True
    return address.strip("[]") == mx_key[3:] if mx_key.startswith("ip:") else host == mx_key


def _wrong(look: Look, place: Place, levels: Collection[str]) -> list[Finding]:
    """Return what a look found at a place, of the sort that the cause is about."""
    domain = look.check.policy_domain
    wanted = _criteria(place.cause)
    anywhere = place.cause in POLICY_CAUSES
    signed = {domain} if place.cause in DANE_CAUSES else set()  # whose MX records have to be valid first
    return [
        one
        for one in look.findings
        if one.level in levels
        and (anywhere or one.subject in signed or _is_there(one.subject, place.mx_key))
        and wanted & criteria(one, domain)
    ]


def _passes(look: Look, place: Place) -> bool | None:
    """Return whether a look found nothing wrong at a place, None if it cannot tell."""
    if _wrong(look, place, {"fail"}):
        return False
    if _wrong(look, place, {"unreached"}) or not _is_seen(look.check, place):
        return None
    return True


def _is_seen(check: Check, place: Place) -> bool:
    """Return whether a look saw what the cause is about."""
    if place.cause in POLICY_CAUSES:
        return bool(policies_in(check))
    if place.cause in DANE_CAUSES:
        # Without a resolver that validates, an answer says nothing about DNSSEC.
        return any(
            facts.secure is not None
            and facts.status not in {"failed", "bogus"}
            and _is_there(seen.subject, place.mx_key)
            for seen, facts in check.all(TlsaFacts)
        )
    return any(
        facts.outcome == "starttls" and _is_there(seen.subject, place.mx_key) for seen, facts in check.all(MxTlsFacts)
    )


def _same(look: Look, place: Place, end: datetime) -> list[Finding]:
    """Return the findings of a look that are what senders told of, rather than another fault at the same place."""
    names = _SAME.get(place.cause)
    at_times = _AT_TIMES.get(place.cause, ())
    found = [
        one
        for one in _wrong(look, place, {"fail", "warn"})
        if (one.level == "fail" if names is None else one.name in names)
        or (one.name == "mx-unsteady" and any(outcome in one.detail for outcome in at_times))
    ]
    # What expired later than these days is not what was told of them.
    return [one for one in found if not one.name.endswith("-expired") or _ended(look.check, one.subject) < end]


def _ended(check: Check, subject: str) -> datetime:
    """Return when the first certificate ended that was shown there."""
    ends = (
        one.not_after
        for seen, facts in check.all(MxTlsFacts)
        if seen.subject == subject
        for face in facts.faces
        for one in face.chain
    )
    return min((end for end in ends if end is not None), default=check.checked_at)


def _stood(before: Look, after: Look, place: Place) -> bool:
    """Return whether all was well before and after, and the same: a renewal in between leaves open what it mended."""
    well = _passes(before, place) and _passes(after, place)
    return bool(well) and _shown(before.check, place) == _shown(after.check, place)


def _shown(check: Check, place: Place) -> set[object]:
    """Return what senders judge at a place."""
    if place.cause in POLICY_CAUSES:
        return set(policies_in(check))
    if place.cause in DANE_CAUSES:
        return {(seen.subject, facts) for seen, facts in check.all(TlsaFacts) if _is_there(seen.subject, place.mx_key)}
    return {
        (seen.subject, face.chain[0].der)
        for seen, facts in check.all(MxTlsFacts)
        if _is_there(seen.subject, place.mx_key)
        for face in facts.faces
        if face.chain
    }


# --------------------------------------------------------------------------------------------------------
# Faults.


def fault(evidence: Evidence, place: Place, rows: Sequence[Failure], looks: Looks | None = None) -> Fault:
    """Return whose fault a series is, from its failures, the looks and what other senders told.

    `looks` are those at the domain, for who asks about many series.
    """
    looks = looks or Looks(evidence)
    days = _days(evidence, rows)
    names = sorted({row.organization for row in rows} | _alike(evidence, place, days))
    odd = list(dict.fromkeys(_peculiarities(place, rows)))
    if place.cause == "mx-not-in-policy":
        found = _not_in_policy(evidence, looks, place, rows, days)
        several = (f"{_number(names)} tell the same",) if len(names) > 1 else ()
        return Fault(found.fault, (*found.facts, *several, *odd))
    seen = _seen(looks, place, days)
    told = [fact for fact in (seen.differs, seen.stood, seen.well, *odd) if fact]
    if seen.same:
        return Fault("ours", (seen.same, *odd))
    if mended := _mended(evidence, rows):
        return Fault("ours", (mended, *told))
    if place.cause == "transient":
        again = ["it came on several days: look at load and limits there"] if len(days) > 1 else []
        return Fault("transient", ("the sender names a timeout or a broken connection, and tries again", *again, *told))
    if len(names) > 1:
        return _of_several(evidence, place, names, days, seen, told)
    return _of_one(evidence, place, names[0], days, seen, told)


def _days(evidence: Evidence, rows: Iterable[Failure]) -> list[date]:
    """Return on which days failures may have been, in order: those of a report of several days on any of them."""
    longer = {(one.organization, one.day): one.days for one in evidence.covered}
    return sorted({day for row in rows for day in longer.get((row.organization, row.day), [row.day])})


def _of_several(
    evidence: Evidence, place: Place, names: Sequence[str], days: Sequence[date], seen: _Seen, told: Sequence[str]
) -> Fault:
    """Return whose fault it is that independent senders tell the same."""
    first = f"{_number(names)} tell the same"
    if place.cause in _OPEN:
        return Fault("undetermined", (f"{first}, but {_OPEN[place.cause]}", *told))
    if place.cause not in RESULT_TYPES:
        return Fault("undetermined", (f"{first}, in a word of their own: {place.cause}", *told))
    others = [name for name in _others(evidence, place, names, days) if _is_large(evidence, name)]
    if place.cause in _SHARED and seen.stood and others and not any(_is_large(evidence, name) for name in names):
        fine = f"{listed(others)} had sessions on these days and told nothing like it (of which MX is not told)"
        return Fault("undetermined", (first, *told, fine, _SHARED[place.cause]))
    return Fault("ours", (first, *told))


def _of_one(
    evidence: Evidence, place: Place, name: str, days: Sequence[date], seen: _Seen, told: Sequence[str]
) -> Fault:
    """Return whose fault it is that one sender alone tells something."""
    facts = [f"{name} alone tells it", *told]
    others = _others(evidence, place, [name], days)
    if others:
        facts.append(f"{listed(others)} had sessions on these days and told nothing like it (of which MX is not told)")
    beside = _beside(evidence, place, name, days)
    facts += beside
    if place.cause in _UNSETTLED | _OPEN:
        return Fault("undetermined", (*facts, (_UNSETTLED | _OPEN)[place.cause]))
    if place.cause not in _ON_THEIR_SIDE:
        return Fault("undetermined", (*facts, "what that sender means by it is not known: ask it"))
    if _is_large(evidence, name):
        return Fault("undetermined", (*facts, f"a sender as large as {name} is seldom wrong about that alone"))
    if beside:
        return Fault("undetermined", (*facts, "something may be wrong there after all: look again"))
    if seen.stood and others:
        return Fault("sender", (*facts, _ON_THEIR_SIDE[place.cause]))
    lacking = "no look before and after can tell" if not seen.stood else "nobody else had sessions on these days"
    return Fault("undetermined", (*facts, f"{lacking}: look again, or wait for another sender"))


def _beside(evidence: Evidence, place: Place, name: str, days: Sequence[date]) -> list[str]:
    """Return what others told of another fault at the same MX about these days."""
    if place.mx_key == "*":
        return []
    there = {place.mx_key} | _addresses(evidence, place.mx_key)
    first, last = days[0] - timedelta(days=1), days[-1] + timedelta(days=1)
    told = {
        (row.organization, row.cause)
        for key in there
        for row in evidence.failures_at[key]
        if row.organization != name and row.cause != place.cause and row.impact != "none" and first <= row.day <= last
    }
    return [f"{other} told of {another} there" for other, another in sorted(told)[:_FEW]]


def _number(names: Sequence[str]) -> str:
    return f"{len(names)} organizations ({listed(names)})"


def _is_large(evidence: Evidence, name: str) -> bool:
    return name in evidence.parameters.anchor_orgs or any(name == one.organization for one in REPORTERS)


def _peculiarities(place: Place, rows: Iterable[Failure]) -> Iterator[str]:
    """Yield what is known of how each organization tells such a cause."""
    reasons: dict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        reasons[row.organization].append(row.reason)
    for name, written in sorted(reasons.items()):
        yield from peculiarities(name, place.cause, written)


def _alike(evidence: Evidence, place: Place, days: Sequence[date]) -> set[str]:
    """Return who told the same about these days, under whatever policy."""
    addresses = _addresses(evidence, place.mx_key)
    first, last = days[0] - timedelta(days=1), days[-1] + timedelta(days=1)
    return {
        row.organization
        for key in {place.mx_key} | addresses
        for row in evidence.failures_at[key]
        if row.cause == place.cause and first <= row.day <= last
    }


def _addresses(evidence: Evidence, mx_key: str) -> set[str]:
    """Return the keys that are the same place, by the newest looks: an MX and its addresses."""
    found: set[str] = set()
    for look in evidence.looks:
        for seen, facts in look.all(HostFacts):
            keys = {f"ip:{address}" for address in facts.addresses}
            if seen.subject == mx_key:
                found |= keys
            elif mx_key in keys:
                found.add(seen.subject)
    return found


def _mended(evidence: Evidence, rows: Iterable[Failure]) -> str:
    """Return that the series ended with a repair that was recorded and seen, "" if it did not."""
    keys = dict.fromkeys(map(fingerprint, rows))
    if any(evidence.status(key) != "closed" for key in keys):
        return ""
    fixes = [fix for key in keys if (fix := evidence.fix(Place(key.cause, key.mx_key))) is not None]
    return f"it ended with the repair of {moment(fixes[0].fixed_at)}, and a look since agrees" if fixes else ""


def _others(evidence: Evidence, place: Place, names: Sequence[str], days: Sequence[date]) -> list[str]:
    """Return who else succeeded on the days of failures and told nothing like them, most days first."""
    wanted = "tlsa" if place.cause in DANE_CAUSES else "sts"
    alike = set().union(*(evidence.telling_of[place.cause, day] for day in days))
    if is_host(place.mx_key):
        alike |= {row.organization for row in evidence.failures_at[place.mx_key] if row.day in days}
    found: dict[str, set[date]] = defaultdict(set)
    for row in evidence.sessions:
        if (
            row.policy_type == wanted
            and row.organization not in alike.union(names)
            and row.day in days
            and row.successful
        ):
            found[row.organization].add(row.day)
    return sorted(found, key=lambda one: (-len(found[one]), one))


# --------------------------------------------------------------------------------------------------------
# An MX that the policy does not cover.


def _not_in_policy(
    evidence: Evidence, looks: Looks, place: Place, rows: Sequence[Failure], days: Sequence[date]
) -> Fault:
    """Return whose fault it is that a policy does not cover an MX: DNS and policies tell it, not the number."""
    kinds = {evidence.kind(row) for row in rows}
    if "foreign" in kinds:
        names = listed(sorted({row.organization for row in rows if evidence.kind(row) == "foreign"}))
        return Fault("undetermined", (f"{names} had a policy that was never seen to be published: see C27",))
    if not is_host(place.mx_key):
        return _unnamed(looks, rows, *_span(days))
    host = place.mx_key
    if all(drift.covers(row.canonical, host) for row in rows):
        return _against_itself(host, rows)
    known = [_in_dns(looks, host, *_span(run)) for run in _runs(days)]
    then = [dns.then for dns in known if dns.then]
    if then:
        return _was_mx(evidence, host, max(then), kinds, _span(days))
    if not all(dns.watched for dns in known):
        return Fault("undetermined", ("what DNS named on these days was not looked at, or not all of it",))
    if (last := known[0].last) is not None:
        return Fault("undetermined", (f"{host} was an MX on {last.date()}, and no look shows it as one on these days",))
    told = f"{host} was never seen as an MX of the domain: the DNS of that sender was wrong, or tampered with"
    return Fault("undetermined", (told,))


def _against_itself(host: str, rows: Iterable[Failure]) -> Fault:
    """Return whose fault it is that a sender finds an MX uncovered by a policy that covers it."""
    told = f"the policy that the sender quotes covers {host}"
    by_reason = all(classify("sts", row.result_type, row.reason, None, ()).cause == "mx-not-in-policy" for row in rows)
    if by_reason:
        return Fault("sender", (f"{told}, and its reason says that it does not",))
    return Fault("undetermined", (f"{told}, and the patterns that it reports beside it do not",))


def _unnamed(looks: Looks, rows: Iterable[Failure], begin: datetime, end: datetime) -> Fault:
    """Return whose fault it is if the sender names no MX: ours if DNS had one that its policy lacks."""
    policies = {row.canonical for row in rows if drift.told(row.canonical)}
    of_then = [row.hosts for known in looks.mx for row in known if row.since < end and row.until > begin]
    then = dict.fromkeys(host for hosts in of_then for host in hosts)
    lacking = [host for host in then if host and not any(drift.covers(policy, host) for policy in policies)]
    if lacking and policies:
        told = f"the sender does not name the MX, but {lacking[0]} was one on these days that its policy lacks"
        return Fault("ours", (told,))
    return Fault("undetermined", ("the sender does not name the MX",))


def _was_mx(evidence: Evidence, host: str, then: datetime, kinds: set[str], span: tuple[datetime, datetime]) -> Fault:
    """Return whose fault it is that a policy did not cover what was an MX on these days."""
    told = f"{host} was an MX in DNS on {then.date()}"
    if not drift.covers(evidence.published.current, host):
        return Fault("ours", (f"{told}, and the policy does not cover it",))
    if "stale" in kinds:
        late = f"{told}; the policy served now covers it, and that sender had an earlier one longer than any cache may"
        return Fault("undetermined", (f"{late}: it could not fetch the new one, or does not look for it",))
    if kinds & {"previous", "partial", "unseen"}:
        early = f"{told} before caches had the policy that covers it; the one served now does"
        return Fault("ours", (f"{early}: these senders see it when theirs has run out",))
    begin, end = span
    lacked = [
        span
        for span in evidence.published.spans
        if span.since < end and (span.superseded_at or evidence.now) > begin and not drift.covers(span.canonical, host)
    ]
    if lacked:
        return Fault("ours", (f"{told}, and the policy of then did not cover it; the one served now does",))
    return Fault("undetermined", (f"{told}; the policy covers it, and the sender does not say which one it had",))


class _Dns(NamedTuple):
    """What looks say of a name among the MXs around a time."""

    then: datetime | None  # a look that found it, if a sender could have it from DNS on these days
    last: datetime | None  # the last look that ever did
    watched: bool  # whether any look says what DNS named then


def _in_dns(looks: Looks, host: str, begin: datetime, end: datetime) -> _Dns:
    """Return whether a name was an MX on some days; between two looks that differ it may have been so until either."""
    then = last = None
    watched = False
    for known in looks.mx:
        near = [row for row in known if row.since < end and row.until + _CACHED > begin]
        watched = watched or (bool(near) and all(row.is_whole for row in near))
        for row in known:
            if host in row.hosts:
                last = max(last or row.last_seen, row.last_seen)
                if row in near:
                    when = max(row.first_seen, min(row.last_seen, end - timedelta(seconds=1)))
                    then = max(then or when, when)
    return _Dns(then, last, watched)


# --------------------------------------------------------------------------------------------------------
# Side by side.


def disagreements(evidence: Evidence, rows: Sequence[Failure]) -> list[Disagreement]:
    """Return where organizations tell different things about one MX on one day, newest first.

    An organization without failures there had sessions, at which MX it does not tell; that is said. What is
    told under one policy type is compared with what is told under the same.
    """
    found: dict[tuple[date, str, str], dict[str, dict[str, int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    for row in rows:
        found[row.day, row.mx_key, row.policy_type][row.organization][row.cause] += row.sessions
    counted: dict[tuple[date, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for one in evidence.sessions:
        if one.policy_domain == evidence.policy_domain:
            good, bad = counted[one.day, one.policy_type].get(one.organization, (0, 0))
            more = good + one.successful, bad + max(one.failed, one.would_block)
            counted[one.day, one.policy_type][one.organization] = more
    compared: list[Disagreement] = []
    for (day, mx_key, policy_type), by_name in sorted(found.items(), key=lambda item: item[0][1:]):
        told = [
            (name, ", ".join(f"{cause} {number:,}" for cause, number in sorted(causes.items())))
            for name, causes in sorted(by_name.items())
        ]
        others = [
            (name, _silent(good, bad))
            for name, (good, bad) in sorted(counted.get((day, policy_type), {}).items())
            if name not in by_name and good
        ]
        if others or len({frozenset(causes) for causes in by_name.values()}) > 1:
            compared.append(Disagreement(day, mx_key, (*told, *others)))
    return sorted(compared, key=lambda one: one.day, reverse=True)


def _silent(good: int, bad: int) -> str:
    """Return what an organization told that names no failure at an MX."""
    if not bad:
        return f"{good:,} succeeded, none failed (MX not told)"
    return f"{good:,} succeeded (MX not told), {bad:,} failed, none of them told of here"
