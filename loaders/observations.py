"""Checks into the store: what stays the same from look to look is one row, with its first and last time.

A series is a domain seen from one place with one set of settings. Its looks may come in any order and more
than once, as files of other machines do; the rows are the same whatever the order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from loaders.rows import time_text
from tlsrpt.check_file import facts_json, settings_json
from tlsrpt.store import Rows, Store, utc_now

if TYPE_CHECKING:
    import duckdb

    from tlsrpt.published import Check


class _Measures(NamedTuple):
    ttl: int | None = None
    seconds: float | None = None
    banner: str = ""


class _Thing(NamedTuple):
    facts: str
    measures: _Measures


_Series = tuple[str, str, str]  # policy_domain, vantage, settings
_What = tuple[str, str]  # kind, subject


class Look(NamedTuple):
    """A check in the form of the store."""

    series: _Series
    checked_at: datetime
    source: str  # the file that it came from, "" for our own
    things: dict[_What, _Thing]


class _Span(NamedTuple):
    """One thing for as long as it stayed the same."""

    observation: int | None  # its number, None until it has one
    facts: str
    first: datetime
    last: datetime
    measures: _Measures


class _Known(NamedTuple):
    """What the store has of a series, around the looks that come in."""

    times: list[datetime]  # of its looks, ascending
    spans: dict[_What, list[_Span]]


def record(store: Store, checks: Sequence[Check], *, source: str = "", now: datetime | None = None) -> int:
    """Store checks in one transaction and return how many were new.

    A check of the same series and the same time is known, and left as it is. Raises StoreError.
    """
    looks = [look(check, source) for check in checks]
    with store.writing() as connection:
        return write(store, connection, looks, now or utc_now())


def look(check: Check, source: str) -> Look:
    """Return a check in the form of the store."""
    return Look(
        (check.policy_domain, check.vantage, settings_json(check.settings)),
        check.checked_at,
        source,
        {
            (seen.kind, seen.subject): _Thing(
                facts_json(seen.facts), _Measures(seen.measures.ttl, seen.measures.seconds, seen.measures.banner)
            )
            for seen in check.observations
        },
    )


def write(store: Store, connection: duckdb.DuckDBPyConnection, looks: Sequence[Look], now: datetime) -> int:
    """Store looks inside a transaction and return how many were new."""
    if not looks:
        return 0
    known = _known(connection, looks)
    before = {span.observation: span for _, span in _all(known)}
    new = [look for look in looks if _insert(known[look.series], look)]
    _checks(store, connection, new, now)
    _observations(store, connection, before, list(_all(known)))
    return len(new)


def _insert(known: _Known, look: Look) -> bool:
    """Take a look into its series; return False if it is there already."""
    times, at = known.times, look.checked_at
    place = bisect_left(times, at)
    if times[place : place + 1] == [at]:
        return False
    before = times[place - 1] if place else None
    after = times[place] if place < len(times) else None
    times.insert(place, at)
    for what in dict.fromkeys((*look.things, *known.spans)):
        known.spans[what] = _with(known.spans.get(what, []), look.things.get(what), at, before, after)
    return True


def _with(
    spans: Iterable[_Span], thing: _Thing | None, at: datetime, before: datetime | None, after: datetime | None
) -> list[_Span]:
    """Return the spans of one thing with a look at it added, which found it so or, if None, not at all.

    `before` and `after` are the looks next to it: no span ends or begins between them.
    """
    here = thing and _Span(None, thing.facts, at, at, thing.measures)
    others = []
    for span in spans:
        goes_through = span.first < at < span.last
        same = here is not None and span.facts == here.facts
        if here and same and (goes_through or span.last == before or span.first == after):
            here = _joined(here, span)
        elif goes_through:
            assert before is not None
            assert after is not None
            others.append(span._replace(last=before, measures=_Measures()))  # nobody kept those of that look
            others.append(span._replace(observation=None, first=after))
        else:
            others.append(span)
    return [*others, here] if here else others


def _joined(one: _Span, other: _Span) -> _Span:
    number = other.observation if one.observation is None else one.observation
    latest = max(one, other, key=lambda span: span.last)
    return latest._replace(observation=number, first=min(one.first, other.first))


def _all(known: dict[_Series, _Known]) -> Iterable[tuple[tuple[str, ...], _Span]]:
    for series, one in known.items():
        for what, spans in one.spans.items():
            for span in spans:
                yield (*series, *what), span


# What the store has

_SERIES = """
SELECT unnest($places::BIGINT[]) AS place, unnest($domains::VARCHAR[]) AS policy_domain,
    unnest($vantages::VARCHAR[]) AS vantage, unnest($settings::VARCHAR[]) AS settings,
    unnest($from::TIMESTAMP[]) AS from_at, unnest($until::TIMESTAMP[]) AS until_at
"""
_SAME = "t.policy_domain = s.policy_domain AND t.vantage = s.vantage AND t.settings = s.settings"
_NEXT = f"""
SELECT s.place, max(CASE WHEN t.checked_at < s.from_at THEN t.checked_at END),
    min(CASE WHEN t.checked_at > s.until_at THEN t.checked_at END)
