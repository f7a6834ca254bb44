"""What changed between looks at a domain: changes in words, and which policy stood under which id."""

from __future__ import annotations

import difflib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from tlsrpt.certificate import CODES, EXPIRED, NOT_YET_VALID
from tlsrpt.mta_sts import canonical, parse_policy, parse_record
from tlsrpt.published import (
    Answer,
    Face,
    Facts,
    FetchFacts,
    HostFacts,
    MxFacts,
    MxTlsFacts,
    Seen,
    Settings,
    TlsaFacts,
    TxtFacts,
)

if TYPE_CHECKING:
    from tlsrpt.certificate import Certificate

_FAULTS = CODES | {NOT_YET_VALID: "not yet valid", EXPIRED: "expired"}

# What keeps anybody from telling how something stands, rather than telling it.
_UNREACHED = frozenset({"unreachable", "refused", "timeout", "closed"})

_MOST_LINES = 400  # of one thing
_MOST_CHANGED = 200  # lines of a diff
_LONGEST = 1_000  # characters of a line


class Change(NamedTuple):
    """One thing that was found otherwise than before."""

    at: datetime  # UTC, without tzinfo: the first look that found it so
    not_before: datetime | None  # the last look before it; None if there was none
    kind: str  # "" for the domain as a whole, as are the subject
    subject: str
    vantage: str
    what: str  # such as "policy changed"
    lines: tuple[str, ...]  # of a diff: "-…", "+…", " …"


class Version(NamedTuple):
    """A policy and the id that stood beside it."""

    id: str | None  # None: no valid record
    policy: str  # canonical; the body as it is if no sender takes it for a policy
    since: datetime  # UTC, without tzinfo: the first and the last look that found both
    until: datetime


class IdFault(NamedTuple):
    """A departure from "a new id for each content" (RFC 8461 section 3.1).

    `name` is "id-kept" (the policy changed, its id did not), "id-first" (likewise, and the id had changed
    before: senders may have the old policy under the new id), "id-reused" (an id of an earlier policy came
    back for another) or "id-only" (the id changed, the policy did not).
    """

    name: str
    id: str
    since: datetime  # the first look that found it so
    over: datetime | None  # when another id had come; None: still so


# Facts in words


def lines(facts: Facts) -> tuple[str, ...]:
    """Return facts in words, one thing a line, the same for the same facts; long ones are cut."""
    found = [line[:_LONGEST] for line in _lines(facts)]
    more = len(found) - _MOST_LINES
    return (*found[:_MOST_LINES], f"and {more} lines more") if more > 0 else tuple(found)


def _lines(facts: Facts) -> Iterator[str]:
    match facts:
        case TxtFacts():
            return chain(_answer(facts), facts.records)
        case MxFacts():
            hosts = (f"{mx.preference} {mx.host or '.'}" for mx in facts.hosts)
            return chain(_answer(facts), hosts, _dropped(facts.dropped))
        case TlsaFacts():
            records = (f"{one.usage} {one.selector} {one.matching_type} {one.data}" for one in facts.records)
            return chain(_answer(facts), records)
        case HostFacts():
            return _host(facts)
        case FetchFacts():
            return _fetch(facts)
        case MxTlsFacts():
            return _mx_tls(facts)


def _host(facts: HostFacts) -> Iterator[str]:
    yield from (f"A: {line}" for line in _answer(facts.a))
    yield from (f"AAAA: {line}" for line in _answer(facts.aaaa))
    yield from (f"{one}, not contacted" if one in facts.refused else one for one in facts.addresses)
    yield from _dropped(facts.dropped)


def _fetch(facts: FetchFacts) -> Iterator[str]:
    yield _outcome(facts.outcome, facts.reason)
    if facts.status is not None:
        yield f"HTTP status {facts.status}"
    for name, value in (("Location", facts.location), ("Content-Type", facts.content_type)):
        if value:
            yield f"{name}: {value}"
    for number, body in enumerate(facts.bodies):
        if number:
            yield "at another try:"
        yield from body.splitlines()
    yield from _shown(_faces(facts.face))


