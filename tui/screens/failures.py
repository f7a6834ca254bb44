"""What fails, where and who says so: series of failures, or failed sessions by one property."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from queries import EVERYTHING, Scope, domains, failures
from tlsrpt.cause import BLOCKING
from tlsrpt.knowledge import IMPACTS, explain
from tui import keys
from tui.draw import content, joined, stacked
from tui.said import Said
from tui.screens.empty import no_reports, told
from tui.screens.failure import FailureScreen, explained
from tui.screens.paging import PAGE, Page, Paging
from tui.screens.reports import ReportsScreen
from tui.text import idn
from tui.widgets.paged import PagedTable
from tui.widgets.table import Column, Table
from tui.words import IMPACT_STYLE, STRIP_LEGEND, count, month_day, place, span, strip, within_strip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.screens.base import Asked


SAID = 8  # paragraphs of an explanation that stand below the list
SENDERS = 20  # rows of evidence below them
SOUGHT = "…      "  # as wide as most faults, so that columns stay where they are


class Line(NamedTuple):
    """A series and its last days."""

    series: failures.Series
    strip: str
    fault: str = SOUGHT  # whose it is, in a word


class Found(NamedTuple):
    """Some rows of one grouping, and the totals of their scope."""

    grouping: int
    page: Page
    totals: domains.Totals
    failed: Sequence[failures.Total]  # of the scope; the totals know of no cause and no MX
    newest: date | None  # day of the newest report, whatever the window


# Faults as they stand in a column.
_FAULTS = {"transient": "passing", "undetermined": "?", "": "-"}
_FAULT_STYLES = {"ours": "bad", "sender": "good", "passing": "dim", "-": "dim", SOUGHT: "dim"}


def _at(line: Line) -> str:
    series = line.series
    return f"no MX, {series.policy_domain}" if series.mx_key == "*" else place(series.mx_key)


SERIES = (
    Column(
        "Impact",
        lambda line: line.series.impact,
        style=lambda line: IMPACT_STYLE.get(line.series.impact, ""),
        order="impact",
    ),
    Column("Cause", lambda line: line.series.cause, least=25, order="cause"),
    Column("At", lambda line: line.series.mx_key, _at, least=22, order="mx_key"),
    Column("Fault", lambda line: line.fault, style=lambda line: _FAULT_STYLES.get(line.fault, "warn"), drop=1),
    Column("Domain", lambda line: line.series.policy_domain, least=14, drop=4, order="policy_domain"),
    Column("Sessions", lambda line: line.series.failed_session_count, right=True, order="failed_session_count"),
    Column("Orgs", lambda line: line.series.organizations, right=True, drop=3, order="organizations"),
    Column("Days", lambda line: line.series.days, right=True, drop=5, order="days"),
    Column("14 days", lambda line: line.strip, drop=6),
    Column(
        "Last",
        lambda line: line.series.last_day,
        lambda line: month_day(line.series.last_day),
        drop=2,
        order="last_day",
    ),
)


SERIES_OF_ONE_DOMAIN = tuple(column for column in SERIES if column.heading != "Domain")


def _breakdown(heading: str, show: Callable[[failures.Breakdown], str] | None = None) -> tuple[Column, ...]:
    return (
        Column(heading, lambda row: row.key, show, least=20, order="key"),
        Column("Policy", lambda row: row.policy_type, order="policy_type"),
        Column("Sessions", lambda row: row.failed_session_count, right=True, order="failed_session_count"),
        Column(
            "Would-block",
            lambda row: row.would_block,
            style=lambda row: "bad" if row.would_block else "",
            right=True,
            order="would_block",
        ),
        Column("Orgs", lambda row: row.organizations, right=True, drop=1, order="organizations"),
        Column("Domains", lambda row: row.domains, right=True, drop=3, order="domains"),
        Column("Days", lambda row: row.days, right=True, drop=2, order="days"),
        Column("First", lambda row: row.first_day, drop=5, order="first_day"),
        Column("Last", lambda row: row.last_day, drop=4, order="last_day"),
    )


class Grouping(NamedTuple):
    """One way to look at failures: its name, the property, its columns, and how a row narrows a scope."""

    name: str
    by: failures.Property
    columns: tuple[Column, ...]
    narrow: Callable[[Scope, str], Scope] | None


GROUPINGS = (
    Grouping("cause", "cause", _breakdown("Cause"), lambda scope, key: replace(scope, cause=key)),
    Grouping(
        "result type",
        "result_type",
        _breakdown("Result type"),
        lambda scope, key: replace(scope, result_type=key),
    ),
    Grouping(
        "MX",
        "mx",
        _breakdown("MX", lambda row: place(row.key)),
        lambda scope, key: replace(scope, mx=key),
    ),
    Grouping(
        "organization",
        "organization",
        _breakdown("Organization"),
        lambda scope, key: replace(scope, organization=key),
    ),
    Grouping("sending IP", "sending_ip", _breakdown("Sending IP"), None),
    Grouping(
        "day",
        "day",
        _breakdown("Day"),
        lambda scope, key: replace(scope, since=date.fromisoformat(key), until=date.fromisoformat(key)),
    ),
)


class FailuresScreen(Paging):
    """Failures of everything, or of a narrower scope."""

    PREVIEWS = True
    NAME = TOP = "failures"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "domain", "about", "failures")
    MORE = "tlsrpt failures --format csv writes all."

    class FaultsCame(Message):
        """It is known whose faults the series of one more domain are."""

    def __init__(self, within: Scope = EVERYTHING) -> None:
        super().__init__(within)
        self.judging: tuple[int, list[str]] | None = None  # domains whose faults were asked for last, of which version
        self.grouping = 0  # 0 is series, n is GROUPINGS[n - 1]
        self.shown = 0  # the grouping of the rows on the screen

    @staticmethod
    def key(row: Line | failures.Breakdown) -> object:
        """Return what makes a series, or one part of a breakdown."""
        if isinstance(row, Line):
            return row.series[:3]
        return row.key, row.policy_type

    def row_key(self, row: failures.Series | failures.Breakdown) -> object:
        """Return what makes a series, or one part of a breakdown."""
        return row[:3] if isinstance(row, failures.Series) else self.key(row)

    def crumb(self) -> str:
        """Return what the failures are of."""
        within = self.within
        parts = [
            idn(within.policy_domain) if within.policy_domain else "all domains",
            within.cause,
            within.result_type,
            None if within.mx is None else place(within.mx),
            within.organization,
            str(within.since) if within.since else None,
        ]
        return " > ".join(part for part in parts if part)

    def about(self, policy_domain: str) -> FailuresScreen:
        """Return the same about another domain."""
        return FailuresScreen(replace(self.within, policy_domain=policy_domain))

    def make_table(self) -> PagedTable:
        """Return the list."""
        return PagedTable(self._columns(0), key=self.key)

    def _columns(self, grouping: int) -> tuple[Column, ...]:
        if grouping:
            return GROUPINGS[grouping - 1].columns
        return SERIES_OF_ONE_DOMAIN if self.within.policy_domain else SERIES

    def wants(self) -> Asked:
        """Return which rows of which grouping are wanted."""
        wanted = super().wants()._replace(by=self.grouping)
        if self.table.columns != self._columns(self.grouping):  # still those of the one before
            return wanted._replace(part=wanted.part._replace(order=""))
        return wanted

    def ask_part(self, store: Store, asked: Asked) -> tuple[Sequence[failures.Series | failures.Breakdown], int]:
        """Return some rows of the grouping asked for, and how many there are."""
        if asked.by:
            return failures.breakdown(store, GROUPINGS[asked.by - 1].by, asked.scope, asked.part)
        return failures.series_part(store, asked.scope, asked.part)

    def lines(self, store: Store, asked: Asked, rows: Sequence[Any]) -> Sequence[Line | failures.Breakdown]:
        """Return series with their last days."""
        if asked.by:
            return rows
        blocking = {series[:3] for series in rows if series.impact in BLOCKING}
        days: dict[tuple[str, str, str], list[tuple[date, int, int]]] = {}
        end = self.last_day(store, asked)
        mxs = sorted({series.mx_key for series in rows}) if len(rows) <= PAGE else None
        for day in failures.series_days(store, within_strip(asked.scope, end), mxs=mxs):
            failed = day.failed_session_count
            days.setdefault(day[:3], []).append((day.day, failed, failed if day[:3] in blocking else 0))
        return [
            Line(series, strip(days.get(series[:3], ()), end or series.last_day), self._whose(series))
            for series in rows
        ]

    def answer(self, store: Store, asked: Asked) -> Found:
        """Return the rows in sight, and what all of them sum up to."""
        totals, newest = self.totals(store, asked), self.newest(store, asked)
        failed = failures.totals(store, asked.scope) if _is_narrow(asked.scope) else ()
        return Found(asked.by, self.ask_page(store, asked), totals, failed, newest)

    def show(self, answer: Found | None) -> None:
        """List them."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        self.shown = answer.grouping
        self.bench.refused = answer.totals.refused
        summed = _failed(answer.failed) if _is_narrow(self.within) else _summed(answer.totals)
        self.list_page(answer.page, summed, self._none(answer), self._columns(answer.grouping))
        self._judge()

    # Whose fault

    def _whose(self, series: failures.Series) -> str:
        found = self.bench.evidence.known_damages(series.policy_domain)
        if found is None:
            return SOUGHT
        damage = found.get((series.cause, series.mx_key))
        fault = damage.fault.fault if damage is not None else ""
        return _FAULTS.get(fault, fault)

    @on(Table.Moved)
    def _judge(self) -> None:
        """Find whose faults the series in sight are: that takes a verdict for each domain, and comes one by one."""
        evidence = self.bench.evidence
        rows = [line.row for line in self.table.in_sight() if isinstance(line.row, Line)]
        names = dict.fromkeys(row.series.policy_domain for row in rows)
        missing = [name for name in names if evidence.known_damages(name) is None]
        if missing and (evidence.version, missing) != self.judging:
            self.judging = evidence.version, missing
            self.judge(missing)

    @work(thread=True, exclusive=True, exit_on_error=False, group="judge")
    def judge(self, names: Sequence[str]) -> None:
        """Find whose faults the series of some domains are."""
        from tlsrpt.store import StoreError  # noqa: PLC0415 - duckdb waits for the first frame

        worker = get_current_worker()
        with suppress(StoreError):  # the question itself says what is wrong
            store = self.bench.evidence.store()
            if store is None:
                return
            for name in names:
                if worker.is_cancelled:
                    return
                self.bench.evidence.damages(store, name)
                self.post_message(self.FaultsCame())

    @on(FaultsCame)
    def _faults_came(self) -> None:
        self.table.revise(lambda row: row._replace(fault=self._whose(row.series)) if isinstance(row, Line) else row)

    def _none(self, answer: Found) -> Content:
        totals = answer.totals
        if not totals.reports:
            return no_reports(self.bench, answer.newest, self.within.policy_domain)
        if _is_narrow(self.within):
            return told(
                "No failure is told there.", "Reports name an MX in failures only: sessions that succeed tell none."
            )
        return told(
            "No failed sessions.",
            f"{count(totals.reports, 'report')} of {count(totals.organizations, 'organization')} say so.",
        )

    def detail(self, row: Line | failures.Breakdown) -> Content:
        """Return what a series means and who reports it, or when a part of a breakdown was seen."""
        if not isinstance(row, Line):
            return content(f"{count(row.days, 'day')}, {span(row.first_day, row.last_day)}")
        series = row.series
        explained = explain(series.cause)
        return stacked(
            content(
                f"{explained.act.upper()}: ",
                (explained.title, "bold"),
                f". {IMPACTS.get(series.impact, series.impact)}",
            ),
            content(
                f"{idn(series.policy_domain)}   {span(series.first_day, series.last_day)}   {series.organization_names}"
            ),
        )

    def note(self) -> str:
        """Return how the rows are grouped."""
        if self.shown:
            return f"by {GROUPINGS[self.shown - 1].name} (b)"
        return f"by series (b)   fault: ? cannot be told, - not judged{f'   {STRIP_LEGEND}' if self._strips() else ''}"

    def _strips(self) -> bool:
        return "14 days" in self.table.headings()

    def previews(self) -> bool:
        """Return whether the rows are series."""
        return not self.shown

    def preview(self, store: Store, row: Any) -> list[Said]:  # noqa: ANN401 - a Line or a Breakdown
        """Return what a series means, whose fault it is, and who reports it, newest first."""
        if not isinstance(row, Line):
            return []
        from tui import judging  # noqa: PLC0415 - pydantic and cryptography wait for the first frame

        series = row.series
        within = replace(self.scope(), policy_domain=series.policy_domain, cause=series.cause, mx=series.mx_key)
        with store.reading():
            damages = self.bench.evidence.damages(store, series.policy_domain)
            fault = judging.fault(damages.get((series.cause, series.mx_key)))
            rows = failures.evidence(store, within)
        return [
            *explained(series, fault)[:SAID],
            *(
                Said(f"{one.day}  {one.failed_session_count:>5,}  {one.organization}  {one.failure_reason_code or ''}")
                for one in rows[:SENDERS]
            ),
        ]

    def open(self, row: Any) -> None:  # noqa: ANN401 - a Line or a Breakdown
        """Go into a series, or into the failures of one part of a breakdown."""
        if isinstance(row, Line):
            self.bench.push_screen(FailureScreen(row.series, self.within))
            return
        narrow = GROUPINGS[self.shown - 1].narrow
        if narrow is None:
            self.action_reports()  # nothing is narrower
        else:
            self.bench.look_into(narrow(self.within, row.key))

    def domain(self) -> str | None:
        """Return the domain of all failures here, else that of the row."""
        row = self.table.row()
        return row.series.policy_domain if isinstance(row, Line) else self.within.policy_domain

    def restore(self, drawn: Asked) -> None:
        """Go back to the grouping of the rows shown."""
        self.grouping = drawn.by
        super().restore(drawn)

    def action_group(self) -> None:
        """Look at the failures by the next property."""
        self.grouping = (self.grouping + 1) % (len(GROUPINGS) + 1)
        self.first = 0
        self.renew()

    def action_reports(self) -> None:
        """Go to the reports behind the highlighted row."""
        row = self.table.row()
        within = self.within
        if isinstance(row, Line):
            series = row.series
            within = replace(within, policy_domain=series.policy_domain, cause=series.cause, mx=series.mx_key)
        elif row is not None:
            narrow = GROUPINGS[self.shown - 1].narrow
            within = narrow(within, row.key) if narrow else within
        self.bench.push_screen(ReportsScreen(replace(within, failing=True), top=self.top))


