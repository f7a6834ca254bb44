"""The board: every policy domain, worst first, with the answer to "what would enforce block" above it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import on, work
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from queries import EVERYTHING, domains, failures
from tlsrpt.cause import BLOCKING
from tui import keys
from tui.draw import content, stacked
from tui.pictures import ASCII, BLOCKS, spark
from tui.screens.empty import no_reports
from tui.screens.listing import Listing
from tui.screens.plan import PlanScreen
from tui.screens.readiness import ReadinessScreen
from tui.screens.reports import ReportsScreen
from tui.text import idn
from tui.widgets.table import Column, Table
from tui.words import (
    COLOURS,
    IMPACT_STYLE,
    STATE_STYLES,
    STRIP,
    STRIP_LEGEND,
    VERDICT_STYLES,
    VERDICTS,
    ago,
    claims,
    count,
    lasting,
    month_day,
    percent,
    place,
    strip,
    within_strip,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.content import Content

    from queries import Scope
    from tlsrpt.store import Store
    from tui.judging import Weighed


TOLD_AGAIN = 0.5  # seconds between two parts of the verdicts


class Line(NamedTuple):
    """A domain, its last days, and the verdict on it."""

    domain: domains.Domain
    strip: str
    spark: str  # sessions of the same days
    checked_at: datetime | None  # the newest look at what it publishes
    weighed: Weighed | None = None  # None until it is known


class Board(NamedTuple):
    """The answer to the first question."""

    lines: list[Line]
    totals: domains.Totals
    series: list[failures.Series]
    newest: date | None  # day of the newest report, whatever the window


def _sessions(line: Line) -> int:
    return line.domain.sts_successful + line.domain.sts_failed


def _blocked(line: Line) -> str:
    return IMPACT_STYLE["would-block"] if line.domain.would_block else ""


def _failed(line: Line) -> str:
    return "warn" if line.domain.sts_failed else "dim"


def _verdict(line: Line) -> str:
    return VERDICTS[line.weighed.verdict] if line.weighed else "…"


def _verdict_style(line: Line) -> str:
    return VERDICT_STYLES[line.weighed.verdict] if line.weighed else "dim"


def _stands(line: Line) -> list[str | tuple[str, str]]:
    """Return the verdict on a domain and what it waits for."""
    weighed = line.weighed
    if weighed is None:
        return ["the verdict is being worked out"]
    days = f", {count(weighed.days_in_testing, 'day')} in testing" if weighed.days_in_testing is not None else ""
    waits = f": {weighed.waits_for}" if weighed.waits_for else ""
    return [(weighed.verdict, "bold"), f"{days}{waits}"]


def _pane(line: Line) -> Content:
    """Return what stands in the way of a domain first."""
    weighed = line.weighed
    if weighed is None:
        return content()
    lines = [
        content(
            (f"{idn(line.domain.policy_domain)}: {weighed.verdict}", COLOURS[VERDICT_STYLES[weighed.verdict]]),
            f"   {weighed.tally}",
        )
    ]
    for row in weighed.first:
        state = (f"{row.state:<8}", COLOURS[STATE_STYLES[row.state]])
        lines.append(content(state, f"{row.name} {row.title:<28} {row.reason}"))
    lines.append(content(f"        and {weighed.more:,} more (Enter)") if weighed.more else content())
    if weighed.remedy:
        lines.append(content(("Do next: ", "bold"), weighed.remedy))
    return stacked(*lines)


def _place(line: Line) -> int:
    """Return where a verdict stands among the others, worst first."""
    return list(VERDICTS).index(line.weighed.verdict) if line.weighed else len(VERDICTS)


class DomainsScreen(Listing):
    """Every policy domain."""

    NAME = TOP = "domains"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "domain", "about", "domains")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Domain", lambda line: line.domain.policy_domain, least=22),
        Column("Mode", lambda line: line.domain.mode or "-", drop=2),
        Column("Verdict", _place, _verdict, _verdict_style),
        Column("Sessions", _sessions, right=True, drop=3),
        Column("Failed", lambda line: line.domain.sts_failed, style=_failed, right=True, drop=5),
        Column("Would-block", lambda line: line.domain.would_block, style=_blocked, right=True),
        Column(
            "Rate",
            lambda line: line.domain.failure_rate,
            lambda line: percent(line.domain.failure_rate),
            style=_failed,
            right=True,
            drop=6,
        ),
        Column("14 days", lambda line: line.strip[::-1], lambda line: line.strip, _blocked, drop=1),
        Column("Sessions a day", _sessions, lambda line: line.spark, drop=8),
        Column("Orgs", lambda line: line.domain.organizations, right=True, drop=7),
        Column("Last", lambda line: line.domain.last_day, lambda line: month_day(line.domain.last_day), drop=4),
    )

    class BlameCame(Message):
        """It is known whose fault series are."""

        def __init__(self, found: Blamed) -> None:
            super().__init__()
            self.found = found

    class VerdictsCame(Message):
        """The verdicts are known, or could not be found."""

        def __init__(
            self, version: int, found: Mapping[str, Weighed], *, whole: bool = True, problem: str = ""
        ) -> None:
            super().__init__()
            self.version = version
            self.found = found
            self.whole = whole  # whether these are all
            self.problem = problem

    def __init__(self, within: Scope = EVERYTHING, *, top: str = "") -> None:
        super().__init__(within, top=top)
        self.board: Board | None = None
        self.weighing = -1  # version of the evidence that verdicts were asked about last
        self.weighed: Mapping[str, Weighed] = {}  # by domain
        self.blamed: Blamed = {}

    @staticmethod
    def key(row: Line) -> str:
        """Return the name of the domain."""
        return row.domain.policy_domain

    def question(self, store: Store, scope: Scope) -> Board:
        """Return how each domain stands, and what would be blocked."""
        from queries import published  # noqa: PLC0415 - pydantic waits for the first frame

        with store.reading():
            looks = published.checked(store, at=self.bench.evidence.now())
            checked = {one.policy_domain: one.checked_at for one in looks}
            totals = domains.totals(store, scope)
            newest = totals.last_day or domains.totals(store, replace(scope, since=None)).last_day
            end = scope.until or (self.bench.evidence.today() if scope.since else newest)
            days: dict[str, list[tuple[date, int, int]]] = {}
            sessions: dict[str, dict[date, int]] = {}
            for day in domains.days(store, within_strip(scope, end)):
                days.setdefault(day.policy_domain, []).append((day.day, day.failed, day.would_block))
                sessions.setdefault(day.policy_domain, {})[day.day] = day.sts_successful + day.sts_failed
            glyphs = BLOCKS if self.bench.blocks else ASCII
            lines = [
                Line(
                    domain,
                    strip(days.get(domain.policy_domain, ()), end or domain.last_day),
                    spark(sessions.get(domain.policy_domain, {}), end or domain.last_day, STRIP, glyphs),
                    checked.get(domain.policy_domain),
                )
                for domain in domains.overview(store, scope)
            ]
            return Board(lines, totals, failures.series(store, scope), newest)

    def show(self, answer: Board | None) -> None:
        """Draw the board."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        self.bench.refused = answer.totals.refused
        self.board = answer
        self._list()
        self.blame(_worth_blaming(answer))
        if self.bench.evidence.version != self.weighing and not self.bench.progress:
            self.weighing = self.bench.evidence.version
            self.weigh(self.weighing, [line.domain.policy_domain for line in answer.lines])

    @work(thread=True, exclusive=True, exit_on_error=False, group="blame")
    def blame(self, named: Sequence[failures.Series]) -> None:
        """Find whose fault the series are that the headline names."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame
        from tui import judging  # noqa: PLC0415 - likewise

        now = self.bench.evidence.now()
        with suppress(StoreError):  # the question itself says what is wrong
            store = self.bench.evidence.store()
            if store is not None:
                with store.reading():
                    found = {one[:3]: judging.fault_of(store, *one[:3], now).partition(" ")[0].upper() for one in named}
                self.post_message(self.BlameCame(found))

    @on(BlameCame)
    def _blame_came(self, message: BlameCame) -> None:
        self.blamed = message.found
        if self.board is not None:
            self.query_one(".answer", Static).update(headline(self.board, self.blamed), layout=False)

    def _list(self, *, sort: bool = True) -> None:
        """List the domains with the verdicts that are known, worst first once they are all there."""
        if self.board is None:
            return
        lines = [line._replace(weighed=self.weighed.get(line.domain.policy_domain)) for line in self.board.lines]
        if sort:
            lines.sort(key=_place)
        self.list_rows(lines, headline(self.board, self.blamed), no_reports(self.bench, self.board.newest))

    @work(thread=True, exclusive=True, exit_on_error=False, group="weigh")
    def weigh(self, version: int, first: Sequence[str]) -> None:
        """Find the verdicts: they take longer than the rest, come in parts, and do not depend on the window."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame
        from tui import judging  # noqa: PLC0415 - likewise

        worker = get_current_worker()
        found: dict[str, Weighed] = {}
        told = time.monotonic()
        try:
            store = self.bench.evidence.store()
            for part in () if store is None else judging.weigh(store, self.bench.evidence.now(), first):
                found |= part
                if worker.is_cancelled:
                    return
                if time.monotonic() - told >= TOLD_AGAIN:
                    told = time.monotonic()
                    self.post_message(self.VerdictsCame(version, dict(found), whole=False))
        except StoreError as error:
            self.post_message(self.VerdictsCame(version, found, problem=str(error)))
        else:
            self.post_message(self.VerdictsCame(version, found))

    @on(VerdictsCame)
    def _verdicts_came(self, message: VerdictsCame) -> None:
        if message.version != self.weighing:
            return
        if message.problem:
            self.bench.fail(message.problem)
        at_top = self.table.cursor == 0
        self.weighed = message.found
        self._list(sort=message.whole)
        if at_top:  # whoever did not move looks at the worst
            self.table.cursor = 0

    def below(self) -> ComposeResult:
        """Yield, for a high terminal, the readiness of the highlighted domain."""
        yield Static(classes="pane")

    def detail(self, row: Line) -> Content:
        """Return what the row has no room for."""
        domain = row.domain
        policy = f"{domain.mode}, max_age {lasting(domain.max_age)}" if domain.mode else "no sts policy seen"
        first = content(
            (idn(domain.policy_domain), "bold"),
            f"  {policy}   {count(domain.reports, 'report')}, {count(domain.organizations, 'organization')}",
        )
        stands = content(*_stands(row))
        second: list[str | tuple[str, str]] = [f"last {domain.last_day}   "]
        if row.checked_at is not None:
            second.append(f"checked {ago(row.checked_at, self.bench.evidence.now())} (c)   ")
        if (more := domain.would_block - domain.sts_failed) > 0:
            second.append(f"{more:,} more would block, counted as successful   ")
        if domain.mode == "enforce" and domain.would_block:
            second.append(("held back now   ", "bold $text-error"))
        if domain.tlsa_successful or domain.tlsa_failed:
            second.append(f"tlsa {domain.tlsa_successful:,} ok, ")
            second.append((f"{domain.tlsa_failed:,} failed   ", "$text-warning" if domain.tlsa_failed else ""))
        if domain.no_policy_successful or domain.no_policy_failed:
            second.append(f"no policy {domain.no_policy_successful:,} ok, {domain.no_policy_failed:,} failed   ")
        if domain.unclassified:
            second.append(f"{domain.unclassified:,} failed without details")
        return stacked(stands, first, content(*second))

    @on(Table.Moved)
    def _follow(self, event: Table.Moved) -> None:
        """Show the readiness of the highlighted domain, where there is room."""
        self.query_one(".pane", Static).update(content() if event.row is None else _pane(event.row), layout=False)

    def note(self) -> str:
        """Return what the marks of the strip mean."""
        return STRIP_LEGEND

    def open(self, row: Line) -> None:
        """Go to the readiness of a domain."""
        self.bench.push_screen(ReadinessScreen(row.domain.policy_domain))

    def action_failures(self) -> None:
        """Go to the failures of a domain."""
        domain = self.domain()
        if domain is not None:
            self.bench.look_into(replace(self.within, policy_domain=domain))

    def action_plan(self) -> None:
        """Go to the next step of a domain."""
        domain = self.domain()
        if domain is not None:
            self.bench.push_screen(PlanScreen(domain, top=self.top))

    def domain(self) -> str | None:
        """Return the domain of the row."""
        row: Line | None = self.table.row()
        return None if row is None else row.domain.policy_domain

    def action_reports(self) -> None:
        """Go to the reports of a domain."""
        row: Line | None = self.table.row()
        if row is not None:
            within = replace(self.within, policy_domain=row.domain.policy_domain)
            self.bench.push_screen(ReportsScreen(within, top=self.top))


