"""Pictures of days, senders and MXs: rows in, lines out. What a picture tells, characters tell, colours repeat.

Each picture exists in block characters and in plain ASCII. All pictures of one screen share their days, so that
one day stands in the same column everywhere.
"""

from __future__ import annotations

from datetime import date, timedelta
from math import ceil, log10
from typing import TYPE_CHECKING, NamedTuple

from tui.draw import content
from tui.text import cell, pad, width, wrap
from tui.words import COLOURS, IMPACT_STYLE, count, lasting, month_day, place

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from textual.content import Content

    from queries.failures import PlaceSessions
    from tlsrpt.enforce.marks import Mark
    from tui.draw import Piece

WIDEST = 4  # cells of one day
HEAT = 8  # cells of one cause
LETTERS = {"enforce": "E", "fix": "F", "policy": "P", "senders": "S", "mx": "M", "certificate": "C"}  # of marks
SEVERAL = "*"  # marks on one day
HERE = "on $panel"  # behind the day that is pointed at: reversed, a full block would look like none


class Glyphs(NamedTuple):
    """What pictures are drawn with."""

    bar: str  # eighths of a cell, least first
    other: str
    both: str  # a row that has to stand for both
    clean: str  # a report without a failure
    longer: str  # a day of a report of several days
    side: str
    corner: str
    base: str  # below a day with a report
    late: str  # below one that is not settled
    here: str
    heat: str  # least first
    spark: str  # likewise
    rungs: str  # passed, the one of now, to come
    steps: str  # between rungs passed, and before those to come


BLOCKS = Glyphs("▁▂▃▄▅▆▇█", "░", "▒", "·", "-", "│", "└", "─", "╌", "▲", "░▒▓█", "▁▂▃▄▅▆▇█", "●◆○", "━╌")
ASCII = Glyphs("########", ":", "%", ".", "-", "|", "+", "-", "=", "^", ".:*#", ".-+#", "xo ", "=-")


class Days(NamedTuple):
    """The days of a picture: where each stands, and which of them are to be told apart."""

    first: date
    last: date
    label: int  # cells before the first day
    pitch: int  # cells of a day
    settled: date  # the last day about which no more reports are to be expected
    here: date | None = None  # the day that is pointed at

    def all(self) -> list[date]:
        """Return the days, oldest first."""
        return [self.first + timedelta(days=ago) for ago in range((self.last - self.first).days + 1)]

    def at(self, cell: int) -> date | None:
        """Return the day that stands in a cell of a line, None if none does."""
        place = (cell - self.label) // self.pitch
        days = self.all()
        return days[place] if 0 <= place < len(days) else None


class Bar(NamedTuple):
    """What one day counts: what enforce would block, and what is drawn above it."""

    blocked: int
    other: int = 0


def label_cells(room: int) -> int:
    """Return how many cells stand before the days."""
    return 17 if room < 100 else 25


def days_within(room: int) -> int:
    """Return how many days there is room for."""
    return max(1, room - label_cells(room))


