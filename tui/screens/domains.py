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

from queries import EVERYTHING, KNOWN, WHOLE, Part, domains, failures
from tui import keys
from tui.draw import content, stacked
from tui.pictures import ASCII, BLOCKS, spark
from tui.screens.empty import no_reports
from tui.screens.paging import PAGE, Page, Paging
from tui.screens.plan import PlanScreen
from tui.screens.readiness import ReadinessScreen
from tui.screens.reports import ReportsScreen
from tui.text import idn
from tui.widgets.brief import Brief
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
    from tui.screens.base import Asked


LATE = 3  # days that the newest report may be old before that is said
NAMED = 3  # silent domains that are named
TOLD_AGAIN = 0.5  # seconds between two parts of the verdicts


class Line(NamedTuple):
    """A domain, its last days, and the verdict on it."""

    domain: domains.Domain
    strip: str
    spark: str  # sessions of the same days
    checked_at: datetime | None  # the newest look at what it publishes
    weighed: Weighed | None = None  # None until it is known
    sought: bool = True  # whether the verdict is still being worked out


Weights = Mapping[str, "Weighed"]  # verdicts by domain
Place = tuple[str, str, str]  # policy domain, cause and MX


class Board(NamedTuple):
    """The answer to the first question."""

    page: Page  # of Line
    totals: domains.Totals
    newest: date | None  # day of the newest report, whatever the window
    ranked: Weights  # by which the rows are in order


class News(NamedTuple):
    """What fails, for the headline. It takes longer than the rows, and comes one after the other."""

    summary: failures.Summary
    held: int  # domains whose mail is held back
    worst: failures.Series | None
    faults: Mapping[Place, str]  # whose fault the series named here are
    since: date | None = None  # from which day on a series is new; None while that, or what is new, is not known
    new: int = 0  # series
    newest: failures.Series | None = None  # the worst of these
    silent: Sequence[str] = ()  # domains without a report


def _sessions(line: Line) -> int:
    return line.domain.sts_successful + line.domain.sts_failed


def _blocked(line: Line) -> str:
    return IMPACT_STYLE["would-block"] if line.domain.would_block else ""


def _failed(line: Line) -> str:
    return "warn" if line.domain.sts_failed else "dim"


def _verdict(line: Line) -> str:
    if line.weighed is None:
        return f"{'…' if line.sought else '-':<{_WIDEST}}"  # columns stay where they are when verdicts come
    return VERDICTS[line.weighed.verdict]


def _verdict_style(line: Line) -> str:
    return VERDICT_STYLES[line.weighed.verdict] if line.weighed else "dim"


def _stands(line: Line) -> list[str | tuple[str, str]]:
    """Return the verdict on a domain and what it waits for."""
    weighed = line.weighed
    if weighed is None and line.sought:
        return ["the verdict is being worked out"]
    if weighed is None:
        return ["no verdict: no look and no report that somebody answers for tells of a policy here"]
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
            (weighed.verdict, COLOURS[VERDICT_STYLES[weighed.verdict]]),
            f"   {weighed.tally}   {idn(line.domain.policy_domain)}",
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
    return _PLACES[line.weighed.verdict] if line.weighed else len(_PLACES)


_WIDEST = max(map(len, VERDICTS.values()))
_PLACES = {verdict: place for place, verdict in enumerate(VERDICTS)}


