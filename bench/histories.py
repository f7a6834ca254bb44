"""Made-up weeks of a mail domain of which everything is known: what is broken, who meets it, who tells of it.

A history is drawn from a seed and its number alone. It knows nothing of how the program judges, and nothing
here imports it: reports and checks are written as others write them, by hand. `bench/simulate.py` asks the
program about them. Days are counted from FIRST_DAY; times are days with a fraction, UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

FOREIGN = "foreign"  # the cause of a policy that the domain never served
NEVER = 999  # the day of a renewal that does not come


class Sender(NamedTuple):
    """An organization that mails reports."""

    domain: str  # of its contact-info
    style: str  # whose words it uses for a failure
    volume: float  # sessions on a weekday
    sees: str = "sts"  # the policy type of its entries; "both": each session under sts and under tlsa
    tells_policy: bool = True
    keeps: float = 1.0  # days for which it goes on with an old policy


class Host(NamedTuple):
    """An MX."""

    name: str
    since: float = -99.0  # in DNS from here
    until: float = 99.0  # to here


class Policy(NamedTuple):
    """A policy as it is served."""

    since: float  # of the file
    announced: float  # when its id came into DNS
    mx: tuple[str, ...]


class Look(NamedTuple):
    """One check of the domain, from one place."""

    at: float
    vantage: str


class Fault(NamedTuple):
    """Something for which enforce, or mail today, would fail; it is there until it is mended."""

    sort: str  # "mx", "policy", "dane", or "record": one of DNS
    cause: str  # a key of WORDS, or for what no failure tells of, a word of its own
    mx: str  # "*" for what is about none
    first: int
    last: int  # the day before it was mended
    days: frozenset[int]  # on which it shows; on others it happens to be all right
    met: float = 0.0  # share of a sender's sessions that meet it on those days
    by: tuple[str, ...] = ()  # senders that meet it; none: all of them
    look: str = "bad"  # what a check sees: "bad", "pool" (bad and good), "good", or "nothing" of this MX
    place: str = ""  # the only place from where a check sees it; "": from each

    def is_seen(self, look: Look) -> bool:
        """Return whether a check finds it."""
        return int(look.at) in self.days and self.look in {"bad", "pool"} and self.place in {"", look.vantage}


class Repair(NamedTuple):
    """What the operator says: this was mended."""

    at: float
    cause: str
    mx: str


class Noise(NamedTuple):
    """Sessions of one sender on one day that fail for no fault of the domain."""

    day: int
    sender: str
    cause: str
    share: float  # of its sessions of that day
    least: int = 1


class Row(NamedTuple):
    """Failed sessions of one kind."""

    cause: str
    mx: str  # "*" if the sender does not tell
    sessions: int


class Tally(NamedTuple):
    """What one sender counted on one day under one policy."""

    policy_type: str
    mx: tuple[str, ...]  # of the policy as this sender saw it
    good: int
    failed: int  # of the summary; some senders leave it at 0 whatever the rows say
    rows: tuple[Row, ...]


class Report(NamedTuple):
    """One report, on its way."""

    arrives: float
    day: int
    sender: Sender
    tallies: tuple[Tally, ...]
    number: int = 0  # distinguishes several reports of a sender about one day; two with one number are versions
    forged: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """A domain, everybody who mails to it, and everything that goes wrong."""

    domain: str
    days: int
    hosts: tuple[Host, ...]
    policies: tuple[Policy, ...]
    senders: tuple[Sender, ...]
    looks: tuple[Look, ...]
    renewals: dict[
        str, int
    ]  # day on which a certificate of an MX or the policy host is renewed, and each 60 days after
    max_age: int = 86_400
    dane: bool = False
    faults: tuple[Fault, ...] = ()
    noise: tuple[Noise, ...] = ()
    late: float = 0.02  # share of reports that take up to 20 days
    lost: frozenset[int] = frozenset()  # days about which no report ever comes
    blind_to_mx: frozenset[str] = frozenset()  # MXs that no check gets through to
    twice: float = 0.01  # share of reports that are delivered once more
    revised: float = 0.0  # share of reports of which another version comes later
    forged: tuple[Report, ...] = ()
    repair: Repair | None = None
    interesting: tuple[int, ...] = ()  # days near which something happens


class History(NamedTuple):
    """A world, and what reached the operator of its domain."""

    kind: str
    world: World
    reports: tuple[Report, ...]  # in order of arrival


# What senders call a failure: result type and reason, by whose words they use. None: the RFC's own type, bare.
_STALWART = "invalid peer certificate: "
WORDS: dict[str, dict[str, tuple[str, str]]] = {
    "expired": {
        "": ("certificate-expired", ""),
        "postfix": ("certificate-expired", "certificate has expired"),
        "stalwart": ("certificate-not-trusted", f"{_STALWART}Expired"),
    },
    "name": {
        "": ("certificate-host-mismatch", ""),
        "stalwart": ("certificate-not-trusted", f"{_STALWART}NotValidForName"),
    },
    "self-signed": {
        "": ("certificate-not-trusted", ""),
        "postfix": ("validation-failure", "self-signed certificate"),
        "stalwart": ("certificate-not-trusted", f"{_STALWART}UnknownIssuer"),
    },
    "untrusted": {
        "": ("certificate-not-trusted", ""),
        "postfix": ("validation-failure", "unable to get local issuer certificate"),
        "stalwart": ("certificate-not-trusted", f"{_STALWART}UnknownIssuer"),
    },
    "starttls": {"": ("starttls-not-supported", "")},
    "unlisted": {
        "": ("validation-failure", ""),
        "stalwart": ("validation-failure", "MX not authorized by policy."),
        "mox": ("validation-failure", "mtasts-policy-mx-mismatch"),
    },
    "timeout": {"": ("validation-failure", "TLS handshake timed out"), "mox": ("validation-failure", "i/o timeout")},
    "fetch": {"": ("sts-policy-fetch-error", ""), "mox": ("sts-policy-fetch-error", "http status 500")},
    "webpki": {"": ("sts-webpki-invalid", "")},
    "tlsa": {"": ("tlsa-invalid", "")},
}
ANCHORS = ("google.com", "microsoft.com")
FOREIGN_MX = ("mx.elsewhere.example.org",)
VANTAGES = ("mail.osier.example", "probe.alder.example")


# What everybody counts, and when it arrives


def arrived(random: Random, world: World) -> tuple[Report, ...]:
    """Return every report that reaches the operator, in order of arrival."""
    reports: list[Report] = []
    for day in sorted(set(range(world.days)) - world.lost):
        for sender in world.senders:
            if tallies := _tallies(random, world, sender, day):
                reports += _deliveries(random, world, Report(0, day, sender, tallies))
    kept = [report for report in (*reports, *world.forged) if report.arrives < world.days]
    return tuple(sorted(kept, key=lambda report: report.arrives))


def _deliveries(random: Random, world: World, report: Report) -> list[Report]:
    """Return how a report comes: once, late, twice, or in two versions."""
    soon = report.day + 1 + random.uniform(0.1, 0.6)
    if random.random() < world.late:
        soon += random.randint(1, 20)
    found = [report._replace(arrives=soon)]
    if random.random() < world.twice:
        found.append(report._replace(arrives=soon + random.uniform(0.01, 3)))
    if random.random() < world.revised:
        # The first version is wrong: it has no failures, or some that never were.
        first = report.tallies[0]
        rows = () if first.rows else (Row("timeout", first.mx[0], 1),)
        wrong = first._replace(rows=rows, failed=_sum(rows))
        found = [
            report._replace(arrives=soon, tallies=(wrong, *report.tallies[1:])),
            report._replace(arrives=soon + random.uniform(0.3, 2)),
        ]
    return found


def _tallies(random: Random, world: World, sender: Sender, day: int) -> tuple[Tally, ...]:
    weekday = day % 7 < 5
    sessions = _poisson(random, sender.volume * (1 if weekday else 0.35))
    policies = _held(random, world, sender, day)
    found: list[Tally] = []
    for policy, share in policies:
        part = round(sessions * share)
        if part:
            found += _counted(random, world, sender, day, policy, part)
    failing = any(tally.rows for tally in found)
    # mox mails nothing when nothing failed.
    return tuple(found) if failing or sender.style != "mox" else ()


def _held(random: Random, world: World, sender: Sender, day: int) -> list[tuple[Policy, float]]:
    """Return the policies that a sender goes by on a day, each with its share of the sessions."""
    for fault in world.faults:
        if fault.cause == FOREIGN and sender.domain in fault.by and day in fault.days:
            return [(Policy(day, day, FOREIGN_MX), fault.met), (world.policies[0], 1 - fault.met)]
    newest = max((policy for policy in world.policies if policy.since < day + 1), key=lambda policy: policy.since)
    older = [policy for policy in world.policies if policy.since < newest.since]
    if not older or day > newest.since + sender.keeps:
        return [(newest, 1.0)]
    if day > newest.since:
        return [(older[-1], 1.0)]
    return [(older[-1], 0.5), (newest, 0.5)] if random.random() < 0.7 else [(older[-1], 1.0)]


def _counted(random: Random, world: World, sender: Sender, day: int, policy: Policy, sessions: int) -> Iterable[Tally]:
    """Yield the entries of these sessions: one, or two that speak of the same ones."""
    rows: list[Row] = []
    under_tlsa: list[Row] = []
    for fault in world.faults:
        if fault.cause not in WORDS or day not in fault.days or (fault.by and sender.domain not in fault.by):
            continue
        if count := _binomial(random, sessions, fault.met):
            (under_tlsa if fault.sort == "dane" else rows).append(_row(sender, fault.cause, fault.mx, count))
    for noise in world.noise:
        if (noise.day, noise.sender) == (day, sender.domain):
            count = min(sessions, max(noise.least, round(sessions * noise.share)))
            mx = "*" if noise.cause == "fetch" else world.hosts[0].name
            rows.append(_row(sender, noise.cause, mx, count))
    if sender.sees == "no-policy-found":
        rows = [row for row in rows if row.cause not in {"unlisted", "fetch", "webpki"}]
    rows = _within(rows, sessions)
    failed = _sum(rows)
    # mox counts a session that it delivered as a success, and adds the row all the same.
    mox = sender.style == "mox"
    kind = "sts" if sender.sees == "both" else sender.sees
    yield Tally(kind, policy.mx, sessions if mox else sessions - failed, 0 if mox else failed, tuple(rows))
    if sender.sees == "both":
        failed = _sum(under_tlsa)
        yield Tally("tlsa", (), sessions - failed, failed, tuple(under_tlsa))


def _row(sender: Sender, cause: str, mx: str, count: int) -> Row:
    return Row(cause, "*" if sender.style == "mute" else mx, count)


def _within(rows: list[Row], most: int) -> list[Row]:
    """Return rows that add up to no more than there were sessions."""
    found: list[Row] = []
    for row in rows:
        left = most - _sum(found)
        if left > 0:
            found.append(row._replace(sessions=min(left, row.sessions)))
    return found


def _sum(rows: Sequence[Row]) -> int:
    return sum(row.sessions for row in rows)


def _poisson(random: Random, mean: float) -> int:
    # Random has no such draw; a sum of exponential waits is one.
    count, left = 0, mean
    while (left := left + math.log(1 - random.random())) > 0:
        count += 1
    return count


def _binomial(random: Random, number: int, share: float) -> int:
    return sum(random.random() < share for _ in range(number)) if share else 0
