"""A list of reports: of a domain, or behind a failure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import on

from queries import domains, reports
from tui import keys
from tui.draw import content
from tui.pages import report_page
from tui.screens.empty import no_reports
from tui.screens.listing import Listing
from tui.screens.report import ReportScreen
from tui.text import idn
from tui.widgets.table import Column, Table
from tui.words import count, place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from textual.binding import BindingType
    from textual.content import Content

    from queries import Scope
    from tlsrpt.store import Store
    from tui.said import Said

PAGE = 1_000  # reports fetched at once
NEAR = 100  # rows before the end at which the next ones are fetched


class Pages(NamedTuple):
    """Reports, as far as they have been fetched."""

    rows: list[reports.ReportRow]
    total: int
    newest: date | None  # day of the newest report, whatever the window; not asked for where there are reports


def _bad(failed: int | None) -> str:
    return "bad" if failed else "dim"


def _warn(row: reports.ReportRow) -> str:
    return "warn" if row.defects or row.superseded else ""


def _notes(row: reports.ReportRow) -> str:
    notes = []
    if row.superseded:
        notes.append("superseded")
    if row.defects:
        notes.append(count(row.defects, "defect"))
    return ", ".join(notes)


class ReportsScreen(Listing):
    """Reports, newest first; more are fetched as the cursor nears the end."""

    PREVIEWS = True
    NAME = "reports"
    TOP = "domains"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "about", "reports")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Day", lambda row: row.day),
        Column("Organization", lambda row: row.organization, least=16),
        Column("Domain", lambda row: row.policy_domains, least=12),
        Column("sts ok", lambda row: row.sts_successful, right=True),
        Column(
            "failed", lambda row: row.sts_failed, style=lambda row: _bad(row.sts_failed), right=True, field="sts_failed"
        ),
        Column("tlsa ok", lambda row: row.tlsa_successful, right=True, drop=4),
        Column(
            "failed",
            lambda row: row.tlsa_failed,
            style=lambda row: _bad(row.tlsa_failed),
            right=True,
            drop=3,
            field="tlsa_failed",
        ),
        Column("no policy", lambda row: row.no_policy_successful, right=True, drop=2),
        Column("Trust", lambda row: row.trust),
        Column("Notes", _notes, style=_warn, drop=1),
        Column("Report ID", lambda row: row.report_id, least=12, drop=5),
    )

    def __init__(self, within: Scope, *, top: str) -> None:
        super().__init__(within, top=top)
        self.fetched = PAGE  # how many rows were asked for

    @staticmethod
    def key(row: reports.ReportRow) -> int:
        """Return the number of the report."""
        return row.report

    def crumb(self) -> str:
        """Return whose reports these are."""
        parts = [
            idn(self.within.policy_domain) if self.within.policy_domain else "all domains",
            self.within.cause,
            None if self.within.mx is None else place(self.within.mx),
            self.within.organization,
            "reports",
        ]
        return " > ".join(part for part in parts if part)

    def about(self, policy_domain: str) -> ReportsScreen:
        """Return the same about another domain."""
        return ReportsScreen(replace(self.within, policy_domain=policy_domain), top=self.top)

    def question(self, store: Store, scope: Scope) -> Pages:
        """Return the newest reports and how many there are."""
        with store.reading():
            total = reports.count(store, scope)
            newest = None if total else domains.totals(store, replace(scope, since=None)).last_day
            return Pages(reports.newest(store, scope, limit=self.fetched), total, newest)

    def show(self, answer: Pages | None) -> None:
        """List them."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        listed = len(answer.rows)
        more = f", the newest {listed:,} of them listed" if listed < answer.total else ""
        self.list_rows(
            answer.rows,
            content(f"{count(answer.total, 'report')}{more}" if listed else ""),
            no_reports(self.bench, answer.newest),
        )
        self.fetched = max(self.fetched, listed)

    def detail(self, row: reports.ReportRow) -> Content:
        """Return the whole id."""
        return content(f"report id {row.report_id}")

    def preview(self, store: Store, row: Any) -> list[Said]:  # noqa: ANN401 - a ReportRow
        """Return the report, to read."""
        with store.reading():
            found = reports.one(store, row.report)
        return [] if found is None else report_page(found)

    def open(self, row: Any) -> None:  # noqa: ANN401 - a ReportRow
        """Go to one report."""
        self.bench.push_screen(ReportScreen(row.report, top=self.top))

    @on(Table.Moved)
    def _near_the_end(self) -> None:
        table = self.table
        if len(table.lines) == self.fetched and table.cursor >= len(table.shown) - NEAR and not table.words:
            self.fetched += PAGE
            self.asked = None
            self.renew()