class DomainsScreen(Paging):
    """Every policy domain."""

    NAME = TOP = "domains"
    MORE = "tlsrpt domains --format csv writes all."
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "domain", "about", "domains")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Domain", lambda line: line.domain.policy_domain, least=22, order="policy_domain"),
        Column("Mode", lambda line: line.domain.mode or "-", drop=2, order="mode"),
        Column("Verdict", _place, _verdict, _verdict_style, order=KNOWN),
        Column("Sessions", _sessions, right=True, drop=3, order="sts_successful + sts_failed"),
        Column("Failed", lambda line: line.domain.sts_failed, style=_failed, right=True, drop=5, order="sts_failed"),
        Column("Would-block", lambda line: line.domain.would_block, style=_blocked, right=True, order="would_block"),
        Column(
            "Rate",
            lambda line: line.domain.failure_rate,
            lambda line: percent(line.domain.failure_rate),
            style=_failed,
            right=True,
            drop=6,
            order="failure_rate",
        ),
        Column("14 days", lambda line: line.strip, style=_blocked, drop=1),
        Column("Sessions a day", _sessions, lambda line: line.spark, drop=8),
        Column("Orgs", lambda line: line.domain.organizations, right=True, drop=7, order="organizations"),
        Column(
            "Last",
            lambda line: line.domain.last_day,
            lambda line: month_day(line.domain.last_day),
            drop=4,
            order="last_day",
        ),
    )

    class NewsCame(Message):
        """It is known what fails, or, with None, not found out."""

        def __init__(self, asked: Asked, found: News | None) -> None:
            super().__init__()
            self.asked = asked
            self.found = found

    class VerdictsCame(Message):
        """The verdicts are known, or could not be found."""

        def __init__(self, version: int, found: Weights, *, whole: bool = True, problem: str = "") -> None:
            super().__init__()
            self.version = version
            self.found = found
            self.whole = whole  # whether these are all
            self.problem = problem

    def __init__(self, within: Scope = EVERYTHING, *, top: str = "") -> None:
        super().__init__(within, top=top)
        self.board: Board | None = None
        self.weighing = -1  # version of the evidence that verdicts were asked about last
        self.weighed: Weights = {}  # as far as known
        self.settled = False  # whether these are all
        self.ranked: Weights = {}  # the last that were whole: by these the rows are in order
        self.telling: Asked | None = None  # what news were asked about last
        self.news: News | None = None

    @staticmethod
    def key(row: Line) -> str:
        """Return the name of the domain."""
        return row.domain.policy_domain

    def row_key(self, row: domains.Domain) -> str:
        """Return the name of the domain."""
        return row.policy_domain

    def wants(self) -> Asked:
        """Return which domains are wanted, worst verdict first."""
        wanted = super().wants()
        return wanted._replace(part=wanted.part._replace(order=wanted.part.order or KNOWN))

    def ask_part(self, store: Store, asked: Asked) -> tuple[list[domains.Domain], int]:
        """Return some domains, and how many there are."""
        verdicts = {name: (_PLACES[one.verdict], VERDICTS[one.verdict]) for name, one in self.ranked.items()}
        return domains.overview_part(store, asked.scope, asked.part, verdicts)

    def lines(self, store: Store, asked: Asked, rows: Sequence[domains.Domain]) -> list[Line]:
        """Return domains with their last days, looks and verdicts."""
        from queries import published  # noqa: PLC0415 - pydantic waits for the first frame

        names = [domain.policy_domain for domain in rows] if len(rows) <= PAGE else None
        looks = published.checked(store, at=self.bench.evidence.now(), names=names)
        checked = {one.policy_domain: one.checked_at for one in looks}
        end = self.last_day(store, asked)
        days: dict[str, list[tuple[date, int, int]]] = {}
        sessions: dict[str, dict[date, int]] = {}
        for day in domains.days(store, within_strip(asked.scope, end), names=names):
            days.setdefault(day.policy_domain, []).append((day.day, day.failed, day.would_block))
            sessions.setdefault(day.policy_domain, {})[day.day] = day.sts_successful + day.sts_failed
        glyphs = BLOCKS if self.bench.blocks else ASCII
        return [
            Line(
                domain,
                strip(days.get(domain.policy_domain, ()), end or domain.last_day),
                spark(sessions.get(domain.policy_domain, {}), end or domain.last_day, STRIP, glyphs),
                checked.get(domain.policy_domain),
                self.weighed.get(domain.policy_domain),
                not self.settled,
            )
            for domain in rows
        ]

    def answer(self, store: Store, asked: Asked) -> Board:
        """Return how the domains in sight stand."""
        ranked = self.ranked
        totals, newest = self.totals(store, asked), self.newest(store, asked)
        return Board(self.ask_page(store, asked), totals, newest, ranked)

    def show(self, answer: Board | None) -> None:
        """Draw the board."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        assert self.asked is not None  # this answers it
        self.bench.refused = answer.totals.refused
        moved = self.board is not None and self.board.ranked is not answer.ranked
        self.board = answer
        about = self.asked._replace(part=WHOLE)
        if self.telling != about:
            self.news = None
        at_top = self.table.cursor == 0
        self.list_page(answer.page, self._headline(answer), no_reports(self.bench, answer.newest), moved=moved)
        if moved and at_top:  # whoever did not move looks at the worst
            self.table.cursor = 0
        if self.telling == about:
            self._weigh()
        else:
            self.telling = about
            self.tell(about, answer.totals, answer.newest)

    def _weigh(self) -> None:
        """Ask for the verdicts, unless that was done already: after the worst failure, as they take longer."""
        if self.board is not None and self.bench.evidence.version != self.weighing and not self.bench.progress:
            self.weighing = self.bench.evidence.version
            self.weigh(self.weighing, [line.domain.policy_domain for line in self.board.page.rows])

    @work(thread=True, exclusive=True, exit_on_error=False, group="news")
    def tell(self, asked: Asked, totals: domains.Totals, newest: date | None) -> None:
        """Find what fails, for the headline, and whose fault that is."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame
        from tui import config  # noqa: PLC0415 - pydantic waits for the first frame

        found = None
        with suppress(StoreError):  # the question itself says what is wrong
            store = self.bench.evidence.store()
            if store is not None:
                with store.reading():
                    found = self._worst(store, asked.scope, totals)
                    self.post_message(self.NewsCame(asked, found))
                    found = found._replace(silent=domains.silent(store, asked.scope, watched=config.watched()))
                    if found.summary.series and (since := _new_since(totals, newest)) is not None:
                        new, count = failures.series_part(store, asked.scope, Part(limit=1), began=since)
                        faults = {**found.faults, **self._faults(store, new)}
                        found = found._replace(faults=faults, since=since, new=count, newest=next(iter(new), None))
        self.post_message(self.NewsCame(asked, found))

    def _worst(self, store: Store, scope: Scope, totals: domains.Totals) -> News:
        summary = failures.summary(store, scope)
        held = domains.held(store, scope) if totals.would_block else []
        # What is held back now is worse than what would be.
        within = replace(scope, policy_domain=held[0]) if held else scope
        worst = failures.series_part(store, within, Part(limit=1))[0] if summary.series else []
        return News(summary, len(held), next(iter(worst), None), self._faults(store, worst))

    def _faults(self, store: Store, named: Sequence[failures.Series]) -> dict[Place, str]:
        """Return in a word whose fault some series are."""
        evidence = self.bench.evidence
        found = {one[:3]: evidence.damages(store, one.policy_domain).get((one.cause, one.mx_key)) for one in named}
        return {series: damage.fault.fault.upper() for series, damage in found.items() if damage is not None}

    def _headline(self, board: Board) -> Content:
        return headline(board, self.news, self.bench.evidence.today())

    @on(NewsCame)
    def _news_came(self, message: NewsCame) -> None:
        if message.asked != self.telling or self.board is None:
            return
        self.news = message.found
        self.query_one(".answer", Static).update(self._headline(self.board))
        self._weigh()

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
        self.weighed, self.settled = message.found, message.whole
        if message.problem:
            self.bench.fail(message.problem)
            self.weighing = -1  # the next look at the board asks again
        if message.whole and self.ranked != message.found:
            self.ranked, self.reordered = message.found, True
            self.asked = self.drawn = None  # the rows may have other places; they are drawn there at once
            self.renew()
        else:
            self.table.revise(
                lambda line: line._replace(
                    weighed=message.found.get(line.domain.policy_domain), sought=not message.whole
                )
            )

    def below(self) -> ComposeResult:
        """Yield, for a high terminal, the readiness of the highlighted domain."""
        yield Brief(classes="pane")

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
            when = "then" if _is_old(domain.last_day, self.bench.evidence.today()) else "now"
            second.append((f"held back {when}   ", "bold $text-error"))
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