def _mx_tls(facts: MxTlsFacts) -> Iterator[str]:
    yield _outcome(facts.outcome, facts.reason)
    yield from (f"at another try: {outcome}" for outcome in facts.failures)
    yield from _shown(facts.faces)
    if facts.without_sni_outcome:
        yield f"without SNI: {facts.without_sni_outcome}"
    yield from (f"without SNI: {line}" for line in _shown(_faces(facts.without_sni)))
    if facts.old_version:
        yield f"{facts.old_version} is offered as well"


_NOTHING = {"none": "no such record", "no-name": "no such name"}


def _answer(answer: Answer) -> Iterator[str]:
    if answer.status != "found":
        yield _outcome(_NOTHING.get(answer.status, answer.status), answer.reason)
    yield from (f"CNAME {name}" for name in answer.cnames)
    if answer.secure is not None:
        yield "signed and valid" if answer.secure else "not signed"


def _outcome(outcome: str, reason: str) -> str:
    return f"{outcome}: {reason}" if reason else outcome


def _dropped(number: int) -> Iterator[str]:
    if number:
        yield f"{number} more, not looked at"


def _shown(faces: Sequence[Face]) -> Iterator[str]:
    for number, face in enumerate(faces):
        if number:
            yield "at another try:"
        yield f"{face.version} {face.cipher}"
        for depth, one in enumerate(face.chain):
            yield from _certificate(f"chain {depth}" if depth else "leaf", one)
        yield from (f"at depth {one.depth}: {_FAULTS.get(one.code, f'fault {one.code}')}" for one in face.faults)


def _faces(face: Face | None) -> tuple[Face, ...]:
    return (face,) if face else ()


def _certificate(place: str, one: Certificate) -> Iterator[str]:
    """Yield what a renewal keeps apart from what it changes."""
    if one.unreadable:
        yield f"{place} unreadable: {one.unreadable}"
        return
    names = f" for {', '.join(one.names)}" if one.names else ""
    until = f"{one.not_after:%Y-%m-%d %H:%MZ}" if one.not_after else "?"
    yield f"{place} {one.subject}{names}"
    yield f"{place} issuer {one.issuer}, {one.key}"
    yield f"{place} until {until}, serial {one.serial}"


# Changes


def changes(seen: Sequence[Seen]) -> list[Change]:
    """Return what changed over time, newest first.

    The first look is one change. What could not be reached for a while is compared with what it was before.
    """
    series: dict[tuple[str, Settings], list[Seen]] = defaultdict(list)
    for one in seen:
        series[one.vantage, one.settings].append(one)
    found = [change for rows in series.values() for change in _of_series(rows)]
    found.sort(key=lambda change: (change.kind, change.subject, change.vantage, change.what))
    return sorted(found, key=lambda change: change.at, reverse=True)


def _of_series(rows: Sequence[Seen]) -> Iterator[Change]:
    looks = _looks(rows)
    yield Change(looks[0], None, "", "", rows[0].vantage, "first seen", ())
    things: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.first_seen):
        things[row.observation.kind, row.observation.subject].append(row)
    for thing in things.values():
        yield from _of_thing(thing, looks)


def _looks(rows: Iterable[Seen]) -> list[datetime]:
    """Return when there were looks, as far as something began or ended then."""
    return sorted({at for row in rows for at in (row.first_seen, row.last_seen)})


def _of_thing(rows: Sequence[Seen], looks: Sequence[datetime]) -> Iterator[Change]:
    """Yield the changes of one thing, whose rows are given oldest first."""
    reached: Facts | None = None  # as it was when it could be told last
    before: Seen | None = None
    for row in rows:
        facts = row.observation.facts
        if before is None:
            if row.first_seen > looks[0]:
                yield _change(row, looks, "first seen", _diff(None, facts))
        else:
            if (gone := _following(looks, before.last_seen)) and gone < row.first_seen:
                yield _gone(before, gone)
            what = _since(before, row, reached, gone)
            if what:
                yield _change(row, looks, what, _diff(reached if _is_reached(facts) else None, facts))
        before = row
        if _is_reached(facts):
            reached = facts
    if before and (gone := _following(looks, before.last_seen)):
        yield _gone(before, gone)