def days(first: date, last: date, room: int, settled: date, here: date | None = None) -> Days:
    """Return days as wide as fit into so many cells."""
    number = (last - first).days + 1
    pitch = max(1, min(WIDEST, days_within(room) // number))
    return Days(first, last, label_cells(room), pitch, settled, here)


def _line(axis: Days, label: str, mark: Callable[[date], tuple[str, str]], *, chart: bool = False) -> Content:
    """Return a line with a mark a day, that of the day pointed at set off; in a chart it is as wide as the day."""
    name = pad(label, axis.label, right=True) if chart else pad(cell(label, axis.label - 1), axis.label)
    many = (axis.pitch if axis.pitch < 3 else axis.pitch - 1) if chart else 1
    pieces: list[Piece] = [(name, "$text-muted")]
    for day in axis.all():
        sign, style = mark(day)
        pieces.append((sign * many, f"{style} {HERE}".strip() if day == axis.here else style))
        pieces.append(" " * (axis.pitch - many))
    return content(*pieces)


# Bars


def bars(
    axis: Days, title: str, amounts: Mapping[date, Bar], height: int, glyphs: Glyphs, style: str = ""
) -> list[Content]:
    """Return a bar a day under a title, from 0 to the most; below a day without a report there is no axis.

    Where both parts are there, each has a row at least, or they share the only one: a bar never hides one of them.
    """
    most = max((bar.blocked + bar.other for bar in amounts.values()), default=0)
    lines = [content((title, "bold"), f"   {_most(amounts, most)}")]
    heights = {day: _rows(bar, most, height) for day, bar in amounts.items()}
    for row in reversed(range(height)):
        label = f"{most:,} {glyphs.side}" if row == height - 1 else glyphs.side

        def mark(day: date, row: int = row) -> tuple[str, str]:
            eighths, other = heights.get(day, (0, 0))
            if eighths > row * 8:
                return glyphs.bar[min(eighths - row * 8, 8) - 1], style
            if not eighths and other and amounts[day].blocked:
                return (glyphs.both, style) if row < other else (" ", "")
            return (glyphs.other, COLOURS["warn"]) if row < other else (" ", "")

        lines.append(_line(axis, label, mark, chart=True))
    lines.append(base(axis, amounts, glyphs))
    return lines


def _most(amounts: Mapping[date, Bar], most: int) -> str:
    if not amounts:
        return "no report"
    day = min(day for day, bar in amounts.items() if bar.blocked + bar.other == most)
    return f"most {most:,} on {day}" if most else "none"


def _rows(bar: Bar, most: int, height: int) -> tuple[int, int]:
    """Return how many eighths of a row are for what is blocked, and up to which row the rest stands."""
    total = bar.blocked + bar.other
    if not total:
        return 0, 0
    if not bar.other:
        return max(1, ceil(bar.blocked * height * 8 / most)), 0
    rows = max(ceil(total * height / most), 1)
    blocked = min(max(1, round(bar.blocked * rows / total)), rows - 1) if bar.blocked else 0
    return blocked * 8, rows


def base(axis: Days, reported: Collection[date], glyphs: Glyphs, label: str = "0 ") -> Content:
    """Return the axis: a gap where no report is, another sign where more may come."""

    def mark(day: date) -> tuple[str, str]:
        if day not in reported:
            return " ", ""
        return (glyphs.late if day > axis.settled else glyphs.base), "$text-muted"

    return _line(axis, f"{label}{glyphs.corner}", mark, chart=True)


def dates(axis: Days) -> Content:
    """Return the line that names days, as many as there is room for."""
    step = next(step for step in (1, 2, 7) if step * axis.pitch >= 7)
    line = " " * axis.label
    for number, day in enumerate(axis.all()):
        at = axis.label + number * axis.pitch
        if number % step == 0 and (number == 0 or at + 5 <= axis.label + len(axis.all()) * axis.pitch):
            line = f"{pad(line, at)}{month_day(day)}"
    return content((line, "$text-muted"))


def pointer(axis: Days, glyphs: Glyphs) -> Content:
    """Return the line that points at the day that is pointed at."""
    at = "" if axis.here is None else str(axis.here)
    return _line(axis, at, lambda day: (glyphs.here if day == axis.here else " ", ""))


# Marks


def marked(axis: Days, found: Sequence[Mark]) -> Content:
    """Return the line with a letter on each day on which something happened."""
    by_day: dict[date, str] = {}
    for one in found:
        by_day[one.day] = LETTERS[one.kind] if by_day.get(one.day, LETTERS[one.kind]) == LETTERS[one.kind] else SEVERAL

    return _line(axis, "what happened", lambda day: (by_day.get(day, " "), "bold $text-accent"))


def explained(found: Sequence[Mark], room: int, most: int) -> list[Content]:
    """Return marks in words, newest first, wrapped to so many cells."""
    if not found:
        return [content(("  nothing that looks, senders or recorded repairs tell of", "$text-muted"))]
    lines: list[Content] = []
    for one in sorted(found, key=lambda one: one.day, reverse=True)[:most]:
        head = f"  {LETTERS[one.kind]} {month_day(one.day)}  "
        first, *rest = wrap(one.words, room - width(head))
        lines.append(content((head, "bold $text-accent"), first))
        lines += [content(pad("", width(head)), line) for line in rest]
    if len(found) > most:
        lines.append(content((f"  and {len(found) - most:,} before", "$text-muted")))
    return lines


# Days in one word


def spark(amounts: Mapping[date, int], last: date, number: int, glyphs: Glyphs) -> str:
    """Return a sign a day for so many days, the higher the more; blank where no report is.

    >>> spark({date(2026, 11, 20): 8, date(2026, 11, 18): 1}, date(2026, 11, 20), 4, ASCII)
    ' . #'
    """
    most = max(amounts.values(), default=0)
    signs = glyphs.spark
    marks = {day: signs[ceil(amount * len(signs) / most) - 1 if amount else 0] for day, amount in amounts.items()}
    return "".join(marks.get(last - timedelta(days=ago), " ") for ago in reversed(range(number)))


# Senders by day


class Told(NamedTuple):
    """Who reported on which days."""

    organization: str
    days: Mapping[date, tuple[int, int]]  # failed and would-block sessions of the days with a report
    longer: Collection[date] = ()  # days without a report of their own that a longer one covers


def calendar(axis: Days, found: Sequence[Told], more: int, glyphs: Glyphs) -> list[Content]:
    """Return a line an organization with a mark for each day that it reported about; `more` have no line."""
    signs = f"{glyphs.clean} no failure  {glyphs.other} failed  {glyphs.bar[-1]} would block"
    lines = [content(("Who reported when", "bold"), f"   {signs}  {glyphs.longer} longer report")]
    for one in found:

        def mark(day: date, one: Told = one) -> tuple[str, str]:
            if day not in one.days:
                return (glyphs.longer if day in one.longer else " "), ""
            failed, blocked = one.days[day]
            if blocked:
                return glyphs.bar[-1], COLOURS["bad"]
            return (glyphs.other, COLOURS["warn"]) if failed else (glyphs.clean, COLOURS["good"])

        lines.append(_line(axis, one.organization, mark))
    reported = {day for one in found for day in (*one.days, *one.longer)}
    rest = f"and {more:,} more " if more else "any of them "
    return [*lines, base(axis, reported, glyphs, rest), dates(axis)]


# MX by cause


def heat(found: Sequence[PlaceSessions], room: int, most: int, glyphs: Glyphs) -> list[Content]:
    """Return failed sessions by MX and cause: a number in each cell, and a sign that grows with its size."""
    if not found:
        return []
    causes = list(dict.fromkeys(one.cause for one in found))
    hosts = list(dict.fromkeys(one.mx_key for one in found))
    label = label_cells(room)
    shown = causes[: max(1, min(26, (room - label) // HEAT))]
    cells = {(one.mx_key, one.cause): one for one in found}
    lines = [content(("Failed sessions by MX and cause", "bold"), f"   {glyphs.heat} few to many, by powers of ten")]
    letters = [chr(ord("A") + number) for number in range(len(shown))]
    lines.append(content(" " * label, ("".join(pad(letter, HEAT, right=True) for letter in letters), "bold")))
    for host in hosts[:most]:
        pieces: list[Piece] = [(pad(cell(place(host), label - 1), label), "$text-muted")]
        pieces += [_heat(cells.get((host, cause)), glyphs) for cause in shown]
        lines.append(content(*pieces))
    lines += [
        content(f"  {letter}  ", (cause, _colour(_worst(found, cause))), f"  {_worst(found, cause)}")
        for letter, cause in zip(letters, shown, strict=True)
    ]
    left_out = [
        *([count(len(hosts) - most, "more MX", "more MXs")] if len(hosts) > most else []),
        *([count(len(causes) - len(shown), "more cause")] if len(causes) > len(shown) else []),
    ]
    if left_out:
        lines.append(content((f"  and {', '.join(left_out)} (x lists them)", "$text-muted")))
    return lines


def _heat(one: PlaceSessions | None, glyphs: Glyphs) -> Piece:
    if one is None:
        return " " * HEAT
    sign = glyphs.heat[min(int(log10(max(1, one.failed_session_count))), len(glyphs.heat) - 1)]
    return pad(f"{sign} {short(one.failed_session_count)}", HEAT, right=True), _colour(one.impact)


def short(number: int) -> str:
    """Return a number in at most five cells, cut off and never rounded up.

    >>> short(9152), short(10600), short(2_345_678), short(10**12)
    ('9,152', '10k', '2M', '1T')
    """
    if number < 10_000:
        return f"{number:,}"
    unit = next(unit for unit in range(1, 6) if number < 1000 ** (unit + 1) or unit == 5)
    return f"{number // 1000**unit}{'kMGTP'[unit - 1]}"


def _worst(found: Iterable[PlaceSessions], cause: str) -> str:
    impacts = [one.impact for one in found if one.cause == cause]
    return next((impact for impact in IMPACT_STYLE if impact in impacts), impacts[0])


def _colour(impact: str) -> str:
    return COLOURS.get(IMPACT_STYLE.get(impact, ""), "")


# The ladder


def ladder(mode: str | None, max_age: int | None, glyphs: Glyphs) -> list[Content]:
    """Return where a domain stands between testing and the longest max_age in enforce."""
    from tlsrpt.enforce.planning import LADDER  # noqa: PLC0415 - cryptography waits for the first frame

    names = ["testing", *(lasting(rung) for rung in LADDER)]
    passed, here = 0, 0 if mode == "testing" else None
    stands = "no policy in testing or in enforce"
    if mode in {"testing", "enforce"}:
        stands = f"in {mode}, max_age {lasting(max_age)}"
    if mode == "enforce":
        rungs = sum(rung <= (max_age or 0) for rung in LADDER)
        passed, here = max(rungs, 1), rungs or None
    pieces: list[Piece] = ["  "]
    for number, name in enumerate(names):
        if number:
            pieces.append((f" {glyphs.steps[0 if number <= passed else 1] * 2} ", "$text-muted"))
        sign = glyphs.rungs[1 if number == here else 0 if number < passed else 2]
        pieces.append((f"[{sign}] {name}", "bold $text-accent" if number == here else ""))
    signs = f"[{glyphs.rungs[0]}] behind  [{glyphs.rungs[1]}] here  [{glyphs.rungs[2]}] to come"
    return [
        content(("Testing, enforce, a longer max_age", "bold"), f"   {signs}"),
        content(*pieces),
        content(f"  {stands}"),
    ]