def _new_since(totals: domains.Totals, newest: date | None) -> date | None:
    """Return from which day on a series is new: the newest day with reports and the day before."""
    since = newest - timedelta(days=1) if newest else None
    return since if since and totals.first_day and totals.first_day < since else None


def _is_old(day: date | None, today: date) -> bool:
    """Return whether more than a report late is missing since a day."""
    return day is not None and (today - day).days > LATE


def headline(board: Board, news: News | None, today: date) -> Content:
    """Return what would be blocked and where, what is new, who is silent, and how far the reports can be believed."""
    totals = board.totals
    if not totals.reports:
        return content()
    old = _is_old(board.newest, today)
    said = [_would_block(totals, news, "then" if old else "now")]
    if old and board.newest is not None:
        words = f"No report since {board.newest}: what stands here is {(today - board.newest).days:,} days old"
        said.append(content((words, "$text-warning")))
    elif news is not None and news.since is not None:
        said.append(_new(news, news.since))
    elif totals.would_block and _new_since(totals, board.newest):
        said.append(content("New: being looked for"))
    if totals.claims:
        said.append(content(claims(totals)))
    if news is not None and news.silent:
        more = len(news.silent) - NAMED
        names = f"{', '.join(map(idn, news.silent[:NAMED]))}{f' and {more:,} more' if more > 0 else ''}"
        said.append(content((f"No report in these days: {names}", "$text-warning")))
    return stacked(*said)


