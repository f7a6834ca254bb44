"""A list of reports: of a domain, or behind a failure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from queries import reports
from tui import keys
from tui.draw import content
from tui.pages import report_page
from tui.screens.empty import no_reports
from tui.screens.paging import Page, Paging
from tui.screens.report import ReportScreen
from tui.text import idn
from tui.widgets.table import Column
from tui.words import count, place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from textual.binding import BindingType
    from textual.content import Content

    from tlsrpt.store import Store
    from tui.said import Said
    from tui.screens.base import Asked


class Found(NamedTuple):
    """Some of the reports."""

    page: Page
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


class ReportsScreen(Paging):
    """Reports, newest first."""

    PREVIEWS = True
    NAME = "reports"
    TOP = "domains"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("listing", "window", "about", "reports")
    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Day", lambda row: row.day, order="day"),
        Column("Organization", lambda row: row.organization, least=16, order="organization"),
        Column("Domain", lambda row: row.policy_domains, least=12, order="policy_domains"),
        Column("sts ok", lambda row: row.sts_successful, right=True, order="sts_successful"),
        Column(
            "failed",
            lambda row: row.sts_failed,
            style=lambda row: _bad(row.sts_failed),
            right=True,
            field="sts_failed",
            order="sts_failed",
        ),
        Column("tlsa ok", lambda row: row.tlsa_successful, right=True, drop=4, order="tlsa_successful"),
        Column(
            "failed",
            lambda row: row.tlsa_failed,
            style=lambda row: _bad(row.tlsa_failed),
            right=True,
            drop=3,
            field="tlsa_failed",
            order="tlsa_failed",
        ),
        Column("no policy", lambda row: row.no_policy_successful, right=True, drop=2, order="no_policy_successful"),
        Column("Trust", lambda row: row.trust, order="trust"),
        Column("Notes", _notes, style=_warn, drop=1, order="defects"),
        Column("Report ID", lambda row: row.report_id, least=12, drop=5, order="report_id"),
    )

    MORE = "tlsrpt reports --limit N --format csv writes more."

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

    def ask_part(self, store: Store, asked: Asked) -> tuple[list[reports.ReportRow], int]:
        """Return some reports, and how many there are."""
        return reports.listed(store, asked.scope, asked.part)

    def answer(self, store: Store, asked: Asked) -> Found:
        """Return the reports in sight and how many there are."""
        page = self.ask_page(store, asked)
        return Found(page, None if page.everything else self.newest(store, asked))

    def show(self, answer: Found | None) -> None:
        """List them."""
        if answer is None:
            self.list_rows((), content(), no_reports(self.bench, None))
            return
        everything = answer.page.everything
        summed = content(count(everything, "report") if everything else "")
        self.list_page(answer.page, summed, no_reports(self.bench, answer.newest, self.within.policy_domain))

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