def _since(before: Seen, row: Seen, reached: Facts | None, gone: datetime | None) -> str:
    """Return what happened to a thing since its last row, "" if that is not worth telling."""
    old, new = before.observation.facts, row.observation.facts
    was_gone = old == new or (gone is not None and gone < row.first_seen)
    if not _is_reached(new):
        return "not reached" if was_gone or _is_reached(old) else ""
    if was_gone:
        return "back"
    return "reached" if reached is None or reached == new else _what(reached, new)


def _change(row: Seen, looks: Sequence[datetime], what: str, told: tuple[str, ...]) -> Change:
    place = bisect_left(looks, row.first_seen)
    not_before = looks[place - 1] if place else None
    seen = row.observation
    return Change(row.first_seen, not_before, seen.kind, seen.subject, row.vantage, what, told)


def _gone(row: Seen, at: datetime) -> Change:
    seen = row.observation
    return Change(at, row.last_seen, seen.kind, seen.subject, row.vantage, "gone", _diff(seen.facts, None))


def _following(looks: Sequence[datetime], at: datetime) -> datetime | None:
    place = bisect_right(looks, at)
    return looks[place] if place < len(looks) else None


def _is_reached(facts: Facts) -> bool:
    """Return whether facts tell how a thing stands."""
    match facts:
        case HostFacts():
            return "failed" not in {facts.a.status, facts.aaaa.status}
        case FetchFacts() | MxTlsFacts():
            return facts.outcome not in _UNREACHED
        case _:
            return facts.status != "failed"


def _diff(before: Facts | None, after: Facts | None) -> tuple[str, ...]:
    old, new = (lines(facts) if facts else () for facts in (before, after))
    found = list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:]
    told = [line for line in found if not line.startswith("@@")]
    more = len(told) - _MOST_CHANGED
    return (*told[:_MOST_CHANGED], f" and {more} lines more") if more > 0 else tuple(told)


def _what(before: Facts, after: Facts) -> str:
    """Return what happened to a thing, in few words; both facts are of one kind."""
    match before, after:
        case FetchFacts(), FetchFacts():
            policy = "policy changed" if before.bodies != after.bodies else ""
            found = policy or _face_change(_faces(before.face), _faces(after.face))
            return _outcome_change(before.outcome, after.outcome) or found or "answer changed"
        case MxTlsFacts(), MxTlsFacts():
            found = _face_change(before.faces, after.faces)
            return _outcome_change(before.outcome, after.outcome) or found or "answer changed"
        case TxtFacts(), TxtFacts():
            ids = {_id(before), _id(after)}
            return "id changed" if before.kind == "mta-sts-record" and len(ids - {None}) == 2 else "record changed"
        case MxFacts(), MxFacts() if before.hosts != after.hosts:
            return "MX set changed"
        case HostFacts(), HostFacts() if before.addresses != after.addresses:
            return "addresses changed"
        case TlsaFacts(), TlsaFacts() if before.records != after.records:
            return "TLSA records changed"
    return "answer changed"


def _outcome_change(before: str, after: str) -> str:
    return f"{before}, now {after}" if before != after else ""


def _face_change(before: Sequence[Face], after: Sequence[Face]) -> str:
    """Return what happened to what servers show, "" if it is the same."""
    old, new = ([face.chain[0] for face in faces if face.chain] for faces in (before, after))
    if [one.der for one in old] != [one.der for one in new]:
        if len(old) == len(new) == 1 and _renews(new[0], old[0]):
            return "certificate renewed"
        return "certificate changed"
    if [face.chain for face in before] != [face.chain for face in after]:
        return "chain changed"
    if [face.faults for face in before] != [face.faults for face in after]:
        return "certificate judged otherwise"
    return "" if before == after else "TLS changed"