def _is_narrow(scope: Scope) -> bool:
    """Return whether a scope is about some failures, and not about all of some reports."""
    return (scope.cause, scope.result_type, scope.mx) != (None, None, None)


def _failed(found: Sequence[failures.Total]) -> Content:
    """Return the failures of a scope that knows of no successes."""
    said = [
        content(
            f"{count(one.failed_session_count, f'{one.policy_type} session')} failed so, ",
            (f"{one.would_block:,} would block", "bold $text-error" if one.would_block else ""),
            "   ",
        )
        for one in found
    ]
    return joined(said, "")


def _summed(totals: domains.Totals) -> Content:
    """Return the failures of a scope; policy types apart, since their sessions overlap."""
    if not totals.reports:
        return content()
    sessions = totals.sts_successful + totals.sts_failed
    said = content(
        f"{totals.sts_failed:,} of {count(sessions, 'sts session')} failed, ",
        (f"{totals.would_block:,} would block", "bold $text-error" if totals.would_block else ""),
    )
    others = content(
        (f"tlsa {totals.tlsa_failed:,} failed   " if totals.tlsa_failed else "", "$text-warning"),
        f"no policy {totals.no_policy_failed:,} failed   " if totals.no_policy_failed else "",
        f"{totals.claims:,} of {count(totals.reports, 'report')} are claims" if totals.claims else "",
    )
    return stacked(said, others) if others.plain else said