def _named(series: failures.Series, faults: Mapping[Place, str]) -> list[str | tuple[str, str]]:
    """Return whose fault a series is, if that is known, and what fails where."""
    fault = faults.get(series[:3], "")
    return [
        (f"{fault} " if fault else "", "bold $text-warning"),
        (f"{series.cause} at {place(series.mx_key)}", "bold"),
        "" if series.policy_domain in series.mx_key else f" of {idn(series.policy_domain)}",
    ]


def _new(news: News, since: date) -> Content:
    if news.newest is None:
        last = news.summary.last_day
        return content(
            f"Nothing new since {month_day(since)}; the last failure was on {month_day(last) if last else '-'}"
        )
    which = ", worst " if news.new > 1 else " "
    return content(f"{news.new:,} new (2) since {month_day(since)}{which}", *_named(news.newest, news.faults))


def _would_block(totals: domains.Totals, news: News | None, when: str) -> Content:
    evaluated = totals.sts_successful + totals.sts_failed
    if not totals.would_block and (news is None or not news.summary.blocking):
        words = (
            f"Nothing in {count(evaluated, 'session')} would block in enforce"
            if evaluated
            else "No session under an sts policy: nothing here says what enforce would block"
        )
        other = news.summary.series if news else 0
        more = f"; {count(other, 'series', 'series')} of other failures (2)" if other else ""
        return content((words, "bold $text-success" if evaluated else "bold"), more)
    blocked = f"{totals.would_block:,} of {count(evaluated, 'session')} would block in enforce"
    if news is None:
        return stacked(content((blocked, "bold $text-error")), content("Worst: being looked for"))
    series = count(news.summary.blocking, "series", "series")
    worst = news.worst
    when = f"{when} at {news.held:,} domains, worst" if news.held > 1 else when
    return stacked(
        content(
            (blocked, "bold $text-error"),
            f", in {series} (2)",
        ),
        content(
            (f"Held back {when}: ", "bold $text-error") if news.held else "Worst ",
            *_named(worst, news.faults),
            f": {count(worst.failed_session_count, 'session')}, {count(worst.organizations, 'organization')}",
        )
        if worst
        else content(),
    )
