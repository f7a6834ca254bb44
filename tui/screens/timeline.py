"""One domain day by day: sessions and failures, what happened, who reported, where it fails, how far it has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.widgets import Static

from queries import domains, failures, senders
from tui import keys, pictures
from tui.draw import content, stacked
from tui.evidence import window_words
from tui.screens.about import About
from tui.screens.choose import Choice
from tui.screens.plan import PlanScreen
from tui.text import PROSE, idn
from tui.widgets.brief import Brief
from tui.widgets.canvas import Canvas
from tui.words import COLOURS, count

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content

    from queries import Scope
    from tlsrpt.enforce.marks import Mark
    from tlsrpt.store import Store

MARGIN = 3  # cells beside the pictures: two blanks and the scroll bar
ORGANIZATIONS = 60  # that the calendar has a line for
HOSTS = 30  # MXs that the heat map has a line for
MARKS = 20  # that are told in words
BEFORE = 30  # days before those in sight on which a policy is no news


class Days(NamedTuple):
    """What there is to be drawn."""

    since: date
    until: date
    bounds: domains.Bounds  # of the window
    newest: date | None  # day of the newest report, whatever the window; not asked for where there are reports
    days: dict[date, domains.Day]
    organizations: list[senders.Sender]
    reported: list[senders.Day]
    spans: list[senders.Span]
    places: list[failures.PlaceSessions]
    marks: list[Mark]
    settled: date
    mode: str | None
    max_age: int | None  # seconds, of the policy that is served


class TimelineScreen(About):
    """The days of a domain."""

    NAME = "timeline"
    AUTO_FOCUS = "Canvas"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("window", "domain", "about", "timeline")

    def __init__(self, policy_domain: str, *, top: str) -> None:
        super().__init__(policy_domain, top=top)
        self.here: date | None = None  # the day that is pointed at
        self.until: date | None = None  # the last day in sight; None: that of the window
        self.told: Days | None = None

    def body(self) -> ComposeResult:
        """Yield the day that is pointed at, the pictures, and a line about them."""
        yield Brief(classes="answer")
        yield Static(classes="empty")
        yield Canvas()
        yield Static(classes="status")

    def scope(self) -> Scope:
        """Return the window, up to the last day in sight."""
        found = super().scope()
        return replace(found, until=self.until) if self.until is not None else found

    def question(self, store: Store, scope: Scope) -> Days | None:
        """Return the days in sight; no more are asked for."""
        from tlsrpt.enforce.marks import marks  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        with store.reading():
            window = self.bench.evidence.scope(self.bench.days, self.within)
            bounds = domains.bounds(store, window)
            newest = bounds.last_day or domains.bounds(store, replace(window, since=None)).last_day
            end = window.until or (self.bench.evidence.today() if window.since else newest)
            end = end or self.bench.evidence.today()
            begin = window.since or bounds.first_day or end
            until = max(begin, min(end, self.until or end))
            since = max(begin, until - timedelta(days=pictures.days_within(self.size.width - MARGIN) - 1))
            scope = replace(scope, since=since, until=until)
            evidence = self.looked(store, since - timedelta(days=BEFORE))
            organizations = senders.overview(store, scope, limit=ORGANIZATIONS)
            names = [one.organization for one in organizations]
            return Days(
                since,
                until,
                domains.Bounds(begin, end),
                newest,
                {day.day: day for day in domains.days(store, scope)},
                organizations,
                senders.days(store, scope, organizations=names),
                senders.spans(store, scope, organizations=names),
                failures.places(store, scope),
                [one for one in marks(evidence) if since <= one.day <= until],
                evidence.settled,
                evidence.mode,
                evidence.served.max_age if evidence.served is not None else None,
            )

    def show(self, answer: Days | None) -> None:
        """Draw it, and point at the newest day with a report if the day pointed at is out of sight."""
        self.told = answer
        if answer is not None and not (self.here and answer.since <= self.here <= answer.until):
            self.here = max(answer.days, default=None)
        self._draw()

    def explain(self, reason: str) -> None:
        """Show why there is nothing to ask."""
        self.told = None
        self._draw()
        self.query_one(".answer", Static).update(content(("The store cannot be read. ", "bold"), reason))

    def on_resize(self) -> None:
        """Ask for as many days as there is room for."""
        super().on_resize()
        self.asked = None
        self.renew()

    def _draw(self) -> None:
        told = self.told
        canvas, empty = self.query_one(Canvas), self.query_one(".empty", Static)
        nothing = told is None or not (told.days or told.marks)
        canvas.display, empty.display = not nothing, nothing
        if nothing:
            newest = told.newest if told else None
            empty.update(self.no_reports(newest, there=told is not None))
            self.query_one(".answer", Static).update(content())
            self.query_one(".status", Static).update(content())
            return
        assert told is not None
        canvas.draw(drawn(told, self.here or told.until, self.size.width - MARGIN, blocks=self.bench.blocks))
        self.query_one(".answer", Static).update(_day(told, self.here or told.until))
        self.query_one(".status", Static).update(content(self._where(told)))
        if self.focused is None:
            canvas.focus()

    def _where(self, told: Days) -> str:
        """Return which days are in sight, and where more are."""
        begin, end = told.bounds
        words = f"{told.since} to {told.until}"
        if begin is not None and told.since > begin:
            words += f", {count((told.since - begin).days, 'day')} more to the left"
        if end is not None and told.until < end:
            words += f", {count((end - told.until).days, 'day')} more to the right"
        return f"{words}   Left Right: day"

    def action_day(self, days: int) -> None:
        """Point at another day; beyond the edge the days move on by half a screen."""
        if self.told is not None:
            self._point((self.here or self.told.until) + timedelta(days=days))

    def on_click(self, event: events.Click) -> None:
        """Point at the day that is clicked on, in whichever picture; open it when it is pointed at."""
        canvas, told = self.query_one(Canvas), self.told
        if told is None or event.widget not in {canvas, *canvas.children}:
            return
        axis = pictures.days(told.since, told.until, self.size.width - MARGIN, told.settled)
        day = axis.at(event.screen_x - canvas.content_region.x)
        if day is not None and day == self.here:
            self.action_open()
        elif day is not None:
            self._point(day)

    def action_failing(self, direction: int) -> None:
        """Point at the next day in sight with failures."""
        told = self.told
        if told is None:
            return
        here = self.here or told.until
        failing = [day for day, one in told.days.items() if one.failed and (day - here).days * direction > 0]
        if failing:
            self._point(min(failing) if direction > 0 else max(failing))
        else:
            self.bench.notify("no day in sight with failures there")

    def _point(self, day: date) -> None:
        told = self.told
        assert told is not None
        begin, end = told.bounds
        if (begin and day < begin) or (end and day > end):
            return
        self.here = day
        if told.since <= day <= told.until:
            self._draw()
            return
        half = timedelta(days=(told.until - told.since).days // 2)
        self.until = told.until - half if day < told.since else told.until + half
        self.until = min(self.until, end) if end else self.until
        self.renew()

    def action_open(self) -> None:
        """Go to the failures of the day that is pointed at."""
        told = self.told
        if told is None:
            return
        here = self.here or told.until
        if here not in told.days:
            self.bench.notify(f"{here}: no report")
        elif not told.days[here].failed:
            self.bench.notify(f"{here}: no failure")
        else:
            self.bench.look_into(replace(self.within, since=here, until=here))

    def action_plan(self) -> None:
        """Go to the next step of the domain."""
        self.bench.push_screen(PlanScreen(self.policy_domain, top=self.top))

    def taken(self, form: str) -> str:
        """Return the pictures as text, below what they are of."""
        del form
        return f"{idn(self.policy_domain)}, {self.standing()}\n\n{self.query_one(Canvas).text()}\n"

    def action_copy(self) -> None:
        """Copy the pictures."""
        self.bench.copy(self.query_one(Canvas).text())

    def copies(self) -> list[tuple[Choice, str]]:
        """Return what can be copied here: the pictures."""
        text = self.query_one(Canvas).text()
        return [(Choice("t", "Text", count(len(text.splitlines()), "line")), text)]

    def action_timeline(self) -> None:
        """Stay: this is where the days are."""

    def standing(self) -> str:
        """Return the window."""
        return window_words(self.bench.days, self.bench.evidence)


def _day(told: Days, here: date) -> Content:
    """Return what one day counts, and what happened on it."""
    day = told.days.get(here)
    more = [count(day.reports, "report")] if day is not None else []
    if here > told.settled:
        more.append("not settled, more may come")
    if day is None:
        first = content((f"{here}: no report", "bold"))
    else:
        sessions = day.sts_successful + day.sts_failed
        first = content(
            (f"{here}: {day.would_block:,} of {count(sessions, 'session')} would block", "bold"),
            f", {max(0, day.sts_failed - day.would_block):,} failed otherwise",
        )
        if tlsa := day.tlsa_successful + day.tlsa_failed:
            more.append(f"tlsa {day.tlsa_failed:,} of {tlsa:,} failed")
    more += [one.words for one in told.marks if one.day == here]
    return stacked(first, content("; ".join(more), limit=PROSE))


def drawn(told: Days, here: date | None, room: int, *, blocks: bool = True) -> list[Content]:
    """Return every picture of a domain, one under the other."""
    glyphs = pictures.BLOCKS if blocks else pictures.ASCII
    axis = pictures.days(told.since, told.until, room, told.settled, here)
    low = content()
    failed = {
        day: pictures.Bar(one.would_block, max(0, one.sts_failed - one.would_block)) for day, one in told.days.items()
    }
    sessions = {day: pictures.Bar(one.sts_successful + one.sts_failed) for day, one in told.days.items()}
    title = f"Failed, {glyphs.bar[-1]} would block {glyphs.other} otherwise {glyphs.both} both"
    lines = pictures.bars(axis, title, failed, 4, glyphs, COLOURS["bad"])
    signs = f"sts sessions (gap: no report, {glyphs.late} not settled)"
    lines += pictures.bars(axis, signs, sessions, 2, glyphs)
    lines += [pictures.dates(axis), pictures.pointer(axis, glyphs), pictures.marked(axis, told.marks)]
    lines += pictures.explained(told.marks, room, MARKS)
    if any(one.tlsa_successful or one.tlsa_failed for one in told.days.values()):
        tlsa = {day: pictures.Bar(0, one.tlsa_failed) for day, one in told.days.items()}
        lines += [low, *pictures.bars(axis, "Failed under tlsa, counted apart", tlsa, 2, glyphs), pictures.dates(axis)]
    lines += [low, *pictures.calendar(axis, _told(told), _more(told), glyphs)]
    if told.places:
        lines += [low, *pictures.heat(told.places, room, HOSTS, glyphs)]
    lines += [low, *pictures.ladder(told.mode, told.max_age, glyphs)]
    return lines


def _told(told: Days) -> list[pictures.Told]:
    found = []
    for one in told.organizations:
        mine = {row.day: (row.failed, row.would_block) for row in told.reported if row.organization == one.organization}
        longer = {
            span.first_day + timedelta(days=ago)
            for span in told.spans
            if span.organization == one.organization
            for ago in range(min(366, (span.last_day - span.first_day).days + 1))
        }
        found.append(pictures.Told(one.organization, mine, longer - mine.keys()))
    return found


def _more(told: Days) -> int:
    return told.organizations[0].organizations - len(told.organizations) if told.organizations else 0
