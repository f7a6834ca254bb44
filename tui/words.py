"""Figures, days and marks as they are written on screens and on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from queries import Scope
    from queries.domains import Totals

STRIP = 14  # days
STRIP_LEGEND = "14 days: blank no report  . no failure  : failed  # would block"

_DAY = 86_400

# What stands out and how: a word comes first, then a colour.
COLOURS = {"bad": "bold $text-error", "warn": "$text-warning", "good": "$text-success", "dim": "$text-muted"}
IMPACT_STYLE = {"would-block": "bad", "unclear": "warn", "projected": "warn", "dane": "warn"}
STATE_STYLES = {"FAIL": "bad", "UNKNOWN": "warn", "WARN": "warn", "PASS": "good", "N-A": "dim"}
VERDICT_STYLES = {
    "NOT_READY": "bad",
    "IN_FORCE_FAILING": "bad",
    "INSUFFICIENT_EVIDENCE": "warn",
    "READY_WITH_WARNINGS": "warn",
    "READY": "good",
    "IN_FORCE": "good",
    "N_A": "dim",
}
# Verdicts as they stand in a column, worst first.
VERDICTS = {
    "IN_FORCE_FAILING": "FAILING",
    "NOT_READY": "NOT READY",
    "INSUFFICIENT_EVIDENCE": "NO EVIDENCE",
    "READY_WITH_WARNINGS": "READY+warn",
    "READY": "READY",
    "IN_FORCE": "in force",
    "N_A": "no mail",
}


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> count(1, "session"), count(2000, "session")
    ('1 session', '2,000 sessions')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(rate: float | None) -> str:
    """Return a rate as a percentage that never rounds a failure away.

    >>> percent(0.052), percent(0.00001), percent(0.0), percent(None)
    ('5.2%', '<0.1%', '0%', '-')
    """
    if rate is None:
        return "-"
    if not rate:
        return "0%"
    if rate < 0.001:
        return "<0.1%"
    return "100%" if rate == 1 else f"{min(rate, 0.999):.1%}"


def lasting(seconds: int | None) -> str:
    """Return a max_age in the largest unit that is exact.

    >>> lasting(604800), lasting(86401), lasting(None)
    ('7 d', '86,401 s', '-')
    """
    if seconds is None:
        return "-"
    return f"{seconds // _DAY:,} d" if seconds % _DAY == 0 and seconds else f"{seconds:,} s"


def size(number: int) -> str:
    """Return a size in bytes, short.

    >>> size(412), size(2911), size(5 << 20)
    ('412 B', '2.8 KiB', '5.0 MiB')
    """
    if number < 1024:
        return f"{number} B"
    if number < 1 << 20:
        return f"{number / 1024:.1f} KiB"
    return f"{number / (1 << 20):.1f} MiB"


def month_day(day: date) -> str:
    """Return a day without its year, for narrow columns."""
    return f"{day:%m-%d}"


def moment(time: datetime | None) -> str:
    """Return a UTC time to the minute."""
    return "-" if time is None else f"{time:%Y-%m-%d %H:%MZ}"


def span(first: date, last: date) -> str:
    """Return a period."""
    return str(first) if first == last else f"{first} to {last}"


def place(mx_key: str) -> str:
    """Return where a series fails: a host name, an address, or that no MX was reached."""
    return "no MX" if mx_key == "*" else mx_key.removeprefix("ip:")


def came_from(source: str, name: str) -> str:
    """Return a source and the name of the part of it, unless that is the same.

    >>> came_from("a.zip", "b.json"), came_from("/r/b.json", "/r/b.json")
    ('a.zip b.json', '/r/b.json')
    """
    return source if not name or source.endswith(name) else f"{source} {name}"


def claims(totals: Totals) -> str:
    """Return how many reports anyone may have sent, and what to do about it."""
    return (
        f"{totals.claims:,} of {totals.reports:,} are claims no verdict rests on: tlsrpt accept, or load --vouch PATH"
    )


def within_strip(scope: Scope, end: date | None) -> Scope:
    """Return a scope of the days that a strip up to `end` shows, whatever the window; no more are asked for."""
    return scope if end is None else replace(scope, since=end - timedelta(days=STRIP - 1))


def strip(days: Iterable[tuple[date, int, int]], end: date) -> str:
    """Return a mark a day for the 14 days up to `end`, from (day, failed, would-block) of those with reports.

    >>> strip([(date(2026, 11, 20), 3, 1), (date(2026, 11, 18), 0, 0)], date(2026, 11, 20))
    '           . #'
    """
    marks = {day: "#" if block else ":" if failed else "." for day, failed, block in days}
    return "".join(marks.get(end - timedelta(days=ago), " ") for ago in range(STRIP - 1, -1, -1))


def ago(then: datetime, now: datetime) -> str:
    """Return how long something is past, in its largest whole unit.

    >>> now = datetime(2026, 11, 20, 12, 0)
    >>> ago(now, now), ago(datetime(2026, 11, 20, 11, 57), now), ago(datetime(2026, 11, 19, 5, 0), now)
    ('just now', '3 min ago', '31 h ago')
    """
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440:,} d ago"


def left(end: datetime, now: datetime) -> str:
    """Return how long something lasts, in whole days.

    >>> now = datetime(2026, 11, 20, 12, 0)
    >>> left(datetime(2026, 11, 30, 11, 0), now), left(datetime(2026, 11, 18, 6, 0), now)
    ('9 d left', 'expired 2 d ago')
    """
    if end < now:
        return f"expired {ago(end, now)}"
    return f"{(end - now).days:,} d left"