FROM ({_SERIES}) AS s JOIN checks AS t ON {_SAME} GROUP BY s.place
"""  # noqa: S608 - the texts above
_TIMES = f"""
SELECT s.place, t.checked_at FROM ({_SERIES}) AS s JOIN checks AS t ON {_SAME}
WHERE t.checked_at BETWEEN s.from_at AND s.until_at ORDER BY t.checked_at
"""  # noqa: S608 - the texts above
_SPANS = f"""
SELECT s.place, t.kind, t.subject, t.observation, t.facts, t.first_seen, t.last_seen, t.ttl, t.seconds, t.banner
FROM ({_SERIES}) AS s JOIN observations AS t ON {_SAME}
WHERE t.last_seen >= s.from_at AND t.first_seen <= s.until_at
"""  # noqa: S608 - the texts above


def _known(connection: duckdb.DuckDBPyConnection, looks: Sequence[Look]) -> dict[_Series, _Known]:
    """Return what the store has of the series of these looks, from the look before them to the one after."""
    times: dict[_Series, list[datetime]] = defaultdict(list)
    for one in looks:
        times[one.series].append(one.checked_at)
    series = list(times)
    given: dict[str, list[object]] = {
        "places": list(range(len(series))),
        "domains": [domain for domain, _, _ in series],
        "vantages": [vantage for _, vantage, _ in series],
        "settings": [settings for _, _, settings in series],
        "from": [min(times[one]) for one in series],
        "until": [max(times[one]) for one in series],
    }
    for place, before, after in connection.execute(_NEXT, given).fetchall():
        given["from"][place] = before or given["from"][place]
        given["until"][place] = after or given["until"][place]
    found = {one: _Known([], defaultdict(list)) for one in series}
    for place, at in connection.execute(_TIMES, given).fetchall():
        found[series[place]].times.append(at)
    for place, kind, subject, number, facts, first, last, *measures in connection.execute(_SPANS, given).fetchall():
        span = _Span(number, facts, first, last, _Measures(*measures))
        found[series[place]].spans[kind, subject].append(span)
    return found


# What it gets


def _checks(store: Store, connection: duckdb.DuckDBPyConnection, new: Sequence[Look], now: datetime) -> None:
    if not new:
        return
    domains, vantages, settings = zip(*(one.series for one in new), strict=True)
    columns = {
        "policy_domain": domains,
        "vantage": vantages,
        "settings": settings,
        "checked_at": [time_text(one.checked_at) for one in new],
        "loaded_at": [time_text(now)] * len(new),
        "source": [one.source for one in new],
    }
    Rows(store, "checks", columns).insert(connection)


def _observations(
    store: Store,
    connection: duckdb.DuckDBPyConnection,
    before: dict[int | None, _Span],
    after: Sequence[tuple[tuple[str, ...], _Span]],
) -> None:
    gone = list(before.keys() - {span.observation for _, span in after})
    if gone:
        connection.execute("DELETE FROM observations WHERE observation IN (SELECT unnest($1::BIGINT[]))", [gone])
    changed = [span for _, span in after if span.observation is not None and before[span.observation] != span]
    if changed:
        # Facts stay where they are: only times and measures of a row ever change.
        connection.execute(
            """
            UPDATE observations SET first_seen = s.first_seen, last_seen = s.last_seen, ttl = s.ttl,
                seconds = s.seconds, banner = s.banner
            FROM (
                SELECT unnest($numbers::BIGINT[]) AS observation, unnest($first::TIMESTAMP[]) AS first_seen,
                    unnest($last::TIMESTAMP[]) AS last_seen, unnest($ttl::BIGINT[]) AS ttl,
                    unnest($seconds::DOUBLE[]) AS seconds, unnest($banners::VARCHAR[]) AS banner
            ) AS s
            WHERE observations.observation = s.observation
            """,
            {
                "numbers": [span.observation for span in changed],
                "first": [span.first for span in changed],
                "last": [span.last for span in changed],
                "ttl": [span.measures.ttl for span in changed],
                "seconds": [span.measures.seconds for span in changed],
                "banners": [span.measures.banner for span in changed],
            },
        )
    new = [(key, span) for key, span in after if span.observation is None]
    if not new:
        return
    [(number,)] = connection.execute("SELECT coalesce(max(observation), 0) + 1 FROM observations").fetchall()
    keys = zip(*(key for key, _ in new), strict=True)
    columns: dict[str, Sequence[object]] = {
        "observation": list(range(number, number + len(new))),
        **dict(zip(("policy_domain", "vantage", "settings", "kind", "subject"), keys, strict=True)),
        "facts": [span.facts for _, span in new],
        "ttl": [span.measures.ttl for _, span in new],
        "seconds": [span.measures.seconds for _, span in new],
        "banner": [span.measures.banner for _, span in new],
        "first_seen": [time_text(span.first) for _, span in new],
        "last_seen": [time_text(span.last) for _, span in new],
    }
    Rows(store, "observations", columns).insert(connection)