def _renews(new: Certificate, old: Certificate) -> bool:
    """Return whether a certificate takes the place of another as renewals do: same names, longer."""
    longer = new.not_after is not None and old.not_after is not None and new.not_after > old.not_after
    return longer and new.names == old.names


# Ids and policies


def versions(past: Sequence[Seen]) -> list[Version]:
    """Return which policies stood under which ids, oldest first.

    Different addresses may serve different policies at one time; then versions overlap. Looks that could not
    tell are passed over: what is the same before and after them is one version.
    """
    found: list[Version] = []
    for piece in sorted(_pieces(past), key=lambda piece: (piece.since, piece.until, piece.id or "", piece.policy)):
        place = next((at for at in reversed(range(len(found))) if found[at][:2] == piece[:2]), None)
        if place is not None and all(found[place].until >= other.since for other in found[place + 1 :]):
            found[place] = found[place]._replace(until=max(found[place].until, piece.until))
        else:
            found.append(piece)
    return found


def _pieces(past: Sequence[Seen]) -> Iterator[Version]:
    """Yield each time that one record and one policy were there together."""
    records = [(row, row.observation.facts) for row in past]
    ids = [
        (row, _id(facts))
        for row, facts in records
        if isinstance(facts, TxtFacts) and facts.kind == "mta-sts-record" and facts.status not in {"failed", "bogus"}
    ]
    policies = [
        (row, _policy(body))
        for row, facts in records
        if isinstance(facts, FetchFacts) and facts.outcome == "fetched"
        for body in facts.bodies
    ]
    for record, name in ids:
        for row, policy in policies:
            since, until = max(record.first_seen, row.first_seen), min(record.last_seen, row.last_seen)
            if since <= until and (record.vantage, record.settings) == (row.vantage, row.settings):
                yield Version(name, policy, since, until)


def _id(facts: TxtFacts) -> str | None:
    record, _ = parse_record(facts.records)
    return record.id if record else None


def _policy(body: str) -> str:
    policy, _ = parse_policy(body)
    return canonical(policy) if policy else body


def id_faults(found: Sequence[Version]) -> list[IdFault]:
    """Return what `versions` say against the use of ids, oldest first (RFC 8461 section 3.1)."""
    faults: list[IdFault] = []
    for place, (before, after) in enumerate(pairwise(found), 1):
        if after.id is None:
            continue
        over = next((later.since for later in found[place:] if later.id != after.id), None)
        if before.id == after.id:
            if before.until >= after.until:
                continue  # side by side, as addresses that differ serve them: none took the other's place
            earlier = found[place - 2] if place > 1 else None
            came_first = earlier and earlier.id != before.id and earlier.policy == before.policy
            faults.append(IdFault("id-first" if came_first else "id-kept", after.id, after.since, over))
        elif any(other.id == after.id and other.policy != after.policy for other in found[: place - 1]):
            faults.append(IdFault("id-reused", after.id, after.since, over))
        elif before.id and before.policy == after.policy and not _came_under(found[:place], before):
            faults.append(IdFault("id-only", after.id, after.since, over))
    return faults


def _came_under(found: Sequence[Version], last: Version) -> bool:
    """Return whether another policy stood under the id of the last one: then a new id was due."""
    return any(other.id == last.id and other.policy != last.policy for other in found)


def enforced_until(past: Iterable[Seen], now: datetime) -> datetime | None:
    """Return until when senders may enforce a policy that they have in their cache, None if none can any more.

    That is the longest that any policy with mode enforce stays, from the last look that found it (RFC 8461
    section 3.3). One that came with a certificate at fault was taken by nobody.
    """
    ends = [
        row.last_seen + timedelta(seconds=policy.max_age)
        for row in past
        if isinstance(facts := row.observation.facts, FetchFacts) and facts.outcome == "fetched"
        if not (facts.face and facts.face.faults)
        for policy, _ in map(parse_policy, facts.bodies)
        if policy and policy.mode == "enforce"
    ]
    return max((end for end in ends if end > now), default=None)