Blamed = Mapping[tuple[str, str, str], str]  # policy domain, cause and MX to whose fault it is


def _new_since(board: Board) -> date | None:
    """Return from which day on a series is new, None where there is no time before it to tell."""
    newest, first = board.newest, board.totals.first_day
    since = newest - timedelta(days=1) if newest else None
    return since if since and first and first < since else None


def _new(board: Board) -> list[failures.Series]:
    """Return the series that began on the newest day with reports or on the day before."""
    since = _new_since(board)
    return [series for series in board.series if since and series.first_day >= since]


def _worth_blaming(board: Board) -> list[failures.Series]:
    """Return the series that the headline names."""
    return list(dict.fromkeys([*board.series[:1], *_new(board)[:1]]))


def headline(board: Board, blamed: Blamed) -> Content:
    """Return what would be blocked and where, what is new, and how far the reports can be believed."""
    if not board.totals.reports:
        return content()
    said = [_would_block(board, blamed)]
    if board.series and (since := _new_since(board)) is not None:
        said.append(_news(board, since, blamed))
    if board.totals.claims:
        said.append(content(claims(board.totals)))
    return stacked(*said)


def _named(series: failures.Series, blamed: Blamed) -> list[str | tuple[str, str]]:
    """Return whose fault a series is, if that is known, and what fails where."""
    fault = blamed.get(series[:3], "")
    return [
        (f"{fault} " if fault else "", "bold $text-warning"),
        (f"{series.cause} at {place(series.mx_key)}", "bold"),
        "" if series.policy_domain in series.mx_key else f" of {idn(series.policy_domain)}",
    ]


