"""Which policy a sender worked from: the one served now, an earlier one, or one that was never ours.

Reports carry no id (RFC 8460 section 4.4), so policies are compared by what they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

from tlsrpt.mta_sts import canonical, matches, parse_policy
from tlsrpt.published import FetchFacts, Seen

# What a reported policy can be.
CLASSES = {
    "current": "what is served now",
    "previous": "an earlier one, which a cache may still hold",
    "partial": "the MX set of now with another mode or max_age",
    "unseen": "from before the first look at the domain",
    "stale": "an earlier one, longer than any cache may hold it",
    "foreign": "never seen to be published: another's policy, or one that stood between two looks",
    "absent": "the sender told nothing of it",
}

_CANONICAL = re.compile(r"mode=(\S*) max_age=(\S*) mx=(.*)", re.DOTALL)
_AGE = 10  # digits of max_age (RFC 8461 section 3.2)
_SLACK = timedelta(days=1)  # a report is about a whole day


class Told(NamedTuple):
    """What a policy in canonical form says."""

    mode: str  # "?" if it does not say
    max_age: int | None  # seconds
    mx: frozenset[str]  # patterns


class Span(NamedTuple):
    """A policy for as long as it was served."""

    canonical: str
    since: datetime  # UTC, without tzinfo: the first look that found it
    until: datetime  # the last look that did
    superseded_at: datetime | None  # the first look that found another in its place; None: it is served still


class Published(NamedTuple):
    """What a domain published over time, as far as it was looked at."""

    spans: tuple[Span, ...]  # oldest first
    first_look: datetime | None
    ttl: int  # seconds, of the record that announces the policy
    early: frozenset[str] = frozenset()  # policies that senders had before the first look

    @property
    def current(self) -> str:
        """Return the policy that is served, "" if none was seen."""
        return self.spans[-1].canonical if self.spans else ""


def told(policy: str) -> Told | None:
    """Return what a canonical policy says, None if it says no MX and no mode, as senders write that know none."""
    found = _CANONICAL.fullmatch(policy)
    if found is None:
        return None
    mode, age, patterns = found.groups()
    mx = frozenset(filter(None, patterns.split(",")))
    if not mx and mode != "none":
        return None
    return Told(mode, int(age) if age.isascii() and age.isdigit() and len(age) <= _AGE else None, mx)


def covers(policy: str, mx: str) -> bool:
    """Return whether an MX host is covered by a canonical policy (RFC 8461 section 4.1)."""
    says = told(policy)
    return says is not None and any(matches(mx, pattern) for pattern in says.mx)


def published(past: Sequence[Seen], ttl: int) -> Published:
    """Return which policies were served when; a time without a look that could tell is nobody's end."""
    rows = sorted(
        (row.first_seen, row.last_seen, text)
        for row in past
        if isinstance(facts := row.observation.facts, FetchFacts) and facts.outcome == "fetched"
        for text in dict.fromkeys(_canonical(facts.bodies))
    )
    spans: list[Span] = []
    for since, until, text in rows:
        if spans and spans[-1].canonical == text:
            spans[-1] = spans[-1]._replace(until=max(until, spans[-1].until))
        else:
            spans.append(Span(text, since, until, None))
    done = [one._replace(superseded_at=after.since) for one, after in pairwise(spans)]
    return Published((*done, *spans[-1:]), min((row.first_seen for row in past), default=None), ttl)


def _canonical(bodies: Iterable[str]) -> list[str]:
    parsed = (parse_policy(body)[0] for body in bodies)
    return [canonical(policy) for policy in parsed if policy is not None]


def classify(policy: str, day: date, history: Published) -> str:
    """Return what a reported policy is on a UTC day: a key of CLASSES."""
    says = told(policy)
    if says is None:
        return "absent"
    if policy == history.current:
        return "current"
    earlier = [span for span in history.spans if span.canonical == policy and span.superseded_at]
    begin = datetime.combine(day, time())
    if earlier:
        kept = max(_held_until(span, history.ttl) for span in earlier)
        return "previous" if begin <= kept else "stale"
    now = told(history.current)
    if now is not None and says.mx == now.mx:
        return "partial"
    # Without a look from then nobody can tell: neither an attack nor a fault is made of that.
    if history.first_look is None or begin <= history.first_look:
        return "unseen"
    if policy in history.early:  # it may have been served until just before the first look
        kept = _kept_from(history.first_look, says.max_age, history.ttl)
        return "unseen" if begin <= kept else "stale"
    return "foreign"


def _held_until(span: Span, ttl: int) -> datetime:
    """Return until when a report may tell of a superseded policy."""
    says = told(span.canonical)
    assert span.superseded_at is not None
    return _kept_from(span.superseded_at, says.max_age if says else None, ttl)


def _kept_from(last: datetime, max_age: int | None, ttl: int) -> datetime:
    """Return until when a report may tell of a policy that was served last at a time (RFC 8461 section 3.3)."""
    return last + timedelta(seconds=min(max_age or 0, 10**9) + ttl) + _SLACK


def counts(kind: str, policy: str, history: Published) -> bool:
    """Return whether sessions under a policy say something about the one served now: their MX sets agree."""
    if kind == "current":
        return True
    says, now = told(policy), told(history.current)
    return kind in {"previous", "partial", "unseen"} and says is not None and now is not None and says.mx == now.mx