def _news(board: Board, since: date, blamed: Blamed) -> Content:
    new = _new(board)
    if not new:
        last = max(series.last_day for series in board.series)
        return content(f"Nothing new since {month_day(since)}; the last failure was on {month_day(last)}")
    which = ", worst " if len(new) > 1 else " "
    return content(f"{len(new):,} new (2) since {month_day(since)}{which}", *_named(new[0], blamed))


def _would_block(board: Board, blamed: Blamed) -> Content:
    totals = board.totals
    blocking = [series for series in board.series if series.impact in BLOCKING]
    other = len(board.series) - len(blocking)
    evaluated = totals.sts_successful + totals.sts_failed
    if not blocking:
        words = (
            f"Nothing in {count(evaluated, 'session')} would block in enforce"
            if evaluated
            else "No session under an sts policy: nothing here says what enforce would block"
        )
        more = f"; {count(other, 'series', 'series')} of other failures (2)" if other else ""
        return content((words, "bold $text-success" if evaluated else "bold"), more)
    worst = blocking[0]
    series = count(len(blocking), "series", "series")
    held = any(line.domain.mode == "enforce" and line.domain.would_block for line in board.lines)
    return stacked(
        content(
            (
                f"{totals.would_block:,} of {count(evaluated, 'session')} would block in enforce",
                "bold $text-error",
            ),
            ("; mail is held back now", "bold $text-error") if held else "",
            f", {series}" if held else f", in {series} (2)",
        ),
        content(
            "Worst ",
            *_named(worst, blamed),
            f": {count(worst.failed_session_count, 'session')}, {count(worst.organizations, 'organization')}",
        ),
    )
